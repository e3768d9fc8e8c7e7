"""The claim `array`: EMArray beside numpy.memmap, write() and pread().

The view and the memmap are over the same bytes in two files, warm. A sum reads each byte once; a boolean mask
reads, makes a mask and gathers. Both are the same loads, and which of them is faster depends on where in
memory the system happens to put the files' pages: both files are dropped and read again several times, in
either order. The scan is of data 8 times the limit of memory; both sides sum the blocks that they read, since
reading without looking is no use, and the pread loop is also shown without the sum.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from claim import Claim, Scale, at_least, at_most, attempt
from cold import evict
from process import measure

_ELEMENTS = (2 << 30) // 8
_BLOCK = 1 << 23  # elements of an extend and a write: 64 MiB
_SCAN_BLOCK = 1 << 19  # elements of a scan's step: 4 MiB
_SCAN_TIMES = 8
_LEAST_LIMIT = 64 << 20  # of memory, for a process with NumPy
_PLACEMENTS = 6
_ROUNDS = 2  # of each
_WRITE_ROUNDS = 6
_SCAN_ROUNDS = 3
_TIMEOUT = 1200.0


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _block(part: slice) -> numpy.ndarray:
    return numpy.arange(part.start, part.stop, dtype=numpy.float64)


def _build(folder: str, count: int) -> dict[str, Any]:
    """The array and a plain file with the same content."""
    import pyrsistence

    with pyrsistence.EMArray(folder + "/array", "f8") as array, open(folder + "/plain", "wb") as plain:
        for part in _blocks(count, _BLOCK):
            data = _block(part)
            array.extend(data)
            data.tofile(plain)
    return {}


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _views(folder: str, count: int, rounds: int, order: Sequence[str]) -> dict[str, Any]:
    """Seconds of a sum and of a mask, of both, in turn; a first pass brings the pages in, in this order."""
    import pyrsistence

    times: dict[str, list[float]] = {
        name: [] for name in ("view sum", "memmap sum", "view mask", "memmap mask")
    }
    with pyrsistence.EMArray(folder + "/array", mode="r+") as array:
        both = {"view": array.view(), "memmap": numpy.memmap(folder + "/plain", numpy.float64, mode="r")}
        both = {name: both[name] for name in order}
        sums = {name: float(each.sum()) for name, each in both.items()}
        if sums["view"] != sums["memmap"] or len(both["view"]) != count:
            raise ValueError("the array does not hold what the plain file holds")
        for _ in range(rounds):
            for name, each in both.items():
                times[f"{name} sum"].append(_seconds(each.sum))
                times[f"{name} mask"].append(_seconds(lambda each=each: each[each % 16 == 0]))
        del both, each
    return {"seconds": times}


def _extend(folder: str, count: int) -> dict[str, Any]:
    """Bytes a second of extend and a commit."""
    import pyrsistence

    seconds = 0.0
    data = _block(slice(0, _BLOCK))
    array = pyrsistence.EMArray(folder + "/extended", "f8")
    for part in _blocks(count, _BLOCK):
        piece = data[: part.stop - part.start]
        seconds += _seconds(lambda piece=piece: array.extend(piece))
    appended = seconds
    seconds += _seconds(array.commit)
    array.close()
    return {"rate": 8 * count / seconds, "unsynced": 8 * count / appended}


def _write(folder: str, count: int) -> dict[str, Any]:
    """Bytes a second of write() and fsync."""
    data = _block(slice(0, _BLOCK))
    file = os.open(folder + "/written", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    seconds = 0.0
    for part in _blocks(count, _BLOCK):
        piece = memoryview(data[: part.stop - part.start]).cast("B")
        begin = time.perf_counter()
        while piece:
            piece = piece[os.write(file, piece) :]
        seconds += time.perf_counter() - begin
    written = seconds
    seconds += _seconds(lambda: os.fsync(file))
    os.close(file)
    return {"rate": 8 * count / seconds, "unsynced": 8 * count / written}


def _scan_array(folder: str, count: int) -> dict[str, Any]:
    """Bytes a second of summing the array block by block."""
    import pyrsistence

    with pyrsistence.EMArray(folder + "/array", mode="r") as array:
        begin = time.perf_counter()
        total = sum(float(array[part].sum()) for part in _blocks(count, _SCAN_BLOCK))
        seconds = time.perf_counter() - begin
    return {"rate": 8 * count / seconds, "total": total}


def _scan_pread(folder: str, count: int, look: bool) -> dict[str, Any]:
    """The same of the plain file, by large preads into one buffer; without `look` nothing is summed."""
    buffer = numpy.empty(_SCAN_BLOCK, numpy.float64)
    file = os.open(folder + "/plain", os.O_RDONLY)
    total, done, size = 0.0, 0, 8 * count
    begin = time.perf_counter()
    while done < size:
        got = os.preadv(file, [memoryview(buffer).cast("B")[: size - done]], done)
        if got == 0 or got % 8:
            raise OSError(f"{got} bytes were read at {done:,}, where whole numbers were expected")
        if look:
            total += float(buffer[: got // 8].sum())
        done += got
    seconds = time.perf_counter() - begin
    os.close(file)
    return {"rate": size / seconds, "total": total}


def _view_claims(folder: Path, count: int, scale: Scale) -> list[Claim]:
    runs: dict[str, list[float]] = {}
    for placement in range(scale.rounds(_PLACEMENTS)):
        evict(folder)
        order = ("view", "memmap") if placement % 2 == 0 else ("memmap", "view")
        run = measure(_views, str(folder), count, _ROUNDS, order, timeout=_TIMEOUT)
        for name, seconds in run["seconds"].items():
            runs.setdefault(name, []).extend(seconds)
    times = {name: statistics.median(seconds) for name, seconds in runs.items()}
    claims = []
    for what in ("sum", "mask"):
        ours, theirs = times[f"view {what}"], times[f"memmap {what}"]
        measured = f"{ours * 1e3:.0f} ms beside {theirs * 1e3:.0f}: {ours / theirs:.3f} times memmap's"
        name = f"EMArray.view() {what}, {8 * count / (1 << 20):,.0f} MiB"
        claims.append(at_most(name, ours / theirs, 1.05, measured, "within 5 % of numpy.memmap", **runs))
    return claims


def _extend_claims(folder: Path, count: int, scale: Scale) -> list[Claim]:
    ours, theirs = [], []
    sides = [(ours, _extend, "extended"), (theirs, _write, "written")]
    for _ in range(scale.rounds(_WRITE_ROUNDS)):
        sides.reverse()  # what comes first after a pause finds another disk
        for runs, work, left in sides:
            runs.append(measure(work, str(folder), count, timeout=_TIMEOUT))
            _remove(folder / left)
    mean = {
        name: [statistics.median(run[name] for run in runs) / 1e9 for runs in (ours, theirs)]
        for name in ("rate", "unsynced")
    }
    ratio = mean["rate"][0] / mean["rate"][1]
    measured = (
        f"{ratio:.0%}: {mean['rate'][0]:.2f} GB/s with the commit beside {mean['rate'][1]:.2f} with fsync "
        f"({mean['unsynced'][0]:.2f} beside {mean['unsynced'][1]:.2f} before them)"
    )
    name = f"EMArray.extend of {8 * count / (1 << 20):,.0f} MiB, beside write() of the same bytes"
    return [at_least(name, ratio, 0.7, measured, "at least 70 %", pyrsistence=ours, write=theirs)]


def _remove(path: Path) -> None:
    for file in [*path.rglob("*")] if path.is_dir() else [path]:
        file.unlink()
    if path.is_dir():
        path.rmdir()


def _scan_claims(folder: Path, count: int, scale: Scale) -> list[Claim]:
    limit = max(8 * count // _SCAN_TIMES, _LEAST_LIMIT)
    works = {"ours": (_scan_array,), "pread": (_scan_pread, True), "pread alone": (_scan_pread, False)}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    for _ in range(scale.rounds(_SCAN_ROUNDS)):
        for name, (work, *more) in works.items():
            evict(folder)
            runs[name].append(measure(work, str(folder), count, *more, timeout=_TIMEOUT, limit_bytes=limit))
    if runs["ours"][0]["total"] != runs["pread"][0]["total"]:
        raise ValueError("the scans read different numbers")
    rates = {name: statistics.median(run["rate"] for run in each) / 1e9 for name, each in runs.items()}
    ratio = rates["ours"] / rates["pread"]
    measured = (
        f"{ratio:.0%}: {rates['ours']:.2f} GB/s beside {rates['pread']:.2f} of a pread loop that sums too "
        f"({rates['pread alone']:.2f} without); limit {limit >> 20} MiB"
    )
    name = f"scan of an EMArray of {8 * count / (1 << 20):,.0f} MiB under an eighth of that"
    return [at_least(name, ratio, 0.85, measured, "at least 85 %", **runs)]


def array(folder: Path, scale: Scale) -> list[Claim]:
    """Views, extending, and a scan beyond memory."""
    count = scale.of(_ELEMENTS)
    measure(_build, str(folder), count, timeout=_TIMEOUT)
    claims = attempt("EMArray.view()", lambda: _view_claims(folder, count, scale))
    claims += attempt("scan of an EMArray", lambda: _scan_claims(folder, count, scale))
    return claims + attempt("EMArray.extend", lambda: _extend_claims(folder, count, scale))
