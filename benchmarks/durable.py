"""What durability and readers beside a writer cost, measured in rounds: a disturbance hits all alike."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from claim import Claim, Scale
from process import Failed, measure

_ROUNDS = 30
_COMMITS = 100
_WARM_UP = 1000
_READ_ENTRIES = 1_000_000
_READS = 500_000
_READ_ROUNDS = 5
_TIMEOUT = 600.0

# One durable commit of one changed item.
Commit = Callable[[int], object]


def _bare(folder: Path) -> tuple[Commit, Callable[[], object]]:
    """64 bytes and fdatasync into a file that is already written: what the disk can do."""
    file = os.open(folder / "bare", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(file, bytes(1 << 20), 0)
    os.fsync(file)
    data = bytes(range(64))

    def commit(number: int) -> None:
        os.pwrite(file, data, number % 2048 * 512)
        os.fdatasync(file)

    return commit, lambda: os.close(file)


def _pyrsistence(folder: Path) -> tuple[Commit, Callable[[], object]]:
    import pyrsistence

    store: pyrsistence.EMDict[str, int] = pyrsistence.EMDict(
        folder / "pyrsistence", {str(key): key for key in range(1000)}, commit_interval=None
    )
    store.commit()

    def commit(number: int) -> None:
        store[str(number % 1000)] = number
        store.commit()

    return commit, store.close


def _lmdb(folder: Path) -> tuple[Commit, Callable[[], object]]:
    import lmdb

    environment = lmdb.open(str(folder / "lmdb"), map_size=1 << 28)

    def commit(number: int) -> None:
        with environment.begin(write=True) as transaction:
            transaction.put(b"%d" % (number % 1000), b"%d" % number)

    for key in range(1000):
        commit(key)
    return commit, environment.close


def _sqlite(folder: Path, journal: str) -> tuple[Commit, Callable[[], object]]:
    connection = sqlite3.connect(folder / f"sqlite-{journal}.db", isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(str(key), key) for key in range(1000)])

    def commit(number: int) -> None:
        connection.execute("UPDATE t SET v = ? WHERE k = ?", (number, str(number % 1000)))

    return commit, connection.close


_WRITERS: dict[str, Callable[[Path], tuple[Commit, Callable[[], object]]]] = {
    "write + fdatasync": _bare,
    "pyrsistence": _pyrsistence,
    "py-lmdb": _lmdb,
    "sqlite3 (WAL, FULL)": lambda folder: _sqlite(folder, "WAL"),
    "sqlite3 (DELETE, FULL)": lambda folder: _sqlite(folder, "DELETE"),
}


def _commit_rates(folder: str, rounds: int, warm_up: int) -> dict[str, Any]:
    opened = {}
    for name, make in _WRITERS.items():
        try:
            opened[name] = make(Path(folder))
        except ImportError:
            continue
    rates: dict[str, list[float]] = {name: [] for name in opened}
    number = 0
    for commit, _close in opened.values():  # logs reach their usual size
        for _ in range(warm_up):
            commit(number)
            number += 1
    shuffle = random.Random(1)
    for _ in range(rounds):
        # In another order each round: what one writer left to the file system is paid for by the next.
        for name in shuffle.sample([*opened], len(opened)):
            commit = opened[name][0]
            begin = time.perf_counter()
            for _ in range(_COMMITS):
                commit(number)
                number += 1
            rates[name].append(_COMMITS / (time.perf_counter() - begin))
    for _commit, close in opened.values():
        close()
    return {"rates": {name: statistics.median(each) for name, each in rates.items()}}


def commits(folder: Path, scale: Scale) -> list[Claim]:
    """A durable commit of one changed item, beside what the disk can do and beside peers."""
    warm_up = _COMMITS if scale.quick else _WARM_UP
    figures = measure(_commit_rates, str(folder), scale.rounds(_ROUNDS), warm_up, timeout=_TIMEOUT)
    rates = figures["rates"]
    ours, bare = rates["pyrsistence"], rates["write + fdatasync"]
    peers = [rate for name, rate in rates.items() if name not in ("pyrsistence", "write + fdatasync")]
    shown = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())
    return [
        Claim(
            "durable commits of one changed item",
            f"{ours / bare:.0%} of a bare write and fdatasync ({shown})",
            "at least 80 %, and as fast as py-lmdb and sqlite3",
            ours >= 0.8 * bare and all(ours >= rate for rate in peers),
            rates,
        )
    ]


def _read_rate(store: Any, seed: int) -> float:
    """Random reads a second."""
    entries = len(store)
    keys = random.Random(seed).choices(range(entries), k=min(_READS, entries))
    rates = []
    for _ in range(_READ_ROUNDS):
        begin = time.perf_counter()
        for key in keys:
            store[key]
        rates.append(len(keys) / (time.perf_counter() - begin))
    return statistics.median(rates)


def _writer(folder: str, entries: int, connection: Connection) -> None:
    """Fills, measures its own reads, and then commits now and then until it is told to end."""
    import pyrsistence

    with pyrsistence.EMDict(folder) as store:
        for key in range(entries):
            store[key] = key
        store.commit()
        connection.send(_read_rate(store, 1))
        busy = connection.recv()
        while busy is not None:
            if busy:
                store[random.randrange(entries)] = 1
                store.commit()
            if connection.poll(0.01):
                busy = connection.recv()


def _reader(folder: str, seed: int) -> dict[str, Any]:
    import pyrsistence

    with pyrsistence.EMDict(folder, mode="r") as store:
        return {"rate": _read_rate(store, seed)}


def readers(folder: Path, scale: Scale) -> list[Claim]:
    """Random reads: the writer's, a reader's beside it and beside its commits, and those of two readers."""
    path = str(folder / "read")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_writer, args=(path, scale.of(_READ_ENTRIES), theirs))
    process.start()
    try:
        if not ours.poll(_TIMEOUT):
            raise Failed("the writer gave no result")
        own = ours.recv()
        ours.send(False)
        one = measure(_reader, path, 2, timeout=_TIMEOUT)["rate"]
        pair = _together(path)
        ours.send(True)
        beside = measure(_reader, path, 5, timeout=_TIMEOUT)["rate"]
        ours.send(None)
    finally:
        process.join(10)
        process.kill()
    return [
        Claim(
            "random reads of a reader process",
            f"{one / own:.0%} of the writer's own {own:,.0f}/s; two at once {sum(pair) / one:.2f} times one; "
            f"beside a hundred commits a second {beside / own:.0%}",
            "at least 75 %, and two readers scale on two cores",
            one >= 0.75 * own and sum(pair) >= 1.6 * one,
        )
    ]


def _together(path: str) -> list[float]:
    rates: list[float] = []
    threads = [
        threading.Thread(
            target=lambda seed=seed: rates.append(measure(_reader, path, seed, timeout=_TIMEOUT)["rate"])
        )
        for seed in (3, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rates
