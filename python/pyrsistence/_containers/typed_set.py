"""EMTypedSet: a set in a directory whose elements have a type of a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container
from .._base.options import Opening, OpeningOptions, require_known, takes_opening
from .._base.public import public
from . import typed_columns
from .set import EMSet
from .set_algebra import AT_ONCE, SetAlgebra, some_at_once
from .typed_columns import NO_VALUE, Column
from .typed_rows import TypedRows, is_array

if TYPE_CHECKING:
    from typing_extensions import Unpack


@public
class EMTypedSet(_core.TypedSetBase, TypedRows, SetAlgebra):
    """A set of numbers, short bytes or texts, times, or structures: ``EMSet(path, dtype="u8")``.

    ``dtype`` is a type text ("u8", "i4", "f8", "S16", "U8") or whatever numpy.dtype takes that has a fixed
    size. It is kept in the files: without it, that of the files counts. An element takes its bytes and some
    12 bytes of the index, and those in arrays are looked up many at a time.

    What cannot be an element (300 where they are "u1") is not in the set; adding it is an error. Elements
    that are equal as NumPy has it are one: 0.0 and -0.0; all NaNs are one too.

    The algebra is that of EMSet. Two typed sets of the same type are compared by walks along both, and what
    goes into a third one by ``out=`` never becomes objects.

    Errors: as EMSet; TypeError for a type without a fixed size, and where a new set is given none;
    FormatError if the files have another type.

    >>> s = EMSet(dtype="u8")
    >>> s.add_many([3, 1, 3])
    >>> list(s), 1 in s, -1 in s
    ([3, 1], True, False)
    """

    __slots__ = (*container.SLOTS, "_given", "_types")

    _kind_name = "typed set"
    _type_options = "the type, dtype="
    _column_names = ("elements", "values")

    __hash__ = None  # type: ignore[assignment]

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        data: Any = None,
        *,
        dtype: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(dtype, _layout)
        self._open_with(Opening(path, **opening), self.update, data)

    def _set_options(
        self, dtype: Any = None, _layout: container.Layout = container.DEFAULT_LAYOUT, **codec: Any
    ) -> None:
        """The type; codecs, which open() hands to whatever is there, say nothing to numbers."""
        require_known(type(self), codec)
        self._set_rows(None if dtype is None else _columns(dtype), _layout)

    def _value_column(self, text: str) -> Column:
        if text:
            raise ValueError(f"values of type {text}: a set has none")
        return NO_VALUE

    @staticmethod
    def _other_types(path: str, wanted: Any, found: Any) -> Exception:
        return _core.FormatError(f"'{path}' holds elements of type {found[0].text}, not {wanted[0].text}")

    def _require_dtype(self, dtype: Any) -> None:
        """Raise FormatError unless this type, if any, is that of this set."""
        if dtype is not None and _columns(dtype) != self._types:
            raise self._other_types(self._open_handle().path, _columns(dtype), self._types)

    @property
    def dtype(self) -> Any:
        """The NumPy type of the elements."""
        return self._types[0].dtype

    # ---- Many elements

    def add_many(self, elements: Any) -> None:
        """Add many elements: an array, or an iterable.

        **Cost**: the insertions share their waits: for an array some 100 ns each in memory. Errors:
        ValueError for an array that is no column of elements; as adding one: nothing has changed then.
        OSError: the first part is added.

        >>> s = EMSet(dtype="u1")
        >>> s.add_many(range(3))
        >>> s.add_many([300])
        Traceback (most recent call last):
            ...
        OverflowError: 300 is out of the range of a key of type |u1
        >>> len(s)
        3
        """
        self._put_many(self._packed(True, elements)[0], b"")

    def discard_many(self, elements: Any) -> None:
        """Remove those of many elements, an array or an iterable, that are there.

        **Cost**: the removals share their waits. Errors: ValueError for an array that is no column of
        elements. OSError: the first part is removed.

        >>> s = EMSet(None, range(5), dtype="u1")
        >>> s.discard_many([1, 3, 300])
        >>> list(s)
        [0, 2, 4]
        """
        there = self._fitting(*self._packed(True, elements, wanted=True))
        self._find_many(there, bytearray(), None, None, True)

    def to_array(self, *, copy: bool = True) -> Any:
        """Return the elements as a NumPy array, in the order in which they were added.

        Without a copy it is a read-only view of the rows where they lie, of the elements that are there now;
        it stays valid while the set grows, and after close(). A removed one may read as anything in it then.
        While it lives the set cannot be compacted, nor a large one cleared.

        **Cost**: a copy; without, O(1). Errors, without: RuntimeError while removed rows lie between the
        others (compact() takes them out), and in a reader beside a writer outside of ``snapshot()``.

        >>> EMSet(None, [3, 1], dtype="u8").to_array().tolist()
        [3, 1]
        """
        return self._column(0, copy)

    # ---- What the algebra is made of

    def _same_type(self, other: Any) -> bool:
        return isinstance(other, EMTypedSet) and other._types == self._types

    def _operand(self, other: Any) -> Any:
        if isinstance(other, (EMTypedSet, set, frozenset)) or type(other) is dict:
            return other
        if isinstance(other, EMSet) and other._codec.key is None:
            return other
        return self._noted(other)

    def _noted(self, elements: Iterable[Any]) -> Any:
        if isinstance(elements, _Elements):
            return self._of_same_type(elements)
        if is_array(elements):
            _, fits = self._packed(True, elements, wanted=True)
            if fits is None or fits.all():
                return self._of_same_type(elements)
        rest = iter(elements)
        some = list(islice(rest, AT_ONCE))
        if len(some) < AT_ONCE:
            return set(some)
        noted = EMSet(None, some)
        noted.update(rest)
        return noted

    def _of_same_type(self, elements: Any) -> EMTypedSet:
        noted = EMTypedSet(None, dtype=self.dtype)
        noted._add_all(elements)
        return noted

    def _joins(self, other: Any) -> bool:
        return self._same_type(other)

    def _joined(self, other: Any, wanted: bool) -> Iterable[Any]:
        return _Elements(self, self._blocks(other, wanted))

    def _elements(self) -> Iterator[Any]:
        return _core.TypedSetBase.__iter__(self)

    def _as_builtin(self) -> set[Any]:
        with self._consistent():
            return set(_Elements(self, self._blocks(None, True)))

    def _blocks_of(self, elements: Any) -> Iterable[bytes] | None:
        """Return the bytes of elements of the same type, some thousand at a time; None for others."""
        if isinstance(elements, _Elements) and self._same_type(elements.of):
            return elements.blocks
        if self._same_type(elements) and elements is not self:
            blocks: Iterable[bytes] = elements._blocks(None, True)
            return blocks
        return None

    def _add_all(self, elements: Any) -> None:
        blocks = self._blocks_of(elements)
        if blocks is not None:
            for block in blocks:
                self._put_many(block, b"")
        elif is_array(elements):
            self.add_many(elements)
        else:
            for some in some_at_once(elements):
                self.add_many(some)

    def _discard_all(self, elements: Any) -> None:
        blocks = self._blocks_of(elements)
        if blocks is not None:
            for block in blocks:
                self._find_many(block, bytearray(), None, None, True)
        elif is_array(elements):
            self.discard_many(elements)
        else:
            for some in some_at_once(elements):
                self.discard_many(some)


class _Elements:
    """The elements of a typed set, or some of them: as bytes, or as objects."""

    def __init__(self, of: EMTypedSet, blocks: Iterator[bytes]) -> None:
        self.of = of
        self.blocks = blocks

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.of._unpack(True, block) for block in self.blocks)


def _columns(dtype: Any) -> tuple[Column, Column]:
    return typed_columns.column(dtype, "element"), NO_VALUE


MutableSet.register(EMTypedSet)
EMSet.register(EMTypedSet)
