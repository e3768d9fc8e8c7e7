"""The claim `beyond`: random look-ups in batches, in data 8 times the limit of memory.

    pyrsistence  get_many: of columns of u8, and of keys of 16 characters with ints
    lmdb         cursor.getmulti
    rocksdict    get of a list of keys, which is RocksDB's MultiGet
    fio          random reads of 4 KiB of our files, 32 at a time, past the page cache: what the disk can do

Everybody is asked for batches of keys in no order, under the same limit: an eighth of the files of ours. A
peer whose files are smaller has more of them in memory. The peers are filled in the order of their keys and
settled (RocksDB is compacted), which is the best they can be; ours is filled in no order.

In small batches each key costs pages of its own: two of ours, the bucket's and the record's, and one of a
sorted peer, whose inner nodes stay in memory. In large ones we read a page once for all keys that it serves;
the peers get the keys of these sorted, outside of the measured time, so that they can as well.

What a look-up takes in fact is measured: the bytes that the process has read from the disk. fio's rate is
divided by that, or by two if it is more, so that pages that are read for nothing are no excuse, and those
that were in memory are none either.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy
import spread
from claim import Claim, Scale, at_least, attempt
from cold import evict
from fio import DEPTH, main_files, random_reads
from process import Failed, disk_bytes, io_counts, measure
from stores import BATCHED

_MIB = 1 << 20
_ENTRIES = {"u8": 60_000_000, "str": 40_000_000}
_TIMES = 8
_LEAST_LIMIT = 64 * _MIB  # a process with NumPy and a peer has no less
_BATCHES = [10_000, 200_000]
_FILL_BATCH = 1_000_000
_SECONDS = 6.0
_ROUNDS = 3
_PAGE = 4096
_PAGES = 2.0  # of a look-up of ours: bucket and record
_TIMEOUT = 3600.0


def _fill(peer: str, kind: str, folder: str, count: int) -> dict[str, Any]:
    """Keys 0 to count - 1: ours in no order, a peer's in the order of the keys."""
    opened = BATCHED[peer](Path(folder), kind)
    keys = spread.keys_of_range(0, count)
    numbers = numpy.arange(count, dtype=numpy.uint64)
    if not opened.ours:
        numbers = numpy.argsort(keys).astype(numpy.uint64)
        keys = keys[numbers]
    begin = time.perf_counter()
    for start in range(0, count, _FILL_BATCH):
        part = slice(start, start + _FILL_BATCH)
        opened.append(opened.prepare(keys[part], numbers[part]))
    opened.settle()
    opened.close()
    return {"seconds": time.perf_counter() - begin}


def _look(peer: str, kind: str, folder: str, count: int, batch: int, seconds: float) -> dict[str, Any]:
    """Look-ups a second, and what each read from the disk."""
    opened = BATCHED[peer](Path(folder), kind)
    random = numpy.random.default_rng()
    spent, times = 0.0, []
    read, faults = io_counts()
    while spent < seconds:
        numbers = random.integers(0, count, batch, dtype=numpy.uint64)
        if batch == _BATCHES[-1] and not opened.ours:
            numbers = numbers[numpy.argsort(spread.keys(numbers))]
        asked = opened.prepare_keys(spread.keys(numbers))
        begin = time.perf_counter()
        found = opened.get(asked)
        times.append(time.perf_counter() - begin)
        spent += times[-1]
        if not numpy.array_equal(opened.numbers(found), numbers):
            raise ValueError(f"{peer} gave other values than were stored")
    now_read, now_faults = io_counts()
    opened.close()
    looked_up = len(times) * batch
    return {
        "rate": looked_up / spent,
        "pages": (now_read - read) / _PAGE / looked_up,
        "major_faults": (now_faults - faults) / looked_up,
        "longest_batch": max(times),
    }


def _round(
    kind: str, folder: Path, peers: list[str], count: int, batch: int, limit: int, seconds: float
) -> dict[str, Any]:
    """The disk and each peer once. A peer that fails under the limit has the reason in place of figures."""
    found: dict[str, Any] = {"fio": {"rate": random_reads(main_files(folder / "pyrsistence"), seconds)}}
    for peer in peers:
        path = folder / peer
        evict(path)
        arguments = (peer, kind, str(path), count, batch, seconds)
        try:
            found[peer] = measure(_look, *arguments, timeout=_TIMEOUT, limit_bytes=limit)
        except Failed as failure:
            if BATCHED[peer].ours:
                raise
            found[peer] = {"failure": str(failure)}
    return found


def _compare(kind: str, folder: Path, scale: Scale) -> list[Claim]:
    peers = [name for name, peer in BATCHED.items() if peer.installed()]
    count = scale.of(_ENTRIES[kind])
    fills = {peer: measure(_fill, peer, kind, str(folder / peer), count, timeout=_TIMEOUT) for peer in peers}
    disk = {peer: disk_bytes(folder / peer) for peer in peers}
    limit = max(disk["pyrsistence"] // _TIMES, _LEAST_LIMIT)
    claims: list[Claim] = []
    for batch in _BATCHES:
        rounds = [
            _round(kind, folder, peers, count, min(batch, count), limit, scale.window(_SECONDS))
            for _ in range(scale.rounds(_ROUNDS))
        ]
        rates = {
            name: statistics.median(found[name]["rate"] for found in rounds)
            for name in rounds[0]
            if all("rate" in found[name] for found in rounds)
        }
        figures = {"limit_bytes": limit, "disk_bytes": disk, "fills": fills, "rounds": rounds, "rates": rates}
        times = disk["pyrsistence"] / limit
        data = f"{kind} keys, {count:,}, {times:.1f} times the limit of {limit >> 20} MiB"
        where = f"get_many of {batch:,}, {data}"
        claims.append(_beside_disk(where, rates, rounds, figures))
        for peer in peers[1:]:
            claims.append(_beside_peer(where, peer, rates, rounds, disk[peer] / limit))
    return claims


def _beside_disk(where: str, rates: dict[str, float], rounds: list[Any], figures: dict[str, Any]) -> Claim:
    ours = rates["pyrsistence"]
    taken = statistics.median(found["pyrsistence"]["pages"] for found in rounds)
    pages = min(_PAGES, taken) or _PAGES
    possible = rates["fio"] / pages
    measured = (
        f"{ours:,.0f}/s, {ours / possible:.0%} of {possible:,.0f}: fio's {rates['fio']:,.0f} reads/s at "
        f"depth {DEPTH} over {pages:.2f} pages a look-up ({taken:.2f} were read, {_PAGES:.0f} by structure)"
    )
    return at_least(f"{where}: beside fio", ours / possible, 0.8, measured, "at least 80 %", **figures)


def _beside_peer(where: str, peer: str, rates: dict[str, float], rounds: list[Any], times: float) -> Claim:
    name, target = f"{where}: beside {peer}", "at least 5 times"
    if peer not in rates:
        failure = next(found[peer]["failure"] for found in rounds if "failure" in found[peer])
        return Claim(name, f"{peer}: {failure}", target, None)
    ratio = rates["pyrsistence"] / rates[peer]
    pages = statistics.median(found[peer]["pages"] for found in rounds)
    measured = (
        f"{ratio:.1f} times {peer}'s {rates[peer]:,.0f}/s ({pages:.2f} pages read a look-up; "
        f"its files are {times:.1f} times the limit)"
    )
    return at_least(name, ratio, 5, measured, target)


def beyond(folder: Path, scale: Scale) -> list[Claim]:
    """Both kinds of keys."""
    claims: list[Claim] = []
    for kind in _ENTRIES:
        (folder / kind).mkdir()
        claims += attempt(
            f"get_many beyond RAM, {kind} keys", lambda kind=kind: _compare(kind, folder / kind, scale)
        )
    return claims
