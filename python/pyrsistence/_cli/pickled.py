"""How the commands that read see what a store keeps as a pickle: plain data, or the pickle itself.

Plain data has a form as JSON, and one that costs no more than the pickle allows. A pickle may hold a list
that contains itself, or refer to its parts again and again: 500 bytes, written out, would be gigabytes.
"""

from __future__ import annotations

import collections
import sys
from typing import Any

from .._legacy.pickle_walk import UnpicklingError
from .._legacy.safe_pickle import safe_loads
from .json_form import MOST_NESTED, Pickled, has_form

# What a part counts besides its bytes, and how often a pickle's parts may be written out again.
_PART_BYTES = 16
_TIMES = 64
_FREE_BYTES = 1 << 20


class SafeUnpickler:
    """Plain data is unpickled; of all else the pickle itself is handed out."""

    def unpickle(self, data: bytes) -> Any:
        """Return the object, or a Pickled that holds the pickle and why it was not read.

        **Cost**: O(bytes), also of hostile ones.
        """
        try:
            value = safe_loads(data)
        except UnpicklingError as error:
            return Pickled(bytes(data), str(error))
        reason = why_no_form(value, _FREE_BYTES + _TIMES * len(data))
        return value if reason is None else Pickled(bytes(data), reason)


def why_no_form(value: Any, most_bytes: int) -> str | None:
    """Say why a value has no form as JSON; None if it has one, of about so many bytes at most."""
    spent = 0
    waiting = [(value, 0)]  # parts, and how many containers they are in
    while waiting:
        part, depth = waiting.pop()
        if not has_form(part):
            return (
                f"it holds a {type(part).__module__}.{type(part).__qualname__}, which has no form of its own"
            )
        parts = _parts(part)
        spent += _PART_BYTES + (_bytes_of(part) if parts is None else 0)
        if spent > most_bytes:
            return "it refers to its parts so often that it would be much larger when written out"
        if parts is not None:
            if depth == MOST_NESTED:
                return f"it is nested more than {MOST_NESTED} deep"
            waiting.extend((inner, depth + 1) for inner in parts)
    return None


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, (list, tuple, set, frozenset, collections.deque)) else None


def _bytes_of(value: Any) -> int:
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    return int(getattr(value, "nbytes", 0)) or sys.getsizeof(value, 64)
