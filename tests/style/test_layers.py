#!/usr/bin/python3
"""Includes go down only, as layers.txt says, and some headers are for one folder alone."""
import re

import tree
from layers import ALLOWED, ONLY


def layer_of(path):
    return next((folder for folder in ALLOWED if path.startswith(folder + "/")), None)


def problems(files):
    for path, text in files.items():
        if not path.startswith(("server/", "plugins/", "tools/", "include/")):
            continue
        layer = layer_of(path)
        if layer is None and not path.startswith("include/"):
            yield f"{path}: its folder is not in layers.txt"
            continue
        for number, line in tree.numbered(text):
            if found := re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line):
                why = fault(layer, found[1], found[2])
                if why:
                    yield f"{path}:{number}: {why}"


def fault(layer, kind, header):
    for name, folders in ONLY.items():
        if header == name or header.startswith(name + "/"):
            return None if layer in folders else f"<{header}> is only for {' '.join(folders)}"
    if header.startswith("varve/"):
        public = layer is None or {"varve", header} & set(ALLOWED[layer])
        return None if public else f"{layer} may not include {header}"
    if kind == "<":
        return None
    if layer is None:
        return "public headers include public headers only"
    folder, slash, _ = header.rpartition("/")
    if not slash:
        return f'"{header}" lacks its folder' if layer.startswith("server/") else None
    if f"server/{folder}" == layer or folder in ALLOWED[layer]:
        return None
    return f'{layer} may not include "{header}"'


tree.check(problems, tree.read(".c", ".h"), bad=[
    {"server/map/x.c": '#include "store/store.h"\n'},
    {"server/map/x.c": '#include <varve/volume.h>\n'},
    {"server/map/x.c": '#include "block_map.h"\n'},
    {"server/map/x.c": '#include <liburing.h>\n'},
    {"server/volume/x.c": '#include <blkid/blkid.h>\n'},
    {"server/control/x.c": '#include "store/store.h"\n'},
    {"tools/x.c": '# include "io/io.h"\n'},
    {"plugins/nbdkit/x.c": '#include "volume/lease.h"\n'},
    {"include/varve/x.h": '#include "base/block.h"\n'},
    {"server/unheard/x.c": '\n'},
], good=[
    {"server/map/x.c": '#include "map/block_map.h"\n#include "base/le.h"\n#include <string.h>\n'},
    {"server/io/x.c": '#include <liburing.h>\n'},
    {"tools/x.c": '#include "size.h"\n#include <varve/volume.h>\n'},
])
