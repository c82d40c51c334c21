#!/usr/bin/python3
# timeout: 120
"""What a connection offers, in an nbdkit started by hand: exports, flags, sizes, names."""

import unittest

import nbd

from by_hand import Nbdkit, served, wait_for

SIZE = 3 * served.MIB + 512


class Negotiation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = served.Store()
        cls.store.create("one", SIZE)
        cls.store.create("two", "8T")
        cls.server = Nbdkit(cls.store)

    @classmethod
    def tearDownClass(cls):
        code, _ = cls.server.stop()
        assert code == 0, cls.server.text()
        cls.store.remove()

    def refuse(self, name):
        """Returns the line of the log that says so; lines of other connections may stand around it."""
        before = len(self.server.text())
        with self.assertRaises(nbd.Error):
            self.server.connect(name)

        def lines():
            return [line for line in self.server.text()[before:].splitlines() if " export " in line]

        wait_for(lines, "a line in the log")
        return lines()[0]

    def test_all_that_a_volume_can_do_is_offered(self):
        handle = self.server.connect("one")
        self.assertEqual(handle.get_size(), SIZE)
        self.assertFalse(handle.is_read_only())
        self.assertFalse(handle.is_rotational())
        for can in ("flush", "fua", "trim", "zero", "fast_zero", "cache", "multi_conn", "df"):
            self.assertTrue(getattr(handle, f"can_{can}")(), can)
        self.assertTrue(handle.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION))

    def test_block_sizes(self):
        handle = self.server.connect("one")
        sizes = (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM)
        self.assertEqual([handle.get_block_size(size) for size in sizes], [1, 4096, 32 << 20])

    def test_a_size_beyond_4_gib(self):
        self.assertEqual(self.server.connect("two").get_size(), 8 * served.TIB)

    def test_list_names_all_volumes_and_describes_them(self):
        handle, found = nbd.NBD(), {}
        handle.set_opt_mode(True)
        handle.connect_unix(str(self.server.socket))
        handle.opt_list(lambda name, description: found.update({name: description}) or 0)
        self.assertEqual(list(found), ["one", "two"])
        self.assertTrue(all(found.values()), found)
        handle.opt_abort()

    def test_an_export_describes_itself_by_its_name(self):
        handle = nbd.NBD()
        handle.set_full_info(True)
        handle.set_export_name("one")
        handle.connect_unix(str(self.server.socket))
        self.assertIn("one", handle.get_export_description())

    def test_asking_about_an_export_leaves_it_writable_for_others(self):
        handle = nbd.NBD()
        handle.set_opt_mode(True)
        handle.set_export_name("one")
        handle.connect_unix(str(self.server.socket))
        handle.opt_info()
        self.assertEqual(handle.get_size(), SIZE)
        self.assertFalse(self.server.connect("one").is_read_only())
        handle.opt_abort()

    def test_without_a_name_there_is_no_export_among_several(self):
        self.refuse(None)

    def test_names_that_are_no_volume_are_refused(self):
        for name in ("nope", "../one", "one/", "ONE", "one ", "/etc/passwd", ".", "x" * 4096):
            with self.subTest(name=name[:20]):
                self.assertIn(name[:20], self.refuse(name))

    def test_a_name_cannot_write_into_the_log(self):
        line = self.refuse("a\x1b[2J\nnbdkit: all is well\u202e'")
        self.assertIn(r"\x1b[2J\x0anbdkit: all is well\xe2\x80\xae", line)
        self.assertTrue(line.isprintable())

    def test_one_line_of_the_log_is_bounded(self):
        self.assertLess(len(self.refuse("\x01" * 4000)), 600)

    def test_a_server_started_read_only_lets_nobody_write(self):
        store = served.Store()
        store.create("one", SIZE)
        server = Nbdkit(store, options=["-r"])
        handle = server.connect("one")
        self.assertTrue(handle.is_read_only())
        for call in (
            lambda: handle.pwrite(b"x", 0), lambda: handle.trim(512, 0), lambda: handle.zero(512, 0)
        ):
            with self.assertRaises(nbd.Error) as caught:
                call()
            self.assertEqual(caught.exception.errno, "EPERM")
        self.assertEqual(handle.pread(1, 0), b"\0")
        server.stop()
        store.remove()


class Flood(unittest.TestCase):
    def test_refusals_do_not_flood_the_log(self):
        store = served.Store()
        server = Nbdkit(store)
        for _ in range(200):
            with self.assertRaises(nbd.Error):
                server.connect("flood")
        lines = [line for line in server.text().splitlines() if "'flood'" in line]
        # at most 20 in 10 seconds; 200 refusals take less than two, and may fall into two windows
        self.assertLessEqual(len(lines), 40)
        self.assertGreaterEqual(len(lines), 20)
        server.stop()
        store.remove()


class DefaultExport(unittest.TestCase):
    """Without a name: the volume of a store that has one."""

    def test_one_volume_is_the_default(self):
        store = served.Store()
        server = Nbdkit(store)
        with self.assertRaises(nbd.Error):
            server.connect()
        server.stop()
        store.create("lone", SIZE)
        server = Nbdkit(store)
        handle = nbd.NBD()
        handle.set_full_info(True)
        handle.connect_unix(str(server.socket))
        self.assertEqual(handle.get_size(), SIZE)
        self.assertEqual(handle.get_canonical_export_name(), "lone")
        handle.shutdown()
        server.stop()
        store.remove()


if __name__ == "__main__":
    unittest.main(verbosity=2)
