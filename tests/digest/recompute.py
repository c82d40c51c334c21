#!/usr/bin/python3
"""Recomputes a version's digest (server/digest/DIGEST.md) from the bytes of a file, or of an export given as nbd:// or nbd+unix:// URI."""
import hashlib
import sys

LEAF = 1 << 20


def digest(size, read):
    row = [hashlib.sha256(b"\0" + read(at, min(LEAF, size - at))).digest() for at in range(0, size, LEAF)]
    while len(row) > 1:
        pairs = [hashlib.sha256(b"\1" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2:]
    return hashlib.sha256(b"\2" + size.to_bytes(8, "little") + b"".join(row)).hexdigest()


def main(source):
    if source.startswith("nbd"):
        import nbd
        handle = nbd.NBD()
        handle.connect_uri(source)
        print(digest(handle.get_size(), lambda at, n: bytes(handle.pread(n, at))))
    else:
        with open(source, "rb") as file:
            size = file.seek(0, 2)
            print(digest(size, lambda at, n: (file.seek(at), file.read(n))[1]))


if __name__ == "__main__":
    main(sys.argv[1])
