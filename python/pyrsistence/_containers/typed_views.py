"""The views of an EMTypedDict: like those of dict, set-like but for the values."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class _View:
    __slots__ = ()

    _mapping: Any
    _part: str

    @property
    def mapping(self) -> Any:
        """The dict this is a view of."""
        return self._mapping

    def __iter__(self) -> Iterator[Any]:
        iterator: Iterator[Any] = self._mapping._iterator(self._part, False)
        return iterator

    def __reversed__(self) -> Iterator[Any]:
        iterator: Iterator[Any] = self._mapping._iterator(self._part, True)
        return iterator

    def __repr__(self) -> str:
        return f"EMTypedDict.{self._part}s({self._mapping!r})"


class TypedKeys(_View, KeysView[Any]):
    """The keys, in the order of their insertion; set-like."""

    __slots__ = ()
    _part = "key"


class TypedValues(_View, ValuesView[Any]):
    """The values, in the order of insertion of their keys."""

    __slots__ = ()
    _part = "value"


class TypedItems(_View, ItemsView[Any, Any]):
    """The pairs of key and value, in the order of insertion; set-like."""

    __slots__ = ()
    _part = "item"
