"""Clients that speak NBD by hand, well or badly, and are gone at a random byte of it.

A worker is a process with several threads, and has a volume of its own: what it wrote there, each block at most
once, and how far the server got with it, is what it returns.
"""

import itertools
import multiprocessing
import random
import socket
import struct
import threading
import time

BLOCK = 4096
BATCH = 64  # requests in flight at most, and blocks that belong to one client
PATIENCE = 30  # seconds for an answer that must come

CLIENT_FLAGS = struct.pack(">I", 3)
OPTION = struct.Struct(">8sII")
REQUEST = struct.Struct(">IHHQQI")
REPLY = struct.Struct(">IIQ")
GREETING, HAVE_OPTION = b"NBDMAGICIHAVEOPT", b"IHAVEOPT"
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
READ, WRITE, FLUSH, TRIM = 0, 1, 3, 4
GO, INFO, EXPORT_NAME, ABORT, LIST, STARTTLS, STRUCTURED, META = 7, 6, 1, 2, 3, 5, 8, 10

# What became of a write: its content must be there, may be there, must not be there.
ANSWERED, SENT, CUT = range(3)


def option(number, data=b"", magic=HAVE_OPTION, length=None):
    return OPTION.pack(magic, number, len(data) if length is None else length) + data


def go(name, length=None):
    return struct.pack(">I", len(name) if length is None else length) + name + struct.pack(">H", 0)


def request(kind, offset, length, handle, flags=0, magic=REQUEST_MAGIC):
    return REQUEST.pack(magic, flags, kind, handle, offset, length)


def content(worker, number, index):
    return struct.pack(">HIH", worker + 1, number, index) * (BLOCK // 8)


class Closed(Exception):
    """The server has hung up."""


def connect(address):
    """A socket on `address`: a path, or a pair for TCP."""
    deadline = time.monotonic() + PATIENCE
    while True:
        client = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        client.settimeout(PATIENCE)
        try:
            client.connect(address)
            return client
        except BlockingIOError:
            # so many wait to be accepted that no more may
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def hear_out(client):
    """Reads what comes at once, up to the end; the server may hang up."""
    client.settimeout(0.01)
    try:
        while client.recv(1 << 16):
            pass
        raise Closed
    except TimeoutError:
        pass


def receive(client, length):
    data = b""
    while len(data) < length:
        more = client.recv(length - len(data))
        if not more:
            raise Closed
        data += more
    return data


def attach(client, name):
    """Negotiates well, up to transmission."""
    assert receive(client, 18)[:16] == GREETING
    client.sendall(CLIENT_FLAGS + option(GO, go(name)))
    while True:
        magic, _, kind, length = struct.unpack(">QIII", receive(client, 20))
        assert magic == 0x3E889045565A9
        receive(client, length)
        if kind == 1:
            return
        assert kind == 3, hex(kind)


def haggling(dice, name):
    """Options, some of them malformed."""
    junk = dice.randbytes(dice.randrange(1, 300))
    names = [
        name, b"", b"no-such", b"x" * 4096, b"x" * 4097, b"nul\0inside", b"\xff\xc3\x28\xf0\x9f", b"../../etc/passwd",
        b"'; drop table volumes; --", junk,
    ]
    queries = struct.pack(">I", len(name)) + name + struct.pack(">I", dice.choice([0, 1, 0xFFFFFFFF])) + junk
    choices = [
        lambda: option(GO, go(dice.choice(names))),
        lambda: option(INFO, go(dice.choice(names))),
        lambda: option(GO, go(name, length=dice.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF]))),
        lambda: option(GO, go(dice.choice(names)), length=dice.choice([0, 3, 5, 0xFFFF, 0xFFFFFFFF])),
        lambda: option(EXPORT_NAME, dice.choice(names)),
        lambda: option(LIST),
        lambda: option(LIST, junk),
        lambda: option(STARTTLS),
        lambda: option(STRUCTURED, dice.choice([b"", junk])),
        lambda: option(META, queries),
        lambda: option(META, junk),
        lambda: option(dice.choice([0, 4, 99, 0xFFFFFFFF]), junk),
        lambda: option(GO, go(name), magic=dice.randbytes(8)),
        lambda: option(ABORT),
        lambda: junk,
    ]
    return b"".join(dice.choice(choices)() for _ in range(dice.randrange(1, 5)))


def malformed(dice, size):
    """A request that must be refused, or end the connection; with its data where it announces some."""
    handle = 1 << 40
    block = b"!" * BLOCK
    return dice.choice([
        lambda: request(READ, 0, 512, handle, magic=dice.getrandbits(32)),
        lambda: request(dice.choice([2, 5, 7, 8, 99, 0xFFFF]), 0, 512, handle),
        lambda: request(READ, 0, 0xFFFFFFFF, handle),
        lambda: request(WRITE, 0, 0xFFFFFFFF, handle) + block,
        lambda: request(TRIM, 0, 0xFFFFFFFF, handle),
        lambda: request(READ, 0, 0, handle),
        lambda: request(READ, size - 512, 1024, handle),
        lambda: request(READ, 0xFFFFFFFFFFFFFFFF, BLOCK, handle),
        lambda: request(WRITE, size, BLOCK, handle) + block,
        lambda: request(WRITE, 0xFFFFFFFFFFFFF000, BLOCK, handle) + block,
        lambda: request(WRITE, 0, BLOCK, handle, flags=0x8000) + block,
        lambda: request(READ, 0, BLOCK, handle, flags=0xFFFF),
        lambda: dice.randbytes(28),
    ])()


class Worker:
    """Runs its share of the clients; `address` is a path, or a pair for TCP."""

    def __init__(self, number, seed, address, name, size, clients):
        self.number, self.seed, self.address = number, seed, address
        self.name, self.size, self.clients = name.encode(), size, clients
        self.writes, self.problems = [], []
        self.gone = self.refused = 0
        self.lock = threading.Lock()

    @staticmethod
    def vanish(dice, client):
        how = dice.randrange(4)
        try:
            if how == 0:
                # over TCP a reset; on a Unix socket what was not read makes one
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == 1:
                client.shutdown(socket.SHUT_WR)
            elif how == 2:
                client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was faster
        client.close()

    def haggle(self, dice, client):
        if dice.random() < 0.3:
            receive(client, dice.randrange(19))
        stream = CLIENT_FLAGS if dice.random() < 0.9 else dice.randbytes(4)
        if dice.random() < 0.8:
            stream += haggling(dice, self.name)
        client.sendall(stream[:dice.randrange(len(stream) + 1)])
        if dice.random() < 0.3:
            hear_out(client)

    def stream(self, dice, number):
        """(bytes of up to 64 requests, where each good one ends, {handle: length of what is read})"""
        stream, ends, reads = b"", [], {}
        writing = dice.random() < 0.5
        count = dice.randrange(BATCH + 1)
        bad = dice.randrange(count) if count and dice.random() < 0.3 else None
        for index in range(count):
            if index == bad:
                stream += malformed(dice, self.size)
                break
            if writing:
                block = (number * BATCH + index) * BLOCK
                flags = dice.random() < 0.05
                stream += request(WRITE, block, BLOCK, index, flags) + content(self.number, number, index)
            elif dice.random() < 0.05:
                stream += request(FLUSH, 0, 0, index)
                reads[index] = 0
            else:
                reads[index] = dice.randrange(1, 1 << dice.randrange(1, 18))
                stream += request(READ, dice.randrange(self.size - reads[index]), reads[index], index)
            ends.append(len(stream))
        return stream, ends, reads

    def transmit(self, dice, client, number):
        attach(client, self.name)
        stream, ends, reads = self.stream(dice, number)
        cut = len(stream) if dice.random() < 0.4 else dice.randrange(len(stream) + 1)
        whole = sum(end <= cut for end in ends)
        answered = set()
        try:
            client.sendall(stream[:cut])
            for _ in range(dice.randrange(whole + 1)):
                magic, error, handle = REPLY.unpack(receive(client, REPLY.size))
                if magic != REPLY_MAGIC:
                    raise AssertionError(f"a reply begins with {magic:#x}")
                if handle >= BATCH:
                    continue  # to the malformed one
                if error:
                    raise AssertionError(f"error {error} to a good request")
                receive(client, reads.get(handle, 0))
                answered.add(handle)
            if dice.random() < 0.2:
                hear_out(client)
        finally:
            if not reads:
                states = [ANSWERED if index in answered else SENT for index in range(whole)]
                states += [CUT] * (len(ends) - whole)
                with self.lock:
                    self.writes += [(number, index, state) for index, state in enumerate(states)]

    def one(self, number):
        dice = random.Random(f"{self.seed}/{self.number}/{number}")
        client = connect(self.address)
        try:
            if dice.random() < 0.4:
                self.haggle(dice, client)
            else:
                self.transmit(dice, client, number)
        except (Closed, ConnectionError):
            with self.lock:
                self.refused += 1  # hung up on, as malformed ones may be
        finally:
            self.vanish(dice, client)
        with self.lock:
            self.gone += 1

    def run(self, threads=4):
        numbers = itertools.count()

        def loop():
            while not self.problems:
                number = next(numbers)
                if number >= self.clients:
                    break
                try:
                    self.one(number)
                except Exception as problem:  # whatever it is, the test must hear of it
                    self.problems.append(f"worker {self.number}, client {number}: {problem!r}")

        running = [threading.Thread(target=loop) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return self.writes, self.problems, self.gone, self.refused


def _run(worker, pipe):
    pipe.send(worker.run())
    pipe.close()


def run_all(workers):
    """Runs each worker in a process of its own; what each returned, in their order."""
    running = []
    fork = multiprocessing.get_context("fork")
    for worker in workers:
        mine, its = fork.Pipe(duplex=False)
        process = fork.Process(target=_run, args=(worker, its), daemon=True)
        process.start()
        its.close()
        running.append((process, mine))
    answers = [pipe.recv() for _, pipe in running]
    for process, _ in running:
        process.join()
    return answers
