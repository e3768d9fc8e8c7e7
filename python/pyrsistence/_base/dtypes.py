"""What the items of an EMArray are: NumPy's dtypes as texts in the file, and back.

A plain type is named as NumPy names it ("<f8", "|u1", "<M8[ns]"); a structured one is the JSON of its
description in NumPy's file format. Plain numbers need no NumPy. A text that NumPy would not write for the
dtype it reads there is damage, so no other form of a dtype comes from a file.
"""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Iterable
from typing import Any

from .._core import DamagedError

# Characters of the struct module, by the text of the dtype.
PLAIN = {
    "|b1": "?",
    "|i1": "b",
    "|u1": "B",
    "<i2": "h",
    "<u2": "H",
    "<i4": "i",
    "<u4": "I",
    "<i8": "q",
    "<u8": "Q",
    "<f4": "f",
    "<f8": "d",
}
_NAMES = {
    "bool": "|b1",
    "?": "|b1",
    "float32": "<f4",
    "float64": "<f8",
    "float": "<f8",
    "int": "<i8",
    **{
        f"{kind}{8 * size}": f"{'<' if size > 1 else '|'}{kind[0]}{size}"
        for kind in ("int", "uint")
        for size in (1, 2, 4, 8)
    },
}
_BUILTINS: dict[Any, str] = {float: "<f8", int: "<i8", bool: "|b1"}
# A field of a field of a field: more than anyone has, less than Python's parser minds.
_DEEPEST = 16
# As src/structures/array/array.h has them.
MOST_DIMENSIONS, MOST_ITEM_BYTES, MOST_TEXT = 16, 1 << 40, 3584

Described = tuple[str, int, tuple[int, ...]]


def numpy(what: str) -> Any:
    """Return the module. Errors: ImportError, which says that ``what`` needs it."""
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        raise ImportError(f"{what} needs NumPy: pip install numpy") from error


def describe(dtype: Any) -> Described:
    """Return the text, the bytes of an element, and the shape that the dtype itself has.

    Errors: TypeError for what has no fixed bytes of its own, such as objects.
    """
    text = plain(dtype)
    if text is not None:
        return text, int(text[-1]), ()
    module = numpy(f"dtype {dtype!r}")
    made = module.dtype(dtype)
    shape: tuple[int, ...] = ()
    while made.subdtype is not None:
        made, inner = made.subdtype
        shape += inner
    if made.kind not in "biufcSUVMm" or made.hasobject or made.itemsize == 0:
        raise TypeError(
            f"dtype {made!r} cannot be stored: expected numbers, booleans, texts or bytes of a given length, "
            "datetimes, or structures of these"
        )
    return _text_of(module, made), made.itemsize, shape


def plain(dtype: Any) -> str | None:
    """Return the text of a plain number's or a boolean's type; None for what NumPy has to read."""
    if isinstance(dtype, type):
        return _BUILTINS.get(dtype)
    if not isinstance(dtype, str):
        return None
    if dtype in PLAIN:
        return dtype
    bare = dtype.lstrip("<=|")
    return _NAMES.get(dtype) or next((text for text in PLAIN if len(bare) == 2 and text[1:] == bare), None)


def _text_of(module: Any, dtype: Any) -> str:
    if dtype.names is None:
        return str(dtype.str)
    import json  # some milliseconds, which only structures cost

    return json.dumps(module.lib.format.dtype_to_descr(dtype), separators=(",", ":"))


def parse(text: str, element_bytes: int, path: str, what: str = "reading the items of this array") -> Any:
    """Return the dtype that describe() made the text of. Errors: DamagedError."""
    module = numpy(what)
    try:
        form: Any = text
        if text.startswith("["):
            import json

            form = _descr(json.loads(text), _DEEPEST)
        dtype = module.lib.format.descr_to_dtype(form)
        if describe(dtype) == (text, element_bytes, ()):
            return dtype
        found = f"{dtype!r} of {dtype.itemsize} bytes"
    except (
        TypeError,
        ValueError,
        SyntaxError,
        KeyError,
        IndexError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        found = str(error)
    raise DamagedError(
        5,
        f"expected the description of a dtype of {element_bytes} bytes, found {text[:200]!r}: {found[:200]}",
        path,
    )


def _descr(form: Any, depth: int) -> Any:
    """JSON has lists for the tuples of a description."""
    if not isinstance(form, list):
        return form
    if depth == 0:
        raise ValueError("nested too deeply")
    fields = []
    for name, kind, *shape in form:
        fields.append(
            (
                tuple(name) if isinstance(name, list) else name,
                _descr(kind, depth - 1),
                *(tuple(operator.index(length) for length in lengths) for lengths in shape),
            )
        )
    return fields


def buffer_format(dtype: Any) -> str | None:
    """Return the format in the buffer protocol; None if NumPy has none, or does not read it back."""
    module = numpy("its buffer")
    try:
        with memoryview(module.zeros(2, dtype)) as view:  # of one item alone the padding is not seen
            return view.format if module.asarray(view).dtype == dtype else None
    except (ValueError, RuntimeError):
        return None


def require_storable(text: str, element_bytes: int, shape: tuple[int, ...]) -> None:
    """Say no before anything is made. Errors: ValueError."""
    if any(length < 1 for length in shape):
        raise ValueError(f"expected the lengths of shape_tail to be 1 or more, found {shape}")
    if len(shape) > MOST_DIMENSIONS or element_bytes * math.prod(shape) > MOST_ITEM_BYTES:
        raise ValueError(
            f"expected items of at most {MOST_DIMENSIONS} dimensions and {MOST_ITEM_BYTES:,} bytes, found "
            f"{len(shape)} dimensions and {element_bytes * math.prod(shape):,} bytes"
        )
    if len(text.encode()) > MOST_TEXT:
        raise ValueError(
            f"expected a dtype that is described in {MOST_TEXT} bytes, found {len(text.encode())}"
        )


def shape_of(lengths: Any) -> tuple[int, ...]:
    """Return the shape of an item as a tuple of integers. Errors: TypeError."""
    given: Iterable[Any] = lengths if isinstance(lengths, Iterable) else (lengths,)
    return tuple(operator.index(length) for length in given)
