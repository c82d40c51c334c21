#!/usr/bin/python3
"""libFuzzer runs each target for a while: with the address and undefined behaviour sanitizers it finds nothing.

FUZZ_SECONDS: of all targets together, divided among them; two run at a time.
"""
# timeout: 900
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "300"))


def run(target, seconds):
    return subprocess.run([HERE / "run", target, f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def main():
    targets = sorted(path.name for path in (HERE / "corpus").iterdir())
    named = re.findall(r"^  '(\w+)': \[", (HERE / "meson.build").read_text(), re.MULTILINE)
    if targets != sorted(named):
        sys.exit(f"targets {named} and folders of the corpus {targets} are not the same")
    build = run(targets[0], 1)  # builds; the others find it built
    if build.returncode:
        sys.exit(build.stdout[-4000:])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(run, targets, [max(1, SECONDS // len(targets))] * len(targets))
    failed = False
    for target, done in zip(targets, results):
        runs = re.findall(r"^#(\d+)\s+DONE.*cov: (\d+)", done.stdout, re.MULTILINE)
        if done.returncode or not runs or int(runs[0][0]) < 1000:
            failed = True
            print(f"{target}: exit code {done.returncode}\n{done.stdout[-4000:]}")
        else:
            print(f"{target}: {runs[0][0]} inputs, {runs[0][1]} edges")
            print(f"count: fuzzed inputs {runs[0][0]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
