#!/usr/bin/env python3
"""Counts the instructions of the hot paths of all kinds, and compares them with those of another build.

    python benchmarks/hot_paths.py [NAME ...] [--before PYTHON] [--python PYTHON]

Valgrind's callgrind runs a Python process that does the operation some thousand times, and one that does it
twice as often; the difference is that of the operation, the Python loop included, and the same in every run.
PYTHON is an interpreter that has pyrsistence installed: this one, and that of the build before a change. What
is more than 1 % above is marked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TIMES = 50_000
ALLOWED = 1.01

# What is there, and what is counted for each i: of a list of ints that are no small ones.
_DICT = "c = em.EMDict(None, {i: i for i in numbers}, commit_interval=None)"
_TYPED = "c = em.EMDict(None, {i: i for i in numbers}, key='u8', value='u8', commit_interval=None)"
_LIST = "c = em.EMList(None, numbers, commit_interval=None)"
_ARRAY = "c = em.EMArray(None, 'i8', numbers, commit_interval=None)"
_SHADOW = "c = em.EMShadowMemory(None, [(0, 1 << 20)], commit_interval=None); c.mark(0, 1 << 20, 3)"
_GRAPH = "c = em.EMDiGraph(None, commit_interval=None); c.add_edges_from((i, i + 7) for i in numbers)"
_OPERATIONS = {
    "dict get": (_DICT, "c[i]"),
    "dict get()": (_DICT, "c.get(i)"),
    "dict missing": (_DICT, "-i in c"),
    "dict set": (_DICT, "c[i] = 7777"),
    "dict insert": (_DICT, "c[-i] = 7777"),
    "dict iterate": (_DICT + "; c = iter(c)", "next(c)"),
    "dict items": (_DICT + "; c = iter(c.items())", "next(c)"),
    "list get": (_LIST, "c[i - 1000]"),
    "list set": (_LIST, "c[i - 1000] = 7777"),
    "list append": (_LIST, "c.append(i)"),
    "list iterate": (_LIST + "; c = iter(c)", "next(c)"),
    "array get": (_ARRAY, "c[i - 1000]"),
    "array set": (_ARRAY, "c[i - 1000] = 7777"),
    "array append": (_ARRAY, "c.append(i)"),
    "typed get": (_TYPED, "c[i]"),
    "typed set": (_TYPED, "c[i] = 7777"),
    "typed iterate": (_TYPED + "; c = iter(c)", "next(c)"),
    "shadow get": (_SHADOW, "c[i]"),
    "shadow mark": (_SHADOW, "c.mark(i, 4, 5)"),
    "shadow mark_as": (_SHADOW, "c.mark_as_code(i, 4)"),
    "graph add_edge": (_GRAPH, "c.add_edge(i, i + 9)"),
    "graph has_edge": (_GRAPH, "c.has_edge(i, i + 7)"),
    "graph neighbours": (_GRAPH, "list(c.successors(i))"),
    "graph nodes": (_GRAPH + "; c = iter(c)", "next(c)"),
}

_PROGRAM = """
import gc, os
import pyrsistence as em
gc.disable()
numbers = list(range(1000, 1000 + {most}))
{setup}
for i in numbers[:{times}]:
    {statement}
os._exit(0)
"""


def _instructions(valgrind: str, python: str, name: str, times: int) -> int:
    """How many the process executes. Errors: SystemExit with what it said."""
    setup, statement = _OPERATIONS[name]
    program = _PROGRAM.format(most=2 * TIMES + 10, setup=setup, statement=statement, times=times)
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", python, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    found = [line.rpartition(":")[2] for line in done.stderr.splitlines() if "Collected" in line]
    if done.returncode != 0 or len(found) != 1:
        sys.exit(f"hot_paths: {name} failed with {python}: {done.stderr[-500:]}")
    return int(found[0])


def _each(valgrind: str, python: str, name: str) -> float:
    """Instructions of one operation."""
    once, twice = (_instructions(valgrind, python, name, times) for times in (TIMES, 2 * TIMES))
    return (twice - once) / TIMES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_OPERATIONS)}; default: all")
    parser.add_argument("--before", metavar="PYTHON", help="the interpreter of the build to compare with")
    parser.add_argument("--python", default=sys.executable, metavar="PYTHON", help="default: this one")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(_OPERATIONS)
    if unknown:
        parser.error(f"expected one of {', '.join(_OPERATIONS)}, found {', '.join(sorted(unknown))}")
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        sys.exit("hot_paths: valgrind is not installed (Debian: apt install valgrind)")
    names = arguments.names or list(_OPERATIONS)
    pythons = [arguments.python, *([arguments.before] if arguments.before else [])]
    more = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = {name: [pool.submit(_each, valgrind, python, name) for python in pythons] for name in names}
        for name, found in counts.items():
            now, *before = (each.result() for each in found)
            text = f"{name:18} {now:10,.1f}"
            if before:
                worse = now > before[0] * ALLOWED
                more += worse
                text += f"  before {before[0]:10,.1f}  {now / before[0]:.3f}{'  MORE' if worse else ''}"
            print(text, flush=True)
    if arguments.before:
        print(f"{more} of {len(names)} cost more than 1 % more instructions than before")


if __name__ == "__main__":
    main()
