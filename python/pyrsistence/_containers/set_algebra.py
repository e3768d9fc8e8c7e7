"""The algebra of sets: what EMSet and EMTypedSet share."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Set
from itertools import chain, islice
from typing import Any

from .._base import container, short_repr

_REPR_ITEMS = 10
# Elements that are looked up at a time; more are noted in a file.
AT_ONCE = 10_000
# A set with so many times the elements of another is not walked along: the other's are looked up.
_MUCH_LARGER = 16


def _operator(method: Callable[[Any, Any], Any]) -> Any:
    """Make an operator of a method: as those of set it wants a set."""
    return lambda self, other: method(self, other) if isinstance(other, Set) else NotImplemented


def _reflected(method: Callable[[Any, Any], Any]) -> Any:
    """Make the one for a set on the left, whose type the result has."""

    def operate(self: Any, other: Any) -> Any:
        result = method(self, other) if isinstance(other, Set) else NotImplemented
        return frozenset(result) if isinstance(other, frozenset) else result

    return operate


def _in_place(method: Callable[[Any, Any], None]) -> Any:
    def operate(self: Any, other: Any) -> Any:
        if not isinstance(other, Set):
            return NotImplemented
        method(self, other)
        return self

    return operate


class SetAlgebra(container.Container):
    """What a set can do beyond its own elements."""

    __slots__ = ()

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError

    def contains_many(self, elements: Any) -> Any:
        raise NotImplementedError

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
            return set(iter(self._elements()))

    def _elements(self) -> Iterator[Any]:
        """Give its elements, whatever the __iter__() of a subclass gives."""
        raise NotImplementedError

    def __repr__(self) -> str:
        if self.closed:
            return self._closed_repr()
        with self._consistent():
            shown = list(short_repr.texts(self._elements(), _REPR_ITEMS))
            rest = len(self) - len(shown)
        if rest > 0:
            shown.append(f"... {rest} more")
        elements = f"{{{', '.join(shown)}}}" if shown else "set()"
        return f"{type(self).__name__}({elements}, path={self._open_handle().path!r})"

    # ---- Operands

    def _operand(self, other: Any) -> Any:
        """Return a set that finds its elements quickly, as this one finds them. Errors: TypeError."""
        raise NotImplementedError

    def _noted(self, elements: Iterable[Any]) -> Any:
        """Return a set of the elements: in memory, or in a file where they are many."""
        raise NotImplementedError

    def _joins(self, other: Any) -> bool:
        """Whether both keep elements in the same form, so that walks along both tell which are in both."""
        raise NotImplementedError

    def _joined(self, other: Any, wanted: bool) -> Iterable[Any]:
        """Give the elements that another one, which it joins, has too, or has not."""
        raise NotImplementedError

    def _add_all(self, elements: Any) -> None:
        raise NotImplementedError

    def _discard_all(self, elements: Any) -> None:
        raise NotImplementedError

    @contextlib.contextmanager
    def _scope(self, *others: Any) -> Iterator[Any]:
        """Keep this set, and containers among the others, as they are; give the others as operands."""
        with contextlib.ExitStack() as stack:
            for one in (self, *others):
                stack.enter_context(container.consistent(one))
            yield map(self._operand, others)

    # ---- Comparisons

    def isdisjoint(self, other: Any, /) -> bool:
        """Return whether no element is in the other iterable.

        **Cost**: as of intersection().

        >>> EMSet(None, "abc").isdisjoint("xyz")
        True
        """
        with self._scope(other) as [whole]:
            return not _has_some(_parted(self, whole, True))

    def issubset(self, other: Any, /) -> bool:
        """Return whether all elements are in the other iterable.

        **Cost**: as of intersection().

        >>> EMSet(None, "ab").issubset("abc")
        True
        """
        with self._scope(other) as [whole]:
            return len(self) <= len(whole) and not _has_some(_parted(self, whole, False))

    def issuperset(self, other: Any, /) -> bool:
        """Return whether all of the other iterable are elements.

        **Cost**: as of intersection().

        >>> EMSet(None, "abc").issuperset("ab")
        True
        """
        with self._scope(other) as [whole]:
            return len(self) >= len(whole) and not _has_some(_parted(whole, self, False))

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, Set):
            return NotImplemented
        return other is self or (len(self) == len(other) and self.issubset(other))

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __lt__(self, other: Any) -> Any:
        return len(self) < len(other) and self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        return len(self) > len(other) and self.issuperset(other) if isinstance(other, Set) else NotImplemented

    # ---- New sets

    def _result(self, out: Any, others: tuple[Any, ...], *parts: Iterable[Any]) -> Any:
        if out is None:
            return set().union(*parts)
        if not isinstance(out, SetAlgebra):
            raise TypeError(f"expected an EMSet for out=, found {type(out).__name__}")
        if any(out is one for one in (self, *others)):
            raise ValueError("expected another EMSet for out= than those that the result is made of")
        if len(out):
            raise ValueError(f"expected an empty EMSet for out=, found one of {len(out)} elements")
        for part in parts:
            out._add_all(part)
        return out

    def union(self, *others: Any, out: Any = None) -> Any:
        """Return the elements of this set and of the iterables, as a builtin set or in ``out``.

        **Cost**: O(n) of all; with an EMSet and ``out`` also that of difference().

        >>> EMSet(None, [1]).union([2], [3])
        {1, 2, 3}
        """
        with self._scope(*others):
            more = others if out is None else (_missing(other, self) for other in others)
            return self._result(out, others, self, *more)

    def intersection(self, *others: Any, out: Any = None) -> Any:
        """Return the elements that are in all of the iterables too, as a builtin set or in ``out``.

        **Cost**: with an EMSet one walk along both for each part of its keys' hashes that fits the budget of
        memory, 16 bytes each; or a look-up for each element of the smaller, where the other is much larger.

        >>> EMSet(None, [1, 2, 3]).intersection([2, 3, 4])
        {2, 3}
        """
        return self._narrowed(others, True, out)

    def difference(self, *others: Any, out: Any = None) -> Any:
        """Return the elements that are in none of the iterables, as a builtin set or in ``out``.

        **Cost**: as of intersection().

        >>> EMSet(None, [1, 2, 3]).difference([2, 4])
        {1, 3}
        """
        return self._narrowed(others, False, out)

    def _narrowed(self, others: tuple[Any, ...], wanted: bool, out: Any) -> Any:
        with self._scope(*others) as operands:
            left: Any = self
            for number, whole in enumerate(list(operands), 1):
                left = _parted(left if number == 1 else self._noted(left), whole, wanted)
            return self._result(out, others, left)

    def symmetric_difference(self, other: Any, /, *, out: Any = None) -> Any:
        """Return the elements of this set or the iterable, but not of both, as a builtin set or in ``out``.

        **Cost**: as of intersection(), twice.

        >>> EMSet(None, [1, 2]).symmetric_difference([2, 3])
        {1, 3}
        """
        with self._scope(other) as [whole]:
            return self._result(out, (other,), _parted(self, whole, False), _parted(whole, self, False))

    # ---- Changes

    def update(self, *others: Any) -> None:
        """Add the elements of the iterables.

        **Cost**: one insertion each; in groups, unless they come from code that may look at the set
        meanwhile: a generator, an iterator of your own. With an EMSet also that of difference().

        >>> s = EMSet()
        >>> s.update("ab", "bc")
        >>> list(s)
        ['a', 'b', 'c']
        """
        for other in others:
            if other is not self:
                self._add_all(_missing(other, self))

    def intersection_update(self, *others: Any) -> None:
        """Remove the elements that are not in all of the iterables.

        **Cost**: as of intersection(), and a removal each.
        """
        with self._scope(*others) as operands:
            for whole in list(operands):
                self._discard_all(self._noted(_parted(self, whole, False)))

    def difference_update(self, *others: Any) -> None:
        """Remove the elements of the iterables.

        **Cost**: a removal each; with an EMSet also that of intersection().
        """
        for other in others:
            if other is self:
                self.clear()
            else:
                joined = _joined(self, other, True)
                self._discard_all(other if joined is None else self._noted(joined))

    def symmetric_difference_update(self, other: Any, /) -> None:
        """Remove the elements that are in the iterable too, and add the others of it.

        **Cost**: as of intersection(), twice, and a change each.
        """
        if other is self:
            self.clear()
            return
        with self._scope(other) as [whole]:
            added = self._noted(_parted(whole, self, False))
            self._discard_all(self._noted(_parted(self, whole, True)))
            self._add_all(added)

    # ---- Operators

    def _taken_from(self, other: Any) -> set[Any]:
        with self._scope(other) as [whole]:
            return set(_parted(whole, self, False))

    __le__, __ge__ = _operator(issubset), _operator(issuperset)
    __or__, __ror__, __ior__ = _operator(union), _reflected(union), _in_place(update)
    __and__, __rand__ = _operator(intersection), _reflected(intersection)
    __iand__ = _in_place(intersection_update)
    __sub__, __rsub__, __isub__ = _operator(difference), _reflected(_taken_from), _in_place(difference_update)
    __xor__, __rxor__ = _operator(symmetric_difference), _reflected(symmetric_difference)
    __ixor__ = _in_place(symmetric_difference_update)


def _joined(one: Any, other: Any, wanted: bool) -> Any:
    """Give what _parted() does by walks along both; None where that is not the way."""
    if not (isinstance(one, SetAlgebra) and one._joins(other)):
        return None
    if len(other) > _MUCH_LARGER * len(one) or (wanted and len(one) > _MUCH_LARGER * len(other)):
        return None
    return one._joined(other, wanted)


def _parted(elements: Any, other: Any, wanted: bool) -> Iterable[Any]:
    """Give the elements of a set that another has too, or those that it has not: ``wanted`` tells which."""
    joined: Iterable[Any] | None = _joined(elements, other, wanted)
    if joined is not None:
        return joined
    if wanted and len(elements) > _MUCH_LARGER * len(other):
        elements, other = other, elements
    if not isinstance(other, SetAlgebra):
        return (element for element in elements if (element in other) is wanted)
    return chain.from_iterable(_looked_up(some, other, wanted) for some in some_at_once(elements))


def some_at_once(elements: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(elements)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _looked_up(some: list[Any], other: SetAlgebra, wanted: bool) -> list[Any]:
    found = other.contains_many(some)
    return [element for element, there in zip(some, found, strict=True) if there is wanted]


def _missing(other: Any, elements: SetAlgebra) -> Iterable[Any]:
    """Give of an iterable what is to be added: of a set of about the same size only what is missing."""
    joined: Iterable[Any] | None = _joined(other, elements, False)
    return other if joined is None else joined


def _has_some(elements: Iterable[Any]) -> bool:
    return any(True for _ in elements)
