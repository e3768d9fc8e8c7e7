"""A measurement in a process of its own, and what that process holds in memory.

Memory is the peak of the anonymous pages (RssAnon): what a process takes from the machine for itself. It is
sampled from the parent, so that sampling takes no time from what is measured; a peak shorter than the
interval can be missed. The page cache of the files that a peer maps or reads is not counted for any peer: the
kernel drops it when memory is short. Under a limit (limit.py) it counts towards that.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from limit import MemoryLimit, NoLimit, join

_SAMPLE_SECONDS = 0.01


class Failed(Exception):
    """The process raised, died or hung; the message says which."""


class NotHere(Failed):
    """What is to be measured needs something that this machine does not have, or does not allow."""


def anonymous_bytes(pid: int | str = "self") -> int:
    """Anonymous memory of a process; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def disk_bytes(folder: Path) -> int:
    """The blocks that the files of a folder take, holes not counted."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def io_counts() -> tuple[int, int]:
    """Bytes that this process has read from disks so far, and its page faults that had to wait for one."""
    with open("/proc/self/io") as lines:
        read = next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))
    return read, resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _child(
    work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], connection: Connection, members: str
) -> None:
    try:
        if members:
            join(members)
        connection.send(work(*arguments))
    except KeyboardInterrupt:
        pass  # the parent has had it too, and says so
    except Exception as error:  # whatever a peer raises is reported as that peer's result
        connection.send(f"{type(error).__name__}: {error}")


def measure(
    work: Callable[..., dict[str, Any]], *arguments: Any, timeout: float, limit_bytes: int | None = None
) -> dict[str, Any]:
    """Runs `work` in a new interpreter; its figures and `peak_bytes`, the anonymous memory it reached.

    With `limit_bytes` the process may have no more memory than that, page cache included.

    Errors: Failed, and NotHere where memory cannot be limited.
    """
    try:
        with MemoryLimit(limit_bytes) if limit_bytes else nullcontext() as group:
            return _measure(work, arguments, timeout, group)
    except NoLimit as reason:
        raise NotHere(f"memory cannot be limited here: {reason}") from None


def _measure(
    work: Callable[..., dict[str, Any]],
    arguments: tuple[Any, ...],
    timeout: float,
    group: MemoryLimit | None,
) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    members = group.members if group else ""
    process = context.Process(target=_child, args=(work, arguments, theirs, members))
    process.start()
    theirs.close()
    deadline = time.monotonic() + timeout
    peak = 0
    try:
        while not ours.poll(_SAMPLE_SECONDS):
            peak = max(peak, anonymous_bytes(process.pid or 0))
            if time.monotonic() > deadline:
                raise Failed(f"no result after {timeout:.0f} s")
        result = ours.recv()
    except EOFError:
        process.join()
        if group and group.killed():
            raise Failed(f"killed by its memory limit of {group.limit_bytes >> 20} MiB") from None
        raise Failed(f"the process died (exit code {process.exitcode})") from None
    except BaseException:  # it hangs, or this run is interrupted
        process.kill()
        raise
    finally:
        process.join()
    if isinstance(result, str):
        raise Failed(result)
    return {**result, "peak_bytes": peak}
