"""What EMList and EMDeque share beyond their slots: comparisons, copies, how they are shown."""

from __future__ import annotations

import contextlib
import copy
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._base import container, short_repr

_REPR_ITEMS = 10


class Sequence(container.Container):
    """Elements by their index, compared one by one, and written back as a whole."""

    if not TYPE_CHECKING:
        __slots__ = ()

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def _stored(self) -> Iterator[Any]:
        """Iterate over the elements, whatever __iter__() of a subclass gives."""
        raise NotImplementedError

    def _is_alike(self, other: Any) -> bool:
        """Whether it is compared element by element."""
        raise NotImplementedError

    # ---- Comparisons

    def __eq__(self, other: object) -> Any:
        if not self._is_alike(other):
            return NotImplemented
        if self is other:
            return True
        with self._consistent(), container.consistent(other):
            return len(self) == len(other) and self._first_difference(other) is None  # type: ignore[arg-type]

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None  # type: ignore[assignment]

    def _first_difference(self, other: Any) -> tuple[Any, Any] | None:
        for mine, yours in zip(self, other, strict=False):
            if not (mine is yours or mine == yours):
                return mine, yours
        return None

    def _compare(self, other: Any, compare: Callable[[Any, Any], Any]) -> Any:
        if not self._is_alike(other):
            return NotImplemented
        with self._consistent(), container.consistent(other):
            pair = self._first_difference(other) or (len(self), len(other))
        return compare(*pair)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, operator.ge)

    # ---- Copies

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._as_builtin(), memo)

    def _shown(self, *more: str) -> str:
        """Return the repr() of the first elements, with these attributes beside them."""
        if self.closed:
            return self._closed_repr()
        with self._consistent():
            shown = list(short_repr.texts(self._stored(), _REPR_ITEMS))
            rest = len(self) - len(shown)
        if rest > 0:
            shown.append(f"... {rest} more")
        attributes = "".join(f", {one}" for one in (*more, f"path={self._open_handle().path!r}"))
        return f"{type(self).__name__}([{', '.join(shown)}]{attributes})"

    # ---- Beyond the builtin

    def edit(self, index: int) -> contextlib.AbstractContextManager[Any]:
        """Hand out the element at an index, and write it back if the block does not raise.

        **Cost**: one read and one assignment. Errors: IndexError.

        >>> from pyrsistence import EMList
        >>> l = EMList(None, [[1]])
        >>> with l.edit(0) as value:
        ...     value.append(2)
        >>> l[0]
        [1, 2]
        """
        return container.edit(self, index)
