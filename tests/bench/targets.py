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

    def __init__(self, command, path, export="", environment=None):
        self.socket, self.export = path, export
        self.log = open(path.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **(environment or {})},
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
    def fio_words(self):
        return ["--ioengine=nbd", f"--uri={self.uri}"]

    @property
    def pid(self):
        return self.process.pid

    def _is_gone(self):
        return self.process.poll() is not None

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
            if self._is_gone() or time.monotonic() > deadline:
                words = " ".join(str(word) for word in command)
                text = pathlib.Path(self.log.name).read_text(errors="replace")
                raise RuntimeError(f"does not serve: {words}\n{text}")
            time.sleep(0.005)

    def resident_bytes(self, field="VmRSS"):
        """Memory of the server, as the kernel counts it: now, or with "VmHWM" at most until now."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {field} for process {self.pid}")

    def cpu_seconds(self):
        """With those of its children that ended: a server may fork for each client."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

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


class Daemon(Server):
    """A server that leaves for the background; its number is in a file then."""

    def __init__(self, command, path, pid_file, export=""):
        self.pid_file = pid_file
        super().__init__(command, path, export)

    @property
    def pid(self):
        return int(self.pid_file.read_text())

    def _is_gone(self):
        return self.process.poll() not in (None, 0)

    def _end(self, number):
        self.process.wait(STOP_SECONDS)
        if self.pid_file.exists():
            pid = self.pid
            os.kill(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
                time.sleep(0.01)
        self.log.close()


class PlainFile:
    """No server: fio on the file itself, with io_uring and past the page cache. The limit of the disk."""

    fio_words = ()
    pid = None

    def __init__(self, path):
        self.fio_words = ["--ioengine=io_uring", "--direct=1", f"--filename={path}"]

    def cpu_seconds(self):
        return 0

    def stop(self):
        pass


def _raw_file(folder, size):
    path = folder / "volume.raw"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def _nbdkit(folder, *plugin, program=None):
    path = folder / "nbd.sock"
    # the same program that varve serves with
    program = program or os.environ.get("VARVE_NBDKIT", "nbdkit")
    return Server([program, "--foreground", "--unix", path, *plugin], path)


def start_nbdkit_file(folder, size, program=None):
    return _nbdkit(folder, "file", _raw_file(folder, size), program=program)


def start_nbdkit_file_one(folder, size):
    return _nbdkit(folder, "--threads=1", "file", _raw_file(folder, size))


def start_nbdkit_memory(folder, size, program=None):
    return _nbdkit(folder, "memory", str(size), program=program)


def start_nbdkit_null(folder, size):
    return _nbdkit(folder, "null", str(size))


def start_qemu_nbd(folder, kind, image, *options):
    path = folder / "nbd.sock"
    # The probe that waits for the server may still be leaving when fio comes, with four connections.
    command = ["qemu-nbd", "--persistent", "--shared=16", f"--socket={path}", f"--format={kind}", "--discard=unmap"]
    return Server([*command, *options, image], path)


URING = ("--cache=none", "--aio=io_uring")


def start_qemu_raw(folder, size, *options):
    return start_qemu_nbd(folder, "raw", _raw_file(folder, size), *options)


def start_qemu_qcow2(folder, size, *options):
    path = folder / "volume.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], check=True)
    return start_qemu_nbd(folder, "qcow2", path, *options)


def start_nbd_server(folder, size, copy_on_write=False):
    path = folder / "nbd.sock"
    image = folder / "volume.raw"
    if not image.exists():
        _raw_file(folder, size)
    config = folder / "nbd-server.conf"
    config.write_text(
        f"[generic]\nunixsock = {path}\nallowlist = true\nlistenaddr = 127.0.0.1\nport = {_free_port()}\n"
        f"[bench]\nexportname = {image}\ntrim = true\nflush = true\nfua = true\n"
        f"copyonwrite = {'true' if copy_on_write else 'false'}\n"
    )
    pid_file = folder / "nbd-server.pid"
    return Daemon(["nbd-server", "-C", config, "-p", pid_file], path, pid_file, "bench")


def _free_port():
    """nbd-server listens on TCP whatever it is told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_nbd_server_cow(folder, size):
    """Each client writes into a file of its own, which goes with it."""
    if not (folder / "volume.raw").exists():
        with open(folder / "volume.raw", "wb") as file:
            piece = os.urandom(1 << 20)
            for _ in range(size >> 20):
                file.write(piece)
    return start_nbd_server(folder, size, copy_on_write=True)


def start_plain_file(folder, size):
    return PlainFile(_raw_file(folder, size))


def varve(store, *words):
    """Runs a command of varve on the store and returns what it printed."""
    command = [str(word) for word in (VARVE, *words)]
    answer = subprocess.run(command, env={**os.environ, "VARVE_STORE": str(store)}, capture_output=True, text=True)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {answer.returncode}: {answer.stderr.strip()}")
    return answer.stdout


def serve_varve(store, export, program=VARVE, options=(), nbdkit=None):
    path = store / "nbd.sock"
    environment = {"VARVE_NBDKIT": str(nbdkit)} if nbdkit else None
    server = Server([program, "serve", "--store", store, "--socket", path, *options], path, export, environment)
    server.store = store
    return server


def start_varve(folder, size, program=VARVE, options=(), nbdkit=None):
    store = folder / "store"
    varve(store, "init", store)
    varve(store, "volumes", "create", "bench", "--size", str(size))
    return serve_varve(store, "bench", program, options, nbdkit)


BASELINE = "nbdkit file"
PEERS = {
    BASELINE: start_nbdkit_file,
    "nbdkit memory": start_nbdkit_memory,
    "qemu-nbd raw": start_qemu_raw,
    "qemu-nbd qcow2": start_qemu_qcow2,
}


def available():
    """Those of the short comparison by name; varve comes first once it is built."""
    if shutil.which(str(VARVE)) is None:
        return dict(PEERS)
    return {"varve": start_varve, **PEERS}
