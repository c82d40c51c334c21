#!/usr/bin/python3
"""Runs the tests that tests/run has built: see there for what a test is.

    suite.py --build DIR [--list] [--asan DIR] [--tsan DIR] [--tests DIR] [--jobs N] [NAME...]

Each test gets a session of its own, a TMPDIR of its own, a time limit and a log. What it leaves
behind (processes, mounts, loop devices, files below its TMPDIR) is cleaned up and fails it.
"""
import argparse
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import counts
from leftovers import Leftovers

SKIP = 77
RECALLED = 8  # lines of what a failed test said, once more at the end
GRACE = 20  # seconds that a test has to clean up after SIGTERM
DEFAULT_TIMEOUT = 240  # seconds; only ends what hangs: shared machines are slow at times


class Test:
    def __init__(self, name, command, timeout=DEFAULT_TIMEOUT, alone=False, env=None):
        self.name, self.command, self.timeout = name, command, timeout
        self.alone, self.env = alone, env or {}


def script_tests(folder):
    """GROUP/test_NAME.{sh,py}; its first lines may say `# timeout: SECONDS` and `# alone`."""
    for path in sorted(folder.glob("*/test_*")):
        if path.suffix not in (".sh", ".py"):
            continue
        head = path.read_text().splitlines()[:40]
        limits = [int(m[1]) for m in (re.match(r"# timeout: (\d+)$", line) for line in head) if m]
        name = f"{path.parent.name}/{path.stem.removeprefix('test_')}"
        command = [str(path)]
        if not os.access(path, os.X_OK):  # must not pass unseen
            command = ["sh", "-c", 'ls -l "$0"; echo "chmod +x"; exit 1', str(path)]
        yield Test(name, command, (limits or [DEFAULT_TIMEOUT])[0], "# alone" in head)


def program_tests(build, prefix="", slower=1, wrapper=(), env=None):
    """What meson knows of: test(NAME, PROGRAM, suite: GROUP)."""
    for entry in json.loads(Path(build, "meson-info/intro-tests.json").read_text()):
        group = entry["suite"][0].split(":")[-1]
        name = f"{prefix}{group}/{entry['name']}"
        limit = (entry["timeout"] or DEFAULT_TIMEOUT) * slower
        yield Test(name, [*wrapper, *entry["cmd"]], limit, not entry["is_parallel"],
                   {**entry["env"], **(env or {})})


def all_tests(args):
    tests = list(program_tests(args.build, slower=4))
    if args.asan:
        tests += program_tests(args.asan, "asan/", 8, env={
            "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:abort_on_error=1"})
    if args.tsan:
        # without fixed addresses the sanitizer of gcc 12 finds its shadow memory taken
        tests += program_tests(args.tsan, "tsan/", 16, ["setarch", "-R"],
                               {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})
    return tests + list(script_tests(Path(args.tests).resolve()))


def matches(test, pattern):
    """A pattern is a name, or some of its parts (`unit`, `journal`, `asan/unit`), or a glob."""
    return (f"/{pattern.strip('/')}/" in f"/{test.name}/") or fnmatch.fnmatch(test.name, pattern)


def choose(tests, patterns):
    for pattern in patterns:
        if not any(matches(test, pattern) for test in tests):
            sys.exit(f"tests/run: no test is called '{pattern}': tests/run --list shows them")
    return [t for t in tests if not patterns or any(matches(t, p) for p in patterns)]


class Suite:
    def __init__(self, build):
        self.build = Path(build).resolve()
        self.logs = self.build / "test-logs"
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failed = []  # of each that did: what was told of it
        self.cases = {}  # done, by class of fault
        self.running = {}  # Popen by test
        self.changed = threading.Condition()
        self.stopping = None  # the signal that said so

    def run(self, tests, jobs):
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        # the longest first, those that want to be alone last
        for batch, width in (([t for t in tests if not t.alone], jobs),
                             ([t for t in tests if t.alone], 1)):
            queue = sorted(batch, key=lambda t: -t.timeout)
            workers = [threading.Thread(target=self.work, args=(queue,)) for _ in range(width)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        return self.counts["failed"] == 0 and not self.stopping

    def work(self, queue):
        while True:
            with self.changed:
                if self.stopping or not queue:
                    return
                test = queue.pop(0)
            self.run_one(test)

    def run_one(self, test):
        log = self.logs / (test.name.replace("/", "-") + ".log")
        scratch = tempfile.mkdtemp(prefix="vt.")
        os.chmod(scratch, 0o755)  # some tests act as another user
        leftovers = Leftovers(scratch)
        # what killed servers leave in memory goes with the test, also where its store is gone first
        memory = tempfile.mkdtemp(prefix="vt.", dir="/dev/shm")
        env = {**os.environ, **test.env, "TMPDIR": scratch, "VARVE_BUILD": str(self.build),
               "VARVE_STAGE_DIR": memory, leftovers.MARK: scratch}
        began = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(test.command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, cwd=scratch, env=env, start_new_session=True)
            with self.changed:
                self.running[test] = process
                if self.stopping:
                    signal_session(process, signal.SIGTERM)
            status = self.wait(process, test.timeout)
            with self.changed:
                del self.running[test]
        left = leftovers.remove()
        shutil.rmtree(memory, ignore_errors=True)
        self.say(test, status, time.monotonic() - began, log, left)

    def wait(self, process, limit):
        """The exit status, or None when the time was up."""
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            end_session(process)
            return None

    def say(self, test, status, seconds, log, left):
        text = log.read_text(errors="replace").rstrip()
        took = f"({seconds:.1f} s)"
        if status == 0 and not left:
            verdict, lines = "passed", [f"ok {test.name} {took}"]
        elif status == SKIP and not left:
            verdict = "skipped"
            lines = [f"skip {test.name}: {text.splitlines()[-1] if text else 'no reason given'}"]
        else:
            why = [f"left behind: {thing}" for thing in left]
            if status is None:
                why.insert(0, f"no end after {test.timeout} s")
            elif status != 0:
                why.insert(0, f"signal {-status}" if status < 0 else f"exit status {status}")
            verdict, lines = "failed", [f"FAIL {test.name} {took}: {'; '.join(why)}: {log}"]
            lines += [f"    {line}" for line in text.splitlines()[-40:]]
        with self.changed:
            counts.count_log(text, self.cases)
            if not self.stopping:
                self.counts[verdict] += 1
                if verdict == "failed":
                    self.failed.append([lines[0], *lines[1:][-RECALLED:]])
                print("\n".join(lines), flush=True)

    def recall_failed(self):
        """At the end, where a reader looks first, and what shortens a log cuts last."""
        if len(self.failed) < sum(self.counts.values()):
            for lines in self.failed:
                print("\n".join(lines))

    def stop(self, number):
        """Ends the tests that run; the workers clean up after them and start no others."""
        with self.changed:
            self.stopping = signal.Signals(number)
            running = list(self.running.values())
        for process in running:
            signal_session(process, signal.SIGTERM)
        threading.Thread(target=lambda: [end_session(p) for p in running]).start()


def signal_session(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def end_session(process):
    signal_session(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    signal_session(process, signal.SIGKILL)
    process.wait()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--build", required=True)
    options.add_argument("--asan")
    options.add_argument("--tsan")
    options.add_argument("--tests", default=Path(__file__).resolve().parents[1])
    options.add_argument("--list", action="store_true")
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--counted", action="store_true",
                         help="a run of all tests fails when a class of faults was not met often enough")
    options.add_argument("names", nargs="*")
    args = options.parse_args()
    tests = choose(all_tests(args), args.names)
    if args.list:
        print("\n".join(test.name for test in tests))
        return 0

    suite = Suite(args.build)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: suite.stop(number))
    good = suite.run(tests, args.jobs)
    if not args.names and not suite.stopping and good and args.counted:
        lines, short = counts.table(suite.cases)
        print("\n".join(lines))
        good = not short
    suite.recall_failed()
    if suite.stopping:
        print(f"tests/run: interrupted by {suite.stopping.name}", file=sys.stderr)
        return 130
    print(", ".join(f"{count} {verdict}" for verdict, count in suite.counts.items()))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
