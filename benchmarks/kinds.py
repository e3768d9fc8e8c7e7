"""The kinds of entries that are measured: what number n is as a key and as a value."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Makes new objects each time it is asked."""

    name: str
    key_type: type
    value_type: type
    keys: Callable[[list[int]], list[object]]
    values: Callable[[list[int]], list[object]]
    # About what an entry takes in pyrsistence's files: limits of memory are parts of that, the same for all
    # peers.
    entry_bytes: int


def _integers(numbers: list[int]) -> list[object]:
    return [number + 0 for number in numbers]


def _other_integers(numbers: list[int]) -> list[object]:
    return [number ^ 0xFFFF for number in numbers]


def _strings(numbers: list[int]) -> list[object]:
    return [f"entry/{number:08d}" for number in numbers]


_NOISE = random.Random(0).randbytes(1 << 20)


def _blobs(numbers: list[int]) -> list[object]:
    """200 bytes each, which a peer that compresses its blocks cannot make smaller."""
    starts = [number * 7919 % (len(_NOISE) - 192) for number in numbers]
    pairs = zip(numbers, starts, strict=True)
    return [number.to_bytes(8, "little") + _NOISE[start : start + 192] for number, start in pairs]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("int-int", int, int, _integers, _other_integers, 32),
        Kind("str-int", str, int, _strings, _other_integers, 40),
        Kind("str-bytes", str, bytes, _strings, _blobs, 248),
    )
}
