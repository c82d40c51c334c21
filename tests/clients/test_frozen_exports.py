#!/usr/bin/python3
# timeout: 120
"""Snapshots and committed versions as clients see them: read-only, for any number of them at once, and for good."""

import errno
import subprocess
import unittest

import nbd

import served

SIZE = served.MIB
CHANGES = {
    "write": lambda h: h.pwrite(b"y" * 4096, 0),
    "write fua": lambda h: h.pwrite(b"y" * 4096, 0, nbd.CMD_FLAG_FUA),
    "trim": lambda h: h.trim(4096, 0),
    "zero": lambda h: h.zero(4096, 0),
    "zero of all": lambda h: h.zero(SIZE, 0),
}


class Frozen(unittest.TestCase):
    def setUp(self):
        self.store = served.Store("--limit", "256M", "--journal", "4M")
        self.addCleanup(self.store.remove)
        self.store.create("vol", SIZE)
        self.store.serve()
        handle = self.store.connect("vol")
        handle.pwrite(b"x" * 8192, 0)
        handle.shutdown()

    def refuses(self, handle):
        """Each kind of change is EPERM, and the connection goes on."""
        for name, change in CHANGES.items():
            with self.subTest(name), self.assertRaises(nbd.Error) as refusal:
                change(handle)
            self.assertEqual(refusal.exception.errnum, errno.EPERM, name)
        self.assertEqual(handle.pread(8192, 0), b"x" * 8192)

    def test_snapshot(self):
        self.store.run("snapshots", "create", "vol@a")
        handles = [self.store.connect("vol@a") for _ in range(2)]
        other = subprocess.run(
            ["nbdinfo", "--json", self.store.uri("vol@a")], capture_output=True, text=True, check=True
        )
        self.assertIn('"is_read_only": true', other.stdout)
        for handle in handles:
            self.assertTrue(handle.is_read_only())
            self.assertEqual(handle.get_size(), SIZE)
            self.refuses(handle)
        writer = self.store.connect("vol")
        writer.pwrite(b"z" * 8192, 0)
        writer.shutdown()
        for handle in handles:
            self.assertEqual(handle.pread(8192, 0), b"x" * 8192)
        self.assertEqual(self.store.json("snapshots", "show", "vol@a")["connections"], 2)
        with self.assertRaises(served.Refused) as refusal:
            self.store.run("snapshots", "delete", "vol@a", "--yes")
        self.assertEqual(refusal.exception.code, 4)
        for handle in handles:
            handle.shutdown()
        self.store.run("snapshots", "delete", "vol@a", "--yes")
        with self.assertRaises(nbd.Error):
            self.store.connect("vol@a")

    def test_version_that_is_committed_while_it_is_open(self):
        self.store.run("datasets", "create", "--name", "data")
        made = self.store.run("datasets", "versions", "create", "--id", "data", "--from", "vol")
        ref = made.split()[-1]
        handle = self.store.connect(ref)
        self.assertFalse(handle.is_read_only())
        handle.pwrite(b"x" * 4096, 4096)
        self.store.run("datasets", "versions", "commit", ref, "--allow-dirty")
        self.refuses(handle)
        late = self.store.connect("data:latest")
        self.assertTrue(late.is_read_only())
        self.refuses(late)
        self.assertEqual(self.store.connect("data").pread(4096, 4096), b"x" * 4096)

    def test_all_are_listed(self):
        self.store.create("other", SIZE)
        for name in "a", "b":
            self.store.run("snapshots", "create", "vol", "other", "--name", name)
        self.store.run("datasets", "create", "--name", "data")
        ref = self.store.run("datasets", "versions", "create", "--id", "data", "--from", "vol@a").split()[-1]
        listed = []
        handle = nbd.NBD()
        handle.set_opt_mode(True)
        handle.connect_unix(str(self.store.socket))
        handle.opt_list(lambda name, description: listed.append((name, description)))
        handle.opt_abort()
        names = [name for name, _ in listed]
        self.assertEqual(names[:6], ["other", "vol", "other@a", "other@b", "vol@a", "vol@b"])
        self.assertEqual(len(names), 7)
        self.assertTrue(ref.endswith(names[6]) or names[6].endswith(ref.split(":")[1]), (ref, names))
        self.assertRegex(dict(listed)["vol@a"], r"^snapshot vol@a, 1 MiB, frozen, image \d+$")
        self.assertIn("not committed", listed[6][1])

    def test_the_only_volume_is_the_default_also_with_snapshots(self):
        self.store.run("snapshots", "create", "vol")
        handle = self.store.connect("")
        self.assertFalse(handle.is_read_only())
        self.assertEqual(handle.pread(3, 0), b"xxx")


if __name__ == "__main__":
    unittest.main()
