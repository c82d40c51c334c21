#!/usr/bin/python3
"""Replays the log of a guest's writes to many of its flushes, and opens the store each time.

    replay_log.py --seed N --points N DISK LOG

DISK is the disk as it was when the log began; it is changed. A point is the moment of a flush, or one between two of
them: then of what was written since the last flush each write is there, or not, or torn. What the records on the disk say must
be there is compared, as after a power cut.
"""

import argparse
import pathlib
import random
import shutil
import subprocess

import cut_disk
import sequence
import write_log


def records_until(log, count):
    """The records that stand in the log among its first `count` entries, and are complete there."""
    start, size = cut_disk.RECORDS
    found = {}
    for entry in log.entries[:count]:
        if start <= entry.offset < start + size and entry.size == sequence.RECORD:
            found[entry.offset] = log.data(entry)
    return list(sequence.unpack_records(b"".join(found[offset] for offset in sorted(found))))


def draw_points(log, dice, first, count):
    """Numbers of entries to replay, in order: a third just past a flush, a third just before one, where most is not flushed, a
    third anywhere."""
    flushes = [number for number in range(first, len(log.entries)) if log.entries[number].flushes]
    fullest = [after for before, after in zip(flushes, flushes[1:]) if after - before > 2]
    chosen = set()
    for among in ([number + 1 for number in flushes], fullest, range(first, len(log.entries) + 1)):
        free = sorted(set(among) - chosen)
        chosen.update(dice.sample(free, min(len(free), count // 3)))
    return sorted(chosen)


def leave_out(log, disk, entries, dice):
    """What was not flushed may be there or not; what was written with FUA is. Returns how many are not whole."""
    share = dice.choice((0, 0.3, 0.7))
    broken = 0
    for entry in entries:
        if entry.flags & write_log.FUA or dice.random() < share:
            log.apply(entry, disk)
            continue
        broken += 1
        if dice.random() < 0.3:
            kept = dice.randbytes(entry.size // 512 + 1)
            log.apply(entry, disk, lambda sector: kept[sector] & 1)
    return broken


def replay(arguments, log, dice):
    first = next(
        (count for count in range(1, len(log.entries) + 1) if log.entries[count - 1].offset == cut_disk.RECORDS[0]), None
    )
    if first is None:
        raise SystemExit("the log holds no record")
    done = 0  # entries that are on DISK
    kinds = {"whole": 0, "broken": 0}
    for point in draw_points(log, dice, first, arguments.points):
        flushed = max((n + 1 for n in range(point) if log.entries[n].flushes), default=0)
        with open(arguments.disk, "r+b") as disk:
            for entry in log.entries[done:flushed]:
                log.apply(entry, disk)
        done = max(done, flushed)
        trial = pathlib.Path(f"{arguments.disk}.trial")
        subprocess.run(["cp", "--sparse=always", arguments.disk, trial], check=True)
        with open(trial, "r+b") as disk:
            broken = leave_out(log, disk, log.entries[done:point], dice)
        expected = cut_disk.Expected(records_until(log, point))
        where = f"entry {point} of {len(log.entries)}, {point - done} of them after a flush and {broken} not whole"
        try:
            with cut_disk.opened(trial) as store:
                prefix = expected.verify(store, arguments.seed)
        except Exception:
            if arguments.keep:
                shutil.copyfile(trial, f"{arguments.disk}.failed")
            print(f"FAILED at {where}, seed {arguments.seed}", flush=True)
            raise
        finally:
            trial.unlink()
        kinds["broken" if broken else "whole"] += 1
        print(f"{where}: durable {expected.least}, found {prefix}", flush=True)
    print(f"{kinds['whole']} points at a flush or with all writes, {kinds['broken']} with some of them lost or torn")
    print(f"count: replayed points of a write log {sum(kinds.values())}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--points", type=int, required=True)
    parser.add_argument("--keep", action="store_true", help="a disk that failed, as DISK.failed")
    parser.add_argument("disk")
    parser.add_argument("log")
    arguments = parser.parse_args()
    log = write_log.WriteLog(arguments.log)
    flushes = sum(entry.flushes for entry in log.entries)
    print(f"{len(log.entries)} entries, {flushes} flushes")
    replay(arguments, log, random.Random(arguments.seed))


if __name__ == "__main__":
    main()
