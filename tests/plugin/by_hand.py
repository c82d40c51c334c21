"""The plugin in an nbdkit that a user starts by hand, on a store in a temporary folder.

Nothing but what these tests start is ever signalled, and everything goes at the end.
"""

import atexit
import pathlib
import socket
import subprocess
import sys
import time

import nbd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import served  # noqa: E402  the store, its command line and its server

PLUGIN = served.VARVE.parents[1] / "plugins/nbdkit-varve-plugin.so"
START_SECONDS = 20


def wait_for(condition, what, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def refuse_nbdkit(*arguments, nbdkit="nbdkit"):
    """Runs nbdkit, which must not get as far as serving; returns what it said."""
    ended = subprocess.run(
        [nbdkit, "-f", "-U", "-", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=START_SECONDS, check=False,
    )
    if ended.returncode == 0:
        raise AssertionError(f"nbdkit {' '.join(arguments)} ended with 0")
    return ended.stderr


class Nbdkit:
    """nbdkit -f on a Unix socket beside the store."""

    def __init__(self, store, *parameters, options=(), nbdkit="nbdkit"):
        self.folder = store.folder
        self.socket = self.folder / "by-hand.sock"
        self.socket.unlink(missing_ok=True)
        self.log = self.folder / "by-hand.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [nbdkit, "-f", "-U", self.socket, *options, PLUGIN, f"store={store.path}", *parameters],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )
        atexit.register(self.kill)
        wait_for(self._answers, "nbdkit answers")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"nbdkit ended with {self.process.returncode}: {self.text()}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return probe.recv(8) == b"NBDMAGIC"
            except OSError:
                return False

    def connect(self, name=None):
        handle = nbd.NBD()
        handle.set_strict_mode(0)
        handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
        if name is not None:
            handle.set_export_name(name)
        handle.connect_unix(str(self.socket))
        return handle

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, number=None):
        """Ends it by a signal; returns its exit code and the seconds that took."""
        began = time.monotonic()
        if number is None:
            self.process.terminate()
        else:
            self.process.send_signal(number)
        code = self.process.wait(START_SECONDS)
        return code, time.monotonic() - began

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def extents(handle, length, offset, flags=0):
    """[(length, hole)] of one answer."""
    found = []

    def note(context, start, entries, error):
        found.extend(zip(entries[::2], (flag != 0 for flag in entries[1::2])))

    handle.block_status(length, offset, note, flags)
    return found


__all__ = ["Nbdkit", "PLUGIN", "extents", "refuse_nbdkit", "served", "wait_for"]
