"""What is measured beside the loads: opening after a kill, memory at idle, many volumes, a large volume."""

import shutil
import statistics
import time

import nbd

import loads
import targets

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


def _timed(call, *arguments):
    start = time.monotonic()
    answer = call(*arguments)
    return time.monotonic() - start, answer


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


def idle_memory(folder, start):
    server = start(folder, GIB)
    try:
        loads.fill(server)
        return f"{server.resident_bytes() / MIB:.1f} MiB after 1 GiB was written"
    finally:
        server.stop()


def many_volumes(folder, count):
    """A store with `count` volumes: the time to open it, and to list it both ways."""
    store = folder / "store"
    targets.varve(store, "init", store)
    server = targets.serve_varve(store, "")
    try:
        for number in range(count):
            targets.varve(store, "volumes", "create", f"v{number:04}", "--size", "10G")
    finally:
        server.stop()
    opening, server = _timed(targets.serve_varve, store, "v0000")
    try:
        listing, _ = _timed(targets.varve, store, "volumes", "list")
        over_nbd, found = _timed(_count_exports, server)
        if found != count:
            raise RuntimeError(f"{found} of {count} volumes are listed over NBD")
    finally:
        server.stop()
    return f"open {opening * 1e3:.0f} ms, `volumes list` {listing * 1e3:.0f} ms, listing over NBD {over_nbd * 1e3:.1f} ms"


def large_volume(folder):
    store = folder / "store"
    targets.varve(store, "init", store)
    # the first volume makes the file grow by a step, whatever its size
    targets.varve(store, "volumes", "create", "small", "--size", "1M")
    before = _disk_bytes(store)
    taken, _ = _timed(targets.varve, store, "volumes", "create", "large", "--size", str(TIB))
    return f"{taken * 1e3:.0f} ms, {_disk_bytes(store) - before:,} bytes of disk"


def run_all(base, by_name, quick, say):
    """Rows of (measure, server, value)."""
    rows = []

    def add(measure, server, call, *arguments):
        say(f"{measure}: {server}")
        folder = base / "measure"
        folder.mkdir()
        try:
            rows.append([measure, server, call(folder, *arguments)])
        finally:
            shutil.rmtree(folder)

    for name, start in by_name.items():
        add("memory at idle", name, idle_memory, start)
    if "varve" in by_name:
        add("open after kill -9", "varve", opening_after_kill, 2 if quick else 5, 2 if quick else 5)
        for count in (10, 1000):
            add(f"{count} volumes", "varve", many_volumes, count)
        add("create a volume of 1 TiB", "varve", large_volume)
    return rows
