"""Values on their way into a container of another type: one rule for arrays, typed dicts, edges and flags.

NumPy's ``casting="same_kind"`` says which types are converted at all: floats do not become integers. Of those
that are, only digits may be lost: an integer out of range, a float that would be infinite, a text that would
be cut, a time beyond what its unit reaches are errors, and so is an item that is missing (masked, NA, null).
"""

from __future__ import annotations

import operator
import sys
from typing import Any

from .dtypes import numpy

# ---- Items that are missing


def missing(values: Any) -> Any:
    """Return which items of an array are missing, as booleans of its shape; None if none is.

    NaN and NaT are values. Columns of pandas, Arrow and Polars are arrays here, and so are tables of pandas.
    """
    mask = _mask(values)
    return mask if mask is not None and mask.any() else None


def _mask(values: Any) -> Any:
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(values, masked.MaskedArray):
        mask = masked.getmaskarray(values)
        return mask if mask.dtype.names is None else _any_field(mask)
    if hasattr(values, "isna"):
        return _mask_of_pandas(values)
    count = getattr(values, "null_count", None)
    if count is None or not hasattr(values, "is_null"):
        return None
    count = count() if callable(count) else count
    return numpy("a column").asarray(values.is_null()) if isinstance(count, int) and count else None


def _any_field(mask: Any) -> Any:
    """Of a structure's mask: whether a part of the item is masked."""
    module = numpy("a mask")
    found = module.zeros(mask.shape, bool)
    for name in mask.dtype.names:
        part = mask[name]
        part = part if part.dtype.names is None else _any_field(part)
        found |= part.reshape((*mask.shape, -1)).any(axis=-1)
    return found


def _mask_of_pandas(values: Any) -> Any:
    module = numpy("a column")
    if hasattr(values, "columns"):
        masks = [_mask_of_pandas(values.iloc[:, i]) for i in range(len(values.columns))]
        if all(mask is None for mask in masks):
            return None
        whole = [module.zeros(len(values), bool) if mask is None else mask for mask in masks]
        return module.stack(whole, axis=1)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, module.dtype) or getattr(dtype, "kind", "M") in "Mm":
        return None  # what NumPy has no NA for, or calls NaT
    return module.asarray(values.isna(), bool)


def present(values: Any, where: str = "") -> Any:
    """Return a NumPy array of the values. Errors: ValueError if one is missing, with its place."""
    mask = missing(values)
    if mask is not None:
        first = numpy("an array").unravel_index(int(mask.argmax()), mask.shape)
        place = ", ".join(str(int(index)) for index in first)
        raise ValueError(
            f"item {place}{where} is missing (masked, NA or null), which no value stands for: fill or drop it"
        )
    return numpy("an array").asarray(values)


def objects(values: Any) -> list[Any]:
    """Return the items of an array or a column as Python's objects, None for those that are missing."""
    for method in ("tolist", "to_pylist", "to_list"):
        if hasattr(values, method):
            items = list(getattr(values, method)())
            break
    else:
        items = list(values)
    mask = missing(values)
    if mask is None or mask.ndim != 1:
        return items
    return [None if gone else item for item, gone in zip(items, mask.tolist(), strict=True)]


# ---- Arrays


def fitting(array: Any, dtype: Any) -> tuple[Any, Any]:
    """Return a NumPy array's items as this type, and which of them are of it (None: all).

    Errors: TypeError for an array of another kind.
    """
    module = numpy("converting")
    source = array.dtype
    if source == dtype:
        return array, None
    if dtype.names is not None and source.names is not None:
        return _fitting_fields(array, dtype)
    if dtype.kind in "iu" and source.kind in "iub":
        return _fitting_integers(array, dtype)
    _require_same_kind(array, dtype)
    if dtype.kind in "SU" and dtype.kind != source.kind:
        array = array.astype(dtype.kind)
    with module.errstate(over="ignore", invalid="ignore"):
        made = array.astype(dtype)
    fits = None
    if dtype.kind in "SU":
        fits = made == array
    elif dtype.kind in "Mm" and source.kind == dtype.kind and module.can_cast(source, dtype, "safe"):
        fits = (made.astype(source) == array) | module.isnat(array)
    elif dtype.kind in "fc" and not module.can_cast(source, dtype, "safe"):
        fits = module.isfinite(made) | ~module.isfinite(array)
    return made, None if fits is None or fits.all() else fits


def _require_same_kind(array: Any, dtype: Any) -> None:
    if not numpy("converting").can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(
            f"items of dtype {array.dtype} are not converted to {dtype} unasked: use .astype({str(dtype)!r})"
        )


def _fitting_integers(array: Any, dtype: Any) -> tuple[Any, Any]:
    module = numpy("converting")
    if array.size == 0 or module.can_cast(array.dtype, dtype, "safe"):
        return array.astype(dtype), None
    limits = module.iinfo(dtype)
    # Compared as Python's ints, so that no side is wrapped.
    low, high = int(array.min()), int(array.max())
    if low >= limits.min and high <= limits.max:
        return array.astype(dtype), None
    fits = module.ones(array.shape, bool)
    if low < limits.min:
        fits &= array >= limits.min
    if high > limits.max:
        fits &= array <= limits.max
    return module.where(fits, array, array.dtype.type(0)).astype(dtype), fits


def _fitting_fields(array: Any, dtype: Any) -> tuple[Any, Any]:
    """Structures become others of as many fields, one by one, as NumPy does it."""
    module = numpy("converting")
    if len(dtype.names) != len(array.dtype.names):
        _require_same_kind(array, dtype)
    made = module.zeros(array.shape, dtype)
    fits = module.ones(array.shape, bool)
    for name, source in zip(dtype.names, array.dtype.names, strict=True):
        part, part_fits = fitting(array[source], dtype[name].base)
        made[name] = part
        if part_fits is not None:
            fits &= part_fits.reshape((*array.shape, -1)).all(axis=-1)
    return made, None if fits.all() else fits


def refuse_unfitting(array: Any, fits: Any, dtype: Any) -> None:
    """Raise for the first item that is not of the type. Errors: OverflowError; ValueError for texts."""
    if fits is None or fits.all():
        return
    first = int(fits.argmin())
    error = ValueError if dtype.kind in "SU" else OverflowError
    name = dtype.str if dtype.names is None else str(dtype)
    raise error(f"item {first}, {array.reshape(-1)[first]!r}, does not fit the type {name}")


def of_array(values: Any, dtype: Any) -> Any:
    """Return an array's items as a NumPy array of this type.

    Errors: TypeError for another kind; OverflowError, ValueError for an item that does not fit or is missing.
    """
    array = present(values)
    return of_objects(array.tolist(), dtype) if array.dtype.hasobject else _checked(array, dtype)


def _checked(array: Any, dtype: Any) -> Any:
    made, fits = fitting(array, dtype)
    refuse_unfitting(array, fits, dtype)
    return made


# ---- Python's objects


def of_objects(value: Any, dtype: Any) -> Any:
    """Return an object, or nested sequences of them, as a NumPy array of this type.

    Errors: TypeError, OverflowError, ValueError.
    """
    module = numpy("converting")
    if dtype.names is not None:
        return _structures(value, dtype)
    if dtype.kind == "V":
        return module.asarray(value, dtype)
    if dtype.kind in "Mm":
        return _times(value, dtype)
    _refuse_masked(value)
    natural = module.asarray(value)
    if natural.size == 0:
        return natural.astype(dtype)
    if (
        dtype.kind in "iu" and natural.dtype.kind in "fO"
    ):  # NumPy makes floats of integers that need both int64 and uint64
        return _integers(module.asarray(value, object), dtype)
    if dtype.kind in "fc" and natural.dtype.kind == "O":
        natural = _reals(natural, dtype)
    if dtype.kind == "S" and natural.dtype.kind == "U":
        natural = natural.astype("S")
    return _checked(natural, dtype)


def _reals(natural: Any, dtype: Any) -> Any:
    """Of numbers that are no types of NumPy, such as Decimal."""
    number = float if dtype.kind == "f" else complex
    items = natural.reshape(-1).tolist()
    if not all(
        hasattr(item, "__float__") or (number is complex and hasattr(item, "__complex__")) for item in items
    ):
        raise TypeError(f"expected numbers for the type {dtype.str}, found other objects")
    return numpy("converting").array([number(item) for item in items]).reshape(natural.shape)


def _refuse_masked(value: Any) -> None:
    """A masked item that stands in a list for itself."""
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            if item is masked.masked:
                raise ValueError(f"item {i} is missing (masked), which no value stands for: fill or drop it")


def _integers(natural: Any, dtype: Any) -> Any:
    """Of integers that no type of NumPy has in common, or TypeError."""
    module = numpy("converting")
    try:
        numbers = [operator.index(number) for number in natural.reshape(-1).tolist()]
    except TypeError as error:
        raise TypeError(f"expected integers for the type {dtype.str}: {error}") from None
    limits = module.iinfo(dtype)
    for number in numbers:
        if not int(limits.min) <= number <= int(limits.max):
            raise OverflowError(f"{number} does not fit the type {dtype.str}")
    return module.array(numbers, dtype).reshape(natural.shape)


def _times(value: Any, dtype: Any) -> Any:
    """By way of the unit in which they are told, so that it is seen if they do not reach."""
    module = numpy("converting")
    try:
        told = module.asarray(value, dtype.kind + "8")
    except ValueError:  # numbers, of the type's own unit
        return module.asarray(value, dtype)
    return _checked(told, dtype)


def _structures(value: Any, dtype: Any) -> Any:
    """Of tuples. NumPy converts their parts by int() and the like, which cut: those are done again."""
    module = numpy("converting")
    with module.errstate(over="ignore", invalid="ignore"):
        made = module.asarray(value, dtype)
    try:
        if bool(made.tolist() == value):
            return made
    except ValueError:  # of arrays
        pass
    rows = _leaves(value, made.ndim)
    if not all(isinstance(row, (tuple, module.void)) and len(row) == len(dtype.names) for row in rows):
        return made
    for i, name in enumerate(dtype.names):
        base, shape = dtype[name].subdtype or (dtype[name], ())
        made[name] = of_values([row[i] for row in rows], base).reshape((*made.shape, *shape))
    return made


def _leaves(value: Any, depth: int) -> list[Any]:
    rows = [value]
    for _ in range(depth):
        rows = [part for row in rows for part in row]
    return rows


def of_values(value: Any, dtype: Any) -> Any:
    """Return an array's or other objects' items as a NumPy array of this type. Errors: as both."""
    return (
        of_array(value, dtype)
        if is_array(value) and not isinstance(value, bytes)
        else of_objects(value, dtype)
    )


def is_array(value: Any) -> bool:
    """Whether it knows the type of its items: NumPy's and other libraries' arrays, array.array, bytes."""
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return True
    try:
        memoryview(value).release()
    except (TypeError, BufferError, ValueError):
        return False
    return True
