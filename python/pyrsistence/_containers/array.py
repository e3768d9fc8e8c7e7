"""EMArray: a typed array in a directory."""

from __future__ import annotations

import contextlib
import itertools
import operator
import reprlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import casting, container, dtypes
from .._base.options import NO_OBJECTS, Opening, OpeningOptions, require_known, takes_opening
from .._base.public import public
from . import array_values
from .array_items import ArrayItems

if TYPE_CHECKING:
    from typing_extensions import Unpack

_REPR_ITEMS = 10


@public
class EMArray(ArrayItems):
    """A growable array of one dtype, whose bytes lie in a memory-mapped file as they are in memory.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close). ``dtype`` is what
    NumPy takes for one, but no objects; ``shape_tail`` makes each item a block of that shape. Both may be
    left out if the array exists; a new one has the dtype of ``data``, or "f8". ``data`` is what to append.

    ``memory`` is that of EMDict. ``view()`` is a NumPy array of the items, without a copy, and so is what
    ``numpy.asarray``, the buffer protocol, DLPack and Arrow get. Plain numbers need no NumPy.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no array, or of another dtype; TypeError for a dtype that cannot be
    stored; DamagedError.

    >>> with EMArray(None, "i4", range(5)) as a:
    ...     a.append(7)
    ...     a[-3:].tolist(), int(a.view().sum())
    ([3, 4, 7], 17)
    """

    __slots__ = (*container.SLOTS, "_dtype")

    _kind_name = "array"

    __hash__ = None  # type: ignore[assignment]

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        dtype: Any = None,
        data: Any = None,
        *,
        shape_tail: Any = None,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(dtype, shape_tail, data)
        self._open_with(Opening(path, **opening), self.extend, data)

    def _set_options(self, dtype: Any = None, shape_tail: Any = None, data: Any = None, **codec: Any) -> None:
        """What to hold; codecs, which open() hands to whatever is there, say nothing to bytes."""
        require_known(type(self), codec)
        default = getattr(data, "dtype", "f8") if dtype is None else dtype
        text, element_bytes, shape = dtypes.describe(default)
        if shape_tail is None:
            if dtype is None and not shape:
                shape = tuple(getattr(data, "shape", ())[1:])
        else:
            shape = dtypes.shape_of(shape_tail) + shape
        shape_given = shape_tail is not None or (dtype is not None and shape != ())
        dtypes.require_storable(text, element_bytes, shape)
        self._configure(NO_OBJECTS, (text, element_bytes, shape, dtype is not None, shape_given))
        self._dtype = None

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        self._dtype = None
        super()._attach(handle, name)

    def _require(self, dtype: Any, shape_tail: Any) -> None:
        """Of an array that is open already. Errors: FormatError."""
        text, _, shape = self._type()
        other = dtype is not None and dtypes.describe(dtype)[0] != text
        if other or (shape_tail is not None and dtypes.shape_of(shape_tail) != shape):
            raise _core.FormatError(
                f"{self._name!r} holds items of dtype {text} and shape_tail {shape}, "
                f"not of {dtype} and {shape_tail}"
            )

    def _option_names(self) -> dict[str, Any]:
        return {}

    def _as_builtin(self) -> Any:
        return _core.ArrayBase.__getitem__(self, slice(None))

    def __reduce__(self) -> Any:
        return self._as_builtin().__reduce__() if _core.is_storing() else super().__reduce__()

    def _buffer_format(self) -> str:
        """The format in the buffer protocol, of dtypes that are no plain numbers."""
        found = dtypes.buffer_format(self.dtype)
        if found is None:
            raise BufferError(f"dtype {self.dtype} has no form in the buffer protocol: use view()")
        return found

    # ---- Views

    def view(self, writable: bool = False) -> Any:
        """Return a NumPy array of the items as they lie in memory, without a copy.

        It stays valid while the array grows, and after close(). What is stored through a writable one is
        committed, and rolled back, as all else; it stays in memory at least as long as the view lives. While
        views exist the array cannot shrink, nor be compacted. After close() they keep showing the items, and
        what is stored goes nowhere. A view shows the items that were there when it was made.

        **Cost**: O(1). A commit under a writable view looks at each page that was ever changed under it.
        Errors: ImportError without NumPy; RuntimeError in a reader (``mode="r"``) of a store that a writer
        may change, outside of ``snapshot()``; io.UnsupportedOperation if the store cannot be written.

        >>> a = EMArray(None, "f8", [1, 2, 3])
        >>> a.view(writable=True)[:] *= 2
        >>> a[0], float(a.view().sum())
        (2.0, 12.0)
        """
        module = dtypes.numpy("view()")
        dtype, tail = self.dtype, self.shape_tail
        bytes_of = self._view(writable)
        size = dtype.itemsize
        for length in tail:
            size *= length
        return module.ndarray((memoryview(bytes_of).nbytes // size, *tail), dtype, bytes_of)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        copied = copy or (copy is None and not self._steady())
        found = self[:] if copied else self.view()
        if dtype is None or dtype == found.dtype:
            return found
        if copy is False:
            raise ValueError(f"a view of dtype {found.dtype} cannot be of dtype {dtype} without a copy")
        return found.astype(dtype)

    def _steady(self) -> bool:
        """Whether a view may be taken now."""
        try:
            self._view(False)
        except RuntimeError:
            return False
        return True

    def __dlpack__(self, **options: Any) -> Any:
        """Export to DLPack without a copy, read-only; a writable one is ``a.view(writable=True)``."""
        return self.view().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The processor: (1, 0)."""
        return 1, 0

    # ---- Reading

    def __iter__(self) -> Iterator[Any]:
        return self._forwards(_core.opening(self))

    def _forwards(self, opening: int) -> Iterator[Any]:
        start = 0
        while True:
            self._require_opening(opening)
            with self._consistent():
                values = self._values(start, min(array_values.CHUNK // 16, len(self) - start))
            if not values:
                return
            yield from values
            start += len(values)

    def __reversed__(self) -> Iterator[Any]:
        return self._backwards(_core.opening(self), len(self))

    def _backwards(self, opening: int, end: int) -> Iterator[Any]:
        while True:
            self._require_opening(opening)
            if end <= 0:
                return
            start = max(0, end - array_values.CHUNK // 16)
            yield from reversed(self._values(start, end - start))
            end = start

    def _values(self, start: int, count: int) -> list[Any]:
        """Items as Python objects."""
        if count <= 0:
            return []
        code = self._number()
        if code is None:
            return [array_values.item_of(item) for item in self._range(start, 1, count)]
        chunk = bytearray(count * struct.calcsize("=" + code))
        self._copy_out(chunk, start, 1)
        return memoryview(chunk).cast(code).tolist()  # type: ignore[call-overload, no-any-return]

    def tolist(self) -> list[Any]:
        """Return a builtin list of all items, in memory.

        **Cost**: O(n) time and memory.
        """
        if self._number() is None:
            found: list[Any] = self[:].tolist()
            return found
        return list(self)

    def copy(self) -> Any:
        """Return a NumPy array of all items, in memory.

        **Cost**: O(n) time and memory.
        """
        return self[:]

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()

    # ---- Searching

    def _found(self, value: Any, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """The beginnings of chunks, and which items in them equal the value."""
        while start < min(stop, len(self)):
            chunk = self._range(start, 1, min(array_values.CHUNK, stop - start, len(self) - start))
            yield start, array_values.equal_items(chunk, value)
            start += len(chunk)

    def __contains__(self, value: object) -> bool:
        with self._consistent():
            return any(bool(equal.any()) for _, equal in self._found(value, 0, len(self)))

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the first index of an item equal to value, within [start, stop); else ValueError.

        **Cost**: O(n), sequential.
        """
        with self._consistent():
            first, last, _ = slice(start, stop).indices(len(self))
            for begin, equal in self._found(value, first, last):
                if equal.any():
                    return begin + int(equal.argmax())
        raise ValueError(f"{reprlib.repr(value)} is not in the array")

    def count(self, value: Any) -> int:
        """Return how many items equal value.

        **Cost**: O(n), sequential.
        """
        with self._consistent():
            return sum(int(equal.sum()) for _, equal in self._found(value, 0, len(self)))

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, EMArray):
            return NotImplemented  # NumPy's arrays compare item by item
        if self is other:
            return True
        with self._consistent(), other._consistent():
            if self.shape != other.shape:
                return False
            return all(
                bool(
                    array_values.equal_items(
                        self._range(start, 1, count), other._range(start, 1, count), each=True
                    ).all()
                )
                for start, count in array_values.chunks(len(self), array_values.CHUNK)
            )

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    # ---- Changing

    def _delete(self, key: Any) -> None:
        size = len(self)
        if isinstance(key, slice):
            places = range(*key.indices(size))
        else:
            at = self._checked(operator.index(key))
            places = range(at, at + 1)
        if len(places) == 0:
            return
        if abs(places.step) != 1 or max(places[0], places[-1]) != size - 1:
            raise TypeError("only the end of an array can be deleted: del a[n:]")
        self.resize(size - len(places))

    def clear(self) -> None:
        """Remove all items.

        **Cost**: O(1). Errors: BufferError while views exist.
        """
        self.resize(0)

    def _append(self, value: Any) -> None:
        self._extend(array_values.as_bytes(self._block(value, ())))

    def extend(self, values: Iterable[Any], /) -> None:
        """Add the items of an array, of whatever has a buffer, of a sequence or an iterable.

        They are converted as NumPy does with casting="same_kind", but nothing is wrapped, cut or made
        infinite, and no item may be missing (masked, NA). What an iterable has given before it raised stays
        added.

        **Cost**: the bytes written once; of an array of the same dtype they are not copied before. Errors:
        TypeError, ValueError for items that do not fit; OverflowError.

        >>> a = EMArray(None, "u1", b"abc")
        >>> a.extend([1, 2])
        >>> a.tolist()
        [97, 98, 99, 1, 2]
        """
        if isinstance(values, EMArray):
            for start, count in array_values.chunks(len(values), array_values.CHUNK * 16):
                self._extend_array(values[start : start + count])
            return
        code = self._number()
        if code is not None and not hasattr(values, "mask") and array_values.is_buffer_of(values, code):
            self._extend(values)
        elif casting.is_array(values):
            self._extend_array(values)
        else:
            self._extend_iterable(values, code)

    def _extend_array(self, values: Any) -> None:
        """An array-like whose dtype is known, converted a chunk at a time."""
        module = dtypes.numpy("extending by an array of another dtype")
        found = array_values.as_array(values, self.dtype)
        expected = self.shape_tail
        if found.shape[1:] != expected or found.ndim == 0:
            raise ValueError(f"expected items of shape {expected}, found an array of shape {found.shape}")
        if found.dtype == self.dtype and found.flags.c_contiguous:
            self._extend(array_values.as_bytes(found))
            return
        before = len(self)
        try:
            for start, count in array_values.chunks(len(found), array_values.CHUNK * 16):
                part = casting.of_array(found[start : start + count], self.dtype)
                self._extend(array_values.as_bytes(module.ascontiguousarray(part)))
        except BaseException:
            with contextlib.suppress(BufferError):
                self.resize(before)
            raise

    def _extend_iterable(self, values: Iterable[Any], code: str | None) -> None:
        items = iter(values)
        while chunk := list(itertools.islice(items, array_values.CHUNK)):
            self._extend(array_values.packed(chunk, code) if code else self._rows(chunk))

    def _rows(self, chunk: Sequence[Any]) -> Any:
        return array_values.as_bytes(self._block(chunk, (len(chunk),)))

    # ---- Showing

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.closed:
            return self._closed_repr()
        text, _, tail = self._type()
        with self._consistent():
            size = len(self)
            if self._number() is None:
                shown = f"{size} items"
            else:
                rest = [f"... {size - _REPR_ITEMS} more"] if size > _REPR_ITEMS else []
                shown = f"[{', '.join([*map(repr, self._values(0, min(size, _REPR_ITEMS))), *rest])}]"
        shape = f", shape_tail={tail}" if tail else ""
        return f"{name}({shown}, dtype={reprlib.repr(text)}{shape}, path={self._open_handle().path!r})"


Sequence.register(EMArray)
