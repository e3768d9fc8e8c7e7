"""ParallelEdges: what ``G._adj[u][v]`` of a multigraph is, the edges between two nodes by their keys."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any

from .attributes import Place
from .mappings import Bounded


class ParallelEdges(Bounded):
    """The edges between two nodes of a multigraph: from keys to attributes.

    It shows what the graph has at that moment: nothing once they are removed.

    **Cost** of an item: a look-up of the pair, and up to 8 attributes decoded, or a look-up of the key in a
    table.
    """

    __slots__ = ("__weakref__", "_number", "_owner", "_place")

    # It is kept by the storage as live dicts are, but holds nothing.
    _in_place = False
    _before = None

    def __new__(cls, owner: Any = None, place: Place = ()) -> Any:
        """A factory gives an empty dict; what belongs to a graph is made by it."""
        return {} if owner is None else super().__new__(cls)

    def __init__(self, owner: Any, place: Place) -> None:
        self._owner = owner
        self._place = place
        self._number = 0

    def _load(self, content: Any) -> None:
        """Nothing is held."""

    def _reload(self, content: Any, restored: Any) -> None:
        """Nothing is held."""

    def _lose(self) -> None:
        """A rollback has taken them back."""
        self._owner = None

    def _graph(self) -> Any:
        owner = self._owner
        if owner is None:
            raise RuntimeError(
                "these parallel edges were removed, or a rollback has taken them back: ask the graph for "
                "those that are there now"
            )
        return owner

    def __getitem__(self, key: Any) -> Any:
        live = None if self._owner is None else self._owner._live_at((*self._place, key))
        if live is None:
            raise KeyError(key)
        return live

    def __contains__(self, key: object) -> bool:
        owner = self._owner
        return owner is not None and owner._parallel((*self._place, key)) is not None

    def __len__(self) -> int:
        return 0 if self._owner is None else self._owner._count_between(self._place)

    def __iter__(self) -> Iterator[Any]:
        keys, place = ([], 0) if self._owner is None else self._owner._keys_between(self._place, 0)
        if not place:  # of a record
            return iter(keys)
        read = self._parts(keys, place, lambda owner, place: owner._keys_between(self._place, place))
        return itertools.chain.from_iterable(read)

    def _parts(self, items: Any, place: int, read: Any) -> Iterator[Any]:
        """Of a table, after the first part: read(storage, place). Errors: RuntimeError if it changes."""
        count = len(self)
        while items:
            yield items
            if len(self) != count:
                raise RuntimeError("parallel edges were added or removed during iteration")
            items, place = read(self._graph(), place)

    def items(self) -> ItemsView[Any, Any]:
        """Return a view of the keys and the attributes.

        **Cost**: O(1); of walking it that of a walk over the edges, and the attributes decoded.
        """
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the attributes.

        **Cost**: that of items().
        """
        return _Values(self)

    def __setitem__(self, key: Any, attributes: Any) -> None:
        live = self.get(key)
        if live is None:
            self._graph()._add_between((*self._place, key), attributes)
        elif live is not attributes:
            live._replace(attributes)

    def __delitem__(self, key: Any) -> None:
        if self._owner is None or not self._owner._drop_parallel((*self._place, key)):
            raise KeyError(key)

    def popitem(self) -> tuple[Any, Any]:
        """Remove the last edge, and return its key and attributes.

        **Cost**: that of removing it. Errors: KeyError if there is none.
        """
        items = self._graph()._items_between(self._place, -1, False)[0] if len(self) else []
        if not items:
            raise KeyError("popitem(): there are no parallel edges")
        key = items[-1][0]
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove the edges; the nodes are still adjacent.

        **Cost**: O(edges).
        """
        self._replace({})

    def _replace(self, content: Any) -> None:
        """Become what a mapping holds."""
        self._graph()._replace_between(self._place, {key: dict(value) for key, value in content.items()})

    def __reduce__(self) -> Any:
        return dict, ({key: dict(attributes) for key, attributes in self.items()},)

    def __copy__(self) -> dict[Any, Any]:
        return self.copy()


class _Items(ItemsView[Any, Any]):
    """Keys and live dicts: many of them at a time are taken out of the graph."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        own = self._mapping
        items, place = ([], 0) if own._owner is None else own._owner._lives_between(own._place, 0)
        if not place:  # a record
            return iter(items)
        read = own._parts(items, place, lambda owner, place: owner._lives_between(own._place, place))
        return itertools.chain.from_iterable(read)


class _Values(ValuesView[Any]):
    """The live dicts alone."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return (live for _, live in self._mapping.items())
