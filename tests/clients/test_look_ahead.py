#!/usr/bin/python3
# timeout: 300
"""Clients that have many requests under way on one connection: each gets its own bytes, cold or not.

    test_look_ahead.py [--seed N] [UNITTEST OPTION...]
"""

import os
import random
import re
import select
import socket
import subprocess
import sys
import threading
import unittest

import nbd

import page_cache
import served
import vanishing
from vanishing import FLUSH, READ, REPLY, REPLY_MAGIC, TRIM, WRITE, request

SIZE = 64 * served.MIB
BLOCK = 4096
FAR = served.MIB  # blocks that no read-ahead of the kernel brings together
PATIENCE = 60

seed = random.SystemRandom().getrandbits(32)


def serializes():
    """Whether nbdkit works on one request of a connection at a time: before 1.34 it does."""
    nbdkit = os.environ.get("VARVE_NBDKIT", "nbdkit")
    text = subprocess.run([nbdkit, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"(\d+)\.(\d+)", text).groups()
    return (int(major), int(minor)) < (1, 34)


class Stream:
    """One connection, by hand; answers may come in any order."""

    def __init__(self, address, name):
        self.socket = vanishing.connect(address)
        vanishing.attach(self.socket, name.encode())

    def answers(self, reads, others=()):
        """Receives the answers; `reads` has the length for each handle. Returns the content for each."""
        content, left = {}, {*reads, *others}
        while left:
            magic, error, handle = REPLY.unpack(vanishing.receive(self.socket, REPLY.size))
            assert magic == REPLY_MAGIC and handle in left, (hex(magic), handle)
            assert error == 0, (handle, error)
            left.remove(handle)
            content[handle] = vanishing.receive(self.socket, reads[handle]) if handle in reads else b""
        return content


class LookAhead(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.tcp = probe.getsockname()
        cls.store = served.Store("--limit", "1G")
        cls.store.create("target", SIZE)
        cls.store.create("scratch", SIZE)
        cls.store.serve("--listen", f"{cls.tcp[0]}:{cls.tcp[1]}")
        cls.cache = page_cache.PageCache(cls.store.path / "extents")
        cls.content = random.Random(seed).randbytes(SIZE)
        handle = cls.store.connect("target")
        # in small pieces: open extents, then the disk
        for offset in range(0, SIZE, served.MIB // 4):
            handle.pwrite(cls.content[offset:offset + served.MIB // 4], offset)
        handle.flush()
        handle.shutdown()

    @classmethod
    def tearDownClass(cls):
        cls.store.stop()
        cls.store.check()
        cls.store.remove()

    def setUp(self):
        self.dice = random.Random(f"{seed} {self.id()}")

    def forget(self):
        self.cache.forget()

    def reads(self, count, longest=5 * BLOCK):
        """Handles with (offset, length), of any alignment."""
        found = {}
        for handle in range(1, count + 1):
            length = self.dice.choice([1, 512, BLOCK, BLOCK, BLOCK, self.dice.randrange(1, longest)])
            offset = self.dice.randrange(SIZE - length)
            if self.dice.random() < 0.7:
                offset -= offset % BLOCK
            found[handle] = (offset, length)
        return found

    def compare(self, reads, content):
        for handle, (offset, length) in reads.items():
            self.assertEqual(content[handle], self.content[offset:offset + length], f"seed {seed}: {length} at {offset}")

    def test_libnbd(self):
        handle = self.store.connect("target")
        for longest in (5 * BLOCK, 300 * 1024):
            self.forget()
            reads = self.reads(1500, longest)
            buffers, waiting = {}, set()
            for number, (offset, length) in reads.items():
                buffers[number] = nbd.Buffer(length)
                waiting.add(handle.aio_pread(buffers[number], offset))
                while len(waiting) >= 64:
                    handle.poll(-1)
                    waiting = {cookie for cookie in waiting if not handle.aio_command_completed(cookie)}
            while waiting:
                handle.poll(-1)
                waiting = {cookie for cookie in waiting if not handle.aio_command_completed(cookie)}
            self.compare(reads, {number: bytes(buffer.to_bytearray()) for number, buffer in buffers.items()})
        handle.shutdown()

    def test_split_headers(self):
        for address in (str(self.store.socket), self.tcp):
            stream = Stream(address, "target")
            if address == self.tcp:
                stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, 2 * 28, 3):
                self.forget()
                reads = self.reads(40)
                bytes_ = b"".join(request(READ, *place, handle) for handle, place in reads.items())
                cut = 10 * 28 + at
                stream.socket.sendall(bytes_[:cut])
                first = {handle: length for handle, (_, length) in reads.items() if handle <= cut // 28}
                content = stream.answers(first)
                stream.socket.sendall(bytes_[cut:])
                content |= stream.answers({handle: reads[handle][1] for handle in reads if handle not in first})
                self.compare(reads, content)
            stream.socket.close()

    def test_writes_between(self):
        """Data of writes that looks like requests, in the middle of reads."""
        stream = Stream(str(self.store.socket), "scratch")
        model = bytearray(SIZE)
        for number in range(30):
            self.forget()
            bytes_, reads, others, touched = b"", {}, set(), set()
            for handle in range(1, 65):
                slot = self.dice.randrange(SIZE // (64 * 1024))
                offset, length = slot * 64 * 1024 + self.dice.randrange(9) * 512, self.dice.choice([512, BLOCK, 30000])
                kind = self.dice.choice([READ, READ, READ, WRITE, WRITE, FLUSH, TRIM])
                if kind == FLUSH:
                    bytes_ += request(FLUSH, 0, 0, handle)
                    others.add(handle)
                elif kind == READ or slot in touched:
                    # of a slot that is written at the same time, any order would be right
                    if slot not in touched:
                        reads[handle] = (offset, length, bytes(model[offset:offset + length]))
                        bytes_ += request(READ, offset, length, handle)
                        touched.add(slot)
                elif kind == WRITE:
                    lie = request(self.dice.choice([READ, WRITE, 2, 99]), self.dice.getrandbits(64), BLOCK, handle)
                    data = (lie * (length // len(lie) + 1))[:length]
                    model[offset:offset + length] = data
                    bytes_ += request(WRITE, offset, length, handle) + data
                    others.add(handle)
                    touched.add(slot)
                else:
                    model[offset:offset + length] = bytes(length)
                    bytes_ += request(TRIM, offset, length, handle)
                    others.add(handle)
                    touched.add(slot)
            sender = threading.Thread(target=stream.socket.sendall, args=(bytes_,))
            sender.start()
            content = stream.answers({handle: length for handle, (_, length, _) in reads.items()}, others)
            sender.join()
            for handle, (offset, length, wanted) in reads.items():
                self.assertEqual(content[handle], wanted, f"seed {seed}, round {number}: {length} at {offset}")
        self.forget()
        stream.socket.sendall(b"".join(request(READ, at, 65536, at) for at in range(0, SIZE, 65536)))
        content = stream.answers({at: 65536 for at in range(0, SIZE, 65536)})
        stream.socket.close()
        self.assertTrue(b"".join(content[at] for at in range(0, SIZE, 65536)) == model, f"seed {seed}")

    def test_several_connections(self):
        """Of one process, at the same moment: whose socket is whose must not matter."""
        self.forget()
        problems = []
        begin = threading.Barrier(8)

        def client(number):
            dice = random.Random(f"{seed} {number}")
            try:
                begin.wait()
                stream = Stream(self.tcp if number % 2 else str(self.store.socket), "target")
                for _ in range(20):
                    reads = {handle: dice.randrange(SIZE // BLOCK) * BLOCK for handle in range(1, 33)}
                    stream.socket.sendall(b"".join(request(READ, at, BLOCK, handle) for handle, at in reads.items()))
                    content = stream.answers({handle: BLOCK for handle in reads})
                    for handle, at in reads.items():
                        assert content[handle] == self.content[at:at + BLOCK], at
                stream.socket.close()
            except Exception as problem:  # pylint: disable=broad-except
                problems.append((number, repr(problem)))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [], f"seed {seed}")

    def test_vanishing(self):
        for number in range(150):
            if number % 10 == 0:
                self.forget()
            stream = Stream(self.dice.choice([str(self.store.socket), self.tcp]), "target")
            bytes_ = b"".join(request(READ, *place, handle) for handle, place in self.reads(48, 200 * 1024).items())
            stream.socket.sendall(bytes_[:self.dice.randrange(28, len(bytes_))])
            if self.dice.random() < 0.5:
                vanishing.receive(stream.socket, self.dice.randrange(1, 16))
            vanishing.Worker.vanish(self.dice, stream.socket)
        reads = self.reads(32)
        stream = Stream(str(self.store.socket), "target")
        stream.socket.sendall(b"".join(request(READ, *place, handle) for handle, place in reads.items()))
        self.compare(reads, stream.answers({handle: length for handle, (_, length) in reads.items()}))
        stream.socket.close()

    def test_past_the_end(self):
        """What cannot be read is refused, each by itself, and what is behind it is read."""
        self.forget()
        stream = Stream(str(self.store.socket), "target")
        bad = {1: (SIZE, BLOCK), 2: (SIZE - 1, BLOCK), 3: (2**64 - 1, BLOCK), 4: (2**63, 512)}
        good = {handle: (handle * FAR, BLOCK) for handle in range(10, 40)}
        stream.socket.sendall(b"".join(request(READ, *place, handle) for handle, place in ({9: (0, BLOCK)} | bad | good).items()))
        good[9] = (0, BLOCK)
        content, refused = {}, set()
        for _ in range(len(bad) + len(good)):
            magic, error, handle = REPLY.unpack(vanishing.receive(stream.socket, REPLY.size))
            self.assertEqual(magic, REPLY_MAGIC)
            if error:
                refused.add(handle)
            else:
                content[handle] = vanishing.receive(stream.socket, BLOCK)
        stream.socket.close()
        self.assertEqual(refused, set(bad))
        self.compare(good, content)

    def places(self, offsets):
        return self.cache.places([self.content[offset:offset + BLOCK] for offset in offsets])

    def begun(self, offsets, places):
        """How many of these blocks one connection brings into memory that can send no answer.

        The first answer cannot be sent, so nbdkit reads no second request: what is in memory then was looked ahead.
        None if this file system does not drop pages.
        """
        stream = Stream(str(self.store.socket), "target")
        self.addCleanup(stream.socket.close)
        self.forget()
        if self.cache.resident(places) > 0:
            return None
        stream.socket.shutdown(socket.SHUT_RD)
        stream.socket.sendall(b"".join(request(READ, offset, BLOCK, offset) for offset in offsets))
        hung_up = select.poll()
        hung_up.register(stream.socket, select.POLLHUP)
        self.assertTrue(hung_up.poll(PATIENCE * 1000), "the server keeps a connection that takes no answer")
        return self.cache.await_resident(places)

    @unittest.skipUnless(serializes(), "this nbdkit works on several requests of a connection at once")
    def test_the_others_are_begun(self):
        """A disk that is done before the server looks again is not waited for, and nothing is begun then: so a few tries."""
        offsets = [number * FAR + FAR // 2 for number in range(40)]
        places = self.places(offsets)
        tries = []
        while len(places) not in tries:
            tries.append(self.begun(offsets, places))
            if tries[-1] is None:
                self.skipTest("this file system does not drop pages")
            self.assertLess(len(tries), 20, f"in memory after each try: {tries}")
        print(f"in memory after each try: {tries}")


if __name__ == "__main__":
    if "--seed" in sys.argv:
        at = sys.argv.index("--seed")
        seed = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    print(f"seed {seed}")
    unittest.main()
