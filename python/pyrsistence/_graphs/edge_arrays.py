"""Edges that come as arrays: of two columns, or of structures or tables whose first two columns are the ends.

Columns behind these two are attributes, by their names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._base import casting

# Rows that are made objects at a time.
_ROWS = 1 << 14


class Edges(NamedTuple):
    """Columns of edges: sources, targets, and attributes by their names."""

    sources: Any
    targets: Any
    attributes: dict[Any, Any]

    def integers(self) -> tuple[Any, Any] | None:
        """Return the ends as contiguous arrays of 64-bit integers, if that is what they are."""
        import numpy as np

        ends = np.asarray(self.sources), np.asarray(self.targets)
        if not all(_fits(end) for end in ends):
            return None
        return np.ascontiguousarray(ends[0], dtype="i8"), np.ascontiguousarray(ends[1], dtype="i8")

    def rows(self) -> Iterator[tuple[Any, Any, dict[Any, Any]]]:
        """Yield the edges as objects."""
        columns = [self.sources, self.targets, *self.attributes.values()]
        for begin in range(0, len(self.sources), _ROWS):
            some = [casting.objects(column[begin : begin + _ROWS]) for column in columns]
            for u, v, *values in zip(*some, strict=True):
                yield u, v, dict(zip(self.attributes, values, strict=True))


def edges_of(edges: Any) -> Edges | None:
    """Return the columns of arrays and tables; None for other things.

    Errors: ValueError for a table that has fewer than two columns, or two of the same name, and where an end
    is missing.
    """
    numpy = sys.modules.get("numpy")  # without it there are no arrays
    if numpy is None or not hasattr(edges, "__array__"):
        return None
    names = getattr(edges, "column_names", getattr(edges, "columns", None))
    if names is not None:
        return _table(edges, list(names))
    array = numpy.asanyarray(edges)
    if array.dtype.names is not None and array.ndim == 1:
        return _table(array, list(array.dtype.names))
    array = casting.present(edges)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.hasobject:
        return None
    return Edges(array[:, 0], array[:, 1], {})


def _table(table: Any, names: list[Any]) -> Edges:
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(
            f"expected the ends of edges in two columns, and all of different names, found {names}"
        )
    for name in names[:2]:
        casting.present(table[name], f" of column {name!r}")
    sources, targets, *attributes = (_column(table[name]) for name in names)
    return Edges(sources, targets, dict(zip(names[2:], attributes, strict=True)))


def _column(column: Any) -> Any:
    """A column of numbers or texts as an array; another one as it is, since it knows its objects.

    So does one that lacks some: its other items may be integers, which an array could not hold beside NaN.
    """
    import numpy as np

    if casting.missing(column) is not None:
        return column
    array = np.asarray(column)
    return array if array.dtype.kind in "biufSU" or array.dtype.names is not None else column


def _fits(array: Any) -> bool:
    """Whether its values are integers of at most 64 bits with a sign."""
    kind = array.dtype.kind
    return kind == "i" or (
        kind == "u" and (array.dtype.itemsize < 8 or array.size == 0 or int(array.max()) < 2**63)
    )
