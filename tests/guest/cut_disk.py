"""The disk of a guest whose power was cut, opened on the host by the code that a second boot would run.

The disk has three partitions: an ext4 with the store, a bare one that may hold its extents, and one for records. Both the
host's ext4 and varve recover what they find, so a disk is opened once.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import answered  # noqa: E402  the path comes first
import sequence  # noqa: E402
import served  # noqa: E402

MIB = served.MIB
# (offset, size) in bytes
FILES, EXTENTS, RECORDS = (MIB, 192 * MIB), (193 * MIB, 160 * MIB), (353 * MIB, 8 * MIB)
DISK = 362 * MIB


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def make(path):
    """A disk as a guest finds it first."""
    with open(path, "wb") as disk:
        disk.truncate(DISK)
    lines = [f"start={start // 512}, size={size // 512}" for start, size in (FILES, EXTENTS, RECORDS)]
    subprocess.run(["sfdisk", "-q", path], input="\n".join(["label: dos", *lines]), text=True, check=True)
    run("mkfs.ext4", "-q", "-E", f"offset={FILES[0]},lazy_itable_init=0,lazy_journal_init=0", str(path), f"{FILES[1] // 1024}k")


@contextlib.contextmanager
def loop_device(path, part):
    start, size = part
    device = run("losetup", "--find", "--show", "--offset", str(start), "--sizelimit", str(size), str(path))
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(device, folder):
    run("mount", device, str(folder))
    try:
        yield
    finally:
        unmount(folder)


def unmount(folder):
    # who was killed in it may still be on its way out
    for _ in range(50):
        if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", "--lazy", str(folder))


class Found(served.Store):
    """A store that is there."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder
        self.socket = folder / "nbd.sock"
        self.log = folder / "server.log"
        self.server = None
        # nothing of the guest's memory is there
        self.memory = tempfile.mkdtemp(prefix="varve.", dir="/dev/shm")
        self.environment = {**os.environ, "VARVE_STORE": str(path), "VARVE_STAGE_DIR": self.memory}

    def serve_here(self):
        self.serve("--socket", str(self.socket))


@contextlib.contextmanager
def opened(path):
    """The store on a disk; whatever is served ends with it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="varve."))
    mount = folder / "disk"
    mount.mkdir()
    store = Found(mount / "store", folder)
    try:
        with loop_device(path, FILES) as files, loop_device(path, EXTENTS) as extents, mounted(files, mount):
            if (store.path / "extents").is_symlink():
                (store.path / "extents").unlink()
                (store.path / "extents").symlink_to(extents)
            try:
                yield store
            finally:
                if store.server is not None:
                    store.kill()
    finally:
        store.remove()


class Expected:
    """What the records say must be there."""

    def __init__(self, records):
        self.ready = False
        self.least = [0] * sequence.WRITERS
        self.snapshots = {}  # name: (least, most)
        self.volumes = set()
        for entry in records:
            self.ready |= "ready" in entry
            if "volume" in entry:
                self.volumes.add(entry["volume"])
            # once it begins to go it may be there or not
            self.snapshots.pop(entry.get("going"), None)
            if "snapshot" in entry:
                self.snapshots[entry["snapshot"]] = (entry["least"], entry["most"])
            elif "least" in entry:
                self.least = list(map(max, self.least, entry["least"]))

    def verify(self, store, seed):
        """Raises what is wrong; returns how many operations of each writer were there."""
        store.check()
        store.serve_here()
        missing = self.volumes - set(store.names())
        if missing:
            raise ValueError(f"volumes {sorted(missing)} were answered and are gone")
        prefix = compare(store, "target", seed, self.least, None)
        for name, (least, most) in self.snapshots.items():
            compare(store, f"target@{name}", seed, least, most)
        store.stop()
        store.check()
        return prefix


def compare(store, ref, seed, least, most):
    handle = store.connect(ref)
    found = bytes(answered.read_all(handle, sequence.SIZE))
    handle.shutdown()
    part = sequence.BLOCKS * sequence.BLOCK
    try:
        return [
            sequence.find_prefix(
                seed, writer, found[writer * part : (writer + 1) * part], least[writer], most[writer] if most else sequence.LIMIT
            )
            for writer in range(sequence.WRITERS)
        ]
    except ValueError as problem:
        raise ValueError(f"{ref}: {problem}") from None
