"""What EMDict, EMList and Store share: the life of an open store.

A store is open while its handle (``_core.StoreHandle``) is. Whoever owns the handle (a Store, or a container
standing alone) closes it: at ``close()``, at the end of a ``with``, when it is collected, or when the
interpreter ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import DamagedError
from ._errors import not_stored
from ._memory import parse_memory

# Owners of open stores and the real paths of their directories, by id: the containers are not hashable.
_owners: dict[int, tuple[weakref.ref[Any], str]] = {}
# The owners by these paths: for what comes by pickle.
_by_path: dict[str, weakref.ref[Any]] = {}
# Held by whoever looks whether something is open, and opens it: two threads may want the same.
_opening = threading.RLock()


def _new_lock_in_child() -> None:
    global _opening
    _opening = threading.RLock()  # a thread that held the old one is not here


os.register_at_fork(after_in_child=_new_lock_in_child)


# Told of how much is done, of how much.
Progress = Callable[[int, int], object]


def open_handle(
    path: Any,
    mode: str,
    commit_interval: float | None,
    timeout: float,
    snapshot_timeout: float,
    memory: Any = None,
    temporary: bool = False,
) -> _core.StoreHandle:
    """Open the store in the directory ``path``: a str, bytes or path-like object.

    A temporary one is made in ``path``, and removed when it is closed. It is not synced: nobody will open it
    after a crash of the machine.
    """
    if mode not in ("a", "r", "r+", "x"):
        kind_of_error = ValueError if isinstance(mode, str) else TypeError
        raise kind_of_error(f"mode must be 'a', 'r', 'r+' or 'x', not {mode!r}")
    return _core.StoreHandle(
        os.fsencode(path),
        mode,
        None if commit_interval is None else seconds("commit_interval", commit_interval),
        seconds("timeout", timeout),
        seconds("snapshot_timeout", snapshot_timeout),
        parse_memory(memory),
        temporary,
    )


def seconds(name: str, value: Any) -> float:
    """Return a number of seconds. Errors: TypeError for what is no number, OverflowError."""
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    return float(value)


def register(owner: Any) -> None:
    """Have the owner found by its path, and closed when the interpreter ends."""
    key, path = id(owner), owner._handle.path
    if not owner._handle.temporary:  # else it is a real path
        path = os.path.realpath(path)

    def forget(reference: weakref.ref[Any]) -> None:
        _owners.pop(key, None)
        if _by_path.get(path) is reference:
            _by_path.pop(path, None)

    reference = _by_path[path] = weakref.ref(owner, forget)
    _owners[key] = reference, path


def unregister(owner: Any) -> None:
    """Undo register()."""
    reference, path = _owners.pop(id(owner), (None, ""))
    if reference is not None and _by_path.get(path) is reference:
        _by_path.pop(path, None)


def owner_of(path: str) -> Any:
    """Return whoever has the store at this path open in this process, or None."""
    reference = _by_path.get(os.path.realpath(path))
    owner = reference() if reference is not None else None
    if owner is None or owner._handle is None or owner._handle.lost or owner._handle.closed:
        return None
    return owner


def opening() -> threading.RLock:
    """Return the lock to hold between looking whether something is open and opening it."""
    return _opening


@atexit.register
def _close_all() -> None:
    _core.interpreter_ends()
    for reference, _ in list(_owners.values()):
        owner = reference()
        for _attempt in range(2):  # an interrupt may have left it open
            try:
                if owner is not None:
                    owner.close()
                break
            except BaseException:
                sys.excepthook(*sys.exc_info())


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
    """Return the path by which another process finds what is here now: after a commit, for a writer."""
    if not read_only:
        if handle.in_transaction:
            raise RuntimeError(
                f"'{handle.path}' cannot be pickled inside a transaction: another process would see what was "
                "committed before it; leave the transaction first"
            )
        commit(handle)
    handle.require_usable()
    return os.path.realpath(located(handle))


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


class Unopened:
    """Stands for the handle of what could not be opened where it was unpickled: using it raises why.

    Unpickling itself does not: a pool of processes unpickles where an exception ends the worker, or is lost
    with the task, and its caller would wait for ever.
    """

    closed = True
    lost = False

    def __init__(self, path: str, error: Exception) -> None:
        self.path = path
        self.error = error.with_traceback(None)


def closed_repr(owner: Any) -> str:
    """Return the repr() of what is closed, or was never open."""
    name, handle = type(owner).__name__, getattr(owner, "_handle", None)
    if isinstance(handle, Unopened):
        error = handle.error
        return f"<{name} {handle.path!r}, which could not be opened: {type(error).__name__}: {error}>"
    return f"<closed {name}{f' {handle.path!r}' if handle else ''}>"


class Owner:
    """A store's handle and what it takes to close it."""

    if not TYPE_CHECKING:  # the slots are those of the classes that are instantiated
        __slots__ = ()

    _handle: Any  # _core.StoreHandle, Unopened or None
    _mode: str

    def _open_store(
        self,
        path: Any,
        mode: str,
        commit_interval: float | None,
        timeout: float,
        snapshot_timeout: float,
        memory: Any = None,
    ) -> None:
        temporary = path is None
        if temporary:
            if mode not in ("a", "x"):
                raise ValueError(f"a temporary store cannot be opened with mode {mode!r}")
            path, mode = os.path.realpath(tempfile.gettempdir()), "a"
        self._handle = open_handle(path, mode, commit_interval, timeout, snapshot_timeout, memory, temporary)
        self._mode = mode
        register(self)

    def _close_store(self) -> None:
        handle = self._handle
        if handle is None or handle.closed:
            return  # also where the interpreter ends and has taken this module apart
        if handle.temporary:
            handle.abandon()
        else:
            close(handle)
        unregister(self)

    def _open_handle(self) -> _core.StoreHandle:
        """The handle of an open store; ValueError if it was never opened, or why it could not be."""
        if isinstance(self._handle, Unopened):
            raise self._handle.error.with_traceback(None)
        if self._handle is None:
            raise ValueError(f"{type(self).__name__} is not open")
        handle: _core.StoreHandle = self._handle
        return handle
