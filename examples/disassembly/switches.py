"""Switches: where a jump through a table leads to.

Compilers translate a switch to a jump to what a table tells, an address or a distance (dispatch.py).
Without its targets most blocks of a large function cannot be reached. A table ends with what the comparison
before the jump lets through, and at the latest with the first entry that does not lead to an instruction of
the function.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from .dispatch import Instructions, Jump, Table
from .image import Image
from .members import CODE, HEAD, Program

_INSTRUCTIONS_BEFORE = 16
_MOST_ENTRIES = 4096
# More than any program is large.
_FARTHEST = 1 << 40

SWITCH = np.dtype([("address", "u8"), ("target", "u8")])


class Switches:
    """Finds the tables of some functions that are next to each other: of `flags`, from address `begin` on.

    Within, places are relative to `begin`: addresses of a kernel do not fit in 64 bits with a sign.
    """

    def __init__(self, image: Image, program: Program, begin: int, flags: NDArray[np.uint8]) -> None:
        self._image = image
        self._references = program.references
        self._instructions = Instructions(program)
        self._begin = begin
        self._is_head = (flags & (HEAD | CODE)) == HEAD | CODE
        self._heads = np.flatnonzero(self._is_head)

    def find(self, jumps: NDArray[np.uint64], functions: NDArray[np.uint64]) -> NDArray[np.void]:
        """The jumps for which a table was found, with each of their targets; in the order of addresses."""
        rows = []
        starts = [function - self._begin for function in functions.tolist()] + [self._is_head.size]
        for jump in jumps.tolist() if self._image.machine.tables else []:
            number = bisect_right(starts, jump - self._begin) - 1
            for place in self._places(jump, *starts[number : number + 2]):
                rows.append((jump, self._begin + place))
        return np.array(rows, SWITCH)

    def _places(self, address: int, first: int, last: int) -> list[int]:
        index = bisect_left(self._heads, address - self._begin)
        places = self._heads[max(index - _INSTRUCTIONS_BEFORE, 0) : index].tolist()
        before = [self._begin + place for place in places if place >= first]
        jump = Jump(address, before, self._instructions, self._references, self._image.global_table)
        for table in self._image.machine.tables(jump):
            found = self._read(table, first, last)
            if len(found) > 1:
                bound = jump.bound()
                # A comparison with less is one of something else.
                found = found if bound is None or bound < 2 else found[:bound]
                return sorted(set(found))
        return []

    def _read(self, table: Table, first: int, last: int) -> list[int]:
        """What a table leads to, as far as it is instructions between the two places."""
        if abs(table.address - self._begin) > _FARTHEST:
            return []
        if table.entries:
            entries = np.dtype(table.entries)
            data = self._image.bytes_at(table.address, _MOST_ENTRIES * entries.itemsize)
            numbers = np.frombuffer(data, entries, len(data) // entries.itemsize)
            # In 64 bits without a sign, where all is modulo 2**64.
            distance = np.uint64((table.base - self._begin) % 2**64)
            places = (numbers.astype("i8").view("u8") * np.uint64(table.scale) + distance).view("i8")
        else:
            places = table.address - self._begin + 4 * np.arange(_MOST_ENTRIES)
        wrong = (places < first) | (places >= last)
        wrong |= ~self._is_head[np.where(wrong, first, places)]
        count = int(wrong.argmax()) if wrong.any() else wrong.size
        return [int(place) for place in places[:count]]
