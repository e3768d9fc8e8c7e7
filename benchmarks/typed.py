"""The claim `typed`: EMDict with columns of u8, in batches of NumPy arrays, beside the builtin dict in a
loop.

All on one core, warm. The dict is asked by `[d[k] for k in keys]`, with keys that are other objects than the
stored ones, as they would be in use; our keys are an array in another order than that of insertion.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy
import spread
from claim import Claim, Scale, at_least, at_most
from process import disk_bytes, measure

_ENTRIES = 10_000_000
_BATCH = 1_000_000
_ROUNDS = 3
_TIMEOUT = 900.0


def _alone() -> None:
    """On one core, without the cyclic collector."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    gc.disable()


def _batches(count: int) -> list[slice]:
    return [slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]


def _ours(folder: str, count: int) -> dict[str, Any]:
    """Rates of one round, in keys a second."""
    import pyrsistence

    _alone()
    keys = spread.keys_of_range(0, count)
    values = numpy.arange(count, dtype=numpy.uint64)
    asked = numpy.random.default_rng(1).permutation(count)
    typed = pyrsistence.EMDict(folder, key="u8", value="u8")
    set_seconds = 0.0
    for part in _batches(count):
        begin = time.perf_counter()
        typed.set_many(keys[part], values[part])
        set_seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    typed.commit()
    commit_seconds = time.perf_counter() - begin
    get_seconds = 0.0
    for part in _batches(count):
        wanted = keys[asked[part]]
        begin = time.perf_counter()
        found = typed.get_many(wanted)
        get_seconds += time.perf_counter() - begin
        if not numpy.array_equal(found, asked[part]):
            raise ValueError("get_many gave values that were not stored under these keys")
    typed.close()
    return {
        "set_many": count / set_seconds,
        "set_many_and_commit": count / (set_seconds + commit_seconds),
        "get_many": count / get_seconds,
        "bytes_an_entry": disk_bytes(Path(folder)) / count,
    }


def _builtin(count: int) -> dict[str, Any]:
    """The same of the builtin dict."""
    _alone()
    keys = spread.keys_of_range(0, count)
    builtin: dict[int, int] = {}
    insert_seconds = get_seconds = 0.0
    for part in _batches(count):
        pairs = list(zip(keys[part].tolist(), range(part.start, part.stop), strict=True))
        begin = time.perf_counter()
        for key, value in pairs:
            builtin[key] = value
        insert_seconds += time.perf_counter() - begin
    asked = numpy.random.default_rng(1).permutation(count)
    for part in _batches(count):
        wanted = keys[asked[part]].tolist()
        begin = time.perf_counter()
        [builtin[key] for key in wanted]
        get_seconds += time.perf_counter() - begin
    return {"insert": count / insert_seconds, "get": count / get_seconds}


def typed(folder: Path, scale: Scale) -> list[Claim]:
    """Rounds of both in turn; medians."""
    count = scale.of(_ENTRIES)
    ours, builtin = [], []
    for number in range(scale.rounds(_ROUNDS)):
        ours.append(measure(_ours, str(folder / f"typed-{number}"), count, timeout=_TIMEOUT))
        builtin.append(measure(_builtin, count, timeout=_TIMEOUT))
    rate = {name: statistics.median(run[name] for run in ours) for name in ours[0]}
    loop = {name: statistics.median(run[name] for run in builtin) for name in builtin[0]}
    figures = {"pyrsistence": ours, "dict": builtin}
    where = f"typed u8 to u8, {count:,}"
    get, put, each = rate["get_many"], rate["set_many"], rate["bytes_an_entry"]
    durable = rate["set_many_and_commit"] / 1e6
    return [
        at_least(
            f"{where}: get_many",
            get,
            18e6,
            f"{get / 1e6:.1f} million keys/s",
            "at least 18 million/s",
            **figures,
        ),
        at_least(
            f"{where}: get_many beside dict in a loop",
            get / loop["get"],
            6,
            f"{get / loop['get']:.1f} times dict's {loop['get'] / 1e6:.1f} million/s",
            "at least 6 times",
        ),
        at_least(
            f"{where}: set_many of new keys",
            put,
            10e6,
            f"{put / 1e6:.1f} million/s, {durable:.1f} with the commit; "
            f"{put / loop['insert']:.1f} times dict's {loop['insert'] / 1e6:.1f}",
            "at least 10 million/s",
        ),
        at_most(f"{where}: disk", each, 30, f"{each:.1f} bytes an entry", "at most 30"),
    ]
