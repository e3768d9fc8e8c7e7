"""What is done with the handle of an open store (``_core.StoreHandle``): from opening it to closing it."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable
from typing import Any

from .. import _core
from .._core import DamagedError, LockedError
from .errors import not_stored
from .open_stores import held_here, owner_of
from .options import Opening

# Told of how much is done, of how much.
Progress = Callable[[int, int], object]


def open_handle(opening: Opening, temporary: bool = False) -> _core.StoreHandle:
    """Open the store in the directory of the opening: a str, bytes or path-like object.

    A temporary one is made in there, and removed when it is closed. It is not synced: nobody will open it
    after a crash of the machine.
    """
    path, mode = opening.path, opening.mode
    arguments = opening.for_core(temporary)

    try:
        return _core.StoreHandle(*arguments)
    except LockedError:
        holder = owner_of(path)
        if holder is None or holder.mode == mode == "r":  # readers do not exclude each other
            raise
        del holder
    # Somebody here has it. If nobody can reach that object any more, collecting it closes it.
    gc.collect()
    try:
        return _core.StoreHandle(*arguments)
    except LockedError as error:
        raise held_here(error, path) from None


def flush(handle: _core.StoreHandle) -> None:
    """Write back what was changed in place in objects of all open members.

    Errors: NotStoredError for values that cannot be stored, after all others have been written; those of the
    store.
    """
    failures: list[tuple[str, Any, Exception]] = []
    broken: Exception | None = None
    for container in handle.containers():
        try:
            failures += [(container.name, key, error) for key, error in _core.flush(container)]
        except Exception as error:
            broken = broken or error
    refused = not_stored(handle.path, failures) if failures else None
    if broken is not None:
        raise broken from refused
    if refused is not None:
        raise refused


def flush_member(container: Any) -> None:
    """The same of one container."""
    failures = [(container.name, key, error) for key, error in _core.flush(container)]
    if failures:
        raise not_stored(container.path, failures)


def commit(handle: _core.StoreHandle) -> None:
    """Write back, and make all changes durable."""
    handle.require_usable()
    flush(handle)
    handle.commit()


def transaction(handle: _core.StoreHandle) -> contextlib.AbstractContextManager[None]:
    """All or nothing: commit at the end, roll back if the block raises."""
    return _core.Transaction(handle, _flush_usable, _show_anew)


def _flush_usable(handle: _core.StoreHandle) -> None:
    handle.require_usable()
    flush(handle)


def _show_anew(containers: list[Any]) -> None:
    for container in containers:
        _core.show_anew(container)


def close(handle: _core.StoreHandle) -> None:
    """Write back, commit and close. A child of a fork only lets go."""
    if handle.closed or handle.lost:
        handle.close()
        return
    if handle.in_transaction:
        containers = handle.containers()
        handle.rollback()
        _show_anew(containers)
    try:
        flush(handle)
    except Exception:
        handle.close()
        raise
    # Where an interrupt has come here, it is still open: nothing is lost.
    handle.close()


def committed_path(handle: _core.StoreHandle, read_only: bool) -> str:
    """Return the path by which another process finds what is here now: after a commit, for a writer.

    It leads to the directory that is open, wherever that has been moved. Errors: FileNotFoundError if it was
    removed.
    """
    if not read_only:
        if handle.in_transaction:
            raise RuntimeError(
                f"'{handle.path}' cannot be pickled inside a transaction: another process would see what was "
                "committed before it; leave the transaction first"
            )
        commit(handle)
    located(handle)
    return handle.current_path()


def located(handle: _core.StoreHandle) -> str:
    """Return the path of a store's directory, which a temporary store makes now, unless it has one."""
    handle.require_files()
    return handle.path


def snapshot(handle: _core.StoreHandle) -> contextlib.AbstractContextManager[None]:
    """One state of a store that another process may be writing, over many reads."""
    return _core.Snapshot(handle, False)


def consistent(handle: _core.StoreHandle) -> contextlib.AbstractContextManager[None]:
    """The scope of a read in many steps: a snapshot where another process may be writing."""
    return _core.Snapshot(handle, True)


def compact(handle: _core.StoreHandle, member: str | None, dst: Any, progress: Progress | None) -> None:
    """Write back, and compact a member in place, or with none the store into a new directory."""
    flush(handle)
    handle.compact(member, b"" if dst is None else os.fsencode(dst), progress)


def backup(handle: _core.StoreHandle, dst: Any, progress: Progress | None) -> None:
    """Write back, commit, and copy what is committed into a new directory."""
    flush(handle)
    handle.backup(os.fsencode(dst), progress)


def raise_findings(path: str, findings: list[str]) -> None:
    """Raise DamagedError if there are findings."""
    if findings:
        raise DamagedError(5, f"{len(findings)} findings, the first: {findings[0]}", path)
