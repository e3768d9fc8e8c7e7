"""A peer that finds its files not in memory: cold, or under a limit of memory that is less than the files.

It is filled once, without a limit. Then, for each state, its files are dropped from the page cache, and a new
process opens it and looks up; and so once more to iterate. Nothing is changed, so that one filling serves all
states. How inserts do under a limit is the claim `inserts`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from cold import evict
from kinds import KINDS
from process import Failed, measure
from report import Cell
from workloads import PROBES, fill, look, walk

# Cold look-ups are few: the more there are, the less is cold.
_COLD_PROBES = 20_000
# A process with Python, a peer and its buffers needs so much; what it does with less says nothing.
_LEAST_LIMIT = 64 << 20
# Of the limit of time for inserting: there are many states, and a slow one is seen in seconds.
_PHASE_PART = 9
PARTS = {"quarter": 4, "eighth": 8}
STATES = ("warm", "cold", *PARTS)


def limit_bytes(kind: str, size: int, state: str) -> int | None:
    """The limit of a state, the same for all peers; None for "cold"."""
    return KINDS[kind].entry_bytes * size // PARTS[state] if state in PARTS else None


def run_states(cells: list[Cell], order: Path, limit: float) -> None:
    """Measures the cells of one peer, kind and size, a state each.

    `limit` is in seconds, of inserting, and a ninth of it of each other phase.
    """
    timeout = 10 * limit + 60
    first = cells[0]
    for cell in cells:
        bound = limit_bytes(cell.kind, cell.size, cell.state)
        if bound is not None and bound < _LEAST_LIMIT:
            cell.skipped = f"not run: {bound >> 20} MiB is too little for a process"
    if all(cell.skipped for cell in cells):
        return
    with tempfile.TemporaryDirectory(dir=order.parent) as folder:
        try:
            filled = measure(fill, first.peer, first.kind, str(order), folder, limit, timeout=timeout)
        except Failed as failure:
            filled = {}
            reason = str(failure)
        for cell in cells:
            if not filled:
                cell.failure = reason
            elif "insert" in filled["stopped"]:
                cell.skipped = f"not run, since it was stopped at {filled['entries']:,} entries"
            elif not cell.skipped:
                _run_state(cell, order, folder, filled, limit / _PHASE_PART)


def _run_state(cell: Cell, order: Path, folder: str, filled: dict[str, Any], limit: float) -> None:
    entries = filled["entries"]
    bound = limit_bytes(cell.kind, cell.size, cell.state)
    probes = min(_COLD_PROBES, max(entries // 10, 1)) if bound is None else PROBES
    common = (cell.peer, cell.kind, str(order), folder, entries)
    timeout = 20 * limit + 60
    begin = time.monotonic()
    try:
        evicted = evict(Path(folder))
        run = measure(look, *common, probes, limit, timeout=timeout, limit_bytes=bound)
        evict(Path(folder))
        walked = measure(walk, *common, limit, timeout=timeout, limit_bytes=bound)
    except Failed as failure:
        cell.failure = str(failure)
        return
    for part in ("nanoseconds", "stopped"):
        run[part] |= walked[part]
    run["disk_bytes"], run["limit_bytes"], run["evicted"] = filled["disk_bytes"], bound, evicted
    run["peak_bytes"] = max(run["peak_bytes"], walked["peak_bytes"])
    run["seconds"] = time.monotonic() - begin
    cell.runs.append(run)
