"""A limit on the memory of a process, the page cache included: a memory cgroup of its own.

Files that are larger than the limit are then larger than RAM, as far as the process can tell. It needs the
right to make a cgroup, which root has in both hierarchies: v1 (memory.limit_in_bytes) and v2 (memory.max).
Where there is none, NoLimit says why, and nothing is measured in its place.

A page of a file is charged to the group that brought it into the cache: pages that are there before are free.
So whoever measures under a limit drops the files from the cache first (cold.py).
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from pathlib import Path

_PREFIX = "pyrsistence-bench-"
_REMOVE_SECONDS = 5.0
_numbers = itertools.count()


class NoLimit(Exception):
    """This process may not limit memory; the message says why."""


class MemoryLimit:
    """A group with a limit, for the time of a `with`. Errors: NoLimit, on entering."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._group = Path()

    def __enter__(self) -> MemoryLimit:
        reasons = []
        for parent, file in _parents():
            group = parent / f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
            try:
                _remove_leftovers(parent)
                group.mkdir()
            except OSError as error:
                reasons.append(f"{parent}: {error.strerror}")
                continue
            try:
                (group / file).write_text(str(self.limit_bytes))
            except OSError as error:
                group.rmdir()
                reasons.append(f"{group / file}: {error.strerror}")
                continue
            self._group = group
            self._forbid_swap()
            return self
        raise NoLimit("; ".join(reasons) or "no memory cgroups are mounted")

    def __exit__(self, *_error: object) -> None:
        """Removes the group, with what it has in the page cache. Its processes have ended, or are ending."""
        _write(self._group / "memory.force_empty", "0")
        deadline = time.monotonic() + _REMOVE_SECONDS
        while True:
            try:
                self._group.rmdir()
                return
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    @property
    def members(self) -> str:
        """The file in which a process writes 0 to join the group."""
        return str(self._group / "cgroup.procs")

    def killed(self) -> bool:
        """Whether the kernel ended a process of the group, because the limit left no memory for it."""
        for name in ("memory.oom_control", "memory.events"):
            for line in _lines(self._group / name):
                if line.startswith("oom_kill ") and int(line.split()[1]) > 0:
                    return True
        return False

    def _forbid_swap(self) -> None:
        """Where there is swap, what exceeds the limit would go there and not count."""
        _write(self._group / "memory.swap.max", "0")
        _write(self._group / "memory.memsw.limit_in_bytes", str(self.limit_bytes))


def join(members: str) -> None:
    """Moves the calling process into the group; what it has taken before stays with the group it was in."""
    Path(members).write_text("0")


def reason_against(limit_bytes: int = 1 << 30) -> str:
    """Why memory cannot be limited here; empty if it can."""
    try:
        with MemoryLimit(limit_bytes):
            return ""
    except NoLimit as reason:
        return str(reason)


def _parents() -> list[tuple[Path, str]]:
    """Where a group may be made, best first, and the name of the file that takes the limit."""
    found = []
    own = {
        fields[1]: fields[2].lstrip("/") for fields in map(_split_group, _lines(Path("/proc/self/cgroup")))
    }
    for fields in (line.split() for line in _lines(Path("/proc/mounts"))):
        mount, kind, options = Path(fields[1]), fields[2], fields[3].split(",")
        if kind == "cgroup" and "memory" in options:
            found += [
                (mount, "memory.limit_in_bytes"),
                (mount / own.get("memory", ""), "memory.limit_in_bytes"),
            ]
        elif kind == "cgroup2":
            # Only a group without processes may have groups below it: beside the own one.
            parents = {mount: None, (mount / own.get("", "")).parent: None}
            for parent in parents:
                if "memory" in " ".join(_lines(parent / "cgroup.subtree_control")).split():
                    found.append((parent, "memory.max"))
    return list(dict.fromkeys(found))


def _split_group(line: str) -> list[str]:
    """A line of /proc/self/cgroup: number, controllers, path."""
    return line.split(":", 2)


def _remove_leftovers(parent: Path) -> None:
    """Groups of runs that were killed; one that has processes cannot be removed, and is left."""
    for group in parent.glob(_PREFIX + "*"):
        owner = group.name[len(_PREFIX) :].split("-")[0]
        if not Path("/proc", owner).exists():
            try:
                group.rmdir()
            except OSError:
                continue


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _write(path: Path, text: str) -> None:
    """Of a file that this hierarchy may not have."""
    try:
        path.write_text(text)
    except OSError:
        pass
