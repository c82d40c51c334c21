#!/usr/bin/python3
"""The runner itself: what it says of tests that pass, fail, skip, hang or leave things behind.

Runs suite.py on a small tree of such tests and compares its words and its exit status.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = Path(__file__).resolve().parents[1] / "lib/suite.py"

SCRIPTS = {
    "good/test_plain.sh": "exit 0",
    "good/test_skipped.sh": "echo some noise; echo there is no such device; exit 77",
    "bad/test_status.sh": "echo the last words; exit 3",
    "bad/test_signal.sh": "kill -SEGV $$",
    "bad/test_hangs.sh": "# timeout: 1\nsleep 1000",
    "bad/test_file.sh": "touch $TMPDIR/forgotten",
    "bad/test_process.sh": "setsid sleep 1001 & sleep 0.5",
}
EXPECTED = """
ok good/plain
ok good/program
skip good/skipped: there is no such device
FAIL bad/status: exit status 3
FAIL bad/signal: signal 11
FAIL bad/hangs: no end after 1 s
FAIL bad/file: left behind: SCRATCH/forgotten
FAIL bad/process: left behind: process PID (sleep 1001)
2 passed, 5 failed, 1 skipped
"""


def make_tree(top):
    for name, text in SCRIPTS.items():
        path = top / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    info = top / "build/meson-info"
    info.mkdir(parents=True)
    (info / "intro-tests.json").write_text(
        '[{"name": "program", "suite": ["varve:good"], "cmd": ["/bin/true"], "env": {},'
        ' "timeout": 30, "is_parallel": true}]')


def start(top, *names):
    return subprocess.Popen([SUITE, "--build", top / "build", "--tests", top / "tests", *names],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def plain(line):
    """Without times, logs and numbers that differ each time."""
    line = re.sub(r" \(\d+\.\d s\)", "", line)
    line = re.sub(r": /\S+\.log$", "", line)
    line = re.sub(r"/\S*/vt\.[^/]*", "SCRATCH", line)
    return re.sub(r"process \d+", "process PID", line)


def check_verdicts(top):
    run = start(top)
    output = run.communicate()[0]
    lines = [plain(line) for line in output.splitlines() if not line.startswith("    ")]
    expected = EXPECTED.strip().splitlines()
    failed = [line for line in expected if line.startswith("FAIL")]
    recalled = lines[-1 - len(failed):-1]
    assert sorted(recalled) == sorted(failed), f"not told again at the end:\n{output}"
    lines = lines[:-1 - len(failed)] + lines[-1:]
    assert sorted(lines) == sorted(expected), f"got:\n{output}"
    assert lines[-1] == expected[-1], f"the counts are not the last line:\n{output}"
    assert "    the last words" in output.splitlines(), f"no tail of the log:\n{output}"
    assert run.returncode == 1


def check_choice(top):
    run = start(top, "good")
    assert run.communicate()[0].splitlines()[-1] == "2 passed, 0 failed, 1 skipped"
    assert run.returncode == 0
    run = start(top, "nonsense")
    assert "no test is called 'nonsense'" in run.communicate()[0]
    assert run.returncode == 1
    (top / "tests/good/test_plain.sh").chmod(0o644)
    run = start(top, "plain")
    assert "chmod +x" in run.communicate()[0]
    assert run.returncode == 1
    (top / "tests/good/test_plain.sh").chmod(0o755)


def check_interruption(top):
    marker = top / "cleaned"
    slow = top / "tests/slow/test_long.sh"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/bash\ntrap 'touch {marker}; exit 143' TERM\n"
                    f"touch {top}/started\nsleep 60 & wait\n")
    slow.chmod(0o755)
    run = start(top, "slow")
    while not (top / "started").exists():
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 130, run.returncode
    assert marker.exists(), "the interrupted test was not told to clean up"


with tempfile.TemporaryDirectory() as folder:
    os.environ.pop("VARVE_BUILD", None)
    make_tree(Path(folder))
    check_verdicts(Path(folder))
    check_choice(Path(folder))
    check_interruption(Path(folder))
sys.exit(0)
