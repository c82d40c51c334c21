"""A result: what was measured, where and how, as JSON and as tables and plots."""

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import time

import report
from loads import Figure

REPO = pathlib.Path(__file__).resolve().parents[2]


def _said(*words):
    """The first line that a command prints, or "?"."""
    try:
        ran = subprocess.run(words, cwd=REPO, capture_output=True, text=True)
    except OSError:
        return "?"
    return ((ran.stdout or ran.stderr).splitlines() or ["?"])[0].strip()


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _machine(arguments):
    return {
        "when": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "processor": f"{os.cpu_count()} × {_processor()}",
        "kernel": platform.release(),
        "load": " ".join(f"{value:.1f}" for value in os.getloadavg()) + " (1, 5, 15 minutes) at the end",
        "varve": _said("git", "describe", "--always", "--dirty"),
        "nbdkit": _said(os.environ.get("VARVE_NBDKIT", "nbdkit"), "--version"),
        "qemu-nbd": _said("qemu-nbd", "--version"),
        "nbd-server": _said("nbd-server", "-V"),
        "fio": _said("fio", "--version"),
        "each run": f"{arguments.seconds:g} s on {arguments.size >> 20} MiB, {arguments.rounds} rounds",
    }


def new(figures, measures, arguments):
    return {"machine": _machine(arguments), "rounds": arguments.rounds, "figures": figures, "measures": measures}


def read(folder):
    result = json.loads((folder / "result.json").read_text())
    result["figures"] = {
        scenario: {peer: [Figure(**figure) for figure in figures] for peer, figures in by_peer.items()}
        for scenario, by_peer in result["figures"].items()
    }
    return result


def together(parts):
    """Of what two results have, the later one counts: ratios are not made across runs."""
    whole = parts[0]
    for part in parts[1:]:
        whole["figures"].update(part["figures"])
        measured = {(row[0], row[1]) for row in part["measures"]}
        whole["measures"] = [row for row in whole["measures"] if (row[0], row[1]) not in measured] + part["measures"]
        whole["machine"] = part["machine"]
        whole["rounds"] = min(whole["rounds"], part["rounds"])
    return whole


def write(result, folder, plots):
    """Prints the tables, too. Returns the folder."""
    folder = folder or REPO / "build/bench" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    if plots and result["figures"]:
        import plots as drawing

        drawing.draw_all(result, folder)
    plain = {
        **result,
        "figures": {
            scenario: {peer: [dataclasses.asdict(figure) for figure in figures] for peer, figures in by_peer.items()}
            for scenario, by_peer in result["figures"].items()
        },
    }
    (folder / "result.json").write_text(json.dumps(plain, indent=1) + "\n")
    print(report.write(result, folder), end="")
    return folder
