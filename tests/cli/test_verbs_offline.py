#!/usr/bin/python3
"""The management verbs while nobody serves the store."""

import verbs
from command import EXISTS, Store, run_cases

store = Store()


def good():
    verbs.good(store)


def bad():
    verbs.bad(store)


def a_store_is_not_made_twice():
    store.refused(EXISTS, "init", str(store.path))
    assert store.json("volumes", "list") == {"volumes": []}


def nothing_is_left_running():
    assert not store.door.exists(), "a command in its own process opens no door"


run_cases([good, bad, a_store_is_not_made_twice, nothing_is_left_running])
