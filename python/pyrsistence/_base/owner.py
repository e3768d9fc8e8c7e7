"""Owner: what EMDict, EMList, ... and Store share, an open store of which they have the handle.

It is closed at ``close()``, at the end of a ``with``, when its owner is collected, or when the interpreter
ends.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import _core
from . import handles, open_stores
from .options import Opening


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
        self._handle = handles.open_handle(opening, temporary)
        self._mode = opening.mode
        open_stores.register(self)

    def _close_store(self) -> None:
        handle = self._handle
        if handle is None or handle.closed:
            return  # also where the interpreter ends and has taken this module apart
        if handle.temporary:
            handle.abandon()
        else:
            handles.close(handle)
        open_stores.unregister(self)

    def _open_handle(self) -> _core.StoreHandle:
        """The handle of an open store; ValueError if it was never opened, or why it could not be."""
        if isinstance(self._handle, Unopened):
            raise self._handle.error.with_traceback(None)
        if self._handle is None:
            raise ValueError(f"{type(self).__name__} is not open")
        handle: _core.StoreHandle = self._handle
        return handle
