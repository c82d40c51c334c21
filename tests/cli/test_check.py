#!/usr/bin/python3
"""check finds damage and says so with its exit code; looking at a store changes nothing in it."""

import hashlib

import nbd

from command import DAMAGED, DONE, Store, run_cases

PATTERN = bytes(range(256)) * 16  # one block
store = Store()
stage = store.folder / "stage"
stage.mkdir()
store.environment["VARVE_STAGE_DIR"] = str(stage)
store.done("volumes", "create", "demo", "--size", "8M")


def write(offset, data):
    client = nbd.NBD()
    client.connect_uri(f"nbd+unix:///demo?socket={store.path}/nbd.sock")
    client.pwrite(data, offset)
    client.flush()
    client.shutdown()


def state():
    """What all files of the store hold, the lock apart: it names who looked last."""
    files = [p for p in sorted(store.path.rglob("*")) if p.is_file() and p.name != "lock"]
    files += sorted(stage.iterdir())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def a_sound_store():
    store.start()
    write(0, PATTERN * 256)
    assert "Problems: 0" in store.done("check")
    assert "Problems: 0" in store.done("check", "--data")
    assert store.stop() == 0


def looking_changes_nothing():
    """Also after a kill, when there is something to replay."""
    store.start()
    write(1 << 20, PATTERN * 64)
    store.kill()
    before = state()
    for words in (["check"], ["check", "--data"], ["volumes", "list"], ["volumes", "show", "demo"], ["stats"], ["inspect", "demo"]):
        assert store.run(*words).returncode == DONE, words
        after = state()
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        assert not changed, f"varve {' '.join(words)} changed {changed}"


def damaged_data():
    store.start()
    assert store.stop() == 0
    extents = store.path / "extents"
    at = extents.read_bytes().find(PATTERN)
    assert at >= 0, "the data is not in the extents"
    with open(extents, "r+b") as file:
        file.seek(at + 100)
        file.write(b"\xff")
    ran = store.run("check", "--data")
    assert ran.returncode == DAMAGED and "Problems: 1\n" in ran.stdout, ran
    assert len(ran.stdout.splitlines()) == 3, ran.stdout
    ran = store.run("check", "--data", "--json")
    assert ran.returncode == DAMAGED and '"problems": 1' in ran.stdout, ran
    assert store.run("check").returncode == DONE, "without --data no data is read"


def damaged_data_while_served():
    store.start()
    ran = store.run("check", "--data")
    assert ran.returncode == DAMAGED and "Problems: 1\n" in ran.stdout, ran
    assert store.stop() == 0


run_cases([a_sound_store, looking_changes_nothing, damaged_data, damaged_data_while_served])
