"""Symbols: what an ELF file says of its functions, and the names that it has for addresses.

Functions are those of the symbol tables, those that have unwinding information (which stripped files keep,
too), and the entry point. Tables are read as arrays: a library may have a million symbols. What is damaged
is left out: a name or a function more or less is no reason to stop.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from elftools.dwarf.callframe import FDE
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Section, SymbolTableSection
from numpy.typing import NDArray

from .image import Image

_FUNCTION_TYPES = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_UNDEFINED = 0
# The sorted table of .eh_frame_hdr: pairs of a function's first byte and its entry, relative to the section.
_HEADER_BYTES = 12
_USUAL_ENCODINGS = (0x03, 0x3B)  # of its length, and of its pairs


def function_addresses(image: Image) -> NDArray[np.uint64]:
    """The functions that the file tells of, sorted. Not all are in code that was kept."""
    found = [np.array([image.start()], "u8")]
    for read in (_of_symbols, _of_unwinding):
        with suppress(Exception):  # whatever reading a damaged table stumbles over
            found.extend(read(image))
    return np.unique(np.concatenate(found))


def names(image: Image) -> dict[int, str]:
    """The symbols' addresses with their names, and those that the dynamic linker puts an address into."""
    found: dict[int, str] = {}
    with suppress(Exception):
        for table in _symbol_tables(image):
            symbols, strings = _symbols_of(image, table), _strings_of(table)
            symbols = symbols[(symbols["section"] != _UNDEFINED) & (symbols["name"] != 0)]
            for address, name in zip(symbols["value"].tolist(), symbols["name"].tolist(), strict=True):
                found.setdefault(address, _text_at(strings, name))
        for slot, name in _slots(image):
            found.setdefault(slot, f"address of {name}")
    for section in image.sections:
        if section.name.startswith(".plt"):  # its first entry is what the others fall back on
            found.setdefault(section.address, section.name)
    return found


def _symbol_tables(image: Image) -> Iterator[SymbolTableSection]:
    for section in image.all_sections:
        if isinstance(section, SymbolTableSection):
            yield section


def _symbols_of(image: Image, table: SymbolTableSection) -> NDArray[np.void]:
    order = "<" if image.elf.little_endian else ">"
    wide = ["name u4", "info u1", "other u1", "section u2", "value u8", "size u8"]
    narrow = ["name u4", "value u4", "size u4", "info u1", "other u1", "section u2"]
    fields = [field.split() for field in (wide if image.elf.elfclass == 64 else narrow)]
    return _rows(table, [(name, order + kind) for name, kind in fields])


def _rows(section: Section, fields: list[tuple[str, str]]) -> NDArray[np.void]:
    kind, data = np.dtype(fields), section.data()
    return np.frombuffer(data, kind, len(data) // kind.itemsize)


def _strings_of(table: SymbolTableSection) -> bytes:
    return bytes(table.stringtable.data())


def _text_at(strings: bytes, position: int) -> str:
    return strings[position : strings.find(b"\0", position)].decode("utf-8", "replace")


def _of_symbols(image: Image) -> Iterator[NDArray[np.uint64]]:
    for table in _symbol_tables(image):
        symbols = _symbols_of(image, table)
        kept = np.isin(symbols["info"] & 15, _FUNCTION_TYPES) & (symbols["section"] != _UNDEFINED)
        yield symbols["value"][kept].astype("u8")


def _of_unwinding(image: Image) -> Iterator[NDArray[np.uint64]]:
    header = next((section for section in image.all_sections if section.name == ".eh_frame_hdr"), None)
    data = header.data() if header is not None else b""
    if len(data) >= _HEADER_BYTES and tuple(data[2:4]) == _USUAL_ENCODINGS:
        order = "<" if image.elf.little_endian else ">"
        count = min(struct.unpack_from(order + "I", data, 8)[0], (len(data) - _HEADER_BYTES) // 8)
        pairs = np.frombuffer(data, order + "i4", 2 * count, _HEADER_BYTES)
        yield (pairs[::2].astype("i8") + header["sh_addr"]).astype("u8")
        return
    for entry in image.elf.get_dwarf_info(relocate_dwarf_sections=False).EH_CFI_entries():
        if isinstance(entry, FDE):
            yield np.array([entry["initial_location"]], "u8")


def _slots(image: Image) -> Iterator[tuple[int, str]]:
    """The places that the dynamic linker puts the address of a symbol into, with its name."""
    for section in image.all_sections:
        if not isinstance(section, RelocationSection):
            continue
        symbols = image.all_sections[section["sh_link"]]
        if isinstance(symbols, SymbolTableSection):
            names_at = _symbols_of(image, symbols)["name"]
            strings = _strings_of(symbols)
            rows = _relocations_of(image, section)
            numbers = rows["info"] >> np.uint64(32 if image.elf.elfclass == 64 else 8)
            kept = (numbers > 0) & (numbers < names_at.size)
            for slot, number in zip(rows["offset"][kept].tolist(), numbers[kept].tolist(), strict=True):
                yield slot, _text_at(strings, int(names_at[number]))


def _relocations_of(image: Image, section: Any) -> NDArray[np.void]:
    kind = ("<" if image.elf.little_endian else ">") + ("u8" if image.elf.elfclass == 64 else "u4")
    fields = [("offset", kind), ("info", kind), *([("addend", kind)] if section.is_RELA() else [])]
    return _rows(section, fields)
