"""Attribute dicts of graphs that are live: what changes in them is written to the graph.

A change by a method of the dict is written at once. A value that can be changed in place (a list) is compared
with what is stored at a commit, and when the dict goes; until a commit, or until there are many of them, the
graph keeps such dicts.

One dict of a place exists at a time, so that ``G[u][v] is G[v][u]`` while it is referenced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

# Types whose objects cannot be changed in place.
_FIXED = frozenset({str, int, float, bool, type(None), bytes, complex})


def is_fixed(attributes: dict[Any, Any]) -> bool:
    """Whether no value of it can be changed in place: then it may be stored without a live dict of it."""
    return _FIXED.issuperset(map(type, attributes.values()))


# Where a dict lies: () the graph, (node,) or (u, v).
Place = tuple[Any, ...]


def _same_values(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    """Whether the keys and the very objects are the same: to compare these could run code, or raise."""
    return len(one) == len(other) and all(key in other and other[key] is value for key, value in one.items())


def _write_or_undo(live: Live, before: dict[Any, Any]) -> None:
    try:
        live._changed()
    except BaseException:
        live._load(before)
        raise


def _writing(method: _F) -> _F:
    """A method of dict that changes it, and writes what it has become; an error of writing undoes it.

    Also where the method raised: update() keeps what came before the error, as a dict does.
    """

    def changing(self: Live, *arguments: Any, **named: Any) -> Any:
        before = dict(self)
        try:
            result = method(self, *arguments, **named)
        except BaseException:
            if not _same_values(before, self):
                _write_or_undo(self, before)
            raise
        if before or self:  # else nothing was added to nothing, as NetworkX's copies do
            _write_or_undo(self, before)
        return result

    changing.__name__ = method.__name__
    changing.__doc__ = method.__doc__
    return changing  # type: ignore[return-value]


class Live(dict[Any, Any]):
    """A dict that is part of a graph, or of another such dict; on its own once its place is gone."""

    __slots__ = ("__weakref__", "_in_place", "_owner", "_place")

    _owner: Any  # the storage, or the Live that it is a value of; None: on its own
    _place: Place
    _in_place: bool  # a value may be changed in place

    def __init__(self, owner: Any = None, place: Place = ()) -> None:
        self._owner = owner
        self._place = place
        self._in_place = False

    def _load(self, content: dict[Any, Any]) -> None:
        """Show this content, which is what is stored."""
        dict.clear(self)
        dict.update(self, content)
        self._in_place = not is_fixed(content)

    def _changed(self) -> None:
        self._in_place = not is_fixed(self)
        if self._owner is not None:
            self._owner._write(self)

    def _replace(self, content: Any) -> None:
        """Become what a mapping holds."""
        self._load(dict(content))
        self._changed()

    def _plain(self) -> Any:
        """What is stored for it; None for what needs no record."""
        return dict(self) or None

    def __del__(self) -> None:
        # What was changed in place since the last commit.
        if self._owner is not None and self._in_place:
            self._owner._write_last(self)

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

    def _load(self, content: dict[Any, Any]) -> None:
        known = dict(self)
        dict.clear(self)
        for key, attributes in content.items():
            child = self._child(key, attributes, known.get(key))
            dict.__setitem__(self, key, child)
            if known.get(key) is child:
                del known[key]
        for gone in known.values():
            gone._owner = None
        self._in_place = any(child._in_place for child in self.values())

    def _child(self, key: Any, attributes: Any, known: Attributes | None = None) -> Attributes:
        """Return the dict of an edge: that which was handed out before goes on being it."""
        if isinstance(attributes, Attributes) and attributes._owner is self:
            return attributes
        child = Attributes(self, (key,)) if known is None else known
        child._load(dict(attributes))
        return child

    def _changed(self) -> None:
        for key, attributes in self.items():
            dict.__setitem__(self, key, self._child(key, attributes))
        self._in_place = any(child._in_place for child in self.values())
        if self._owner is not None:
            self._owner._write(self)

    def _write(self, child: Attributes) -> None:
        if self.get(child._place[0]) is child:
            self._changed()

    def _write_last(self, child: Attributes) -> None:
        """Nothing: the child goes with this dict, which writes it."""

    def _plain(self) -> Any:
        content = {key: dict(attributes) for key, attributes in self.items()}
        return None if content == {0: {}} and type(next(iter(content))) is int else content

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, ({key: dict(attributes) for key, attributes in self.items()},)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)
