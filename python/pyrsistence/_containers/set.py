"""EMSet: a set in a directory."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, MutableSet, Set
from itertools import chain, islice
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container, short_repr
from .._base.options import Opening, OpeningOptions, codec, takes_opening
from .._base.public import public

if TYPE_CHECKING:
    from typing_extensions import Unpack

_REPR_ITEMS = 10
# Elements that are looked up, or removed, at a time.
_AT_ONCE = 10_000
# A set with so many times the elements of another is not walked along to compare both: those are looked up.
_MUCH_LARGER = 16


def _at_once(elements: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(elements)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _as_set(other: Any) -> Any:
    """Return something that knows its elements quickly. Errors: TypeError."""
    return other if isinstance(other, (set, frozenset, EMSet)) else set(other)


@public
class EMSet(_core.SetBase, container.Container):
    """A set whose elements live in memory-mapped files: larger than RAM, and there again when reopened.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close); ``data`` is an
    iterable to add. Elements are what EMDict's keys are, and come in the order in which they were added.
    ``memory`` and ``key`` are those of EMDict.

    The algebra is that of set, with any iterable for its methods, and sets for its operators. It returns a
    builtin set, in memory; the methods put the result into an empty EMSet, of any size, with ``out=``. Two
    EMSets are compared by walks along both, whatever their size.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no set; TypeError for an element that cannot be one; DamagedError.

    >>> with EMSet(None, "hello") as s:
    ...     s.add("!")
    ...     list(s), s & {"l", "o", "x"} == {"l", "o"}
    (['h', 'e', 'l', 'o', '!'], True)
    """

    __slots__ = container.SLOTS

    _kind_name = "set"

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
        key: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._configure(codec(pickler, unpickler, pickle, key), _layout)
        self._open_with(Opening(path, **opening), self.update, data)

    def _set_options(
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
    ) -> None:
        self._configure(codec(pickler, unpickler, pickle, key), _layout)

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "key")

    # ---- Copies

    def copy(self) -> set[Any]:
        """Return a builtin set of all elements, in memory.

        **Cost**: O(n) time and memory.
        """
        return self._as_builtin()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> set[Any]:
        return copy.deepcopy(self._as_builtin(), memo)

    def _as_builtin(self) -> set[Any]:
        with self._consistent():
            return set(_core.SetBase.__iter__(self))

    def __repr__(self) -> str:
        if self.closed:
            return self._closed_repr()
        with self._consistent():
            shown = list(short_repr.texts(_core.SetBase.__iter__(self), _REPR_ITEMS))
            rest = len(self) - len(shown)
        if rest > 0:
            shown.append(f"... {rest} more")
        return f"{type(self).__name__}({{{', '.join(shown)}}}, path={self._open_handle().path!r})"

    # ---- What is in another set too, or is not

    def _parted(self, other: Any, wanted: bool) -> Iterator[Any]:
        """Give the elements that are in the other set, or those that are not: ``wanted`` tells which."""
        if not isinstance(other, EMSet):
            return (element for element in self if (element in other) is wanted)
        if self._codec.key != other._codec.key or len(other) > _MUCH_LARGER * len(self):
            return self._looked_up_in(other, wanted)
        if len(self) > _MUCH_LARGER * len(other):
            few = other._as_builtin()
            return _found(self, few) if wanted else self._parted(few, False)
        bits, _, version = self._members(other)
        return self._all_chosen(bits, wanted, version)

    def _looked_up_in(self, other: EMSet, wanted: bool) -> Iterator[Any]:
        for some in _at_once(self):
            for element, found in zip(some, other.contains_many(some), strict=True):
                if found is wanted:
                    yield element

    def _all_chosen(self, bits: bytes, wanted: bool, version: int) -> Iterator[Any]:
        number = position = 0
        more = True
        while more:
            some, number, position, more = self._chosen(bits, wanted, version, number, position)
            yield from some

    def _count_in(self, other: Any) -> int:
        """Return how many elements the other set has too."""
        few, many = (self, other) if len(self) <= len(other) else (other, self)
        alike = isinstance(other, EMSet) and self._codec.key == other._codec.key
        if alike and len(many) <= _MUCH_LARGER * len(few):
            found: int = self._members(other)[1]
            return found
        return sum(1 for _ in _found(many, few))

    # ---- Comparisons

    def isdisjoint(self, other: Any, /) -> bool:
        """Return whether no element is in the other iterable.

        **Cost**: as of intersection().

        >>> EMSet(None, "abc").isdisjoint("xyz")
        True
        """
        with self._consistent(), container.consistent(other):
            if isinstance(other, (set, frozenset, EMSet)):
                return self._count_in(other) == 0
            return not any(element in self for element in other)

    def issubset(self, other: Any, /) -> bool:
        """Return whether all elements are in the other iterable.

        **Cost**: as of intersection().

        >>> EMSet(None, "ab").issubset("abc")
        True
        """
        with self._consistent(), container.consistent(other):
            whole = _as_set(other)
            return len(self) <= len(whole) and self._count_in(whole) == len(self)

    def issuperset(self, other: Any, /) -> bool:
        """Return whether all of the other iterable are elements.

        **Cost**: as of intersection().

        >>> EMSet(None, "abc").issuperset("ab")
        True
        """
        with self._consistent(), container.consistent(other):
            if isinstance(other, (set, frozenset, EMSet)):
                return len(self) >= len(other) and self._count_in(other) == len(other)
            return all(element in self for element in other)

    def __le__(self, other: Any) -> Any:
        return self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        return self.issuperset(other) if isinstance(other, Set) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return len(self) < len(other) and self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        return len(self) > len(other) and self.issuperset(other) if isinstance(other, Set) else NotImplemented

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Set):
            return NotImplemented
        return self is other or (len(self) == len(other) and self.issubset(other))

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    # ---- New sets

    def _result(self, elements: Iterable[Any], out: Any) -> Any:
        if out is None:
            return set(elements)
        if not isinstance(out, EMSet):
            raise TypeError(f"expected an EMSet for out=, found {type(out).__name__}")
        if len(out):
            raise ValueError(f"expected an empty EMSet for out=, found one of {len(out)} elements")
        out._add_all(elements)
        return out

    def union(self, *others: Any, out: Any = None) -> Any:
        """Return the elements of this set and of the iterables, as a builtin set or in ``out``.

        **Cost**: O(n) of all.

        >>> EMSet(None, [1]).union([2], [3])
        {1, 2, 3}
        """
        with self._consistent():
            return self._result(chain(self, *others), out)

    def intersection(self, *others: Any, out: Any = None) -> Any:
        """Return the elements that are in all of the iterables too, as a builtin set or in ``out``.

        **Cost**: with an EMSet one walk along both for each third of its keys' hashes that fits the budget of
        memory, 24 bytes each; or a look-up for each element of the smaller, where the other is much larger.

        >>> EMSet(None, [1, 2, 3]).intersection([2, 3, 4])
        {2, 3}
        """
        with self._consistent(), _all_consistent(others):
            if len(others) == 1:
                return self._result(self._parted(_as_set(others[0]), True), out)
            common = self.intersection(others[0]).intersection(*others[1:]) if others else self
            return self._result(common, out)

    def difference(self, *others: Any, out: Any = None) -> Any:
        """Return the elements that are in none of the iterables, as a builtin set or in ``out``.

        **Cost**: as of intersection().

        >>> EMSet(None, [1, 2, 3]).difference([2, 4])
        {1, 3}
        """
        with self._consistent(), _all_consistent(others):
            if len(others) == 1:
                return self._result(self._parted(_as_set(others[0]), False), out)
            rest = self.difference(others[0]).difference(*others[1:]) if others else self
            return self._result(rest, out)

    def symmetric_difference(self, other: Any, /, *, out: Any = None) -> Any:
        """Return the elements of this set or of the iterable, but not of both, as a builtin set or in ``out``.

        **Cost**: as of intersection(), twice.

        >>> EMSet(None, [1, 2]).symmetric_difference([2, 3])
        {1, 3}
        """
        with self._consistent(), container.consistent(other):
            whole = _as_set(other)
            return self._result(chain(self._parted(whole, False), _parted(whole, self)), out)

    def _operator(method: Callable[..., Any]) -> tuple[Any, Any]:  # noqa: N805  (makes methods)
        def forward(self: EMSet, other: Any) -> Any:
            return method(self, other) if isinstance(other, Set) else NotImplemented

        def backward(self: EMSet, other: Any) -> Any:
            return method(self, other) if isinstance(other, Set) else NotImplemented

        return forward, backward

    __or__, __ror__ = _operator(union)
    __and__, __rand__ = _operator(intersection)
    __xor__, __rxor__ = _operator(symmetric_difference)

    def __sub__(self, other: Any) -> Any:
        return self.difference(other) if isinstance(other, Set) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return set(_parted(other, self)) if isinstance(other, Set) else NotImplemented

    # ---- Changes

    def update(self, *others: Any) -> None:
        """Add the elements of the iterables.

        **Cost**: one insertion each; in groups, as ``EMDict.set_many()``, unless they come from code that may
        look at the set meanwhile: a generator, an iterator of your own.

        >>> s = EMSet()
        >>> s.update("ab", "bc")
        >>> list(s)
        ['a', 'b', 'c']
        """
        for other in others:
            if other is not self:
                self._add_all(other)

    def _remove_all(self, elements: Iterable[Any]) -> None:
        """Remove elements that a walk along this set gives: they are noted first, and beyond some in a file."""
        rest = iter(elements)
        some = list(islice(rest, _AT_ONCE))
        if len(some) < _AT_ONCE:
            self._discard_all(some)
            return
        with EMSet(None, key=self._codec.key) as noted:
            noted._add_all(chain(some, rest))
            self._discard_all(iter(noted))

    def intersection_update(self, *others: Any) -> None:
        """Remove the elements that are not in all of the iterables.

        **Cost**: as of intersection(), and a removal each.
        """
        for other in others:
            if other is not self:
                self._remove_all(self._parted(_as_set(other), False))

    def difference_update(self, *others: Any) -> None:
        """Remove the elements of the iterables.

        **Cost**: a removal each.
        """
        for other in others:
            if other is self:
                self.clear()
            else:
                self._discard_all(other)

    def symmetric_difference_update(self, other: Any, /) -> None:
        """Remove the elements that are in the iterable too, and add the others of it.

        **Cost**: as of intersection(), and a change each.
        """
        if other is self:
            self.clear()
            return
        whole = _as_set(other)
        with EMSet(None, _parted(whole, self), key=self._codec.key) as added:
            self._remove_all(self._parted(whole, True))
            self._add_all(iter(added))

    def _in_place(method: Callable[..., None]) -> Any:  # noqa: N805
        def operate(self: EMSet, other: Any) -> Any:
            if not isinstance(other, Set):
                return NotImplemented
            method(self, other)
            return self

        return operate

    __ior__ = _in_place(update)
    __iand__ = _in_place(intersection_update)
    __isub__ = _in_place(difference_update)
    __ixor__ = _in_place(symmetric_difference_update)

    del _operator, _in_place

    __class_getitem__ = classmethod(GenericAlias)


def _found(many: Any, few: Iterable[Any]) -> Iterator[Any]:
    """Give those of few elements that are among many."""
    if not isinstance(many, EMSet):
        return (element for element in few if element in many)
    return chain.from_iterable(
        (element for element, found in zip(some, many.contains_many(some), strict=True) if found)
        for some in _at_once(few)
    )


def _parted(whole: Any, other: EMSet) -> Iterator[Any]:
    """Give the elements of a set, builtin or not, that the other has not."""
    if isinstance(whole, EMSet):
        return whole._parted(other, False)
    return (element for element in whole if element not in other)


@contextlib.contextmanager
def _all_consistent(others: tuple[Any, ...]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for other in others:
            stack.enter_context(container.consistent(other))
        yield


MutableSet.register(EMSet)
