"""The loads: what fio does to one export, and what is read from its answer."""

import dataclasses
import json
import subprocess


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    pattern: str  # fio's --rw
    block: str
    depth: int  # of each connection
    fsync: int = 0  # a flush after this many writes; 0: none
    connections: int = 1
    cold: bool = False  # nothing of the volume is in the page cache when it begins

    @property
    def reads(self):
        return "read" in self.pattern

    @property
    def in_bytes(self):
        """Large blocks are told in MB/s, small ones in requests per second."""
        return self.block == "1m"


LOADS = [
    Load("randread-4k-d1", "randread", "4k", 1),
    Load("randread-4k-d32", "randread", "4k", 32),
    Load("randread-4k-4x8", "randread", "4k", 8, connections=4),
    Load("randread-64k-d8", "randread", "64k", 8),
    Load("seqread-1m-d4", "read", "1m", 4),
    Load("randread-4k-d32-cold", "randread", "4k", 32, cold=True),
    Load("seqread-1m-d4-cold", "read", "1m", 4, cold=True),
    Load("randwrite-4k-d1", "randwrite", "4k", 1),
    Load("randwrite-4k-d32", "randwrite", "4k", 32),
    Load("randwrite-4k-4x8", "randwrite", "4k", 8, connections=4),
    Load("randwrite-4k-d1-fsync1", "randwrite", "4k", 1, fsync=1),
    Load("randwrite-4k-d32-fsync1", "randwrite", "4k", 32, fsync=1),
    Load("randwrite-4k-d32-fsync32", "randwrite", "4k", 32, fsync=32),
    Load("mixed-4k-d32", "randrw", "4k", 32),
    Load("randwrite-64k-d8", "randwrite", "64k", 8),
    Load("seqwrite-1m-d4", "write", "1m", 4),
    Load("trim-64k-d8", "randtrim", "64k", 8),
]
MIXED_READS = 70  # per cent


@dataclasses.dataclass(frozen=True)
class Figure:
    rate: float  # requests or MB (10^6 bytes) per second
    p99_us: float
    cpu_us: float  # the server's processor time per request


def _fio(server, *words):
    command = ["fio", *server.fio_words, "--name=load", "--thread", "--group_reporting", "--randrepeat=0"]
    command += ["--output-format=json", *words]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {answer.stderr.strip() or answer.stdout.strip()}")
    # fio puts notes of its engines before the JSON
    job = json.loads(answer.stdout[answer.stdout.index("{\n") :])["jobs"][0]
    if job["error"]:
        raise RuntimeError(f"{' '.join(command)}: error {job['error']}")
    return job


def fill(server):
    """Writes the whole volume once, so that reads find no holes, and flushes."""
    _fio(server, "--rw=write", "--bs=1m", "--iodepth=4", "--end_fsync=1")


def age(server):
    """Overwrites each block once, in any order: what lay in a row lies scattered."""
    _fio(server, "--rw=randwrite", "--bs=4k", "--iodepth=32", "--end_fsync=1")


def warm(server):
    """Reads the whole volume once, so that it is in memory wherever a server keeps what it read."""
    _fio(server, "--rw=read", "--bs=1m", "--iodepth=4")


def words_of(load, seconds):
    words = [f"--rw={load.pattern}", f"--bs={load.block}", f"--iodepth={load.depth}", f"--numjobs={load.connections}"]
    if load.fsync:
        words.append(f"--fsync={load.fsync}")
    if load.pattern == "randrw":
        words.append(f"--rwmixread={MIXED_READS}")
    return [*words, "--time_based", f"--runtime={int(seconds * 1000)}ms"]


def measure(server, load, seconds):
    if load.pattern != "randtrim" and load.reads and not load.cold:
        warm(server)
    return run(server, load, seconds)


def run(server, load, seconds):
    """Without warming anything."""
    before = server.cpu_seconds()
    job = _fio(server, *words_of(load, seconds))
    sides = [job[side] for side in ("read", "write", "trim") if job[side]["total_ios"]]
    requests = sum(side["total_ios"] for side in sides)
    if not requests:
        raise RuntimeError(f"{load.name}: fio did nothing in {seconds} s")
    return Figure(
        rate=sum(side["bw_bytes"] / 1e6 if load.in_bytes else side["iops"] for side in sides),
        p99_us=max(side["clat_ns"].get("percentile", {}).get("99.000000", 0) for side in sides) / 1e3,
        cpu_us=(server.cpu_seconds() - before) / requests * 1e6,
    )
