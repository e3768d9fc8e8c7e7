"""What EMDict, EMList and Store share: the life of an open store.

A store is open while its handle (``_core.StoreHandle``) is. Whoever owns the handle (a Store, or a container
standing alone) closes it: at ``close()``, at the end of a ``with``, when it is collected, or when the
interpreter ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _core
from .._core import DamagedError, LockedError
from .errors import not_stored
from .options import Opening

# What tells a directory from all others as long as it is open: its device's number and its own. Of a
# temporary store, which may have none yet, the path.
_Directory = tuple[int, int] | str


class _Owned(NamedTuple):
    owner: weakref.ref[Any]
    directory: _Directory
    place: str  # "file.py:12", where it was opened


# Owners of open stores, by id: the containers are not hashable.
_owners: dict[int, _Owned] = {}
# The same by their directories, the last one last: for what comes by pickle, and for who opens a store twice.
_by_directory: dict[_Directory, dict[int, _Owned]] = {}
# Held by whoever looks whether something is open, and opens it: two threads may want the same.
_opening = threading.RLock()


def _new_lock_in_child() -> None:
    global _opening
    _opening = threading.RLock()  # a thread that held the old one is not here


os.register_at_fork(after_in_child=_new_lock_in_child)


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
        raise _held_here(error, path) from None


def _held_here(error: LockedError, path: Any) -> LockedError:
    """The error of who opens a store for the second time: it has the object that is there."""
    owned = _owned(path)
    owner = owned.owner() if owned is not None else None
    if owned is None or owner is None:
        return error
    facade = getattr(owner, "_facade", None)
    holder = (facade() if facade is not None else None) or owner
    told = LockedError(
        error.errno,
        f"the store is already open in this process, for mode {owner._mode!r}: an {type(holder).__name__}, "
        f"opened at {owned.place}; use that object, which is this error's holder, or close it first",
        error.filename,
    )
    told.holder = holder
    return told


def _place_of_caller() -> str:
    """Where the code is that has called this package, as "file.py:12"."""
    package = f"{__name__.partition('.')[0]}."
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(package):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def register(owner: Any) -> None:
    """Have the owner found by its directory, and closed when the interpreter ends."""
    key, handle = id(owner), owner._handle
    directory = handle.path if handle.temporary else handle.identity()
    owned = _Owned(weakref.ref(owner, lambda _: _strike(key)), directory, _place_of_caller())
    _owners[key] = owned
    _by_directory.setdefault(directory, {})[key] = owned


def unregister(owner: Any) -> None:
    """Undo register()."""
    _strike(id(owner))


def _strike(key: int) -> None:
    owned = _owners.pop(key, None)
    if owned is None:
        return
    others = _by_directory.get(owned.directory, {})
    others.pop(key, None)
    if not others:
        _by_directory.pop(owned.directory, None)


def owner_of(path: Any) -> Any:
    """Return whoever has the store in this directory open in this process, or None."""
    owned = _owned(path)
    return None if owned is None else owned.owner()


def _owned(path: Any) -> _Owned | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    found = _by_directory.get((status.st_dev, status.st_ino))
    if found is None:
        found = _by_directory.get(os.fsdecode(os.path.realpath(path)), {})
    here: list[_Owned] = list(found.values())
    return next((owned for owned in reversed(here) if _is_open(owned.owner())), None)


def _is_open(owner: Any) -> bool:
    handle = None if owner is None else owner._handle
    return handle is not None and not handle.lost and not handle.closed


def opening() -> threading.RLock:
    """Return the lock to hold between looking whether something is open and opening it."""
    return _opening


@atexit.register
def _close_all() -> None:
    _core.interpreter_ends()
    for owned in list(_owners.values()):
        owner = owned.owner()
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

    def _open_store(self, opening: Opening) -> None:
        temporary = opening.path is None
        if temporary:
            if opening.mode not in ("a", "x"):
                raise ValueError(f"a temporary store cannot be opened with mode {opening.mode!r}")
            import tempfile  # some milliseconds, which only temporary stores cost

            folder = os.path.realpath(tempfile.gettempdir())
            opening = opening._replace(path=folder, mode="a")
        self._handle = open_handle(opening, temporary)
        self._mode = opening.mode
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
