#!/usr/bin/python3
"""Small files, small functions; exceptions stand in sizes.txt and only shrink."""
import ast
import re

import tree

FILE_LINES = 500
FUNCTION_LINES = 70


def c_functions(text):
    """Name and length: clang-format puts a function's braces, and nothing else's, at column 0."""
    lines = text.splitlines()
    began = None
    for number, line in enumerate(lines):
        if line == "{":
            began = number
        elif line.startswith("}") and began is not None:
            head = " ".join(lines[max(0, began - 8):began])
            yield re.findall(r"(\w+)\s*\(", head.split(";")[-1].split("}")[-1])[0], number - began
            began = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno


def measured(files):
    """(name, size, limit) of all there is."""
    for path, text in files.items():
        yield path, text.count("\n"), FILE_LINES
        if path.endswith((".c", ".h")):
            functions = c_functions(tree.code(text))
        else:
            functions = python_functions(text) if path.endswith(".py") else ()
        for name, size in functions:
            yield f"{path}:{name}", size, FUNCTION_LINES


def exceptions(text):
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, size, reason = line.split(None, 2)
            yield name, int(size)


def problems(files):
    listed = dict(exceptions(files.get("tests/style/sizes.txt", "")))
    for name, size, limit in measured(files):
        known = listed.pop(name, None)
        if known is None and size > limit:
            yield f"{name}: {size} lines, the limit is {limit}"
        elif known is not None and size > known:
            yield f"{name}: grew from {known} to {size} lines"
        elif known is not None and size < known:
            yield f"{name}: has shrunk to {size} lines: say so in sizes.txt"
    for name in listed:
        yield f"{name}: is in sizes.txt and nowhere else: take it out"


def long(lines):
    return "static int\nlong_one(int a,\n         int b)\n{\n" + "    a = b;\n" * lines + "}\n"


tree.check(problems, tree.read(".c", ".h", ".py", ".sh", "/sizes.txt"), bad=[
    {"a.c": long(70)},
    {"a.py": "def long_one():\n" + "    pass\n" * 71},
    {"a.h": "\n" * 501},
    {"a.c": long(80), "tests/style/sizes.txt": "a.c:long_one 75 it is young\n"},
    {"a.c": long(50), "tests/style/sizes.txt": "a.c:long_one 75 it was young\n"},
    {"tests/style/sizes.txt": "a.c:gone 75 it was young\n"},
], good=[
    {"a.c": long(69)},
    {"a.c": long(79), "tests/style/sizes.txt": "a.c:long_one 80 a table of codes\n"},
])
