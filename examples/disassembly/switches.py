"""Switches: where a jump through a table leads to.

Compilers translate a switch to a jump to an address that they take from a table of offsets: "lea rdx, [rip
+ table]", "movsxd rax, dword ptr [rdx + rax*4]", "add rax, rdx", "jmp rax". Without its targets most blocks
of a large function cannot be reached. A table is looked for among the addresses that the instructions
before the jump refer to; it ends with the first offset that does not lead to an instruction of the
function.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .image import Image
from .kinds import Kind
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
        self._begin = begin
        self._is_head = (flags & (HEAD | CODE)) == HEAD | CODE
        self._heads = np.flatnonzero(self._is_head)

    def find(self, jumps: NDArray[np.uint64], functions: NDArray[np.uint64]) -> NDArray[np.void]:
        """The jumps for which a table was found, with each of their targets; in the order of addresses."""
        rows = []
        starts = [function - self._begin for function in functions.tolist()] + [self._is_head.size]
        for jump in jumps.tolist() if self._image.machine.table else []:
            number = bisect_right(starts, jump - self._begin) - 1
            for place in self._places(jump, *starts[number : number + 2]):
                rows.append((jump, self._begin + place))
        return np.array(rows, SWITCH)

    def _places(self, jump: int, first: int, last: int) -> list[int]:
        for table in self._tables(jump, first):
            places = self._read(table, first, last)
            if len(places) > 1:
                return sorted(set(places))
        return []

    def _tables(self, jump: int, first: int) -> Iterator[int]:
        """Addresses of data that the instructions before the jump refer to, the nearest first."""
        if jump in self._references:  # it jumps through memory that it names itself
            return
        index = bisect_left(self._heads, jump - self._begin)
        for place in reversed(self._heads[max(index - _INSTRUCTIONS_BEFORE, 0) : index].tolist()):
            if place < first:
                return
            head = self._begin + place
            if head in self._references:
                for target, edge in self._references[head].items():
                    if edge["kind"] == Kind.DATA:
                        yield target

    def _read(self, table: int, first: int, last: int) -> list[int]:
        """What a table leads to, as far as it is instructions between the two places."""
        distance = table - self._begin
        if abs(distance) > _FARTHEST:
            return []
        offsets = np.dtype(self._image.machine.table)
        data = self._image.bytes_at(table, _MOST_ENTRIES * offsets.itemsize)
        places = np.frombuffer(data, offsets, len(data) // offsets.itemsize).astype("i8") + distance
        wrong = (places < first) | (places >= last)
        wrong |= ~self._is_head[np.where(wrong, first, places)]
        count = int(wrong.argmax()) if wrong.any() else wrong.size
        return [int(place) for place in places[:count]]
