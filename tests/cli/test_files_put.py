#!/usr/bin/python3
"""Files put into a version: all of it comes as it is, or nothing changes. Served and not."""
# timeout: 600

import os
import random
import shutil
import subprocess

from command import FAILED, NO_SPACE, NOT_FOUND, NOT_PERMITTED, USAGE, Store, run_cases
from tree_of_files import clean, describe, make_tree, same

store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M", "--journal", "4M")
TREE = store.folder / "tree"
PUT = ("datasets", "files", "put")
# what mke2fs makes, small blocks, no extents, content in inodes, old inodes, clusters
KINDS = ("", "-b 1024", "-O ^extents,^64bit,^metadata_csum", "-O inline_data,ea_inode -I 256", "-b 2048 -O ^dir_index", "-O bigalloc -C 16384")


def shell(line):
    return subprocess.run(["sh", "-c", line], cwd=store.folder, check=True, capture_output=True, text=True).stdout


def new_version(name, made="truncate -s 48M image && mke2fs -q -t ext4 image"):
    """An uncommitted version that holds what the line makes in `image`."""
    store.done("datasets", "create", "--name", name)
    shell(made)
    store.done("import", str(store.folder / "image"), name)
    (store.folder / "image").unlink()
    return store.done("datasets", "versions", "list", name, "--all", "--refs").split()[0]


def got(ref, path):
    """The tree at a path, in a folder of this machine."""
    out = store.folder / "got"
    clean(out)
    out.mkdir()
    store.done("datasets", "files", "get", ref, "--source-path", path, "--target-path", str(out / "it"))
    return out / "it"


def paths(ref, *words):
    return sorted(file["path"] for file in store.json("datasets", "files", "list", ref, "--recursive", *words)["files"])


def round_trips(name, kinds):
    for number, kind in enumerate(kinds):
        ref = new_version(f"{name}-{number}", f"truncate -s 48M image && mke2fs -q -t ext4 {kind} image")
        said = store.done(*PUT, ref, "--source-path", str(TREE / "a"))
        assert said.startswith(f"Put: {TREE}/a to / (1"), said
        same(TREE / "a", got(ref, "a/"))
        store.done(*PUT, "--id", ref, "--source-path", f"{TREE}/a/", "--target-path", "new/way/b")
        store.digest(ref)
        same(TREE / "a", got(ref, "new/way/b/"))
        # all files again, over those that are there
        store.done(*PUT, ref, f"{TREE}/a", "--path", "new/way/../way")
        store.done(*PUT, ref, f"{TREE}/a", "--path", "/new/way")
        store.digest(ref)
        assert describe(got(ref, "new/way/a/"))[1] == describe(TREE / "a")[1], "the hard links"
        store.done("datasets", "delete", f"{name}-{number}", "--yes", "--force")


def many_files(name):
    """More names than a block holds, in a new folder and in one that is there; and again."""
    ref = new_version(name)
    many = store.folder / "many"
    many.mkdir()
    chance = random.Random(7)
    for number in range(3000):
        (many / f"{number:05}{'n' * chance.randrange(60)}").write_bytes(chance.randbytes(chance.randrange(9000)))
    for number in range(40):
        (many / f"folder{number}").mkdir()
    before = len(paths(ref))
    for target in ("/new", "/"):
        assert store.json(*PUT, ref, f"{many}/", "--path", target)["files"] >= 3040
        store.digest(ref)
        found = got(ref, f"{target}/")
        shutil.rmtree(found / "new", ignore_errors=True)
        a, b = describe(many)[0], describe(found)[0]
        a.pop(b"."), b.pop(b".")
        assert a == b, target
    assert len(paths(ref)) == before + 2 * 3040 + 1
    for file in list(many.iterdir())[:500]:
        if file.is_file():
            file.write_text("again")
    store.done(*PUT, ref, f"{many}/", "--path", "new")
    store.digest(ref)
    found = got(ref, "new/")
    assert all((found / file.name).read_bytes() == file.read_bytes() for file in many.iterdir() if file.is_file())
    mapped = store.json("datasets", "versions", "details", ref)["mapped_bytes"]
    store.done(*PUT, ref, f"{many}/", "--path", "new")
    assert store.json("datasets", "versions", "details", ref)["mapped_bytes"] < mapped + (1 << 20), "what was replaced stays"
    shutil.rmtree(many)
    store.done("datasets", "delete", name, "--yes", "--force")


def names_and_targets(name):
    ref = new_version(name)
    one = store.folder / "one"
    one.write_text("1")
    folder = store.folder / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in/file").write_text("f")
    store.done(*PUT, ref, str(one))
    store.done(*PUT, ref, str(one), "--path", "two")
    store.done(*PUT, ref, str(one), "--path", "dir/")
    store.done(*PUT, ref, str(one), "--path", "dir")
    store.done(*PUT, ref, str(one), "--path", "deep/er/three")
    store.done(*PUT, ref, str(folder), "--path", "deep")
    store.done(*PUT, ref, f"{folder}/", "--path", "content")
    expected = ["content", "content/in", "content/in/file", "deep", "deep/er", "deep/er/three", "deep/folder", "deep/folder/in",
                "deep/folder/in/file", "dir", "dir/one", "lost+found", "one", "two"]
    assert paths(ref) == expected, paths(ref)
    # a link to a folder leads on; one to a file is replaced, and so is one to nothing
    (store.folder / "link").symlink_to("/deep/er")
    (store.folder / "none").symlink_to("nowhere")
    store.done(*PUT, ref, str(store.folder / "link"))
    store.done(*PUT, ref, str(store.folder / "none"))
    store.done(*PUT, ref, str(one), "--path", "link/four")
    store.done(*PUT, ref, str(one), "--path", "none")
    found = {file["path"]: file for file in store.json("datasets", "files", "list", ref, "--recursive")["files"]}
    assert found["deep/er/four"]["type"] == "file" and found["none"]["type"] == "file" and found["link"]["type"] == "link", found
    # a folder that is there stays as it is, and what else is in it
    os.chmod(folder / "in", 0o700)
    (folder / "in/more").write_text("m")
    store.done(*PUT, ref, f"{folder}/", "--path", "content")
    found = {file["path"]: file["mode"] for file in store.json("datasets", "files", "list", ref, "--path", "content", "--recursive")["files"]}
    assert found == {"in": "0755", "in/file": "0644", "in/more": "0644"}, found
    # a file with two names keeps the other one's content
    two = store.folder / "two"
    two.mkdir()
    (two / "a").write_text("same")
    (two / "b").hardlink_to(two / "a")
    store.done(*PUT, ref, str(two), "--path", "linked")
    (two / "a").unlink()
    (two / "a").write_text("other")
    (two / "b").unlink()
    store.done(*PUT, ref, f"{two}/", "--path", "linked/two")
    assert (got(ref, "linked/two/") / "b").read_text() == "same"
    store.done(*PUT, ref, f"{folder}/.", "--path", "dot")
    assert paths(ref, "--path", "dot") == ["in", "in/file", "in/more"]

    history(ref)
    refusals(name, ref, one, folder)
    for each in ("one", "link", "none"):
        (store.folder / each).unlink()
    for each in ("folder", "two"):
        shutil.rmtree(store.folder / each)
    store.done("datasets", "delete", name, "--yes", "--force")


def history(ref):
    """Each put is one line of the log: who, what, how many; it follows the dataset's new name."""
    events = store.json("log", ref)["events"]
    what = [event["what"] for event in events if event["what"].startswith("put ")][::-1]
    assert all(event["kind"] == "version" and event["object"] == ref and event["who"] for event in events), events
    assert what[:6] == [
        "put /one (1 byte)",
        "put /two (1 byte)",
        "put /dir/one and 1 more (files and folders, 1 byte)",
        "put /dir/one (1 byte)",
        "put /deep/er/three and 2 more (files and folders, 1 byte)",
        "put /deep/folder/in/file and 2 more (files and folders, 1 byte)",
    ], what
    assert "put /link/four (1 byte)" in what and "put /none (0 bytes)" in what, what
    assert "put /deep/er/three and 2 more" in store.done("log", ref)


def refusals(name, ref, one, folder):
    """Bad input to a version that has a file `two` and a folder `deep`: nothing changes."""
    before, log = store.digest(ref), store.json("log")
    store.refused(FAILED, *PUT, ref, str(one), "--path", "two/", says="is a file and no folder")
    store.refused(FAILED, *PUT, ref, str(folder), "--path", "two", says="is a file and no folder")
    store.refused(FAILED, *PUT, ref, str(one), "--path", "two/three/four", says="no folder")
    store.refused(NOT_FOUND, *PUT, ref, "absent", says="absent")
    store.refused(FAILED, *PUT, ref, f"{one}/", says="no folder")
    store.refused(NOT_FOUND, *PUT, "absent:latest", str(one), says="absent")
    store.refused(NOT_FOUND, *PUT, name, str(one), says="no committed version")
    store.refused(USAGE, *PUT, ref, says="--source-path")
    store.refused(USAGE, *PUT, says="DATASET:VERSION")
    store.refused(USAGE, *PUT, ref, str(one), "--source-path", "x", says="once")
    store.refused(USAGE, *PUT, "--id", ref, "x", "y", says="once")
    store.refused(USAGE, *PUT, ref, str(one), "--path", "a", "--target-path", "b", says="one")
    store.refused(USAGE, *PUT, ref, str(one), "--path", "new/../../x", says="'..'")
    store.refused(USAGE, *PUT, ref, str(one), "--path", "y" * 256)
    store.refused(USAGE, *PUT, ref, str(one), "--path", "y/" * 2100)
    # a folder over a file and the reverse
    (store.folder / "clash/dir/one/below").mkdir(parents=True)
    store.refused(FAILED, *PUT, ref, f"{store.folder}/clash/", says="'one' on the way")
    (store.folder / "clash2").mkdir()
    (store.folder / "clash2/a").write_text("x" * 100000)
    (store.folder / "clash2/deep").write_text("")
    store.refused(FAILED, *PUT, ref, f"{store.folder}/clash2/", says="'deep' is a folder there")
    assert store.digest(ref) == before and store.json("log") == log, "a refusal changed something"

    store.done("datasets", "versions", "commit", ref)
    store.refused(NOT_PERMITTED, *PUT, ref, str(one), says="is committed and never changes")
    assert store.digest(ref) == before
    store.done("volumes", "create", name + "-vol", "--size", "8M")
    store.refused(NOT_PERMITTED, *PUT, name + "-vol", str(one), says="no version")
    store.done("volumes", "delete", name + "-vol", "--yes")
    for each in ("clash", "clash2"):
        shutil.rmtree(store.folder / each)


def no_room(name):
    """What does not fit leaves the version as it was: inside its file system, and in the store."""
    ref = new_version(name, "truncate -s 16M image && mke2fs -q -t ext4 -N 64 image")
    fits = store.folder / "fits"
    fits.write_bytes(os.urandom(3_000_000))
    store.done(*PUT, ref, str(fits))
    before = store.digest(ref)
    large = store.folder / "large"
    large.mkdir()
    (large / "1").write_text("small")
    (large / "2").write_bytes(os.urandom(20_000_000))
    store.refused(NO_SPACE, *PUT, ref, str(large), says="full")
    assert store.digest(ref) == before
    (large / "2").unlink()
    for number in range(100):
        (large / str(number)).write_text("")
    store.refused(NO_SPACE, *PUT, ref, str(large), says="full")
    assert store.digest(ref) == before
    # twice the same: the room of the first one is used again
    for _ in range(4):
        store.done(*PUT, ref, str(fits))
    store.digest(ref)
    shutil.rmtree(large)
    store.done("datasets", "delete", name, "--yes", "--force")

    ref = new_version(name + "-store", "truncate -s 2G image && mke2fs -q -t ext4 image")
    store.done(*PUT, ref, str(fits))
    before = store.json("datasets", "versions", "details", ref)["mapped_bytes"]
    kept = paths(ref)
    shell("head -c 600M /dev/urandom >large")
    store.refused(NO_SPACE, *PUT, ref, str(large), says="full")
    assert paths(ref) == kept and store.json("datasets", "versions", "details", ref)["mapped_bytes"] == before
    same(fits.parent / "fits", fits)
    assert got(ref, "fits").read_bytes() == fits.read_bytes()
    large.unlink()
    fits.unlink()
    store.done("datasets", "delete", name + "-store", "--yes", "--force")


def other_contents(name):
    """What cannot be put into says so in one sentence."""
    one = store.folder / "one"
    one.write_text("1")
    small = "truncate -s 16M image && mke2fs -q -t ext4"
    for kind, says in {
        f"{small} -O quota image": "'quota'",
        f"{small} -O project,quota image": "'quota'",
        f"{small} -O encrypt image": "'encrypt'",
        f"{small} -O casefold image": "'casefold'",
        f"{small} image && tune2fs -E mount_opts=x image && debugfs -w -R 'feature shared_blocks' image": "'shared_blocks'",
        f"{small} image && tune2fs -O read-only image": "'read-only'",
        f"{small} image && debugfs -w -R 'feature needs_recovery' image": "journal",
        f"{small} image && debugfs -w -R 'ssv state 0' image": "not clean",
        f"{small} image && debugfs -w -R 'ssv state 3' image": "not clean",
        "truncate -s 16M image && mkswap -q image": "holds swap",
        "truncate -s 16M image && echo ',,' | sfdisk -q -X gpt image": "gpt partition table",
        "truncate -s 16M image": "is blank",
    }.items():
        ref = new_version(name, kind)
        store.refused(FAILED, *PUT, ref, str(one), says=says)
        store.done("datasets", "delete", name, "--yes", "--force")
    one.unlink()


def story(name, kinds):
    round_trips(name + "-kind", kinds)
    many_files(name + "-many")
    names_and_targets(name + "-names")
    no_room(name + "-full")
    other_contents(name + "-other")
    assert store.json("check")["problems"] == 0


def without_a_server():
    story("offline", KINDS)


def with_a_server():
    store.start()
    story("served", KINDS[:1])


make_tree(TREE)
try:
    run_cases([without_a_server, with_a_server])
finally:
    clean(TREE)
    clean(store.folder / "got")
