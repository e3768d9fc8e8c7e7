"""The views of an EMDict: like those of dict, set-like but for the values."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Set, ValuesView
from typing import Any

from .. import _core


def _bounded(name: str, view: Any) -> str:
    return f"{name}({view.mapping!r})"


class Keys(_core.KeysBase, Set):  # type: ignore[type-arg]
    """The keys, in the order of their insertion; set-like."""

    __slots__ = ()

    @classmethod
    def _from_iterable(cls, iterable: Any) -> set[Any]:
        return set(iterable)

    def __repr__(self) -> str:
        return _bounded("EMDict.keys", self)


class Items(_core.ItemsBase, Set):  # type: ignore[type-arg]
    """The pairs of key and value, in the order of insertion; set-like."""

    __slots__ = ()

    @classmethod
    def _from_iterable(cls, iterable: Any) -> set[Any]:
        return set(iterable)

    def __repr__(self) -> str:
        return _bounded("EMDict.items", self)


class Values(_core.ValuesBase):
    """The values, in the order of insertion of their keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _bounded("EMDict.values", self)


KeysView.register(Keys)
ItemsView.register(Items)
ValuesView.register(Values)
