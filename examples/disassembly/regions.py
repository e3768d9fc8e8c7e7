"""Regions: what within a section is code of which encoding, and what is data; and where to begin anew.

ARM and AArch64 files say so by mapping symbols: "$a" where ARM code begins, "$t" Thumb, "$x" AArch64, "$d"
data. Without them, as in stripped files, the addresses of ARM functions tell, odd ones being Thumb; and if
there are none either, the code itself: most instructions of ARM code are executed always, and so have the
condition 0xE in their highest bits.

Where there are no sections, a segment may hold anything between two functions. So the sweep begins anew
with each one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from . import unwinding
from .image import Image
from .sections import Section
from .symbols import ends_of_program, function_addresses, symbol_tables, table_addresses, table_values
from .tables import SymbolTable

_UNKNOWN = ""
# Of a stretch of unknown encoding, so much is looked at; a shorter one is as what is before it.
_MOST_LOOKED_AT, _LEAST_LOOKED_AT = 4096, 16
_ALWAYS = 0xE


@dataclass(frozen=True)
class Region:
    """Addresses of a section with the same encoding: a mode of capstone's; None of data."""

    section: Section
    begin: int
    end: int
    mode: int | None


class Regions:
    """The regions of an image."""

    def __init__(self, image: Image) -> None:
        # Bytes of which nothing tells the encoding.
        self.guessed_bytes = 0
        self._image = image
        self._encodings = image.machine.encodings
        self._marks: list[tuple[int, str]] = []
        if self._encodings:
            self._marks = sorted(self._mapping_symbols().items()) or sorted(self._functions().items())
        self._cuts = np.zeros(0, "u8") if image.all_sections or image.linked else function_addresses(image)
        self._places = np.array([address for address, _ in self._marks], "u8")

    def of(self, section: Section) -> Iterator[Region]:
        """Those of a section, in the order of addresses."""
        for region in self._by_encoding(section):
            cuts = self._cuts[(self._cuts > region.begin) & (self._cuts < region.end)].tolist()
            for begin, end in pairwise([region.begin, *cuts, region.end]):
                yield Region(section, begin, end, region.mode)

    def _by_encoding(self, section: Section) -> Iterator[Region]:
        if not self._encodings:
            yield Region(section, section.address, section.end, self._image.machine.mode)
            return
        first, letter = section.address, _UNKNOWN
        for begin, end, found in self._stretches(section):
            following = found or self._guess(section, begin, end, letter)
            if following != letter and begin > first:
                yield Region(section, first, begin, self._encodings[letter])
                first = begin
            letter = following
        yield Region(section, first, section.end, self._encodings[letter])

    def _stretches(self, section: Section) -> Iterator[tuple[int, int, str]]:
        """From each mark to the next one."""
        first, last = self._places.searchsorted(np.array([section.address, section.end], "u8")).tolist()
        marks = [(section.address, _UNKNOWN), *self._marks[first:last], (section.end, _UNKNOWN)]
        for (begin, letter), (end, _) in pairwise(marks):
            if begin < end:
                yield begin, end, letter

    def _guess(self, section: Section, begin: int, end: int, last: str) -> str:
        """The encoding of a stretch of which nothing is told."""
        if "t" not in self._encodings:
            return "x"
        self.guessed_bytes += end - begin
        size = min(end - begin, _MOST_LOOKED_AT)
        code = self._image.read(section, begin - section.address, size)
        if (last and size < _LEAST_LOOKED_AT) or size < 4:
            return last or "a"
        highest = np.frombuffer(code, "<u4" if self._image.code_is_little_endian else ">u4", size // 4) >> 28
        return "a" if 2 * np.count_nonzero(highest == _ALWAYS) > highest.size else "t"

    def _mapping_symbols(self) -> dict[int, str]:
        found: dict[int, str] = {}
        with suppress(Exception):  # as in symbols.py
            for table in symbol_tables(self._image):
                kept = table.is_defined & _is_mapping(table)
                letters = table.characters(1)[kept].tobytes().decode("ascii", "replace")
                addresses = table_addresses(self._image, table)[kept].tolist()
                pairs = zip(addresses, letters, strict=True)
                found.update((address, letter) for address, letter in pairs if letter in self._encodings)
        return found

    def _functions(self) -> dict[int, str]:
        """Where functions begin, with what their addresses tell of their encoding."""
        found: dict[int, str] = {}
        bit = self._image.machine.mode_bit
        if bit:
            with suppress(Exception):
                for addresses in unwinding.functions(self._image):
                    found.update(dict.fromkeys(addresses.tolist(), _UNKNOWN))
            with suppress(Exception):
                for table in symbol_tables(self._image):
                    values = table_values(self._image, table)[table.is_function].tolist()
                    found.update((value & ~bit, "t" if value & bit else "a") for value in values)
            starts = [self._image.entry]
            with suppress(Exception):
                starts += ends_of_program(self._image)
            found.update((value & ~bit, "t" if value & bit else "a") for value in starts)
        return found


def _is_mapping(table: SymbolTable) -> NDArray[np.bool_]:
    """Whether a name is "$x" or "$x.anything"."""
    return (table.characters(0) == ord("$")) & np.isin(table.characters(2), (0, ord(".")))
