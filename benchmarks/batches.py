"""The claim `batches`: one call for many keys of Python objects beside a loop of calls, warm; and what asking
costs.

A batch fetches cache lines ahead. Pages it asks the kernel for only where they are not resident; where they
are, all that is left of it is to find out, by a system call now and then. So the time that the process spends
in the kernel while it looks up what is resident is the most that the asking can cost.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from claim import Claim, Scale, at_least, at_most
from process import measure

_ENTRIES = 5_000_000
_PROBES = 1_000_000
_BATCH = 10_000
_ROUNDS = 5
_TIMEOUT = 900.0

# A batch of keys or indices in, values out.
Read = Callable[[list[Any]], list[Any]]
# Numbers in, keys or indices out.
Make = Callable[[list[int]], list[Any]]


def _times(reads: dict[str, Read], make: Make, count: int, rounds: int) -> dict[str, Any]:
    """Nanoseconds a key of each way to read, in turn, and the part of them in the kernel; medians."""
    numbers = numpy.random.default_rng(1).permutation(count)[:_PROBES].tolist()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in reads}
    for number in range(rounds + 1):
        for name, read in reads.items():
            times = _pass(read, make, numbers)
            if number > 0:  # the first pass brings in what is not mapped yet
                found[name].append(times)
    figures: dict[str, Any] = {
        name: statistics.median(each for each, _ in runs) for name, runs in found.items()
    }
    figures["kernel"] = statistics.median(kernel for _, kernel in found["batch"]) / figures["batch"]
    return figures


def _pass(read: Read, make: Make, numbers: list[int]) -> tuple[float, float]:
    """All numbers once, batch by batch; their keys are made outside the measured time."""
    seconds = kernel = 0.0
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        wanted = make(part)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
        begin = time.perf_counter()
        found = read(wanted)
        seconds += time.perf_counter() - begin
        kernel += resource.getrusage(resource.RUSAGE_SELF).ru_stime - before
        if found != part:
            raise ValueError("a read gave other values than were stored")
    return 1e9 * seconds / len(numbers), 1e9 * kernel / len(numbers)


def _dict(folder: str, kind: str, count: int, rounds: int) -> dict[str, Any]:
    import pyrsistence

    gc.disable()
    name = (lambda number: number + 0) if kind == "int" else (lambda number: f"entry/{number:08d}")

    def make(numbers: list[int]) -> list[Any]:
        return [name(number) for number in numbers]

    container = pyrsistence.EMDict(folder)
    for start in range(0, count, 100_000):
        numbers = list(range(start, min(start + 100_000, count)))
        container.set_many(make(numbers), numbers)
    reads = {"loop": lambda keys: [container[key] for key in keys], "batch": container.get_many}
    times = _times(reads, make, count, rounds)
    container.close()
    return times


def _list(folder: str, count: int, rounds: int) -> dict[str, Any]:
    import pyrsistence

    gc.disable()
    container = pyrsistence.EMList(folder)
    container.extend(range(count))
    reads = {"loop": lambda places: [container[place] for place in places], "batch": container.take}
    times = _times(reads, list, count, rounds)
    container.close()
    return times


def batches(folder: Path, scale: Scale) -> list[Claim]:
    """EMDict.get_many of int and of str keys, and EMList.take."""
    count, rounds = scale.of(_ENTRIES), scale.rounds(_ROUNDS)
    runs = {
        f"EMDict.get_many, {kind} keys": measure(
            _dict, str(folder / kind), kind, count, rounds, timeout=_TIMEOUT
        )
        for kind in ("int", "str")
    }
    runs["EMList.take"] = measure(_list, str(folder / "list"), count, rounds, timeout=_TIMEOUT)
    claims = []
    for name, run in runs.items():
        where, times = f"{name}, {count:,}, in memory", run["loop"] / run["batch"]
        measured = (
            f"{run['batch']:.0f} ns a key beside {run['loop']:.0f} in a loop: {times:.2f} times as fast"
        )
        claims.append(at_least(where, times, 1, measured, "faster than the loop", **run))
        kernel = f"{run['kernel']:.1%} of its time is in the kernel"
        claims.append(
            at_most(f"{where}: asking for pages that are there", run["kernel"], 0.05, kernel, "at most 5 %")
        )
    return claims
