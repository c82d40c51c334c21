#!/usr/bin/python3
# timeout: 240
"""Stores that earlier builds made (tests/golden/make) are opened by this one: all data, all names, check clean. And
stores with feature bits that this build does not know are opened, only read, or refused, as the bits say."""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
VARVE = Path(os.environ["VARVE_BUILD"]) / "tools/varve"
BLOCK = 4096
COPIES = [copy * 64 * BLOCK for copy in range(4)]
COMPATIBLE, READ_ONLY, INCOMPATIBLE, CRC = 16, 24, 32, 4092  # in the superblock: FORMAT.md
UNKNOWN = 1 << 63


def varve(store, *words, wanted=0):
    done = subprocess.run([VARVE, *words, "--store", store], capture_output=True, text=True)
    if done.returncode != wanted:
        sys.exit(f"FAIL {' '.join(map(str, words))}: exit code {done.returncode}, not {wanted}: {done.stderr}")
    return done.stdout if wanted == 0 else done.stderr


def contents(store):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in store.iterdir() if path.name in ("extents", "journal", "catalog.db")}


def read_names(store, known):
    """And verifies all data; reading changes no byte of the store."""
    before = contents(store)
    if varve(store, "volumes", "list", "--names").split() != known["volumes"]:
        sys.exit("FAIL other volumes")
    details = json.loads(varve(store, "datasets", "versions", "details", "team/words:prod", "--json"))
    if details["digest"] != known["digest"]:
        sys.exit("FAIL another digest")
    varve(store, "check", "--data")
    if contents(store) != before:
        sys.exit("FAIL reading has changed the store")


def read_data(store, known, scratch):
    """Through a server, which may write."""
    for ref, digest in known["refs"].items():
        image = Path(scratch, "image")
        varve(store, "export", ref, str(image), "--force")
        if hashlib.sha256(image.read_bytes()).hexdigest() != digest:
            sys.exit(f"FAIL {ref} has other bytes")


def set_aside(store, known):
    for name, wanted in known.get("aside", {"kept": 1 << 20}).items():
        found = json.loads(varve(store, "volumes", "show", name, "--json"))["set_aside_bytes"]
        if found != wanted:
            sys.exit(f"FAIL {found} bytes are set aside for {name}, not {wanted}")


def write_some(store, known):
    varve(store, "volumes", "create", "new", "--size", "1M")
    set_aside(store, known)
    varve(store, "volumes", "resize", "alpha", "--size", "8M", "--yes")
    varve(store, "volumes", "delete", "renamed", "--yes")
    varve(store, "datasets", "versions", "verify", "team/words:prod")
    go_on(store)
    varve(store, "check", "--data")


def go_on(store):
    """The next version comes from one whose digest may be of an older construction."""
    ref = varve(store, "datasets", "versions", "create", "team/words", "--from", "team/words:prod").split()[-1]
    varve(store, "datasets", "versions", "commit", ref)
    varve(store, "datasets", "versions", "verify", ref)
    said = varve(store, "datasets", "versions", "diff", "team/words:prod", ref)
    if "Changed: 0 B" not in " ".join(said.split()) or "file" in said.lower():
        sys.exit(f"FAIL the next version differs: {said}")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def set_feature(store, field):
    with open(store / "extents", "r+b") as extents:
        for at in COPIES:
            extents.seek(at)
            block = bytearray(extents.read(BLOCK))
            struct.pack_into("<Q", block, field, UNKNOWN | struct.unpack_from("<Q", block, field)[0])
            struct.pack_into("<I", block, CRC, crc32c(block[:CRC]))
            extents.seek(at)
            extents.write(block)


def one(archive, scratch):
    known = json.loads(archive.with_name(archive.name.replace(".tar.xz", ".json")).read_text())

    def fresh(name):
        store = Path(scratch, archive.name, name)
        store.mkdir(parents=True)
        subprocess.run(["tar", "-xJf", archive, "-C", store], check=True)
        return store

    store = fresh("as it was")
    read_names(store, known)
    read_data(store, known, scratch)
    write_some(store, known)

    store = fresh("compatible")
    set_feature(store, COMPATIBLE)
    read_names(store, known)
    read_data(store, known, scratch)
    write_some(store, known)
    with open(store / "extents", "rb") as extents:
        if struct.unpack_from("<Q", extents.read(BLOCK), COMPATIBLE)[0] != UNKNOWN:
            sys.exit("FAIL an unknown compatible feature is not kept")

    store = fresh("read-only")
    set_feature(store, READ_ONLY)
    read_names(store, known)
    before = contents(store)
    said = varve(store, "volumes", "create", "new", "--size", "1M", wanted=7)
    if "only" not in said or contents(store) != before:
        sys.exit(f"FAIL a store that may only be read is changed: {said}")

    store = fresh("incompatible")
    set_feature(store, INCOMPATIBLE)
    before = contents(store)
    said = varve(store, "volumes", "list", wanted=1)
    if "0x8000000000000000" not in said or contents(store) != before:
        sys.exit(f"FAIL a store with unknown features is not refused by name: {said}")


def main():
    archives = sorted(FOLDER.glob("*.tar.xz"))
    if not archives:
        sys.exit("FAIL there is no golden store")
    for archive in archives:
        with tempfile.TemporaryDirectory() as scratch:
            one(archive, scratch)
        print(f"ok {archive.name}")
    return 0


sys.exit(main())
