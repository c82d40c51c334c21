#!/usr/bin/python3
# timeout: 1800
"""The bench in its smallest form: every load, state and measure runs, and a result comes of it.

How fast anything was is of no account here.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.dont_write_bytecode = True

import scenarios

RUN = FOLDER / "run"
SMALL = ["--no-install", "--quick", "--rounds", "1", "--seconds", "0.1", "--size", "16M"]
PICTURES = ["bars.png", "ratios.png", "processor.png"]

for tool in ("fio", "qemu-nbd", "nbd-server"):
    if shutil.which(tool) is None:
        print(f"there is no {tool}")
        sys.exit(77)

work = pathlib.Path(tempfile.mkdtemp())
work.chmod(0o711)  # PostgreSQL runs as another user


def bench(*words):
    return subprocess.run([RUN, *map(str, words)], capture_output=True, text=True)


def done(*words):
    ran = bench(*words)
    assert ran.returncode == 0, f"{words}: {ran.returncode}: {ran.stderr[-3000:]}"
    return ran


def a_result():
    """All that a usual run measures."""
    ran = done(*SMALL, "--dir", work, "--out", work / "all")
    result = json.loads((work / "all/result.json").read_text())
    named = {scenario.name: scenario for scenario in scenarios.of_loads(False)}
    assert set(named) <= set(result["figures"]), set(named) - set(result["figures"])
    for name, by_peer in result["figures"].items():
        assert "varve" in by_peer, name
        for peer, figures in by_peer.items():
            assert len(figures) == 1 and figures[0]["rate"] > 0, (name, peer, figures)
        if name in named:
            missing = {peer for peer in named[name].peers if "1.42" not in peer} - set(by_peer)
            assert not missing, (name, missing)
    measured = {row[0] for row in result["measures"]}
    for what in ("snapshot", "clone", "first commit", "open", "check", "open after kill -9"):
        assert what in measured, measured
    for bar in scenarios.BARS:
        sides = (bar.of, bar.to)
        if not bar.of[1].startswith("fs-"):
            assert all(peer in result["figures"].get(name, {}) for peer, name in sides), f"nothing measures '{bar.what}'"
    assert "The bars" in ran.stdout and "Beside the loads" in ran.stdout, ran.stdout
    assert not list(work.glob("varve-bench-*")), "volumes are left"


def tables_and_plots():
    text, marked = (work / "all/table.txt").read_text(), (work / "all/table.md").read_text()
    for name in ("randwrite-4k-d32, snapshot", "nbd-server, copy on write", "trim-64k-d8"):
        assert name in text and name in marked, name
    for name in PICTURES:
        assert (work / "all" / name).read_bytes().startswith(b"\x89PNG") and name in marked, name
        assert (work / "all" / name).stat().st_size > 10_000, name


def a_part_and_both_together():
    done(*SMALL, "--dir", work, "--out", work / "part", "--only", "randread-4k-d1,randwrite-4k-d1", "--no-plots",
         "--serve=--buffered", "--also", f"same={os.environ.get('VARVE_BUILD', FOLDER.parents[1] / 'build')}")
    part = json.loads((work / "part/result.json").read_text())["figures"]
    assert {"varve", "varve same", "varve --buffered", "nbdkit file"} <= set(part["randread-4k-d1"]), part
    assert not list((work / "part").glob("*.png"))
    done("--again", work / "all", work / "part", "--out", work / "both")
    both = json.loads((work / "both/result.json").read_text())["figures"]
    assert both["randread-4k-d1"] == part["randread-4k-d1"] and "trim-64k-d8" in both


def bad_words():
    for words, says in (
        (["--only", "absent"], "no load is called absent"),
        (["--peers", "absent"], "no server is called 'absent'"),
        (["--size", "much"], "'much'"),
        (["--size", "1M"], "16M"),
        (["--rounds", "0"], "round"),
        (["--also", "x=/nowhere"], "'x=/nowhere'"),
        (["--again", work / "absent"], "absent"),
    ):
        ran = bench("--no-install", *words)
        assert ran.returncode != 0 and says in ran.stderr, (words, ran)


try:
    for case in (bad_words, a_result, tables_and_plots, a_part_and_both_together):
        print(f"- {case.__name__.replace('_', ' ')}", flush=True)
        case()
finally:
    shutil.rmtree(work)
