#!/usr/bin/env python3
"""Counts what an operation executes and misses, for the builtin dict and for EMDict: where the time between
them goes.

    python benchmarks/instructions.py [--entries 300k] [--output FILE]

Valgrind's callgrind runs a Python process instruction by instruction, with simulated caches: a first level of
48 KiB and a last level of 1 MiB, so that the entries are far more than fit, as millions are for real caches.
Each operation is done on so many keys in no order; what the same process executes without it is taken off,
and the rest divided by the number of keys. It counts no instructions of the kernel and no misses of address
translation.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import describe, result_path, write_result
from peers import installed
from sizes import size_of

_ENTRIES = 300_000
_KEYS = 50_000
_COUNTED = Path(__file__).with_name("counted.py")
_CACHES = ("--I1=32768,8,64", "--D1=49152,12,64", "--LL=1048576,16,64")
_OPERATIONS = ("loop", "get", "get_many", "missing", "insert")
_CONTAINERS = ("dict", "EMDict")
_ABOUT = (
    "Counted by callgrind (`benchmarks/instructions.py`), per key, the Python loop included: {entries:,} "
    "ints to ints, {keys:,} keys in no order, a simulated first level of 48 KiB and a last level of 1 MiB."
)


def keys_of(entries: int) -> int:
    return min(_KEYS, entries)


def _events(valgrind: str, name: str, operation: str, entries: int) -> dict[str, int]:
    """Event counts of the process. Errors: SystemExit with what valgrind said."""
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", "--cache-sim=yes", *_CACHES]
    command += [sys.executable, str(_COUNTED), name, operation, str(entries), str(keys_of(entries))]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    found = {}
    for line in done.stderr.splitlines():
        title, _, rest = line.partition("==")[2].partition("==")[2].partition(":")
        if title.strip() in ("Events", "Collected"):
            found[title.strip()] = rest.split()
    if done.returncode != 0 or len(found) != 2:
        said = [line for line in done.stderr.splitlines() if not line.startswith("==")]
        sys.exit(f"instructions: {name} {operation} failed: {' / '.join(said[-3:])}")
    return dict(zip(found["Events"], map(int, found["Collected"]), strict=True))


def _per_key(with_it: dict[str, int], without: dict[str, int], keys: int) -> dict[str, float]:
    each = {event: (with_it[event] - without[event]) / keys for event in with_it}
    return {
        "instructions": each["Ir"],
        "first-level misses": each["D1mr"] + each["D1mw"],
        "last-level misses": each["DLmr"] + each["DLmw"],
    }


def count_all(valgrind: str, entries: int) -> dict[str, Any]:
    keys = keys_of(entries)
    operations = {}
    for name in _CONTAINERS:
        without = _events(valgrind, name, "none", entries)
        for operation in _OPERATIONS:
            if name == "dict" and operation == "get_many":
                continue
            counts = _per_key(_events(valgrind, name, operation, entries), without, keys)
            operations[f"{name}: {operation}"] = counts
            shown = ", ".join(f"{each:,.1f} {what}" for what, each in counts.items())
            print(f"{name}: {operation}: {shown}", flush=True)
    return {"about": _ABOUT.format(entries=entries, keys=keys), "operations": operations}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=size_of, default=_ENTRIES, metavar="N", help="default: 300k")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/<time>.json")
    arguments = parser.parse_args()
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        sys.exit("instructions: valgrind is not installed (Debian: apt install valgrind)")
    result = {"machine": describe(Path(tempfile.gettempdir())), "versions": installed(), "command": sys.argv}
    result["instructions"] = count_all(valgrind, arguments.entries)
    path = arguments.output or result_path()
    write_result(path, result)
    print(f"all figures are in {path}")


if __name__ == "__main__":
    main()
