#!/usr/bin/python3
# timeout: 900
"""kill -9 of the server under load loses no answered write, flushed or not.

    test_kill_answered.py [--rounds N] [--seed N]

Each round: random writes, trims and zeroes on several connections; the server is killed at a random
moment, sometimes again while it recovers; then the volume is compared with the log of what was answered,
byte by byte, and the volumes that were created beside it are compared with the answers of the command.
"""

import argparse
import random
import sys
import threading
import time

import answered
import served

SIZE = 32 * served.MIB
CHECK_EVERY = 10  # rounds


class Creator(threading.Thread):
    """Creates and deletes volumes until a command fails; knows what was answered."""

    def __init__(self, store, there):
        super().__init__()
        self.store, self.there = store, set(there)
        self.doubtful = None
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            name = f"side{number % 5}"
            create = name not in self.there
            try:
                if create:
                    self.store.create(name, "1G")
                else:
                    self.store.run("volumes", "delete", name, "--yes")
            except served.Refused:
                self.doubtful = name
                return
            self.there ^= {name}

    def compare(self, found):
        wrong = (set(found) ^ self.there) - {self.doubtful}
        return f"volumes {sorted(wrong)} are there or not against what was answered" if wrong else None


def kill_in_recovery(store, dice):
    """Starts the server and kills it some milliseconds later, whatever it does then."""
    store.serve(wait=False)
    time.sleep(dice.uniform(0, 0.12))
    store.kill()


def load_and_kill(store, volume, dice):
    """Returns what is wrong, or None."""
    load = answered.Load(lambda: store.connect("target"), volume, dice, dice.choice((1, 2, 3)))
    enough = dice.randrange(0, dice.choice((50, 1000, 4000)))
    deadline = time.monotonic() + 5
    killed = False

    def go_on():
        nonlocal killed
        if not killed and (load.count >= enough or time.monotonic() > deadline):
            store.kill()
            killed = True
        return not killed

    load.run(go_on)
    if not killed:
        return f"the server left all connections:\n{store.log_tail()}"
    return "; ".join(load.errors) or None


def run_round(number, store, volume, dice):
    creator = Creator(store, (n for n in store.names() if n != "target")) if number % 4 == 0 else None
    if creator:
        creator.start()
    problem = load_and_kill(store, volume, dice)
    if creator:
        # a command in flight may take the store itself once the server is gone: wait for its end
        creator.stopping.set()
        creator.join()
    if problem:
        return problem
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        kill_in_recovery(store, dice)
    if number % CHECK_EVERY == 0:
        store.check()
    store.serve()
    handle = store.connect("target")
    found = answered.read_all(handle, SIZE)
    handle.shutdown()
    return volume.compare(found) or (creator and creator.compare(n for n in store.names() if n != "target"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed} (the moments of the kills differ all the same)", flush=True)

    dice = random.Random(arguments.seed)
    # a small journal is full many times in a round, a large one never
    store = served.Store("--limit", "1G", "--journal", dice.choice(("1M", "4M", "64M")))
    store.create("target", SIZE)
    volume = answered.Volume(SIZE)
    store.serve()
    for number in range(1, arguments.rounds + 1):
        problem = run_round(number, store, volume, dice)
        if problem:
            sys.exit(f"FAILED in round {number} of seed {arguments.seed}: {problem}")
    store.stop()
    store.check()
    print(f"{arguments.rounds} kills, {volume.numbers} requests")


if __name__ == "__main__":
    main()
