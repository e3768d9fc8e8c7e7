"""The items of an EMArray: of which type they are, and what ``a[key]`` gives and takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import casting, container, dtypes
from . import array_values


class ArrayItems(_core.ArrayBase, container.Container):
    """What EMArray does with items: by slices, arrays of indices, masks, fields, and inside of them."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _dtype: Any

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
        for start, count in array_values.chunks(size, array_values.CHUNK):
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

    # ---- Assigning

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
        for start, some in array_values.chunks(count, array_values.CHUNK * 16):
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
        for start, count in array_values.chunks(size, array_values.CHUNK):
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
