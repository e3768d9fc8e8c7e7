"""Many keys of an EMTypedDict at a time: as arrays or lists, and its columns as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import _core
from .typed_rows import TypedRows, is_array, numpy


class TypedBatches(_core.TypedDictBase, TypedRows):
    """What EMTypedDict does with arrays."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _column_names = ("keys", "values")

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
        if not is_array(deltas) and not isinstance(deltas, Iterable):
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

    def _require_lengths(self, packed_keys: Any, packed_values: Any) -> None:
        keys, values = self._count(packed_keys), len(packed_values) // self._types[1].size
        if keys != values:
            raise ValueError(f"expected as many values as keys, found {values} for {keys}")

    def _put(self, keys: Any, _: Any, values: Any, __: Any) -> None:
        self._require_lengths(keys, values)
        self._put_many(keys, values)

    def _take(self, keys: Any, default: Any, remove: bool) -> Any:
        packed, fits = self._packed(True, keys, wanted=True)
        return (self._take_array if is_array(keys) else self._take_list)(keys, packed, fits, default, remove)

    def _take_list(self, _: Any, packed: Any, fits: Any, default: Any, remove: bool) -> list[Any]:
        found = bytearray(len(fits))
        if remove:  # no key stands for what cannot be one
            packed = self._fitting(packed, fits)
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
        np = numpy()
        dtype = self._types[1].dtype
        base, shape = dtype.subdtype or (dtype, ())
        if fits is not None and default is None:
            raise KeyError(np.asarray(keys)[fits.argmin()].item())
        packed = self._fitting(packed, fits)
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
            raise KeyError(numpy().asarray(keys)[found.argmin()].item())
