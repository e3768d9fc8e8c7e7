"""The claim `shadow`: EMShadowMemory beside NumPy's arrays and a bytearray of the same flags, in memory.

Single marks go to random addresses of warm pages, from a loop of Python, less what the loop itself takes; a
bytearray's `flags[i] |= 8` is beside them. Passes are over pages of random flags.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from claim import Claim, Scale, at_least, at_most
from process import disk_bytes, measure

_BASE = 0x400000
_RANGE = 1 << 30
_RUN = 100 << 20
_WARM = 16 << 20  # addresses whose pages are marked singly: in memory, not in the processor's cache
_MARKS = 1_000_000
_ROUNDS = 5
_KIB = 1024
_TIMEOUT = 600.0


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _create(folder: str, number: int) -> dict[str, Any]:
    """Seconds of making the range, of marking a run, and of their commit; the disk that all of it takes."""
    import pyrsistence

    path = f"{folder}/created-{number}"
    begin = time.perf_counter()
    shadow = pyrsistence.EMShadowMemory(path, [(_BASE, _BASE + _RANGE)], commit_interval=None)
    seconds = {"create": time.perf_counter() - begin}
    seconds["mark"] = _seconds(lambda: shadow.mark_as_code(_BASE + 5, _RUN))
    if shadow.count_marked_as_code(_BASE, _RANGE) != _RUN:
        raise ValueError("another number of addresses is marked")
    seconds["commit"] = _seconds(shadow.commit)
    before = disk_bytes(Path(path))
    for place in range(_BASE, _BASE + _RANGE, _RANGE // 256):
        shadow.mark_as_head(place + 77)
    shadow.close()
    flags = numpy.zeros(_RUN, numpy.uint8)
    flags |= 1
    seconds["numpy"] = _seconds(lambda: numpy.bitwise_or(flags, 2, out=flags))
    return {**seconds, "disk": before, "grown": disk_bytes(Path(path)) - before}


def _marks(folder: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds of single marks, of those of a bytearray, and of the loop alone; the least of the rounds."""
    import pyrsistence

    rng = numpy.random.default_rng(17)
    noise = rng.integers(0, 2, _WARM).astype(numpy.uint8)
    shadow = pyrsistence.EMShadowMemory(f"{folder}/marked", [(_BASE, _BASE + _RANGE)], commit_interval=None)
    shadow[_BASE : _BASE + _WARM] = noise
    places: Sequence[int] = rng.integers(0, _WARM, count).tolist()
    addresses = [_BASE + place for place in places]
    flags = bytearray(noise)
    times: dict[str, list[float]] = {"mark": [], "bytearray": [], "loop": []}
    for _ in range(rounds):
        begin = time.perf_counter()
        for address in addresses:
            shadow.mark_as_head(address)
        marked = time.perf_counter()
        for place in places:
            flags[place] |= 8
        done = time.perf_counter()
        for _address in addresses:
            pass
        times["loop"].append(time.perf_counter() - done)
        times["mark"].append(marked - begin)
        times["bytearray"].append(done - marked)
        shadow.unmark_as_head(_BASE, _WARM)
    for address in addresses:
        shadow.mark_as_head(address)
    if shadow[_BASE : _BASE + _WARM].tobytes() != bytes(flags):
        raise ValueError("the flags are not those of the bytearray")
    shadow.close()
    return {name: min(values) * 1e9 / count for name, values in times.items()}


def _passes(folder: str, rounds: int) -> dict[str, Any]:
    """Bytes a second of calls on pages of mixed flags, and of NumPy's of the same bytes."""
    import pyrsistence

    flags = numpy.random.default_rng(3).integers(0, 2, _WARM).astype(numpy.uint8)
    with pyrsistence.EMShadowMemory(f"{folder}/passes", [(_BASE, _BASE + _RANGE)], commit_interval=None) as s:
        s[_BASE : _BASE + _WARM] = flags
        works: dict[str, list[Callable[[], object]]] = {
            "mark": [lambda: s.mark_as_code(_BASE, _WARM), lambda: numpy.bitwise_or(flags, 2, out=flags)],
            "count": [
                lambda: s.count_marked_as_analyzed(_BASE, _WARM),
                lambda: numpy.count_nonzero(flags & 1),
            ],
            "find": [lambda: s.next_marked(_BASE, 128), lambda: (flags & 128).any()],
            "unmark": [
                lambda: s.unmark_as_code(_BASE, _WARM),
                lambda: numpy.bitwise_and(flags, 253, out=flags),
            ],
        }
        times: dict[str, list[list[float]]] = {name: [[], []] for name in works}
        for _ in range(rounds):
            for name, both in works.items():
                for side, work in enumerate(both):
                    times[name][side].append(_seconds(work))
    return {"rates": {name: [_WARM / min(side) / 1e9 for side in both] for name, both in times.items()}}


def shadow(folder: Path, scale: Scale) -> list[Claim]:
    """Making, marking, and what it takes on disk."""
    rounds = scale.rounds(_ROUNDS)
    runs = [measure(_create, str(folder), number, timeout=_TIMEOUT) for number in range(rounds)]
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    milliseconds = {name: 1e3 * middle[name] for name in ("create", "mark", "commit", "numpy")}
    marks = measure(_marks, str(folder), scale.of(_MARKS), rounds, timeout=_TIMEOUT)
    passes = measure(_passes, str(folder), rounds, timeout=_TIMEOUT)["rates"]
    single, peer = marks["mark"] - marks["loop"], marks["bytearray"] - marks["loop"]
    worst = min(ours / theirs for ours, theirs in passes.values())
    rates = ", ".join(f"{name} {ours:.1f} beside {theirs:.1f}" for name, (ours, theirs) in passes.items())
    made = f"{milliseconds['create']:.1f} ms, median of {rounds}; {middle['disk'] / _KIB:,.0f} KiB on disk"
    run = (
        f"{milliseconds['mark']:.3f} ms, and {milliseconds['commit']:.1f} ms of the commit; "
        f"numpy's |= of as many bytes {milliseconds['numpy']:.1f} ms"
    )
    grown = f"{middle['grown'] / _KIB:,.0f} KiB for 256 marks that are 4 MiB apart"
    loop = f"{single:.0f} ns; a bytearray's |= {peer:.0f} ns: {single / peer:.1f} times"
    return [
        at_most(
            "EMShadowMemory of 1 GiB, created", milliseconds["create"], 10, made, "under 10 ms", runs=runs
        ),
        at_most("mark 100 MiB of it", milliseconds["mark"], 50, run, "under 50 ms"),
        at_most(
            "disk of marks apart", middle["grown"] / _KIB, 256 * 4 * 4, grown, "pages where it is marked"
        ),
        at_most("a single mark at random, warm", single, 150, loop, "under 150 ns", **marks),
        at_least("passes over mixed pages, GB/s", worst, 0.5, rates, "half of NumPy's rate", **passes),
    ]
