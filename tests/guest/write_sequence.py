#!/usr/bin/python3
"""In the guest: the writers of sequence.py on a volume, until the power goes or --operations are done by each.

    write_sequence.py --seed N --uri NBD-URI --records FILE [--varve VARVE] [--operations N]

FILE is a block device, written past the page cache, or a file of the host. With --varve snapshots and volumes are made
meanwhile, and recorded when they were answered.
"""

import argparse
import itertools
import mmap
import os
import stat
import subprocess
import threading
import time

import nbd

import sequence


class Records:
    def __init__(self, path):
        device = stat.S_ISBLK(os.stat(path).st_mode)
        self.descriptor = os.open(path, os.O_WRONLY | (os.O_DIRECT if device else 0))
        self.buffer = mmap.mmap(-1, mmap.PAGESIZE)  # aligned
        self.lock = threading.Lock()
        self.count = 0

    def add(self, **entry):
        with self.lock:
            self.buffer[: sequence.RECORD] = sequence.pack_record(entry)
            piece = memoryview(self.buffer)[: sequence.RECORD]
            if os.pwrite(self.descriptor, piece, self.count * sequence.RECORD) != sequence.RECORD:
                raise OSError("a record was written in part")
            self.count += 1


class Writer(threading.Thread):
    def __init__(self, number, arguments, writers, records):
        super().__init__()
        self.number, self.arguments, self.writers, self.records = number, arguments, writers, records
        self.answered = 0
        self.failed = True

    def run(self):
        handle = nbd.NBD()
        handle.connect_uri(self.arguments.uri)
        todo = sequence.operations(self.arguments.seed, self.number)
        for kind, first, count in itertools.islice(todo, self.arguments.operations):
            self.perform(handle, kind, first, count)
        handle.shutdown()
        self.failed = False

    def perform(self, handle, kind, first, count):
        offset = (self.number * sequence.BLOCKS + first) * sequence.BLOCK
        if kind == "flush":
            least = [writer.answered for writer in self.writers]
            handle.flush()
            self.records.add(least=least)
        elif kind in ("write", "fua"):
            blocks = range(first, first + count)
            pieces = [sequence.content(self.number, block, self.answered + 1) for block in blocks]
            handle.pwrite(b"".join(pieces), offset, nbd.CMD_FLAG_FUA if kind == "fua" else 0)
        elif kind == "trim":
            handle.trim(count * sequence.BLOCK, offset)
        else:
            handle.zero(count * sequence.BLOCK, offset)
        self.answered += 1
        if kind == "fua":
            # what a writer did before is in the prefix
            self.records.add(least=[self.answered if writer is self else 0 for writer in self.writers])


def make_names(arguments, writers, records):
    """Snapshots and volumes, for as long as anybody writes; every snapshot but the newest goes again."""
    def varve(*words):
        subprocess.run([arguments.varve, *words], check=True, stdout=subprocess.DEVNULL)

    for number in itertools.count():
        time.sleep(0.5)
        if not any(writer.is_alive() for writer in writers):
            return
        least = [writer.answered for writer in writers]
        varve("snapshots", "create", f"target@s{number}")
        # of each writer one operation may be under way
        records.add(least=least, snapshot=f"s{number}", most=[writer.answered + 1 for writer in writers])
        varve("volumes", "create", f"side{number}", "--size", "1G")
        records.add(volume=f"side{number}")
        if number > 0:
            records.add(going=f"s{number - 1}")
            varve("snapshots", "delete", f"target@s{number - 1}", "--yes")
            records.add(gone=f"s{number - 1}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--records", required=True)
    parser.add_argument("--varve")
    parser.add_argument("--operations", type=int, default=sequence.LIMIT)
    arguments = parser.parse_args()
    records = Records(arguments.records)
    writers = []
    writers += [Writer(number, arguments, writers, records) for number in range(sequence.WRITERS)]
    records.add(ready=True)
    for writer in writers:
        writer.start()
    if arguments.varve:
        make_names(arguments, writers, records)
    for writer in writers:
        writer.join()
    return 1 if any(writer.failed for writer in writers) else 0


if __name__ == "__main__":
    raise SystemExit(main())
