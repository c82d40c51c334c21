#!/usr/bin/python3
# timeout: 120
"""Each request, its flags, its limits, and the code that a client gets when it is refused."""

import unittest

import nbd

from by_hand import Nbdkit, extents, served

SIZE = 10 * served.GIB
FUA, REQ_ONE, NO_HOLE, FAST = (
    nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_REQ_ONE, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO
)
LONGEST = 0xFFFFFFFF  # of a request's length


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = served.Store()
        cls.server = None

    @classmethod
    def tearDownClass(cls):
        cls.store.check()
        cls.store.remove()

    def setUp(self):
        self.name = self.id().rpartition(".test_")[2].replace("_", "-")[:60]
        self.store.create(self.name, SIZE)
        self.server = Nbdkit(self.store)
        self.handle = self.server.connect(self.name)

    def tearDown(self):
        self.handle = None
        code, _ = self.server.stop()
        self.assertEqual(code, 0, self.server.text())

    def refused(self, call, *arguments):
        with self.assertRaises(nbd.Error) as caught:
            call(*arguments)
        return caught.exception.errno

    def test_write_and_read(self):
        for flags in (0, FUA):
            self.handle.pwrite(b"varve" * 1000, 777, flags)
            self.assertEqual(self.handle.pread(5000, 777), b"varve" * 1000)
            self.assertEqual(self.handle.pread(777, 0), bytes(777))

    def test_one_request_of_the_largest_size(self):
        content = bytes(range(256)) * (32 << 12)
        self.handle.pwrite(content, 12345)
        self.assertEqual(self.handle.pread(len(content), 12345), content)

    def test_the_last_bytes_of_the_volume(self):
        self.handle.pwrite(b"end", SIZE - 3)
        self.assertEqual(self.handle.pread(4, SIZE - 4), b"\0end")

    def test_past_the_end(self):
        for start in (SIZE - 1, SIZE, SIZE + served.GIB, (1 << 63) - 4096):
            self.assertEqual(self.refused(self.handle.pread, 2, start), "EINVAL")
            self.assertEqual(self.refused(self.handle.pwrite, b"xx", start), "ENOSPC")
            self.assertEqual(self.refused(self.handle.zero, 2, start), "ENOSPC")
            # nbdkit answers these itself
            self.assertIn(self.refused(self.handle.trim, 2, start), ("EINVAL", "ENOSPC"))
            self.assertEqual(self.refused(self.handle.cache, 2, start), "EINVAL")
        self.assertEqual(self.handle.pread(1, SIZE - 1), b"\0")

    def test_trim_and_zero_make_holes_that_read_as_zeroes(self):
        for call, flags in (
            (self.handle.trim, 0), (self.handle.trim, FUA), (self.handle.zero, 0), (self.handle.zero, FUA),
            (self.handle.zero, FAST), (self.handle.zero, FAST | FUA), (self.handle.zero, NO_HOLE),
        ):
            with self.subTest(call=call.__name__, flags=flags):
                self.handle.pwrite(b"x" * (1 << 20), 0)
                call(1 << 19, 4096, flags)
                self.assertEqual(self.handle.pread(1 << 19, 4096), bytes(1 << 19))
                self.assertEqual(self.handle.pread(4096, 0), b"x" * 4096)
                self.assertEqual(self.handle.pread(1, 4096 + (1 << 19)), b"x")

    def test_trim_and_zero_of_nearly_4_gib(self):
        for call in (self.handle.trim, self.handle.zero):
            for place in (4096, 3 * served.GIB, 4 * served.GIB):
                self.handle.pwrite(b"x" * 4096, place)
            call(LONGEST, 1000)
            self.assertEqual(self.handle.pread(4096, 3 * served.GIB), bytes(4096))
            end = 1000 + LONGEST
            self.assertEqual(self.handle.pread(4096, 4 * served.GIB),
                             bytes(end - 4 * served.GIB) + b"x" * (4 * served.GIB + 4096 - end))

    def test_flush_and_cache(self):
        self.handle.pwrite(b"x" * 65536, 0)
        self.handle.flush()
        self.handle.cache(65536, 0)
        self.handle.cache(1 << 20, 5 * served.GIB)

    def test_extents_of_what_was_written(self):
        self.handle.pwrite(b"x" * 8192, served.MIB)
        self.handle.pwrite(b"x" * 4096, 3 * served.MIB)
        self.assertEqual(
            extents(self.handle, 4 * served.MIB, 0),
            [(served.MIB, True), (8192, False), (2 * served.MIB - 8192, True), (4096, False),
             (served.MIB - 4096, True)],
        )

    def test_extents_of_a_part_are_cut_to_it(self):
        self.handle.pwrite(b"x" * 8192, served.MIB)
        self.assertEqual(extents(self.handle, 4096, served.MIB), [(4096, False)])
        self.assertEqual(extents(self.handle, 512, served.MIB + 100), [(512, False)])
        self.assertEqual(extents(self.handle, 8192, served.MIB - 4096), [(4096, True), (4096, False)])

    def test_one_extent_is_one(self):
        self.handle.pwrite(b"x" * 8192, served.MIB)
        self.assertEqual(extents(self.handle, 4 * served.MIB, 0, REQ_ONE), [(served.MIB, True)])

    def test_extents_of_nearly_4_gib_never_reach_further(self):
        """nbdkit 1.32 aborts when they do (CVE-2025-47711)."""
        for start in (0, 4096, SIZE - LONGEST):
            found = extents(self.handle, LONGEST, start)
            self.assertLessEqual(sum(length for length, _ in found), LONGEST)
            self.assertTrue(all(hole for _, hole in found), found)
        self.handle.pwrite(b"x" * 4096, served.GIB)
        self.assertEqual(sum(length for length, _ in extents(self.handle, LONGEST, 0)), LONGEST)

    def test_many_extents_are_answered_in_parts(self):
        count = 10000
        for number in range(count):
            self.handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b"x" * 4096)), number * 8192)
            while self.handle.aio_in_flight() > 100:
                self.handle.poll(-1)
                while (cookie := self.handle.aio_peek_command_completed()) > 0:
                    self.handle.aio_command_completed(cookie)
        while self.handle.aio_in_flight() > 0:
            self.handle.poll(-1)
        found, place, end = [], 0, count * 8192
        while place < end:
            part = extents(self.handle, end - place, place)
            self.assertTrue(part)
            found += part
            place += sum(length for length, _ in part)
        self.assertEqual(found, [(4096, False), (4096, True)] * count)

    def test_what_one_connection_flushed_another_reads(self):
        second = self.server.connect(self.name)
        for number in range(50):
            self.handle.pwrite(bytes([number]) * 4096, 0)
            self.assertEqual(second.pread(4096, 0), bytes([number]) * 4096)
            second.flush()

    def test_nothing_answered_is_lost_at_kill_9(self):
        self.handle.pwrite(b"flushed" * 100, 0, FUA)
        self.handle.pwrite(b"answered" * 100, served.MIB)
        self.server.kill()
        self.server = Nbdkit(self.store)
        self.handle = self.server.connect(self.name)
        self.assertEqual(self.handle.pread(700, 0), b"flushed" * 100)
        self.assertEqual(self.handle.pread(800, served.MIB), b"answered" * 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
