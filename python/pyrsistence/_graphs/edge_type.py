"""EdgeType: the fields of each edge of a graph, and the bytes that these are stored as."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from .._base import casting, dtypes
from .._core import DamagedError

# As src/structures/graph/header.h has them.
MOST_BYTES, MOST_TEXT = 4096, 3584


class EdgeType:
    """A structure of fields. Those that are numbers need no NumPy."""

    __slots__ = ("_dtype", "_spans", "_struct", "size", "text", "zero")

    def __init__(self, text: str, size: int, path: str = "") -> None:
        """From its text, which may come from a file. Errors: DamagedError, ImportError."""
        self.text = text
        self.size = size
        self._dtype: Any = None
        self._struct: struct.Struct | None = None
        plain = _plain_fields(text)
        if plain is not None:
            letters, self._spans = plain
            self._struct = struct.Struct("<" + letters)
            found = self._struct.size
        else:
            dtype = self.dtype_of(path)
            found = dtype.itemsize
            self._spans = {
                name: (offset, part.itemsize) for name, (part, offset, *_) in (dtype.fields or {}).items()
            }
        if found != size or not self._spans or not text.isascii():
            raise DamagedError(5, f"expected fields of {size} bytes, found {text[:200]!r}", path)
        self.zero = self.unpack(bytes(size))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EdgeType) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]

    def dtype_of(self, path: str = "") -> Any:
        """The NumPy type. Errors: ImportError, DamagedError."""
        if self._dtype is None:
            self._dtype = dtypes.parse(self.text, self.size, path, "a graph whose edges have a type")
        return self._dtype

    def unpack(self, record: bytes) -> dict[str, Any]:
        """Return the fields of a record."""
        if self._struct is not None:
            return dict(zip(self._spans, self._struct.unpack(record), strict=True))
        row = dtypes.numpy("the fields of an edge").frombuffer(record, self.dtype_of())[0]
        return {name: _object(row[name]) for name in self._spans}

    def pack(self, fields: Mapping[str, Any]) -> bytes:
        """Return the record of these fields; those that are missing are zero.

        Errors: ValueError for a field that edges do not have; TypeError, OverflowError, ValueError for what
        the field cannot hold.
        """
        if not fields.keys() <= self._spans.keys():
            self.require_fields(fields)
        if self._struct is None:
            return self._pack_by_numpy(fields)
        values = [fields.get(name, zero) for name, zero in self.zero.items()]
        try:
            return self._struct.pack(*values)
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            raise self._refusal(values) or error from None

    def partial(self, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return a record, and the bits of it that these fields are. Errors: as pack()."""
        return self.pack(fields), self.mask(fields)

    def mask(self, names: Any) -> bytes:
        """Return the bits of a record that some fields are."""
        mask = bytearray(self.size)
        for name in names:
            offset, size = self._spans[name]
            mask[offset : offset + size] = b"\xff" * size
        return bytes(mask)

    def require_fields(self, names: Any) -> None:
        """Raise ValueError if edges do not have all of these fields."""
        unknown = [name for name in names if name not in self._spans]
        if unknown:
            raise ValueError(
                f"edges of this graph have no field {unknown[0]!r}, only "
                f"{', '.join(map(repr, self._spans))}: "
                "their type was given by edge_dtype= when the graph was made"
            )

    def records(self, columns: Mapping[str, Any], count: int) -> tuple[Any, bytes]:
        """Return the records of many edges, from arrays or single values by field, as bytes; and the mask.

        Errors: as pack().
        """
        self.require_fields(columns)
        module = dtypes.numpy("edges that come as arrays")
        dtype = self.dtype_of()
        rows = module.zeros(count, dtype)
        for name, column in columns.items():
            rows[name] = _fitting(column, dtype.fields[name][0], (count,))
        return rows.view("u1"), self.mask(columns)

    def _pack_by_numpy(self, fields: Mapping[str, Any]) -> bytes:
        module = dtypes.numpy("the fields of an edge")
        dtype = self.dtype_of()
        row = module.zeros(1, dtype)
        for name, value in fields.items():
            row[name] = _fitting(value, dtype.fields[name][0], ())
        return bytes(row.tobytes())

    def _refusal(self, values: list[Any]) -> Exception | None:
        """The error of the first value that its field cannot hold."""
        letters = [letter for letter in self._struct.format[1:] if letter not in "x0123456789"]  # type: ignore[union-attr]
        for name, letter, value in zip(self._spans, letters, values, strict=True):
            try:
                struct.pack("<" + letter, value)
            except (struct.error, OverflowError, TypeError, ValueError) as error:
                number = isinstance(value, (int, float)) and (letter in "fd" or isinstance(value, int))
                kind = OverflowError if number else TypeError
                return kind(f"field {name!r} of an edge cannot be {value!r}: {error}")
        return None


def edge_type(dtype: Any) -> EdgeType:
    """Return the type that a user names: a list of names and types, or whatever is a structure to NumPy.

    Errors: TypeError, ValueError.
    """
    if isinstance(dtype, EdgeType):
        return dtype
    text = _text_of_list(dtype)
    if text is None:
        module = dtypes.numpy(f"edge_dtype={dtype!r}")
        made = module.dtype(dtype).newbyteorder("<")
        if made.names is None:
            raise TypeError(
                "expected edge_dtype to have fields, such as [('kind', 'u1'), ('address', 'u8')], "
                f"found {dtype!r}"
            )
        text, size, _ = dtypes.describe(made)
    else:
        size = sum(int(part[-1]) for _, part in json.loads(text))
    if size > MOST_BYTES or len(text.encode()) > MOST_TEXT:
        raise ValueError(
            f"expected edges of at most {MOST_BYTES:,} bytes, described in {MOST_TEXT:,}, "
            f"found {size:,} bytes and {len(text.encode()):,}"
        )
    return EdgeType(text, size)


def _text_of_list(dtype: Any) -> str | None:
    """The text of a list of names and plain numbers; None for everything else, which NumPy understands."""
    if not isinstance(dtype, (list, tuple)) or not dtype:
        return None
    fields: list[tuple[str, str]] = []
    for field in dtype:
        if not isinstance(field, (list, tuple)) or len(field) != 2 or not isinstance(field[0], str):
            return None
        text = dtypes.plain(field[1])
        if text is None or not field[0] or any(field[0] == name for name, _ in fields):
            return None
        fields.append((field[0], text))
    return json.dumps(fields, separators=(",", ":"))


def _plain_fields(text: str) -> tuple[str, dict[str, tuple[int, int]]] | None:
    """Of fields that are numbers: the letters of the struct module, and where each field is."""
    try:
        form = json.loads(text)
    except (ValueError, RecursionError):
        return None
    letters, spans, offset = "", {}, 0
    for field in form if isinstance(form, list) else [None]:
        if not isinstance(field, list) or len(field) != 2 or not all(isinstance(part, str) for part in field):
            return None
        name, part = field
        if not name and part[:2] == "|V" and part[2:].isdecimal() and len(part) < 7:
            letters, offset = f"{letters}{int(part[2:])}x", offset + int(part[2:])
            continue
        if not name or name in spans or part not in dtypes.PLAIN:
            return None
        spans[name] = offset, int(part[-1])
        letters, offset = letters + dtypes.PLAIN[part], offset + int(part[-1])
    return letters, spans


def _fitting(value: Any, dtype: Any, outer: tuple[int, ...]) -> Any:
    """Values as an array of this type: all of them, or one for all. Errors: those of EdgeType.pack()."""
    base, shape = dtype.subdtype or (dtype, ())
    array = casting.of_values(value, base)
    if array.shape not in (shape, outer + shape):
        raise ValueError(
            f"expected values of the shape {outer + shape}, found one of the shape {array.shape}"
        )
    return array


def _object(value: Any) -> Any:
    """A field of a row as the object that it is in Python; times, arrays and structures stay NumPy's."""
    if getattr(value, "shape", ()) != ():
        return value.copy()
    return value.item() if value.dtype.kind in "biufcSU" else value
