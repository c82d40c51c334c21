#!/usr/bin/python3
"""The files of a version by their verbs: without a server, and with one."""
# timeout: 240

import subprocess

from command import FAILED, NOT_FOUND, NOT_PERMITTED, USAGE, Store, run_cases

store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M", "--journal", "4M")
FOLDER = store.folder / "tree"
IMAGE = store.folder / "image"
LONG = "x" * 255


def shell(line):
    return subprocess.run(["sh", "-c", line], cwd=store.folder, check=True, capture_output=True, text=True).stdout


def make_image():
    (FOLDER / "a/b").mkdir(parents=True)
    (FOLDER / "many").mkdir()
    (FOLDER / "a/one").write_text("one\n")
    (FOLDER / "a/b/up").symlink_to("../one")
    (FOLDER / "out").symlink_to("../../../../../../a/b")
    (FOLDER / LONG).write_text("")
    (FOLDER / "new\nline").write_text("")
    (FOLDER / "a/same").hardlink_to(FOLDER / "a/one")
    for i in range(500):
        (FOLDER / f"many/{i:03}").write_bytes(b"x" * 9000)
    shell("truncate -s 64M image && mke2fs -q -t ext4 -d tree image")


def new_version(name, image):
    """An uncommitted version that holds the image."""
    store.run("datasets", "create", "--name", name)
    store.done("import", str(image), name)
    ref = store.done("datasets", "versions", "list", name, "--all", "--refs").split()[0]
    return ref


def paths(ref, *words):
    return [file["path"] for file in store.json("datasets", "files", "list", ref, *words)["files"]]


def whole(ref):
    """e2fsck on what the version holds."""
    out = store.folder / "out.img"
    store.done("export", ref, str(out))
    ran = subprocess.run(["e2fsck", "-fn", out], capture_output=True, text=True, check=False)
    out.unlink()
    assert ran.returncode == 0, ran.stdout


def story(name):
    ref = new_version(name, IMAGE)
    top = sorted(["a", "lost+found", "many", "new\nline", "out", LONG])
    assert paths(ref) == top, paths(ref)
    assert paths(ref, "--path", "/") == top
    assert store.json("datasets", "file", "list", "--id", ref)["files"][0]["type"] == "folder"
    assert paths(ref, "--path", "out") == ["up"], "links lead on inside the image"
    assert paths(ref, "--path", "a", "--recursive") == ["b", "b/up", "one", "same"]
    assert len(paths(ref, "--recursive")) == len(top) + 4 + 500
    one = store.json("datasets", "files", "list", ref, "--path", "a/one")["files"][0]
    assert (one["path"], one["size"], one["links"], one["type"]) == ("one", 4, 2, "file"), one
    table = store.done("datasets", "files", "list", ref).splitlines()
    assert table[0].split() == ["TYPE", "MODE", "UID", "GID", "SIZE", "LINKS", "MODIFIED", "PATH"], table
    assert len(table) == 1 + len(top), "a name with a newline makes no second line"
    assert any(line.endswith("out -> ../../../../../../a/b") for line in table), table

    files = ("datasets", "files")
    store.refused(NOT_FOUND, *files, "list", ref, "--path", "absent", says="'absent'")
    store.refused(NOT_FOUND, *files, "list", ref, "--path", "../../etc/passwd")
    store.refused(NOT_FOUND, *files, "list", "absent:latest", says="absent")
    store.refused(USAGE, *files, "list", says="REF")
    store.refused(USAGE, *files, "list", ref, "--path", "y" * 300)
    store.refused(USAGE, *files, "delete", ref, "--yes", says="--path")
    store.refused(USAGE, *files, "delete", ref, "--path", "a", says="--yes")
    store.refused(USAGE, *files, "delete", ref, "--path", "/", "--yes", says="whole")
    store.refused(NOT_FOUND, *files, "delete", ref, "--path", "a/absent", "--yes", says="absent")
    assert paths(ref) == top, "a refusal changed something"

    mapped = store.json("datasets", "versions", "details", ref)["mapped_bytes"]
    gone = store.json(*files, "delete", ref, "--path", "many", "--yes")
    assert gone == {"deleted": "many", "files": 501}, gone
    assert store.json("datasets", "versions", "details", ref)["mapped_bytes"] < mapped - 500 * 8192
    whole(ref)
    assert store.done(*files, "delete", "--id", ref, "--path", "a/b/up", "--yes") == "Deleted: a/b/up (1 file or folder)\n"
    assert paths(ref, "--path", "a", "--recursive") == ["b", "one", "same"], "the link went, not its target"
    store.done(*files, "delete", ref, "--path", "a/one", "--yes")
    assert store.json(*files, "list", ref, "--path", "a/same")["files"][0]["links"] == 1
    whole(ref)
    events = store.json("log", ref)["events"]
    assert [event["what"] for event in events[:3]] == [
        "deleted /a/one (0 bytes)",  # it has another name
        "deleted /a/b/up (0 bytes)",
        "deleted /many and 500 in it (files and folders, 4500000 bytes)",
    ], events
    assert all(event["kind"] == "version" and event["object"] == ref and event["who"] for event in events), events

    store.done("datasets", "versions", "commit", ref)
    left = paths(ref, "--recursive")
    store.refused(NOT_PERMITTED, *files, "delete", ref, "--path", "a", "--yes", says="is committed and never changes")
    assert paths(ref, "--recursive") == left, "a committed version lost something"
    assert store.json("check")["problems"] == 0


def other_contents(name):
    """What holds no ext4 says so in a sentence, and nothing is changed."""
    for size in ("1M", "512"):
        store.done("volumes", "create", name, "--size", size)
        store.refused(FAILED, "datasets", "files", "list", name)
        store.refused(NOT_PERMITTED, "datasets", "files", "delete", name, "--path", "a", "--yes", says="no version")
        store.done("volumes", "delete", name, "--yes")
    sentence = {
        "blank": ("truncate -s 8M other", "is blank"),
        "gpt": ("truncate -s 8M other && echo 'size=4M' | sfdisk -q -X gpt other", "a gpt partition table with 1 partition ("),
        "dos": ("truncate -s 8M other && printf 'size=2M\\nsize=2M\\n' | sfdisk -q -X dos other", "a dos partition table with 2 partitions"),
        "bytes": ("head -c 1M /dev/urandom >other", "raw bytes"),
        "swap": ("truncate -s 8M other && mkswap -q other", "holds swap"),
        "fat": ("truncate -s 8M other && mkfs.vfat other", "holds vfat as its file system"),
        "xfs": ("truncate -s 300M other && mkfs.xfs -q other", "holds xfs as its file system"),
    }
    for kind, (made, says) in sentence.items():
        shell(made)
        ref = new_version(f"{name}-{kind}", store.folder / "other")
        shell("rm other")
        where = ("--source-path", "/", "--target-path", str(store.folder / "none"))
        store.refused(FAILED, "datasets", "files", "list", ref, says=says)
        store.refused(FAILED, "datasets", "files", "get", ref, *where, says=says)
        store.refused(FAILED, "datasets", "files", "delete", ref, "--path", "a", "--yes", says=says)
        store.done("datasets", "delete", f"{name}-{kind}", "--yes")
    assert not (store.folder / "none").exists()
    raw = store.folder / "raw"
    shell("truncate -s 1M raw && mke2fs -q -t ext4 -O ^has_journal raw && debugfs -w -R 'feature needs_recovery' raw")
    ref = new_version(name + "-left", raw)
    store.refused(FAILED, "datasets", "files", "list", ref, says="journal")
    store.refused(FAILED, "datasets", "files", "delete", ref, "--path", "lost+found", "--yes", says="journal")


def without_a_server():
    story("offline")
    other_contents("raw")


def with_a_server():
    store.start()
    story("served")
    other_contents("raw2")


make_image()
run_cases([without_a_server, with_a_server])
