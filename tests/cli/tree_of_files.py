"""A tree of files of every kind, and whether another one is the same."""

import os
import shutil
import stat
import subprocess

LONG = "n" * 255
BYTES = b"not text \xff\xfe"
ROOT = os.geteuid() == 0


def make_tree(top):
    """Makes it in the folder `top`/a."""
    (top / "a/b").mkdir(parents=True)
    (top / "a/one").write_text("one\n")
    (top / "a/b/same").hardlink_to(top / "a/one")
    (top / "a/b/up").symlink_to("../one")
    (top / "a/far").symlink_to("/" + "t" * 200)
    (top / "a/dangling").symlink_to("nowhere")
    (top / "a/link-to-b").symlink_to("b")
    (top / "a" / LONG).write_text("long")
    (top / "a/new\nline").write_text("")
    with open(os.fsencode(top / "a") + b"/" + BYTES, "wb") as file:
        file.write(b"bytes")
    (top / "a/random").write_bytes(os.urandom(5_000_001))
    with open(top / "a/sparse", "wb") as file:
        file.truncate(5 << 30)
        for at in (0, 1 << 20, (4 << 30) + 4096, (5 << 30) - 3):
            file.seek(at)
            file.write(b"end")
    with open(top / "a/hole", "wb") as file:
        file.truncate(3_000_000)
    os.mkfifo(top / "a/pipe")
    (top / "a/locked").mkdir()
    (top / "a/locked/in").write_text("in")
    os.chmod(top / "a/one", 0o4751)
    os.chmod(top / "a/random", 0o400)
    os.setxattr(top / "a/one", "user.words", b"some \0 bytes")
    os.setxattr(top / "a/b", "user.folder", b"x" * 900)
    if ROOT:
        os.chown(top / "a/hole", 70000, 3)
        os.mknod(top / "a/device", 0o620 | stat.S_IFCHR, os.makedev(300, 70000))
    for path in ("a/one", "a/random", "a/b/up"):
        os.utime(top / path, ns=(10**18, 1234567890 * 10**9 + 987654321), follow_symlinks=False)
    os.chmod(top / "a/locked", 0o555)
    os.utime(top / "a/b", ns=(10**18, 10**18 + 1))


def content(path):
    """What is data of a file, with its places: a sparse one is not read as zeroes."""
    found, at = [], 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            file.seek(at)
            data = file.read(end - at)
            # blocks of zeroes may be data or not
            for i in range(0, len(data), 4096):
                if data[i : i + 4096].strip(b"\0"):
                    found.append((at + i, data[i : i + 4096]))
            at = end
    return size, found


def describe(top):
    """{path: all that must be the same} of a tree."""
    top = os.fsencode(top)
    seen = {}
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [b"."] * (folder == top) + folders + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, top)
            status = os.lstat(path)
            mode = status.st_mode
            facts = [stat.filemode(mode), status.st_uid, status.st_gid, status.st_mtime_ns]
            if stat.S_ISLNK(mode):
                facts.append(os.readlink(path))
            else:
                facts.append({n: os.getxattr(path, n) for n in os.listxattr(path)})
            if stat.S_ISREG(mode):
                facts += [content(path), status.st_nlink]
                seen.setdefault(status.st_ino, []).append(key)
            if stat.S_ISCHR(mode):
                facts.append(status.st_rdev)
            found[key] = facts
    links = sorted(sorted(names) for names in seen.values() if len(names) > 1)
    return found, links


def same(one, other):
    (a, links), (b, more) = describe(one), describe(other)
    assert sorted(a) == sorted(b), (sorted(a), sorted(b))
    for path in a:
        assert a[path] == b[path], (path, str(a[path])[:500], str(b[path])[:500])
    assert links == more, (links, more)


def clean(path):
    subprocess.run(["chmod", "-R", "-f", "u+rwX", path], check=False)
    shutil.rmtree(path, ignore_errors=True)
