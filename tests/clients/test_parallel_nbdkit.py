#!/usr/bin/python3
# timeout: 600
"""On a newer nbdkit the requests of one connection run in parallel: Debian 13's, built by tests/lib/nbdkit142.

Random requests with an independent log and kill -9, clients that vanish with reads in flight, and
many threads on blocks that they share. The same runs on this machine's own nbdkit, where varve
keeps to one worker for each connection.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import unittest

import answered
import served

SIZE = 32 * served.MIB
VANISHING = 100

# Queues 16 reads of 256 KiB and is gone.
VANISH = """
import os, sys, nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
for number in range(16):
    h.aio_pread(nbd.Buffer(262144), number * 262144)
os._exit(0)
"""


class OnNbdkit:
    """What holds on every nbdkit; the classes below say on which."""

    nbdkit = None

    @classmethod
    def setUpClass(cls):
        cls.store = served.Store("--limit", "1G", nbdkit=cls.nbdkit)
        cls.store.create("target", SIZE)
        cls.store.serve()

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()
        cls.store.remove()

    def descriptors(self):
        """Without the rings: these are made when more batches run at once than ever before, and kept."""
        count = 0
        for number in pathlib.Path(f"/proc/{self.store.server.pid}/fd").iterdir():
            try:
                count += "io_uring" not in os.readlink(number)
            except OSError:
                continue  # closed meanwhile
        return count

    def threads(self):
        """The server's own: those that the kernel adds for io_uring come and go as it likes."""
        count = 0
        for name in pathlib.Path(f"/proc/{self.store.server.pid}/task").glob("*/comm"):
            try:
                count += not name.read_text(encoding="utf-8").startswith("iou-")
            except OSError:
                continue  # it ended meanwhile
        return count

    def assertComesTo(self, wanted, measure):
        deadline = time.monotonic() + 20
        while measure() > wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLessEqual(measure(), wanted)

    def test_it_runs_on_the_nbdkit_it_should(self):
        program = os.readlink(f"/proc/{self.store.server.pid}/exe")
        wanted = pathlib.Path(self.nbdkit or shutil.which("nbdkit")).resolve()
        self.assertIn(wanted.name, program)
        self.assertEqual(pathlib.Path(program).resolve(), wanted)

    def test_kills_under_load_lose_nothing(self):
        dice = random.Random(42)
        self.store.create("killed", SIZE)
        volume = answered.Volume(SIZE)
        for number in range(8):
            load = answered.Load(lambda: self.store.connect("killed"), volume, dice, 3)
            deadline = time.monotonic() + 1
            killed = False

            def go_on(load=load, deadline=deadline):
                nonlocal killed
                if not killed and (load.count > 1500 or time.monotonic() > deadline):
                    self.store.kill()
                    killed = True
                return not killed

            load.run(go_on)
            self.assertTrue(killed, "the server left all connections")
            self.assertEqual(load.errors, [])
            self.store.serve()
            handle = self.store.connect("killed")
            self.assertIsNone(volume.compare(answered.read_all(handle, SIZE)), f"round {number}")

    def test_clients_that_vanish_with_reads_in_flight(self):
        handle = self.store.connect("target")
        for offset in range(0, SIZE, served.MIB):
            handle.pwrite(random.randbytes(served.MIB), offset)
        handle.shutdown()
        time.sleep(0.5)
        descriptors, threads = self.descriptors(), self.threads()
        for _ in range(VANISHING):
            subprocess.run([sys.executable, "-c", VANISH, self.store.uri("target")], check=True)
            self.assertIsNone(self.store.server.poll(), self.store.log_tail())
        self.assertComesTo(descriptors, self.descriptors)
        self.assertComesTo(threads, self.threads)

    def test_threads_that_patch_the_same_blocks(self):
        """Eight connections own every eighth byte run of 100 bytes; no write may undo a neighbour's."""
        self.store.create("patched", SIZE)
        count, run, blocks = 8, 100, 400
        problems = []

        def patch(mine):
            try:
                handle = self.store.connect("patched")
                for repeat in range(2):
                    for number in range(blocks):
                        handle.pwrite(bytes([mine + 1 + 16 * repeat]) * run, (number * count + mine) * run)
                handle.shutdown()
            except Exception as problem:  # pylint: disable=broad-except
                problems.append(problem)

        workers = [threading.Thread(target=patch, args=(mine,)) for mine in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(problems, [])
        handle = self.store.connect("patched")
        found = handle.pread(count * run * blocks, 0)
        wanted = b"".join(bytes([mine + 17]) * run for mine in range(count)) * blocks
        self.assertEqual(found, wanted)


class OwnNbdkit(OnNbdkit, unittest.TestCase):
    pass


class NewerNbdkit(OnNbdkit, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nbdkit = served.newer_nbdkit()
        super().setUpClass()

    def settled_threads(self):
        """Once the workers of connections that were closed before are gone."""
        same, last = 0, self.threads()
        while same < 15:
            time.sleep(0.1)
            now = self.threads()
            same, last = (same + 1, now) if now == last else (0, now)
        return last

    def test_one_connection_has_several_workers(self):
        without = self.settled_threads()
        handle = self.store.connect("target")
        self.assertComesTo(-without - 8, lambda: -self.threads())
        handle.shutdown()
        self.assertComesTo(without, self.threads)


if __name__ == "__main__":
    unittest.main(verbosity=2)
