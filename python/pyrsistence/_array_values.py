"""Values on their way into and out of an EMArray: conversion by NumPy's rules, indices, comparison."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from ._dtypes import numpy


def as_bytes(array: Any) -> Any:
    """The bytes of a contiguous array, as an array: some dtypes have no buffer of their own."""
    return array.reshape(-1).view(numpy("this").uint8)


def as_index(key: Any) -> int | None:
    """Return the integer that the key is; None for arrays and sequences of indices."""
    if isinstance(key, (list, bool)) or getattr(key, "ndim", 0) != 0:
        return None
    try:
        return operator.index(key)
    except TypeError:
        return None


def positions(key: Any, size: int) -> tuple[Any, tuple[int, ...]]:
    """Return the indices that an array of integers or booleans means, and their shape. Errors: IndexError."""
    module = numpy("indexing by an array")
    given = module.asarray(key)
    if given.dtype == bool:
        if given.shape != (size,):
            raise IndexError(f"expected a mask of shape ({size},), found one of shape {given.shape}")
        found = module.flatnonzero(given)
        return found.astype(module.int64), found.shape
    if given.size == 0:
        given = given.astype(module.int64)
    if given.dtype.kind not in "iu":
        raise IndexError(
            "array indices must be integers, slices, or arrays of integers or booleans, "
            f"not {type(key).__name__}"
        )
    if given.size and (int(given.max()) >= size or int(given.min()) < -size):
        raise IndexError("array index out of range")
    indices = given.astype(module.int64).reshape(-1)
    indices[indices < 0] += size
    return indices, given.shape


def item_of(item: Any) -> Any:
    """A Python object for a number or a text; datetimes, structures and blocks stay NumPy's."""
    if getattr(item, "ndim", 0) == 0 and item.dtype.kind in "biufcSU":
        return item.item()
    return item


def chunks(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Beginnings and lengths."""
    return ((start, min(most, size - start)) for start in range(0, size, most))


def equal_items(items: Any, value: Any) -> Any:
    """Which items equal the value (or those of an array of as many), in all of their elements."""
    module = numpy("searching")
    other = module.asarray(value) if items.dtype.names is None else module.asarray(value, items.dtype)
    texts = "SUO"
    if (other.dtype.kind in texts) != (items.dtype.kind in texts):
        return module.zeros(len(items), bool)
    equal = module.asarray(items == other)
    if equal.shape != items.shape:  # that cannot be broadcast
        return module.zeros(len(items), bool)
    return equal.reshape(len(items), -1).all(axis=1)


def is_buffer_of(value: Any, code: str) -> bool:
    """Whether it is one contiguous run of just these numbers. Bytes are numbers of one byte."""
    try:
        with memoryview(value) as view:
            return view.format == code and view.ndim == 1 and view.c_contiguous
    except (TypeError, BufferError, ValueError):
        return False


def is_array(value: Any) -> bool:
    """Whether it knows the type of its items: NumPy's and other libraries' arrays, array.array, bytes."""
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return True
    try:
        memoryview(value).release()
    except (TypeError, BufferError, ValueError):
        return False
    return True


def as_array(value: Any, dtype: Any) -> Any:
    """An array of it, of its own dtype; bytes are numbers, unless texts or structures are wanted."""
    module = numpy("converting")
    if isinstance(value, (bytes, bytearray)):
        return module.frombuffer(value, module.uint8 if dtype.kind in "biufc" else dtype)
    return module.asarray(value)


def converted(value: Any, dtype: Any) -> Any:
    """The value as an array of this dtype, by casting="same_kind"; Python's own integers by their size.

    Errors: TypeError, OverflowError, ValueError.
    """
    module = numpy("converting")
    if is_array(value) and not isinstance(value, bytes):
        return _cast(module.asarray(value), dtype)
    if dtype.kind in "SUVMm":
        return module.asarray(value, dtype)
    natural = module.asarray(value)
    if dtype.kind in "iu" and natural.dtype.kind in "iubO":
        return module.asarray(value, dtype)
    if natural.size == 0:
        return natural.astype(dtype)
    return _cast(natural, dtype)


def _cast(array: Any, dtype: Any) -> Any:
    if array.dtype == dtype:
        return array
    try:
        return array.astype(dtype, casting="same_kind")
    except TypeError:
        raise TypeError(
            f"items of dtype {array.dtype} are not converted to {dtype} unasked: use .astype({str(dtype)!r})"
        ) from None


def packed(values: Sequence[Any], code: str) -> bytes:
    """Python's numbers as the bytes of an array. Errors: TypeError, OverflowError."""
    try:
        return struct.pack(f"={len(values)}{code}", *values)
    except struct.error as error:
        if all(hasattr(value, "__index__") for value in values):
            raise OverflowError(f"an integer is out of bounds: {error}") from None
        raise TypeError(f"not a number for such an array: {error}") from None
