#!/usr/bin/python3
# timeout: 120
"""Any byte range is legal: requests of odd sizes at odd places, against a copy in memory."""

import errno
import random
import unittest

import nbd

import served

SIZE = 10 * served.MIB + 512  # the last block is not whole
EDGES = (0, 1, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1)


class Unaligned(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = served.Store()
        cls.store.serve()

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()

    def setUp(self):
        self.name = self.id().rpartition(".test_")[2].replace("_", "-")[:60]
        self.store.create(self.name, SIZE)
        self.handle = self.store.connect(self.name)
        self.copy = bytearray(SIZE)
        self.dice = random.Random(self.name)

    def write(self, offset, length, flags=0):
        content = self.dice.randbytes(length)
        self.handle.pwrite(content, offset, flags)
        self.copy[offset : offset + length] = content

    def clear(self, call, offset, length, flags=0):
        call(length, offset, flags)
        self.copy[offset : offset + length] = bytes(length)

    def assertSame(self):
        for offset in range(0, SIZE, served.MIB):
            length = min(served.MIB, SIZE - offset)
            self.assertEqual(self.handle.pread(length, offset), self.copy[offset : offset + length], f"at {offset}")

    def assertError(self, number, call, *arguments):
        with self.assertRaises(nbd.Error) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errnum, number)

    def test_every_pair_of_edges(self):
        for start in EDGES:
            for end in EDGES:
                if start < end:
                    self.write(2 * served.MIB + start, end - start)
        self.assertSame()

    def test_random_writes_trims_and_zeroes(self):
        for _ in range(1500):
            length = self.dice.choice((1, 2, 3, 100, 511, 513, 4095, 4097, 10000, 65535, 65537, 200001))
            offset = self.dice.randrange(0, SIZE - length)
            kind = self.dice.randrange(10)
            flags = nbd.CMD_FLAG_FUA if self.dice.randrange(50) == 0 else 0
            if kind == 0:
                self.clear(self.handle.trim, offset, length, flags)
            elif kind == 1:
                self.clear(self.handle.zero, offset, length, flags)
            elif kind == 2:
                self.clear(self.handle.zero, offset, length, flags | nbd.CMD_FLAG_NO_HOLE)
            else:
                self.write(offset, length, flags)
            if kind == 9:
                at = self.dice.randrange(0, SIZE - 50001)
                self.assertEqual(self.handle.pread(50001, at), self.copy[at : at + 50001])
        self.assertSame()

    def test_one_byte_at_a_time(self):
        for offset in range(4090, 4106):
            self.write(offset, 1)
        self.assertEqual(self.handle.pread(20, 4088), self.copy[4088:4108])
        self.assertSame()

    def test_it_all_survives_a_kill(self):
        for _ in range(400):
            length = self.dice.randrange(1, 9000)
            self.write(self.dice.randrange(0, SIZE - length), length)
        self.store.kill()
        self.store.serve()
        self.handle = self.store.connect(self.name)
        self.assertSame()

    def test_the_last_bytes_of_a_volume_whose_last_block_is_not_whole(self):
        self.write(SIZE - 1, 1)
        self.write(SIZE - 512, 100)
        self.write(SIZE - 5000, 4400)
        self.clear(self.handle.trim, SIZE - 513, 13)
        self.assertSame()

    def test_the_largest_request(self):
        self.store.create("largest", 64 * served.MIB)
        handle = self.store.connect("largest")
        content = self.dice.randbytes(32 * served.MIB)
        handle.pwrite(content, 12345)
        self.assertEqual(handle.pread(32 * served.MIB, 12345), content)
        self.assertEqual(handle.pread(12345, 0), bytes(12345))

    def test_past_the_end(self):
        self.assertError(errno.ENOSPC, self.handle.pwrite, b"x" * 1024, SIZE - 512)
        self.assertError(errno.ENOSPC, self.handle.pwrite, b"x", SIZE)
        self.assertError(errno.EINVAL, self.handle.pread, 1024, SIZE - 512)
        self.assertError(errno.EINVAL, self.handle.pread, 1, SIZE + served.GIB)
        self.assertSame()

    def extents_total(self):
        """Asks for the map at odd offsets; hole must mean zero, and the parts must add up."""
        total, offset = 0, 0
        while offset < SIZE:
            entries = []
            self.handle.block_status(
                SIZE - offset, offset, lambda context, at, found, error: entries.extend(found) or 0
            )
            for length, flags in zip(entries[0::2], entries[1::2]):
                if flags & nbd.STATE_HOLE:
                    self.assertEqual(self.copy[offset : offset + length], bytes(length), f"hole at {offset}")
                total, offset = total + length, offset + length
        return total

    def test_the_map_says_hole_only_where_zeroes_are(self):
        for _ in range(60):
            length = self.dice.randrange(1, 20000)
            self.write(self.dice.randrange(0, SIZE - length), length)
        self.clear(self.handle.trim, 3 * served.MIB + 17, served.MIB)
        self.assertEqual(self.extents_total(), SIZE)
        self.assertSame()

    def test_the_map_of_part_of_a_range_never_goes_past_its_end(self):
        self.write(5000, 100000)
        for offset, length in ((0, 1), (4095, 2), (5001, 7), (100000, 123456), (SIZE - 1, 1)):
            entries = []
            self.handle.block_status(length, offset, lambda context, at, found, error: entries.extend(found) or 0)
            self.assertLessEqual(sum(entries[0::2]), length, f"{length} bytes at {offset}")

    def test_fast_zero_is_fast_for_whole_blocks(self):
        self.write(0, 2 * served.MIB)
        self.clear(self.handle.zero, 4096, served.MIB, nbd.CMD_FLAG_FAST_ZERO)
        self.assertSame()


if __name__ == "__main__":
    unittest.main(verbosity=2)
