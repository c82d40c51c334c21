#!/usr/bin/python3
"""The verbs of snapshots, without a server and with one."""

import snapshot_verbs
from command import Store, run_cases

offline, served = Store(), Store()
served.start()


def good_offline():
    snapshot_verbs.good(offline)


def bad_offline():
    snapshot_verbs.bad(offline)


def good_served():
    snapshot_verbs.good(served)


def bad_served():
    snapshot_verbs.bad(served)


def snapshots_survive_the_server():
    served.done("volumes", "create", "kept", "--size", "1M")
    served.done("snapshots", "create", "kept@a")
    served.kill()
    assert snapshot_verbs.names(served) == ["kept@a"]


run_cases([good_offline, bad_offline, good_served, bad_served, snapshots_survive_the_server])
