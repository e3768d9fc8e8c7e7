"""Many keys of an EMTypedDict at a time: as arrays or lists, and its columns as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import casting, container
from .typed_columns import Column


class TypedBatches(_core.TypedDictBase, container.Container):
    """What EMTypedDict does with arrays."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _types: tuple[Column, Column]

    # ---- Batches

    def get_many(self, keys: Any, default: Any = None) -> Any:
        """Return the values of many keys: an array for an array of keys, a list for others.

        Keys that are not there have ``default``; an array has no None: without a default it raises KeyError.

        **Cost**: the look-ups share their waits: for an array some 40 ns each in memory. Errors: KeyError;
        TypeError, ValueError for an array that is no column of keys.

        >>> d = EMDict(None, {1: 10, 2: 20}, key="u8", value="u8")
        >>> d.get_many([1, 7], 0)
        [10, 0]
        """
        return self._take(keys, default, False)

    def pop_many(self, keys: Any, default: Any = None) -> Any:
        """Remove many keys and return their values, as get_many() does.

        Without a default nothing is removed by an array of which a key is missing. A key that comes twice is
        missing the second time.

        **Cost**: as many removals. Errors: as get_many().

        >>> d = EMDict(None, {1: 10, 2: 20}, key="u8", value="u8")
        >>> d.pop_many([1, 1], 0), len(d)
        ([10, 0], 1)
        """
        return self._take(keys, default, True)

    def contains_many(self, keys: Any) -> Any:
        """Return for many keys whether they are there: a bool array for an array, a list for others.

        **Cost**: as get_many().

        >>> EMDict(None, {1: 1}, key="u8", value="u8").contains_many([0, 1])
        [False, True]
        """
        packed, fits = self._packed(True, keys, wanted=True)
        flags = bytearray(len(fits) if fits is not None else self._count(packed))
        self._contains_many(packed, flags)
        if _is_array(keys):
            np = _numpy()
            found = np.frombuffer(flags, bool)
            return found if fits is None else found & fits
        return [bool(flag and fit) for flag, fit in zip(flags, fits, strict=True)]

    def set_many(self, keys: Any, values: Any) -> None:
        """Set many keys to as many values, in this order: of equal keys the last counts.

        **Cost**: the insertions share their waits: for arrays some 100 ns each in memory. Errors: ValueError
        for lengths that differ; as storing one: nothing has changed then. OSError: the first part is stored.

        >>> d = EMDict(key="u8", value="u8")
        >>> d.set_many(range(3), [5, 6, 7])
        >>> d.copy()
        {0: 5, 1: 6, 2: 7}
        """
        self._put(*self._packed(True, keys), *self._packed(False, values))

    def add_many(self, keys: Any, deltas: Any) -> None:
        """Add to the values of many keys; those that are not there begin at 0, and equal keys add up.

        ``deltas`` are as many, or one number for all. Integers wrap, as NumPy's do.

        **Cost**: as set_many(). Errors: TypeError unless the values are integers, f4 or f8; as set_many().

        >>> d = EMDict(key="U1", value="u4")
        >>> d.add_many("banana", 1)
        >>> d.copy()
        {'b': 1, 'a': 3, 'n': 2}
        """
        packed, _ = self._packed(True, keys)
        if not _is_array(deltas) and not isinstance(deltas, Iterable):
            one, _ = self._packed(False, [deltas])
            column = bytes(one) * self._count(packed), None
        else:
            column = self._packed(False, deltas)
        self._require_lengths(packed, column[0])
        self._add_many(packed, column[0])

    # ---- Columns

    def keys_array(self, *, copy: bool = True) -> Any:
        """Return the keys as a NumPy array, in the order of insertion.

        Without a copy it is a read-only view of the rows where they lie (so it has strides), of the keys that
        are there now; it stays valid while the dict grows, and after close(). A removed key may read as
        anything in it then. While it lives the dict cannot be compacted, nor a large one cleared.

        **Cost**: a copy; without, O(1). Errors, without: RuntimeError while removed rows lie between the
        others (compact() takes them out), and in a reader beside a writer outside of ``snapshot()``.

        >>> d = EMDict(None, {3: 1, 1: 2}, key="u8", value="f8")
        >>> d.keys_array().tolist(), d.keys_array(copy=False).tolist()
        ([3, 1], [3, 1])
        """
        return self._column(0, copy)

    def values_array(self, *, copy: bool = True) -> Any:
        """Return the values as a NumPy array, in the order of insertion of their keys.

        Without a copy it is a read-only view, as keys_array() has it, which shows values that are set later.

        **Cost**, errors: as keys_array().

        >>> d = EMDict(None, {3: 1, 1: 2}, key="u8", value="f8")
        >>> d.values_array().sum().item(), d.values_array(copy=False).max().item()
        (3.0, 2.0)
        """
        return self._column(1, copy)

    # ---- Inside

    def _column(self, number: int, copy: bool) -> Any:
        np = _numpy()
        dtype = self._types[number].dtype
        base, shape = dtype.subdtype or (dtype, ())
        if copy:
            part = self._column_bytes(number == 0)
            return np.frombuffer(part, base).reshape(-1, *shape)
        _, _, value_offset, row_bytes, *_ = self._layout_of_rows()
        view = self._rows_view()
        rows = np.ndarray((memoryview(view).nbytes // row_bytes, row_bytes), np.uint8, view)
        begin = number * value_offset
        return rows[:, begin : begin + dtype.itemsize].view(base).reshape(-1, *shape)

    def _count(self, packed_keys: Any) -> int:
        return len(packed_keys) // self._types[0].size

    def _require_lengths(self, packed_keys: Any, packed_values: Any) -> None:
        keys, values = self._count(packed_keys), len(packed_values) // self._types[1].size
        if keys != values:
            raise ValueError(f"expected as many values as keys, found {values} for {keys}")

    def _put(self, keys: Any, _: Any, values: Any, __: Any) -> None:
        self._require_lengths(keys, values)
        self._put_many(keys, values)

    def _packed(self, of_keys: bool, objects: Any, *, wanted: bool = False) -> tuple[Any, Any]:
        """Return the bytes of keys or values, and which of them fit (None: all of an array do).

        Errors: unless they are only looked up (``wanted``), those of the first that does not fit.
        """
        if not _is_array(objects):
            return self._pack(of_keys, objects, wanted)
        np = _numpy()
        dtype = self._types[0 if of_keys else 1].dtype
        base, shape = dtype.subdtype or (dtype, ())
        array = casting.present(objects)
        if array.ndim != 1 + len(shape) or array.shape[1:] != shape:
            raise ValueError(
                f"expected {'keys' if of_keys else 'values'} of type {dtype} one behind the other, "
                f"found an array of the shape {array.shape}"
            )
        column, fits = casting.fitting(array, base)
        if not wanted:
            casting.refuse_unfitting(array, fits, base)
        # A copy of what lies in the dict itself, which is about to change.
        return np.ascontiguousarray(column).reshape(-1).view("u1"), fits

    def _take(self, keys: Any, default: Any, remove: bool) -> Any:
        packed, fits = self._packed(True, keys, wanted=True)
        return (self._take_array if _is_array(keys) else self._take_list)(keys, packed, fits, default, remove)

    def _take_list(self, _: Any, packed: Any, fits: Any, default: Any, remove: bool) -> list[Any]:
        found = bytearray(len(fits))
        if remove and not all(fits):  # no key stands for what cannot be one
            size = self._types[0].size
            packed = b"".join(packed[i * size : (i + 1) * size] for i, fit in enumerate(fits) if fit)
        count = self._count(packed)
        out = bytearray(count * self._types[1].size)
        some = bytearray(count)
        self._find_many(packed, out, some, None, remove)
        values = iter(zip(self._unpack(False, out), some, strict=True))
        if count == len(found):
            return [
                value if there and fit else default for (value, there), fit in zip(values, fits, strict=True)
            ]
        result = []
        for fit in fits:
            value, there = next(values) if fit else (default, False)
            result.append(value if there else default)
        return result

    def _take_array(self, keys: Any, packed: Any, fits: Any, default: Any, remove: bool) -> Any:
        np = _numpy()
        dtype = self._types[1].dtype
        base, shape = dtype.subdtype or (dtype, ())
        if fits is not None and default is None:
            raise KeyError(np.asarray(keys)[fits.argmin()].item())
        if fits is not None:
            packed = packed.reshape(len(fits), -1)[fits].reshape(-1)
        if default is None and remove:
            self._require_all(keys, self.contains_many(keys))
        missing = None if default is None else bytes(self._packed(False, [default])[0])
        count = self._count(packed)
        out = np.empty((count, *shape), base)
        found = np.empty(count, bool)
        hits = self._find_many(packed, out.reshape(-1).view("u1"), found.view("u1"), missing, remove)
        if default is None and hits != count:
            self._require_all(keys, found)
        if fits is None:
            return out
        result = np.empty((len(fits), *shape), base)
        result[:] = (
            np.frombuffer(missing, base).reshape(shape)[()] if shape else np.frombuffer(missing, base)[0]
        )
        result[fits] = out
        return result

    @staticmethod
    def _require_all(keys: Any, found: Any) -> None:
        if not found.all():
            raise KeyError(_numpy().asarray(keys)[found.argmin()].item())


def _is_array(thing: Any) -> bool:
    return hasattr(thing, "__array__") or hasattr(thing, "__array_interface__")


def _numpy() -> Any:
    import numpy as np

    return np
