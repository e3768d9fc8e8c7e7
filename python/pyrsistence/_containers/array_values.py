"""Values on their way into and out of an EMArray: conversion by NumPy's rules, indices, comparison."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from .._base import casting
from .._base.dtypes import numpy

# So many items are converted, compared or handed out at a time.
CHUNK = 65536


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
    given = casting.present(key)
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


def expanded(key: tuple[Any, ...], dimensions: int) -> tuple[Any, ...]:
    """The key with slices for what its Ellipsis stands for. Errors: IndexError."""
    dots = [i for i, part in enumerate(key) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if dots:
        rest = (slice(None),) * (dimensions - len(key) + 1)
        key = (*key[: dots[0]], *rest, *key[dots[0] + 1 :])
    if len(key) > dimensions or any(isinstance(part, str) for part in key):
        raise IndexError(f"expected at most {dimensions} indices, of items and inside of them, found {key!r}")
    return key


def names_fields(key: Any) -> bool:
    """Whether it is a field's name, or a list of some."""
    return isinstance(key, str) or (
        isinstance(key, list) and bool(key) and all(isinstance(name, str) for name in key)
    )


def require_fields(dtype: Any, key: Any) -> None:
    """Raise IndexError unless items have fields, ValueError unless they have these."""
    if dtype.names is None:
        raise IndexError(f"items of dtype {dtype} have no fields, such as {key!r}")
    for name in [key] if isinstance(key, str) else key:
        if name not in dtype.names:
            raise ValueError(f"no field of name {name!r}, only {', '.join(map(repr, dtype.names))}")


def item_of(item: Any) -> Any:
    """A Python object for a number or a text; datetimes, structures and blocks stay NumPy's."""
    if getattr(item, "ndim", 0) == 0 and item.dtype.kind in "biufcSU":
        return item.item()
    return item


def bounds(array: Any) -> tuple[int, int]:
    """The address of an array's first byte, and the one behind its last, whatever its strides are."""
    first = last = int(array.__array_interface__["data"][0])
    if array.size == 0:
        return first, first
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride
        first, last = first + min(reach, 0), last + max(reach, 0)
    return first, last + int(array.itemsize)


def chunks(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Beginnings and lengths."""
    return ((start, min(most, size - start)) for start in range(0, size, most))


def equal_items(items: Any, value: Any, *, each: bool = False) -> Any:
    """Which items equal the value (with ``each``: those of an array of as many), in all of their elements.

    What is no item, by its type or its shape, equals none.
    """
    module = numpy("searching")
    none = module.zeros(len(items), bool)
    try:
        other = module.asarray(value) if items.dtype.names is None else module.asarray(value, items.dtype)
        texts = "SUO"
        if (other.dtype.kind in texts) != (items.dtype.kind in texts):
            return none
        if other.shape not in ((items.shape,) if each else ((), items.shape[1:])):
            return none
        equal = module.asarray(items == other)
    except (TypeError, ValueError, OverflowError):
        return none
    return equal.reshape(len(items), -1).all(axis=1) if equal.shape == items.shape else none


def is_buffer_of(value: Any, code: str) -> bool:
    """Whether it is one contiguous run of just these numbers. Bytes are numbers of one byte."""
    codes = {"q": "ql", "Q": "QL"}.get(code, code) if struct.calcsize("l") == 8 else code
    try:
        with memoryview(value) as view:
            return view.format in tuple(codes) and view.ndim == 1 and view.c_contiguous
    except (TypeError, BufferError, ValueError):
        return False


def as_array(value: Any, dtype: Any) -> Any:
    """An array of it, of its own dtype; bytes are numbers, unless texts or structures are wanted."""
    module = numpy("converting")
    if isinstance(value, (bytes, bytearray)):
        return module.frombuffer(value, module.uint8 if dtype.kind in "biufc" else dtype)
    return casting.present(value)


def packed(values: Sequence[Any], code: str) -> bytes:
    """Python's numbers as the bytes of an array. Errors: TypeError, OverflowError."""
    try:
        return struct.pack(f"={len(values)}{code}", *values)
    except struct.error as error:
        if all(hasattr(value, "__index__") for value in values):
            raise OverflowError(f"an integer is out of bounds: {error}") from None
        raise TypeError(f"not a number for such an array: {error}") from None
