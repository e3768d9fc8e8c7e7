"""Keys in no order: number n as a 64-bit key, as a str, as bytes.

The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), which
is a bijection: different numbers are different keys, and whether key n is there is known without a list of
them.
"""

from __future__ import annotations

import numpy

_SHIFT_1, _SHIFT_2, _SHIFT_3 = (numpy.uint64(bits) for bits in (30, 27, 31))
_FACTOR_1, _FACTOR_2 = numpy.uint64(0xBF58476D1CE4E5B9), numpy.uint64(0x94D049BB133111EB)


def keys(numbers: numpy.ndarray) -> numpy.ndarray:
    """As uint64."""
    mixed = numbers.astype(numpy.uint64)
    mixed = (mixed ^ (mixed >> _SHIFT_1)) * _FACTOR_1
    mixed = (mixed ^ (mixed >> _SHIFT_2)) * _FACTOR_2
    return mixed ^ (mixed >> _SHIFT_3)


def keys_of_range(start: int, stop: int) -> numpy.ndarray:
    return keys(numpy.arange(start, stop, dtype=numpy.uint64))


def strings(of_keys: numpy.ndarray) -> list[str]:
    """16 hexadecimal digits each, whose order is that of the keys."""
    return [f"{key:016x}" for key in of_keys.tolist()]


def words(numbers: numpy.ndarray, order: str = "<") -> list[bytes]:
    """8 bytes each, little-endian; with order ">" big-endian, whose order is that of the numbers."""
    data = numbers.astype(order + "u8").tobytes()
    return [data[at : at + 8] for at in range(0, len(data), 8)]
