#!/usr/bin/python3
"""The manifest of a committed version is shown as it was made, whole or below a path; with a server and without."""
# timeout: 240

import json
import os
import pathlib
import subprocess
import sys

from command import DAMAGED, DONE, FAILED, NOT_FOUND, USAGE, VARVE, Store, run_cases

RECOMPUTE = pathlib.Path(__file__).resolve().parents[1] / "digest/recompute.py"
MIB = 1 << 20
MANY = 30_000
store = Store(init=False)
store.done("init", str(store.path), "--limit", "1G", "--journal", "4M")
TREE = store.folder / "tree"
MANIFEST = ("datasets", "versions", "manifest")


def make_tree():
    (TREE / "a/b").mkdir(parents=True)
    (TREE / "a/one").write_text("one\n")
    (TREE / "a-b").write_text("comes after what is in a")
    (TREE / "a/b/deep").write_bytes(bytes(range(256)) * 9000)
    (TREE / "empty").write_text("")
    (TREE / "link").symlink_to("a/one")
    (TREE / "new\nline\x1b[31m").write_text("odd")
    os.mkfifo(TREE / "pipe")
    os.chmod(TREE / "a/one", 0o4751)
    os.utime(TREE / "a/one", (1_000_000_000, 1_000_000_000))


def digest_of(path):
    return subprocess.run([sys.executable, RECOMPUTE, path, "1"], check=True, capture_output=True, text=True).stdout.strip()


def committed(name):
    store.done("datasets", "create", name)
    return store.json("datasets", "versions", "create", name, "--source-path", f"{TREE}/")["ref"]


def whole(ref):
    page = store.json("datasets", "versions", "details", ref)
    found = store.json(*MANIFEST, ref)
    assert (found["ref"], found["digest"]) == (ref, page["digest"]), found
    assert len(found["files"]) == page["files"], found
    paths = [file["path"] for file in found["files"]]
    assert paths == ["a", "a/b", "a/b/deep", "a/one", "a-b", "empty", "link", "lost+found", "new\nline\x1b[31m", "pipe"], paths
    files = {file["path"]: file for file in found["files"]}
    for path, file in files.items():
        if path == "lost+found":
            continue
        told = os.lstat(TREE / path)
        assert file["mode"] == f"{told.st_mode & 0o7777:04o}", file
        if file["type"] == "file":
            assert file["size"] == told.st_size and file["digest"] == digest_of(TREE / path), file
        else:
            assert file["digest"] is None, file
    assert {file["type"] for file in files.values()} == {"file", "folder", "link", "pipe"}
    assert files["link"]["target"] == "a/one" and files["a/one"]["modified"] == "2001-09-09T01:46:40Z"
    table = store.done(*MANIFEST, ref).splitlines()
    assert table[0].split() == ["TYPE", "MODE", "SIZE", "DIGEST", "PATH"] and len(table) == 1 + len(paths), table
    assert table[4].split() == ["file", "4751", "4", files["a/one"]["digest"][:12], "a/one"], table
    assert table[7].endswith("link -> a/one") and table[9].endswith("new?line?[31m"), table


def below(ref):
    def paths(path):
        return [file["path"] for file in store.json(*MANIFEST, "--id", ref, "--path", path)["files"]]

    assert paths("a") == paths("/a/") == paths("./a//") == ["a", "a/b", "a/b/deep", "a/one"]
    assert paths("a/b/deep") == ["a/b/deep"] and paths("a-b") == ["a-b"]
    assert paths("/") == paths("") == paths(".") and len(paths("/")) == 10
    for path in ("b", "a/o", "a/one/x", "../a", "link/x", "A"):
        store.refused(NOT_FOUND, *MANIFEST, ref, "--path", path, says="no file or folder")
    store.refused(USAGE, *MANIFEST, ref, "--path", "x/" * 3000, says="4095")


def refused(name, ref):
    store.refused(USAGE, *MANIFEST, says="which one")
    store.refused(USAGE, *MANIFEST, ref, "--id", ref, says="once")
    store.refused(USAGE, *MANIFEST, ref, ref)
    store.refused(USAGE, *MANIFEST, "a..b")
    store.refused(USAGE, *MANIFEST, "volume@snapshot", says="dataset")
    store.refused(NOT_FOUND, *MANIFEST, "absent", says="absent")
    store.refused(NOT_FOUND, *MANIFEST, f"{name}:absent", says="absent")
    open_one = store.json("datasets", "versions", "create", name, "--size", "1M")["ref"]
    store.refused(USAGE, *MANIFEST, open_one, says="not committed")
    store.done("datasets", "versions", "commit", open_one)
    store.refused(FAILED, *MANIFEST, open_one, says="class raw")
    store.refused(FAILED, *MANIFEST, open_one, "--json", says="class raw")


def renames(name):
    """What has the same bytes under another name is renamed, and nothing is guessed of empty files."""
    before = store.json("datasets", "versions", "create", name, "--source-path", f"{TREE}/")["ref"]
    moves = {"a/one": "a/uno", "a/b/deep": "deep", "empty": "void"}
    for old, new in moves.items():
        (TREE / old).rename(TREE / new)
    (TREE / "a-b").write_text("comes after what is in A")
    (TREE / "copy").write_text("one\n")
    after = store.json("datasets", "versions", "create", name, "--source-path", f"{TREE}/")["ref"]
    found = store.json("datasets", "versions", "diff", before, after)["files"]
    assert found.pop("paths") == [
        {"change": "renamed", "path": "a/uno", "old_path": "a/one"},
        {"change": "changed", "path": "a-b"},
        {"change": "added", "path": "copy"},
        {"change": "renamed", "path": "deep", "old_path": "a/b/deep"},
        {"change": "removed", "path": "empty"},
        {"change": "added", "path": "void"},
    ], found
    assert found == {"added": 2, "removed": 1, "changed": 1, "renamed": 2, "renames_skipped": False}, found
    said = store.done("datasets", "versions", "diff", before, after)
    files = said[said.index("\nFiles:"):]
    assert files == "\n".join([
        "", "Files: 2 added, 1 removed, 1 changed, 2 renamed", "R a/one -> a/uno", "M a-b", "A copy", "R a/b/deep -> deep",
        "D empty", "A void", ""]), files
    (TREE / "copy").unlink()
    (TREE / "a-b").write_text("comes after what is in a")
    for old, new in moves.items():
        (TREE / new).rename(TREE / old)


def all_of_it(name):
    ref = committed(name)
    whole(ref)
    below(ref)
    refused(name, ref)
    renames(name)


def memory(pid, what):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(what + ":"))


def watched(*words):
    """How much the command prints, how that ends, and how much memory it takes."""
    length, tail = 0, b""
    with subprocess.Popen([VARVE, *words], env=store.environment, stdout=subprocess.PIPE) as shown:
        while piece := shown.stdout.read(MIB):
            length += len(piece)
            tail = (tail + piece)[-8:]
        _, status, usage = os.wait4(shown.pid, 0)
        shown.returncode = os.waitstatus_to_exitcode(status)
    assert shown.returncode == DONE, shown.returncode
    return length, tail, usage.ru_maxrss << 10


def a_long_one_is_not_held_in_memory():
    """Neither by the server nor by the command."""
    many = store.folder / "many"
    many.mkdir()
    for i in range(MANY):
        (many / f"{i:06}-{'n' * 240}").touch()
    ref = store.json("datasets", "versions", "create", "served", "--source-path", f"{many}/")["ref"]
    pathlib.Path(f"/proc/{store.server.pid}/clear_refs").write_text("5")
    before = memory(store.server.pid, "VmHWM")
    length, tail, peak = watched(*MANIFEST, ref, "--json")
    grown = memory(store.server.pid, "VmHWM") - before
    print(f"  {length} bytes: the server took {grown}, the command {peak} in all")
    assert tail.endswith(b"]\n}\n") and length > 12 * MIB, (length, tail)
    assert grown < 6 * MIB, f"the server took {grown} bytes for {length}"
    assert peak < watched("datasets", "versions", "details", ref)[2] + 6 * MIB, f"the command took {peak}"
    # who reads no further ends it, and hurts nobody
    with subprocess.Popen([VARVE, *MANIFEST, ref], env=store.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as cut:
        assert cut.stdout.readline().startswith(b"TYPE")
        cut.stdout.close()
        cut.wait(30)
    assert store.json(*MANIFEST, ref, "--path", f"{7:06}-{'n' * 240}")["files"][0]["size"] == 0


def by_http():
    ref = store.done("datasets", "versions", "list", "served", "--refs").split()[-1]
    answer = store.http(f"GET /v1/versions/{ref}/manifest?path=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b"application/jsonl" in answer and b'"path":"a/one"' in answer, answer
    answer = store.http(f"GET /v1/versions/{ref}/manifest?path=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404") and b"ENOENT" in answer, answer


def damage_breaks_it_off():
    assert store.stop() == 0
    ref = store.done("datasets", "versions", "list", "served", "--refs").split()[0]
    with open(store.path / "extents", "r+b") as extents:
        place = extents.read().find(f"\n{MANY // 2:06}-nnn".encode())
        assert place > 0
        extents.seek(place + 2)
        extents.write(b"!")
    ran = store.run(*MANIFEST, ref, "--json")
    assert ran.returncode == DAMAGED and ran.stderr, ran.stderr
    try:
        json.loads(ran.stdout)
        raise AssertionError("what broke off is whole JSON")
    except json.JSONDecodeError:
        pass


def offline():
    all_of_it("alone")


def served():
    store.start()
    all_of_it("served")


make_tree()
run_cases([offline, served, by_http, a_long_one_is_not_held_in_memory, damage_breaks_it_off])
