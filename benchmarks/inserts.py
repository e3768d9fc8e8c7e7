"""The claims `inserts` and `smooth`: random keys into an index that outgrows its limit of memory.

inserts: every peer inserts the same keys in batches of the same size, by its call for that, until all are in
or its time is over; batches are prepared outside the measured time. py-lmdb has its batches sorted beforehand
and waits for no sync; rocksdict's log is not synced either; pyrsistence commits by itself, durably, every 5
seconds. The time that ours took for as many entries as a peer had when it was stopped is what both are
compared by.

smooth: pyrsistence alone, one `d[key] = value` after the other, each timed.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import numpy
import spread
from claim import Claim, Scale, at_least, attempt
from process import Failed, disk_bytes, measure
from stores import BATCHED

_MIB = 1 << 20
_ENTRIES = {"u8": 100_000_000, "str": 50_000_000}
_BATCH = 100_000
_POINTS = 100  # of a curve
_CHECKED = 1_000
_SINGLES = 10_000  # keys made at a time for `smooth`
_LEAST = {"lmdb": 10.0, "rocksdict": 2.0}
_MOST_SECONDS = 0.25
# Closing under a limit may write much, and is not in the time that a peer is given.
_GRACE_SECONDS = 1800.0


class Curve:
    """Entries over time: seconds of inserting at about a hundred numbers of entries."""

    def __init__(self, count: int) -> None:
        self._step = max(count // _POINTS, 1)
        self.points: list[tuple[int, float]] = []

    def add(self, entries: int, seconds: float) -> None:
        if not self.points or entries - self.points[-1][0] >= self._step:
            self.points.append((entries, seconds))


def _batch_of(count: int) -> int:
    return max(min(_BATCH, count // _POINTS), 1)


def _insert(peer: str, kind: str, folder: str, count: int, limit_seconds: float) -> dict[str, Any]:
    """Inserts until all are in or the time is over."""
    opened = BATCHED[peer](Path(folder), kind)
    batch, curve = _batch_of(count), Curve(count)
    spent = longest = 0.0
    done = 0
    while done < count and spent < limit_seconds:
        stop = min(done + batch, count)
        keys = spread.keys_of_range(done, stop)
        prepared = opened.prepare(keys, numpy.arange(done, stop, dtype=numpy.uint64))
        begin = time.perf_counter()
        opened.insert(prepared)
        took = time.perf_counter() - begin
        spent, longest, done = spent + took, max(longest, took), stop
        curve.add(done, spent)
    numbers = numpy.linspace(0, done - 1, min(_CHECKED, done)).astype(numpy.uint64)
    found = opened.numbers(opened.get(opened.prepare_keys(spread.keys(numbers))))
    if not numpy.array_equal(found, numbers):
        raise ValueError(f"{peer} lost what was inserted")
    begin = time.perf_counter()
    opened.close()
    return {
        "entries": done,
        "seconds": spent,
        "close_seconds": time.perf_counter() - begin,
        "longest_batch": longest,
        "batch": batch,
        "curve": curve.points,
        "disk_bytes": disk_bytes(Path(folder)),
    }


def _seconds_at(curve: list[tuple[int, float]], entries: int) -> float:
    """When so many were in, between two points in proportion."""
    counts, seconds = zip(*[(0, 0.0), *curve], strict=True)
    return float(numpy.interp(entries, counts, seconds))


def _race(kind: str, folder: Path, scale: Scale) -> list[Claim]:
    count, limit = scale.of(_ENTRIES[kind]), scale.memory_bytes
    seconds = scale.seconds
    runs: dict[str, Any] = {}
    for peer, batched in BATCHED.items():
        if not batched.installed():
            continue
        arguments = (peer, kind, str(folder / peer), count, seconds)
        try:
            runs[peer] = measure(_insert, *arguments, timeout=3 * seconds + _GRACE_SECONDS, limit_bytes=limit)
        except Failed as failure:
            if batched.ours:
                raise
            runs[peer] = {"failure": str(failure)}
    where = f"insert {count:,} random {kind} keys under {limit / _MIB:,.0f} MiB"
    ours = runs["pyrsistence"]
    claims = [_finish(where, ours, count, {"kind": kind, "limit_bytes": limit, "runs": runs})]
    claims += [_beside(where, ours, peer, run) for peer, run in runs.items() if peer in _LEAST]
    return claims


def _finish(where: str, ours: dict[str, Any], count: int, figures: dict[str, Any]) -> Claim:
    """Whether ours did it at all, and what it took."""
    rate = ours["entries"] / ours["seconds"]
    measured = (
        f"{ours['entries']:,} in {ours['seconds']:.0f} s, {rate / 1e6:.2f} million/s; "
        f"close {ours['close_seconds']:.1f} s; "
        f"longest batch of {ours['batch']:,} {1000 * ours['longest_batch']:.0f} ms; "
        f"{ours['disk_bytes'] / ours['entries']:.1f} bytes an entry, "
        f"{ours['peak_bytes'] / _MIB:.0f} MiB anonymous"
    )
    return Claim(where, measured, "all of them", ours["entries"] == count, figures)


def _beside(where: str, ours: dict[str, Any], peer: str, run: dict[str, Any]) -> Claim:
    name, target = f"{where}: beside {peer}", f"at least {_LEAST[peer]:g} times"
    if "failure" in run:
        return Claim(name, f"{peer}: {run['failure']}", target, None)
    entries = min(run["entries"], ours["entries"])
    mine, theirs = _seconds_at(ours["curve"], entries), _seconds_at(run["curve"], entries)
    (before, start), (after, end) = [(0, 0.0), *run["curve"]][-2:]
    measured = (
        f"{theirs / mine:.1f} times: {entries:,} in {mine:.1f} s beside {theirs:.1f} s; {peer}'s last "
        f"{after - before:,} at {(after - before) / max(end - start, 1e-9):,.0f}/s"
    )
    return at_least(name, theirs / mine, _LEAST[peer], measured, target)


def inserts(folder: Path, scale: Scale) -> list[Claim]:
    """Both kinds of keys."""
    claims: list[Claim] = []
    for kind in _ENTRIES:
        (folder / kind).mkdir()
        claims += attempt(
            f"inserts beyond RAM, {kind} keys", lambda kind=kind: _race(kind, folder / kind, scale)
        )
    return claims


class Waits:
    """How long operations took: a histogram in steps of a hundredth, so that a hundred million fit."""

    def __init__(self) -> None:
        self._counts = numpy.zeros(5000, numpy.int64)
        self.longest = 0

    def add(self, nanoseconds: list[int]) -> None:
        times = numpy.array(nanoseconds)
        steps = numpy.log(numpy.maximum(times, 1)) / numpy.log(1.01)
        self._counts += numpy.bincount(steps.astype(numpy.int64), minlength=len(self._counts))[
            : len(self._counts)
        ]
        self.longest = max(self.longest, int(times.max()))

    def quantile(self, part: float) -> float:
        """In nanoseconds, within a hundredth."""
        total = self._counts.cumsum()
        return float(1.01 ** (int(numpy.searchsorted(total, part * total[-1])) + 1))


def _insert_singly(kind: str, folder: str, count: int, limit_seconds: float) -> dict[str, Any]:
    opened = BATCHED["pyrsistence"](Path(folder), kind)
    container = opened.container  # type: ignore[attr-defined]
    gc.disable()
    waits, curve, done, spent = Waits(), Curve(count), 0, 0.0
    clock = time.perf_counter_ns
    while done < count and spent < limit_seconds:
        stop = min(done + _SINGLES, count)
        keys = spread.keys_of_range(done, stop)
        listed = keys.tolist() if kind == "u8" else spread.strings(keys)
        times = []
        for number, key in enumerate(listed, done):
            begin = clock()
            container[key] = number
            times.append(clock() - begin)
        waits.add(times)
        spent, done = spent + sum(times) / 1e9, stop
        curve.add(done, spent)
    found = [container[key] for key in listed]
    if found != list(range(stop - len(listed), stop)):
        raise ValueError("what was inserted is not there")
    container.close()
    quantiles = {f"p{100 * part:g}": waits.quantile(part) for part in (0.5, 0.99, 0.9999, 0.999999)}
    return {
        "entries": done,
        "seconds": spent,
        "longest": waits.longest,
        "nanoseconds": quantiles,
        "curve": curve.points,
    }


def _smooth(kind: str, folder: Path, scale: Scale) -> list[Claim]:
    count, limit = scale.of(_ENTRIES[kind]), scale.memory_bytes
    arguments = (kind, str(folder / kind), count, scale.seconds)
    run = measure(_insert_singly, *arguments, timeout=3 * scale.seconds + _GRACE_SECONDS, limit_bytes=limit)
    longest = run["longest"] / 1e9
    times = ", ".join(f"{name} {each / 1000:,.1f} µs" for name, each in run["nanoseconds"].items())
    rate = run["entries"] / run["seconds"]
    measured = f"longest {1000 * longest:.1f} ms; {times}; {run['entries']:,} at {rate:,.0f}/s"
    name = f"d[key] = value of {count:,} random {kind} keys one by one under {limit / _MIB:,.0f} MiB"
    reached = longest <= _MOST_SECONDS and run["entries"] == count
    return [Claim(name, measured, "all of them, and none longer than 250 ms", reached, run)]


def smooth(folder: Path, scale: Scale) -> list[Claim]:
    """The longest single operation, for both kinds of keys."""
    claims: list[Claim] = []
    for kind in _ENTRIES:
        claims += attempt(f"smooth inserts, {kind} keys", lambda kind=kind: _smooth(kind, folder, scale))
    return claims
