#!/usr/bin/python3
"""Command lines that are wrong, help at every level, and what happens without a store."""

import os
import re
import subprocess

from command import EXISTS, FAILED, NOT_FOUND, USAGE, VARVE, Store, run_cases

store = Store(init=False)


def commands_below(words):
    """(groups, leaves) from `words` down, as the help lists them."""
    text = store.done(*words, "--help")
    if "\nCommands:\n" not in text:
        return [], [words]
    groups, leaves = [words], []
    listed = text.split("\nCommands:\n")[1].split("\n\n")[0]
    for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
        below = commands_below([*words, name])
        groups += below[0]
        leaves += below[1]
    return groups, leaves


GROUPS, LEAVES = commands_below([])
assert len(GROUPS) >= 7 and len(LEAVES) >= 40, (GROUPS, LEAVES)


def help_at_every_level():
    for words in GROUPS + LEAVES:
        text = store.done(*words, "--help")
        assert text.startswith(f"Usage: {' '.join(['varve', *words])} "), text
        assert "Options:" in text and "Example:" in text, f"{words}: {text}"
        assert max(map(len, text.splitlines())) <= 100, f"{words}: a line is too long"
    for group in GROUPS:
        assert "Commands:" in store.done(*group, "--help")
        ran = store.run(*group)
        assert ran.returncode == USAGE and ran.stdout == "" and "Usage:" in ran.stderr


def every_exit_code_is_in_the_help():
    text = store.done("--help")
    assert {str(code) for code in range(10)} <= set(text.split()), text


def version():
    assert store.done("--version").split()[0] == "varve"


def wrong_lines():
    store.refused(USAGE, "frobnicate", says="'frobnicate'")
    store.refused(USAGE, "volumes", "frobnicate", says="'frobnicate'")
    store.refused(USAGE, "--frobnicate", says="--frobnicate")
    store.refused(USAGE, "volumes", "list", "extra", says="'extra'")
    store.refused(USAGE, "volumes", "show", "", says="empty")
    store.refused(USAGE, "volumes", "list", "--store", says="--store")
    store.refused(USAGE, "check", "--yes", says="--yes")
    store.refused(USAGE, "init", "x", "--json", says="--json")
    store.refused(USAGE, "init", says="DIR")
    assert not os.path.exists("x")


def no_store():
    for words in (["volumes", "list"], ["stats"], ["check"], ["inspect", "x"]):
        store.refused(NOT_FOUND, *words, says=str(store.path))
    none = {"VARVE_STORE": ""}
    store.refused(USAGE, "volumes", "list", says="VARVE_STORE", env=none)
    file = store.folder / "file"
    file.write_text("x")
    store.refused(NOT_FOUND, "volumes", "list", "--store", str(file))
    empty = store.folder / "empty"
    empty.mkdir()
    store.refused(NOT_FOUND, "volumes", "list", "--store", str(empty))
    assert not list(empty.iterdir()), "asking made something in a folder that is no store"


def init_refuses():
    target = store.folder / "made"
    for size in ("0", "1", "x", "10GB", "1K"):
        store.refused(USAGE, "init", str(target), "--limit", size)
        store.refused(USAGE, "init", str(target), "--journal", size)
    store.refused(USAGE, "init", str(target), "--force", says="--device")
    assert store.run("init", str(target), "--device", "/dev/null").returncode != 0
    assert store.run("init", str(target), "--device", str(store.folder / "absent")).returncode == NOT_FOUND
    assert not target.exists(), "a refused init left something behind"
    store.refused(NOT_FOUND, "init", str(store.folder / "no/such/place"))
    full = store.folder / "full"
    full.mkdir()
    (full / "file").write_text("mine")
    store.refused(EXISTS, "init", str(full))
    assert [p.name for p in full.iterdir()] == ["file"]


def init_takes_an_empty_folder():
    empty = store.folder / "takes"
    empty.mkdir()
    store.done("init", str(empty), "--limit", "64M", "--journal", "1M")
    store.done("volumes", "create", "a", "--size", "1M", "--store", str(empty))
    assert store.done("volumes", "list", "--names", "--store", str(empty)) == "a\n"
    assert store.done("--store", str(empty), "volumes", "list", "--names") == "a\n"
    assert store.done("volumes", "--store", str(empty), "list", "--names") == "a\n"


def output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="ascii") as full:
        ran = subprocess.run([VARVE, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == FAILED and "cannot write" in ran.stderr, ran


run_cases([
    help_at_every_level, every_exit_code_is_in_the_help, version, wrong_lines, no_store, init_refuses,
    init_takes_an_empty_folder, output_that_cannot_be_written,
])
