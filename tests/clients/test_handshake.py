#!/usr/bin/python3
# timeout: 300
"""Clients that never come to an end with negotiating: they are counted, they have to go, and others get in.

On this machine's own nbdkit, and on Debian 13's (tests/lib/nbdkit142).
"""

import os
import pathlib
import resource
import select
import time
import unittest

import nbd

import served
import vanishing

CLIENTS = 40  # serve --clients; eight times as many may negotiate
CROWD = 8 * CLIENTS
SECONDS = 3  # serve --handshake
PATIENCE = 60
SIZE = served.MIB


def hung_up(clients):
    """How many of them the server has cut."""
    poller = select.poll()
    for client in clients:
        poller.register(client, select.POLLRDHUP)
    return len(poller.poll(0))


class Server:
    nbdkit = None
    seconds = SECONDS

    @classmethod
    def setUpClass(cls):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        cls.store = served.Store("--limit", "1G", nbdkit=cls.nbdkit)
        cls.store.create("good", SIZE)
        cls.store.serve("--clients", str(CLIENTS), "--handshake", str(cls.seconds))

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()
        cls.store.remove()

    def crowd(self, count):
        clients = []
        for _ in range(count):
            clients.append(vanishing.connect(str(self.store.socket)))
            self.addCleanup(clients[-1].close)
        return clients

    def threads(self):
        self.assertIsNone(self.store.server.poll(), self.store.log_tail())
        return len(os.listdir(f"/proc/{self.store.server.pid}/task"))

    def descriptors(self):
        count = 0
        for number in pathlib.Path(f"/proc/{self.store.server.pid}/fd").iterdir():
            try:
                count += os.readlink(number).startswith("socket:")
            except OSError:
                continue  # closed meanwhile
        return count

    def assertComesTo(self, reached, what):
        deadline = time.monotonic() + PATIENCE
        while not reached():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def connect(self):
        """Behind a crowd the kernel's queue may be full for a moment, on a slow machine."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.store.connect("good")
            except nbd.Error as error:
                if error.errno != "EAGAIN" or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def good_client(self):
        handle = self.connect()
        handle.pwrite(b"good", 0)
        self.assertEqual(handle.pread(4, 0), b"good")
        return handle


class OfLittlePatience(Server):
    def test_silent_clients_are_cut(self):
        handle = self.good_client()
        time.sleep(1)  # its workers start
        base = self.threads(), self.descriptors()
        silent = self.crowd(CLIENTS)
        self.assertComesTo(lambda: hung_up(silent) == CLIENTS, "some were not cut")
        self.assertComesTo(lambda: self.threads() <= base[0] and self.descriptors() <= base[1], f"not back to {base}")
        # one that came to its end may be silent for as long as it likes
        self.assertEqual(handle.pread(4, 0), b"good")
        handle.shutdown()

    def test_clients_that_dribble_are_cut(self):
        """What a client sends buys it no time."""
        slow = self.crowd(5)
        told = iter(vanishing.CLIENT_FLAGS + vanishing.option(vanishing.LIST) * 1000)

        def dribble():
            for client in slow:
                try:
                    client.send(bytes([next(told)]))
                except (BrokenPipeError, ConnectionResetError):
                    pass
            return hung_up(slow) == len(slow)

        self.assertComesTo(dribble, "some were not cut")

    def test_asking_about_an_export_is_no_attachment(self):
        """After NBD_OPT_INFO, for which nbdkit opens the export and closes it, the time goes on."""
        asking = self.crowd(3)
        for client in asking:
            self.assertEqual(vanishing.receive(client, 18)[:16], vanishing.GREETING)
            client.sendall(vanishing.CLIENT_FLAGS + vanishing.option(vanishing.INFO, vanishing.go(b"good")))
            vanishing.receive(client, 20)
        self.assertComesTo(lambda: hung_up(asking) == len(asking), "some were not cut")

    def test_as_many_are_attached_as_may_be(self):
        there = [self.store.connect("good") for _ in range(CLIENTS)]
        with self.assertRaises(nbd.Error):
            self.store.connect("good")
        there.pop().shutdown()

        def enters():
            try:
                there.append(self.store.connect("good"))
                return True
            except nbd.Error:
                return False

        self.assertComesTo(enters, "no room, though one has gone")
        time.sleep(SECONDS + 2)  # nobody who is attached is cut
        for handle in there:
            self.assertEqual(len(handle.pread(4, 0)), 4)
            handle.shutdown()


class OfMuchPatience(Server):
    """Time cuts nobody here: only the crowd does."""

    seconds = 600

    def test_a_crowd_keeps_nobody_out(self):
        silent = []
        most = 0
        for _ in range(8):
            silent += self.crowd(CROWD // 2)
            handle = self.good_client()
            most = max(most, self.threads())
            handle.shutdown()
        # those that were cut take a moment to end
        self.assertLess(most, 2 * CROWD)
        self.assertComesTo(lambda: hung_up(silent) >= len(silent) - CROWD, "more negotiate than may")
        # the newest stay
        self.assertLess(hung_up(silent[-CROWD // 2:]), CROWD // 2)


class OwnNbdkit(OfLittlePatience, unittest.TestCase):
    pass


class OwnNbdkitCrowded(OfMuchPatience, unittest.TestCase):
    pass


class OnNewerNbdkit:
    @classmethod
    def setUpClass(cls):
        cls.nbdkit = served.newer_nbdkit()
        super().setUpClass()


class NewerNbdkit(OnNewerNbdkit, OfLittlePatience, unittest.TestCase):
    pass


class NewerNbdkitCrowded(OnNewerNbdkit, OfMuchPatience, unittest.TestCase):
    pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
