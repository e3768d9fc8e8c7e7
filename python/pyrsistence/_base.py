"""What EMDict, EMList and Store share: the life of an open store.

A store is open while its handle (``_core.StoreHandle``) is. Whoever owns the handle (a Store, or a container
standing alone) closes it: at ``close()``, at the end of a ``with``, when it is collected, or when the
interpreter ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import DamagedError

# Owners of open stores, by id: the containers are not hashable.
_owners: dict[int, weakref.ref[Any]] = {}


def open_handle(path: Any, mode: str, commit_interval: float | None, timeout: float) -> _core.StoreHandle:
    """Open the store in the directory ``path``: a str, bytes or path-like object."""
    return _core.StoreHandle(os.fsencode(path), mode, commit_interval, timeout)


def register(owner: Any) -> None:
    """Have the owner closed when the interpreter ends."""
    key = id(owner)
    _owners[key] = weakref.ref(owner, lambda _: _owners.pop(key, None))


def unregister(owner: Any) -> None:
    """Undo register()."""
    _owners.pop(id(owner), None)


@atexit.register
def _close_all() -> None:
    for reference in list(_owners.values()):
        owner = reference()
        if owner is None:
            continue
        try:
            owner.close()
        except Exception:
            sys.excepthook(*sys.exc_info())


def flush(handle: _core.StoreHandle) -> None:
    """Write the write-back caches of all open members back."""
    for container in handle.containers():
        _core.flush(container)


def commit(handle: _core.StoreHandle) -> None:
    """Write back, and make all changes durable."""
    handle.require_usable()
    flush(handle)
    handle.commit()


@contextlib.contextmanager
def transaction(handle: _core.StoreHandle) -> Iterator[None]:
    """All or nothing: commit at the end, roll back if the block raises."""
    handle.require_usable()
    flush(handle)
    handle.begin()
    try:
        yield
        flush(handle)
        handle.commit_transaction()
    except BaseException:
        containers = handle.containers()
        handle.rollback()
        for container in containers:
            _core.forget_cache(container)
        raise


def close(handle: _core.StoreHandle) -> None:
    """Write back, commit and close. A child of a fork only lets go."""
    if handle.closed or handle.forked:
        handle.close()
        return
    try:
        if handle.in_transaction:
            handle.rollback()
        flush(handle)
    finally:
        handle.close()


def raise_findings(path: str, findings: list[str]) -> None:
    """Raise DamagedError if there are findings."""
    if findings:
        raise DamagedError(5, f"{len(findings)} findings, the first: {findings[0]}", path)


class Owner:
    """A store's handle and what it takes to close it."""

    if not TYPE_CHECKING:  # the slots are those of the classes that are instantiated
        __slots__ = ()

    _handle: _core.StoreHandle | None
    _mode: str
    _temporary: str | None

    def _open_store(self, path: Any, mode: str, commit_interval: float | None, timeout: float) -> None:
        temporary = None
        if path is None:
            if mode not in ("a", "x"):
                raise ValueError(f"a temporary store cannot be opened with mode {mode!r}")
            temporary = tempfile.mkdtemp(prefix="pyrsistence-")
            path, mode = temporary, "a"
        try:
            self._handle = open_handle(path, mode, commit_interval, timeout)
        except BaseException:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._mode = mode
        self._temporary = temporary
        register(self)

    def _close_store(self) -> None:
        handle = self._handle
        if handle is None:
            return
        unregister(self)
        if self._temporary is None:
            close(handle)
            return
        temporary, self._temporary = self._temporary, None
        forked = handle.forked
        handle.abandon()
        if not forked:
            shutil.rmtree(temporary, ignore_errors=True)

    def _open_handle(self) -> _core.StoreHandle:
        """The handle of an open store; ValueError if it was never opened."""
        if self._handle is None:
            raise ValueError(f"{type(self).__name__} is not open")
        return self._handle
