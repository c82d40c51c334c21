#!/usr/bin/python3
"""Versions are committed, verified and compared, with a server and without; the digest is what others compute of the bytes."""
# timeout: 300

import errno
import hashlib
import json
import pathlib
import subprocess
import sys
import threading

import nbd

from command import BUSY, DAMAGED, NOT_FOUND, USAGE, Store, run_cases

RECOMPUTE = pathlib.Path(__file__).resolve().parents[1] / "digest/recompute.py"
MIB = 1 << 20

store = Store(init=False)
store.done("init", str(store.path), "--limit", "256M")


def recompute(ref):
    return subprocess.run([sys.executable, RECOMPUTE, store.uri(ref)], check=True, capture_output=True, text=True).stdout.strip()


def create(*words):
    return store.json("datasets", "versions", "create", "ds", *words)["ref"]


def versions(*words):
    return store.json("datasets", "versions", *words)


def unserved():
    store.done("datasets", "create", "ds", "--size", "9M")
    ref = create()
    assert store.done("datasets", "versions", "commit", "--id", ref).splitlines()[0] == f"Committed dataset version: {ref}"
    assert "already committed" in store.done("datasets", "versions", "commit", ref)
    found = versions("verify", ref)
    assert found["sound"] and found["found"] == found["digest"] and found["read_bytes"] == 0, found
    assert f"Verified dataset version: {ref}\n" in store.done("datasets", "versions", "verify", ref)
    twin = create("--from", ref)
    diff = versions("diff", ref, twin)
    assert diff["changed_bytes"] == 0 and diff["ranges"] == [], diff
    assert "Changed:" in store.done("datasets", "versions", "diff", ref, twin)


def refused():
    open_one = create()
    for verb in ("commit", "verify"):
        store.refused(USAGE, "datasets", "versions", verb)
        store.refused(NOT_FOUND, "datasets", "versions", verb, "ds:absent", says="absent")
        store.refused(NOT_FOUND, "datasets", "versions", verb, "other:1234567", says="other")
    store.refused(USAGE, "datasets", "versions", "commit", "ds", says="ds")
    store.refused(USAGE, "datasets", "versions", "verify", open_one, says="not committed")
    store.refused(USAGE, "datasets", "versions", "diff", open_one, says="with what")
    for text in ("..", f"{open_one}..", f"..{open_one}"):
        store.refused(USAGE, "datasets", "versions", "diff", text, says="FROM..TO")
    store.refused(NOT_FOUND, "datasets", "versions", "diff", f"{open_one}..absent", says="absent")
    store.refused(USAGE, "datasets", "versions", "diff", f"{open_one}..{open_one}", open_one)
    store.refused(NOT_FOUND, "datasets", "versions", "diff", open_one, "absent", says="absent")
    assert versions("details", open_one)["committed"] is False


def served():
    store.start()
    ref = create()
    client = store.connect(ref)
    client.pwrite(b"varve" * 1000, 3 * MIB - 7)
    client.pwrite(b"end", 9 * MIB - 3)
    made = versions("commit", ref)
    assert (made["leaves"], made["hashed"]) == (9, 3) and made["class"] == "raw", made
    try:
        client.pwrite(b"x", 0)
        raise AssertionError("a write to a committed version succeeds")
    except nbd.Error as refusal:
        assert refusal.errnum == errno.EPERM, refusal
    assert recompute(ref) == made["digest"]
    client.shutdown()

    next_ref = create("--from", ref)
    client = store.connect(next_ref)
    client.pwrite(b"y", 5 * MIB)
    client.shutdown()
    again = versions("commit", next_ref)
    assert (again["hashed"], again["reused"]) == (1, 8), again
    assert recompute(next_ref) == again["digest"] != made["digest"]
    diff = versions("diff", ref, next_ref)
    assert diff["ranges"] == [{"offset": 5 * MIB, "length": 4096, "hole": False}], diff
    assert versions("diff", f"{ref}..{next_ref}") == diff
    assert versions("verify", ref)["sound"] and versions("verify", "ds:latest")["sound"]


def writers_are_cut_at_one_point():
    ref = create()
    refusals = []

    def write(client, number):
        block = bytes([number]) * 8192
        for i in range(1 << 20):
            try:
                client.pwrite(block, (i * 13 + number) % 1000 * 4096 + 512 * number)
            except nbd.Error as refusal:
                refusals.append(refusal.errnum)
                return

    client = store.connect(ref)
    writer = threading.Thread(target=write, args=(client, 1))
    writer.start()
    while versions("details", ref)["mapped_bytes"] == 0:
        pass
    made = versions("commit", ref)
    writer.join()
    assert refusals == [errno.EPERM], refusals
    assert recompute(ref) == made["digest"] and versions("verify", ref)["found"] == made["digest"]


def what_is_not_clean_is_refused():
    ref = create()
    image = store.folder / "ext4"
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", image, "9M"], check=True, capture_output=True)
    content = bytearray(image.read_bytes())
    content[1024 + 0x60] |= 4  # needs recovery
    client = store.connect(ref)
    for offset in range(0, len(content), MIB):
        client.pwrite(bytes(content[offset : offset + MIB]), offset)
    client.flush()
    store.refused(BUSY, "datasets", "versions", "commit", ref, says="journal needs recovery")
    client.pwrite(b"\0", 0)
    client.shutdown()
    assert versions("commit", ref, "--allow-dirty")["class"] == "dirty"


STARTS = (2048, 20480, 40960, 61440)  # sectors


def mark(disk, places):
    """Sets bits in superblocks of the partitions, each (partition, offset, bits); what makes them as they were."""
    back = []
    with open(disk, "r+b") as file:
        for partition, offset, bits in places:
            place = STARTS[partition - 1] * 512 + 1024 + offset
            file.seek(place)
            back.append((place, file.read(1)))
            file.seek(place)
            file.write(bytes([back[-1][1][0] | bits]))
    return back


def partitions_that_are_not_clean_are_named(served):
    disk = store.folder / "disk"
    name = f"disks-{served}"
    with open(disk, "wb") as file:
        file.truncate(44 * MIB)
    table = "label: gpt\n" + "".join(f"start={start},size=16384\n" for start in STARTS)
    subprocess.run(["sfdisk", "-q", disk], input=table, check=True, capture_output=True, text=True)
    for start in STARTS:
        words = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-E", f"offset={start * 512}", disk, "8M"]
        subprocess.run(words, check=True, capture_output=True)
    store.done("datasets", "create", name)
    journal, errors = (0x60, 4), (0x3A, 2)
    for places, says in (
        ([(2, *journal)], "a file system that was not left clean: partition 2, ext4: journal needs recovery; unmount it "),
        ([(1, *journal), (2, *journal)], "file systems that were not left clean: partitions 1, 2, ext4: journal needs recovery; unmount them "),
        ([(n, *journal) for n in (1, 2, 3)], "partitions 1-3, ext4: journal needs recovery; "),
        ([(n, *journal) for n in (1, 3, 4)], "partitions 1, 3, 4, ext4: journal needs recovery; "),
        (
            [(1, *journal), (2, *errors), (4, *journal)],
            "partitions 1, 4, ext4: journal needs recovery; partition 2, ext4: marked with errors; unmount them ",
        ),
    ):
        back = mark(disk, places)
        ref = store.json("import", str(disk), name)["ref"]
        store.refused(BUSY, "datasets", "versions", "commit", ref, says=says)
        with open(disk, "r+b") as file:
            for place, byte in back:
                file.seek(place)
                file.write(byte)
    store.refused(USAGE, "datasets", "versions", "commit", ref, "--force", says="--force")
    assert versions("details", ref)["committed"] is False
    made = versions("commit", ref, "--allow-dirty")
    assert made["class"] == "dirty" and made["files"] is None, made
    assert versions("details", ref)["class"] == "dirty"
    clean = store.json("import", str(disk), name)["ref"]
    made = versions("commit", clean)
    assert made["class"] == "clean" and made["files"] is None, made
    assert versions("verify", ref)["sound"] and versions("verify", clean)["sound"]


def of_partitions_those_that_are_not_clean_are_named():
    partitions_that_are_not_clean_are_named("served")


def and_so_they_are_without_a_server():
    partitions_that_are_not_clean_are_named("unserved")


def after_a_kill_all_is_as_it_was():
    digests = {v["ref"]: v["digest"] for v in versions("list", "ds")["versions"]}
    store.kill()
    assert {v["ref"]: v["digest"] for v in versions("list", "ds")["versions"]} == digests
    for ref in digests:
        assert versions("verify", ref)["sound"], ref
    assert store.json("check", "--data")["problems"] == 0


def damage_is_named_by_offset():
    store.start()
    ref = create()
    # two blocks that are nowhere else in the store; they need not lie side by side there
    first, second = (hashlib.sha256(name).digest() * 128 for name in (b"first", b"second"))
    client = store.connect(ref)
    client.pwrite(first + second, 5 * MIB + 4096)
    client.shutdown()
    versions("commit", ref)
    store.done("datasets", "versions", "diff", "ds:~1", ref)
    assert store.stop() == 0
    with open(store.path / "extents", "r+b") as extents:
        place = extents.read().find(second)
        assert place > 0 and place % 4096 == 0, place
        extents.seek(place + 100)
        extents.write(b"!")
    ran = store.run("datasets", "versions", "verify", ref, "--json")
    found = json.loads(ran.stdout)
    assert ran.returncode == DAMAGED and not found["sound"], ran
    assert found["ranges"] == [{"offset": 5 * MIB + 8192, "length": 4096, "kind": "unreadable"}], found
    ran = store.run("datasets", "versions", "verify", ref)
    assert f"Damage at {5 * MIB + 8192}, 4096 bytes: unreadable\n" in ran.stdout, ran
    assert f"Damaged dataset version: {ref}\n" in ran.stdout, ran
    assert versions("verify", "ds:~1")["sound"]
    store.done("datasets", "versions", "delete", ref, "--yes")


run_cases([
    unserved, refused, served, writers_are_cut_at_one_point, what_is_not_clean_is_refused,
    of_partitions_those_that_are_not_clean_are_named,
    after_a_kill_all_is_as_it_was, and_so_they_are_without_a_server, damage_is_named_by_offset,
])
