"""What is measured beside the loads: times of what is done with volumes, what they cost in memory and on disk."""

import os
import pathlib
import shutil
import statistics
import subprocess
import time

import nbd

import loads
import peers
import targets
from door import MIB, TIB, Store, map_tib

GIB = 1 << 30
REPEATS = 20
LAPS = 4  # times the volume's size that are written for the write amplification


def _timed(call, *arguments):
    start = time.monotonic()
    answer = call(*arguments)
    return time.monotonic() - start, answer


def _milliseconds(values):
    return f"{statistics.median(values) * 1e3:.2f} ms ({min(values) * 1e3:.2f}-{max(values) * 1e3:.2f})"


def _disk_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _count_exports(server):
    handle = nbd.NBD()
    handle.set_opt_mode(True)
    handle.connect_unix(str(server.socket))
    count = handle.opt_list(lambda name, description: 0)
    handle.opt_abort()
    return count


def opening_after_kill(folder, rounds, seconds):
    """Kills the server under random writes; the time until it serves again on the same store."""
    server = targets.start_varve(folder, GIB)
    times = []
    try:
        for _ in range(rounds):
            loads.measure(server, loads.Load("dirty", "randwrite", "4k", 32), seconds)
            server.kill()
            taken, server = _timed(targets.serve_varve, folder / "store", "bench")
            times.append(taken)
    finally:
        server.stop()
    return f"{statistics.median(times):.3f} s (highest {max(times):.3f} s of {rounds})"


def idle_memory(folder, peer, size):
    server = peer.prepare(folder, size, "full")
    try:
        return f"{server.resident_bytes() / MIB:.1f} MiB after {size / MIB:g} MiB were written"
    finally:
        server.stop()


def many_volumes(folder, count):
    """A store with `count` volumes: the time to open it, and to list it both ways."""
    store = Store(folder)
    try:
        for number in range(count):
            store.create(f"v{number:04}", 10 * GIB)
        store.stop()
        store.serve()
        listing, _ = _timed(targets.varve, store.path, "volumes", "list")
        over_nbd, found = _timed(_count_exports, store.server)
        if found != count:
            raise RuntimeError(f"{found} of {count} volumes are listed over NBD")
        return (
            f"open {store.opening * 1e3:.0f} ms, `volumes list` {listing * 1e3:.0f} ms, "
            f"listing over NBD {over_nbd * 1e3:.1f} ms"
        )
    finally:
        store.stop()


def large_volume(folder):
    store = folder / "store"
    targets.varve(store, "init", store)
    # the first volume makes the file grow by a step, whatever its size
    targets.varve(store, "volumes", "create", "small", "--size", "1M")
    before = _disk_bytes(store)
    taken, _ = _timed(targets.varve, store, "volumes", "create", "large", "--size", str(TIB))
    return f"{taken * 1e3:.0f} ms, {_disk_bytes(store) - before:,} bytes of disk"


def _device_bytes(folder):
    """What was written to the device below since it is there, by whomever."""
    device = folder.stat().st_dev
    fields = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    return int(fields[6]) * 512


def _server_bytes(server):
    """What the server itself wrote, or made dirty in the page cache."""
    for line in pathlib.Path(f"/proc/{server.pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise RuntimeError(f"no write_bytes for process {server.pid}")


def write_amplification(folder, peer, size, seconds):
    """Random writes with a flush at the end, of several times the volume's size: each place that a copy-on-write store had at first
    was written, freed and taken again, as often as it will be in the long run."""
    server = peer.prepare(folder, size, "full")
    load = loads.Load("amplify", "randwrite", "4k", 32)
    try:
        loads.run(server, load, min(seconds, 1))
        peers.settle(server)
        before, own, start = _device_bytes(folder), _server_bytes(server), time.monotonic()
        written = 0.0
        while written < LAPS * size:
            written += loads.run(server, load, seconds).rate * seconds * 4096
        client = nbd.NBD()
        client.connect_uri(server.uri)
        client.flush()
        client.shutdown()
        peers.settle(server)
        amplified = (_device_bytes(folder) - before) / written
        own = (_server_bytes(server) - own) / written
        return (
            f"{own:.2f} bytes written by the server per byte, {amplified:.2f} on the device by all there is, "
            f"{written / MIB:,.0f} MiB in {time.monotonic() - start:.0f} s"
        )
    except FileNotFoundError:
        return "not known: the volumes lie on no block device of their own"
    finally:
        server.stop()


def mapped_memory(folder, hot, seconds):
    """A volume of 1 TiB that is mapped from end to end. In the hot part each leaf of the map is its own."""
    store = Store(folder)
    try:
        map_tib(store, "full")
        before = store.server.resident_bytes()
        client = store.connect("full")
        for offset in range(0, hot, MIB):
            client.pwrite(b"\1" * 4096, offset)
        client.flush()
        client.shutdown()
        server = store.export("full")
        limited = [*server.fio_words, f"--size={hot}"]
        reader = type("Hot", (), {"fio_words": limited, "cpu_seconds": server.cpu_seconds})()
        figure = loads.run(reader, loads.Load("hot", "randread", "4k", 32), seconds)
        return (
            f"{server.resident_bytes() / MIB:.0f} MiB resident ({before / MIB:.0f} before), "
            f"hot set {hot / GIB:g} GiB: {figure.rate:,.0f} reads/s"
        )
    finally:
        store.stop()


def times_varve(folder, size):
    """(what, text) of all that is done with a full volume."""
    store = Store(folder)
    rows = []
    try:
        store.create("v", size)
        loads.fill(store.export("v"))
        rows.append(["snapshot", _milliseconds([store.snapshot(f"v@s{i}") for i in range(REPEATS)])])
        rows.append(["clone", _milliseconds([store.clone(f"c{i}", f"v@s{i}") for i in range(REPEATS)])])
        store.ask("POST", "/v1/datasets", name="ds")
        parent = store.version("ds", **{"from": "v@s0"})
        rows.append(["first commit", f"{store.commit(parent) * 1e3:.1f} ms ({size / MIB:g} MiB)"])
        commits = []
        for number in range(REPEATS):
            parent = store.version("ds", **{"from": parent})
            client = store.connect(parent)
            client.pwrite(bytes([number + 1]) * 4096, number * MIB % size)
            client.shutdown()
            commits.append(store.commit(parent))
        rows.append(["commit of one changed block", _milliseconds(commits)])
        rows.append(["delete a clone", _milliseconds([store.ask("DELETE", f"/v1/volumes/c{i}")[0] for i in range(REPEATS)])])
        openings = []
        for _ in range(5):
            store.stop()
            store.serve()
            openings.append(store.opening)
        rows.append(["open", _milliseconds(openings)])
        rows.append(["check", f"{_timed(targets.varve, store.path, 'check')[0] * 1e3:.0f} ms"])
        rows.append(["check --data", f"{_timed(targets.varve, store.path, 'check', '--data')[0] * 1e3:.0f} ms"])
    finally:
        store.stop()
    return rows


def times_qcow2(folder, size):
    """The same with qemu-img, of which each call is a process; offline."""
    server = targets.start_qemu_qcow2(folder, size)
    loads.fill(server)
    server.stop()
    image = folder / "volume.qcow2"

    def call(*words):
        start = time.monotonic()
        subprocess.run(["qemu-img", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - start

    rows = [["snapshot", _milliseconds([call("snapshot", "-c", f"s{i}", image) for i in range(REPEATS)])]]
    clones = [folder / f"c{i}.qcow2" for i in range(REPEATS)]
    rows.append(["clone", _milliseconds([call("create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", c) for c in clones])])
    rows.append(["delete a snapshot", _milliseconds([call("snapshot", "-d", f"s{i}", image) for i in range(REPEATS)])])
    rows.append(["check", f"{call('check', '-q', image) * 1e3:.0f} ms"])
    return rows


class Measuring:
    """Collects rows of [measure, server, value]; each measure has a folder of its own."""

    def __init__(self, base, say):
        self.base, self.say, self.rows = base, say, []

    def in_folder(self, call, *arguments):
        folder = self.base / "measure"
        folder.mkdir()
        try:
            return call(folder, *arguments)
        finally:
            shutil.rmtree(folder)

    def add(self, measure, server, call, *arguments):
        self.say(f"{measure}: {server}")
        self.rows.append([measure, server, self.in_folder(call, *arguments)])

    def add_times(self, server, call, size):
        self.say(f"times: {server}")
        self.rows += [[what, server, text] for what, text in self.in_folder(call, size)]


def run_all(base, known, size, seconds, quick, say):
    measuring = Measuring(base, say)
    for name in ("varve", "nbdkit file", "qemu-nbd qcow2"):
        if name in known:
            measuring.add("write amplification (wanted: at most 1.5)", name, write_amplification, known[name], size, seconds * 4)
            measuring.add("memory at idle", name, idle_memory, known[name], size)
    if "qemu-nbd qcow2" in known:
        measuring.add_times("qemu-img qcow2", times_qcow2, size)
    if "varve" in known:
        measuring.add_times("varve", times_varve, size)
        measuring.add("open after kill -9", "varve", opening_after_kill, 2 if quick else 5, seconds)
        measuring.add("create a volume of 1 TiB", "varve", large_volume)
        measuring.add("memory at 1 TiB mapped (wanted: at most 512 MiB)", "varve", mapped_memory, (1 if quick else 10) * GIB, seconds * 2)
        for count in (10,) if quick else (10, 1000):
            measuring.add(f"{count} volumes", "varve", many_volumes, count)
    return measuring.rows
