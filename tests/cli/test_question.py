#!/usr/bin/python3
"""On a terminal, verbs that destroy something ask, and only a yes is a yes."""

import os
import pty
import subprocess

from command import DONE, FAILED, VARVE, Store, run_cases

store = Store()


def ask(answer, *words):
    """Runs on a terminal and types the answer."""
    outer, inner = pty.openpty()
    os.write(outer, answer.encode())
    try:
        return subprocess.run(
            [VARVE, *words], env=store.environment, stdin=inner, capture_output=True, text=True,
            timeout=30, check=False,
        )
    finally:
        os.close(outer)
        os.close(inner)


def no_means_no():
    store.done("volumes", "create", "demo", "--size", "10M")
    for answer in ("n\n", "\n", "no\n", "maybe y\n", "\x04"):
        ran = ask(answer, "volumes", "delete", "demo")
        assert ran.returncode == FAILED and "Delete volume 'demo' (10 MiB" in ran.stderr, ran
        assert "nothing was done" in ran.stderr, ran
        assert ask(answer, "volumes", "resize", "demo", "--size", "1M").returncode == FAILED
    assert store.json("volumes", "show", "demo")["size"] == 10 << 20


def growing_is_not_asked_about():
    ran = ask("", "volumes", "resize", "demo", "--size", "12M")
    assert ran.returncode == DONE and "?" not in ran.stderr, ran


def yes_means_yes():
    ran = ask("y\n", "volumes", "resize", "demo", "--size", "1M")
    assert ran.returncode == DONE and "from 12 MiB to 1 MiB" in ran.stderr, ran
    assert ask("yes\n", "volumes", "delete", "demo").returncode == DONE
    assert store.json("volumes", "list") == {"volumes": []}


def a_dataset_goes_only_by_its_name():
    store.done("datasets", "create", "--name", "team/data", "--size", "1M")
    version = store.done("datasets", "versions", "create", "team/data").split()[-1]
    for answer in ("y\n", "yes\n", "data\n", "\n", "team/data x\n", "\x04"):
        ran = ask(answer, "datasets", "delete", "team/data")
        assert ran.returncode == FAILED and "committed versions: 0, uncommitted: 1," in ran.stderr, ran
        assert "Type its name: " in ran.stderr and "nothing was done" in ran.stderr, ran
    ran = ask("n\n", "datasets", "versions", "delete", version)
    assert ran.returncode == FAILED and f"Delete uncommitted version '{version}'" in ran.stderr, ran
    assert ask("y\n", "datasets", "versions", "delete", version).returncode == DONE
    assert ask("team/data\n", "datasets", "delete", "team/data").returncode == DONE
    assert store.json("datasets", "list") == {"datasets": []}


run_cases([no_means_no, growing_is_not_asked_about, yes_means_yes, a_dataset_goes_only_by_its_name])
