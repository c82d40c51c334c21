"""What a test left behind on the machine, found and removed: only ever what that test made.

Its processes are known by a variable in their environment, its mounts, loop devices and files by
lying below its scratch folder.
"""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path


class Leftovers:
    MARK = "VARVE_TEST_SCRATCH"

    def __init__(self, scratch):
        self.scratch = scratch

    def remove(self):
        """Returns a line for each thing that should not have been there."""
        left = self.end_processes() + self.unmount() + self.free_loops()
        files = os.listdir(self.scratch)
        # a test that ran well removes its folder; one that failed has enough to answer for
        left += [f"{self.scratch}/{name}" for name in files]
        if not os.path.ismount(self.scratch):
            shutil.rmtree(self.scratch, ignore_errors=True)
        return left

    def processes(self):
        wanted = f"{self.MARK}={self.scratch}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    name = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    yield int(entry.name), name
            except OSError:
                continue  # it has ended, or is another user's

    def end_processes(self):
        # what was told to end may need a moment; what is about to exec shows no environment
        for _ in range(20):
            found = list(self.processes())
            time.sleep(0.1)
            if not found and not list(self.processes()):
                return []
        for pid, _ in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return [f"process {pid} ({name})" for pid, name in found]

    def below(self, path):
        return path == self.scratch or path.startswith(self.scratch + "/")

    def unmount(self):
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        places = [place for place in places if self.below(place)]
        for place in reversed(places):
            subprocess.run(["umount", "--lazy", place], check=False)
        return [f"mount {place}" for place in places]

    def free_loops(self):
        left = []
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                path = backing.read_text().strip()
            except OSError:
                continue
            if self.below(path.removesuffix(" (deleted)")):
                device = f"/dev/{backing.parts[3]}"
                subprocess.run(["losetup", "--detach", device], check=False)
                left.append(f"loop device {device} of {path}")
        return left
