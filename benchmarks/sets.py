"""The claim `sets`: EMSet beside the builtin set, one element at a time; and the algebra of two typed sets
that are larger than memory beside a walk along both.

All on one core. What is asked for are other objects than the stored ones, as they would be in use. Elements
of the two large sets are numbers in no order, half of which are in both.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import spread
from claim import Claim, Scale, at_least, at_most
from cold import evict
from process import measure

_ELEMENTS = 10_000_000
_LARGE = 50_000_000
_LIMIT = 256 << 20
_LEAST_LIMIT = 96 << 20
_BATCH = 1_000_000
_ROUNDS = 3
_TIMEOUT = 1800.0


def _alone() -> None:
    """On one core, without the cyclic collector."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    gc.disable()


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _one_by_one(folder: str | None, count: int) -> dict[str, Any]:
    """Nanoseconds an element, of ours or, without a folder, of the builtin."""
    import pyrsistence

    _alone()
    elements: Any = set() if folder is None else pyrsistence.EMSet(folder)
    keys = spread.keys_of_range(0, count)
    asked = numpy.random.default_rng(1).permutation(count)
    add = find = 0.0
    for start in range(0, count, _BATCH):
        new = keys[start : start + _BATCH].tolist()

        def insert(new: list[int] = new) -> None:
            for element in new:
                elements.add(element)

        add += _seconds(insert)
    for start in range(0, count, _BATCH):
        wanted = keys[asked[start : start + _BATCH]].tolist()

        def look(wanted: list[int] = wanted) -> None:
            for element in wanted:
                element in elements  # noqa: B015

        find += _seconds(look)
    walk = _seconds(lambda: deque(elements, 0))
    return {"add": add * 1e9 / count, "in": find * 1e9 / count, "iterate": walk * 1e9 / count}


def _fill(folder: str, start: int, count: int) -> dict[str, Any]:
    import pyrsistence

    with pyrsistence.EMSet(folder, dtype="u8") as made:
        for first in range(start, start + count, _BATCH):
            made.add_many(spread.keys_of_range(first, min(first + _BATCH, start + count)))
    return {}


def _algebra(folder: str, count: int) -> dict[str, Any]:
    """Elements a second, of both sets; each comparison has to walk along all of both."""
    import pyrsistence

    _alone()
    budget = "100M"
    with (
        pyrsistence.EMSet(f"{folder}/a", mode="r", memory=budget) as a,
        pyrsistence.EMSet(f"{folder}/b", mode="r", memory=budget) as b,
        pyrsistence.EMSet(f"{folder}/c", mode="r", memory=budget) as c,
    ):
        expected = {"a & b": count // 2, "a - b": count - count // 2}

        def joined(name: str, wanted: bool) -> None:
            found = sum(len(block) for block in a._blocks(b, wanted)) // 8
            if found != expected[name]:
                raise ValueError(f"{name} has {found} elements, where {expected[name]} were expected")

        def disjoint() -> None:
            if not a.isdisjoint(c) or a.isdisjoint(b):
                raise ValueError("isdisjoint() is wrong")

        rate = 2 * count / 1.0
        scan = rate / _seconds(lambda: (deque(a, 0), deque(b, 0)))
        blocks = rate / _seconds(lambda: [deque(one._blocks(None, True), 0) for one in (a, b)])
        return {
            "scan": scan,
            "blocks": blocks,
            "a & b": rate / _seconds(lambda: joined("a & b", True)),
            "a - b": rate / _seconds(lambda: joined("a - b", False)),
            "isdisjoint, twice": 2 * rate / _seconds(disjoint),
        }


def sets(folder: Path, scale: Scale) -> list[Claim]:
    """Rounds of ours and the builtin in turn, medians; then the algebra under a limit of memory."""
    count = scale.of(_ELEMENTS)
    ours, builtin = [], []
    for number in range(scale.rounds(_ROUNDS)):
        ours.append(measure(_one_by_one, str(folder / f"set-{number}"), count, timeout=_TIMEOUT))
        builtin.append(measure(_one_by_one, None, count, timeout=_TIMEOUT))
    claims = []
    for name in ("in", "add", "iterate"):
        mine, theirs = (statistics.median(run[name] for run in runs) for runs in (ours, builtin))
        claims.append(
            at_most(
                f"set of ints, {count:,}: {name}",
                mine / theirs,
                1.25,
                f"{mine:,.0f} ns, {mine / theirs:.2f} times the builtin's {theirs:,.0f}",
                "at most 1.25 times" if name != "iterate" else "(at most 1.25 times)",
                pyrsistence=ours,
                builtin=builtin,
            )
        )
    large = scale.of(_LARGE)
    limit = _LIMIT if large >= _LARGE else _LEAST_LIMIT
    for name, start in (("a", 0), ("b", large // 2), ("c", 2 * large)):
        measure(_fill, str(folder / name), start, large, timeout=_TIMEOUT)
        evict(folder / name)
    found = measure(_algebra, str(folder), large, timeout=_TIMEOUT, limit_bytes=limit)
    scan = found["scan"]
    for name in ("a & b", "a - b", "isdisjoint, twice"):
        claims.append(
            at_least(
                f"two sets of {large:,} u8 under {limit >> 20} MiB: {name}",
                found[name] / scan,
                0.5,
                f"{found[name] / 1e6:.1f} million/s, {found[name] / scan:.2f} of a walk's {scan / 1e6:.1f}, "
                f"{found[name] / found['blocks']:.2f} of the {found['blocks'] / 1e6:.1f} of a walk in blocks",
                "at least half of the walk's rate",
                algebra=found,
            )
        )
    return claims
