"""Edges that come as arrays."""

from __future__ import annotations

import sys
from typing import Any


def ends_of(edges: Any) -> tuple[Any, Any] | None:
    """Return sources and targets as contiguous arrays of 64-bit integers, if that is what the edges are."""
    numpy = sys.modules.get("numpy")  # without it there are no arrays
    if numpy is None or not hasattr(edges, "__array__"):
        return None
    dtypes = getattr(edges, "dtypes", None)
    if dtypes is not None and not all(_fits(dtype) for dtype in getattr(dtypes, "values", [])):
        return None
    array = numpy.asarray(edges)
    if array.ndim != 2 or array.shape[1] != 2 or not _fits(array.dtype):
        return None
    sources, targets = (numpy.ascontiguousarray(array[:, side], dtype="i8") for side in (0, 1))
    return sources, targets


def _fits(dtype: Any) -> bool:
    """Whether its values are integers of at most 64 bits with a sign."""
    return getattr(dtype, "kind", "") in "iu" and (dtype.kind == "i" or dtype.itemsize < 8)
