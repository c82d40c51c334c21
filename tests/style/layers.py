"""layers.txt, read: ALLOWED is {folder: what it may include}, ONLY {header: its folders}."""
import tree

ALLOWED, ONLY = {}, {}

for line in (tree.TOP / "tests/style/layers.txt").read_text().splitlines():
    name, *rest = line.split("#")[0].split() or [None]
    if name is None:
        continue
    if name.startswith("<"):
        ONLY[name.strip("<>")] = rest
        continue
    for word in rest:
        assert word.startswith("varve") or f"server/{word}" in ALLOWED, \
            f"layers.txt: {name} may not include {word}: that is not below it"
    ALLOWED[name] = rest
