#!/usr/bin/python3
# timeout: 300
"""libnbd clients that connect again after kill -9 of the server go on, and all that they wrote is there.

Four clients read, write, trim and flush all the time, each on a volume of its own, and know what has to be there.
The server is killed ten times. A client whose connection died makes another one, sends again what had no answer,
and goes on: it sees no error, and no read differs, then and at the end.

    test_libnbd_reconnects.py [SEED]
"""

import errno
import random
import sys
import threading
import time

import nbd

import served

CLIENTS = 4
KILLS = 10
SIZE = 8 * served.MIB
LONGEST = 128 << 10
PATIENCE = 60


class Client(threading.Thread):
    """Works until `end` is set. `problem` says what went wrong."""

    def __init__(self, store, number, seed, end):
        super().__init__(daemon=True)
        self.store, self.name, self.end = store, f"client-{number}", end
        self.dice = random.Random(seed * CLIENTS + number)
        self.content = bytearray(SIZE)
        self.requests, self.reconnected, self.problem = 0, 0, None
        store.create(self.name, SIZE)
        self.handle = store.connect(self.name)

    def run(self):
        try:
            while not self.end.is_set():
                self.one()
            for offset in range(0, SIZE, served.MIB):
                self.compare(offset, served.MIB)
            self.handle.shutdown()
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = f"{self.name}, request {self.requests}: {type(problem).__name__}: {problem}"

    def connect_again(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.handle = self.store.connect(self.name)
                break
            except nbd.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.reconnected += 1
        if self.handle.is_read_only():
            raise AssertionError("the volume can only be read after the reconnection")

    def until_answered(self, send):
        """Sends a request until it has an answer."""
        while True:
            try:
                return send(self.handle)
            except nbd.Error as error:
                # what the dead connection says; an answer of the server's would leave it alive
                if error.errnum != errno.ENOTCONN and not (self.handle.aio_is_dead() or self.handle.aio_is_closed()):
                    raise
            self.connect_again()

    def compare(self, offset, length):
        found = self.until_answered(lambda handle: handle.pread(length, offset))
        if found != self.content[offset:offset + length]:
            raise AssertionError(f"{length} bytes at {offset} are not what was written")

    def one(self):
        length = self.dice.randrange(1, LONGEST)
        offset = self.dice.randrange(SIZE - length)
        kind = self.dice.choice(("write", "write", "write", "read", "read", "trim", "flush"))
        self.requests += 1
        if kind == "read":
            self.compare(offset, length)
        elif kind == "write":
            data = self.dice.randbytes(length)
            self.until_answered(lambda handle: handle.pwrite(data, offset))
            self.content[offset:offset + length] = data
        elif kind == "trim":
            self.until_answered(lambda handle: handle.trim(length, offset))
            self.content[offset:offset + length] = bytes(length)
        else:
            self.until_answered(lambda handle: handle.flush())


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    dice = random.Random(seed)
    store = served.Store("--limit", "2G")
    store.serve()
    end = threading.Event()
    clients = [Client(store, number, seed, end) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        before = [client.requests for client in clients]
        deadline = time.monotonic() + PATIENCE
        # each gets a request or two through before the server dies again
        while any(client.is_alive() and client.requests < was + 2 for client, was in zip(clients, before)):
            if time.monotonic() > deadline:
                raise AssertionError("a client does not go on")
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.5))
        store.kill()
        time.sleep(dice.uniform(0, 0.2))
        store.serve()
    time.sleep(0.5)
    end.set()
    for client in clients:
        client.join(PATIENCE)
        assert not client.is_alive(), f"{client.name} does not end"
    store.stop()
    store.check()
    for client in clients:
        print(f"{client.name}: {client.requests} requests, connected again {client.reconnected} times")
    print(f"count: kills of the real server {KILLS}")
    problems = [client.problem for client in clients if client.problem]
    problems += [f"{c.name} saw fewer deaths" for c in clients if not c.problem and c.reconnected < KILLS]
    if problems:
        print("\n".join(problems))
        sys.exit(1)


main()
