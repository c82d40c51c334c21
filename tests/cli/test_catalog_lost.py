#!/usr/bin/python3
"""catalog.db is lost, damaged or replaced by an older one: the next start has every name again, and says what it did."""

import subprocess

from command import VARVE, Store, run_cases

store = Store()
catalog = store.path / "catalog.db"
store.done("volumes", "create", "first", "--size", "8M")
older = catalog.read_bytes()
store.done("volumes", "create", "demo", "--size", "8M")
store.done("snapshots", "create", "demo@monday", "--message", "before the storm")


def kept():
    """What was moved out of the way, without its journals."""
    return [path for path in store.path.glob("catalog.db.damaged-*") if not path.name.endswith("-journal")]


def names_are_there():
    assert "demo" in store.done("volumes", "list") and "first" in store.done("volumes", "list")
    assert "before the storm" in store.done("snapshots", "show", "demo@monday")
    assert "Problems: 0" in store.done("check")


def damaged(change):
    """Without a server, and served, also after a kill."""
    before = len(kept())
    change()
    names_are_there()
    store.start()
    names_are_there()
    store.kill()
    change()
    store.start()
    names_are_there()
    assert store.stop() == 0
    return len(kept()) - before


def lost():
    assert damaged(catalog.unlink) == 0


def cut_short():
    assert damaged(lambda: catalog.write_bytes(catalog.read_bytes()[:9000])) == 2


def an_older_one():
    assert damaged(lambda: catalog.write_bytes(older)) == 2
    assert any(path.read_bytes() == older for path in kept()), "what was replaced is kept"


def garbage():
    assert damaged(lambda: catalog.write_bytes(b"garbage" * 5000)) == 2


def committed(dataset, letter):
    """A version with some bytes, committed; how details show it."""
    image = store.folder / "image"
    image.write_bytes(letter * 3_000_000 + bytes(1 << 20))
    store.done("import", str(image), dataset)
    ref = store.done("datasets", "versions", "list", dataset, "--isCommitted", "false", "--refs").strip()
    store.done("datasets", "versions", "commit", ref)
    return store.json("datasets", "versions", "details", ref)


def copies_lost_too(served):
    """Versions are named from their labels and have their digests from the images of these: only what stands in no
    image is lost, which is messages, parents, tags and names of datasets."""
    id_ = store.json("datasets", "create", "--name", f"data-{served}")["id"]
    tree = store.folder / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "file").write_text("text")
    line = store.done("datasets", "versions", "create", id_, "--source-path", str(tree))
    before = [store.json("datasets", "versions", "details", line.split()[-1])]
    before += [committed(id_, letter) for letter in (b"a", b"b")]
    uncommitted = store.json("datasets", "versions", "create", id_, "--size", "1M")["ref"]
    catalog.unlink()
    subprocess.run([VARVE.parents[1] / "tests/bench/lose_catalog", store.path], check=True)
    if served:
        store.start()
        said = store.log()
    else:
        said = store.run("datasets", "list").stderr
    name = f"found-{id_[2:]}"
    assert f"of dataset {id_} was not in the catalog: named again" in said and "its digest too" not in said, said
    assert store.json("datasets", "details", id_)["name"] == name
    for old in before:
        new = store.json("datasets", "versions", "details", f"{id_}:{old['id']}")
        assert new["ref"] == f"{name}:{old['id']}"
        kept = ("id", "dataset", "image", "digest", "sequence", "committed", "size", "mapped_bytes", "unique_bytes", "shared_bytes")
        assert new["files"] is None and new["class"] == "unknown", new
        assert {key: new[key] for key in kept} == {key: old[key] for key in kept}, (old, new)
        assert store.json("datasets", "versions", "verify", new["ref"])["sound"] is True
    shown = store.json("datasets", "versions", "details", f"{id_}:{uncommitted.split(':')[1]}")
    assert shown["digest"] is None and shown["committed"] is False, shown
    # the next version builds on these digests
    next_ = store.json("datasets", "versions", "create", id_, "--from", id_)["ref"]
    made = store.json("datasets", "versions", "commit", next_)
    assert made["digest"] == before[-1]["digest"] and made["hashed"] == 0, made
    assert store.json("check")["problems"] == 0
    if served:
        assert store.stop() == 0


def the_copies_too():
    copies_lost_too(0)
    copies_lost_too(1)


run_cases([lost, cut_short, an_older_one, garbage, the_copies_too])
