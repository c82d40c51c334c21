#!/usr/bin/python3
"""Files got out of a version: everything comes as it was, or nothing comes. Served and not."""
# timeout: 300

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

from command import CANCELLED, FAILED, NOT_FOUND, USAGE, VARVE, Store, one_sentence, run_cases

store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M", "--journal", "4M")
TREE = store.folder / "tree"
LONG = "n" * 255
BYTES = b"not text \xff\xfe"
ROOT = os.geteuid() == 0
GET = ("datasets", "files", "get")


def make_tree():
    (TREE / "a/b").mkdir(parents=True)
    (TREE / "a/one").write_text("one\n")
    (TREE / "a/b/same").hardlink_to(TREE / "a/one")
    (TREE / "a/b/up").symlink_to("../one")
    (TREE / "a/far").symlink_to("/" + "t" * 200)
    (TREE / "a/dangling").symlink_to("nowhere")
    (TREE / "a/link-to-b").symlink_to("b")
    (TREE / "a" / LONG).write_text("long")
    (TREE / "a/new\nline").write_text("")
    with open(os.fsencode(TREE / "a") + b"/" + BYTES, "wb") as file:
        file.write(b"bytes")
    (TREE / "a/random").write_bytes(os.urandom(5_000_001))
    with open(TREE / "a/sparse", "wb") as file:
        file.truncate(5 << 30)
        for at in (0, 1 << 20, (4 << 30) + 4096, (5 << 30) - 3):
            file.seek(at)
            file.write(b"end")
    with open(TREE / "a/hole", "wb") as file:
        file.truncate(3_000_000)
    os.mkfifo(TREE / "a/pipe")
    (TREE / "a/locked").mkdir()
    (TREE / "a/locked/in").write_text("in")
    os.chmod(TREE / "a/one", 0o4751)
    os.chmod(TREE / "a/random", 0o400)
    os.setxattr(TREE / "a/one", "user.words", b"some \0 bytes")
    os.setxattr(TREE / "a/b", "user.folder", b"x" * 900)
    if ROOT:
        os.chown(TREE / "a/hole", 70000, 3)
        os.mknod(TREE / "a/device", 0o620 | stat.S_IFCHR, os.makedev(300, 70000))
    for path in ("a/one", "a/random", "a/b/up"):
        os.utime(TREE / path, ns=(10**18, 1234567890 * 10**9 + 987654321), follow_symlinks=False)
    os.chmod(TREE / "a/locked", 0o555)
    os.utime(TREE / "a/b", ns=(10**18, 10**18 + 1))


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
    subprocess.run(["chmod", "-R", "u+rwX", path], check=False)
    shutil.rmtree(path, ignore_errors=True)


def new_version(name):
    store.done("datasets", "create", "--name", name)
    store.done("datasets", "versions", "create", name, "--source-path", str(TREE) + "/", "--no-commit")
    return store.done("datasets", "versions", "list", name, "--all", "--refs").split()[0]


def no_rest(folder):
    rest = [path.name for path in pathlib.Path(folder).iterdir() if path.name.startswith(".varve-get")]
    assert rest == [], rest


def story(name):
    ref = new_version(name)
    out = store.folder / "out"
    out.mkdir()

    def get(source, target, *words):
        return store.done(*GET, ref, "--source-path", source, "--target-path", str(target), *words)

    get("a", out)
    same(TREE / "a", out / "a")
    get("/a/", out / "content")
    same(TREE / "a", out / "content")
    get("/", out / "all")
    same(TREE / "a", out / "all/a")
    assert (out / "all").stat().st_mode == TREE.stat().st_mode
    assert not (out / "all/lost+found").exists()
    clean(out / "all")
    clean(out / "content")
    assert (out / "a/sparse").stat().st_blocks < 1000, "holes take no space"

    get("a/one", out / "renamed")
    assert (out / "renamed").read_text() == "one\n"
    get("a/one", out)
    get("a/one", str(out / "made") + "/")
    assert (out / "one").read_text() == (out / "made/one").read_text() == "one\n"
    get("a/b/up", out / "up")
    assert os.readlink(out / "up") == "../one", "a link is got and not followed"
    get("a/link-to-b/", out / "b")
    assert sorted(os.listdir(out / "b")) == ["same", "up"], "with a slash it is followed"

    # what is there is merged
    (out / "a/one").unlink()
    (out / "a/one").write_text("old")
    (out / "a/mine").write_text("mine")
    get("a", out)
    assert (out / "a/one").read_text() == "one\n" and (out / "a/mine").read_text() == "mine"
    (out / "a/b/same").unlink()
    (out / "a/b/same").mkdir()
    (out / "a/one").write_text("kept")
    where = ("--source-path", "a", "--target-path", str(out))
    store.refused(FAILED, *GET, ref, *where, says="folder of that name")
    assert (out / "a/one").read_text() == "kept", "a refusal changes nothing"
    os.rmdir(out / "a/b/same")

    target = ("--target-path", str(out / "none"))
    store.refused(NOT_FOUND, *GET, ref, "--source-path", "absent", *target, says="absent")
    store.refused(NOT_FOUND, *GET, "absent:latest", "--source-path", "a", *target)
    store.refused(FAILED, *GET, ref, "--source-path", "a/one/", *target, says="no folder")
    store.refused(USAGE, *GET, ref, *target, says="--source-path")
    store.refused(USAGE, *GET, ref, "--source-path", "a", says="--target-path")
    store.refused(NOT_FOUND, *GET, ref, "--source-path", "a", "--target-path", str(out / "x/y/z"))
    assert not (out / "none").exists() and not (out / "x").exists()
    no_rest(out)

    # committed
    store.done("datasets", "versions", "commit", ref)
    store.done(*GET, "--id", ref, "--source-path", "a/b", "--target-path", str(out / "committed"))
    assert os.readlink(out / "committed/b/up") == "../one"
    clean(out)
    interrupted(ref)
    assert store.json("check")["problems"] == 0


def interrupted(ref):
    """A signal in the middle: no name is there that was not before."""
    out = store.folder / "out"
    out.mkdir()
    command = [VARVE, *GET, ref, "--source-path", "/", "--target-path", str(out / "all")]
    seen = False
    for _ in range(20):
        ran = subprocess.Popen(command, env=store.environment, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
        while ran.poll() is None and not list(out.glob(".varve-get*/tree/a/*")):
            time.sleep(0.001)
        ran.send_signal(signal.SIGINT)
        words = ran.communicate()[1].splitlines()
        if ran.returncode != 0:
            assert ran.returncode == CANCELLED, (ran.returncode, words)
            assert one_sentence(words[-1] + "\n"), words
            assert os.listdir(out) == [], os.listdir(out)
            seen = True
            break
        clean(out / "all")
    assert seen, "twenty transfers ended before a signal came"
    clean(out)


def without_a_server():
    story("offline")


def with_a_server():
    store.start()
    story("served")
    # the server dies in the middle: what came is not taken for all
    out = store.folder / "out"
    out.mkdir()
    ref = "served:latest"
    command = [VARVE, *GET, ref, "--source-path", "a", "--target-path", str(out)]
    ran = subprocess.Popen(command, env=store.environment, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    while ran.poll() is None and not list(out.glob(".varve-get*/tree/a/*")):
        time.sleep(0.001)
    store.kill()
    said = ran.communicate()[1]
    if ran.returncode != 0:
        assert one_sentence(said), said
        assert os.listdir(out) == [], os.listdir(out)
    clean(out)


make_tree()
try:
    run_cases([without_a_server, with_a_server])
finally:
    clean(TREE)
