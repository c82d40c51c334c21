"""A mutant: a patch that breaks varve, NAME.patch. Its first line says what is broken; lines `run: PROGRAM ARGUMENT...`
name test programs (paths in a build folder, or of a script in the tree), one of which must fail."""
import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TREE = FOLDER.parents[1]


class Mutant:
    def __init__(self, path):
        text = path.read_text()
        self.name, self.path = path.stem, path
        self.what = text.splitlines()[0]
        self.runs = [line.split() for line in re.findall(r"^run: (.+)$", text, re.MULTILINE)]

    def patch(self, tree, *options):
        """None, or what is wrong."""
        done = subprocess.run(["patch", "-p1", "-F3", "-s", "-f", "-i", str(self.path), *options],
                              cwd=tree, capture_output=True, text=True)
        return None if done.returncode == 0 else (done.stdout + done.stderr).strip()


def all_mutants():
    return [Mutant(path) for path in sorted(FOLDER.glob("*.patch"))]


def is_script(run):
    return run[0].endswith((".py", ".sh"))
