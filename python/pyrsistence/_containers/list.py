"""EMList: a list in a directory."""

from __future__ import annotations

import contextlib
import copy
import operator
from collections.abc import Callable, MutableSequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container, short_repr
from .._base.options import Opening, OpeningOptions, codec, takes_opening
from .._base.public import public

if TYPE_CHECKING:
    from typing_extensions import Unpack

_REPR_ITEMS = 10


@public
class EMList(_core.ListBase, container.Container):
    """A list whose elements live in memory-mapped files: larger than RAM, and there again when reopened.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close); ``data`` is an
    iterable to append. None, booleans, floats, integers of 48 bits and texts of up to 6 bytes take 8 bytes
    each. Elements handed out are copies, as shelve's are: change them with ``edit()``, by assignment, or with
    ``writeback=True``. ``memory`` and ``cache`` are those of EMDict.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no list; DamagedError.

    >>> with EMList(None, range(5)) as l:
    ...     l.append("x")
    ...     l[-3:]
    [3, 4, 'x']
    """

    __slots__ = container.SLOTS

    _kind_name = "list"

    __hash__ = None  # type: ignore[assignment]

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        data: Any = None,
        *,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        writeback: bool = False,
        cache: int = 0,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(pickler, unpickler, pickle, writeback, cache)
        self._open_with(Opening(path, **opening), self.extend, data)

    def _set_options(
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        writeback: bool = False,
        cache: int = 0,
    ) -> None:
        self._configure(codec(pickler, unpickler, pickle, None, writeback, cache))

    # ---- The sequence interface that needs no speed

    def copy(self) -> list[Any]:
        """Return a builtin list of all elements, in memory.

        **Cost**: O(n) time and memory.
        """
        return self._as_builtin()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return copy.deepcopy(self._as_builtin(), memo)

    def _as_builtin(self) -> list[Any]:
        whole: list[Any] = _core.ListBase.__getitem__(self, slice(None))
        return whole

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, (list, EMList)):
            return NotImplemented
        result = self[:]
        result.extend(other)
        return result

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        return other + self[:]

    def __mul__(self, count: Any) -> Any:
        try:
            return self[:] * operator.index(count)
        except TypeError:
            return NotImplemented

    __rmul__ = __mul__

    def __imul__(self, count: Any) -> Any:
        try:
            times = operator.index(count)
        except TypeError:
            return NotImplemented
        self._repeat(times)
        return self

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, (list, EMList)):
            return NotImplemented
        if self is other:
            return True
        with self._consistent(), container.consistent(other):
            return len(self) == len(other) and self._first_difference(other) is None

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def _first_difference(self, other: Any) -> tuple[Any, Any] | None:
        for mine, yours in zip(self, other, strict=False):
            if not (mine is yours or mine == yours):
                return mine, yours
        return None

    def _compare(self, other: Any, compare: Callable[[Any, Any], Any]) -> Any:
        if not isinstance(other, (list, EMList)):
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

    def __repr__(self) -> str:
        if self.closed:
            return self._closed_repr()
        with self._consistent():
            shown = list(short_repr.texts(_core.ListBase.__iter__(self), _REPR_ITEMS))
            rest = len(self) - len(shown)
        if rest > 0:
            shown.append(f"... {rest} more")
        return f"{type(self).__name__}([{', '.join(shown)}], path={self._open_handle().path!r})"

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "writeback", "cache")

    # ---- Beyond list

    def edit(self, index: int) -> contextlib.AbstractContextManager[Any]:
        """Hand out the element at an index, and write it back if the block does not raise.

        **Cost**: one read and one assignment. Errors: IndexError.

        >>> l = EMList(None, [[1]])
        >>> with l.edit(0) as value:
        ...     value.append(2)
        >>> l[0]
        [1, 2]
        """
        return container.edit(self, index)

    __class_getitem__ = classmethod(GenericAlias)


MutableSequence.register(EMList)
