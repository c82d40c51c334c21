"""How long writes wait while snapshots are taken: the time of each, from fio's log, beside when each snapshot was under way."""

import bisect
import random
import subprocess
import time

import loads

LEAD_SECONDS = 1.5  # for fio to begin


class LoggedWrites:
    """fio, writing until it is stopped; then (begin, end) of each write, in seconds since 1970, in the order of ends."""

    def __init__(self, server, load, folder):
        self.folder = folder
        folder.mkdir()
        self.fio = subprocess.Popen(
            ["fio", *server.fio_words, "--name=load", "--thread", "--randrepeat=0", *loads.words_of(load, 3600),
             f"--write_lat_log={folder}/log", "--log_unix_epoch=1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder,
        )

    def stop(self):
        self.fio.terminate()
        problem = self.fio.communicate()[1]
        writes = []
        for log in self.folder.glob("log_lat.*.log"):
            for line in log.read_text().splitlines():
                end, nanoseconds = (int(word) for word in line.split(",")[:2])
                writes.append((end / 1e3 - nanoseconds / 1e9, end / 1e3))
        if not writes:
            raise RuntimeError(f"fio logged no write: {problem}")
        return sorted(writes, key=lambda write: write[1])


def slowest(writes, ends, longest, span):
    """Seconds of the slowest write that was under way at any time of the span; 0 without one."""
    first = bisect.bisect_left(ends, span[0])
    last = bisect.bisect_right(ends, span[1] + longest)
    return max((end - begin for begin, end in writes[first:last] if begin <= span[1]), default=0)


def silence(ends, span):
    """Seconds of the longest time without an answer that the span meets. fio's log is exact to a millisecond."""
    first = max(0, bisect.bisect_left(ends, span[0]) - 1)
    last = bisect.bisect_right(ends, span[1]) + 1
    return max((b - a for a, b in zip(ends[first:last], ends[first + 1 : last])), default=0)


def under_load(store, name, load, count, folder):
    """Rows of (what, seconds of each): for each of `count` snapshots, and for as long a time between two of them, the slowest
    write and the longest time without an answer; and what the snapshots took."""
    chance = random.Random(4)
    spans = []
    fio = LoggedWrites(store.export(name), load, folder)
    try:
        time.sleep(LEAD_SECONDS)
        for i in range(count):
            # what came before has ended
            time.sleep(chance.uniform(0.15, 0.35))
            begin = time.time()
            store.snapshot(f"{name}@under-load-{i}")
            spans.append((begin, time.time()))
        time.sleep(0.3)
    finally:
        writes = fio.stop()
    ends = [end for _, end in writes]
    longest = max(end - begin for begin, end in writes)
    between = [((a[1] + b[0]) / 2, (a[1] + b[0]) / 2 + a[1] - a[0]) for a, b in zip(spans, spans[1:])]
    rows = [("the snapshot itself", [end - begin for begin, end in spans])]
    for what, group in (("while one is taken", spans), ("as long between two", between)):
        rows.append((f"no answer, {what}", [silence(ends, span) for span in group]))
        rows.append((f"slowest write, {what}", [slowest(writes, ends, longest, span) for span in group]))
    return rows


def percentiles(seconds):
    seconds = sorted(seconds)
    at = [seconds[(len(seconds) * percent + 99) // 100 - 1] for percent in (50, 99)]
    return f"median {at[0] * 1e3:.1f} ms, 99 % {at[1] * 1e3:.1f} ms, longest {seconds[-1] * 1e3:.1f} ms"
