"""Values in the repr() of a container: short, whatever they are; of one that cannot be read, the reason."""

from __future__ import annotations

import gc
import reprlib
import types
from collections.abc import Iterator
from typing import Any

# A text is cut to so many characters.
_LONGEST = 400
# An object whose parts are more, each counted wherever it occurs, is not asked for its repr().
_MOST_PARTS = 20_000
_BYTES = 64
_BITS = 1024
_ATOMS: tuple[type, ...] = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type,
    types.ModuleType,
    types.FunctionType,
    type(None),
)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() <= _BITS else f"<int of {x.bit_length()} bits>"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return repr(x) if len(x) <= _BYTES else f"{x[:_BYTES]!r}..."

    repr_bytearray = repr_bytes

    def repr_instance(self, x: Any, level: int) -> str:
        if _has_many_parts(x):
            return f"<{type(x).__name__} of many parts>"
        return super().repr_instance(x, level)


def text(value: Any) -> str:
    """Return a short repr() of a value, or why it has none.

    **Cost**: bounded, unless a __repr__ of the user's takes longer.
    """
    try:
        whole = _Short().repr(value)
    except Exception as error:
        return _reason(error)
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 3]}..."


def texts(values: Iterator[Any], count: int) -> Iterator[str]:
    """Yield those of the first values, and why one cannot be read in its place."""
    for _ in range(count):
        try:
            value = next(values)
        except StopIteration:
            return
        except Exception as error:
            yield _reason(error)
        else:
            yield text(value)


def _reason(error: Exception) -> str:
    return f"<{type(error).__name__}: {error}>"[:_LONGEST]


def _parts(thing: Any) -> list[Any]:
    return [] if isinstance(thing, _ATOMS) else gc.get_referents(thing)


def _has_many_parts(thing: Any) -> bool:
    """Whether writing it out would take long: a few dozen objects that share their parts are millions then.

    What is met again while it is being counted contains itself, and counts as one there.
    """
    counts = {id(thing): 1}
    stack: list[list[Any]] = [[thing, iter(_parts(thing)), 1]]
    while stack:
        top = stack[-1]
        for part in top[1]:
            known = counts.get(id(part))
            if known is None:
                counts[id(part)] = 1
                stack.append([part, iter(_parts(part)), 1])
                break
            top[2] += known
        else:
            stack.pop()
            counts[id(top[0])] = top[2]
            if stack:
                stack[-1][2] += top[2]
        if top[2] > _MOST_PARTS or len(counts) > _MOST_PARTS:
            return True
    return False
