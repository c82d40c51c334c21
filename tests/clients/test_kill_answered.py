#!/usr/bin/python3
# timeout: 900
"""kill -9 of the server under load loses no answered write, flushed or not.

    test_kill_answered.py [--rounds N] [--seed N]

Each round: random writes, trims and zeroes on several connections; the server is killed at a random
moment, sometimes again while it recovers; then the volume is compared with the log of what was answered,
byte by byte, and so are the volumes, snapshots and versions that were made and deleted beside it. Before each new start
`varve check --data` looks at what the dead server left. VARVE_KILLS is another number of rounds.
"""

import argparse
import os
import random
import sys
import time

import answered
import named
import served

SIZE = 32 * served.MIB


def kill_in_recovery(store, dice):
    """Starts the server and kills it some milliseconds later, whatever it does then."""
    store.serve(wait=False)
    time.sleep(dice.uniform(0, 0.12))
    store.kill()


def load_and_kill(store, volume, dice, least):
    """Runs a load for `least` seconds and a number of requests; returns what is wrong, or None."""
    load = answered.Load(lambda: store.connect("target"), volume, dice, dice.choice((1, 2, 3)))
    enough = dice.randrange(0, dice.choice((50, 1000, 4000)))
    begun = time.monotonic()
    killed = False

    def go_on():
        nonlocal killed
        taken = time.monotonic() - begun
        if not killed and taken > least and (load.count >= enough or taken > 5):
            store.kill()
            killed = True
        return not killed

    load.run(go_on)
    if not killed:
        return f"the server left all connections:\n{store.log_tail()}"
    return "; ".join(load.errors) or None


def run_round(number, store, volume, namer, dice):
    """Returns what is wrong (or None), and how often a server was killed."""
    naming = number % 3 == 0
    if naming:
        namer.begin()
    problem = load_and_kill(store, volume, dice, dice.uniform(0, 0.6) if naming else 0)
    if naming:
        namer.end()
    if problem:
        return problem, 1
    again = dice.choice((0, 0, 0, 1, 2))
    for _ in range(again):
        kill_in_recovery(store, dice)
    store.check()
    store.serve()
    handle = store.connect("target")
    found = answered.read_all(handle, SIZE)
    handle.shutdown()
    return volume.compare(found) or (namer.compare() if naming else None), 1 + again


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("VARVE_KILLS", "200")))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed} (the moments of the kills differ all the same)", flush=True)

    dice = random.Random(arguments.seed)
    # a small journal is full many times in a round, a large one never
    store = served.Store("--limit", "1G", "--journal", dice.choice(("1M", "4M", "64M")))
    store.create("target", SIZE)
    volume = answered.Volume(SIZE)
    namer = named.Namer(store, volume, dice)
    store.serve()
    kills = 0
    for number in range(1, arguments.rounds + 1):
        problem, killed = run_round(number, store, volume, namer, dice)
        kills += killed
        if problem:
            sys.exit(f"FAILED in round {number} of seed {arguments.seed}: {problem}")
    store.stop()
    store.check()
    print(f"{volume.numbers} requests, {namer.verbs} creates, snapshots, commits and deletes were answered")
    # those under load; the others met a server that was starting
    print(f"count: kills of the real server {arguments.rounds}")
    print(f"{kills - arguments.rounds} more kills while it recovered")


if __name__ == "__main__":
    main()
