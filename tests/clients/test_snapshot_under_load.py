#!/usr/bin/python3
# timeout: 180
"""Snapshots of three volumes at once while they are written: each holds what was answered at one point in time."""

import random
import subprocess
import sys
import threading
import time
import unittest

import served

BLOCK, SLOTS, ROUNDS, LOAD_SIZE = 4096, 64, 20, 64 * served.MIB

# Keeps 16 random writes in flight until it is killed.
LOAD = """
import random, sys, nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
piece = nbd.Buffer.from_bytearray(bytearray(b"x" * 4096))
size = h.get_size() // 4096
while True:
    while h.aio_in_flight() >= 16:
        h.poll(-1)
    h.aio_pwrite(piece, random.randrange(size) * 4096, completion=lambda error: 1)
"""


class Writer(threading.Thread):
    """Write number n goes to volume a when it is odd and to b when it is even, slot after slot, one after another:
    what the two hold together tells how far it was."""

    def __init__(self, store):
        super().__init__()
        self.handles = [store.connect("b"), store.connect("a")]
        self.begun = self.answered = 0
        self.stop = False
        self.spans = []  # (begin, end) of each write

    def run(self):
        while not self.stop:
            n = self.begun = self.begun + 1
            begin = time.monotonic()
            self.handles[n % 2].pwrite(n.to_bytes(8, "little") * (BLOCK // 8), n // 2 % SLOTS * BLOCK)
            self.answered = n
            self.spans.append((begin, time.monotonic()))


def last_write(prefix, volume, slot):
    """The last of the first `prefix` writes that went to this slot, 0 without one."""
    for n in range(prefix, max(0, prefix - 2 * SLOTS - 2), -1):
        if n % 2 == volume and n // 2 % SLOTS == slot:
            return n
    return 0


class UnderLoad(unittest.TestCase):
    def setUp(self):
        self.store = served.Store("--limit", "1G", "--journal", "16M")
        for name in "a", "b":
            self.store.create(name, SLOTS * BLOCK)
        self.store.create("load", LOAD_SIZE)
        self.store.serve()
        self.load = subprocess.Popen([sys.executable, "-c", LOAD, self.store.uri("load")])
        self.addCleanup(self.end_load)
        self.addCleanup(self.store.remove)

    def end_load(self):
        self.load.kill()
        self.load.wait()

    def verify(self, name, least, most):
        """The pair of snapshots is what some prefix of the writes left, between what was answered and what was begun."""
        found = []
        for volume, letter in enumerate("ba"):
            handle = self.store.connect(f"{letter}@{name}")
            data = handle.pread(SLOTS * BLOCK, 0)
            handle.shutdown()
            for slot in range(SLOTS):
                block = data[slot * BLOCK : (slot + 1) * BLOCK]
                self.assertEqual(block, block[:8] * (BLOCK // 8), "a block is half old, half new")
                found.append((volume, slot, int.from_bytes(block[:8], "little")))
        prefix = max(n for _, _, n in found)
        self.assertTrue(least <= prefix <= most, f"{name} holds {prefix} writes, not {least} to {most}")
        for volume, slot, n in found:
            self.assertEqual(n, last_write(prefix, volume, slot), f"{name}: slot {slot} of {'ba'[volume]}, {prefix} writes")

    def test_each_is_a_prefix(self):
        writer = Writer(self.store)
        writer.start()
        taken = []
        try:
            for i in range(ROUNDS):
                time.sleep(random.uniform(0, 0.1))
                least, begin = writer.answered, time.monotonic()
                self.store.run("snapshots", "create", "a", "b", "load", "--name", f"s{i}")
                taken.append((f"s{i}", least, writer.begun, begin, time.monotonic()))
        finally:
            writer.stop = True
            writer.join()
        self.assertIsNone(self.load.poll(), "the load goes on")
        for name, least, most, _, _ in taken:
            self.verify(name, least, most)
        self.report(writer, taken)

        for name, *_ in taken[::2]:
            for volume in "a", "load", "b":
                self.store.run("snapshots", "delete", f"{volume}@{name}", "--yes")
        for name, least, most, _, _ in taken[1::2]:
            self.verify(name, least, most)
        self.end_load()
        for handle in writer.handles:
            handle.shutdown()
        self.store.stop()
        self.store.check()

    def report(self, writer, taken):
        """For the reader; the machine is not ours alone, so nothing is asserted."""
        during = [e - b for b, e in writer.spans if any(b < end and e > begin for *_, begin, end in taken)]
        other = [e - b for b, e in writer.spans if not any(b < end and e > begin for *_, begin, end in taken)]
        for what, spans in ("while snapshots are taken", during), ("else", other):
            spans.sort()
            if spans:
                print(
                    f"writes {what}: {len(spans)}, median {spans[len(spans) // 2] * 1e3:.2f} ms, "
                    f"99 % {spans[len(spans) * 99 // 100] * 1e3:.2f} ms, longest {spans[-1] * 1e3:.2f} ms"
                )


if __name__ == "__main__":
    unittest.main()
