#!/usr/bin/python3
"""Where the space went: with a server and without."""

import nbd

from command import NOT_FOUND, USAGE, Store, run_cases

MIB = 1 << 20
store = Store()


def write(name, offset, length):
    client = nbd.NBD()
    client.connect_uri(f"nbd+unix:///{name}?socket={store.path}/nbd.sock")
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
    lines = store.done("du").splitlines()
    assert len(lines) == 3 and "RECLAIMABLE" in lines[0] and "2 MiB" in lines[1], lines
    assert len(store.done("du", "demo", "empty").splitlines()) == 3


def bad():
    store.refused(NOT_FOUND, "du", "absent", says="'absent'")
    store.refused(NOT_FOUND, "du", "demo", "absent", says="'absent'")
    for ref in ("", "A", "../x", "a..b"):
        assert store.run("du", ref).returncode in (USAGE, NOT_FOUND), ref
    store.refused(USAGE, "du", "--colour", says="--colour")


def without_a_server():
    assert store.stop() == 0
    usage()
    bad()


run_cases([fill, usage, bad, without_a_server])
