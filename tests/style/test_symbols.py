#!/usr/bin/python3
"""What the linker sees: the plugin exports its one entry, and no library calls upwards."""
import os
import subprocess
import tempfile
from pathlib import Path

import tree
from layers import ALLOWED

BUILD = Path(os.environ.get("VARVE_BUILD", tree.TOP / "build"))


def symbols(path, *options):
    """Names with their letters, as nm shows them."""
    listed = subprocess.run(["nm", "-P", *options, path], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    return [(line.split()[0], line.split()[1]) for line in listed.splitlines()
            if len(line.split()) > 1 and not line.endswith(":")]


def extra_exports(plugin):
    exported = {name for name, _ in symbols(plugin, "-D", "--defined-only")}
    if "plugin_init" not in exported:
        yield f"{plugin}: does not export plugin_init"
    for name in sorted(exported - {"plugin_init"}):
        yield f"{plugin}: exports {name}"


def calls_upwards(libraries, allowed):
    """libraries: {folder: path}"""
    home, wanted = {}, {}
    for folder, path in libraries.items():
        for name, letter in symbols(path):
            if letter == "U":
                wanted.setdefault(folder, set()).add(name)
            elif letter.isupper():
                home[name] = folder
    for folder, names in wanted.items():
        for name in sorted(names):
            there = home.get(name, folder)
            below = {f"server/{word}" for word in allowed[folder]}
            # who may include a public header may call what lies behind it
            public = name.startswith("varve_") and any(w.startswith("varve") for w in allowed[folder])
            if there != folder and there not in below and not public:
                yield f"{folder} calls {name} of {there}"


def compile_library(folder, name, text):
    source = Path(folder, name + ".c")
    source.write_text(text)
    subprocess.run(["gcc", "-c", "-o", source.with_suffix(".o"), source], check=True)
    subprocess.run(["ar", "rc", source.with_suffix(".a"), source.with_suffix(".o")], check=True)
    return source.with_suffix(".a")


def check_samples(folder):
    low = compile_library(folder, "low", "int high(void); int low(void) { return high(); }")
    high = compile_library(folder, "high", "int low(void); int high(void) { return low(); }")
    found = list(calls_upwards({"server/low": low, "server/high": high},
                               {"server/low": [], "server/high": ["low"]}))
    assert found == ["server/low calls high of server/high"], found
    module = Path(folder, "module.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", module, Path(folder, "low.c")], check=True)
    assert len(list(extra_exports(module))) == 2


with tempfile.TemporaryDirectory() as scratch:
    check_samples(scratch)

archives = {}
for archive in sorted(BUILD.glob("server/*/*.a")):
    archives[str(archive.parent.relative_to(BUILD))] = archive
module_path = BUILD / "plugins/nbdkit-varve-plugin.so"
problems = list(calls_upwards(archives, ALLOWED))
if module_path.exists():
    problems += extra_exports(module_path)
else:
    problems.append(f"{module_path} is missing")
tree.finish(problems, len(archives))
