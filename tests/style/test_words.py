#!/usr/bin/python3
"""Names say something, dangerous functions stay out, nothing half-done stays in."""
import re

import tree

EMPTY = {"util", "utils", "misc", "helper", "helpers", "common"}
EMPTY_NOUNS = EMPTY | {"manager", "handler", "ctx"}  # for files and types: a signal has a handler
EMPTY_ALONE = {"data", "stuff", "info"}
FUNCTIONS = ("strcpy", "stpcpy", "strcat", "sprintf", "vsprintf", "gets", "atoi", "atol", "atoll",
             "atof", "rand", "srand", "random", "strtok", "alloca", "mktemp", "tmpnam", "system")
# what belongs to one machine, and what nobody came back to
UNWANTED = re.compile(r"(?<![\w}])/(?:work|root)/|(?<!\w)/home/\w|\bTODO\b|\bFIXME\b|\bXXX\b")


def says_nothing(name, empty=EMPTY_NOUNS):
    words = re.split(r"[_.\-]+", name.lower())
    return name.lower() in EMPTY_ALONE or empty & set(words)


def problems(files):
    for path, text in files.items():
        yield from path_problems(path)
        if path.endswith((".c", ".h")):
            yield from code_problems(path, tree.code(text))
        if path.startswith("tests/style/"):
            continue  # they name what they look for
        for number, line in tree.numbered(text):
            if found := UNWANTED.search(line):
                yield f"{path}:{number}: {found[0]}"


def path_problems(path):
    for part in path.split("/"):
        if says_nothing(part.split(".")[0]):
            yield f"{path}: the name '{part}' says nothing"


def code_problems(path, text):
    for number, line in tree.numbered(text):
        types = re.findall(r"\b(?:struct|union|enum)\s+(\w+)", line)
        functions = re.findall(r"^(?:\w.*?\b)?(\w+)\(", line)
        for name in types + functions:
            if says_nothing(name, EMPTY_NOUNS if name in types else EMPTY):
                yield f"{path}:{number}: the name '{name}' says nothing"
        for name in FUNCTIONS:
            if re.search(rf"(?<![\w>.])(?<!->){name}\s*\(", line):
                yield f"{path}:{number}: {name} is banned"
        if re.match(r"\s*#\s*if\s+0\b", line):
            yield f"{path}:{number}: code that is switched off"
        if re.search(r"#\s*define\s+NDEBUG\b", line):
            yield f"{path}:{number}: asserts stay on"


tree.check(problems, tree.read(), bad=[
    {"server/base/util.c": ""},
    {"server/base/map_helpers.h": ""},
    {"tools/data.c": ""},
    {"a.c": "struct io_manager {\n};\n"},
    {"a.c": "static int map_helper(int a)\n{\n}\n"},
    {"a.c": "    strcpy(a, b);\n"},
    {"a.c": "    n = atoi (argument);\n"},
    {"a.c": "#if 0\n"},
    {"a.c": "#define NDEBUG 1\n"},
    {"a.c": "/* TO" "DO: later */\n"},
    {"README.md": "cd /wo" "rk/main\n"},
], good=[
    {"server/format/data_block.c": "/* unlike strcpy() */ struct data_block {\n};\n"},
    {"a.c": 'io->ops->random(io, b, n);\nx.random(1);\nputs("sprintf(");\n'},
])
