"""What a full run has to have done, by the classes of faults; see tests/sim/counts.h.

Each test program prints lines `count: NAME NUMBER`; they are added up over all programs and logs.
"""
import re

# wanted in one full run, over all builds
WANTED = {
    "power-cut states": 50_000,
    "cuts inside recovery": 5_000,
    "deaths of the simulated process": 5_000,
    "I/O errors": 20_000,
    "failed allocations": 5_000,
    "damaged data blocks": 100_000,
    "mutated metadata bytes": 100_000,
    "model operations": 1_000_000,
    "full stores": 500,
    "catalog and store cuts": 5_000,
    "vanished clients": 10_000,
    "kills of the real server": 200,
    "power cuts of a guest": 20,
    "replayed points of a write log": 100,
    "failing disks below the real server": 5,
}


def count_log(text, counts):
    """Adds what a log says to `counts`; a number that no class is known for is kept too."""
    for name, number in re.findall(r"^count: (.+) (\d+)$", text, re.MULTILINE):
        counts[name] = counts.get(name, 0) + int(number)


def table(counts):
    """(lines, names of the classes that were not reached)"""
    names = [*WANTED, *sorted(set(counts) - set(WANTED))]
    width = max(map(len, names))
    lines = [f"{'FAULTS.md count':{width}}  {'wanted':>10}  {'done':>10}"]
    short = []
    for name in names:
        wanted, done = WANTED.get(name, 0), counts.get(name, 0)
        if done < wanted:
            short.append(name)
        lines.append(f"{name:{width}}  {wanted or '':>10}  {done:>10}"
                     + ("  NOT REACHED" if done < wanted else ""))
    return lines, short
