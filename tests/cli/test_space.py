#!/usr/bin/python3
"""Where the space went: with a server and without."""

from command import NOT_FOUND, USAGE, Store, run_cases

MIB = 1 << 20
store = Store()


def write(name, offset, length):
    client = store.connect(name)
    client.pwrite(b"\x5a" * length, offset)
    client.flush()
    client.shutdown()


def fill():
    store.done("volumes", "create", "demo", "--size", "8M")
    store.done("volumes", "create", "empty", "--size", "4M")
    store.start()
    write("demo", 0, 2 * MIB)


def usage():
    table = store.json("du")["usage"]
    assert [u["ref"] for u in table] == ["demo", "empty"], table
    demo, empty = table
    assert demo["kind"] == "volume" and demo["size"] == 8 * MIB, demo
    assert demo["mapped_bytes"] == demo["unique_bytes"] == 2 * MIB and demo["shared_bytes"] == 0, demo
    assert demo["reclaimable_bytes"] > 2 * MIB and demo["reclaimable_bytes"] % 4096 == 0, demo
    assert empty["mapped_bytes"] == empty["reclaimable_bytes"] == 0, empty
    one = store.json("du", "demo")["usage"]
    assert one == [{**demo, "shared_with": []}], one
    shown = store.json("volumes", "show", "demo")
    assert all(shown[key] == demo[key] for key in ("unique_bytes", "shared_bytes", "reclaimable_bytes")), shown
    assert "Reclaimable" in store.done("volumes", "show", "demo")
    lines = store.done("du").splitlines()
    assert len(lines) == 3 and "RECLAIMABLE" in lines[0] and "2 MiB" in lines[1], lines
    assert len(store.done("du", "demo", "empty").splitlines()) == 3


def preview():
    """Says what a delete would do, and does nothing."""
    reclaimable = store.json("du", "demo")["usage"][0]["reclaimable_bytes"]
    plan = store.json("volumes", "delete", "demo", "--dry-run")
    assert plan["count"] == 1 and plan["reclaimable_bytes"] == reclaimable, plan
    assert plan["blockers"] == 0 and plan["would_delete"][0]["ref"] == "demo", plan
    store.done("holds", "add", "demo", "--reason", "dear to me")
    said = store.done("volumes", "delete", "demo", "--dry-run")
    assert "dear to me" in said and f"({reclaimable} bytes)" in said, said
    store.done("holds", "release", "demo")
    if store.server:
        client = store.connect("demo")
        plan = store.json("volumes", "delete", "demo", "--dry-run")
        assert plan["blockers"] == 1 and "attached" in plan["would_delete"][0]["blockers"][0], plan
        client.shutdown()
    store.refused(NOT_FOUND, "volumes", "delete", "absent", "--dry-run", says="'absent'")
    assert len(store.json("volumes", "list")["volumes"]) == 2


def told_right_when_nobody_serves():
    """A command leaves no deleted thing behind that still counts as a sharer."""
    assert store.server is None
    before = store.json("du", "demo")["usage"][0]
    store.done("volumes", "create", "twin", "--from", "demo")
    assert store.json("volumes", "show", "demo")["unique_bytes"] == 0
    store.done("volumes", "delete", "twin", "--yes")
    assert store.json("du", "demo")["usage"][0] == before
    shown = store.json("volumes", "show", "demo")
    assert shown["unique_bytes"] == before["unique_bytes"] > 0, shown
    assert store.json("stats")["journal"]["reclaim_pending"] == 0


def bad():
    store.refused(NOT_FOUND, "du", "absent", says="'absent'")
    store.refused(NOT_FOUND, "du", "demo", "absent", says="'absent'")
    for ref in ("", "A", "../x", "a..b"):
        assert store.run("du", ref).returncode in (USAGE, NOT_FOUND), ref
    store.refused(USAGE, "du", "--colour", says="--colour")


def without_a_server():
    assert store.stop() == 0
    store.server = None
    usage()
    preview()
    told_right_when_nobody_serves()
    bad()


run_cases([fill, usage, preview, bad, without_a_server])
