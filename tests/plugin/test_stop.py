#!/usr/bin/python3
# timeout: 600
"""A stop is bounded whatever the clients do, and what was answered is there afterwards."""

import errno
import os
import signal
import socket
import subprocess
import time
import unittest

import nbd

from by_hand import Nbdkit, served

SIZE = 64 * served.MIB
BOUND = 10


class Stop(unittest.TestCase):
    nbdkit = "nbdkit"

    def setUp(self):
        self.store = served.Store()
        self.store.create("one", SIZE)
        self.server = Nbdkit(self.store, nbdkit=self.nbdkit)

    def tearDown(self):
        self.server.kill()
        self.store.check()
        self.store.remove()

    def assertStops(self, number=signal.SIGTERM, seconds=BOUND):
        code, taken = self.server.stop(number)
        self.assertEqual(code, 0, self.server.text())
        self.assertLess(taken, seconds)

    def test_without_clients(self):
        self.assertStops(seconds=5)

    def test_every_signal_that_stops_nbdkit(self):
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            with self.subTest(signal=number):
                handle = self.server.connect("one")
                handle.pwrite(b"x", 0)
                self.assertStops(number, seconds=5)
                self.server = Nbdkit(self.store, nbdkit=self.nbdkit)

    def test_idle_clients_are_let_go_at_once(self):
        handles = [self.server.connect("one") for _ in range(20)]
        handles[0].pwrite(b"x" * 4096, 0)
        self.assertStops(seconds=5)
        for handle in handles:
            with self.assertRaises(nbd.Error):
                handle.pread(1, 0)

    def test_clients_that_never_negotiate(self):
        silent = []
        for _ in range(10):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(str(self.server.socket))
        time.sleep(0.2)
        self.assertStops(seconds=5)
        for each in silent:
            each.close()

    def test_a_client_that_does_not_take_its_answers(self):
        handle = self.server.connect("one")
        buffers = [nbd.Buffer(32 << 20) for _ in range(8)]
        for buffer in buffers:
            handle.aio_pread(buffer, 0)
        time.sleep(0.5)
        self.assertStops()

    def test_twice_is_once(self):
        self.server.connect("one").pwrite(b"x", 0)
        os.kill(self.server.process.pid, signal.SIGTERM)
        os.kill(self.server.process.pid, signal.SIGTERM)
        self.assertStops()

    def test_all_that_was_answered_is_there(self):
        handle = self.server.connect("one")
        content = os.urandom(4096)
        for number in range(1000):
            handle.pwrite(content[number:] + content[:number], number * 4096)
        self.assertStops()
        self.server = Nbdkit(self.store, nbdkit=self.nbdkit)
        handle = self.server.connect("one")
        for number in range(1000):
            self.assertEqual(handle.pread(4096, number * 4096), content[number:] + content[:number])

    def test_requests_in_progress_are_answered_or_cut_but_never_half_done(self):
        handle = self.server.connect("one")
        written = [nbd.Buffer.from_bytearray(bytearray([number + 1]) * 65536) for number in range(32)]
        cookies = {handle.aio_pwrite(buffer, 65536 * number): number for number, buffer in enumerate(written)}
        os.kill(self.server.process.pid, signal.SIGTERM)
        answered = []
        try:
            while handle.aio_in_flight() > 0:
                handle.poll(1000)
                while (cookie := handle.aio_peek_command_completed()) > 0:
                    if handle.aio_command_completed(cookie):
                        answered.append(cookies[cookie])
        except nbd.Error:
            pass  # the server is gone
        self.server.process.wait(BOUND)
        self.server = Nbdkit(self.store, nbdkit=self.nbdkit)
        handle = self.server.connect("one")
        for number in range(32):
            found = handle.pread(65536, 65536 * number)
            allowed = [bytes([number + 1]) * 65536] + ([] if number in answered else [bytes(65536)])
            self.assertIn(found, allowed, f"write {number}, answered: {answered}")

    def test_no_request_is_answered_with_an_error(self):
        """The kernel's driver takes every error for one of the disk; a cut it survives."""
        for _ in range(10):
            handles = [self.server.connect("one") for _ in range(2)]
            false = []
            buffer = nbd.Buffer.from_bytearray(bytearray(4096))

            def answered(error, false=false):
                if error.value not in (0, errno.ENOTCONN):  # that is libnbd's own, for a connection that was cut
                    false.append(errno.errorcode.get(error.value))
                return 1

            stop_at = time.monotonic() + 0.2
            while handles:
                if stop_at and time.monotonic() > stop_at:
                    self.server.process.terminate()
                    stop_at = None
                for handle in list(handles):
                    try:
                        while handle.aio_in_flight() < 16:
                            handle.aio_pwrite(buffer, 4096 * (handle.aio_in_flight() % 7), completion=answered)
                            handle.aio_pread(nbd.Buffer(4096), 0, completion=answered)
                        handle.poll(0)
                    except nbd.Error:
                        handles.remove(handle)
            self.assertEqual(self.server.process.wait(BOUND), 0, self.server.text())
            self.assertEqual(false, [])
            self.server = Nbdkit(self.store, nbdkit=self.nbdkit)

    def test_the_next_server_has_nothing_to_wait_for(self):
        taken = []
        while not taken or taken[-1] >= 2:
            self.server.connect("one").pwrite(b"x" * 4096, 0)
            self.assertStops()
            began = time.monotonic()
            self.server = Nbdkit(self.store, nbdkit=self.nbdkit)
            taken.append(time.monotonic() - began)
            self.assertLess(len(taken), 5, f"seconds each time: {taken}")


class StopOnNewer(Stop):
    """There the requests of a connection run in parallel, which ends in another way."""

    @classmethod
    def setUpClass(cls):
        build = served.REPO / "tests/lib/nbdkit142"
        cls.nbdkit = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    unittest.main(verbosity=2)
