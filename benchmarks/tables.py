"""Runs the cells of the tables, in rounds, and prints table by table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lists import LISTS, run_list
from order import write_order
from peers import PEERS
from process import Failed, measure
from report import Cell, table
from states import run_states
from workloads import run_dict

_ROUNDS = 5
# The targets compare these two, so that they are run more than once even where that takes a while.
_COMPARED = ("pyrsistence", "dict", "EMList", "list")
_COMPARED_ROUNDS = 3


def run_tables(arguments: argparse.Namespace, found: dict[str, str], scratch: Path) -> Iterator[list[Cell]]:
    """Measures and prints, table by table."""
    done: list[Cell] = []
    for size in arguments.sizes if arguments.kinds else []:
        order = scratch / f"order-{size}"
        progress(f"shuffling {size:,} keys")
        write_order(order, size)
        for kind in arguments.kinds:
            if "warm" in arguments.state:
                done += (cells := _warm_table(kind, size, order, arguments, found, done))
                yield cells
            if size == max(arguments.sizes) and kind != "list":
                yield _state_tables(kind, size, order, arguments, found)
        order.unlink()


def progress(text: str) -> None:
    """Says on a terminal what is being measured, in one line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _warm_table(
    kind: str, size: int, order: Path, arguments: argparse.Namespace, found: dict[str, str], done: list[Cell]
) -> list[Cell]:
    cells = [Cell(name, kind, size, []) for name in _names_of(kind, arguments.only, found)]
    if cells:
        _run_cells(_skip_stopped(cells, done), order, arguments)
        _print_table(cells)
    return cells


def _state_tables(
    kind: str, size: int, order: Path, arguments: argparse.Namespace, found: dict[str, str]
) -> list[Cell]:
    """The other states, of the peers that keep files."""
    states = [state for state in arguments.state if state != "warm"]
    persistent = [peer.name for peer in PEERS if peer.persistent]
    names = [name for name in _names_of(kind, arguments.only, found) if name in persistent]
    cells = []
    for name in names if states else []:
        progress(f"{kind}, {size:,}: {name}, {', '.join(states)}")
        of_peer = [Cell(name, kind, size, [], state=state) for state in states]
        run_states(of_peer, order, arguments.limit)
        cells += of_peer
    for state in states if cells else []:
        _print_table([cell for cell in cells if cell.state == state])
    return cells


def _print_table(cells: list[Cell]) -> None:
    progress("")
    dict_like = cells[0].kind != "list"
    ours, builtin = ("pyrsistence", "dict") if dict_like else ("EMList", "list")
    print(table(cells, ours, builtin, "lmdb" if dict_like else None), end="\n\n", flush=True)


def _run_cell(cell: Cell, order: Path, arguments: argparse.Namespace) -> float:
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


def _run_cells(cells: list[Cell], order: Path, arguments: argparse.Namespace) -> None:
    """Runs the cells of one table in rounds, until each has had its share."""
    spent = dict.fromkeys((cell.peer for cell in cells), 0.0)
    for number in range(1 if arguments.quick else _ROUNDS):
        for cell in cells:
            again = spent[cell.peer] < arguments.share
            again |= cell.peer in _COMPARED and number < _COMPARED_ROUNDS
            if number == 0 or (again and not cell.failure):
                progress(f"{cell.kind}, {cell.size:,}: {cell.peer}, run {number + 1}")
                spent[cell.peer] += _run_cell(cell, order, arguments)


def _skip_stopped(cells: list[Cell], done: list[Cell]) -> list[Cell]:
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


def _names_of(kind: str, wanted: list[str], found: dict[str, str]) -> list[str]:
    """The columns of a kind's table."""
    if kind != "list":
        return [name for name in wanted if name in found]
    counterparts = {"pyrsistence": "EMList", "dict": "list", "loop": "loop"}
    return [name for peer, name in counterparts.items() if peer in wanted and peer in found and name in LISTS]
