"""What is compared, and how each gets a volume into a state.

States: `fresh` (never written), `full` (each block written once, in a row), `snapshot` (full, and
one was taken just before each load), `clone100` (the 100th clone of a clone of a full one), `aged`
(full, and each block overwritten once in any order), `compacted` (aged, then `volumes compact`).
"""

import functools
import os
import pathlib
import random
import subprocess

import nbd

import loads
import targets
from door import Door

CLONES = 100
CLONE_WRITES = 4  # blocks of 64 KiB that each clone changes
PIECE = 64 << 10


class Peer:
    states = ("fresh", "full", "aged")

    def __init__(self, name, start):
        self.name, self._start = name, start

    def prepare(self, folder, size, state):
        """A server on a new volume of that size in that state. The caller stops it."""
        server = self._start(folder, size)
        server.folder, server.size, server.warm = folder, size, False
        try:
            if state != "fresh":
                loads.fill(server)
            return self._bring(server, state)
        except BaseException:
            server.stop()
            raise

    def _bring(self, server, state):
        if state in ("aged", "compacted"):
            loads.age(server)
        return server

    def before_load(self, server, state):
        """Returns the server to measure, which may be a new one."""
        return server


class Varve(Peer):
    states = ("fresh", "full", "snapshot", "clone100", "aged", "compacted")

    def _bring(self, server, state):
        server = super()._bring(server, state)
        if state == "compacted":
            targets.varve(server.store, "volumes", "compact", "bench")
        if state == "clone100":
            self._clone(server)
        return server

    def _clone(self, server):
        chance = random.Random(1)
        door = Door(server.store)
        for number in range(1, CLONES + 1):
            name = f"clone{number}"
            door.ask("POST", "/v1/volumes", name=name, **{"from": server.export})
            server.export = name
            client = nbd.NBD()
            client.connect_uri(server.uri)
            for _ in range(CLONE_WRITES):
                client.pwrite(chance.randbytes(PIECE), chance.randrange(server.size // PIECE) * PIECE)
            client.shutdown()
        door.close()

    def before_load(self, server, state):
        if state == "snapshot":
            number = getattr(server, "snapshots", 0)
            if number:
                targets.varve(server.store, "snapshots", "delete", f"bench@s{number}", "--yes")
            server.snapshots = number + 1
            targets.varve(server.store, "snapshots", "create", f"bench@s{number + 1}")
        return server


class Qcow2(Peer):
    states = ("fresh", "full", "snapshot", "clone100", "aged")

    def __init__(self, name, *options):
        super().__init__(name, functools.partial(self._begin, options=options))
        self.options = options

    @staticmethod
    def _begin(folder, size, options):
        return targets.start_qemu_qcow2(folder, size, *options)

    def _serve_again(self, server, image):
        fresh = targets.start_qemu_nbd(server.folder, "qcow2", image, *self.options)
        fresh.folder, fresh.size, fresh.warm = server.folder, server.size, False
        return fresh

    def _bring(self, server, state):
        server = super()._bring(server, state)
        if state != "clone100":
            return server
        server.stop()
        chance = random.Random(1)
        below = server.folder / "volume.qcow2"
        for number in range(CLONES):
            image = server.folder / f"clone{number}.qcow2"
            _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", image)
            writes = [f"write -q -P 1 {chance.randrange(server.size // PIECE) * PIECE} 64k" for _ in range(CLONE_WRITES)]
            _tool("qemu-io", "-f", "qcow2", *[word for write in writes for word in ("-c", write)], image)
            below = image
        return self._serve_again(server, below)

    def before_load(self, server, state):
        """An internal snapshot; qemu-img takes it while no server has the file open."""
        if state != "snapshot":
            return server
        server.stop()
        image = server.folder / "volume.qcow2"
        subprocess.run(["qemu-img", "snapshot", "-d", "s", image], capture_output=True)
        _tool("qemu-img", "snapshot", "-c", "s", image)
        return self._serve_again(server, image)


class CopyOnWrite(Peer):
    """Its base is never written, so that it is always right after a snapshot."""

    states = ("full", "snapshot")

    def prepare(self, folder, size, state):
        server = self._start(folder, size)
        server.folder, server.size, server.warm = folder, size, False
        return server


class Memory(Peer):
    """Nothing of it is ever on a disk."""

    states = ("fresh", "full")


def _tool(*words):
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {ran.stderr.strip() or ran.stdout.strip()}")


def settle(server, forget=False):
    """Has the kernel write what it owes the volume's files, so that the next server does not wait for it.
    With `forget` it also drops what it holds of them."""
    for path in server.folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fdatasync(file)
            if forget:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def known(newer_nbdkit, also, serve_options):
    """All by name. `newer_nbdkit` is the path of another one, or None; `also` are further builds of
    varve as (name, folder), `serve_options` further options of varve serve, each for one more."""
    start = functools.partial
    list_of = [
        Varve("varve", targets.start_varve),
        Peer("nbdkit file", targets.start_nbdkit_file),
        Peer("nbdkit file, 1 thread", targets.start_nbdkit_file_one),
        Memory("nbdkit memory", targets.start_nbdkit_memory),
        Memory("nbdkit null", targets.start_nbdkit_null),
        Peer("qemu-nbd raw", targets.start_qemu_raw),
        Peer("qemu-nbd raw, io_uring", lambda folder, size: targets.start_qemu_raw(folder, size, *targets.URING)),
        Qcow2("qemu-nbd qcow2"),
        Qcow2("qemu-nbd qcow2, io_uring", *targets.URING),
        Peer("nbd-server", targets.start_nbd_server),
        CopyOnWrite("nbd-server, copy on write", targets.start_nbd_server_cow),
        Peer("fio on the file", targets.start_plain_file),
    ]
    for name, folder in also:
        list_of.append(Varve(f"varve {name}", start(targets.start_varve, program=pathlib.Path(folder).resolve() / "tools/varve")))
    for options in serve_options:
        list_of.append(Varve(f"varve {options}", start(targets.start_varve, options=options.split())))
    if newer_nbdkit:
        list_of += [
            Varve("varve on nbdkit 1.42", start(targets.start_varve, nbdkit=newer_nbdkit)),
            Peer("nbdkit 1.42 file", start(targets.start_nbdkit_file, program=newer_nbdkit)),
            Memory("nbdkit 1.42 memory", start(targets.start_nbdkit_memory, program=newer_nbdkit)),
        ]
    return {peer.name: peer for peer in list_of}
