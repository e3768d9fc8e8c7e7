#!/usr/bin/env python3
"""pyrsistence beside its peers: prints the tables and the targets, and writes all figures to a file.

    python benchmarks/run.py                       all of it: hours
    python benchmarks/run.py --quick               all of it, tiny: two minutes
    python benchmarks/run.py --only pyrsistence dict --kinds int-int --sizes 10M --claims
    python benchmarks/run.py --kinds --claims typed beyond           claims alone, as large as they are meant

Every cell of a table is a process of its own. Cells are run in rounds, a run of each peer a round, until a
cell has had its share of time, so that a disturbance does not hit one peer alone; the median is shown. A peer
whose inserting was stopped at its limit of time is not tried at larger sizes.

States: warm is all phases in one process; cold, quarter and eighth are look-ups at the largest size, with
files that are not in memory, or under a limit of memory that is that part of the data (see states.py).
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from claim import Claim, Scale
from claims import CLAIMS, check
from kinds import KINDS
from limit import reason_against
from machine import describe, result_path, write_result
from peers import PEERS, installed
from report import Cell, targets, verdict
from sizes import bytes_of, size_of
from states import STATES
from tables import progress, run_tables

_SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
_QUICK_COUNT = 100_000
_QUICK_SECONDS = 3.0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_table_options(parser)
    _add_claim_options(parser)
    option = parser.add_argument
    option("--quick", action="store_true", help="tables of 0.1 million entries, one run a cell; small claims")
    option("--scratch", type=Path, default=Path("/var/tmp"), help="where the files go (default: /var/tmp)")
    option("--output", type=Path, help="the result file (default: benchmarks/results/<time>.json)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes = arguments.sizes or [100_000]
        arguments.limit, arguments.share = 2.0, 0.0
        arguments.count = arguments.count or _QUICK_COUNT
        arguments.seconds = min(arguments.seconds, _QUICK_SECONDS)
    arguments.sizes = arguments.sizes or _SIZES
    return arguments


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument_group("tables").add_argument
    names = [peer.name for peer in PEERS]
    option("--sizes", nargs="+", type=size_of, metavar="N", help="default: 10k 100k 1M 10M")
    option("--only", nargs="+", choices=names, default=names, metavar="PEER", help=", ".join(names))
    option("--kinds", nargs="*", choices=[*KINDS, "list"], default=[*KINDS, "list"], metavar="KIND")
    option("--state", nargs="+", choices=STATES, default=[*STATES], metavar="STATE", help=", ".join(STATES))
    option("--limit", type=float, default=45.0, metavar="SECONDS", help="of inserting, a cell (default: 45)")
    option(
        "--share", type=float, default=8.0, metavar="SECONDS", help="a cell is repeated within (default: 8)"
    )


def _add_claim_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument_group("claims").add_argument
    option(
        "--claims", nargs="*", choices=[*CLAIMS], default=[*CLAIMS], metavar="CLAIM", help=", ".join(CLAIMS)
    )
    option("--count", type=size_of, metavar="N", help="entries of a claim, in place of what it is meant with")
    option(
        "--seconds",
        type=float,
        default=300.0,
        help="that a peer may insert for, in the claims inserts and smooth (default: 300)",
    )
    option("--memory", type=bytes_of, default=1 << 30, metavar="BYTES", help="their limit (default: 1G)")


def run_claims(arguments: argparse.Namespace, scratch: Path) -> Iterator[list[Claim]]:
    """Measures claim by claim, and prints each as soon as it is known."""
    scale = Scale(arguments.count, arguments.seconds, arguments.memory, arguments.quick)
    for name in arguments.claims:
        progress(f"claim: {name}")
        claims = check(name, scratch, scale)
        progress("")
        print_claims(claims)
        yield claims


def print_claims(claims: list[Claim]) -> None:
    for claim in claims:
        print(verdict(claim), flush=True)


def print_heading(arguments: argparse.Namespace, machine: dict[str, Any], found: dict[str, str]) -> None:
    print("{processor}, {cores} cores, {memory_gib:.0f} GiB; {kernel}, {file_system}".format(**machine))
    print("; ".join(f"{name} {version}" for name, version in found.items() if name != "loop"))
    for peer in PEERS:
        if peer.name in arguments.only and peer.name not in found:
            remedy = "make build" if peer.name == "pyrsistence" else "pip install 'pyrsistence[bench]'"
            print(f"{peer.name} is not installed and left out ({remedy})")
    if reason := reason_against():
        print(f"memory cannot be limited here, and what needs that is left out: {reason}")
    print(
        "Times are a median, with the loop around the operation; column `loop` is the loop alone.\n",
        flush=True,
    )


def measure_all(
    arguments: argparse.Namespace, found: dict[str, str], result: dict[str, Any], path: Path
) -> None:
    """Tables, then claims; the result file is written anew after each, so that an interruption costs one."""
    begin = time.monotonic()

    def keep(cells: list[Cell], claims: list[Claim]) -> None:
        result["cells"] += [vars(cell) for cell in cells]
        result["claims"] += [vars(claim) for claim in claims]
        result["seconds"] = time.monotonic() - begin
        write_result(path, result)

    keep([], [])
    with tempfile.TemporaryDirectory(prefix="pyrsistence-bench-", dir=arguments.scratch) as folder:
        cells: list[Cell] = []
        for table in run_tables(arguments, found, Path(folder)):
            cells += table
            keep(table, [])
        print_claims(targets(cells))
        keep([], targets(cells))
        if "pyrsistence" in found and "pyrsistence" in arguments.only:
            for claims in run_claims(arguments, Path(folder)):
                keep([], claims)


def main() -> int:
    arguments = parse_arguments()
    found = installed()
    machine = describe(arguments.scratch)
    path = arguments.output or result_path()
    result: dict[str, Any] = {
        "machine": machine,
        "versions": found,
        "command": sys.argv,
        "cells": [],
        "claims": [],
    }
    print_heading(arguments, machine, found)
    try:
        measure_all(arguments, found, result, path)
    except KeyboardInterrupt:
        sys.exit(f"\nInterrupted; what was measured until then is in {path}")
    print(f"\n{result['seconds'] / 60:.1f} minutes; all figures are in {path}")
    return (
        1
        if any(part.get("failure") or part.get("failed") for part in result["cells"] + result["claims"])
        else 0
    )


if __name__ == "__main__":
    # As Ctrl-C: what was measured ends, and its files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
