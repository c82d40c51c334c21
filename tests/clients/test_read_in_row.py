#!/usr/bin/python3
# timeout: 300
"""A volume whose blocks lie in any order on the disk, read in a row: what comes next is begun before it is asked for.

    test_read_in_row.py [--seed N] [UNITTEST OPTION...]
"""

import random
import sys
import unittest

import page_cache
import served

KIB, MIB = 1 << 10, 1 << 20
SIZE = 64 * MIB
BLOCK = 4096
AHEAD = 512 * KIB  # of the window of a reader who has come some MiB far, this much at least is always left
TRIES = 20

seed = random.SystemRandom().getrandbits(32)


class ReadInRow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = served.Store("--limit", "1G")
        cls.store.create("target", SIZE)
        cls.store.create("scratch", SIZE)
        cls.store.serve()
        cls.cache = page_cache.PageCache(cls.store.path / "extents")
        # no block twice, so that its place can be told by what it holds
        cls.content, cls.others = (bytearray(random.Random(f"{seed} {name}").randbytes(SIZE)) for name in "ab")
        for name, content in (("target", cls.content), ("scratch", cls.others)):
            handle = cls.store.connect(name)
            offsets = list(range(0, SIZE, BLOCK))
            random.Random(seed + 1).shuffle(offsets)
            for offset in offsets:
                handle.pwrite(content[offset:offset + BLOCK], offset)
            handle.flush()
            handle.shutdown()
        # so that all of it is in its places, and none of the map in the server's memory
        cls.store.stop()
        cls.store.serve()

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()
        cls.store.remove()

    def setUp(self):
        self.dice = random.Random(f"{seed} {self.id()}")
        self.handle = self.store.connect("target")

    def tearDown(self):
        self.handle.shutdown()

    def places(self, offset, length):
        """Those of the blocks of this range."""
        return self.cache.places([bytes(self.content[at:at + BLOCK]) for at in range(offset, offset + length, BLOCK)])

    def forget(self):
        self.cache.forget()
        if self.cache.resident(range(1024)) > 0:
            self.skipTest("this file system does not drop pages")

    def read(self, offset, length, handle=None, content=None):
        found = (handle or self.handle).pread(length, offset)
        wanted = (content or self.content)[offset:offset + length]
        self.assertTrue(found == wanted, f"seed {seed}: {length} at {offset}")

    def read_in_row(self, start, end, length):
        for offset in range(start, end, length):
            self.read(offset, min(length, end - offset))

    def followed(self, read, places):
        """A disk that answers before the server looks again is not waited for, and nothing is begun then: so a few tries."""
        tries = []
        while len(places) not in tries:
            self.forget()
            read()
            tries.append(self.cache.await_resident(places))
            self.assertLess(len(tries), TRIES, f"of {len(places)} in memory after each try: {tries}")
        print(f"{self.id()}: in memory after each try: {tries}")

    def test_in_a_row(self):
        start, end = 3 * MIB, 9 * MIB
        places = self.places(end, AHEAD)
        for length in (BLOCK, 128 * KIB, MIB):
            self.followed(lambda length=length: self.read_in_row(start, end, length), places)

    def test_lengths_that_are_no_blocks(self):
        start, end = 3 * MIB + 1234, 9 * MIB
        places = self.places(end, AHEAD)
        for length in (12345, MIB - 1):
            self.followed(lambda length=length: self.read_in_row(start, end, length), places)

    def test_two_streams(self):
        def read():
            for offset in range(0, 6 * MIB, 256 * KIB):
                self.read(MIB + offset, 256 * KIB)
                self.read(40 * MIB + offset, 256 * KIB)

        self.followed(read, self.places(7 * MIB, AHEAD) + self.places(46 * MIB, AHEAD))

    def test_at_random(self):
        """In one order or another, with a block of each MiB: what lies behind it stays on the disk."""
        offsets = [at + self.dice.randrange(128) * BLOCK for at in range(0, SIZE, MIB)]
        places = [place for offset in offsets for place in self.places(offset + BLOCK, 128 * KIB)]
        self.dice.shuffle(offsets)
        self.forget()
        for offset in offsets:
            self.read(offset, BLOCK)
        # the kernel may bring some of them: neighbours by place
        self.assertLess(self.cache.resident(places), len(places) // 2)

    def test_backwards(self):
        places = self.places(32 * MIB - AHEAD, AHEAD)
        for length in (64 * KIB, MIB):
            self.forget()
            for offset in range(38 * MIB, 32 * MIB, -length):
                self.read(offset - length, length)
            # what lies before the last read
            self.assertLess(self.cache.resident(places), len(places) // 2)

    def test_to_the_end(self):
        for start, length in ((SIZE - 5 * MIB, 100 * 1000), (SIZE - 20 * MIB, 3 * MIB), (0, 8 * MIB), (0, MIB)):
            self.forget()
            self.read_in_row(start, SIZE, length)

    def test_writes_before_the_reader(self):
        """What was begun is out of date then."""
        handle = self.store.connect("scratch")
        model = bytearray(self.others)
        for turn in range(3):
            self.forget()
            for offset in range(0, SIZE, 128 * KIB):
                for _ in range(4):
                    at = min(offset + self.dice.randrange(0, 4 * MIB, 512), SIZE - BLOCK)
                    what = self.dice.randbytes(self.dice.choice([512, BLOCK]))
                    model[at:at + len(what)] = what
                    handle.pwrite(what, at)
                at = min(offset + self.dice.randrange(0, 4 * MIB, BLOCK), SIZE - 64 * KIB)
                if self.dice.random() < 0.2:
                    model[at:at + 64 * KIB] = bytes(64 * KIB)
                    handle.trim(64 * KIB, at)
                self.read(offset, 128 * KIB, handle, model)
            if turn == 0:
                handle.flush()
        handle.shutdown()


if __name__ == "__main__":
    if "--seed" in sys.argv:
        at = sys.argv.index("--seed")
        seed = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    print(f"seed {seed}")
    unittest.main()
