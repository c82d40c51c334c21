#!/usr/bin/python3
"""clang builds it all without a warning, and clang-tidy finds nothing."""
# timeout: 2400
import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tree

BUILD = Path(os.environ.get("VARVE_BUILD", tree.TOP / "build")) / "clang"
CONFIG = tree.TOP / ".clang-tidy"


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def build():
    if not (BUILD / "build.ninja").exists():
        done = run("env", "CC=clang", "meson", "setup", BUILD, tree.TOP, "-Dwerror=true",
                   "-Db_lundef=false")
        if done.returncode:
            sys.exit(f"meson setup with clang:\n{done.stdout[-4000:]}")
    done = run("ninja", "--quiet", "-k0", "-C", BUILD)
    if done.returncode:
        sys.exit(f"clang does not build it without a warning:\n{done.stdout[-8000:]}")


def tidy(source, arguments, cwd):
    # a product of small constants may be an int in a test, and a test may clean up in a handler
    lenient = ["--checks=-bugprone-implicit-widening-of-multiplication-result,"
               "-bugprone-signal-handler"] if tree.TOP / "tests" in Path(source).parents else []
    return run("clang-tidy", "--quiet", f"--config-file={CONFIG}", *lenient, source, "--",
               *arguments, cwd=cwd)


def arguments_of(entry):
    """The flags of a compile command, without compiler, output and source."""
    words = entry["command"].split()[1:]
    keep, skip = [], False
    for word in words:
        if not skip and word not in ("-o", "-c", "-MQ", "-MF", "-MD", "-MMD", entry["file"]):
            keep.append(word.replace("\\", "").replace("'", ""))
        skip = word in ("-o", "-MQ", "-MF")
    return keep


def check_source(entry):
    """What clang-tidy says of one source, or None; asked again only when the code changed."""
    arguments = arguments_of(entry)
    source = Path(entry["directory"], entry["file"]).resolve()
    code = subprocess.run(["clang", "-E", "-P", *arguments, source], cwd=entry["directory"],
                          check=True, stdout=subprocess.PIPE).stdout
    known = BUILD / "tidy" / hashlib.sha256(
        code + CONFIG.read_bytes() + str(source).encode()).hexdigest()
    if known.exists():
        return None
    done = tidy(source, arguments, entry["directory"])
    if done.returncode == 0:
        known.touch()
        return None
    return done.stdout


def check_sample(folder):
    sample = Path(folder, "bad.c")
    sample.write_text("#include <stdlib.h>\n"
                      "int main(void)\n{\n    int *a = malloc(4);\n    free(a);\n    return *a;\n}\n")
    assert tidy(sample, [], folder).returncode, "the check is blind: it accepts a use after free"


with tempfile.TemporaryDirectory() as scratch:
    check_sample(scratch)
build()
(BUILD / "tidy").mkdir(exist_ok=True)
entries = {entry["file"]: entry for entry in json.loads((BUILD / "compile_commands.json").read_text())
           if entry["file"].endswith(".c")}
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    tree.finish([found for found in pool.map(check_source, entries.values()) if found],
                len(entries))
