#!/usr/bin/python3
"""Datasets, versions and tags by their verbs: without a server, and with one."""
# timeout: 240

import dataset_verbs
from command import Store, run_cases

store = Store()


def good_without_a_server():
    dataset_verbs.good(store)


def bad_without_a_server():
    dataset_verbs.bad(store)


def tags_without_a_server():
    dataset_verbs.tags(store)


def good_with_a_server():
    store.start()
    dataset_verbs.good(store)


def bad_with_a_server():
    dataset_verbs.bad(store)


def tags_with_a_server():
    dataset_verbs.tags(store)


run_cases([
    good_without_a_server, bad_without_a_server, tags_without_a_server,
    good_with_a_server, bad_with_a_server, tags_with_a_server,
])
