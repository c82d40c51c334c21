#!/usr/bin/python3
# timeout: 180
"""A store that fills up: clients get ENOSPC, nothing else breaks, and a delete makes room."""

import errno
import time
import unittest

import nbd

import served

CHUNK = served.MIB
LIMIT = 128 * served.MIB


def fill(handle, start, end, byte):
    """Writes 1 MiB at a time; returns where ENOSPC stopped it, or None."""
    for offset in range(start, end, CHUNK):
        try:
            handle.pwrite(bytes([byte]) * CHUNK, offset)
        except nbd.Error as problem:
            assert problem.errnum == errno.ENOSPC, f"error {problem.errno} and not ENOSPC"
            return offset
    return None


class Full(unittest.TestCase):
    def setUp(self):
        self.store = served.Store("--limit", str(LIMIT))
        self.addCleanup(self.store.remove)
        self.store.create("small", 32 * served.MIB)
        self.store.create("large", served.GIB)
        self.store.serve()
        self.small = self.store.connect("small")
        self.assertIsNone(fill(self.small, 0, 32 * served.MIB, 1), "a fresh store is full")
        self.large = self.store.connect("large")
        self.end = fill(self.large, 0, served.GIB, 2)

    def tearDown(self):
        if self.store.server:
            self.store.stop()
        self.store.check()

    def test_most_of_the_limit_can_be_used(self):
        self.assertIsNotNone(self.end, f"1 GiB fits into {LIMIT} bytes")
        self.assertGreater(self.end + 32 * served.MIB, LIMIT * 3 // 4)

    def test_what_was_refused_changed_nothing(self):
        refused = bytes([0xEE]) * CHUNK
        with self.assertRaises(nbd.Error) as caught:
            self.large.pwrite(refused, self.end)
        self.assertEqual(caught.exception.errnum, errno.ENOSPC)
        self.assertEqual(self.large.pread(CHUNK, self.end), bytes(CHUNK))
        self.assertEqual(self.large.pread(CHUNK, self.end - CHUNK), b"\2" * CHUNK)

    def test_overwriting_what_a_volume_owns_and_flushing_go_on(self):
        for number in range(3, 9):
            for offset in range(0, 32 * served.MIB, CHUNK):
                self.small.pwrite(bytes([number]) * CHUNK, offset)
            self.small.flush()
        self.assertEqual(self.small.pread(CHUNK, 8 * CHUNK), b"\x08" * CHUNK)

    def test_small_overwrites_with_fua_go_on(self):
        for number in range(2000):
            self.small.pwrite(b"\x33" * 4096, number * 7 % 8192 * 4096, flags=nbd.CMD_FLAG_FUA if number % 10 == 0 else 0)
        self.assertEqual(self.small.pread(4096, 7 * 4096), b"\x33" * 4096)

    def test_trim_makes_room(self):
        self.large.trim(32 * served.MIB, 0)
        self.large.flush()
        self.assertRoomComes(lambda: fill(self.large, self.end, self.end + 24 * served.MIB, 4) is None)

    def test_deleting_a_volume_makes_room(self):
        self.small.shutdown()
        self.store.run("volumes", "delete", "small", "--yes")
        self.assertRoomComes(lambda: fill(self.large, self.end, self.end + 24 * served.MIB, 4) is None)

    def test_deleting_works_without_a_server(self):
        self.large.shutdown()
        self.store.stop()
        self.store.run("volumes", "delete", "large", "--yes")
        self.store.serve()
        self.store.create("third", 64 * served.MIB)
        third = self.store.connect("third")
        self.assertRoomComes(lambda: fill(third, 0, 56 * served.MIB, 5) is None)

    def test_it_opens_after_kill_and_still_holds_everything(self):
        self.store.kill()
        self.store.serve()
        small, large = self.store.connect("small"), self.store.connect("large")
        for offset in range(0, 32 * served.MIB, CHUNK):
            self.assertEqual(small.pread(CHUNK, offset), b"\1" * CHUNK, f"small at {offset}")
        for offset in range(0, self.end, CHUNK):
            self.assertEqual(large.pread(CHUNK, offset), b"\2" * CHUNK, f"large at {offset}")
        small.pwrite(b"\7" * CHUNK, 0, flags=nbd.CMD_FLAG_FUA)

    def test_a_reserved_volume_that_does_not_fit_is_refused(self):
        with self.assertRaises(served.Refused) as caught:
            self.store.create("reserved", 100 * served.MIB, "--reserved")
        self.assertEqual(caught.exception.code, 5)
        self.assertNotIn("reserved", self.store.names())

    def assertRoomComes(self, works):
        """Freed space comes back with a checkpoint, in the background."""
        deadline = time.monotonic() + 15
        while not works():
            self.assertLess(time.monotonic(), deadline, f"no room: {self.store.run('stats')}")
            time.sleep(0.2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
