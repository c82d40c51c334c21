#!/usr/bin/python3
"""In a guest with a disk as cut_disk.py lays it out: the disk below a served store fails, and comes back.

Between the store and its two partitions lie devices of the kernel's device mapper, whose tables are exchanged: `linear` is a
good disk, `error` fails everything, `flakey` with error_writes fails writes and flushes.

    failing_disk.py [SCENARIO...]     the names as in SCENARIOS
"""

import errno
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import nbd

import cut_disk
import served

MIB = served.MIB
PARTS = {"files": "/dev/vda1", "extents": "/dev/vda2"}
MOUNT = pathlib.Path("/mnt/disk")
SIZE = 8 * MIB  # small: a guest without KVM is slow
PIECE = 64 << 10


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout.strip()


def table(part, state):
    length = run("blockdev", "--getsz", PARTS[part])
    return {
        "good": f"0 {length} linear {PARTS[part]} 0",
        "no writes": f"0 {length} flakey {PARTS[part]} 0 0 3600 1 error_writes",
        "nothing": f"0 {length} error",
    }[state]


def set_disk(part, state):
    """At once: what is under way is not waited for, nor is a file system asked to come to rest."""
    run("dmsetup", "load", part, "--table", table(part, state))
    run("dmsetup", "suspend", "--noflush", "--nolockfs", part)
    run("dmsetup", "resume", part)


def piece(number):
    return number.to_bytes(8, "little") * (PIECE // 8)


class Failing:
    """One scenario's store, and what its volume must hold."""

    def __init__(self, *options):
        self.options = options
        for part in PARTS:
            run("dmsetup", "create", part, "--table", table(part, "good"))
        run("mkfs.ext4", "-q", "-F", "/dev/mapper/files")
        run("mount", "/dev/mapper/files", str(MOUNT))
        folder = pathlib.Path(tempfile.mkdtemp(prefix="varve."))
        self.store = cut_disk.Found(MOUNT / "store", folder)
        self.store.run("init", str(self.store.path), "--device", "/dev/mapper/extents", "--force", "--journal", "4M", "--limit", "128M")
        self.store.create("disk", SIZE)
        self.store.create("other", SIZE)
        self.flushed = {}  # offset: number
        self.after = {}  # offset: numbers written since, each answered or in doubt
        self.number = 0
        self.serve()

    def serve(self):
        self.store.serve("--socket", str(self.store.socket), *self.options)
        self.disk, self.other = self.store.connect("disk"), self.store.connect("other")

    def write(self, offset):
        """The error number of the refusal, or 0."""
        self.number += 1
        self.after.setdefault(offset, []).append(self.number)
        try:
            self.disk.pwrite(piece(self.number), offset)
        except nbd.Error as problem:
            return problem.errnum
        return 0

    def flush(self):
        try:
            self.disk.flush()
        except nbd.Error as problem:
            return problem.errnum
        self.flushed.update({offset: numbers[-1] for offset, numbers in self.after.items()})
        self.after = {}
        return 0

    def write_until_refused(self):
        """Writes and flushes; returns the first refusal's error number. Ends, whatever the disk does."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for offset in range(0, SIZE, PIECE):
                refusal = self.write(offset)
                if offset % (16 * PIECE) == 0:
                    refusal = refusal or self.flush()
                if refusal:
                    return refusal
        return 0

    def verify(self):
        """What was flushed is there; what was written since is there or not, block by block."""
        handle = self.store.connect("disk")
        for offset in self.flushed.keys() | self.after.keys():
            allowed = [piece(n) for n in (self.flushed.get(offset, 0), *self.after.get(offset, []))]
            found = handle.pread(PIECE, offset)
            for start in range(0, PIECE, 4096):
                block = found[start : start + 4096]
                assert any(block == a[start : start + 4096] for a in allowed), f"byte {offset + start} is neither old nor new"
        handle.shutdown()

    def expect_failed(self, refusal):
        """The failed state is one for all: no connection gets a later success for a write or a flush."""
        assert refusal == errno.EIO, f"the refusal is {refusal}, and not EIO"
        if not self.store.json("stats")["failed"]:
            return False
        for handle in self.disk, self.other, self.store.connect("other"):
            for verb in (lambda: handle.pwrite(b"x" * 4096, 0), handle.flush, lambda: handle.trim(4096, 0)):
                try:
                    verb()
                except nbd.Error as problem:
                    assert problem.errnum == errno.EIO, problem
                else:
                    raise AssertionError("a write or flush succeeds after the store failed")
        assert "failed" in self.store.run("stats")
        return True

    def end(self):
        if self.store.server is not None:
            self.store.kill()
        self.store.remove()
        run("umount", str(MOUNT))
        for part in PARTS:
            run("dmsetup", "remove", "--retry", part)


def reads_fail(scenario):
    """EIO for what is asked for; the rest and the store live, and nothing needs a restart."""
    for offset in range(0, SIZE, PIECE):
        scenario.write(offset)
    assert scenario.flush() == 0
    scenario.store.stop()
    scenario.serve()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    set_disk("extents", "nothing")
    for offset in 0, SIZE // 2:
        try:
            scenario.disk.pread(PIECE, offset)
            raise AssertionError("a read succeeds on a disk that gives nothing")
        except nbd.Error as problem:
            assert problem.errnum == errno.EIO, problem
    assert not scenario.store.json("stats")["failed"]
    set_disk("extents", "good")
    scenario.verify()
    assert scenario.write(0) == 0 and scenario.flush() == 0
    scenario.store.stop()


def writes_fail(scenario, part):
    """The store fails at once and for good, until it is opened again on a good disk."""
    for offset in range(0, SIZE, PIECE):
        scenario.write(offset)
    assert scenario.flush() == 0
    set_disk(part, "no writes")
    refusal = scenario.write_until_refused()
    failed = scenario.expect_failed(refusal)
    scenario.verify()  # reads go on
    print(f"  refused with {os.strerror(refusal)}; the store {'failed' if failed else 'lives'}", flush=True)
    set_disk(part, "good")
    # a good disk alone does not make a failed store good
    answers = [scenario.write(0), scenario.flush()]
    assert answers == ([errno.EIO] * 2 if failed else [0, 0]), answers
    restart(scenario)


def all_gone(scenario):
    for offset in range(0, SIZE, PIECE):
        scenario.write(offset)
    assert scenario.flush() == 0
    for part in PARTS:
        set_disk(part, "nothing")
    scenario.expect_failed(scenario.write_until_refused())
    for part in PARTS:
        set_disk(part, "good")
    restart(scenario)


def restart(scenario):
    """However the failed server ends, in time; the file system may need its own recovery."""
    began = time.monotonic()
    scenario.store.server.terminate()
    code = scenario.store.server.wait(60)
    print(f"  the server ended with {code} after {time.monotonic() - began:.1f} s", flush=True)
    scenario.store.server = None
    run("umount", str(MOUNT))
    run("mount", "/dev/mapper/files", str(MOUNT))
    scenario.serve()
    scenario.verify()
    assert not scenario.store.json("stats")["failed"]
    for offset in range(0, SIZE, PIECE):
        assert scenario.write(offset) == 0
    assert scenario.flush() == 0
    scenario.verify()
    scenario.store.stop()


SCENARIOS = {
    "reads of the extents fail": ((), reads_fail),
    "writes of the extents fail": ((), lambda s: writes_fail(s, "extents")),
    "writes through the page cache fail": (("--buffered",), lambda s: writes_fail(s, "extents")),
    "writes of the journal fail": ((), lambda s: writes_fail(s, "files")),
    "the disk is gone for a while": ((), all_gone),
}


def main():
    MOUNT.mkdir()
    names = sys.argv[1:] or list(SCENARIOS)
    for name in names:
        print(name, flush=True)
        options, perform = SCENARIOS[name]
        scenario = Failing(*options)
        try:
            perform(scenario)
            scenario.store.check()
        except BaseException:
            print(scenario.store.log_tail(), flush=True)
            for part in PARTS:
                set_disk(part, "good")
            raise
        scenario.end()
    print(f"count: failing disks below the real server {len(names)}")


if __name__ == "__main__":
    sys.exit(main())
