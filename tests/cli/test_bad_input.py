#!/usr/bin/python3
"""Every verb that the help lists, with what no verb takes: refused in one sentence, with a code that says why, and nothing
is changed; without a server and with one. A verb that is added later is tried too."""
# timeout: 600

import re

from command import NOT_FOUND, USAGE, Store, run_cases

store = Store()

# What a verb needs besides its plain arguments, so that these are looked at.
NEEDS = {
    "volumes create": ["--size", "1M"], "volumes resize": ["--size", "2M", "--yes"], "volumes set": ["--shared", "yes"],
    "volumes delete": ["--yes"], "volumes rollback": ["--to", "one", "--yes"], "volumes release": ["--force"],
    "snapshots set": ["--message", "x"], "snapshots delete": ["--yes"], "snapshots schedule": ["--every", "1h", "--keep", "2"],
    "datasets update": ["--description", "x"], "datasets delete": ["--yes"],
    "datasets versions update": ["--message", "x"], "datasets versions delete": ["--yes"],
    "datasets tags set": ["--name", "t"], "datasets tags delete": ["--name", "t", "--yes"],
    "datasets files get": ["--source-path", "/", "--target-path", str(store.folder / "got")],
    "datasets files put": ["--source-path", str(store.folder / "server.log"), "--target-path", "/"],
    "datasets files delete": ["--path", "/x", "--yes"], "holds add": ["--reason", "x"],
}
# These work on what lies outside a store, or show what there is of anything: their own tests try them.
OUTSIDE = {"init", "serve", "attach", "detach"}
ANYTHING = {"log"}
# What makes something needs a name that is taken, to be refused whatever else it is given.
MAKES = {"volumes create": "vol", "datasets create": "ds"}

HOSTILE = ["", "\udcff\udcfe", "a\nb", "\x1b[31mred", "x" * 400, "../../etc/passwd", "%2e%2e", "a?b=c&d", "a..b..c", "t/t/t:"]


def leaves(words=()):
    """Each verb: its words, its help."""
    text = store.done(*words, "--help")
    if "\nCommands:\n" not in text:
        return [(list(words), text)]
    listed = text.split("\nCommands:\n")[1].split("\n\n")[0]
    return [leaf for name in re.findall(r"^  (\S+)", listed, re.MULTILINE) for leaf in leaves((*words, name))]


LEAVES = leaves()
WITHIN = [leaf for leaf in LEAVES if " ".join(leaf[0]) not in OUTSIDE]
assert len(LEAVES) >= 45, LEAVES
for verb in NEEDS:
    assert any(" ".join(words) == verb for words, _ in LEAVES), f"{verb} is no verb any more"


def arguments_of(text):
    """How many plain arguments the usage line shows."""
    usage = text.splitlines()[0].split(" [OPTION...]")[0]
    return [word for word in re.findall(r"\s(\[?[A-Z][\w:@|\[\].]*)", usage.split("--")[0])]


def state():
    return (store.json("volumes", "list"), store.json("snapshots", "list"), store.json("snapshots", "schedules"),
            store.json("datasets", "list"), store.json("datasets", "versions", "list", "ds", "--all"),
            store.json("datasets", "tags", "list", "ds"), store.json("holds", "list"), store.json("log"))


def refused(*words, codes=range(1, 12)):
    """In one sentence, with one of these codes. What it says has nothing that moves a terminal."""
    ran = store.run(*words)
    what = f"{words}: {ran.returncode}: {ran.stdout!r} {ran.stderr!r}"
    assert ran.returncode in codes, what
    assert ran.stdout == "", what
    assert len(ran.stderr.splitlines()) == 1 and ran.stderr.startswith("varve: "), what
    assert all(c.isprintable() for c in ran.stderr.rstrip("\n")), what
    assert len(ran.stderr) < 1200, what


def command_lines():
    for words, text in LEAVES:
        refused(*words, "--no-such-option", codes=[USAGE])
        refused(*words, *["x"] * 300, codes=[USAGE])
        for option, value in re.findall(r"--([a-zA-Z-]+)( [A-Z|a-z:]+)?\s{2,}", text.split("\nOptions:\n")[1]):
            if value:
                refused(*words, f"--{option}", codes=[USAGE])
            elif option != "help":
                refused(*words, f"--{option}=x", codes=[USAGE])


def no_store():
    for words, text in WITHIN:
        more = ["x"] * len(arguments_of(text)) + NEEDS.get(" ".join(words), [])
        refused(*words, *more, "--store", str(store.folder / "absent"), codes=[NOT_FOUND, USAGE, 9])
        refused(*words, *more, "--store", "", codes=[USAGE])


def plain_arguments():
    before = state()
    for words, text in WITHIN:
        count = len(arguments_of(text))
        if count == 0 or " ".join(words) in ANYTHING:
            continue
        for word in HOSTILE:
            # everything behind "--" is a plain argument
            refused(*words, *NEEDS.get(" ".join(words), []), "--", *[word] * count)
        refused(*words, *NEEDS.get(" ".join(words), []), *[MAKES.get(" ".join(words), "absent")] * count)
    assert state() == before, "something changed"
    assert not (store.folder / "got").exists()


def values_of_options():
    """Whatever they are given, they end in good order."""
    before = state()
    for words, text in WITHIN:
        count = len(arguments_of(text))
        if " ".join(words) in ANYTHING:
            continue
        for option, value in re.findall(r"--([a-zA-Z-]+) ([A-Z|a-z:]+)\s{2,}", text.split("\nOptions:\n")[1]):
            if option in ("store", "target-path") or (option == "name" and " ".join(words) in MAKES):
                continue
            for word in ("", "\udcff", "99999999999999999999999", "\x1b[31m"):
                refused(*words, *NEEDS.get(" ".join(words), []), f"--{option}={word}", "--",
                        *[MAKES.get(" ".join(words), "absent")] * count)
    assert state() == before, "something changed"


def while_served():
    store.start()
    plain_arguments()
    assert store.stop() == 0
    assert store.json("check")["problems"] == 0


store.done("volumes", "create", "vol", "--size", "1M")
store.done("snapshots", "create", "vol@one")
store.done("datasets", "create", "ds", "--size", "1M")
store.done("datasets", "versions", "create", "ds")
store.done("datasets", "versions", "commit", store.done("datasets", "versions", "list", "ds", "--all", "--refs").split()[0])
(store.folder / "server.log").touch()
run_cases([command_lines, no_store, plain_arguments, values_of_options, while_served])
