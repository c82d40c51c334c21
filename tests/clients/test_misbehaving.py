#!/usr/bin/python3
# timeout: 300
"""Clients that vanish at any byte, and clients that stall: the server lives, and the others hardly notice.

    test_misbehaving.py [--seed N] [UNITTEST OPTION...]
"""

import os
import random
import resource
import socket
import sys
import threading
import time
import unittest

import nbd

import served
import vanishing

VANISHING = 10_000
WORKERS = 3
SIZE = served.GIB
CLIENTS = 300  # serve --clients; eight times as many may negotiate

SILENT, SLOW, DEAF = 2_000, 100, 50
STALL_SECONDS = 8

SETTLE_SECONDS = 60
MEMORY_SLACK = 128 * served.MIB  # caches, and what the allocator keeps for each thread's arena

seed = random.SystemRandom().getrandbits(32)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GoodClient:
    """Reads and writes all the time and compares; how long each request took is in `taken`."""

    SIZE = 16 * served.MIB

    def __init__(self, store, name):
        self.handle = store.connect(name)
        self.content = bytearray(self.SIZE)
        self.dice = random.Random(seed)
        self.taken = []

    def run(self, seconds):
        """The 99th percentile in milliseconds, and how many requests there were."""
        self.taken = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.one()
        taken = sorted(self.taken)
        return taken[len(taken) * 99 // 100] * 1000, len(taken)

    def one(self):
        length = self.dice.randrange(1, 65536)
        offset = self.dice.randrange(self.SIZE - length)
        data = self.dice.randbytes(length) if self.dice.random() < 0.5 else None
        started = time.monotonic()
        if data:
            self.handle.pwrite(data, offset)
            self.content[offset:offset + length] = data
        else:
            data = self.handle.pread(length, offset)
        self.taken.append(time.monotonic() - started)
        if data != self.content[offset:offset + length]:
            raise AssertionError(f"{length} bytes at {offset} differ from what was written")

    def compare_all(self):
        for offset in range(0, self.SIZE, served.MIB):
            if self.handle.pread(served.MIB, offset) != self.content[offset:offset + served.MIB]:
                raise AssertionError(f"the MiB at {offset} differs from what was written")


class Misbehaving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"seed {seed}", flush=True)
        # the usual soft limit is too low for the crowd; serve raises its own
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        cls.port = free_port()
        cls.store = served.Store("--limit", "20G")
        cls.store.serve("--listen", f"127.0.0.1:{cls.port}", "--clients", str(CLIENTS), "--cache", "16M")

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()

    def usage(self):
        """(descriptors, threads, bytes of memory)"""
        self.assertIsNone(self.store.server.poll(), f"the server is dead:\n{self.store.log_tail()}")
        proc = f"/proc/{self.store.server.pid}"
        with open(f"{proc}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        return len(os.listdir(f"{proc}/fd")), int(fields["Threads"]), int(fields["VmRSS"].split()[0]) << 10

    def assertSettles(self, base):
        """Descriptors and threads come back to the base, but for a few that come and go by themselves."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            now = self.usage()
            if now[0] <= base[0] + 2 and now[1] <= base[1] + 2 and now[2] <= base[2] + MEMORY_SLACK:
                break
            self.assertLess(time.monotonic(), deadline, f"descriptors, threads, memory: {base} before, now {now}")
            time.sleep(0.1)
        print(f"descriptors, threads, memory: {base} before, {now} after", flush=True)

    def vanish(self, clients, base_name):
        """Lets so many clients vanish, and returns (name, writes) of each worker."""
        workers = []
        for number in range(WORKERS):
            name = f"{base_name}-{number}"
            self.store.create(name, SIZE)
            address = ("127.0.0.1", self.port) if number == 0 else str(self.store.socket)
            workers.append(vanishing.Worker(number, seed, address, name, SIZE, -(-clients // WORKERS)))
        answers = vanishing.run_all(workers)
        for _, problems, _, _ in answers:
            self.assertEqual(problems, [])
        gone = sum(answer[2] for answer in answers)
        self.assertGreaterEqual(gone, clients)
        print(f"vanished: {gone}, of them hung up on before: {sum(answer[3] for answer in answers)}", flush=True)
        print(f"count: vanished clients {gone}", flush=True)
        return [(worker, answer[0]) for worker, answer in zip(workers, answers)]

    def compare(self, worker, writes):
        """Every write that was answered is there, none that was cut off."""
        handle = self.store.connect(worker.name.decode())
        seen = [0, 0, 0]
        by_client = {}
        for number, index, state in writes:
            by_client.setdefault(number, []).append((index, state))
        for number, blocks in by_client.items():
            data = handle.pread(vanishing.BATCH * vanishing.BLOCK, number * vanishing.BATCH * vanishing.BLOCK)
            for index, state in blocks:
                block = data[index * vanishing.BLOCK:(index + 1) * vanishing.BLOCK]
                there = block == vanishing.content(worker.number, number, index)
                what = f"{worker.name}, client {number}, write {index}"
                self.assertTrue(there or not any(block), f"{what}: neither the old content nor the new")
                self.assertFalse(state == vanishing.ANSWERED and not there, f"{what} was answered and is lost")
                self.assertFalse(state == vanishing.CUT and there, f"{what} never came whole and is there")
                seen[state] += 1
        self.assertTrue(all(seen), f"not every kind of write was met: {seen}")
        print(f"{worker.name.decode()}: {seen[0]} writes answered, {seen[1]} sent, {seen[2]} cut off", flush=True)
        handle.shutdown()

    def assertLeaseIsFree(self, name):
        """This process never wrote there: it may write once the server has seen the last one go."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            handle = self.store.connect(name)
            if not handle.is_read_only():
                break
            handle.shutdown()
            self.assertLess(time.monotonic(), deadline, f"{name} is still leased")
            time.sleep(0.1)
        handle.pwrite(b"new" * 512, SIZE - 1536)
        self.assertEqual(handle.pread(1536, SIZE - 1536), b"new" * 512)
        handle.shutdown()
        self.assertFalse(self.store.json("volumes", "show", name)["shared"])

    def test_vanishing(self):
        # the first thousand make the threads' arenas and fill the caches
        self.vanish(VANISHING // 10, "first")
        time.sleep(1)
        base = self.usage()
        vanished = self.vanish(VANISHING, "vanish")
        self.assertSettles(base)
        for worker, writes in vanished:
            self.compare(worker, writes)
            self.assertLeaseIsFree(worker.name.decode())

    def stall(self):
        """Opens those that say nothing, that say little, and that do not listen: (all, those that say little)."""
        address = str(self.store.socket)
        crowd = []
        for _ in range(SILENT + SLOW + DEAF):
            crowd.append(vanishing.connect(address))
            self.addCleanup(crowd[-1].close)
        for client in crowd[SILENT + SLOW:]:
            vanishing.attach(client, b"stalled")
            client.sendall(b"".join(vanishing.request(vanishing.READ, index << 20, 1 << 20, index)
                                    for index in range(vanishing.BATCH)))
        return crowd, crowd[SILENT:SILENT + SLOW]

    def test_stalling(self):
        self.store.create("stalled", SIZE)
        self.store.create("good", SIZE)
        good = GoodClient(self.store, "good")
        alone, requests = good.run(STALL_SECONDS / 2)
        print(f"alone: {requests} requests, 99 % within {alone:.1f} ms", flush=True)
        base = self.usage()
        crowd, slow = self.stall()
        told = vanishing.CLIENT_FLAGS + vanishing.option(vanishing.GO, vanishing.go(b"stalled"))
        ended = threading.Event()

        def dribble():
            for byte in told:
                for client in slow:
                    client.sendall(bytes([byte]))
                if ended.wait(1):
                    break

        dribbling = threading.Thread(target=dribble)
        dribbling.start()
        try:
            among, requests = good.run(STALL_SECONDS)
        finally:
            ended.set()
            dribbling.join()
        print(f"among {len(crowd)} that stall: {requests} requests, 99 % within {among:.1f} ms", flush=True)
        print(f"descriptors, threads, memory: {self.usage()} among them", flush=True)
        self.assertGreater(requests, 10)
        good.compare_all()
        # the control door is not held up either
        self.assertEqual(self.store.json("volumes", "show", "stalled")["connections"], DEAF)
        for client in crowd:
            client.close()
        self.assertSettles(base)
        good.compare_all()
        good.handle.shutdown()

    def test_the_cap(self):
        """--clients holds for those that have attached, and room is made when one goes."""
        self.store.create("capped", SIZE)
        deadline = time.monotonic() + SETTLE_SECONDS
        there = [self.store.connect("capped") for _ in range(CLIENTS)]
        with self.assertRaises(nbd.Error):
            self.store.connect("capped")
        there[0].pwrite(b"capped", 0)
        self.assertEqual(there[-1].pread(6, 0), b"capped")
        there.pop().shutdown()
        while True:
            try:
                there.append(self.store.connect("capped"))
                break
            except nbd.Error:
                self.assertLess(time.monotonic(), deadline, "no room, though one has gone")
                time.sleep(0.05)
        for handle in there:
            handle.shutdown()


if __name__ == "__main__":
    if "--seed" in sys.argv:
        at = sys.argv.index("--seed")
        seed = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main(verbosity=2)
