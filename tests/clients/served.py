"""A store with a server on it, for black-box tests in Python. The shell's is tests/lib/server.sh.

The store lies in a temporary folder that goes at the end, and the server with it, also when the
test is interrupted. Nothing here knows more of varve than its command line and its sockets.
"""

import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import nbd

REPO = pathlib.Path(__file__).resolve().parents[2]
VARVE = pathlib.Path(os.environ.get("VARVE_BUILD", REPO / "build")) / "tools/varve"
START_SECONDS = 20
STOP_SECONDS = 10

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40

# A test that is told to end runs its cleanup: the default action would skip it.
for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, lambda number, frame: sys.exit(128 + number))


def newer_nbdkit():
    """The path of Debian 13's, on which the requests of a connection run in parallel; built when it is not there."""
    build = REPO / "tests/lib/nbdkit142"
    return subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Refused(Exception):
    """A command that ended with another exit code than 0."""

    def __init__(self, words, code, text):
        super().__init__(f"varve {' '.join(words)}: exit code {code}: {text}")
        self.code, self.text = code, text


class Store:
    """A folder with a store in it, and at most one server at a time."""

    def __init__(self, *init_options, nbdkit=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve."))
        atexit.register(self.remove)
        self.path = self.folder / "store"
        self.socket = self.path / "nbd.sock"
        self.log = self.folder / "server.log"
        self.server = None
        self.environment = {**os.environ, "VARVE_STORE": str(self.path)}
        # What a killed server leaves in memory must go with the test; tests/run sees to it, and this when alone.
        self.memory = None
        if "VARVE_STAGE_DIR" not in os.environ:
            self.memory = tempfile.mkdtemp(prefix="varve.", dir="/dev/shm")
            self.environment["VARVE_STAGE_DIR"] = self.memory
        if nbdkit:
            self.environment["VARVE_NBDKIT"] = str(nbdkit)
        self.run("init", str(self.path), *init_options)

    def run(self, *words):
        """Runs a command; returns what it printed, raises Refused."""
        answer = subprocess.run(
            [VARVE, *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if answer.returncode != 0:
            raise Refused(words, answer.returncode, answer.stderr.strip())
        return answer.stdout

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def create(self, name, size, *options):
        self.run("volumes", "create", name, "--size", str(size), *options)

    def names(self):
        return [volume["name"] for volume in self.json("volumes", "list")["volumes"]]

    def check(self):
        """The full check; raises with what it found."""
        self.run("check", "--data")

    def serve(self, *options, wait=True):
        assert self.server is None
        self.socket.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen(
                [VARVE, "serve", *options], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.server.poll() is not None:
                raise RuntimeError(f"the server ended with {self.server.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer after {START_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.01)

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(START_SECONDS)
            try:
                probe.connect(str(self.socket))
                return probe.recv(8) == b"NBDMAGIC"
            except OSError:
                return False

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def kill(self):
        self.server.kill()
        self.server.wait()
        self.server = None

    def stop(self):
        started = time.monotonic()
        self.server.terminate()
        code = self.server.wait(2 * STOP_SECONDS)
        taken = time.monotonic() - started
        self.server = None
        if code != 0 or taken > STOP_SECONDS:
            raise RuntimeError(f"the server ended with {code} after {taken:.1f} s:\n{self.log_tail()}")

    def remove(self):
        if self.server is not None:
            self.kill()
        for folder in filter(None, (self.folder, self.memory)):
            shutil.rmtree(folder, ignore_errors=True)

    def uri(self, name):
        return f"nbd+unix:///{name}?socket={self.socket}"

    def connect(self, name):
        handle = nbd.NBD()
        handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
        # What the server says to a request is under test, not what libnbd would forbid.
        handle.set_strict_mode(0)
        handle.connect_uri(self.uri(name))
        return handle

    def disk_bytes(self):
        """What the store takes on the file system below it."""
        return sum(path.stat().st_blocks * 512 for path in self.path.rglob("*") if path.is_file())
