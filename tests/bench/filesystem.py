"""Loads on an ext4 file system on the export: nbdfuse shows it as a file, a loop device makes a disk of it."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import sqlite3
import subprocess
import time

import loads

SECONDS = 20  # for something to appear or to go
POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
SCALE = 2  # pgbench: 200,000 rows


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    run: object  # called with (folder on the volume, sources, seconds); returns things done a second
    in_bytes = False
    reads = False


class Missing(Exception):
    """Why these loads cannot run here."""


def _run(*words, **more):
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def _until(true, what):
    deadline = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(what)
        time.sleep(0.02)


def check():
    """Raises Missing."""
    for tool in ("nbdfuse", "fusermount3", "losetup", "mkfs.ext4", "git", "tar"):
        if shutil.which(tool) is None:
            raise Missing(f"there is no {tool}")
    if os.geteuid() != 0 or not (os.path.exists("/dev/fuse") and os.path.exists("/dev/loop-control")):
        raise Missing("loop devices need root, /dev/fuse and /dev/loop-control")


# --- sources ---


class Sources:
    """A source tree, as an archive and as a repository; made once, from the headers of this machine."""

    def __init__(self, folder, quick):
        self.tar, self.repository = folder / "tree.tar", folder / "repository"
        tree = "linux" if quick else "."
        _run("tar", "-C", "/usr/include", "-cf", self.tar, "--dereference", tree)
        with subprocess.Popen(["tar", "-tf", self.tar], stdout=subprocess.PIPE, text=True) as listing:
            self.files = sum(not name.endswith("/\n") for name in listing.stdout)
        self.repository.mkdir()
        _run("tar", "-C", self.repository, "-xf", self.tar)
        git = ["git", "-C", self.repository, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
        _run(*git, "init", "-q")
        _run(*git, "add", "-A")
        _run(*git, "commit", "-q", "-m", "tree")


# --- attaching ---


@contextlib.contextmanager
def mounted(server, place):
    """A new ext4 file system on the export, mounted; the folder."""
    fuse, folder = place / "fuse", place / "mounted"
    fuse.mkdir()
    folder.mkdir()
    log = open(place / "nbdfuse.log", "wb")
    with contextlib.ExitStack() as undo:
        undo.callback(log.close)
        process = subprocess.Popen(["nbdfuse", fuse / "disk", server.uri], stdout=log, stderr=log)
        undo.callback(_leave_fuse, process, fuse)
        _until((fuse / "disk").is_file, f"nbdfuse shows no file: {(place / 'nbdfuse.log').read_text()}")
        device = _run("losetup", "--find", "--show", fuse / "disk").strip()
        undo.callback(_leave_loop, device)
        _run("mkfs.ext4", "-q", "-E", "nodiscard", device)
        _run("mount", device, folder)
        undo.callback(_run, "umount", folder)
        yield folder


def _leave_fuse(process, fuse):
    _until(lambda: subprocess.run(["fusermount3", "-q", "-u", fuse]).returncode == 0 or process.poll() is not None,
           "the kernel does not let go of nbdfuse's file")
    process.wait(SECONDS)


def _leave_loop(device):
    _run("losetup", "--detach", device)
    backing = pathlib.Path("/sys/block", pathlib.Path(device).name, "loop/backing_file")
    _until(lambda: not backing.exists(), f"{device} stays")


def _sync(folder):
    _run("sync", "-f", folder)


# --- the loads ---


def _untar(folder, sources, seconds):
    start = time.monotonic()
    _run("tar", "-C", folder, "-xf", sources.tar)
    _sync(folder)
    return sources.files / (time.monotonic() - start)


def _git_clone(folder, sources, seconds):
    start = time.monotonic()
    _run("git", "clone", "-q", "--no-hardlinks", sources.repository, folder / "clone")
    _sync(folder)
    return sources.files / (time.monotonic() - start)


def _sqlite(folder, sources, seconds):
    database = sqlite3.connect(folder / "commits.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE log (number INTEGER PRIMARY KEY, text TEXT)")
    count, start = 0, time.monotonic()
    while (taken := time.monotonic() - start) < seconds:
        database.execute("INSERT INTO log (text) VALUES (?)", ("x" * 100,))
        count += 1
    database.close()
    return count / taken


def _pgbench(folder, sources, seconds):
    """Four clients, each transaction durable."""
    data, door = folder / "postgres", folder / "door"
    for place in (data, door):
        place.mkdir()
        shutil.chown(place, "postgres", "postgres")
    binaries = POSTGRES[0]
    if subprocess.run(["runuser", "-u", "postgres", "--", "test", "-w", data], cwd="/").returncode != 0:
        raise RuntimeError(f"PostgreSQL's user may not enter {folder}: choose a --dir that all may enter")

    def as_postgres(*words):
        return _run("runuser", "-u", "postgres", "--", *words, cwd="/")

    as_postgres(binaries / "initdb", "-D", data, "--no-sync", "-A", "trust")
    settings = f"-k {door} -c listen_addresses='' -c shared_buffers=64MB -c max_wal_size=2GB"
    as_postgres(binaries / "pg_ctl", "-D", data, "-l", data / "log", "-w", "-s", "-o", settings, "start")
    try:
        as_postgres("pgbench", "-h", door, "-i", "-q", "-s", SCALE, "postgres")
        said = as_postgres("pgbench", "-h", door, "-c", 4, "-T", max(1, int(seconds)), "-n", "postgres")
    finally:
        as_postgres(binaries / "pg_ctl", "-D", data, "-w", "-s", "-m", "fast", "stop")
    line = next(line for line in said.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


WORKS = [
    Work("fs-untar", _untar),
    Work("fs-git-clone", _git_clone),
    Work("fs-sqlite-commits", _sqlite),
    Work("fs-pgbench", _pgbench),
]


def available(works):
    """Those that can run here."""
    if POSTGRES and shutil.which("pgbench"):
        return works
    return [work for work in works if work.run is not _pgbench]


def measure(server, work, sources, place, seconds):
    place.mkdir()
    with mounted(server, place) as folder:
        before = server.cpu_seconds()
        rate = work.run(folder, sources, seconds)
        return loads.Figure(rate=rate, p99_us=0, cpu_us=(server.cpu_seconds() - before) / max(rate, 1) * 1e6)
