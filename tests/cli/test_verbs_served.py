#!/usr/bin/python3
"""The management verbs while a server runs."""

import verbs
from command import Store, run_cases

store = Store()
store.start()


def good():
    verbs.good(store)


def bad():
    verbs.bad(store)


def held():
    verbs.held(store)


def what_was_done_survives_the_server():
    store.done("volumes", "create", "kept", "--size", "3M")
    assert store.stop() == 0
    assert [v["name"] for v in store.json("volumes", "list")["volumes"]] == ["kept"]
    store.start()
    assert store.json("volumes", "show", "kept")["size"] == 3 << 20
    store.kill()
    assert store.json("volumes", "show", "kept")["size"] == 3 << 20


run_cases([good, bad, held, what_was_done_survives_the_server])
