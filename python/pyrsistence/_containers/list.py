"""EMList: a list in a directory."""

from __future__ import annotations

import operator
from collections.abc import Iterator, MutableSequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container
from .._base.options import Opening, OpeningOptions, codec, takes_opening
from .._base.public import public
from .sequences import Sequence

if TYPE_CHECKING:
    from typing_extensions import Unpack


@public
class EMList(_core.ListBase, Sequence):
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

    def _stored(self) -> Iterator[Any]:
        return _core.ListBase.__iter__(self)

    def _is_alike(self, other: Any) -> bool:
        return isinstance(other, (list, EMList))

    def __repr__(self) -> str:
        return self._shown()

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "writeback", "cache")

    __class_getitem__ = classmethod(GenericAlias)


MutableSequence.register(EMList)
