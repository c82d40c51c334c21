#!/usr/bin/python3
# timeout: 300
"""Large writes go to the extents through the page cache, straight or by way of the stage, small ones past it, and a batch of the journal now one way, now the other,
all into the same two files. Every byte is compared, from the page cache and from the disk, after flushes and after kills, on
several file systems, since each keeps its cache and its disk together in a way of its own."""

import os
import random
import shutil
import sys
import tempfile
import time
import unittest

import nbd

import served
from disk import Disk

MIB = served.MIB
SIZE = 48 * MIB
CONNECTIONS = 3
ROUNDS = 60
SMALL = (512, 4096, 4096, 12288, 40960)  # past the page cache, when they are written out
LARGE = (65536, 262144, MIB, 3 * MIB)


class Mixed:
    options, nbdkit = (), None

    def setUp(self):
        if shutil.which(f"mkfs.{self.kind}") is None:
            self.skipTest(f"needs mkfs.{self.kind}")
        self.chance = random.Random(os.environ.get("VARVE_SEED", f"{self.id()} {time.time_ns()}"))
        self.disk = Disk(self.kind, 640 * MIB)
        self.addCleanup(self.disk.remove)
        before, tempfile.tempdir = tempfile.tempdir, str(self.disk.mount)
        try:
            self.store = served.Store("--limit", "256M", "--journal", "16M", nbdkit=self.nbdkit)
        finally:
            tempfile.tempdir = before
        self.addCleanup(self.store.remove)
        self.store.create("v", SIZE)
        self.content = bytearray(SIZE)
        self.serve()

    def serve(self):
        self.store.serve(*self.options)
        self.handles = [self.store.connect("v") for _ in range(CONNECTIONS)]

    def forget_cache(self):
        """What is clean leaves the page cache: the next read is answered by the disk."""
        for name in ("extents", "journal"):
            with open(self.store.path / name, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def piece(self):
        length = self.chance.choice(self.chance.choice((SMALL, LARGE)))
        unit = self.chance.choice((512, 4096, 65536))
        return self.chance.randrange((SIZE - length) // unit + 1) * unit, length

    def write_some(self):
        """Several at once, none over another, on all connections."""
        taken, under_way = [], []
        for _ in range(self.chance.randrange(1, 9)):
            offset, length = self.piece()
            if any(offset < end and start < offset + length for start, end in taken):
                continue
            taken.append((offset, offset + length))
            data = self.chance.randbytes(length)
            buffer = nbd.Buffer.from_bytearray(bytearray(data))
            handle = self.handles[len(under_way) % CONNECTIONS]
            under_way.append((handle, handle.aio_pwrite(buffer, offset)))
            self.content[offset : offset + length] = data
        for handle, cookie in under_way:
            while not handle.aio_command_completed(cookie):
                handle.poll(-1)

    def write_and_flush(self):
        """What makes the store expect a flush after each write."""
        for _ in range(self.chance.randrange(2, 12)):
            offset = self.chance.randrange(SIZE // 4096) * 4096
            data = self.chance.randbytes(4096)
            self.handles[0].pwrite(data, offset)
            self.content[offset : offset + 4096] = data
            self.handles[0].flush()

    def compare(self, offset, length):
        found = self.handles[self.chance.randrange(CONNECTIONS)].pread(length, offset)
        if found == self.content[offset : offset + length]:
            return
        wrong = [block for block in range(0, length, 512) if found[block : block + 512] != self.content[offset + block :][:512]]
        self.fail(f"{len(wrong)} sectors differ, the first at {offset + wrong[0]}")

    def compare_all(self):
        for offset in range(0, SIZE, MIB):
            self.compare(offset, MIB)

    def test_mixed(self):
        for turn in range(ROUNDS):
            self.chance.choice((self.write_some, self.write_some, self.write_and_flush))()
            if self.chance.random() < 0.3:
                self.handles[0].flush()
            if self.chance.random() < 0.3:
                self.forget_cache()
            for _ in range(4):
                self.compare(*self.piece())
            if turn % 15 == 14:
                self.store.kill()
                self.serve()
                self.compare_all()
        self.handles[0].flush()
        self.forget_cache()
        self.compare_all()
        for handle in self.handles:
            handle.shutdown()
        self.store.stop()
        self.store.check()
        os.sync()
        self.forget_cache()
        self.serve()
        self.compare_all()


class Ext4(Mixed, unittest.TestCase):
    kind = "ext4"


class Xfs(Mixed, unittest.TestCase):
    kind = "xfs"


class Btrfs(Mixed, unittest.TestCase):
    kind = "btrfs"


class Ext4Buffered(Mixed, unittest.TestCase):
    kind, options = "ext4", ("--buffered",)


class Ext4Parallel(Mixed, unittest.TestCase):
    """Where requests are received while others are done, large writes go straight to their places."""

    kind = "ext4"

    def setUp(self):
        self.nbdkit = served.newer_nbdkit()
        super().setUp()


if __name__ == "__main__":
    if os.getuid() != 0 or not os.path.exists("/dev/loop-control"):
        print("needs root and /dev/loop-control")
        sys.exit(77)
    unittest.main(verbosity=2)
