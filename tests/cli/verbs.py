"""Every management verb with good and bad input: the same story with a server and without one."""

from command import BUSY, DONE, EXISTS, FAILED, NO_SPACE, NOT_FOUND, USAGE


def good(store):
    """Each verb does what it says, for people and for programs."""
    ran = store.run("volumes", "list")
    assert ran.returncode == DONE and ran.stdout == "", "an empty list prints nothing on stdout"
    assert "volumes create" in ran.stderr, "an empty list says how to make a volume"
    assert store.json("volumes", "list") == {"volumes": []}

    assert store.done("volumes", "create", "demo", "--size", "10M") == "Created volume: demo (10 MiB)\n"
    made = store.json("volume", "create", "b", "-s", "1536K", "--shared")
    assert (made["name"], made["size"], made["shared"]) == ("b", 1536 << 10, True), made

    table = store.done("volumes", "list").splitlines()
    assert table[0].split() == ["NAME", "SIZE", "MAPPED", "SWITCHES", "CLIENTS", "WRITER"], table
    assert [line.split()[0] for line in table[1:]] == ["b", "demo"], table
    assert len({line.index(" MiB") for line in table[1:]}) == 1, "sizes stand in one column"
    assert not any(line != line.rstrip() for line in table), "no blanks at the ends of lines"
    assert store.done("volumes", "list", "--names") == "b\ndemo\n"

    shown = store.json("volumes", "show", "demo")
    assert shown["size"] == 10 << 20 and shown["writer"] is None and shown["mapped_bytes"] == 0
    page = store.done("volumes", "show", "demo")
    assert "10 MiB (10485760 bytes)" in page, page

    assert "(20 MiB)" in store.done("volumes", "resize", "demo", "--size", "20M")
    assert "(5 MiB)" in store.done("volumes", "resize", "demo", "--size", "5M", "--yes")
    assert store.json("volumes", "set", "demo", "--shared", "yes")["shared"] is True
    assert store.json("volumes", "set", "demo", "--shared", "no")["shared"] is False
    assert store.done("volumes", "release", "demo") == "Nobody writes to volume: demo (5 MiB)\n"
    assert store.done("volumes", "release", "demo", "--force") == "Released volume: demo (5 MiB)\n"
    assert store.done("volumes", "rename", "demo", "archive") == "Renamed volume: archive (5 MiB)\n"
    assert store.json("volumes", "show", "archive")["image"] == shown["image"]

    assert "blank" in store.done("inspect", "archive")
    assert store.json("inspect", "archive")["blank"] is True
    assert store.json("check")["problems"] == 0
    assert "Problems: 0\n" in store.done("check", "--data")
    stats = store.json("stats")
    assert stats["space"]["limit_bytes"] > 0 and stats["failed"] is False, stats
    assert stats["space"]["logical_bytes"] == (5 << 20) + (1536 << 10), stats
    assert "held back" in store.done("stats")

    assert store.done("volumes", "delete", "archive", "--yes") == "Deleted volume: archive\n"
    assert store.json("volumes", "delete", "b", "-y") == {"deleted": "b"}
    assert store.json("volumes", "list") == {"volumes": []}


def bad(store):
    """Each verb refuses bad input with its exit code and one sentence, and nothing changes."""
    store.done("volumes", "create", "demo", "--size", "10M")
    store.done("volumes", "create", "other", "--size", "1M")
    before = store.json("volumes", "list")

    for name in ("", "UPPER", "-x", ".x", "a/b", "../x", "a b", "é", "a\nb", "x" * 64):
        store.refused(USAGE, "volumes", "create", "--size", "1M", "--", name)
        store.refused(USAGE, "volumes", "rename", "--", "demo", name)
    for size in ("", "G", "-1", "1.5G", "10GB", "0x10", "ten", "1 G", "9999999P", "16P1"):
        store.refused(USAGE, "volumes", "create", "x", "--size", size)
        store.refused(USAGE, "volumes", "resize", "demo", "--size", size, "--yes")
    for size in ("0", "1", "511", "1000", "17P"):
        store.refused(USAGE, "volumes", "create", "x", "--size", size)
        store.refused(USAGE, "volumes", "resize", "demo", "--size", size, "--yes")
    store.refused(USAGE, "volumes", "create", "x", says="--size")
    store.refused(USAGE, "volumes", "resize", "demo", says="--size")
    store.refused(USAGE, "volumes", "create", "--size", "1M", says="NAME")
    store.refused(USAGE, "volumes", "create", "x", "y", "--size", "1M", says="'y'")
    store.refused(USAGE, "volumes", "create", "x", "--size", "1M", "--colour", "red", says="--colour")
    store.refused(EXISTS, "volumes", "create", "demo", "--size", "1M", says="'demo'")
    store.refused(EXISTS, "volumes", "rename", "demo", "other", says="'other'")
    store.refused(NO_SPACE, "volumes", "create", "x", "--size", "1T", "--reserved")
    store.refused(USAGE, "volumes", "set", "demo", says="--shared")
    store.refused(USAGE, "volumes", "set", "demo", "--shared", "maybe", says="'maybe'")

    for verb in (["show"], ["delete", "--yes"], ["resize", "--size", "1M"], ["release", "--force"], ["set", "--shared", "yes"]):
        store.refused(NOT_FOUND, "volumes", *verb, "absent", says="'absent'")
        store.refused(USAGE, "volumes", *verb, says="NAME")
    store.refused(NOT_FOUND, "volumes", "rename", "absent", "x", says="'absent'")
    store.refused(NOT_FOUND, "inspect", "absent", says="'absent'")
    for ref in ("demo@snap", "demo:tag", "team/demo:tag", "a..b", "/etc/passwd", "%2e%2e", "a?b=c&d"):
        assert store.run("inspect", ref).returncode in (FAILED, USAGE, NOT_FOUND), ref

    # destructive ones ask, and there is no terminal here
    store.refused(USAGE, "volumes", "delete", "demo", says="--yes")
    store.refused(USAGE, "volumes", "resize", "demo", "--size", "5M", says="--yes")
    assert store.json("volumes", "list") == before, "something changed"
    store.done("volumes", "delete", "demo", "--yes")
    store.done("volumes", "delete", "other", "--yes")


def held(store):
    """A second server and a store in a store's place are refused."""
    store.refused(EXISTS, "init", str(store.path))
    ran = store.run("serve")
    assert ran.returncode == BUSY, f"serve on a held store: {ran.returncode}: {ran.stderr}"
