"""Which stores are open in this process, who has them, and where they were opened.

Whoever owns a store's handle (a Store, or a container standing alone) is found here by the directory, and is
closed when the interpreter ends.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from typing import Any, NamedTuple

from .. import _core
from .._core import LockedError

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
_lock = threading.RLock()


def _new_lock_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # a thread that held the old one is not here


os.register_at_fork(after_in_child=_new_lock_in_child)


def lock() -> threading.RLock:
    """Return the lock to hold between looking whether something is open and opening it."""
    return _lock


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


def held_here(error: LockedError, path: Any) -> LockedError:
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
