"""The types of typed keys, values and elements: what the user names, what the file says, what objects become.

Numbers, bytes and texts need no NumPy: their types are understood from texts such as "u8". Everything else,
and arrays, are done by it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .._base import casting

_SIZES = {"?": (1,), "b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8)}
_SIMPLE = re.compile(r"[<=|]?([?biufSU])(\d*)")


class Column(NamedTuple):
    """The type of the keys or of the values."""

    text: str  # as in the file: a NumPy type string, or the literal of a structure's description
    size: int
    alignment: int
    letter: str  # '?', 'i', 'u', 'f', 'S', 'U', or 'O' for what NumPy converts

    @property
    def dtype(self) -> Any:
        """The NumPy type."""
        return _dtype_of_text(self.text)

    def describe(self, of_keys: bool) -> tuple[Any, ...] | None:
        """Return what ``_configure_types()`` wants to know: None of values of no bytes."""
        if self.size == 0:
            return None
        pack, unpack = (None, None) if self.letter != "O" else _converters(self.dtype)
        spans = _canonical_spans(self) if of_keys else ()
        return self.letter, self.size, self.text, spans, pack, unpack


def names_a_type(thing: Any) -> bool:
    """Whether it is a text or a NumPy type, rather than a function of keys."""
    return isinstance(thing, (str, list)) or (hasattr(thing, "itemsize") and not callable(thing))


def column(thing: Any, which: str) -> Column:
    """Return the column of a text such as "u8", or of anything that numpy.dtype takes.

    Errors: TypeError if it is no type of a fixed size.
    """
    simple = _simple_column(thing) if isinstance(thing, str) else None
    if simple is not None:
        return simple
    import numpy as np

    try:
        dtype = np.dtype(thing)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"expected a type of a fixed size for the {which}s, such as 'u8', not {thing!r}"
        ) from error
    if dtype.hasobject or dtype.itemsize == 0 or _is_strange(dtype):
        raise TypeError(
            f"the type {dtype} of the {which}s has no fixed size or no fixed meaning of its bytes: use "
            "numbers, bytes ('S16'), texts ('U8'), times, or structures of them"
        )
    dtype = dtype.newbyteorder("<")
    return _simple_column(dtype.str) or Column(_text_of_dtype(dtype), dtype.itemsize, _alignment(dtype), "O")


def column_of_text(text: str) -> Column:
    """Return the column that a file's text names."""
    return _simple_column(text) or column(_dtype_of_text(text), "column")


def _simple_column(text: str) -> Column | None:
    match = _SIMPLE.fullmatch(text)
    if match is None:
        return None
    letter, digits = match.groups()
    if letter == "b" and digits != "1":
        return None
    size = int(digits) if digits else (1 if letter == "?" else 0)
    if letter in "SU":
        width = 4 if letter == "U" else 1
        order = "<" if letter == "U" else "|"
        return Column(f"{order}{letter}{size}", size * width, width, letter) if size else None
    if size not in _SIZES[letter]:
        return None
    if letter in "?b":
        return Column("|b1", 1, 1, "?")
    return Column(f"{'|' if size == 1 else '<'}{letter}{size}", size, size, letter)


def _is_strange(dtype: Any) -> bool:
    """Whether a part of it is a long double, whose bytes are another machine's riddle."""
    if dtype.names is not None:
        return any(_is_strange(dtype.fields[name][0]) for name in dtype.names)
    base = dtype.base
    return _is_strange(base) if base is not dtype else dtype.char in "gG" or dtype.kind not in "?biufcSUVMm"


def _alignment(dtype: Any) -> int:
    """Return what its parts ask for, if they lie so: the text does not say what NumPy was asked for."""
    if dtype.subdtype is not None:
        return _alignment(dtype.base)
    if dtype.names is None:
        return int(dtype.alignment)
    parts = [(_alignment(dtype.fields[name][0]), dtype.fields[name][1]) for name in dtype.names]
    most = max(alignment for alignment, _ in parts)
    sound = all(offset % alignment == 0 for alignment, offset in parts) and dtype.itemsize % most == 0
    return most if sound else 1


def _text_of_dtype(dtype: Any) -> str:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return repr((_literal_of_dtype(base), shape))
    return repr(_literal_of_dtype(dtype)) if dtype.names is not None else str(dtype.str)


def _literal_of_dtype(dtype: Any) -> Any:
    import numpy as np

    return np.lib.format.dtype_to_descr(dtype)


def _dtype_of_text(text: str) -> Any:
    import numpy as np

    if text[:1] not in "[(":
        return np.dtype(text)
    import ast

    literal = ast.literal_eval(text)
    if isinstance(literal, tuple):
        base, shape = literal
        return np.dtype((np.lib.format.descr_to_dtype(base), shape))
    return np.lib.format.descr_to_dtype(literal)


def _converters(dtype: Any) -> tuple[Any, Any]:
    """Return the functions from an object to bytes and back, of a type that is not done in C++."""
    import numpy as np

    base, shape = dtype.subdtype or (dtype, ())
    native = dtype.kind in "fc"  # half, complex: Python's numbers

    def pack(value: Any) -> bytes:
        if dtype.names is not None and isinstance(value, list):
            value = tuple(value)
        array = casting.of_values(value, base)
        if array.shape != shape:
            raise TypeError(f"expected one value of type {dtype}, found an array of shape {array.shape}")
        return bytes(array.tobytes())

    def unpack(data: bytes) -> Any:
        array = np.frombuffer(data, base)
        if shape:
            return array.reshape(shape).copy()
        if dtype.names is not None:
            return array.copy()[0]
        return array[0].item() if native else array[0]

    return pack, unpack


def _canonical_spans(key: Column) -> tuple[tuple[int, int, str], ...]:
    """Return the parts of a key whose bytes are not canonical as they are, and the rest; none if all are.

    Floats have two zeros and many NaNs, truths many bytes, structures gaps.
    """
    if key.letter in "iuSU":
        return ()
    if key.letter in "?f":
        return ((0, key.size, key.letter),)
    spans = _spans_of_dtype(key.dtype, 0)
    covered = sum(size for _, size, _ in spans)
    return () if covered == key.size and all(kind == "r" for *_, kind in spans) else tuple(spans)


def _spans_of_dtype(dtype: Any, offset: int) -> list[tuple[int, int, str]]:
    if dtype.names is not None:
        return [
            span
            for name in dtype.names
            for span in _spans_of_dtype(dtype.fields[name][0], offset + dtype.fields[name][1])
        ]
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        count = 1
        for length in shape:
            count *= length
        return [span for i in range(count) for span in _spans_of_dtype(base, offset + i * base.itemsize)]
    if dtype.kind == "f":
        return [(offset, dtype.itemsize, "f")]
    if dtype.kind == "c":
        half = dtype.itemsize // 2
        return [(offset, half, "f"), (offset + half, half, "f")]
    return [(offset, dtype.itemsize, "?" if dtype.kind == "b" else "r")]


# That of the values of a set, which has none.
NO_VALUE = Column("", 0, 1, "")

# The layout of a dict that is not to be made.
NO_ROWS = (0, 0, 0, 0, "", "")


def layout(key: Column, value: Column) -> tuple[int, int, int, int, str, str]:
    """Return how a row lies: as NumPy lays out the aligned structure of both."""
    value_offset = -(-key.size // value.alignment) * value.alignment
    alignment = max(key.alignment, value.alignment)
    row_bytes = -(-(value_offset + value.size) // alignment) * alignment
    return key.size, value.size, value_offset, row_bytes, key.text, value.text
