"""The files of the tree, for the style tests, and how such a test is put together.

A style test has a function that takes {path: text} and yields a line for each problem, and samples
that it must find fault with: a check that has never failed proves nothing.
"""
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def paths():
    """All files that git tracks or would track, relative to the top."""
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], check=True, stdout=subprocess.PIPE).stdout
    names = sorted(set(listed.decode().split("\0")) - {""})
    return [name for name in names if (TOP / name).is_file()]


def read(*suffixes):
    """{path: text} of the files that end so; of all text files when nothing is given."""
    files = {}
    for name in paths():
        if suffixes and not name.endswith(suffixes):
            continue
        try:
            files[name] = (TOP / name).read_text()
        except UnicodeDecodeError:
            continue
    return files


def scripts(interpreter, suffix):
    """Paths of the scripts for that interpreter, by their suffix or first line."""
    for name, text in read().items():
        if name.endswith(suffix) or re.match(rf"#!.*\b{interpreter}\b", text):
            yield name


def code(text):
    """C without comments, strings and characters; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def numbered(text):
    return enumerate(text.splitlines(), 1)


def check(problems, files, bad, good=()):
    """Ends the test: first the samples, then the tree."""
    for sample in bad:
        if not list(problems(sample)):
            sys.exit(f"the check is blind: it finds nothing wrong with {str(sample)[:200]}")
    for sample in good:
        if found := list(problems(sample)):
            sys.exit(f"the check is wrong: it finds {found} in {str(sample)[:200]}")
    finish(list(problems(files)), len(files))


def finish(found, count):
    if not count:
        sys.exit("there is nothing to check: has the tree moved?")
    for line in found:
        print(line)
    print(f"{len(found)} problems in {count} files")
    sys.exit(1 if found else 0)
