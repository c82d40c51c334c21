#!/usr/bin/python3
# timeout: 300
"""The file system below a store fills up, by others' doing: new writes are refused with ENOSPC, nothing is lost, what needs no
space goes on, and all goes on when there is room again."""

import errno
import os
import sys
import tempfile
import time
import unittest

import nbd

import served
from disk import Disk

MIB = served.MIB
CHUNK = 256 << 10
NO_SPACE = 5  # exit code


def pattern(number):
    return number.to_bytes(8, "little") * (CHUNK // 8)


class Below(unittest.TestCase):
    kind, size = "ext4", 384 * MIB

    def setUp(self):
        self.disk = Disk(self.kind, self.size)
        self.addCleanup(self.disk.remove)
        before, tempfile.tempdir = tempfile.tempdir, str(self.disk.mount)
        try:
            self.store = served.Store("--limit", "2G", "--journal", "16M")
        finally:
            tempfile.tempdir = before
        self.addCleanup(self.store.remove)
        self.store.create("old", 32 * MIB)
        self.store.create("new", served.GIB)
        self.store.create("spare", 16 * MIB)
        self.store.serve()
        self.want = {"old": {}, "new": {}}
        self.numbers = 0
        self.old, self.new = self.store.connect("old"), self.store.connect("new")
        for offset in range(0, 32 * MIB, CHUNK):
            self.write("old", offset)
        self.old.flush()

    def write(self, name, offset):
        """False when it was refused for want of space."""
        self.numbers += 1
        handle = self.old if name == "old" else self.new
        try:
            handle.pwrite(pattern(self.numbers), offset)
        except nbd.Error as problem:
            self.assertEqual(problem.errnum, errno.ENOSPC, f"error {problem.errno}, and not ENOSPC")
            return False
        self.want[name][offset] = self.numbers
        return True

    def verify(self):
        for name, content in self.want.items():
            handle = self.store.connect(name)
            for offset, number in content.items():
                self.assertEqual(handle.pread(CHUNK, offset), pattern(number), f"{name} at {offset}")
            handle.shutdown()

    def fill(self):
        """Until the disk is full and a write is refused; returns where that was."""
        self.disk.fill()
        for offset in range(0, served.GIB, CHUNK):
            if not self.write("new", offset):
                self.disk.fill()  # what was set free meanwhile
                return offset
        self.fail(f"1 GiB was written to a disk of {self.size} bytes")

    def assert_room_comes(self, offset):
        deadline = time.monotonic() + 30
        while not self.write("new", offset):
            self.assertLess(time.monotonic(), deadline, f"no room: {self.store.run('stats')}")
            time.sleep(0.2)

    def end(self):
        self.verify()
        self.store.stop()
        self.store.check()

    def test_refused_and_then_goes_on(self):
        end = self.fill()
        self.assertEqual(self.new.pread(CHUNK, end), bytes(CHUNK), "a refused write left something")
        for number in range(20):
            self.write("new", end + number * CHUNK)
            self.write("old", number * CHUNK)  # may be refused or not
            self.new.flush()
        self.assertFalse(self.store.json("stats")["failed"])
        self.verify()
        self.disk.free()
        for number in range(40):
            self.assert_room_comes(end + number * CHUNK)
        self.new.flush()
        self.end()

    def test_killed_while_it_is_full(self):
        end = self.fill()
        self.new.flush()
        self.store.kill()
        self.store.check()
        self.serve_full()
        self.disk.free()
        self.store.serve()
        self.new, self.old = self.store.connect("new"), self.store.connect("old")
        self.assert_room_comes(end)
        self.end()

    def serve_full(self):
        self.store.serve()
        self.verify()
        handle = self.store.connect("new")
        handle.flush()
        handle.shutdown()
        self.store.stop()
        self.store.check()

    def test_trim_and_delete_make_room(self):
        end = self.fill()
        self.new.trim(16 * MIB, 0)
        self.new.flush()
        self.want["new"] = {offset: number for offset, number in self.want["new"].items() if offset >= 16 * MIB}
        self.store.run("volumes", "delete", "spare", "--yes")
        self.assertEqual(sorted(self.store.names()), ["new", "old"])
        self.assert_room_comes(end)
        self.assertFalse(self.store.json("stats")["failed"])
        self.end()

    def test_commands_are_refused_whole(self):
        self.fill()
        for words in (["volumes", "create", "more", "--size", "1G"], ["snapshots", "create", "old@kept"]):
            try:
                self.store.run(*words)
            except served.Refused as refusal:
                self.assertEqual(refusal.code, NO_SPACE, refusal)
                listed = self.store.names() + [s["name"] for s in self.store.json("snapshots", "list", "old")["snapshots"]]
                self.assertNotIn(words[2].split("@")[-1], listed)
        self.disk.free()
        self.store.create("another", MIB)
        self.end()


class BelowXfs(Below):
    kind = "xfs"

    def serve_full(self):
        """A full xfs may have no room for a socket either: then it says so, and nothing is touched."""
        try:
            super().serve_full()
        except RuntimeError as problem:
            self.assertIn("cannot make socket", str(problem))
            self.assertIn(os.strerror(errno.ENOSPC), str(problem))
            self.assertEqual(self.store.server.wait(), NO_SPACE)
            self.store.server = None
            self.store.check()


if __name__ == "__main__":
    if os.getuid() != 0 or not os.path.exists("/dev/loop-control"):
        print("needs root and /dev/loop-control")
        sys.exit(77)
    unittest.main(verbosity=2)
