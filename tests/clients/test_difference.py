#!/usr/bin/python3
"""A..B as a client sees it: map and bytes against a model, sizes that change, what is refused, who may delete."""
# timeout: 300

import json
import random
import subprocess

import nbd

from served import MIB, Refused, Store

BLOCK = 4096
SIZE = 24 * MIB
HOLE_ZERO = nbd.STATE_HOLE | nbd.STATE_ZERO


class Model:
    """The volume: its bytes, and for each block the number of the write that it came from (0: a hole)."""

    def __init__(self, size):
        self.bytes = bytearray(size)
        self.given = [0] * (size // BLOCK)

    def write(self, offset, data, number):
        self.bytes[offset : offset + len(data)] = data
        for block in range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1):
            self.given[block] = number

    def punch(self, first, count):
        self.bytes[first * BLOCK : (first + count) * BLOCK] = bytes(count * BLOCK)
        self.given[first : first + count] = [0] * count

    def resize(self, size):
        self.bytes = self.bytes[:size] + bytes(max(0, size - len(self.bytes)))
        blocks = size // BLOCK
        self.given = self.given[:blocks] + [0] * max(0, blocks - len(self.given))

    def copy(self):
        other = Model(0)
        other.bytes, other.given = bytes(self.bytes), list(self.given)
        return other


def same_blocks(a, b):
    """For each block of b: whether a has the same."""
    return [block < len(a.given) and a.given[block] == number or number == 0 and block >= len(a.given) for block, number in enumerate(b.given)]


def wanted_bytes(a, b):
    out = bytearray(b.bytes)
    for block, same in enumerate(same_blocks(a, b)):
        if same:
            out[block * BLOCK : (block + 1) * BLOCK] = bytes(BLOCK)
    return bytes(out)


def wanted_map(a, b):
    """Runs of (offset, length, type), as nbdinfo prints them."""
    runs = []
    for block, same in enumerate(same_blocks(a, b)):
        kind = HOLE_ZERO if same else 0
        if runs and runs[-1][2] == kind:
            runs[-1][1] += BLOCK
        else:
            runs.append([block * BLOCK, BLOCK, kind])
    return [tuple(run) for run in runs]


def change(client, model, chance, number):
    """One random change, made to both."""
    size = len(model.bytes)
    kind = chance.randrange(5)
    if kind < 2:
        offset = chance.randrange(size)
        data = chance.randbytes(min(chance.choice((1, 512, 5000, 300000)), size - offset))
    elif kind == 2:  # zeroes that are data
        offset = chance.randrange(size // BLOCK) * BLOCK
        data = bytes(min(chance.randrange(1, 9) * BLOCK, size - offset))
    else:
        first = chance.randrange(size // BLOCK)
        count = min(chance.randrange(1, 400), size // BLOCK - first)
        (client.trim if kind == 3 else client.zero)(count * BLOCK, first * BLOCK)
        model.punch(first, count)
        return
    client.pwrite(data, offset)
    model.write(offset, data, number)


def read_all(store, name):
    client = store.connect(name)
    size = client.get_size()
    out = b"".join(client.pread(min(MIB, size - at), at) for at in range(0, size, MIB))
    client.shutdown()
    return out


def map_of(store, name):
    ran = subprocess.run(["nbdinfo", "--map", "--json", store.uri(name)], capture_output=True, check=True)
    return [(run["offset"], run["length"], run["type"]) for run in json.loads(ran.stdout)]


def random_reads(store, name, wanted, chance):
    client = store.connect(name)
    for _ in range(40):
        offset = chance.randrange(len(wanted))
        length = min(chance.randrange(1, 2 * MIB), len(wanted) - offset)
        assert client.pread(length, offset) == wanted[offset : offset + length], (name, offset, length)
    client.shutdown()


def compare(store, states, chance):
    """All pairs; `states` maps a number to a model."""
    for i, a in states.items():
        for j, b in states.items():
            name = f"disk@s{i}..disk@s{j}"
            wanted = wanted_bytes(a, b)
            assert map_of(store, name) == wanted_map(a, b), f"the map of {name}"
            assert read_all(store, name) == wanted, f"the bytes of {name}"
            random_reads(store, name, wanted, chance)


def random_histories(store):
    for seed in range(3):
        chance = random.Random(seed)
        store.create("disk", SIZE)
        model, states, number = Model(SIZE), {}, 0
        for state in range(4):
            if state > 0:
                size = chance.randrange(8, 40) * MIB // 2
                store.run("volumes", "resize", "disk", "--size", str(size), "--yes")
                model.resize(size)
            client = store.connect("disk")
            for _ in range(40):
                number += 1
                change(client, model, chance, number)
            client.shutdown()
            store.run("snapshots", "create", f"disk@s{state}")
            states[state] = model.copy()
        compare(store, states, chance)
        if seed == 0:  # the same after the server died, and after a clean stop
            store.kill()
            store.serve()
            compare(store, {i: states[i] for i in (0, 3)}, chance)
            store.stop()
            store.serve()
            compare(store, {i: states[i] for i in (1, 2)}, chance)
        for state in range(4):
            store.run("snapshots", "delete", f"disk@s{state}", "--yes")
        store.run("volumes", "delete", "disk", "--yes")
        print(f"   seed {seed}: {number} changes")


def must_fail(call, *words):
    try:
        call(*words)
    except nbd.Error:
        return
    raise AssertionError(f"{words} must fail")


def what_is_refused(store):
    store.create("disk", MIB)
    store.run("snapshots", "create", "disk@a")
    store.run("snapshots", "create", "disk@b")
    for name in ("disk..disk@a", "disk@a..disk", "disk@a..", "..disk@a", "..", "disk@a..disk@c", "disk@a..disk@b..disk@a", "disk@a.disk@b", "disk@a...disk@b"):
        must_fail(store.connect, name)
    client = store.connect("disk@a..disk@b")
    assert client.is_read_only() and client.get_size() == MIB
    must_fail(client.pwrite, b"x", 0)
    must_fail(client.trim, BLOCK, 0)
    must_fail(client.zero, BLOCK, 0)
    must_fail(client.pread, 2, MIB - 1)
    client.flush()
    assert client.pread(MIB, 0) == bytes(MIB)
    for name in ("a", "b"):
        try:
            store.run("snapshots", "delete", f"disk@{name}", "--yes")
        except Refused as refusal:
            assert refusal.code == 4, refusal  # in use
        else:
            raise AssertionError("a snapshot was deleted under an open difference")
    # the volume itself is free to go on
    writer = store.connect("disk")
    writer.pwrite(b"y" * BLOCK, 0)
    assert client.pread(BLOCK, 0) == bytes(BLOCK)
    writer.shutdown()
    client.shutdown()
    try:
        store.run("inspect", "disk@a..disk@b")
    except Refused as refusal:
        assert refusal.code == 2 and "difference" in refusal.text, refusal
    else:
        raise AssertionError("a difference was inspected as if it were a disk")
    for name in ("a", "b"):
        delete_soon(store, f"disk@{name}")
    store.run("volumes", "delete", "disk", "--yes")


def delete_soon(store, ref):
    """A connection that was closed may be seen to be so a moment later."""
    for attempt in range(100):
        try:
            return store.run("snapshots", "delete", ref, "--yes")
        except Refused as refusal:
            if refusal.code != 4 or attempt == 99:
                raise


def large_and_sparse(store):
    """One block changed in 16 TiB is found at once, and asked for in any piece."""
    size = 16 << 40
    store.create("disk", size)
    client = store.connect("disk")
    client.pwrite(b"1" * BLOCK, 5 << 40)
    client.shutdown()
    store.run("snapshots", "create", "disk@a")
    client = store.connect("disk")
    client.pwrite(b"2" * BLOCK, 15 << 40)
    client.shutdown()
    store.run("snapshots", "create", "disk@b")
    runs = map_of(store, "disk@a..disk@b")
    assert runs == [(0, 15 << 40, HOLE_ZERO), (15 << 40, BLOCK, 0), ((15 << 40) + BLOCK, (1 << 40) - BLOCK, HOLE_ZERO)], runs
    client = store.connect("disk@a..disk@b")
    found = []
    client.block_status((1 << 32) - BLOCK, 15 << 40, lambda context, offset, entries, error: found.extend(entries))
    assert found[:2] == [BLOCK, 0] and sum(found[::2]) <= (1 << 32) - BLOCK, found
    client.shutdown()


def main():
    store = Store("--limit", "1G")
    store.serve()
    for case in (random_histories, what_is_refused, large_and_sparse):
        print(f"- {case.__name__.replace('_', ' ')}", flush=True)
        case(store)
    store.stop()
    store.check()


main()
