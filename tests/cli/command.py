"""The command varve on a store in a temporary folder, for tests of what it prints and how it ends.

The folder goes at the end and the server with it, also when the test is interrupted.
"""

import atexit
import hashlib
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

REPO = pathlib.Path(__file__).resolve().parents[2]
VARVE = pathlib.Path(os.environ.get("VARVE_BUILD", REPO / "build")) / "tools/varve"

DONE, FAILED, USAGE, NOT_FOUND, BUSY, NO_SPACE, DAMAGED, NOT_PERMITTED, EXISTS, NO_ANSWER, CANCELLED, STALE = range(12)

# A test that is told to end runs its cleanup: the default action would skip it.
for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, lambda number, frame: sys.exit(128 + number))


def one_sentence(text):
    """A refusal is one line that begins with the command's name and does not end with a full stop."""
    lines = text.splitlines()
    return len(lines) == 1 and lines[0].startswith("varve: ") and not lines[0].endswith(".")


class Store:
    """A folder for a store; `init` makes it."""

    def __init__(self, init=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve."))
        atexit.register(self.remove)
        self.path = self.folder / "store"
        self.door = self.path / "control.sock"
        self.server = None
        self.environment = {k: v for k, v in os.environ.items() if k != "VARVE_STORE"}
        self.environment.update(VARVE_STORE=str(self.path), LC_ALL="C.UTF-8")
        if init:
            self.done("init", str(self.path), "--limit", "64M", "--journal", "1M")

    def run(self, *words, stdin=subprocess.DEVNULL, timeout=60, env=None):
        return subprocess.run(
            [VARVE, *words],
            env={**self.environment, **(env or {})},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def done(self, *words, **more):
        """Runs what must work; returns what it printed."""
        ran = self.run(*words, **more)
        assert ran.returncode == DONE, f"varve {' '.join(words)}: {ran.returncode}: {ran.stderr}"
        return ran.stdout

    def json(self, *words):
        return json.loads(self.done(*words, "--json"))

    def refused(self, code, *words, says="", **more):
        """Runs what must be refused with this exit code, in one sentence, printing nothing else."""
        ran = self.run(*words, **more)
        what = f"varve {' '.join(words)}: {ran.returncode}: {ran.stdout}{ran.stderr}"
        assert ran.returncode == code, f"{what} (not {code})"
        assert ran.stdout == "", what
        assert one_sentence(ran.stderr), what
        assert says in ran.stderr, f"{what} (not '{says}')"

    def start(self, *words):
        """Serves the store; returns when its control door answers."""
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen(
                [VARVE, "serve", *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 20
        while not self.answers():
            assert self.server.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.05)

    def answers(self):
        try:
            return b"200" in self.http(b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n").split(b"\r\n")[0]
        except OSError:
            return False

    def http(self, request, seconds=5):
        """Sends bytes to the door and returns all that comes back until it hangs up."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(seconds)
            door.connect(str(self.door))
            try:
                door.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before it was all sent
            try:
                while piece := door.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
        return answer

    def log(self):
        return (self.folder / "server.log").read_text()

    def uri(self, ref):
        return f"nbd+unix:///{ref}?socket={self.path}/nbd.sock"

    def connect(self, ref):
        """A client of the server's."""
        import nbd  # not every test needs it

        client = nbd.NBD()
        client.connect_uri(self.uri(ref))
        return client

    def digest(self, ref):
        """Of all bytes, which must be a sound ext4."""
        out = self.folder / "out.img"
        self.done("export", ref, str(out))
        ran = subprocess.run(["e2fsck", "-fn", out], capture_output=True, text=True, check=False)
        found = hashlib.sha256(out.read_bytes()).hexdigest()
        out.unlink()
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return found

    def stop(self):
        self.server.terminate()
        code = self.server.wait(timeout=15)
        self.server = None
        return code

    def kill(self):
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        self.server = None

    def remove(self):
        if self.server and self.server.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_cases(cases):
    """Runs functions one after another; each says `ok NAME`, or the run ends with its failure."""
    for case in cases:
        print(f"- {case.__name__.replace('_', ' ')}", flush=True)
        case()
    print(f"{len(cases)} cases")
