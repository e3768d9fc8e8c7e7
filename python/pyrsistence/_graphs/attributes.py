"""Attribute dicts of graphs that are live: what changes in them is written to the graph.

A change by a method of the dict is written at once. A value that can be changed in place (a list) is compared
with what is stored at a commit: the graph keeps such dicts until then, and for as long as somebody else
refers to them or to anything in them. Nothing is written by a finalizer.

One dict of a place exists at a time, so that ``G[u][v] is G[v][u]`` while it is referenced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .._core import is_fixed, replace

__all__ = ["Attributes", "Live", "Place", "is_fixed", "restored"]

_F = TypeVar("_F", bound=Callable[..., Any])

# Of a value nested deeper, what lies there is taken from the store after a rollback.
_DEEPEST_NESTING = 50

# Where a dict lies: () the graph, (node,), (u, v), or (u, v, key) of parallel edges.
Place = tuple[Any, ...]


def _same_values(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    """Whether the keys and the very objects are the same: to compare these could run code, or raise."""
    return len(one) == len(other) and all(key in other and other[key] is value for key, value in one.items())


def restored(before: Any, stored: Any, depth: int = 0) -> Any:
    """Return the object that was the value before, made what is stored; if it cannot be, the stored one."""
    if type(before) is not type(stored) or depth == _DEEPEST_NESTING:
        return stored
    if type(stored) is list:
        known = [restored(one, other, depth + 1) for one, other in zip(before, stored, strict=False)]
        before[:] = known + stored[len(known) :]
    elif type(stored) is dict:
        content = {k: restored(before[k], v, depth + 1) if k in before else v for k, v in stored.items()}
        before.clear()
        before.update(content)
    elif type(stored) is set:
        before.clear()
        before.update(stored)
    elif type(stored) is bytearray:
        before[:] = stored
    else:
        return stored
    return before


class _Gone:
    """The owner of dicts whose node or edge a rollback has taken back: they refuse to be changed."""

    __slots__ = ()

    _edge_type = None

    def _current(self) -> None:
        """Nothing to be found out."""

    def _suspect(self, live: Live) -> None:
        """It is not stored."""

    def _write(self, live: Live) -> None:
        raise RuntimeError(
            "these are the attributes of a node or edge that a rollback has taken back: "
            "ask the graph for those of what is there now"
        )


_GONE = _Gone()


def _write_or_undo(live: Live, before: dict[Any, Any], remember: bool) -> None:
    known = live._before
    if remember and known is None:
        live._before = before
    try:
        live._changed()
    except BaseException:
        live._load(before)
        live._before = known
        raise


def _writing(method: _F) -> _F:
    """A method of dict that changes it, and writes what it has become; an error of writing undoes it.

    Also where the method raised: update() keeps what came before the error, as a dict does.
    """

    def changing(self: Live, *arguments: Any, **named: Any) -> Any:
        if self._owner is not None:
            self._owner._current()  # what a rollback has taken back is not written again
        before, remember = dict(self), self._in_place
        try:
            try:
                result = method(self, *arguments, **named)
            except BaseException:
                if not _same_values(before, self):
                    _write_or_undo(self, before, remember)
                raise
            if before or self:  # else nothing was added to nothing, as NetworkX's copies do
                _write_or_undo(self, before, remember)
            return result
        except BaseException:
            self._suspect()
            raise

    changing.__name__ = method.__name__
    changing.__doc__ = method.__doc__
    return changing  # type: ignore[return-value]


class Live(dict[Any, Any]):
    """A dict that is part of a graph; on its own once its place is removed."""

    __slots__ = ("__weakref__", "_before", "_in_place", "_number", "_owner", "_place")

    _owner: Any  # the storage; None: on its own
    _place: Place
    _number: Any  # by which the storage keeps it
    _in_place: bool  # a value may be changed in place
    # What it held when it was last written back, if a method has changed it since: a rollback goes back to
    # these objects.
    _before: dict[Any, Any] | None

    def __init__(self, owner: Any = None, place: Place = ()) -> None:
        self._owner = owner
        self._place = place
        self._number = 0
        self._in_place = False
        self._before = None

    def _load(self, content: dict[Any, Any]) -> None:
        """Show this content, which is what is stored."""
        replace(self, content)
        self._in_place = not is_fixed(content)

    def _reload(self, content: dict[Any, Any], restored: Callable[[Any, Any], Any]) -> None:
        """Show what is stored after a rollback. An object that was a value before stays it where it can."""
        before = self._before = dict(self) if self._before is None else self._before
        self._load({k: restored(before[k], v) if k in before else v for k, v in content.items()})
        self._before = None

    def _empty(self) -> None:
        """Its graph was cleared."""
        if self._in_place and self._before is None:
            self._before = dict(self)
        self._load({})

    def _lose(self) -> None:
        """A rollback has taken back what it is of."""
        self._load({})
        self._before = None
        self._owner = _GONE

    def _current(self) -> None:
        """See to it that it is as the store is now."""
        if self._owner is not None:
            self._owner._current()

    def _suspect(self) -> None:
        """An error, or an interrupt, has kept it from being written: it is compared with what is stored."""
        self._in_place = True
        if self._owner is not None:
            self._owner._suspect(self)

    def _changed(self) -> None:
        self._in_place = not is_fixed(self)
        if self._owner is not None:
            self._owner._write(self)

    def _replace(self, content: Any) -> None:
        """Become what a mapping holds."""
        self._current()
        before, remember = dict(self), self._in_place
        try:
            self._load(dict(content))
            _write_or_undo(self, before, remember)
        except BaseException:
            self._suspect()
            raise

    def _plain(self) -> Any:
        """What is stored for it; None for what needs no record."""
        return dict(self) or None

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    __setitem__ = _writing(dict.__setitem__)
    __delitem__ = _writing(dict.__delitem__)
    update = _writing(dict.update)
    pop = _writing(dict.pop)
    popitem = _writing(dict.popitem)
    clear = _writing(dict.clear)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As that of dict."""
        if key not in self:
            self[key] = default
        return self[key]


class Attributes(Live):
    """The attributes of a graph, a node or an edge."""

    __slots__ = ()


class TypedAttributes(Attributes):
    """The attributes of an edge with a type: always all of its fields; one that is removed is zero."""

    __slots__ = ()

    def _load(self, content: Any) -> None:
        replace(self, content)
        self._in_place = False

    def _changed(self) -> None:
        if self._owner is not None:
            kind = self._owner._edge_type
            if kind is not None:
                dict.update(self, kind.unpack(kind.pack(self)))
            self._owner._write(self)

    def _suspect(self) -> None:
        kind = None if self._owner is None else self._owner._edge_type
        if kind is not None:
            fields = {name: self.get(name, zero) for name, zero in kind.zero.items()}
            try:
                kind.pack(fields)
            except Exception:  # a field cannot be that
                fields = self._owner._stored(self._place)
            replace(self, fields)
        super()._suspect()

    def _replace(self, content: Any) -> None:
        kind = None if self._owner is None else self._owner._edge_type
        super()._replace(content if kind is None else kind.unpack(kind.pack(dict(content))))
