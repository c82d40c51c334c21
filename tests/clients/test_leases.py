#!/usr/bin/python3
# timeout: 120
"""One writing client at a time. On a Unix socket a client is a process, so the second one is a process of its own."""

import errno
import pathlib
import signal
import subprocess
import sys
import unittest

import nbd

import served

SIZE = 16 * served.MIB

# The other client: reads commands, one a line, and prints what came of each: "ok …" or the name of the error.
OTHER = """
import errno, sys, nbd
handles = []
for line in sys.stdin:
    verb, *words = line.split()
    try:
        if verb == "open":
            h = nbd.NBD()
            h.set_strict_mode(0)
            h.connect_uri(words[0])
            handles.append(h)
            print("ok", "read-only" if h.is_read_only() else "writable", flush=True)
        elif verb == "write":
            handles[-1].pwrite(words[0].encode() * 4096, 0)
            print("ok", flush=True)
        elif verb == "trim":
            handles[-1].trim(4096, 0)
            print("ok", flush=True)
        elif verb == "zero":
            handles[-1].zero(4096, 0)
            print("ok", flush=True)
        elif verb == "read":
            print("ok", handles[-1].pread(1, 0).decode(), flush=True)
        elif verb == "close":
            handles.pop().shutdown()
            print("ok", flush=True)
    except nbd.Error as problem:
        print(errno.errorcode.get(problem.errnum, problem.string), flush=True)
"""

# One that writes its whole volume at once and does not live to see the answer.
KILLED = """
import os, signal, sys
import vanishing
client = vanishing.connect(sys.argv[1])
vanishing.attach(client, sys.argv[2].encode())
client.sendall(vanishing.request(vanishing.WRITE, 0, 16 << 20, 1) + bytes(16 << 20))
os.kill(os.getpid(), signal.SIGKILL)
"""


class Client:
    """A client in a process of its own."""

    def __init__(self, uri):
        self.uri = uri
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def open(self):
        return self.ask("open", self.uri)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Leases(unittest.TestCase):
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
        self.mine = self.store.connect(self.name)
        self.addCleanup(lambda: setattr(self, "mine", None))
        self.other = Client(self.store.uri(self.name))
        self.addCleanup(self.other.end)

    def write(self, letter=b"m"):
        self.mine.pwrite(letter * 4096, 0)

    def assertRefused(self, call, *arguments):
        with self.assertRaises(nbd.Error) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errnum, errno.EPERM)

    def refusal(self, *words):
        with self.assertRaises(served.Refused) as caught:
            self.store.run(*words)
        return caught.exception

    def test_opening_takes_no_lease(self):
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("write", "o"), "ok")

    def test_nbdinfo_takes_no_lease_and_sees_no_holder(self):
        subprocess.run(["nbdinfo", self.store.uri(self.name)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["nbdinfo", "--map", self.store.uri(self.name)], check=True, stdout=subprocess.DEVNULL)
        self.assertFalse(self.store.json("volumes", "show", self.name)["writer"])
        self.write()

    def test_the_second_client_is_read_only(self):
        self.write()
        self.assertEqual(self.other.open(), "ok read-only")
        self.assertEqual(self.other.ask("read"), "ok m")

    def test_of_two_that_opened_before_the_second_writer_gets_eperm(self):
        self.assertEqual(self.other.open(), "ok writable")
        self.write()
        for verb in (("write", "o"), ("trim",), ("zero",)):
            self.assertEqual(self.other.ask(*verb), "EPERM", verb)
        self.assertEqual(self.other.ask("read"), "ok m")

    def test_trim_and_zero_take_the_lease_too(self):
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("trim"), "ok")
        self.assertRefused(self.write)

    def test_two_connections_of_one_client_are_one_client(self):
        self.write()
        second = self.store.connect(self.name)
        self.assertFalse(second.is_read_only())
        second.pwrite(b"s" * 4096, 0)
        self.write(b"t")
        self.assertEqual(second.pread(1, 0), b"t")

    def test_the_lease_ends_with_the_last_connection(self):
        self.write()
        second = self.store.connect(self.name)
        self.mine.shutdown()
        self.assertEqual(self.other.open(), "ok read-only")
        self.assertEqual(self.other.ask("close"), "ok")
        second.shutdown()
        self.assertWritableSoon()

    def test_the_lease_of_a_killed_client_ends(self):
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("write", "o"), "ok")
        self.assertRefused(self.write)
        self.other.end()
        self.other = Client(self.store.uri(self.name))
        self.addCleanup(self.other.end)
        self.assertWritableSoon()

    def assertWritableSoon(self):
        """The server learns of a closed connection a moment after the client closed it."""
        for _ in range(100):
            if self.other.open() == "ok writable":
                break
            self.other.ask("close")
        self.assertEqual(self.other.ask("write", "o"), "ok")

    def test_a_client_that_was_killed_is_in_nobodys_way(self):
        """The server still has its last request to do when the next client comes."""
        for number in range(10):
            ended = subprocess.run([sys.executable, "-c", KILLED, str(self.store.socket), self.name],
                                   cwd=pathlib.Path(__file__).parent, check=False)
            self.assertEqual(ended.returncode, -signal.SIGKILL)
            handle = self.store.connect(self.name)
            self.assertFalse(handle.is_read_only(), f"after {number} others")
            handle.pwrite(b"n" * 4096, 0)
            handle.shutdown()

    def test_a_shared_volume_has_two_writers(self):
        self.store.run("volumes", "set", self.name, "--shared", "yes")
        self.write()
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("write", "o"), "ok")
        self.write(b"n")
        self.assertEqual(self.other.ask("read"), "ok n")

    def test_show_names_the_holder(self):
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("write", "o"), "ok")
        shown = self.store.json("volumes", "show", self.name)
        self.assertIn(str(self.other.process.pid), shown["writer"])
        self.assertEqual(shown["connections"], 2)

    def test_release_without_force_names_the_holder_and_changes_nothing(self):
        self.write()
        refused = self.refusal("volumes", "release", self.name)
        self.assertEqual(refused.code, 4)
        self.assertIn("pid", refused.text)
        self.write(b"n")

    def test_a_fenced_client_reads_and_never_writes_again(self):
        self.write()
        second = self.store.connect(self.name)
        self.store.run("volumes", "release", self.name, "--force")
        self.assertRefused(self.write)
        self.assertRefused(second.pwrite, b"x" * 512, 4096)
        self.assertRefused(second.trim, 4096, 0)
        self.assertEqual(self.mine.pread(1, 0), b"m")
        self.assertEqual(self.other.open(), "ok writable")
        self.assertEqual(self.other.ask("write", "o"), "ok")
        self.assertRefused(self.write)
        self.assertEqual(self.mine.pread(1, 0), b"o")

    def test_a_stuck_writer_of_an_uncommitted_version_is_fenced(self):
        dataset = self.name[:40]
        self.store.run("datasets", "create", "d-" + dataset, "--size", "16M")
        made = self.store.json("datasets", "versions", "create", "d-" + dataset)
        release = ("datasets", "versions", "release", made["ref"])
        mine = self.store.connect(made["ref"])
        mine.pwrite(b"m" * 4096, 0)
        refused = self.refusal(*release)
        self.assertEqual(refused.code, 4)
        self.assertIn("version '" + made["ref"], refused.text)
        self.assertIn("pid", refused.text)
        mine.pwrite(b"n" * 4096, 0)
        self.assertEqual(self.refusal("volumes", "release", made["ref"], "--force").code, 2)
        other = Client(self.store.uri(made["ref"]))
        self.addCleanup(other.end)
        self.assertEqual(other.open(), "ok read-only")
        self.assertEqual(other.ask("close"), "ok")
        self.assertIsNone(self.store.json(*release, "--force")["writer"])
        self.assertRefused(mine.pwrite, b"x" * 512, 0)
        self.assertEqual(mine.pread(1, 0), b"n")
        self.assertEqual(other.open(), "ok writable")
        self.assertEqual(other.ask("write", "o"), "ok")
        self.assertRefused(mine.pwrite, b"x" * 512, 0)
        events = [event["what"] for event in self.store.json("log", made["ref"])["events"]]
        self.assertTrue(events[0].startswith("taken away from "), events)
        self.assertEqual(other.ask("close"), "ok")
        self.store.run(*release)  # nobody writes any more: nothing to do
        mine.shutdown()
        self.store.run("datasets", "versions", "commit", made["ref"])
        self.assertEqual(self.refusal(*release, "--force").code, 7)

    def test_an_attached_volume_is_not_deleted_and_not_shrunk(self):
        self.write()
        self.assertEqual(self.refusal("volumes", "delete", self.name, "--yes").code, 4)
        self.assertEqual(self.refusal("volumes", "resize", self.name, "--size", "8M", "--yes").code, 4)
        self.assertEqual(self.store.json("volumes", "show", self.name)["size"], SIZE)
        self.write(b"n")

    def test_growing_an_attached_volume_shows_on_the_next_connection(self):
        self.write()
        self.store.run("volumes", "resize", self.name, "--size", "32M")
        self.assertEqual(self.mine.get_size(), SIZE)
        second = self.store.connect(self.name)
        self.assertEqual(second.get_size(), 2 * SIZE)
        second.pwrite(b"end!", 2 * SIZE - 4)
        self.assertEqual(second.pread(4, 2 * SIZE - 4), b"end!")


if __name__ == "__main__":
    unittest.main(verbosity=2)
