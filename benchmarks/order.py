"""The order in which keys are inserted and asked for: one shuffle a size, the same for every peer.

It is a file of 64-bit integers, a permutation of range(n), that each measuring process maps: mapped pages are
file pages, so that the keys do not count as the process's own memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy


def write_order(path: Path, count: int) -> None:
    """Writes a shuffle of range(count); the same for the same count."""
    with path.open("wb") as file:
        numpy.random.default_rng(count).permutation(count).tofile(file)


class Order:
    """The shuffle in a file, and what follows from it, handed out `chunk` numbers at a time."""

    def __init__(self, path: Path, chunk: int) -> None:
        self._chunk = chunk
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._numbers = memoryview(mapping).cast("q")

    def __len__(self) -> int:
        return len(self._numbers)

    def inserted(self) -> Iterator[list[int]]:
        """The numbers in the order of insertion."""
        for start in range(0, len(self._numbers), self._chunk):
            yield self._numbers[start : start + self._chunk].tolist()

    def probes(self, inserted: int, count: int, *, backwards: bool = False) -> Iterator[list[int]]:
        """`count` different numbers of the first `inserted`, in an order that has nothing to do with theirs.

        The shuffle, applied to itself: its elements are taken as positions of insertion. Backwards, it begins
        with others.
        """
        numbers = self._numbers
        positions = range(len(numbers) - 1, -1, -1) if backwards else range(len(numbers))
        chunk: list[int] = []
        found = 0
        for position in positions:
            if found == count:
                break
            if numbers[position] < inserted:
                chunk.append(numbers[numbers[position]])
                found += 1
                if len(chunk) == self._chunk:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk
