"""Symbols: what an ELF file says of its functions, and the names that it has for addresses.

Functions are those of the symbol tables, of unwinding information, of Go's table, and the entry point. What
is damaged is left out: a name or a function more or less is no reason to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from elftools.elf.sections import SymbolTableSection
from numpy.typing import NDArray

from . import unwinding
from .go_table import GoTable
from .image import Image
from .tables import FUNCTION, INDIRECT_FUNCTION, NO_TYPE, OBJECT, SymbolTable, relocation_rows

# Of two symbols of one address the one whose type comes first gives the name; others (files, sections,
# places in a thread's storage) are no names of addresses.
_NAMING_TYPES = (FUNCTION, INDIRECT_FUNCTION, NO_TYPE, OBJECT)

_DT_RELA = 7


def function_addresses(image: Image) -> NDArray[np.uint64]:
    """The functions that the file tells of, sorted. Not all are in code that was kept."""
    start = image.start()
    found = [np.array([] if start is None else [start], "u8")]
    with suppress(Exception):  # whatever reading a damaged table stumbles over
        found += [table_addresses(image, table)[table.is_function] for table in symbol_tables(image)]
    with suppress(Exception):
        found.extend(unwinding.functions(image))
    with suppress(Exception):
        found.append(GoTable(image).functions)
    with suppress(Exception):
        found.append(np.array([value & ~image.machine.mode_bit for value in ends_of_program(image)], "u8"))
    return np.unique(np.concatenate(found))


def ends_of_program(image: Image) -> list[int]:
    """What the dynamic linker calls first and last: addresses as the file has them."""
    tables = [_tags(segment) for segment in image.elf.iter_segments("PT_DYNAMIC")]
    return [tags[name] for tags in tables for name in ("DT_INIT", "DT_FINI") if tags.get(name)]


def names(image: Image) -> dict[int, str]:
    """The symbols' addresses with their names, and those that the dynamic linker puts an address into."""
    found: dict[int, str] = {}
    with suppress(Exception):
        for table in symbol_tables(image):
            for address, name in _names_of(image, table):
                found.setdefault(address, name)
        for address, name in GoTable(image).names().items():
            found.setdefault(address, name)
        for slot, name in image.linked.names.items() if image.linked is not None else _slots(image):
            if not image.contains(slot):
                found.setdefault(slot, name)
    for section in image.sections:
        if section.name.startswith(".plt"):  # its first entry is what the others fall back on
            found.setdefault(section.address, section.name)
    return found


def symbol_tables(image: Image) -> Iterator[SymbolTable]:
    """What the section headers tell of, and what the dynamic linker reads."""
    for section in image.all_sections:
        if isinstance(section, SymbolTableSection) and section["sh_type"] == "SHT_SYMTAB":
            yield SymbolTable.of(image.elf, section.data(), bytes(section.stringtable.data()))
    for segment in image.elf.iter_segments("PT_DYNAMIC"):
        yield _dynamic_symbols(image, segment)


def table_values(image: Image, table: SymbolTable) -> NDArray[np.uint64]:
    """What its symbols stand for: an address, and on ARM the bit that tells of a function's encoding."""
    return table.rows["value"].astype("u8") if image.linked is None else image.linked.addresses(table)


def table_addresses(image: Image, table: SymbolTable) -> NDArray[np.uint64]:
    """The addresses of its symbols."""
    values = table_values(image, table)
    return np.where(table.is_function, values & np.uint64(~image.machine.mode_bit & 2**64 - 1), values)


def _names_of(image: Image, table: SymbolTable) -> Iterator[tuple[int, str]]:
    """The names of a table, those of functions first."""
    kept = table.is_defined & (table.rows["name"] != 0) & (table.characters(0) != ord("$"))
    addresses, places, types = table_addresses(image, table), table.rows["name"], table.types
    for wanted in _NAMING_TYPES:
        chosen = kept & (types == wanted)
        for address, place in zip(addresses[chosen].tolist(), places[chosen].tolist(), strict=True):
            # Data within code names no function, should one begin there.
            if wanted != OBJECT or not image.contains(address):
                yield address, table.text_at(place)


def _dynamic_symbols(image: Image, segment: Any) -> SymbolTable:
    tags = _tags(segment)
    wide = image.elf.elfclass == 64
    rows = image.bytes_at(tags["DT_SYMTAB"], segment.num_symbols() * (24 if wide else 16))
    return SymbolTable.of(image.elf, rows, image.bytes_at(tags["DT_STRTAB"], tags["DT_STRSZ"]))


def _tags(segment: Any) -> dict[str, int]:
    return {tag["d_tag"]: tag["d_val"] for tag in segment.iter_tags()}


def _slots(image: Image) -> Iterator[tuple[int, str]]:
    """The places that the dynamic linker puts the address of a symbol into, with its name."""
    for segment in image.elf.iter_segments("PT_DYNAMIC"):
        tags, table = _tags(segment), _dynamic_symbols(image, segment)
        for rows in _relocations(image, tags):
            kept = rows[(rows["symbol"] > 0) & (rows["symbol"] < table.rows.size)]
            places = table.rows["name"][kept["symbol"]]
            for slot, place in zip(kept["offset"].tolist(), places.tolist(), strict=True):
                yield slot, f"address of {table.text_at(place)}"


def _relocations(image: Image, tags: dict[str, int]) -> Iterator[NDArray[np.void]]:
    for address, size, with_addend in (
        ("DT_RELA", "DT_RELASZ", True),
        ("DT_REL", "DT_RELSZ", False),
        ("DT_JMPREL", "DT_PLTRELSZ", tags.get("DT_PLTREL") == _DT_RELA),
    ):
        if address in tags and size in tags:
            yield relocation_rows(image.elf, image.bytes_at(tags[address], tags[size]), with_addend)
