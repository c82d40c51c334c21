#!/usr/bin/python3
"""Every mutant can be made of this tree, and names test programs that there are."""
import os
import sys
from pathlib import Path

from mutant import TREE, all_mutants, is_script

WANTED = ["data_not_synced_before_metadata", "fua_ignored_for_whole_blocks", "metadata_space_exhausted"]


def main():
    mutants = all_mutants()
    wrong = [f"{name}: is missing" for name in WANTED if name not in [m.name for m in mutants]]
    for mutant in mutants:
        refusal = mutant.patch(TREE, "--dry-run")
        if refusal:
            wrong.append(f"{mutant.name}: does not apply: {refusal}")
        for run in mutant.runs:
            folder = TREE if is_script(run) else os.environ["VARVE_BUILD"]
            if not os.access(Path(folder, run[0]), os.X_OK):
                wrong.append(f"{mutant.name}: there is no test program {run[0]}")
        if not mutant.runs:
            wrong.append(f"{mutant.name}: names no test program")
    print("\n".join(wrong) or f"{len(mutants)} mutants")
    return 1 if wrong else 0


sys.exit(main())
