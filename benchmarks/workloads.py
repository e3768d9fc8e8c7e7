"""What is done with a peer, in the process that is measured: the same phases, keys and order for all.

    insert  all entries, in a shuffled order      commit   what was inserted, made durable
    reopen  closed before, up to the first value  get      of random keys
    missing keys that are not there               iterate  over all entries
    delete  random keys, and commit

get, missing and delete are at most PROBES operations each. A phase that takes longer than its limit is
stopped; what follows works on what was inserted. Python's cyclic collector is off, as timeit has it.

Beside these loops, some operations are done and timed one by one, for their median and p99: get after the
loop of it, insert of deleted keys at the end, so that the clock is in nobody's loop.

`run_dict` does all of it in one process. `fill`, and then `look` and `walk` in a process each, are its parts
for what is measured with a cold page cache or under a limit of memory: these change nothing.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinds import KINDS, Kind
from order import Order
from peers import Peer, peer_for
from process import anonymous_bytes, disk_bytes

PROBES = 1_000_000
_CHECKED = 1_000
# Operations that are timed one by one, for their p99.
SINGLES = 20_000


class WrongAnswer(Exception):
    """A peer lost or invented something: its times mean nothing."""


@dataclass
class Measured:
    """The figures of one cell, as they go into the result file."""

    nanoseconds: dict[str, float] = field(default_factory=dict)
    # Median and p99 of single operations, the clock and a call included.
    single: dict[str, tuple[float, float]] = field(default_factory=dict)
    stopped: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    disk_bytes: int | None = None
    reopen_seconds: float | None = None
    # Anonymous memory before the first operation; the peak is taken from outside.
    before_bytes: int = 0


def run_dict(name: str, kind_name: str, order_file: str, folder: str, limit: float) -> dict[str, Any]:
    """All phases of one peer. `limit` is in seconds, for inserting; the other phases have a third of it.

    Errors: WrongAnswer.
    """
    gc.disable()
    peer = peer_for(name, KINDS[kind_name], Path(folder))
    order = Order(Path(order_file), peer.chunk)
    peer.open()
    figures = Measured(before_bytes=anonymous_bytes())
    _insert(peer, order, figures, limit)
    if peer.persistent:
        _reopen(peer, order, figures)
    _look_up(peer, order, figures, PROBES, limit / 3)
    _iterate(peer, figures, limit / 3)
    _delete(peer, order, figures, limit / 3)
    peer.close()
    return vars(figures)


def fill(name: str, kind_name: str, order_file: str, folder: str, limit: float) -> dict[str, Any]:
    """Inserts, commits and closes."""
    gc.disable()
    peer = peer_for(name, KINDS[kind_name], Path(folder))
    order = Order(Path(order_file), peer.chunk)
    peer.open()
    figures = Measured(before_bytes=anonymous_bytes())
    _insert(peer, order, figures, limit)
    peer.close()
    figures.disk_bytes = disk_bytes(peer.folder)
    return vars(figures)


def look(
    name: str, kind_name: str, order_file: str, folder: str, entries: int, probes: int, limit: float
) -> dict[str, Any]:
    """Opens what `fill` made of so many entries; get and missing, at most `probes` each.

    Errors: WrongAnswer.
    """
    gc.disable()
    peer = peer_for(name, KINDS[kind_name], Path(folder))
    order = Order(Path(order_file), peer.chunk)
    figures = Measured(before_bytes=anonymous_bytes(), entries=entries)
    _open_and_get(peer, order, figures)
    _look_up(peer, order, figures, probes, limit)
    peer.close()
    return vars(figures)


def walk(
    name: str, kind_name: str, _order_file: str, folder: str, entries: int, limit: float
) -> dict[str, Any]:
    """Opens what `fill` made; iterate. Errors: WrongAnswer."""
    gc.disable()
    peer = peer_for(name, KINDS[kind_name], Path(folder))
    figures = Measured(before_bytes=anonymous_bytes(), entries=entries)
    peer.open()
    _iterate(peer, figures, limit)
    peer.close()
    return vars(figures)


def _phase(
    figures: Measured,
    name: str,
    limit: float,
    batches: Iterable[tuple[list[Any], ...]],
    act: Callable[..., object],
) -> int:
    """Times `act` on each batch, but not the making of the batch. Returns the operations done."""
    seconds, done = 0.0, 0
    for batch in batches:
        if seconds > limit:
            figures.stopped[name] = done
            break
        begin = time.perf_counter()
        act(*batch)
        seconds += time.perf_counter() - begin
        done += len(batch[0])
    figures.nanoseconds[name] = 1e9 * seconds / max(done, 1)
    return done


def single_times(act: Callable[[Any], object], items: Iterable[Any]) -> tuple[float, float] | None:
    """Median and p99 of `act` on one item at a time; None for fewer than a hundred items."""
    times = []
    clock = time.perf_counter_ns
    for item in items:
        begin = clock()
        act(item)
        times.append(clock() - begin)
    if len(times) < 100:
        return None
    times.sort()
    return float(times[len(times) // 2]), float(times[len(times) * 99 // 100])


def _singles(figures: Measured, name: str, act: Callable[[Any], object], items: Iterable[Any]) -> None:
    if (found := single_times(act, items)) is not None:
        figures.single[name] = found


def _insert(peer: Peer, order: Order, figures: Measured, limit: float) -> None:
    kind = peer.kind
    batches = ((kind.keys(chunk), kind.values(chunk)) for chunk in order.inserted())
    figures.entries = _phase(figures, "insert", limit, batches, peer.insert)
    if peer.persistent:
        begin = time.perf_counter()
        peer.commit()
        figures.nanoseconds["commit"] = 1e9 * (time.perf_counter() - begin) / figures.entries


def _reopen(peer: Peer, order: Order, figures: Measured) -> None:
    peer.close()
    figures.disk_bytes = disk_bytes(peer.folder)
    _open_and_get(peer, order, figures)


def _open_and_get(peer: Peer, order: Order, figures: Measured) -> None:
    """Opens the peer, and gets one value, since some put the work off until then."""
    [(number,)] = order.probes(figures.entries, 1)
    [key] = peer.kind.keys([number])
    begin = time.perf_counter()
    peer.open()
    peer.value(key)
    figures.reopen_seconds = time.perf_counter() - begin


def _look_up(peer: Peer, order: Order, figures: Measured, probes: int, limit: float) -> None:
    kind, count = peer.kind, min(figures.entries, probes)
    chunks = ((kind.keys(chunk),) for chunk in order.probes(figures.entries, count))
    _phase(figures, "get", limit, chunks, peer.get)
    found = 0

    def look_for(keys: list[Any]) -> None:
        nonlocal found
        found += peer.missing(keys)

    beyond = len(order)
    backwards = order.probes(figures.entries, count, backwards=True)
    _phase(figures, "missing", limit, ((_keys_beyond(kind, chunk, beyond),) for chunk in backwards), look_for)
    if found:
        raise WrongAnswer(f"{peer.name} found {found} keys that were never inserted")
    _singles(figures, "get", lambda key: peer.get([key]), _single_keys(peer, order, figures.entries, limit))
    _check_values(peer, order, figures)


def _single_keys(peer: Peer, order: Order, entries: int, limit: float) -> Iterator[Any]:
    """Keys to look up one by one, others than the loops began with, until the limit of time."""
    end = time.perf_counter() + limit
    for chunk in order.probes(entries, min(entries, SINGLES), backwards=True):
        for key in peer.kind.keys(chunk):
            if time.perf_counter() > end:
                return
            yield key


def _keys_beyond(kind: Kind, numbers: list[int], beyond: int) -> list[Any]:
    return kind.keys([number + beyond for number in numbers])


def _check_values(peer: Peer, order: Order, figures: Measured) -> None:
    if not peer.stores:
        return
    numbers = next(order.probes(figures.entries, min(figures.entries, _CHECKED)))
    for key, value in zip(peer.kind.keys(numbers), peer.kind.values(numbers), strict=True):
        found = peer.value(key)
        if found != value:
            raise WrongAnswer(f"{peer.name} has {found!r} at {key!r}, where {value!r} was stored")


def _iterate(peer: Peer, figures: Measured, limit: float) -> None:
    items = peer.items()
    seconds, visited = 0.0, 0
    while True:
        begin = time.perf_counter()
        count = peer.walk(items, peer.chunk)
        seconds += time.perf_counter() - begin
        visited += count
        if count < peer.chunk:
            break
        if seconds > limit:
            figures.stopped["iterate"] = visited
            break
    figures.nanoseconds["iterate"] = 1e9 * seconds / max(visited, 1)
    if "iterate" not in figures.stopped and visited != figures.entries:
        raise WrongAnswer(f"{peer.name} gave {visited:,} of {figures.entries:,} entries when iterated over")


def _delete(peer: Peer, order: Order, figures: Measured, limit: float) -> None:
    """Deletes and commits: most peers put the writing off until then, so that it is part of the cost."""
    kind, count = peer.kind, min(figures.entries, PROBES)
    chunks = order.probes(figures.entries, count, backwards=True)
    done = _phase(figures, "delete", limit, ((kind.keys(chunk),) for chunk in chunks), peer.delete)
    begin = time.perf_counter()
    peer.commit()
    figures.nanoseconds["delete"] += 1e9 * (time.perf_counter() - begin) / max(done, 1)
    if peer.stores:
        [(number, *_), *_] = order.probes(figures.entries, 1, backwards=True)
        [key] = kind.keys([number])
        if peer.value(key) is not None:
            raise WrongAnswer(f"{peer.name} still has {key!r} after deleting it")
    _insert_singly(peer, order, figures, done, limit)


def _insert_singly(peer: Peer, order: Order, figures: Measured, deleted: int, limit: float) -> None:
    """Inserts keys that were deleted, one by one."""
    numbers = _deleted(order, figures.entries, min(deleted, SINGLES))
    pairs = zip(peer.kind.keys(numbers), peer.kind.values(numbers), strict=True)
    end = time.perf_counter() + limit
    until = itertools.takewhile(lambda _pair: time.perf_counter() < end, pairs)
    _singles(figures, "insert", lambda pair: peer.insert([pair[0]], [pair[1]]), until)


def _deleted(order: Order, entries: int, count: int) -> list[int]:
    """The numbers whose keys were deleted first."""
    return [number for chunk in order.probes(entries, count, backwards=True) for number in chunk]
