"""Texts: many short strings one behind the other in an array of bytes, and numbers read from all at once.

A loop over twelve million strings takes Python a minute; NumPy passes over their bytes in a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_DIGITS = 16
# The value of each byte as a hexadecimal digit; 16 for what is none.
_DIGITS = np.full(256, 16, "u1")
_DIGITS[ord("0") : ord("9") + 1] = range(10)
_DIGITS[ord("a") : ord("f") + 1] = range(10, 16)


@dataclass
class Texts:
    """`data[ends[i - 1]:ends[i]]` is the text of number i."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def of_rows(cls, rows: NDArray[np.uint8]) -> Texts:
        """From rows of bytes, each a text up to its first zero byte."""
        lengths = (rows == 0).argmax(axis=1)
        rows = rows[:, : lengths.max(initial=0)]
        inside = np.arange(rows.shape[1], dtype="u1") < lengths[:, np.newaxis].astype("u1")
        return cls(rows[inside], lengths.cumsum())

    @property
    def begins(self) -> NDArray[np.int64]:
        return np.concatenate((np.zeros(1, "i8"), self.ends[:-1]))

    def find(self, mark: bytes) -> NDArray[np.int64]:
        """Where in `data` these bytes are, all within one text."""
        last = self.data.size - len(mark) + 1
        if last <= 0:
            return np.zeros(0, "i8")
        found = np.flatnonzero(self.data[:last] == mark[0])
        for offset, byte in enumerate(mark[1:], 1):
            found = found[self.data[found + offset] == byte]
        return found[self.number_of(found) == self.number_of(found + len(mark) - 1)]

    def number_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the texts that these places of `data` are in."""
        return self.ends.searchsorted(positions, side="right")

    def byte_at(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The bytes at these places; zero behind the end."""
        if not self.data.size:
            return np.zeros(positions.size, "u1")
        return np.where(positions < self.data.size, self.data.take(positions, mode="clip"), np.uint8(0))

    def hexadecimal(self, positions: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The hexadecimal numbers that begin at these places, in the texts of these numbers."""
        value = np.zeros(positions.size, "u8")
        going = np.ones(positions.size, "?")
        ends = self.ends[numbers]
        for offset in range(_MOST_DIGITS):
            digit = _DIGITS[self.byte_at(positions + offset)]
            going &= (digit < 16) & (positions + offset < ends)
            if not going.any():
                break
            value = np.where(going, value * np.uint64(16) + digit, value)
        return value
