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

if TYPE_CHECKING:
    from typing_extensions import Unpack

_REPR_ITEMS = 10
# So many items are converted, compared or handed out at a time.
_CHUNK = 65536


@public
class EMArray(_core.ArrayBase, container.Container):
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

    __slots__ = (*container.SLOTS, "_dtype", "_wanted")

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
        self._configure(NO_OBJECTS)
        default = getattr(data, "dtype", "f8") if dtype is None else dtype
        text, element_bytes, shape = dtypes.describe(default)
        if shape_tail is None:
            if dtype is None and not shape:
                shape = tuple(getattr(data, "shape", ())[1:])
        else:
            shape = dtypes.shape_of(shape_tail) + shape
        said = shape_tail is not None or (dtype is not None and shape != ())
        dtypes.require_storable(text, element_bytes, shape)
        self._wanted = (text, element_bytes, shape, dtype is not None, said)
        self._dtype = None

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        self._dtype = None
        _core.attach_array(self, handle, name, *self._wanted)

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

    # ---- What the items are

    @property
    def dtype(self) -> Any:
        """NumPy's dtype of the elements."""
        if self._dtype is None:
            text, element_bytes, _ = self._type()
            self._dtype = dtypes.parse(text, element_bytes, self._open_handle().path)
        return self._dtype

    @property
    def shape_tail(self) -> tuple[int, ...]:
        """The shape of an item; empty if it is an element."""
        return self._type()[2]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as of a NumPy array."""
        return (len(self), *self.shape_tail)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return 1 + len(self.shape_tail)

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return self._type()[1]

    @property
    def nbytes(self) -> int:
        """The bytes of all items."""
        size = len(self) * self.itemsize
        for length in self.shape_tail:
            size *= length
        return size

    def _number(self) -> str | None:
        """The struct module's character, of items that are plain numbers."""
        text, _, shape = self._type()
        return None if shape else dtypes.PLAIN.get(text)

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

    def _range(self, start: int, step: int, count: int) -> Any:
        module = dtypes.numpy("reading a slice, or items that are no plain numbers,")
        found = module.empty((count, *self.shape_tail), self.dtype)
        if count:
            self._copy_out(array_values.as_bytes(found), start, step)
        return found

    def _get(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self._get_inside(array_values.expanded(key, self.ndim))
        with self._consistent():
            if key is Ellipsis:
                key = slice(None)
            if array_values.names_fields(key):
                return self._get_fields(key)
            if isinstance(key, slice):
                places = range(*key.indices(len(self)))
                return self._range(places.start, places.step, len(places))
            index = array_values.as_index(key)
            if index is None:
                indices, shape = array_values.positions(key, len(self))
                found = dtypes.numpy("indexing").empty((indices.size, *self.shape_tail), self.dtype)
                if indices.size:
                    self._gather(array_values.as_bytes(found), indices)
                return found.reshape(shape + self.shape_tail)
            if self._number():
                return self[index]
            return array_values.item_of(self._range(self._checked(index), 1, 1)[0])

    def _get_fields(self, key: Any) -> Any:
        """A field, or an array of the fields in a list: of chunk after chunk."""
        array_values.require_fields(self.dtype, key)
        size = len(self)
        found = dtypes.numpy("fields").zeros((size, *self.shape_tail), self.dtype[key])
        for start, count in array_values.chunks(size, _CHUNK):
            found[start : start + count] = self._range(start, 1, count)[key]
        return found

    def _checked(self, index: int) -> int:
        size = len(self)
        if not -size <= index < size:
            raise IndexError("array index out of range")
        return index + size if index < 0 else index

    def _get_inside(self, key: tuple[Any, ...]) -> Any:
        if not key:
            return self[:]
        found, rest = self[key[0]], key[1:]
        if not rest:
            return found
        return (
            found[rest] if array_values.as_index(key[0]) is not None else found[(slice(None), *rest)].copy()
        )

    def __iter__(self) -> Iterator[Any]:
        return self._forwards(_core.opening(self))

    def _forwards(self, opening: int) -> Iterator[Any]:
        start = 0
        while True:
            self._require_opening(opening)
            with self._consistent():
                values = self._values(start, min(_CHUNK // 16, len(self) - start))
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
            start = max(0, end - _CHUNK // 16)
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
            chunk = self._range(start, 1, min(_CHUNK, stop - start, len(self) - start))
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
                for start, count in array_values.chunks(len(self), _CHUNK)
            )

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    # ---- Changing

    def _set(self, key: Any, value: Any) -> None:
        if isinstance(key, tuple):
            return self._set_inside(array_values.expanded(key, self.ndim), value)
        if key is Ellipsis:
            key = slice(None)
        if array_values.names_fields(key):
            return self._set_fields(key, value)
        if isinstance(key, slice):
            places = range(*key.indices(len(self)))
            return self._assign(places, len(places), value)
        index = array_values.as_index(key)
        if index is not None:
            if self._number():
                self[index] = value
                return None
            self._write(self._checked(index), array_values.as_bytes(self._block(value, ())))
            return None
        indices, shape = array_values.positions(key, len(self))
        values = self._block(value, shape)
        self._scatter(indices, array_values.as_bytes(values))
        return None

    def _block(self, value: Any, shape: tuple[int, ...]) -> Any:
        """The value as contiguous items of this shape."""
        module = dtypes.numpy("assigning")
        values = casting.of_values(value, self.dtype)
        return module.ascontiguousarray(module.broadcast_to(values, shape + self.shape_tail))

    def _assign(self, places: range, count: int, value: Any) -> None:
        """To a slice, a chunk at a time; all that can be wrong with the value is found before the first."""
        module = dtypes.numpy("assigning to a slice")
        values = self._apart(casting.of_values(value, self.dtype), places)
        if (
            count
            and places.step == 1
            and values.flags.c_contiguous
            and values.shape == (count, *self.shape_tail)
        ):
            self._write(places[0], array_values.as_bytes(values))
            return
        values = module.broadcast_to(values, (count, *self.shape_tail))
        for start, some in array_values.chunks(count, _CHUNK * 16):
            chunk = array_values.as_bytes(module.ascontiguousarray(values[start : start + some]))
            if places.step == 1:
                self._write(places[start], chunk)
            else:
                where = places[start : start + some]
                self._scatter(module.arange(where.start, where.stop, where.step, module.int64), chunk)

    def _apart(self, values: Any, places: range | None = None) -> Any:
        """A copy of values that lie in this array; but not where _write() can move them in place."""
        whole = places is not None and places.step == 1 and values.flags.c_contiguous
        if whole and values.shape == (len(places), *self.shape_tail):  # type: ignore[arg-type]
            return values
        return values.copy() if self._reaches(*array_values.bounds(values)) else values

    def _set_fields(self, key: Any, value: Any) -> None:
        module = dtypes.numpy("assigning to fields")
        array_values.require_fields(self.dtype, key)
        size = len(self)
        base, shape = self.dtype[key].subdtype or (self.dtype[key], ())
        values = self._apart(casting.of_values(value, base))
        values = module.broadcast_to(values, (size, *self.shape_tail, *shape))
        for start, count in array_values.chunks(size, _CHUNK):
            items = self._range(start, 1, count)
            items[key] = values[start : start + count]
            self._write(start, array_values.as_bytes(items))

    def _set_inside(self, key: tuple[Any, ...], value: Any) -> None:
        """To a part of items: they are read, changed and written."""
        if len(key) == 1:
            self[key[0]] = value
            return
        found = self[key[0]]
        inside = key[1:] if array_values.as_index(key[0]) is not None else (slice(None), *key[1:])
        found[inside] = casting.of_values(value, self.dtype)
        self[key[0]] = found

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
            for start, count in array_values.chunks(len(values), _CHUNK * 16):
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
            for start, count in array_values.chunks(len(found), _CHUNK * 16):
                part = casting.of_array(found[start : start + count], self.dtype)
                self._extend(array_values.as_bytes(module.ascontiguousarray(part)))
        except BaseException:
            with contextlib.suppress(BufferError):
                self.resize(before)
            raise

    def _extend_iterable(self, values: Iterable[Any], code: str | None) -> None:
        items = iter(values)
        while chunk := list(itertools.islice(items, _CHUNK)):
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
