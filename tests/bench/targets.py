"""The servers that are measured. Each start is a fresh server on a fresh volume in a folder of its own."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
VARVE = pathlib.Path(os.environ.get("VARVE_BUILD", REPO / "build")) / "tools/varve"
START_SECONDS = 30
STOP_SECONDS = 15


class Server:
    """One running server: the process, its socket, and the export's name."""

    def __init__(self, command, path, export=""):
        self.socket, self.export = path, export
        self.log = open(path.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        try:
            self._wait_until_it_answers(command)
        except BaseException:
            self.kill()
            raise

    @property
    def uri(self):
        return f"nbd+unix:///{self.export}?socket={self.socket}"

    @property
    def pid(self):
        return self.process.pid

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return probe.recv(8) == b"NBDMAGIC"
            except OSError:
                return False

    def _wait_until_it_answers(self, command):
        deadline = time.monotonic() + START_SECONDS
        while not (self.socket.exists() and self._answers()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = " ".join(str(word) for word in command)
                text = pathlib.Path(self.log.name).read_text(errors="replace")
                raise RuntimeError(f"does not serve: {words}\n{text}")
            time.sleep(0.005)

    def resident_bytes(self):
        """Memory of the server, as the kernel counts it (VmRSS)."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no VmRSS for process {self.pid}")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _raw_file(folder, size):
    path = folder / "volume.raw"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def _nbdkit(folder, *plugin):
    path = folder / "nbd.sock"
    # the same program that varve serves with
    return Server([os.environ.get("VARVE_NBDKIT", "nbdkit"), "--foreground", "--unix", path, *plugin], path)


def start_nbdkit_file(folder, size):
    return _nbdkit(folder, "file", _raw_file(folder, size))


def start_nbdkit_memory(folder, size):
    return _nbdkit(folder, "memory", str(size))


def start_qemu_nbd(folder, kind, image):
    path = folder / "nbd.sock"
    # Two clients: the probe that waits for the server may still be leaving when fio comes.
    return Server(["qemu-nbd", "--persistent", "--shared=2", f"--socket={path}", f"--format={kind}", image], path)


def start_qemu_raw(folder, size):
    return start_qemu_nbd(folder, "raw", _raw_file(folder, size))


def start_qemu_qcow2(folder, size):
    path = folder / "volume.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], check=True)
    return start_qemu_nbd(folder, "qcow2", path)


def varve(store, *words):
    """Runs a command of varve on the store and returns what it printed."""
    command = [str(word) for word in (VARVE, *words)]
    answer = subprocess.run(command, env={**os.environ, "VARVE_STORE": str(store)}, capture_output=True, text=True)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {answer.returncode}: {answer.stderr.strip()}")
    return answer.stdout


def serve_varve(store, export):
    path = store / "nbd.sock"
    return Server([VARVE, "serve", "--store", store, "--socket", path], path, export)


def start_varve(folder, size):
    store = folder / "store"
    varve(store, "init", store)
    varve(store, "volumes", "create", "bench", "--size", str(size))
    return serve_varve(store, "bench")


BASELINE = "nbdkit file"
PEERS = {
    BASELINE: start_nbdkit_file,
    "nbdkit memory": start_nbdkit_memory,
    "qemu-nbd raw": start_qemu_raw,
    "qemu-nbd qcow2": start_qemu_qcow2,
}


def available():
    """All targets by name; varve comes first once it is built."""
    if shutil.which(str(VARVE)) is None:
        return dict(PEERS)
    return {"varve": start_varve, **PEERS}
