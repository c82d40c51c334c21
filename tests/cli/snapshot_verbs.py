"""Snapshots, clones and rollback with good and bad input: the same story with a server and without one."""

import os

from command import BUSY, DONE, EXISTS, NO_SPACE, NOT_FOUND, USAGE


def names(store, *words):
    return [s["ref"] for s in store.json("snapshots", "list", *words)["snapshots"]]


def good(store):
    """Each verb does what it says, for people and for programs."""
    ran = store.run("snapshots", "list")
    assert ran.returncode == DONE and ran.stdout == "" and "snapshots create" in ran.stderr, ran
    store.done("volumes", "create", "a", "--size", "10M")
    store.done("volumes", "create", "b", "--size", "4M")

    assert store.done("snapshots", "create", "a@one", "-m", "first of all") == "Created snapshot: a@one (10 MiB)\n"
    taken = store.json("snapshot", "create", "a", "b", "--name", "pair")["snapshots"]
    assert [(s["ref"], s["size"]) for s in taken] == [("a@pair", 10 << 20), ("b@pair", 4 << 20)], taken
    mixed = store.json("snapshots", "create", "b@own", "a")["snapshots"]
    assert mixed[0]["ref"] == "b@own" and mixed[1]["ref"].startswith("a@2"), mixed
    assert names(store, "a") == ["a@one", "a@pair", mixed[1]["ref"]]
    assert names(store) == ["a@one", "a@pair", mixed[1]["ref"], "b@pair", "b@own"]

    table = store.done("snapshots", "list", "a").splitlines()
    assert table[0].split() == ["SNAPSHOT", "SIZE", "MAPPED", "CREATED", "BY", "CLIENTS", "HOLDS", "MESSAGE"], table
    assert table[1].split()[0] == "a@one" and table[1].endswith("first of all"), table
    assert store.done("snapshots", "list", "b", "--names") == "b@pair\nb@own\n"
    shown = store.json("snapshots", "show", "a@one")
    assert (shown["unique_bytes"], shown["shared_bytes"]) == (0, 0) and shown["reclaimable_bytes"] >= 0, shown
    assert "Reclaimable:" in store.done("snapshots", "show", "a@one")
    assert (shown["volume"], shown["name"], shown["message"], shown["schedule"]) == ("a", "one", "first of all", None)
    assert "first of all" in store.done("snapshots", "show", "a@one")
    assert store.done("snapshots", "set", "a@one", "-m", "other words") == "Changed snapshot: a@one\n"
    assert store.json("snapshots", "show", "a@one")["message"] == "other words"
    assert store.json("inspect", "a@one")["blank"] is True

    assert store.done("volumes", "create", "c", "--from", "a@one") == "Created volume: c (10 MiB)\n"
    assert store.json("volumes", "create", "d", "--from", "c", "--size", "12M", "--shared")["size"] == 12 << 20
    store.done("volumes", "resize", "a", "--size", "20M")
    said = store.done("volumes", "rollback", "a", "--to", "one", "--yes").splitlines()
    assert said[0].startswith("Created snapshot: a@2") and said[1] == "Rolled back volume: a to a@one (10 MiB)", said
    assert store.json("snapshots", "show", said[0].split()[-1])["size"] == 20 << 20, "the present was saved"
    before = names(store, "a")
    back = store.json("volumes", "rollback", "a", "--to", "a@pair", "--no-save", "--yes")
    assert back["saved"] is None and names(store, "a") == before, back

    # a volume goes, its snapshots stay, and its name with them
    store.done("volumes", "delete", "a", "--yes")
    assert names(store, "a") == before
    store.refused(EXISTS, "volumes", "create", "a", "--size", "1M", says="left snapshots")
    store.refused(EXISTS, "volumes", "create", "a", "--from", "b@own", says="left snapshots")
    store.refused(EXISTS, "volumes", "rename", "c", "a", says="left snapshots")
    store.done("volumes", "create", "a", "--from", "a@pair")
    store.done("volumes", "rename", "a", "e")
    assert names(store, "e") == [ref.replace("a@", "e@") for ref in before]
    assert store.json("check")["problems"] == 0

    for ref in names(store):
        assert store.done("snapshots", "delete", ref, "--yes") == f"Deleted snapshot: {ref}\n"
    for name in ("b", "c", "d", "e"):
        store.done("volumes", "delete", name, "--yes")
    assert store.json("snapshots", "list") == {"snapshots": []}
    assert store.json("check")["problems"] == 0


def bad(store):
    """Each verb refuses bad input with its exit code and one sentence, and nothing changes."""
    store.done("volumes", "create", "a", "--size", "10M")
    store.done("volumes", "create", "b", "--size", "1M")
    store.done("snapshots", "create", "a@one", "--hold", "audit")
    before = names(store)

    store.refused(USAGE, "snapshots", "create", says="VOLUME")
    for ref in ("", "A", "a@", "@x", "a@A", "a@b@c", "a@-x", "a/b", "ds:latest", "a..b", "a@" + "x" * 64):
        store.refused(USAGE, "snapshots", "create", "--", ref)
        store.refused(USAGE, "snapshots", "create", "--", "b@good", ref)
    store.refused(USAGE, "snapshots", "create", "a", "--name", "NO", says="'NO'")
    store.refused(USAGE, "snapshots", "create", "a", "b", "a@x", says="twice")
    store.refused(USAGE, "snapshots", "create", "a", "--hold", "", says="hold")
    store.refused(USAGE, "snapshots", "create", "a", "-m", "x" * 1024, says="1024")
    store.refused(NOT_FOUND, "snapshots", "create", "b@good", "absent", says="'absent'")
    store.refused(EXISTS, "snapshots", "create", "b@good", "a@one", says="'a@one'")
    store.refused(EXISTS, "snapshots", "create", "b", "a", "--name", "one", says="'a@one'")
    for verb in (["show"], ["delete", "--yes"], ["set", "-m", "x"]):
        store.refused(NOT_FOUND, "snapshots", *verb, "a@absent", says="'a@absent'")
        store.refused(NOT_FOUND, "snapshots", *verb, "absent@one", says="'absent@one'")
        store.refused(USAGE, "snapshots", *verb, "a", says="'a'")
        store.refused(USAGE, "snapshots", *verb, "a@", says="'a@'")
        store.refused(USAGE, "snapshots", *verb, says="VOLUME@SNAPSHOT")
    store.refused(USAGE, "snapshots", "set", "a@one", says="--message")
    store.refused(USAGE, "snapshots", "set", "a@one", "-m", "x" * 1024, says="1024")
    store.refused(NOT_FOUND, "snapshots", "list", "absent", says="'absent'")
    store.refused(USAGE, "snapshots", "list", "A", says="'A'")
    store.refused(BUSY, "snapshots", "delete", "a@one", "--yes", says="audit")
    store.refused(USAGE, "snapshots", "delete", "a@one", says="--yes")

    store.refused(USAGE, "volumes", "create", "c", says="--size")
    store.refused(NOT_FOUND, "volumes", "create", "c", "--from", "a@absent", says="'a@absent'")
    store.refused(NOT_FOUND, "volumes", "create", "c", "--from", "absent", says="'absent'")
    store.refused(USAGE, "volumes", "create", "c", "--from", "a@", says="'a@'")
    store.refused(USAGE, "volumes", "create", "c", "--from", "a..b", says="a..b")
    store.refused(USAGE, "volumes", "create", "c", "--from", "a@one", "--size", "1M", says="does not fit")
    store.refused(EXISTS, "volumes", "create", "b", "--from", "a@one", says="'b'")
    store.done("volumes", "resize", "a", "--size", "1T")
    store.refused(NO_SPACE, "volumes", "create", "c", "--from", "a", "--reserved")
    store.done("volumes", "resize", "a", "--size", "10M", "--yes")

    store.refused(USAGE, "volumes", "rollback", "a", "--yes", says="--to")
    store.refused(USAGE, "volumes", "rollback", "a", "--to", "one", says="--yes")
    store.refused(NOT_FOUND, "volumes", "rollback", "a", "--to", "absent", "--yes", says="'a@absent'")
    store.refused(NOT_FOUND, "volumes", "rollback", "absent", "--to", "one", "--yes", says="'absent'")
    store.refused(USAGE, "volumes", "rollback", "b", "--to", "a@one", "--yes", says="--from")
    store.done("holds", "add", "a", "--reason", "court")
    store.refused(BUSY, "volumes", "rollback", "a", "--to", "one", "--yes", says="court")
    store.refused(BUSY, "volumes", "delete", "a", "--yes", says="court")

    assert names(store) == before, "something changed"
    store.done("holds", "release", "a")
    store.done("holds", "release", "a@one")
    store.done("snapshots", "delete", "a@one", "--yes")
    store.done("volumes", "delete", "a", "--yes")
    store.done("volumes", "delete", "b", "--yes")
    assert store.json("snapshots", "list") == {"snapshots": []}


def reserved(store):
    """What a reserved volume shares is set aside, or nothing is made."""
    def aside(name):
        return store.json("volumes", "show", name)["set_aside_bytes"]

    image = store.folder / "image"
    image.write_bytes(os.urandom(16 << 20))
    store.done("import", str(image), "source")
    store.done("volumes", "create", "thick", "--from", "source", "--reserved")
    assert (aside("source"), aside("thick")) == (0, 16 << 20)
    assert "Set aside" in store.done("volumes", "show", "thick")
    store.done("volumes", "create", "other", "--size", "16M", "--reserved")
    before = names(store), store.json("log")
    store.refused(NO_SPACE, "volumes", "create", "more", "--from", "thick", "--reserved", says="bytes too few")
    assert (names(store), store.json("log")) == before, "something changed"
    store.done("snapshots", "create", "source", "thick", "--name", "a")
    store.done("volumes", "delete", "source", "--yes")
    store.done("volumes", "delete", "other", "--yes")
    store.done("volumes", "rollback", "thick", "--to", "a", "--no-save", "--yes")
    assert aside("thick") == 16 << 20
    for ref in ("source@a", "thick@a"):
        store.done("snapshots", "delete", ref, "--yes")
    store.done("volumes", "delete", "thick", "--yes")
    assert store.json("check")["problems"] == 0


def schedules(store, *words):
    return [(s["volume"], s["every"], s["keep"]) for s in store.json("snapshots", "schedules", *words)["schedules"]]


def schedule(store):
    """Schedules are made, changed, listed and removed; bad ones are refused."""
    ran = store.run("snapshots", "schedules")
    assert ran.returncode == DONE and ran.stdout == "" and "--every" in ran.stderr, ran
    for name in ("a", "b"):
        store.done("volumes", "create", name, "--size", "1M")
    said = store.done("snapshots", "schedule", "a", "--every", "60m", "--keep", "24")
    assert said == "Scheduled snapshots: a every 1h, the newest 24 kept\n", said
    store.done("snapshots", "schedule", "a", "--every", "1d", "--keep", "30")
    assert store.json("snapshots", "schedule", "b", "--every", "90s", "--keep", "1")["schedules"][0]["every"] == 90
    store.done("snapshots", "schedule", "a", "--every", "3600", "--keep", "12")
    assert schedules(store) == [("a", 3600, 12), ("a", 86400, 30), ("b", 90, 1)]
    assert schedules(store, "b") == [("b", 90, 1)]
    table = store.done("snapshots", "schedules").splitlines()
    assert table[0].split() == ["VOLUME", "EVERY", "KEEP", "LAST", "FAILURE"] and table[1].split()[:3] == ["a", "1h", "12"], table

    for every in ("", "0", "0s", "1y", "1.5h", "-1h", "h", "1h30m", "367d", "99999999999999999999", "9999999999999999w"):
        store.refused(USAGE, "snapshots", "schedule", "a", f"--every={every}", "--keep", "1")
        store.refused(USAGE, "snapshots", "schedule", "a", f"--every={every}", "--remove")
    for keep in ("0", "-1", "10001", "x", ""):
        store.refused(USAGE, "snapshots", "schedule", "a", "--every", "1h", f"--keep={keep}")
    store.refused(USAGE, "snapshots", "schedule", "a", "--keep", "1", says="--every")
    store.refused(USAGE, "snapshots", "schedule", "a", "--every", "1h", says="--keep")
    store.refused(USAGE, "snapshots", "schedule", "a", "--remove", "--keep", "1", says="--keep")
    store.refused(USAGE, "snapshots", "schedule", says="VOLUME")
    store.refused(NOT_FOUND, "snapshots", "schedule", "absent", "--every", "1h", "--keep", "1", says="'absent'")
    store.refused(USAGE, "snapshots", "schedule", "a@b", "--every", "1h", "--keep", "1", says="'a@b'")
    store.refused(NOT_FOUND, "snapshots", "schedule", "a", "--every", "2h", "--remove", says="'a'")
    store.refused(NOT_FOUND, "snapshots", "schedules", "absent", says="'absent'")
    assert schedules(store) == [("a", 3600, 12), ("a", 86400, 30), ("b", 90, 1)], "something changed"

    assert store.done("snapshots", "schedule", "a", "--every", "1h", "--remove") == "Removed schedule: a every 1h\n"
    assert schedules(store) == [("a", 86400, 30), ("b", 90, 1)]
    assert store.done("snapshots", "schedule", "a", "--remove") == "Removed schedules: a\n"
    store.refused(NOT_FOUND, "snapshots", "schedule", "a", "--remove", says="'a'")
    store.done("volumes", "rename", "b", "c")
    assert schedules(store) == [("c", 90, 1)], "a schedule goes with its volume's name"
    store.done("volumes", "delete", "c", "--yes")
    assert schedules(store) == []
    store.done("volumes", "delete", "a", "--yes")
    for ref in names(store):
        store.done("snapshots", "delete", ref, "--yes")
