"""The claims that are not a cell of the table: each is measured in processes of its own.

A claim's function measures in a folder of its own, at a Scale, and returns lines of the report. The larger
ones have a module each; those of the dict as a whole are here.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import arrays
import batches
import beyond
import durable
import graphs
import inserts
import sets
import shadow
import typed
from claim import Check, Claim, Scale, at_most, attempt
from process import anonymous_bytes, disk_bytes, measure

_MIB = 1 << 20
_TIMEOUT = 900.0
_QUEUE_STEPS = 10_000_000
_QUEUE_WINDOW = 1_000
_OPEN_ENTRIES = 10_000_000
_OPEN_MILLISECONDS = 5.0
_LARGE_ENTRIES = 50_000_000
_LARGE_BUDGET = 256 * _MIB


def _queue(folder: str, steps: int) -> dict[str, Any]:
    """A dict of `_QUEUE_WINDOW` entries in which each step adds the newest and deletes the oldest."""
    import pyrsistence

    queue: pyrsistence.EMDict[int, int] = pyrsistence.EMDict(folder)
    for number in range(_QUEUE_WINDOW):
        queue[number] = number
    before, tenths, sizes = anonymous_bytes(), [], []
    for tenth in range(10):
        begin = time.perf_counter()
        start = _QUEUE_WINDOW + tenth * steps // 10
        for number in range(start, start + steps // 10):
            queue[number] = number
            del queue[next(iter(queue))]
        tenths.append((time.perf_counter() - begin) * 1e10 / steps)
        queue.commit()
        sizes.append(disk_bytes(Path(folder)))
    oldest = next(iter(queue))
    queue.close()
    sizes.append(disk_bytes(Path(folder)))
    if oldest != steps:
        raise ValueError(f"the oldest entry is {oldest}, where {steps} was expected")
    return {"nanoseconds": tenths, "disk_bytes": sizes, "before_bytes": before}


def queue(folder: Path, scale: Scale) -> list[Claim]:
    """A dict used as a queue: constant cost, constant size."""
    steps = scale.of(_QUEUE_STEPS)
    name = f"dict as a queue, {steps:,} steps"
    target = "last tenth within 1.25 times the first, second half within 1.5 times the first"
    figures = measure(_queue, str(folder / "queue"), steps, timeout=_TIMEOUT)
    first, last = figures["nanoseconds"][0], figures["nanoseconds"][-1]
    *sizes, closed = figures["disk_bytes"]
    # Dead space is given back now and then, and the size goes up and down: each half's most is compared.
    early, late = max(sizes[:5]), max(sizes[5:])
    measured = (
        f"{first:,.0f} ns a step in the first tenth, {last:,.0f} in the last; at most {early / _MIB:.1f} MiB "
        f"on disk in the first half, {late / _MIB:.1f} in the second, {closed / _MIB:.1f} closed"
    )
    return [Claim(name, measured, target, last <= 1.25 * first and late <= 1.5 * early, figures)]


def _fill(folder: str, count: int, budget: int | None) -> dict[str, Any]:
    import pyrsistence

    if budget is not None:
        pyrsistence.set_memory_budget(budget)
    before = anonymous_bytes()
    begin = time.perf_counter()
    entries: pyrsistence.EMDict[int, int] = pyrsistence.EMDict(folder)
    for number in range(count):
        # Spread over the key space; the multiplier is odd, so that no key comes twice.
        entries[number * 0x9E3779B1 & 0xFFFFFFFF] = number
    length = len(entries)
    entries.close()
    if length != count:
        raise ValueError(f"{length:,} entries, where {count:,} were inserted")
    return {"seconds": time.perf_counter() - begin, "before_bytes": before}


def _open(folder: str) -> dict[str, Any]:
    import pyrsistence

    begin = time.perf_counter()
    entries: pyrsistence.EMDict[int, int] = pyrsistence.EMDict(folder, mode="r+")
    opened = time.perf_counter() - begin
    entries[0]
    seconds = time.perf_counter() - begin
    entries.close()
    return {"opened": opened, "first_value": seconds}


def open_time(folder: Path, scale: Scale) -> list[Claim]:
    """Opening does not depend on the number of entries."""
    count = scale.of(_OPEN_ENTRIES)
    path = str(folder / "open")
    measure(_fill, path, count, None, timeout=_TIMEOUT)
    runs = [measure(_open, path, timeout=_TIMEOUT) for _ in range(5)]
    opened = 1000 * statistics.median(run["opened"] for run in runs)
    value = 1000 * statistics.median(run["first_value"] for run in runs)
    measured = f"{opened:.2f} ms, {value:.2f} ms with the first value (median of 5 processes)"
    target = f"under {_OPEN_MILLISECONDS:.0f} ms"
    return [at_most(f"open a store of {count:,} entries", opened, _OPEN_MILLISECONDS, measured, target)]


def large(folder: Path, scale: Scale) -> list[Claim]:
    """A dict much larger than the memory budget."""
    count = scale.of(_LARGE_ENTRIES)
    figures = measure(_fill, str(folder / "large"), count, _LARGE_BUDGET, timeout=_TIMEOUT)
    python = figures["before_bytes"]
    own = figures["peak_bytes"] - python
    disk = disk_bytes(folder)
    name = f"build {count:,} entries under a budget of {_LARGE_BUDGET // _MIB} MiB"
    measured = (
        f"peak {own / _MIB:.0f} MiB anonymous, beside Python's {python / _MIB:.0f}; "
        f"{figures['seconds']:.0f} s, {disk / count:.1f} bytes an entry on disk"
    )
    return [at_most(name, own, _LARGE_BUDGET, measured, f"under {_LARGE_BUDGET // _MIB} MiB", **figures)]


CLAIMS: dict[str, Check] = {
    "queue": queue,
    "open": open_time,
    "commits": durable.commits,
    "readers": durable.readers,
    "typed": typed.typed,
    "sets": sets.sets,
    "batches": batches.batches,
    "array": arrays.array,
    "shadow": shadow.shadow,
    "graph": graphs.graph,
    "beyond": beyond.beyond,
    "graph-beyond": graphs.beyond,
    "inserts": inserts.inserts,
    "smooth": inserts.smooth,
    "large": large,
}


def check(name: str, scratch: Path, scale: Scale) -> list[Claim]:
    """Measures one claim in a new folder under `scratch`."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return attempt(name, lambda: CLAIMS[name](Path(folder), scale))
