#!/usr/bin/python3
"""Opens the disk of a guest whose power was cut and compares it with the records of what was answered.

    verify_cut.py --make DISK
    verify_cut.py --seed N DISK RECORDS
"""

import argparse
import pathlib

import cut_disk
import sequence


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("disk")
    parser.add_argument("records", nargs="?")
    arguments = parser.parse_args()
    if arguments.make:
        cut_disk.make(arguments.disk)
        return
    records = list(sequence.unpack_records(pathlib.Path(arguments.records).read_bytes()))
    expected = cut_disk.Expected(records)
    if not expected.ready:
        raise SystemExit("the power was cut before anything was written")
    with cut_disk.opened(arguments.disk) as store:
        prefix = expected.verify(store, arguments.seed)
    print(f"{len(records)} records; durable {expected.least}, found {prefix} operations; snapshots {list(expected.snapshots)}")


if __name__ == "__main__":
    main()
