"""Attribute dicts of graphs that are live: what changes in them is written to the graph.

A change by a method of the dict is written at once. A value that can be changed in place (a list) is compared
with what is stored at a commit: the graph keeps such dicts until then, and for as long as somebody else
refers to them or to anything in them. Nothing is written by a finalizer.

One dict of a place exists at a time, so that ``G[u][v] is G[v][u]`` while it is referenced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ._core import is_fixed, replace

__all__ = ["Attributes", "Live", "ParallelEdges", "Place", "is_fixed", "restored"]

_F = TypeVar("_F", bound=Callable[..., Any])

# Of a value nested deeper, what lies there is taken from the store after a rollback.
_DEEPEST_NESTING = 50

# Where a dict lies: () the graph, (node,) or (u, v).
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
        before, remember = dict(self), self._in_place or self._has_children
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
    """A dict that is part of a graph, or of another such dict; on its own once its place is removed."""

    __slots__ = ("__weakref__", "_before", "_in_place", "_number", "_owner", "_place")

    _has_children = False
    _owner: Any  # the storage, or the Live that it is a value of; None: on its own
    _place: Place
    _number: int  # by which the storage keeps it
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
        """See to it that it is as the store is now; of one that is part of another."""
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
        before, remember = dict(self), self._in_place or self._has_children
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


class ParallelEdges(Live):
    """The edges between two nodes of a multigraph: from keys to attributes."""

    __slots__ = ()

    _has_children = True

    def _load(self, content: dict[Any, Any]) -> None:
        self._take(content, lambda child, attributes: child._load(attributes), None)

    def _reload(self, content: dict[Any, Any], restored: Callable[[Any, Any], Any]) -> None:
        before = self._before or {}
        added = [child for key, child in self.items() if before.get(key, child) is not child]
        dict.update(self, before)
        for child in added:
            child._lose()
        self._take(content, lambda child, attributes: child._reload(attributes, restored), _GONE)
        self._before = None

    def _lose(self) -> None:
        self._take({}, lambda child, attributes: None, _GONE)
        self._before = None
        self._owner = _GONE

    def _take(self, content: dict[Any, Any], load: Callable[[Any, Any], None], after: Any) -> None:
        """Hold this content, put into the children by `load`; those that are gone are owned by `after`."""
        known = dict(self)
        children = {
            key: self._child(key, attributes, known.get(key), load) for key, attributes in content.items()
        }
        replace(self, children)
        for gone in (child for key, child in known.items() if children.get(key) is not child):
            if after is not None:
                gone._load({})
            gone._owner = after
        self._in_place = any(child._in_place for child in self.values())

    def _child(
        self,
        key: Any,
        attributes: Any,
        known: Attributes | None = None,
        load: Callable[[Any, Any], None] = Attributes._load,
    ) -> Attributes:
        """Return the dict of an edge: that which was handed out before goes on being it."""
        if isinstance(attributes, Attributes) and attributes._owner is self:
            return attributes
        child = Attributes(self, (key,)) if known is None else known
        child._owner = self
        load(child, dict(attributes))
        return child

    def _changed(self) -> None:
        for key, attributes in self.items():
            dict.__setitem__(self, key, self._child(key, attributes))
        self._in_place = any(child._in_place for child in self.values())
        if self._owner is not None:
            self._owner._write(self)

    def _suspect(self, child: Attributes | None = None) -> None:
        self._in_place = True
        if self._owner is not None:
            self._owner._suspect(self)

    def _write(self, child: Attributes) -> None:
        if self.get(child._place[0]) is child:
            self._changed()

    def _plain(self) -> Any:
        content = {key: dict(attributes) for key, attributes in self.items()}
        return None if content == {0: {}} and type(next(iter(content))) is int else content

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, ({key: dict(attributes) for key, attributes in self.items()},)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)
