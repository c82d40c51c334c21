"""What is measured: a load on a volume in a state, and whom varve is compared with there."""

import dataclasses

import loads

STATES = ["fresh", "full", "snapshot", "clone100", "aged", "compacted"]  # in this order
BASELINE = "nbdkit file"
FILE_SYSTEM_PEERS = ["varve", BASELINE, "qemu-nbd qcow2"]

SHORT = ["varve", BASELINE]
SOME = [*SHORT, "qemu-nbd raw", "qemu-nbd qcow2"]
MOST = [*SOME, "nbdkit memory", "qemu-nbd qcow2, io_uring", "nbd-server", "fio on the file",
        "varve on nbdkit 1.42", "nbdkit 1.42 file"]
NEWER = ["varve on nbdkit 1.42", "nbdkit 1.42 file"]


@dataclasses.dataclass(frozen=True)
class Scenario:
    state: str
    load: object  # loads.Load, or filesystem.Work
    peers: tuple  # those that a run without --matrix has

    @property
    def name(self):
        plain = self.state == "full" or self.load.name.startswith("fs-")
        return self.load.name if plain else f"{self.load.name}, {self.state}"


FULL_PEERS = {
    "randread-4k-d1": [*SHORT, "nbdkit file, 1 thread", "nbdkit null"],
    "randread-4k-d32": [*MOST, "nbdkit null", "qemu-nbd raw, io_uring", "nbdkit 1.42 memory"],
    "randread-4k-4x8": [*SHORT, *NEWER],
    "randread-64k-d8": SHORT,
    "seqread-1m-d4": SOME,
    "randread-4k-d32-cold": [*SHORT, "nbdkit file, 1 thread", "fio on the file", *NEWER],
    "randwrite-4k-d1": SHORT,
    "randwrite-4k-d32": [*MOST, "nbdkit null", "qemu-nbd raw, io_uring", "nbdkit 1.42 memory"],
    "randwrite-4k-4x8": [*SHORT, *NEWER],
    "randwrite-4k-d1-fsync1": [*SOME, "fio on the file"],
    "randwrite-4k-d32-fsync1": SHORT,
    "randwrite-4k-d32-fsync32": SOME,
    "mixed-4k-d32": SHORT,
    "randwrite-64k-d8": SHORT,
    "seqwrite-1m-d4": SOME,
    "trim-64k-d8": SHORT,
}

# of the other states: the loads that tell something about them
IN_STATES = {
    "fresh": {"randwrite-4k-d32": SOME, "seqwrite-1m-d4": SHORT},
    "snapshot": {"randwrite-4k-d32": ["varve", "qemu-nbd qcow2", "nbd-server, copy on write"]},
    "clone100": {"randread-4k-d32": ["varve", "qemu-nbd qcow2"], "randwrite-4k-d32": ["varve", "qemu-nbd qcow2"]},
    "aged": {"seqread-1m-d4": SHORT, "seqread-1m-d4-cold": SHORT, "randread-4k-d32": SHORT, "randwrite-4k-d32": SHORT},
    "compacted": {"seqread-1m-d4": ["varve"], "seqread-1m-d4-cold": ["varve"]},
}
FULL_PEERS["seqread-1m-d4-cold"] = SHORT


def of_loads(matrix):
    """All, in the order in which they run."""
    by_name = {load.name: load for load in loads.LOADS}
    found = []
    for state in STATES:
        wanted = FULL_PEERS if state == "full" else by_name if matrix else IN_STATES[state]
        for name, load in by_name.items():
            if name in wanted:
                peers = wanted[name] if not matrix else ()
                found.append(Scenario(state, load, tuple(peers)))
    return found


@dataclasses.dataclass(frozen=True)
class Bar:
    """A median of ratios that is wanted: `of` to `to`, each (peer, scenario)."""

    what: str
    wanted: float
    of: tuple
    to: tuple


def _bar(what, scenario, wanted, peer, other=None):
    return Bar(f"{what}: × {peer}", wanted, ("varve", scenario), (peer, other or scenario))


BARS = [
    _bar("4 KiB random write, depth 32", "randwrite-4k-d32", 2.5, BASELINE),
    _bar("4 KiB random write, depth 32", "randwrite-4k-d32", 2.5, "qemu-nbd qcow2"),
    _bar("4 KiB random write, depth 32", "randwrite-4k-d32", 0.8, "nbdkit memory"),
    _bar("the same, fsync every 32", "randwrite-4k-d32-fsync32", 1.5, BASELINE),
    _bar("4 KiB random write, fsync each, depth 1", "randwrite-4k-d1-fsync1", 1.2, BASELINE),
    _bar("4 KiB random write, fsync each, depth 1", "randwrite-4k-d1-fsync1", 0.75, "fio on the file"),
    _bar("4 KiB random read, hot, depth 32", "randread-4k-d32", 0.97, BASELINE),
    _bar("4 KiB random read, hot, depth 32", "randread-4k-d32", 2.0, "qemu-nbd qcow2"),
    _bar("4 KiB random read, hot, depth 1", "randread-4k-d1", 0.95, BASELINE),
    _bar("4 KiB random read, cold, depth 32", "randread-4k-d32-cold", 0.9, "nbdkit file, 1 thread"),
    _bar("1 MiB sequential read, hot", "seqread-1m-d4", 0.9, BASELINE),
    _bar("1 MiB sequential write", "seqwrite-1m-d4", 0.9, BASELINE),
    Bar("random write right after a snapshot: × without", 0.9,
        ("varve", "randwrite-4k-d32, snapshot"), ("varve", "randwrite-4k-d32")),
    _bar("random write right after a snapshot", "randwrite-4k-d32, snapshot", 20, "qemu-nbd qcow2"),
    Bar("random read on the 100th clone: × the first", 0.97,
        ("varve", "randread-4k-d32, clone100"), ("varve", "randread-4k-d32")),
    _bar("random read on the 100th clone", "randread-4k-d32, clone100", 6, "qemu-nbd qcow2"),
    Bar("sequential read, aged: × full", 0.5, ("varve", "seqread-1m-d4, aged"), ("varve", "seqread-1m-d4")),
    Bar("sequential read, compacted: × aged", 1.0,
        ("varve", "seqread-1m-d4, compacted"), ("varve", "seqread-1m-d4, aged")),
    Bar("sequential read, cold, compacted: × aged", 1.0,
        ("varve", "seqread-1m-d4-cold, compacted"), ("varve", "seqread-1m-d4-cold, aged")),
    _bar("untar of a source tree", "fs-untar", 0.9, BASELINE),
    _bar("git clone", "fs-git-clone", 0.9, BASELINE),
    _bar("SQLite commits", "fs-sqlite-commits", 1.1, BASELINE),
    _bar("PostgreSQL pgbench", "fs-pgbench", 1.1, BASELINE),
]
