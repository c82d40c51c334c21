#!/usr/bin/python3
"""A volume that a client holds: who it is, what is refused meanwhile, and how it is taken away."""

import nbd

from command import BUSY, Store, run_cases

store = Store()
store.start()
store.done("volumes", "create", "demo", "--size", "8M")
client = nbd.NBD()
client.connect_uri(f"nbd+unix:///demo?socket={store.path}/nbd.sock")


def connected_is_not_held():
    shown = store.json("volumes", "show", "demo")
    assert shown["connections"] == 1 and shown["writer"] is None, shown
    store.done("volumes", "release", "demo")


def writing_takes_it():
    client.pwrite(b"x" * 512, 0)
    shown = store.json("volumes", "show", "demo")
    assert shown["writer"], shown
    assert shown["writer"] in store.done("volumes", "show", "demo")
    assert shown["writer"] in store.done("volumes", "list")


def refused_meanwhile():
    holder = store.json("volumes", "show", "demo")["writer"]
    store.refused(BUSY, "volumes", "delete", "demo", "--yes", says="'demo'")
    store.refused(BUSY, "volumes", "resize", "demo", "--size", "1M", "--yes", says="'demo'")
    store.refused(BUSY, "volumes", "release", "demo", says=holder)
    shown = store.json("volumes", "show", "demo")
    assert shown["size"] == 8 << 20 and shown["writer"] == holder, shown
    store.done("volumes", "resize", "demo", "--size", "16M")
    client.pwrite(b"y" * 512, 0)


def taken_away():
    store.done("volumes", "release", "demo", "--force")
    assert store.json("volumes", "show", "demo")["writer"] is None
    try:
        client.pwrite(b"z" * 512, 0)
        raise AssertionError("a fenced client wrote")
    except nbd.Error as error:
        assert error.errno == "EPERM", error
    assert client.pread(512, 0) == b"y" * 512


def deleted_when_nobody_is_left():
    client.shutdown()
    store.done("volumes", "delete", "demo", "--yes")


run_cases([connected_is_not_held, writing_takes_it, refused_meanwhile, taken_away, deleted_when_nobody_is_left])
