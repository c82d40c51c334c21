#!/usr/bin/python3
"""volumes compact moves what lies scattered and changes nothing: served, without a server, under load and cancelled."""

import hashlib
import random
import subprocess
import threading

from command import BUSY, CANCELLED, DONE, NOT_FOUND, USAGE, VARVE, Store, run_cases

SIZE = 8 << 20
BLOCK = 4096
chance = random.Random(1)
store = Store(init=False)
store.done("init", str(store.path), "--limit", "256M")


def scatter(ref, share=1.0):
    """Writes each block once, in any order."""
    client = store.connect(ref)
    blocks = list(range(SIZE // BLOCK))
    chance.shuffle(blocks)
    for block in blocks[: int(len(blocks) * share)]:
        client.pwrite(chance.randbytes(BLOCK), block * BLOCK)
    client.flush()
    client.shutdown()


def content(ref):
    client = store.connect(ref)
    found = hashlib.sha256(client.pread(SIZE, 0)).hexdigest()
    client.shutdown()
    return found


def compact(ref, *words):
    answer = store.json("volumes", "compact", ref, *words)
    total = answer["moved_bytes"] + answer["in_order_bytes"] + answer["shared_bytes"] + answer["scattered_bytes"]
    return answer, total


def a_scattered_volume_served():
    store.done("volumes", "create", "demo", "--size", str(SIZE))
    store.start()
    scatter("demo")
    before = content("demo")
    answer, total = compact("demo")
    assert answer["ref"] == "demo" and total == SIZE, answer
    assert answer["moved_bytes"] > SIZE // 2, answer
    assert content("demo") == before
    answer, total = compact("demo")
    assert answer["in_order_bytes"] == total == SIZE, f"once is enough: {answer}"
    page = store.done("volumes", "compact", "demo")
    assert page.startswith("Compacted: demo\n") and "Moved" in page and "8 MiB" in page, page


def shared_blocks_stay():
    """A snapshot shares all; what is written afterwards is the volume's own, and moves."""
    assert store.json("volumes", "show", "demo")["unique_bytes"] == SIZE
    store.done("snapshots", "create", "demo@s")
    answer, total = compact("demo")
    assert answer["shared_bytes"] == total == SIZE, answer
    frozen = content("demo@s")
    scatter("demo", 0.25)
    before = content("demo")
    used = store.json("volumes", "show", "demo")
    answer, total = compact("demo")
    assert total == SIZE and answer["moved_bytes"] == used["unique_bytes"], (answer, used)
    assert store.json("volumes", "show", "demo") == used, "what is shared is shared as before"
    assert content("demo@s") == frozen and content("demo") == before


def a_version_keeps_its_digest():
    store.done("datasets", "create", "--name", "ds", "--size", str(SIZE))
    ref = store.json("datasets", "versions", "create", "--id", "ds")["ref"]
    scatter(ref.replace(":", "%3A"))
    store.done("datasets", "versions", "commit", "--id", ref)
    digest = store.json("datasets", "versions", "details", "--id", ref)["digest"]
    answer, total = compact("ds:latest")
    assert answer["ref"] == ref and total == SIZE and answer["moved_bytes"] > SIZE // 2, answer
    assert store.json("datasets", "versions", "verify", "--id", ref)["digest"] == digest
    ran = store.run("datasets", "versions", "verify", "--id", ref)
    assert ran.returncode == DONE, ran
    store.done("snapshots", "delete", "demo@s", "--yes")


def under_load():
    """A client overwrites and reads back while its volume is moved, again and again."""
    over, wrong = threading.Event(), []

    def load():
        client, own = store.connect("demo"), random.Random(2)
        while not over.is_set():
            offset = own.randrange(SIZE - 3 * BLOCK)
            data = own.randbytes(own.randrange(1, 3 * BLOCK))
            client.pwrite(data, offset)
            if client.pread(len(data), offset) != data:
                wrong.append(offset)
        client.shutdown()

    worker = threading.Thread(target=load)
    worker.start()
    try:
        for number in range(12):
            compact("demo")
            if number == 4:
                store.done("snapshots", "create", "demo@middle")
            if number == 8:
                store.done("snapshots", "delete", "demo@middle", "--yes")
    finally:
        over.set()
        worker.join()
    assert not wrong, wrong
    assert store.json("check", "--data")["problems"] == 0


def cancelled():
    scatter("demo")
    before = content("demo")
    process = subprocess.Popen(
        [VARVE, "volumes", "compact", "demo", "--rate", "100K"],
        env=store.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    while not (operations := store.json("operations", "list")["operations"]):
        assert process.poll() is None, process.communicate()
    assert operations[0]["what"] == "compaction of demo" and operations[0]["unit"] == "bytes", operations
    store.refused(BUSY, "volumes", "delete", "demo", "--yes", says="varve compact")
    store.done("operations", "cancel", operations[0]["token"])
    printed, said = process.communicate(timeout=30)
    assert process.returncode == CANCELLED and printed == "" and "was cancelled" in said, (printed, said)
    assert content("demo") == before


def without_a_server():
    """The rest is moved, and the server finds the same afterwards."""
    before = content("demo")
    assert store.stop() == 0
    answer, total = compact("demo")
    assert total == SIZE and answer["moved_bytes"] > SIZE // 2, answer
    assert store.json("check", "--data")["problems"] == 0
    store.start()
    assert content("demo") == before
    store.kill()
    store.start()
    assert content("demo") == before


def an_empty_volume():
    store.done("volumes", "create", "empty", "--size", "1T")
    assert compact("empty")[1] == 0


def bad_words():
    for rate in ("0", "", "fast", "-1"):
        store.refused(USAGE, "volumes", "compact", "demo", "--rate", rate)
    store.refused(USAGE, "volumes", "compact", says="REF")
    store.refused(USAGE, "volumes", "compact", "demo", "more", says="'more'")
    store.refused(USAGE, "volumes", "compact", "../demo")
    store.refused(NOT_FOUND, "volumes", "compact", "absent", says="'absent'")
    store.refused(NOT_FOUND, "volumes", "compact", "demo@absent")
    store.refused(NOT_FOUND, "volumes", "compact", "ds:absent")


def bad_words_without_a_server():
    assert store.stop() == 0
    bad_words()


run_cases([a_scattered_volume_served, shared_blocks_stay, a_version_keeps_its_digest, under_load, cancelled,
           without_a_server, an_empty_volume, bad_words, bad_words_without_a_server])
