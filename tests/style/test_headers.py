#!/usr/bin/python3
"""Each header compiles alone, so that including it needs no knowledge of what comes before it."""
# timeout: 120
import concurrent.futures
import subprocess
import tempfile
from pathlib import Path

import tree

FLAGS = ["-std=c11", "-D_GNU_SOURCE", '-DVARVE_VERSION="0"', "-Wall", "-Wextra", "-Werror"]
FOLDERS = ["include", "server"]


def problem(path):
    """Twice, so that a missing guard shows too."""
    folders = [tree.TOP / folder for folder in FOLDERS] + [Path(path).parent]
    if tree.TOP / "tests" in Path(path).parents:  # tests may use what other tests are built from
        folders += [entry for entry in (tree.TOP / "tests").iterdir() if entry.is_dir()]
    source = f'#include "{path}"\n#include "{path}"\ntypedef int not_empty;\n'
    done = subprocess.run(["gcc", "-fsyntax-only", *FLAGS,
                           *(f"-I{folder}" for folder in folders), "-x", "c", "-"],
                          input=source, text=True, stderr=subprocess.PIPE, check=False)
    return None if done.returncode == 0 else f"{path} does not compile alone:\n{done.stderr}"


with tempfile.TemporaryDirectory() as folder:
    for text in ("uint64_t needs_stdint(void);\n", "struct no_guard {\n    int a;\n};\n"):
        bad = Path(folder, "bad.h")
        bad.write_text(text)
        assert problem(bad), f"the check is blind: it accepts {text}"

headers = [tree.TOP / path for path in tree.paths() if path.endswith(".h")]
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    tree.finish([found for found in pool.map(problem, headers) if found], len(headers))
