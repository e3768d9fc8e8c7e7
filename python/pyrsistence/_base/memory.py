"""memory=: bytes as a number, or as text like "512M"."""

from __future__ import annotations

import operator
import re
from typing import Any

from .. import _core
from .public import public

# Below this a handful of pages would be committed again and again (src/store/budget.h).
_LEAST = 1 << 20
_MOST = 1 << 62
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_EXPECTED = 'memory must be None, a number of bytes, or a text like "512M" or "1.5G"'


def parse_memory(value: Any) -> int:
    """Return the bytes that ``value`` stands for; 0 for None: no budget but the process's.

    Units are powers of 1024. Errors: TypeError, ValueError; the least is 1 MiB.
    """
    if value is None:
        return 0
    size = _bytes(value)
    if not _LEAST <= size <= _MOST:
        raise ValueError(f'memory must be at least 1 MiB ("1M"), and less than 4 EiB, not {value!r}')
    return size


def _bytes(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{_EXPECTED}, not {value!r}")
    if isinstance(value, str):
        match = _TEXT.fullmatch(value)
        if match is None:
            raise ValueError(f"{_EXPECTED}, not {value!r}")
        return int(float(match[1]) * _UNITS[match[2].upper()])
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{_EXPECTED}, not {type(value).__name__}") from None


@public
def set_memory_budget(bytes: Any) -> None:
    """Set the budget of private pages for all stores of the process: bytes, or text like "512M".

    **Cost**: O(1). Errors: TypeError, ValueError for what is no number of bytes.

    >>> from pyrsistence import memory_budget
    >>> before = memory_budget()
    >>> set_memory_budget("256M")
    >>> memory_budget() >> 20
    256
    >>> set_memory_budget(before)
    """
    size = _bytes(bytes)
    if not 0 <= size <= _MOST:
        raise ValueError(f"the memory budget must be from 0 to 4 EiB, not {bytes!r}")
    _core.set_memory_budget(size)
