#!/usr/bin/python3
"""scrub finds damage and names the volumes, snapshots and places; with a server, without one, and in its background."""

import time

import nbd

from command import DAMAGED, DONE, USAGE, Store, run_cases

PATTERNS = [bytes([65 + i]) * 4095 + b"\n" for i in range(8)]
store = Store()
store.done("volumes", "create", "demo", "--size", "8M")


def sound():
    store.start()
    client = nbd.NBD()
    client.connect_uri(f"nbd+unix:///demo?socket={store.path}/nbd.sock")
    for i, pattern in enumerate(PATTERNS):
        client.pwrite(pattern, (i << 20) + 8192)
    client.flush()
    client.shutdown()
    store.done("snapshots", "create", "demo@old")
    assert "Damaged blocks: 0\n" in store.done("scrub")
    answer = store.json("scrub", "--rate", "1G")
    assert answer["damaged"] == 0 and answer["reports"] == [], answer
    assert store.json("stats")["scrub"] is None
    assert store.stop() == 0
    answer = store.json("scrub")
    assert answer["damaged"] == 0 and answer["bytes_read"] > 8 * 4096, answer


def bad_words():
    for rate in ("0", "", "fast", "-1"):
        store.refused(USAGE, "scrub", "--rate", rate)
    store.refused(USAGE, "scrub", "demo", says="'demo'")
    store.refused(USAGE, "serve", "--scrub-rate", "much", says="'much'")


def plant():
    """Damages two blocks where the device has them; returns (offset, block) of each."""
    extents = (store.path / "extents").read_bytes()
    planted = []
    with open(store.path / "extents", "r+b") as file:
        for i in (2, 5):
            at = extents.find(PATTERNS[i])
            assert at >= 0 and at % 4096 == 0, "the data is not in the extents"
            file.seek(at + 100)
            file.write(b"\xff")
            planted.append(((i << 20) + 8192, at // 4096))
    return planted


def must_name(ran, planted):
    assert ran.returncode == DAMAGED and "Damaged blocks: 2\n" in ran.stdout, ran
    lines = [line for line in ran.stdout.splitlines() if "is damaged" in line]
    assert len(lines) == 2, ran.stdout
    for offset, block in planted:
        line = next(line for line in lines if f"offset {offset}: block {block} " in line)
        assert "volume 'demo'" in line and "snapshot 'demo@old'" in line, line


def damage_is_named():
    planted = plant()
    must_name(store.run("scrub"), planted)
    ran = store.run("scrub", "--json")
    assert ran.returncode == DAMAGED and '"damaged": 2' in ran.stdout, ran
    store.start()
    before = store.json("stats")["checksum_errors"]
    must_name(store.run("scrub"), planted)
    assert store.json("stats")["checksum_errors"] == before + 2
    assert store.stop() == 0


def damage_is_found_in_the_background():
    store.start("--scrub-rate", "100M")
    end = time.monotonic() + 60
    while (stats := store.json("stats"))["scrub"]["passes"] == 0:
        assert time.monotonic() < end, stats
        time.sleep(0.1)
    assert stats["scrub"]["finished_damaged"] == 2 and stats["scrub"]["rate"] == 100 << 20, stats
    assert stats["scrub"]["finished_at"] and not stats["scrub"]["running"], stats
    notes = [line for line in stats["notes"] if line.startswith("scrub: ")]
    assert len(notes) == 2 and all("volume 'demo'" in line for line in notes), notes
    page = store.done("stats")
    assert "Scrub in the background" in page and "passes finished" in page, page
    assert store.stop() == 0
    assert store.log().count("scrub: ") == 2, store.log()


def a_stop_does_not_wait_for_it():
    store.start("--scrub-rate", "1")
    assert store.json("stats")["scrub"]["passes"] == 0
    assert store.stop() == 0
    assert store.run("stats").returncode == DONE


run_cases([sound, bad_words, damage_is_named, damage_is_found_in_the_background, a_stop_does_not_wait_for_it])
