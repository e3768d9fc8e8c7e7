"""Tables: the rows of an ELF file's tables of symbols and relocations, as arrays.

A library may have a million symbols; pyelftools hands out an object for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from elftools.elf.elffile import ELFFile
from numpy.typing import NDArray

NO_TYPE, OBJECT, FUNCTION, INDIRECT_FUNCTION = 0, 1, 2, 10  # STT_NOTYPE, ..., STT_GNU_IFUNC
UNDEFINED, FIRST_RESERVED, COMMON = 0, 0xFF00, 0xFFF2  # SHN_UNDEF, SHN_LORESERVE, SHN_COMMON
_WIDE = ["name u4", "info u1", "other u1", "section u2", "value u8", "size u8"]
_NARROW = ["name u4", "value u4", "size u4", "info u1", "other u1", "section u2"]


@dataclass
class SymbolTable:
    """The symbols of one table; `rows["name"]` is a place in `strings`."""

    rows: NDArray[np.void]
    strings: bytes

    @classmethod
    def of(cls, elf: ELFFile, data: bytes, strings: bytes) -> SymbolTable:
        fields = [field.split() for field in (_WIDE if elf.elfclass == 64 else _NARROW)]
        rows = rows_of(data, [(name, _order(elf) + kind) for name, kind in fields])
        return cls(rows, strings + b"\0\0")

    @property
    def types(self) -> NDArray[np.uint8]:
        return self.rows["info"] & np.uint8(15)

    @property
    def is_defined(self) -> NDArray[np.bool_]:
        """Whether the symbol is an address in the file: not of another file, and no mere number."""
        return (self.rows["section"] != UNDEFINED) & (self.rows["section"] < FIRST_RESERVED)

    @property
    def is_function(self) -> NDArray[np.bool_]:
        return self.is_defined & np.isin(self.types, (FUNCTION, INDIRECT_FUNCTION))

    def text_at(self, place: int) -> str:
        return self.strings[place : self.strings.find(b"\0", place)].decode("utf-8", "replace")

    def characters(self, offset: int) -> NDArray[np.uint8]:
        """The bytes of all names at this place in them; what is behind a name's end does not count."""
        places = self.rows["name"].astype("i8") + offset
        return np.frombuffer(self.strings, "u1").take(places, mode="clip")


def relocation_rows(elf: ELFFile, data: bytes, with_addend: bool) -> NDArray[np.void]:
    """Offset, symbol, type, and the addend if there is one."""
    wide = elf.elfclass == 64
    kind, signed = _order(elf) + ("u8" if wide else "u4"), _order(elf) + ("i8" if wide else "i4")
    raw = rows_of(data, [("offset", kind), ("info", kind), *([("addend", signed)] if with_addend else [])])
    found = np.zeros(raw.size, [("offset", "u8"), ("symbol", "u4"), ("type", "u4"), ("addend", "i8")])
    info = raw["info"].astype("u8")
    found["offset"] = raw["offset"]
    found["symbol"] = info >> np.uint64(32 if wide else 8)
    found["type"] = info & np.uint64(0xFFFFFFFF if wide else 0xFF)
    if with_addend:
        found["addend"] = raw["addend"]
    return found


def rows_of(data: bytes, fields: list[tuple[str, str]]) -> NDArray[Any]:
    """As many whole rows as there are."""
    kind = np.dtype(fields)
    return np.frombuffer(data, kind, len(data) // kind.itemsize)


def _order(elf: ELFFile) -> str:
    return "<" if elf.little_endian else ">"
