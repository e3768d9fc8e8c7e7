"""EMDeque: a double-ended queue in a directory."""

from __future__ import annotations

import collections
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

_MOST = 2**63 - 1


@public
class EMDeque(_core.DequeBase, Sequence):
    """A deque whose elements live in memory-mapped files: larger than RAM, and there again when reopened.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close); ``data`` is an
    iterable to add at the right end. ``maxlen`` is the most elements that a new one holds: what is added
    beyond it pushes an element out at the other end. It is kept in the files; of a deque that is there, None
    takes what it has. Elements are stored, and handed out, as EMList does; all other options are its.

    A queue that runs for ever takes no more space than its elements; a stack that shrinks gives its space
    back.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no deque, or one of another ``maxlen``; DamagedError.

    >>> with EMDeque(None, range(5), maxlen=3) as d:
    ...     d.appendleft("x")
    ...     d.popleft(), list(d)
    ('x', [2, 3])
    """

    __slots__ = container.SLOTS

    _kind_name = "deque"

    __hash__ = None  # type: ignore[assignment]

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        data: Any = None,
        *,
        maxlen: Any = None,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        writeback: bool = False,
        cache: int = 0,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(pickler, unpickler, pickle, writeback, cache, maxlen)
        self._open_with(Opening(path, **opening), self.extend, data)

    def _set_options(
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        writeback: bool = False,
        cache: int = 0,
        maxlen: Any = None,
    ) -> None:
        self._configure(codec(pickler, unpickler, pickle, None, writeback, cache), (_bound(maxlen),))

    def _require(self, maxlen: Any) -> None:
        """Of a deque that is open already. Errors: FormatError."""
        if _bound(maxlen) not in (None, self.maxlen):
            raise _core.FormatError(f"{self._name!r} is a deque with maxlen={self.maxlen}, not {maxlen}")

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "writeback", "cache")

    @property
    def maxlen(self) -> int | None:
        """The most elements that there may be; None: as many as there are."""
        return self._limit()

    # ---- The interface of deque that needs no speed

    def copy(self) -> collections.deque[Any]:
        """Return a builtin deque of all elements, in memory, of the same ``maxlen``.

        **Cost**: O(n) time and memory.
        """
        return self._as_builtin()

    __copy__ = copy

    def _as_builtin(self) -> collections.deque[Any]:
        return collections.deque(self._elements(), self.maxlen)

    def __reduce__(self) -> Any:
        if _core.is_storing():  # as part of a value
            return collections.deque, (self._elements(), self.maxlen)
        return super().__reduce__()

    def __add__(self, other: Any) -> Any:
        if not self._is_alike(other):
            return NotImplemented
        result = self._as_builtin()
        result.extend(other)
        return result

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, collections.deque):
            return NotImplemented
        result = other.copy()
        result.extend(self)
        return result

    def __mul__(self, count: Any) -> Any:
        try:
            return self._as_builtin() * operator.index(count)
        except TypeError:
            return NotImplemented

    __rmul__ = __mul__

    def __imul__(self, count: Any) -> Any:
        try:
            times = operator.index(count)
        except TypeError:
            return NotImplemented
        maxlen = self.maxlen
        if maxlen is None or times < 2:
            self._repeat(times)
        elif len(self):
            elements = self._elements()
            # So many fill it: those before them would be pushed out.
            for _ in range(1, min(times, -(-maxlen // len(elements)))):
                self.extend(elements)
        return self

    def _stored(self) -> Iterator[Any]:
        return _core.DequeBase.__iter__(self)

    def _is_alike(self, other: Any) -> bool:
        return isinstance(other, (collections.deque, EMDeque))

    def __repr__(self) -> str:
        if self.closed or self.maxlen is None:
            return self._shown()
        return self._shown(f"maxlen={self.maxlen}")

    __class_getitem__ = classmethod(GenericAlias)


def _bound(maxlen: Any) -> int | None:
    """Errors: TypeError, ValueError; OverflowError for more than a machine could count."""
    if maxlen is None:
        return None
    try:
        most = operator.index(maxlen)
    except TypeError:
        raise TypeError(f"maxlen is an integer or None, not {type(maxlen).__name__}") from None
    if most < 0:
        raise ValueError(f"maxlen must be non-negative, not {most}")
    if most > _MOST - 1:
        raise OverflowError(f"maxlen is at most {_MOST - 1}")
    return most


MutableSequence.register(EMDeque)
