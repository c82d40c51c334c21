"""A store with a server on it, asked through its control door, so that no start of a command is measured."""

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse

import nbd

import targets

MIB, TIB = 1 << 20, 1 << 40
BLOCK = 4096


class DoorConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=3600)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Door:
    """The control door of a served store."""

    def __init__(self, store):
        self.connection = DoorConnection(store / "control.sock")

    def ask(self, method, target, **body):
        """Returns (seconds, answer)."""
        text = json.dumps(body) if body else None
        start = time.monotonic()
        self.connection.request(method, target, body=text)
        reply = self.connection.getresponse()
        answer = json.loads(reply.read())
        taken = time.monotonic() - start
        if reply.status >= 400:
            raise RuntimeError(f"{method} {target}: {answer}")
        return taken, answer

    def close(self):
        self.connection.close()


class Store:
    """A fresh store with a server on it."""

    def __init__(self, folder):
        self.path = folder / "store"
        targets.varve(self.path, "init", self.path, "--limit", "64G")
        self.serve()

    def serve(self):
        start = time.monotonic()
        self.server = targets.serve_varve(self.path, "")
        self.opening = time.monotonic() - start
        self.door = Door(self.path)

    def ask(self, *words, **body):
        return self.door.ask(*words, **body)

    def create(self, name, size):
        self.ask("POST", "/v1/volumes", name=name, size=size)

    def snapshot(self, ref):
        return self.ask("POST", "/v1/snapshots", volumes=[ref])[0]

    def clone(self, name, ref):
        return self.ask("POST", "/v1/volumes", name=name, **{"from": ref})[0]

    def version(self, dataset, **options):
        """A new uncommitted version: its ref."""
        return self.ask("POST", f"/v1/datasets/{quoted(dataset)}/versions", **options)[1]["ref"]

    def commit(self, ref):
        return self.ask("POST", f"/v1/versions/{quoted(ref)}/commit")[0]

    def export(self, ref):
        """What loads.py measures: a server whose export is that."""
        self.server.export = quoted(ref)
        return self.server

    def connect(self, ref):
        handle = nbd.NBD()
        handle.connect_uri(f"nbd+unix:///{quoted(ref)}?socket={self.server.socket}")
        return handle

    def stop(self):
        self.door.close()
        self.server.stop()


def quoted(ref):
    return urllib.parse.quote(ref, safe="")


def fill_sparse(store, ref, size, apart):
    client = store.connect(ref)
    data = os.urandom(BLOCK)
    for offset in range(0, size, apart):
        client.pwrite(data, offset)
    client.flush()
    client.shutdown()


def map_tib(store, name):
    """Makes a volume of 1 TiB that is mapped from end to end."""
    store.create(name, TIB)
    client = store.connect(name)
    for offset in range(0, 256 * MIB, 16 * MIB):
        client.pwrite(os.urandom(16 * MIB), offset)
    client.flush()
    client.shutdown()
    image = store.ask("GET", f"/v1/volumes/{name}")[1]["image"]
    store.stop()
    program = targets.VARVE.parents[1] / "tests/bench/mapped_tib"
    subprocess.run([program, store.path, str(image)], check=True)
    store.serve()
    mapped = store.ask("GET", f"/v1/volumes/{name}")[1]["mapped_bytes"]
    if mapped != TIB:
        raise RuntimeError(f"{mapped} bytes are mapped, not 1 TiB")
