#!/usr/bin/python3
"""--dry-run of every delete: it changes nothing, and what it says comes back does come back, to the byte."""
# timeout: 240

import time

from command import BUSY, NOT_FOUND, USAGE, Store, run_cases

MIB = 1 << 20
store = Store(init=False)
store.done("init", str(store.path), "--limit", "256M")


def write(ref, byte, offset, length):
    client = store.connect(ref)
    client.pwrite(byte * length, offset)
    client.flush()
    client.shutdown()


def used():
    """Space in use, when what was deleted has come back."""
    before, same = -1, 0
    end = time.monotonic() + 60
    while same < 5:
        assert time.monotonic() < end, "space in use never comes to rest"
        space = store.json("stats")["space"]
        now = space["used_bytes"] - space["catalog_bytes"]  # the history of it all grows
        same = same + 1 if now == before else 0
        before = now
        time.sleep(0.1)
    return before


def version(dataset, byte, *words):
    ref = store.json("datasets", "versions", "create", dataset, *words)["ref"]
    write(ref, byte, (byte[0] % 7) * MIB, MIB + 8192)
    store.done("datasets", "versions", "commit", ref)
    return ref


def prepare():
    store.start()
    store.done("volumes", "create", "keep", "--size", "1M")  # the store's own tables stay in use
    store.done("datasets", "create", "--name", "team/ds", "--size", "16M")
    first = version("team/ds", b"1")
    store.done("datasets", "tags", "set", first, "--name", "prod")
    version("team/ds", b"2", "--from", first)
    store.done("datasets", "versions", "create", "team/ds", "--from", first)
    store.done("datasets", "create", "--name", "none")
    store.done("volumes", "create", "vol", "--size", "16M")
    write("vol", b"v", 0, 3 * MIB)
    store.done("snapshots", "create", "vol@old")
    write("vol", b"w", 5000, MIB)


def everything():
    return [store.json(*words) for words in (["volumes", "list"], ["snapshots", "list"], ["datasets", "list"],
            ["datasets", "versions", "list", "team/ds", "--all"], ["datasets", "tags", "list", "team/ds"], ["du"])]


def latest():
    return store.json("datasets", "versions", "details", "team/ds")["ref"]


def the_first():
    return store.json("datasets", "versions", "details", "team/ds:prod")["ref"]


def changes_nothing():
    before = everything()
    for words in (["volumes", "delete", "vol"], ["snapshots", "delete", "vol@old"], ["datasets", "delete", "team/ds"],
                  ["datasets", "versions", "delete", latest()], ["datasets", "versions", "delete", "--force", "team/ds:prod"]):
        plan = store.json(*words, "--dry-run")
        assert plan["count"] == len(plan["would_delete"]) >= 1, plan
        said = store.done(*words, "--dry-run", "--yes")
        assert all(f"{one['kind']}: {one['ref']} (" in said for one in plan["would_delete"]), said
        assert said.endswith(f"({plan['reclaimable_bytes']} bytes)\n"), said
    assert everything() == before


def says_what_forbids_it():
    hold = store.json("holds", "add", "team/ds:~1", "--reason", "for the auditors")["number"]
    for words in (["versions", "delete", "team/ds:prod"], ["delete", "team/ds"]):
        said = store.done("datasets", *words, "--dry-run")
        assert "but it is tagged 'prod'" in said and "for the auditors" in said, said
    store.refused(BUSY, "datasets", "versions", "delete", "team/ds:prod", "--yes", says="for the auditors")
    store.refused(BUSY, "datasets", "versions", "delete", "team/ds:prod", "--yes", "--force", says="holds release")
    store.refused(BUSY, "datasets", "delete", "team/ds", "--yes", "--force", says="holds release")
    store.done("holds", "release", str(hold))
    said = store.done("datasets", "delete", "team/ds", "--dry-run")
    assert said.startswith("Would delete dataset: team/ds (versions: 2, uncommitted: 1, tags: 1)\n"), said
    said = store.done("datasets", "delete", "none", "--dry-run")
    assert said.startswith("Would delete dataset: none (") and said.endswith("(0 bytes)\n"), said


def refuses_what_the_verb_would_not_delete():
    store.refused(NOT_FOUND, "datasets", "delete", "absent", "--dry-run", says="'absent'")
    store.refused(NOT_FOUND, "datasets", "versions", "delete", "team/ds:absent", "--dry-run", says="absent")
    store.refused(NOT_FOUND, "volumes", "delete", "absent", "--dry-run", says="'absent'")
    store.refused(NOT_FOUND, "snapshots", "delete", "vol@absent", "--dry-run", says="absent")
    store.refused(USAGE, "datasets", "versions", "delete", "team/ds", "--dry-run", says="which version")
    store.refused(USAGE, "datasets", "versions", "delete", "team/ds:*", "--dry-run")
    store.refused(USAGE, "datasets", "versions", "delete", "vol", "--dry-run")
    for words in (["volumes", "delete", "vol@old"], ["volumes", "delete", "team/ds:prod"], ["snapshots", "delete", "vol"],
                  ["datasets", "delete", "vol"], ["datasets", "delete", latest()], ["datasets", "versions", "delete", "vol@old"]):
        ran = store.run(*words, "--dry-run")
        assert ran.returncode in (USAGE, NOT_FOUND) and ran.stdout == "", (words, ran)


def comes_back_to_the_byte():
    for words in (["datasets", "versions", "delete", "--force", the_first()], ["datasets", "versions", "delete", latest()],
                  ["volumes", "delete", "vol"], ["datasets", "delete", "team/ds"]):
        if words[0] == "volumes":
            store.done("snapshots", "delete", "vol@old", "--yes")
        before = used()
        plan = store.json(*words, "--dry-run")
        store.done(*words, "--yes")
        after = used()
        assert before - after == plan["reclaimable_bytes"], (words, before, after, plan)
        print(f"  {words[-1]}: {before - after} bytes")


run_cases([prepare, changes_nothing, says_what_forbids_it, refuses_what_the_verb_would_not_delete, comes_back_to_the_byte])
