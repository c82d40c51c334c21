"""A file system of its own for a test, that goes with it."""

import atexit
import errno
import os
import pathlib
import subprocess
import tempfile
import time

MIB = 1 << 20


class Disk:
    """A small file system of its own, on a loop device; TMPDIR lies on it, so that the store does."""

    def __init__(self, kind, size):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve."))
        self.mount = self.folder / "disk"
        self.mount.mkdir()
        self.mounted = False
        atexit.register(self.remove)
        image = self.folder / "image"
        with open(image, "wb") as file:
            file.truncate(size)
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.mount], check=True)
        self.mounted = True

    def remove(self):
        if self.mounted:
            for _ in range(50):
                if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                subprocess.run(["umount", "--lazy", self.mount])
            self.mounted = False
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)

    def fill(self):
        """Takes all that there is."""
        with open(self.mount / "filler", "ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as problem:
                    assert problem.errno == errno.ENOSPC, problem
            os.fsync(file.fileno())

    def free(self):
        (self.mount / "filler").unlink()
        os.sync()
