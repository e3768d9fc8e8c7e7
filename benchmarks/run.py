#!/usr/bin/env python3
"""pyrsistence beside its peers: prints the tables and the targets, and writes all figures to a file.

    python benchmarks/run.py            all: 0.1, 1 and 10 million entries
    python benchmarks/run.py --quick    0.1 million
    python benchmarks/run.py --only pyrsistence dict --kinds int-int --sizes 10M

Every cell of a table is a process of its own. Cells are run in rounds, a run of each peer a round, until a
cell has had its share of time, so that a disturbance does not hit one peer alone; the median is shown. A peer
whose inserting was stopped at its limit of time is not tried at larger sizes.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from claims import CLAIMS, Claim, check
from kinds import KINDS
from lists import LISTS, run_list
from machine import describe, result_path, write_result
from order import write_order
from peers import PEERS, installed
from process import Failed, measure
from report import Cell, table, targets, verdict
from workloads import run_dict

_ROUNDS = 5
# The targets compare these two, so that they are run more than once even where that takes a while.
_COMPARED = ("pyrsistence", "dict", "EMList", "list")
_COMPARED_ROUNDS = 3
_QUICK_CLAIM = 100_000


def size_of(text: str) -> int:
    """Reads "100k", "1M" or "250000"."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        size = round(float(text.rstrip("kKmM")) * factor)
    except ValueError:
        size = 0
    if size < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of 1000 or more: write it as 100k or 10M")
    return size


def parse_arguments() -> argparse.Namespace:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--quick", action="store_true", help="0.1 million entries only, one run a cell, small claims")
    option("--sizes", nargs="+", type=size_of, default=[100_000, 1_000_000, 10_000_000], metavar="N")
    option("--only", nargs="+", choices=names, default=names, metavar="PEER", help=", ".join(names))
    option("--kinds", nargs="*", choices=[*KINDS, "list"], default=[*KINDS, "list"], metavar="KIND")
    option(
        "--claims",
        nargs="*",
        choices=[*CLAIMS],
        default=["queue", "open", "commits", "readers"],
        help="default: all but large",
    )
    option("--large", action="store_true", help="also build 50 million entries under a budget of 256 MiB")
    option("--limit", type=float, default=45.0, metavar="SECONDS", help="of inserting, a cell (default: 45)")
    option(
        "--share", type=float, default=8.0, metavar="SECONDS", help="a cell is repeated within (default: 8)"
    )
    option("--scratch", type=Path, default=Path("/var/tmp"), help="where the files go (default: /var/tmp)")
    option(
        "--output", type=Path, default=None, help="the result file (default: benchmarks/results/<time>.json)"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes = [100_000]
        arguments.limit, arguments.share = 2.0, 0.0
    if arguments.large:
        arguments.claims = [*dict.fromkeys([*arguments.claims, "large"])]
    return arguments


def run_cell(cell: Cell, order: Path, arguments: argparse.Namespace) -> float:
    """One more run of the cell. Returns the seconds it took."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(dir=order.parent) as folder:
        timeout = 10 * arguments.limit + 60
        try:
            if cell.kind == "list":
                run = measure(run_list, cell.peer, str(order), folder, timeout=timeout)
            else:
                run = measure(
                    run_dict, cell.peer, cell.kind, str(order), folder, arguments.limit, timeout=timeout
                )
            cell.runs.append(run)
        except Failed as failure:
            cell.failure = str(failure)
    return time.monotonic() - begin


def run_cells(cells: list[Cell], order: Path, arguments: argparse.Namespace) -> None:
    """Runs the cells of one table in rounds, until each has had its share."""
    spent = dict.fromkeys((cell.peer for cell in cells), 0.0)
    for number in range(1 if arguments.quick else _ROUNDS):
        for cell in cells:
            again = spent[cell.peer] < arguments.share
            again |= cell.peer in _COMPARED and number < _COMPARED_ROUNDS
            if number == 0 or (again and not cell.failure):
                progress(f"{cell.kind}, {cell.size:,}: {cell.peer}, run {number + 1}")
                spent[cell.peer] += run_cell(cell, order, arguments)
    progress("")


def skip_stopped(cells: list[Cell], done: list[Cell]) -> list[Cell]:
    """The cells to run: not those of a peer that could not even insert the entries of a smaller size."""
    to_run = []
    for cell in cells:
        smaller = (other for other in done if (other.peer, other.kind) == (cell.peer, cell.kind))
        stopped = next((other for other in smaller if "insert" in other.stopped()), None)
        if stopped:
            cell.skipped = f"not run, since it was stopped at {stopped.stopped()['insert']:,} entries before"
        else:
            to_run.append(cell)
    return to_run


def progress(text: str) -> None:
    """Says on a terminal what is being measured, in one line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def names_of(kind: str, wanted: list[str], found: dict[str, str]) -> list[str]:
    """The columns of a kind's table."""
    if kind != "list":
        return [name for name in wanted if name in found]
    counterparts = {"pyrsistence": "EMList", "dict": "list", "loop": "loop"}
    return [name for peer, name in counterparts.items() if peer in wanted and peer in found and name in LISTS]


def run_tables(arguments: argparse.Namespace, found: dict[str, str], scratch: Path) -> list[Cell]:
    """Measures and prints, table by table."""
    done: list[Cell] = []
    for size in arguments.sizes:
        order = scratch / f"order-{size}"
        progress(f"shuffling {size:,} keys")
        write_order(order, size)
        for kind in arguments.kinds:
            cells = [Cell(name, kind, size, []) for name in names_of(kind, arguments.only, found)]
            if cells:
                run_cells(skip_stopped(cells, done), order, arguments)
                dict_like = kind != "list"
                ours, builtin = ("pyrsistence", "dict") if dict_like else ("EMList", "list")
                print(table(cells, ours, builtin, "lmdb" if dict_like else None), end="\n\n", flush=True)
                done += cells
        order.unlink()
    return done


def run_claims(arguments: argparse.Namespace, found: dict[str, str], scratch: Path) -> list[Claim]:
    if "pyrsistence" not in found or "pyrsistence" not in arguments.only:
        return []
    claims = []
    for name in arguments.claims:
        progress(f"claim: {name}")
        claims.append(check(name, scratch, _QUICK_CLAIM if arguments.quick else None))
    progress("")
    return claims


def main() -> int:
    arguments = parse_arguments()
    found = installed()
    machine = describe(arguments.scratch)
    begin = time.monotonic()
    print("{processor}, {cores} cores, {memory_gib:.0f} GiB; {kernel}, {file_system}".format(**machine))
    print("; ".join(f"{name} {version}" for name, version in found.items() if name != "loop"))
    for peer in PEERS:
        if peer.name in arguments.only and peer.name not in found:
            remedy = "make build" if peer.name == "pyrsistence" else "pip install 'pyrsistence[bench]'"
            print(f"{peer.name} is not installed and left out ({remedy})")
    print(
        "Times are a median, with the loop around the operation; column `loop` is the loop alone.\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="pyrsistence-bench-", dir=arguments.scratch) as folder:
        cells = run_tables(arguments, found, Path(folder))
        claims = targets(cells) + run_claims(arguments, found, Path(folder))
    for claim in claims:
        print(verdict(claim))
    seconds = time.monotonic() - begin
    path = arguments.output or result_path()
    result: dict[str, Any] = {"machine": machine, "versions": found, "command": sys.argv, "seconds": seconds}
    result["cells"] = [vars(cell) for cell in cells]
    result["claims"] = [vars(claim) for claim in claims]
    write_result(path, result)
    print(f"\n{seconds / 60:.1f} minutes; all figures are in {path}")
    return 1 if any(cell.failure for cell in cells) else 0


if __name__ == "__main__":
    # As Ctrl-C: what was measured ends, and its files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; no result file was written.")
