#!/usr/bin/python3
"""Files got out of a version: everything comes as it was, or nothing comes. Served and not."""
# timeout: 300

import os
import pathlib
import signal
import subprocess
import time

from command import CANCELLED, FAILED, NOT_FOUND, USAGE, VARVE, Store, one_sentence, run_cases
from tree_of_files import clean, make_tree, same

store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M", "--journal", "4M")
TREE = store.folder / "tree"
GET = ("datasets", "files", "get")


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


make_tree(TREE)
try:
    run_cases([without_a_server, with_a_server])
finally:
    clean(TREE)
