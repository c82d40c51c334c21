"""The loads: what fio does to one export over one connection, and what is read from its answer."""

import dataclasses
import json
import subprocess


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    pattern: str  # fio's --rw
    block: str
    depth: int
    fsync: int = 0  # a flush after this many writes; 0: none

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
    Load("randwrite-4k-d1", "randwrite", "4k", 1),
    Load("randwrite-4k-d32", "randwrite", "4k", 32),
    Load("randwrite-4k-d1-fsync1", "randwrite", "4k", 1, fsync=1),
    Load("randwrite-4k-d32-fsync1", "randwrite", "4k", 32, fsync=1),
    Load("randwrite-4k-d32-fsync32", "randwrite", "4k", 32, fsync=32),
    Load("seqread-1m-d4", "read", "1m", 4),
    Load("seqwrite-1m-d4", "write", "1m", 4),
]


@dataclasses.dataclass(frozen=True)
class Figure:
    rate: float  # requests or MB (10^6 bytes) per second
    p99_us: float
    cpu_us: float  # the server's processor time per request


def _fio(server, *words):
    command = ["fio", "--ioengine=nbd", f"--uri={server.uri}", "--name=load", "--thread", "--randrepeat=0", "--output-format=json", *words]
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


def warm(server):
    """Reads the whole volume once, so that it is in memory wherever a server keeps what it read."""
    _fio(server, "--rw=read", "--bs=1m", "--iodepth=4")


def measure(server, load, seconds):
    if load.reads:
        warm(server)
    before = server.cpu_seconds()
    words = [f"--rw={load.pattern}", f"--bs={load.block}", f"--iodepth={load.depth}"]
    if load.fsync:
        words.append(f"--fsync={load.fsync}")
    job = _fio(server, *words, "--time_based", f"--runtime={seconds}")
    side = job["read" if load.reads else "write"]
    return Figure(
        rate=side["bw_bytes"] / 1e6 if load.in_bytes else side["iops"],
        p99_us=side["clat_ns"]["percentile"]["99.000000"] / 1e3,
        cpu_us=(server.cpu_seconds() - before) / max(side["total_ios"], 1) * 1e6,
    )
