#!/usr/bin/python3
"""versions create --source-path: what comes in is what was there, all of it or nothing; with a server and without."""
# timeout: 240

import hashlib
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess

from command import CANCELLED, DONE, EXISTS, NOT_FOUND, NO_SPACE, USAGE, VARVE, Store, run_cases

store = Store(init=False)
store.done("init", str(store.path), "--limit", "1G", "--journal", "4M")
TREE = store.folder / "tree"
LONG = "n" * 255


def as_root(action):
    """What only root may do is not in the tree of others."""
    try:
        action()
    except PermissionError:
        pass


def acl():
    entries = [(1, 6, -1), (2, 4, 1234), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


def make_tree():
    (TREE / "a/b").mkdir(parents=True)
    (TREE / "a/one").write_text("one\n")
    (TREE / "a/same").hardlink_to(TREE / "a/one")
    (TREE / "fast").symlink_to("a/one")
    (TREE / "slow").symlink_to("../" * 40 + "x" * 200)
    (TREE / LONG).write_text("")
    with open(os.fsencode(TREE) + b"/\xff\xfe\n", "w", encoding="ascii") as file:
        file.write("odd")
    (TREE / "many").mkdir()
    for i in range(3000):
        (TREE / f"many/{i:04}-{'m' * 60}").write_bytes(b"x" * (i % 50))
    with open(TREE / "holes", "wb") as file:
        for i in range(700):
            os.pwrite(file.fileno(), b"data%d" % i, i * 3 * 4096 + 17)
        file.truncate(6 << 30)
    (TREE / "big").write_bytes(os.urandom(5_000_001))
    os.chmod(TREE / "big", 0o4751)
    os.mkfifo(TREE / "fifo")
    with socket.socket(socket.AF_UNIX) as door:
        here = os.getcwd()
        os.chdir(TREE)
        door.bind("door")
        os.chdir(here)
    os.setxattr(TREE / "a/one", "user.small", b"v")
    os.setxattr(TREE / "big", "user.large", b"q" * 2000)
    os.setxattr(TREE / "a/b", "user.folder", b"f" * 90)
    os.setxattr(TREE / "holes", "system.posix_acl_access", acl())
    os.setxattr(TREE / "many", "system.posix_acl_default", acl())
    as_root(lambda: os.mknod(TREE / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3)))
    as_root(lambda: os.mknod(TREE / "disk", 0o660 | stat.S_IFBLK, os.makedev(300, 70000)))
    as_root(lambda: os.chown(TREE / "a/one", 70000, 4_000_000_000))
    os.utime(TREE / "a/one", ns=(123456789, 7 * 10**18 + 987654321))
    os.utime(TREE / "a/b", ns=(0, -5 * 10**9 + 1))


def entry_of(path):
    found = os.lstat(path)
    entry = {"mode": found.st_mode, "owner": (found.st_uid, found.st_gid), "mtime": found.st_mtime_ns}
    entry["attributes"] = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    if not stat.S_ISDIR(found.st_mode):
        entry.update(links=found.st_nlink, size=found.st_size, device=found.st_rdev)
    if stat.S_ISLNK(found.st_mode):
        entry["target"] = os.readlink(path)
    if stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            entry["digest"] = hashlib.file_digest(file, "sha256").hexdigest() if found.st_size < 1 << 30 else None
    return entry


def entries(top):
    top = os.fsencode(top)
    found = {b".": entry_of(top)}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = entry_of(path)
    found.pop(b"lost+found", None)
    return found


def image_of(ref):
    """The content of a version, found clean by e2fsck."""
    out = store.folder / "out.img"
    out.unlink(missing_ok=True)
    store.done("export", ref, str(out))
    ran = subprocess.run(["e2fsck", "-fn", out], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    return out


def mounted(image, look):
    """Calls look with the folder where the kernel shows the image; False when it may not."""
    place = store.folder / "mounted"
    place.mkdir(exist_ok=True)
    if os.getuid() != 0:
        return False
    ran = subprocess.run(["mount", "-o", "loop,ro", image, place], capture_output=True, check=False)
    if ran.returncode != 0:
        assert b"loop" in ran.stderr or b"permi" in ran.stderr, ran.stderr
        return False
    try:
        look(place)
    finally:
        subprocess.run(["umount", place], check=True)
    return True


def names_in(ref, path="/"):
    return [file["path"] for file in store.json("datasets", "files", "list", ref, "--path", path)["files"]]


def same_tree(place):
    wanted, found = entries(TREE), entries(place)
    assert wanted.keys() == found.keys(), wanted.keys() ^ found.keys()
    for path, entry in wanted.items():
        assert found[path] == entry, (path, entry, found[path])
    assert (place / "a/one").stat().st_ino == (place / "a/same").stat().st_ino
    with open(place / "holes", "rb") as new, open(TREE / "holes", "rb") as old:
        assert new.read(9 << 20) == old.read(9 << 20)
    assert (place / "holes").stat().st_blocks < 40_000


def all_of_it(name):
    store.done("datasets", "create", "--name", name)
    said = store.done("datasets", "versions", "create", name, "--source-path", f"{TREE}/", "-m", "whole")
    ref = said.splitlines()[0].removeprefix("Created dataset version: ")
    assert said == f"Created dataset version: {ref}\nCommitted dataset version: {ref}\n", said
    page = store.json("datasets", "versions", "details", ref)
    assert page["committed"] and page["class"] == "clean" and page["message"] == "whole", page
    assert page["mapped_bytes"] < 64 << 20, page  # holes cost nothing, inode tables neither
    if not mounted(image_of(ref), same_tree):
        print("not mounted here: metadata is compared by name alone")
    assert len(names_in(ref, "/many")) == 3000
    label = subprocess.run(["e2label", store.folder / "out.img"], capture_output=True, text=True, check=True)
    assert label.stdout.strip() == name[:16], label.stdout


def lists_of_files(name):
    """A manifest is made at each commit; two of them are merged for a diff."""
    first = store.json("datasets", "versions", "details", f"{name}:latest")
    assert first["files"] == len(entries(TREE)), first["files"]  # the root is no line, lost+found is
    ref = store.done("datasets", "versions", "create", name, "--from", f"{name}:latest").split()[-1]
    store.done("datasets", "files", "delete", ref, "--path", "many", "--yes")
    store.done("datasets", "versions", "commit", ref)
    second = store.json("datasets", "versions", "details", ref)
    assert second["files"] == first["files"] - 3001, second["files"]
    found = store.json("datasets", "versions", "diff", first["ref"], ref)["files"]
    assert (found["added"], found["removed"], found["changed"]) == (0, 3001, 0), found
    assert {"change": "removed", "path": "many"} in found["paths"]
    back = store.json("datasets", "versions", "diff", ref, first["ref"])["files"]
    assert (back["added"], back["removed"], back["changed"]) == (3001, 0, 0), back

    # other blocks, the same bytes: only what was changed is a change
    old = (TREE / "big").read_bytes()
    (TREE / "big").write_bytes(bytes([old[0] ^ 1]) + old[1:])
    (TREE / "a/new\nline").write_text("new")
    os.chmod(TREE / "fifo", 0o600)
    os.utime(TREE / "slow", ns=(5, 5), follow_symlinks=False)
    third = store.json("datasets", "versions", "create", name, "--source-path", f"{TREE}/")["ref"]
    found = store.json("datasets", "versions", "diff", first["ref"], third)["files"]
    changes = sorted((change["change"], change["path"]) for change in found["paths"])
    assert changes == [("added", "a/new\nline"), ("changed", "big"), ("changed", "fifo")], changes
    said = store.done("datasets", "versions", "diff", first["ref"], third)
    assert "Files: 1 added, 0 removed, 2 changed, 0 renamed\n" in said and "\nA a/new?line\n" in said, said
    (TREE / "a/new\nline").unlink()
    os.chmod(TREE / "fifo", 0o644)
    raw = store.done("datasets", "versions", "create", name, "--size", "10M").split()[-1]
    store.done("datasets", "versions", "commit", raw)
    assert store.json("datasets", "versions", "details", raw)["files"] is None
    assert store.json("datasets", "versions", "diff", raw, third)["files"] is None


def sources(name):
    """rsync's rule, several sources, paths from here, no commit, a size."""
    (store.folder / "extra").mkdir(exist_ok=True)
    (store.folder / "extra/e").write_text("e")
    ran = subprocess.run(
        [VARVE, "datasets", "versions", "create", name, "--source-path", "tree/a", "--source-path", "extra/"]
        + ["--source-path", "tree/big", "--no-commit", "--size", "100M", "--json"],
        cwd=store.folder, env=store.environment, capture_output=True, text=True, check=False)
    assert ran.returncode == DONE, ran.stderr
    ref = store.done("datasets", "versions", "list", name, "--all", "--refs").split()[0]
    page = store.json("datasets", "versions", "details", ref)
    assert not page["committed"] and page["size"] == 100 << 20 and not page["incomplete"], page
    assert sorted(names_in(ref)) == ["a", "big", "e", "lost+found"], names_in(ref)
    image_of(ref)
    store.done("datasets", "versions", "commit", ref)


def refused(name):
    before = store.done("datasets", "versions", "list", name, "--all", "--refs")
    create = ("datasets", "versions", "create", name)
    gone = str(store.folder / "gone")
    store.refused(NOT_FOUND, *create, "--source-path", gone, says=gone)
    store.refused(EXISTS, *create, "--source-path", f"{TREE}/a/", "--source-path", f"{TREE}/a/one", says="'one'")
    store.refused(NO_SPACE, *create, "--source-path", f"{TREE}/", "--size", "8M", says="too small")
    store.refused(USAGE, *create, "--source-path", f"{TREE}/", "--from", f"{name}:latest")
    store.refused(USAGE, *create, "--no-commit", "--size", "10M")
    store.refused(USAGE, *create, "--source-path", "")
    store.refused(NOT_FOUND, "datasets", "versions", "create", "nobody", "--source-path", f"{TREE}/")
    full = store.folder / "full"
    full.mkdir()
    with open(full / "large", "wb") as file:  # more than the store holds
        for _ in range(1100):
            file.write(os.urandom(1 << 20))
    store.refused(NO_SPACE, *create, "--source-path", f"{full}/", timeout=120)
    shutil.rmtree(full)
    assert store.done("datasets", "versions", "list", name, "--all", "--refs") == before


def cancelled(name):
    many = store.folder / "endless"
    many.mkdir()
    with open(many / "large", "wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))
    before = store.done("datasets", "versions", "list", name, "--all", "--refs")
    words = ["datasets", "versions", "create", name, "--source-path", f"{many}/", "--progress"]
    with subprocess.Popen([VARVE, *words], env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as work:
        assert os.read(work.stderr.fileno(), 1), "nothing is told of the work"
        work.send_signal(signal.SIGINT)
        work.communicate(timeout=60)
    shutil.rmtree(many)
    assert work.returncode in (CANCELLED, DONE), work.returncode
    if work.returncode == DONE:
        print("the work was faster than its end")
        store.done("datasets", "versions", "delete", f"{name}:latest", "--yes")
    assert store.done("datasets", "versions", "list", name, "--all", "--refs") == before


def commit_fails(name):
    """Cancelled when all files are in: no version is left, also none that is held."""
    many = store.folder / "many-bytes"
    many.mkdir()
    with open(many / "large", "wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    before = store.done("datasets", "versions", "list", name, "--all", "--refs")
    words = ["datasets", "versions", "create", name, "--source-path", f"{many}/", "--hold", "dear", "--progress"]
    with subprocess.Popen([VARVE, *words], env=store.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as work:
        told = b""
        while b"digest" not in told:
            piece = os.read(work.stderr.fileno(), 65536)
            assert piece, told
            told += piece
        work.send_signal(signal.SIGINT)
        said, _ = work.communicate(timeout=60)
    shutil.rmtree(many)
    assert work.returncode in (CANCELLED, DONE), work.returncode
    if work.returncode == CANCELLED:
        assert said == b"", said
        assert store.done("datasets", "versions", "list", name, "--all", "--refs") == before
        assert store.json("holds", "list") == {"holds": []}
    else:
        print("the commit was faster than its end")
        store.done("holds", "release", f"{name}:latest")
        store.done("datasets", "versions", "delete", f"{name}:latest", "--yes")


def offline():
    all_of_it("alone")
    lists_of_files("alone")
    sources("alone")
    refused("alone")
    cancelled("alone")
    commit_fails("alone")


def served():
    store.start()
    all_of_it("served-by-a-long-name")
    lists_of_files("served-by-a-long-name")
    sources("served-by-a-long-name")
    refused("served-by-a-long-name")
    cancelled("served-by-a-long-name")
    commit_fails("served-by-a-long-name")
    store.stop()
    store.done("check")


make_tree()
run_cases([offline, served])
