"""The steps of the demonstration, each in a process of its own, so that each one's memory is its own.

    build    recovers the program into a store, closes it
    query    opens the store for reading: asks, shows, checks
    compare  does both with Python's own containers

A step is given a function to tell of its phases, and returns a dict of facts. `run` starts one in a new
interpreter and samples its memory from outside, so that the sampling costs the step nothing.
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

from . import report
from .blocks import connect
from .census import census, differences
from .image import Image, ImageError
from .listing import list_code
from .members import Program
from .memory import History, memory_of
from .plain import InMemory, PlainDiGraph
from .queries import ask

_SAMPLE_SECONDS = 0.01
Note = Callable[[str], None]

# One bar a process: tqdm's own lock is a semaphore between processes, left behind by a killed one.
tqdm.set_lock(threading.RLock())


class StepError(Exception):
    """A step failed; the message is its error."""


def _bar(total: int, title: str) -> tqdm:
    # disable=None: no bar where the output is not a terminal.
    return tqdm(total=total, unit="B", unit_scale=True, desc=title, leave=False, disable=None)


def disk_bytes(folder: Path) -> int:
    """The blocks that the files of a folder take, holes not counted."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _image(file: str, code_bytes: int | None) -> Image:
    image = Image(file)
    if code_bytes is not None:
        image.clip(code_bytes)
    return image


def recover(image: Image, program: Program, note: Note) -> dict[str, Any]:
    """Both passes: the same for whatever the members are."""
    note("instructions")
    with _bar(image.code_bytes, "Disassembling") as bar:
        facts = list_code(image, program, bar.update)
    note("blocks")
    with _bar(image.code_bytes, "Finding blocks") as bar:
        facts.update(connect(image, program, bar.update))
    facts["not understood"] = _not_understood(image, facts)
    if not program.functions or 2 * facts["bytes that are no instruction"] > image.code_bytes:
        raise ImageError(
            f"most of what {image.path} has as code is no instruction that capstone knows of "
            f"{image.machine.name}: is it packed, or for a newer machine?"
        )
    facts["ranges"] = [(section.address, section.address + section.size) for section in image.sections]
    facts["counts"] = census(program, facts["ranges"])
    facts.update(file=str(image.path), machine=image.machine.name, reads_calls=image.machine.reads_calls)
    program.summary.update(facts)
    return facts


def _not_understood(image: Image, facts: dict[str, Any]) -> dict[str, int]:
    """What the answers leave out, as counts."""
    listed = ("bytes that are no instruction", "bytes of guessed encoding")
    found = {what: facts[what] for what in listed} | facts["not understood"]
    if image.linked is not None:
        found["relocations of kinds unknown here"] = image.linked.not_applied
    return {what: count for what, count in found.items() if count}


def build_step(note: Note, file: str, folder: str, memory: int, code_bytes: int | None) -> dict[str, Any]:
    """Recovers the program of `file`, or of its first bytes of code, into a new store in `folder`."""
    pyrsistence.set_memory_budget(memory)
    before = memory_of().anonymous
    with _image(file, code_bytes) as image, pyrsistence.Store(folder, mode="x") as store:
        facts = recover(image, Program(store), note)
        note("closing")
    return {**facts, "before": before, "disk_bytes": disk_bytes(Path(folder))}


def query_step(note: Note, folder: str, address: int | None, memory: int, show: bool) -> dict[str, Any]:
    """Opens the store, asks, and counts again. Shows what it found if it is to."""
    pyrsistence.set_memory_budget(memory)
    begin = time.perf_counter()
    with pyrsistence.Store(folder, mode="r") as store:
        if "summary" not in store or "counts" not in store.dict("summary"):
            raise ImageError(f"{folder} holds no finished program: remove it, and run this again")
        program = Program(store)
        opening = time.perf_counter() - begin
        _require_address(program, address)
        note("queries")
        with pyrsistence.EMDiGraph(None) as condensed:
            findings = ask(program, address, condensed)
        if show:
            report.show(program, findings, address)
        note("check")
        found = differences(program.summary["counts"], census(program, program.summary["ranges"]))
        found += [str(finding) for finding in store.verify()]
        counts = program.summary["counts"]
    return {"differences": found, "opening_seconds": opening, "findings": findings, "counts": counts}


def _require_address(program: Program, address: int | None) -> None:
    if address is not None and not program.flags.is_backed(address):
        ranges = ", ".join(f"{begin:#x} to {end:#x}" for begin, end in program.summary["ranges"])
        raise ImageError(f"{address:#x} is in no executable section; the code is at {ranges}")


def compare_step(note: Note, file: str, address: int | None, code_bytes: int | None) -> dict[str, Any]:
    """Recovers the same into Python's own containers, and asks the same."""
    before = memory_of().anonymous
    program = Program(InMemory())
    with _image(file, code_bytes) as image:
        facts = recover(image, program, note)
    note("queries")
    findings = ask(program, address, PlainDiGraph())
    return {**facts, "before": before, "findings": findings}


def _child(step: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], connection: Connection) -> None:
    try:
        connection.send(step(connection.send, *arguments))
    except KeyboardInterrupt:
        os._exit(130)
    except ImageError as error:
        connection.send(StepError(str(error)))
    except (OSError, ValueError, MemoryError, CsError, ELFError) as error:
        connection.send(StepError(f"{type(error).__name__}: {error}"))


def run(step: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Runs a step in a new process. Its facts, with its `history`.

    Errors: StepError, with what the step raised.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(step, arguments, theirs))
    process.start()
    theirs.close()
    history = History(process.pid or 0)
    try:
        result = _followed(ours, history)
    except KeyboardInterrupt:
        process.kill()
        raise
    finally:
        process.join()
    if isinstance(result, StepError):
        raise result
    return {**result, "history": history}


def _followed(connection: Connection, history: History) -> Any:
    """What the process sends at its end; phases that it begins, and its memory, go to the history."""
    while True:
        while not connection.poll(_SAMPLE_SECONDS):
            history.sample()
        try:
            message = connection.recv()
        except EOFError:
            return StepError("the process ended without a result (see its error above)")
        if not isinstance(message, str):
            return message
        history.begin(message)
