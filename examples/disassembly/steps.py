"""The steps of the demonstration, each in a process of its own, so that each one's memory is its own.

    build    disassembles into a store, closes it
    report   reopens the store: shows it, checks it
    compare  disassembles into Python's own dicts and lists

A step returns a dict of facts. `run` starts one in a new interpreter and samples its memory from outside, so
that the sampling costs the step nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from capstone import CsError
from elftools.common.exceptions import ELFError
from tqdm import tqdm

import pyrsistence

from . import report as reports
from .image import Image, ImageError
from .listing import InMemory, build
from .memory import Peak, memory_of

_SAMPLE_SECONDS = 0.01

# One bar a process: tqdm's own lock is a semaphore between processes, left behind by a killed one.
tqdm.set_lock(threading.RLock())


class StepError(Exception):
    """A step failed; the message is its error."""


def _bar(total: int, unit: str, title: str) -> tqdm:
    # disable=None: no bar where the output is not a terminal.
    return tqdm(total=total, unit=unit, unit_scale=True, desc=title, leave=False, disable=None)


def disk_bytes(folder: Path) -> int:
    """The blocks that the files of a folder take, holes not counted."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def build_step(file: str, folder: str, memory: int) -> dict[str, Any]:
    """Disassembles `file` into a new store in `folder`."""
    pyrsistence.set_memory_budget(memory)
    image = Image(file)
    before = memory_of().anonymous
    with pyrsistence.Store(folder, mode="x") as store:
        with _bar(image.code_bytes, "B", "Disassembling") as bar:
            facts = build(image, store, bar.update)
        if facts["instructions"] == 0:
            raise ImageError(f"{file} has no instruction that capstone knows as {facts['machine']} code")
        begin = time.perf_counter()
    facts["closing_seconds"] = time.perf_counter() - begin
    facts["before"] = before
    facts["disk_bytes"] = disk_bytes(Path(folder))
    return facts


def report_step(folder: str, address: int | None, memory: int) -> dict[str, Any]:
    """Shows what the store holds, and counts it again."""
    pyrsistence.set_memory_budget(memory)
    begin = time.perf_counter()
    with pyrsistence.Store(folder, mode="r+") as store:
        summary = store.dict("summary")
        if "instructions" not in summary:
            raise ImageError(f"{folder} holds no finished disassembly: remove it, and run this again")
        opening = time.perf_counter() - begin
        try:
            image = Image(summary["file"])
        except ImageError:
            image = None  # the store does not need the file; symbols are then not shown
        reports.show_mix(store)
        print()
        reports.show_targets(store, image)
        print()
        reports.show_instruction(store, summary["start"] if address is None else address)
        with _bar(reports.steps(summary), "", "Checking") as bar:
            differences = reports.check(store, bar.update)
        differences += [str(finding) for finding in store.verify()]
        return {"differences": differences, "opening_seconds": opening, "summary": dict(summary.items())}


def compare_step(file: str, limit: int) -> dict[str, Any]:
    """Keeps the same, of at most `limit` instructions, in Python's own dicts and lists."""
    image = Image(file)
    before = memory_of().anonymous
    members = InMemory()
    with _bar(image.code_bytes, "B", "Comparing with Python's dicts") as bar:
        facts = build(image, members, bar.update, limit)
    facts["before"] = before
    facts["held"] = memory_of().anonymous - before
    return facts


def _child(step: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], connection: Connection) -> None:
    try:
        connection.send(step(*arguments))
    except KeyboardInterrupt:
        os._exit(130)
    except ImageError as error:
        connection.send(str(error))
    except (OSError, ValueError, CsError, ELFError) as error:
        connection.send(f"{type(error).__name__}: {error}")


def run(step: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Runs a step in a new process. Its facts, with the `peak` (a Memory) that it reached.

    Errors: StepError, with what the step raised.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(step, arguments, theirs))
    process.start()
    theirs.close()
    peak = Peak(process.pid or 0)
    try:
        while not ours.poll(_SAMPLE_SECONDS):
            peak.sample()
        result = ours.recv()
    except EOFError:
        result = "the process ended without a result (see its error above)"
    except KeyboardInterrupt:
        process.kill()
        raise
    finally:
        process.join()
    if isinstance(result, str):
        raise StepError(result)
    return {**result, "peak": peak.memory}
