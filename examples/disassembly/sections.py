"""Sections: which parts of a linked file are code, and where they are loaded.

The section headers tell; of a file that has none, as packers and `sstrip` leave it, the program headers: a
loaded segment that may be executed is taken for code from where the first known function is, up to the
first table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile

# No more than the code of `_fini`.
_FINI_BYTES = 32


@dataclass(frozen=True)
class Section:
    """A part of the file: at which address it is loaded, and where its bytes are."""

    name: str
    address: int
    offset: int
    size: int
    # What is loaded, where that is not what is in the file.
    data: bytes | None = None

    @property
    def end(self) -> int:
        return self.address + self.size


def executable(elf: ELFFile, parts: list[Any]) -> list[Section]:
    """Where code is; `parts` are what the section headers tell of."""
    if not parts:
        return list(_of_segments(elf))
    return [
        Section(section.name, section["sh_addr"], section["sh_offset"], section["sh_size"])
        for section in parts
        if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
        and section["sh_type"] != "SHT_NOBITS"
        and section["sh_size"] > 0
    ]


def loaded(elf: ELFFile) -> list[Section]:
    """All that is loaded from the file."""
    return [
        Section("", segment["p_vaddr"], segment["p_offset"], segment["p_filesz"])
        for segment in elf.iter_segments("PT_LOAD")
    ]


def _of_segments(elf: ELFFile) -> Iterator[Section]:
    """Executable segments, without what else is in those that hold more than code: headers and tables."""
    starts, tables = {elf["e_entry"] & ~1}, set()
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_DYNAMIC":
            starts |= {tag["d_val"] & ~1 for tag in segment.iter_tags("DT_INIT")}
            # Linkers put it behind all other code.
            tables |= {tag["d_val"] + _FINI_BYTES for tag in segment.iter_tags("DT_FINI")}
        elif segment["p_type"] in ("PT_GNU_EH_FRAME", "PT_ARM_EXIDX"):
            tables.add(segment["p_vaddr"])
    for number, segment in enumerate(elf.iter_segments("PT_LOAD")):
        if segment["p_flags"] & P_FLAGS.PF_X and segment["p_filesz"] > 0:
            begin, end = segment["p_vaddr"], segment["p_vaddr"] + segment["p_filesz"]
            first, last = begin, end
            if segment["p_offset"] < elf["e_phoff"] + elf["e_phnum"] * elf["e_phentsize"]:
                first = min((start for start in starts if begin < start < end), default=begin)
                last = min((table for table in tables if first < table < end), default=end)
            yield Section(f"segment {number}", first, segment["p_offset"] + first - begin, last - first)
