"""The tables and the targets, from the figures of all cells."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from claim import Claim

_MIB = 1 << 20
PHASES = ("insert", "commit", "append", "extend", "get", "missing", "iterate", "delete")

# Title, a figure a cell, and digits.
Row = tuple[str, list[float | None], int]


@dataclass
class Cell:
    """One peer at one kind, size and state: the figures of its runs, or why there are none."""

    peer: str
    kind: str
    size: int
    runs: list[dict[str, Any]]
    failure: str = ""
    skipped: str = ""
    state: str = "warm"

    def nanoseconds(self, phase: str) -> float | None:
        """Median of the runs."""
        times = [run["nanoseconds"][phase] for run in self.runs if phase in run["nanoseconds"]]
        return statistics.median(times) if times else None

    def single(self, phase: str, which: int) -> float | None:
        """Of operations timed one by one: 0 their median, 1 their p99; of these, the median of the runs."""
        times = [run["single"][phase][which] for run in self.runs if phase in run.get("single", {})]
        return statistics.median(times) if times else None

    def figure(self, name: str) -> float | None:
        """Median of one of the other figures."""
        found = [run[name] for run in self.runs if run[name] is not None]
        return statistics.median(found) if found else None

    def bytes_per_entry(self) -> float | None:
        disk = self.figure("disk_bytes")
        return disk / self.runs[0]["entries"] if disk is not None else None

    def peak_bytes(self) -> float | None:
        peaks = [run["peak_bytes"] - run["before_bytes"] for run in self.runs]
        return max(statistics.median(peaks), 0) if peaks else None

    def limit_bytes(self) -> int | None:
        return next((run["limit_bytes"] for run in self.runs if run.get("limit_bytes")), None)

    def stopped(self) -> dict[str, int]:
        """Phases that reached the limit of time, with the operations done until then."""
        return {phase: done for run in self.runs for phase, done in run["stopped"].items()}


def ratio(over: float | None, under: float | None) -> str:
    return f"{over / under:.2f}x" if over is not None and under else ""


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def rows_of(cells: list[Cell]) -> list[Row]:
    """The lines of a table."""
    rows: list[Row] = []
    for phase in PHASES:
        rows.append((f"{phase}, ns", [cell.nanoseconds(phase) for cell in cells], int(phase == "extend")))
        rows.append((f"  one {phase}, median", [cell.single(phase, 0) for cell in cells], 0))
        rows.append((f"  one {phase}, p99", [cell.single(phase, 1) for cell in cells], 0))
    reopen = [_scaled(cell.figure("reopen_seconds"), 1000) for cell in cells]
    rows.append(("reopen, ms", reopen, 2))
    rows.append(("disk, bytes an entry", [cell.bytes_per_entry() for cell in cells], 1))
    rows.append(("peak anonymous, MiB", [_scaled(cell.peak_bytes(), 1 / _MIB) for cell in cells], 0))
    return [row for row in rows if any(figure is not None for figure in row[1])]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def table(cells: list[Cell], ours: str, builtin: str, rival: str | None) -> str:
    """One kind and size: a line a figure, a column a peer, and ours against the builtin and the rival."""
    names = [cell.peer for cell in cells]
    compared = [
        (over, under) for over, under in ((ours, builtin), (rival, ours)) if {over, under} <= {*names}
    ]
    heads = [f"{over}/{under}" for over, under in compared]
    widths = [max(len(name), 10) for name in names] + [len(head) for head in heads]
    lines = [_line(title_of(cells), [*names, *heads], widths)]
    for title, figures, digits in rows_of(cells):
        by_name = dict(zip(names, figures, strict=True))
        ratios = [ratio(by_name[over], by_name[under]) for over, under in compared]
        lines.append(_line(title, [number(figure, digits) for figure in figures] + ratios, widths))
    lines += [f"  {note}" for note in notes_of(cells)]
    return "\n".join(lines)


def _line(title: str, columns: Iterable[str], widths: list[int]) -> str:
    padded = (column.rjust(width) for column, width in zip(columns, widths, strict=True))
    return f"{title:<34}  " + "  ".join(padded)


def title_of(cells: list[Cell]) -> str:
    """Kind, size and, where it is not warm, the state."""
    first = cells[0]
    limit = next((cell.limit_bytes() for cell in cells if cell.limit_bytes()), None)
    state = "" if first.state == "warm" else f", {first.state}"
    return f"{first.kind}, {first.size:,}{state}" + (f" ({limit >> 20} MiB)" if limit else "")


def notes_of(cells: list[Cell]) -> list[str]:
    """Why figures are missing or stand for less than the whole."""
    notes: dict[str, list[str]] = {}
    for cell in cells:
        if cell.failure or cell.skipped:
            notes.setdefault(cell.failure or cell.skipped, []).append(cell.peer)
        for phase, done in cell.stopped().items():
            notes.setdefault(f"{phase} stopped after {done:,}, at its limit of time", []).append(cell.peer)
    return [f"{', '.join(peers)}: {note}" for note, peers in notes.items()]


def targets(cells: list[Cell]) -> list[Claim]:
    """What is to be reached by the tables' figures, at the largest size that was run."""
    cells = [cell for cell in cells if cell.state == "warm"]
    by_key = {(cell.kind, cell.size, cell.peer): cell for cell in cells}
    claims = []
    sizes = [cell.size for cell in cells if cell.kind == "int-int"]
    if sizes:
        size = max(sizes)
        at = {peer: by_key.get(("int-int", size, peer)) for peer in ("pyrsistence", "dict", "lmdb")}
        claims += _dict_targets(at, f"int-int, {size:,}")
    sizes = [cell.size for cell in cells if cell.kind == "list"]
    if sizes:
        size = max(sizes)
        claims += _list_targets(
            by_key.get(("list", size, "EMList")), by_key.get(("list", size, "list")), size
        )
    return claims


def _dict_targets(at: dict[str, Cell | None], where: str) -> list[Claim]:
    ours, builtin, lmdb = at["pyrsistence"], at["dict"], at["lmdb"]
    claims = []
    for phase in ("get", "insert"):
        claims.append(_at_most(f"{where}: {phase}", ours, builtin, phase, 1.25, "dict"))
    for phase, factor in (("get", 5.0), ("insert", 5.0), ("iterate", 2.0)):
        claims.append(_faster(f"{where}: {phase}", ours, lmdb, phase, factor, "lmdb"))
    each = ours.bytes_per_entry() if ours else None
    reached = None if each is None else each <= 32
    claims.append(Claim(f"{where}: disk", f"{number(each, 1)} bytes an entry", "at most 32", reached))
    return claims


def _list_targets(ours: Cell | None, builtin: Cell | None, size: int) -> list[Claim]:
    extend = ours.nanoseconds("extend") if ours else None
    rate = None if extend is None else 1000 / extend
    return [
        _at_most(f"list, {size:,}: append", ours, builtin, "append", 3.0, "list"),
        Claim(
            f"list, {size:,}: extend(range(n))",
            f"{number(rate, 1)} million/s",
            "at least 20 million/s",
            None if rate is None else rate >= 20,
        ),
    ]


def _times(ours: Cell | None, other: Cell | None, phase: str) -> tuple[float | None, float | None]:
    return (ours.nanoseconds(phase) if ours else None, other.nanoseconds(phase) if other else None)


def _at_most(name: str, ours: Cell | None, other: Cell | None, phase: str, factor: float, peer: str) -> Claim:
    mine, theirs = _times(ours, other, phase)
    target = f"at most {factor:g} times {peer}'s"
    if mine is None or theirs is None:
        return Claim(name, "-", target, None)
    measured = f"{mine:,.0f} ns beside {theirs:,.0f}: {mine / theirs:.2f} times {peer}'s"
    return Claim(name, measured, target, mine <= factor * theirs)


def _faster(name: str, ours: Cell | None, other: Cell | None, phase: str, factor: float, peer: str) -> Claim:
    mine, theirs = _times(ours, other, phase)
    target = f"at least {factor:g} times faster than {peer}"
    if mine is None or theirs is None:
        return Claim(name, "-", target, None)
    measured = f"{mine:,.0f} ns beside {theirs:,.0f}: {theirs / mine:.2f} times faster than {peer}"
    return Claim(name, measured, target, theirs >= factor * mine)


def verdict(claim: Claim) -> str:
    """One line: what was measured against what is to be reached."""
    word = {True: "reached", False: "MISSED", None: "not measured"}[claim.reached]
    return f"{word:<12}  {claim.name}: {claim.measured} (to reach: {claim.target})"
