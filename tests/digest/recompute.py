#!/usr/bin/python3
"""recompute.py SOURCE [CONSTRUCTION]: the digest of a version (server/digest/DIGEST.md) from the bytes of a file, or of an export
given as nbd:// or nbd+unix:// URI. Construction 2, or 1: that of a manifest's files and of versions of before."""
import hashlib
import sys

LEAF, BLOCK = 1 << 20, 4096


def sha(first, *rest):
    return hashlib.sha256(bytes([first]) + b"".join(rest)).digest()


def leaf_digest(content, construction):
    if construction == 1:
        return sha(0, content)
    return sha(4, *(sha(3, content[at:at + BLOCK]) for at in range(0, len(content), BLOCK)))


def digest(size, read, construction=2):
    row = [leaf_digest(read(at, min(LEAF, size - at)), construction) for at in range(0, size, LEAF)]
    while len(row) > 1:
        pairs = [sha(1, row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2:]
    return sha(2 if construction == 1 else 5, size.to_bytes(8, "little"), *row).hex()


def main(source, construction=2):
    if source.startswith("nbd"):
        import nbd
        handle = nbd.NBD()
        handle.connect_uri(source)
        print(digest(handle.get_size(), lambda at, n: bytes(handle.pread(n, at)), construction))
    else:
        with open(source, "rb") as file:
            size = file.seek(0, 2)
            print(digest(size, lambda at, n: (file.seek(at), file.read(n))[1], construction))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
