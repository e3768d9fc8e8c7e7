"""Rows of typed keys, and of values or none: what EMTypedDict and EMTypedSet share."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _core
from .._base import casting, container
from .._base.options import NO_OBJECTS
from . import typed_columns
from .typed_columns import Column


class TypedRows(container.Container):
    """A container whose C part is that of a typed dict or set."""

    __slots__ = ()

    _types: tuple[Column, Column]  # of the keys and of the values
    _given: tuple[Column, Column] | None  # those that the constructor was told
    _type_options: ClassVar[str]  # what a new one has to be given
    _column_names: ClassVar[tuple[str, str]]

    # Of the C part.
    _layout_of_rows: Any
    _configure_types: Any
    _contains_many: Any
    _pack: Any
    _column_bytes: Any
    _rows_view: Any

    # ---- Types

    def _set_rows(self, given: tuple[Column, Column] | None, layout: container.Layout) -> None:
        self._given = given
        self._configure(NO_OBJECTS, layout)

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        rows = typed_columns.NO_ROWS if self._given is None else typed_columns.layout(*self._given)
        if self._given is None and name not in dict(handle.members()):
            raise TypeError(
                f"there is no {self._kind_name} in '{handle.path}' yet: give {self._type_options}"
            )
        _core.attach(self, handle, name, self._codec, (rows, *self._wanted))
        try:
            self._settle_types(handle.path)
        except BaseException:
            _core.detach(self)
            raise

    def _settle_types(self, path: str) -> None:
        """Take over the types of the files, which must be those that were given, if any were."""
        try:
            found = self._layout_of_rows()
            columns = typed_columns.column_of_text(found[4]), self._value_column(found[5])
            if typed_columns.layout(*columns) != found:
                raise ValueError(f"rows of another layout than {typed_columns.layout(*columns)}: {found}")
        except (TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise _core.DamagedError(
                5, f"expected the types of a {self._kind_name}, found: {error}", path
            ) from error
        if self._given is not None and self._given != columns:
            raise self._other_types(path, self._given, columns)
        self._types = self._given = columns
        self._configure_types(columns[0].describe(True), columns[1].describe(False))

    def _value_column(self, text: str) -> Column:
        """Return the column that a file's text names. Errors: TypeError, ValueError."""
        return typed_columns.column_of_text(text)

    @staticmethod
    def _other_types(path: str, wanted: Any, found: Any) -> Exception:
        """Return the error for files that have other types."""
        raise NotImplementedError

    def _option_names(self) -> dict[str, Any]:
        return {}  # the types are in the files

    # ---- Keys in arrays and lists

    def contains_many(self, keys: Any) -> Any:
        """Return for many keys, or elements of a set, whether they are there.

        For an array it is a bool array, for others a list.

        **Cost**: the look-ups share their waits: for an array some 40 ns each in memory. Errors: TypeError,
        ValueError for an array that is no column of them.

        >>> EMDict(None, {1: 1}, key="u8", value="u8").contains_many([0, 1])
        [False, True]
        >>> EMSet(None, [1], dtype="u8").contains_many([0, 1])
        [False, True]
        """
        packed, fits = self._packed(True, keys, wanted=True)
        flags = bytearray(len(fits) if fits is not None else self._count(packed))
        self._contains_many(packed, flags)
        if is_array(keys):
            np = numpy()
            found = np.frombuffer(flags, bool)
            return found if fits is None else found & fits
        return [bool(flag and fit) for flag, fit in zip(flags, fits, strict=True)]

    # ---- Inside

    def _column(self, number: int, copy: bool) -> Any:
        np = numpy()
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

    def _fitting(self, packed: Any, fits: Any) -> Any:
        """Return the bytes of those keys that _packed() says fit."""
        if fits is None or all(fits):
            return packed
        if not isinstance(packed, bytearray):
            return packed.reshape(len(fits), -1)[fits].reshape(-1)
        size = self._types[0].size
        return b"".join(packed[i * size : (i + 1) * size] for i, fit in enumerate(fits) if fit)

    def _packed(self, of_keys: bool, objects: Any, *, wanted: bool = False) -> tuple[Any, Any]:
        """Return the bytes of keys or values, and which of them fit (None: all of an array do).

        Errors: unless they are only looked up (``wanted``), those of the first that does not fit.
        """
        if not is_array(objects):
            packed: tuple[Any, Any] = self._pack(of_keys, objects, wanted)
            return packed
        np = numpy()
        dtype = self._types[0 if of_keys else 1].dtype
        base, shape = dtype.subdtype or (dtype, ())
        array = casting.present(objects)
        if array.ndim != 1 + len(shape) or array.shape[1:] != shape:
            raise ValueError(
                f"expected {self._column_names[0 if of_keys else 1]} of type {dtype} one behind the other, "
                f"found an array of the shape {array.shape}"
            )
        column, fits = casting.fitting(array, base)
        if not wanted:
            casting.refuse_unfitting(array, fits, base)
        # A copy of what lies in the container itself, which is about to change.
        return np.ascontiguousarray(column).reshape(-1).view("u1"), fits


def is_array(thing: Any) -> bool:
    return hasattr(thing, "__array__") or hasattr(thing, "__array_interface__")


def numpy() -> Any:
    import numpy as np

    return np
