"""An ELF file: its executable sections and their bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from . import machine

_MAGIC = b"\x7fELF"
# Of a section's end; addresses behind an instruction are computed in 64 bits.
_HIGHEST = 2**64 - 2**16


class ImageError(Exception):
    """The file cannot be disassembled; the message says why, and what to do."""


@dataclass(frozen=True)
class Section:
    """An executable section: where it is in the file, and at which address it is loaded."""

    name: str
    address: int
    offset: int
    size: int


class Image:
    """An ELF file with code in it. Errors of the constructor: ImageError."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise ImageError(f"{path} is a folder: name a file in it")
        try:
            self._file = open(self.path, "rb")  # noqa: SIM115 (closed by close())
        except FileNotFoundError:
            raise ImageError(f"{path} does not exist: name a program or a library") from None
        except PermissionError:
            raise ImageError(f"{path} may not be read by this user: copy it, or name another file") from None
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise ImageError(f"{self.path} is not an ELF file: name a program or a library")
        try:
            self._read_sections()
        except Exception as error:  # a damaged header makes pyelftools raise whatever it stumbles over
            raise ImageError(f"{self.path} is damaged ({error}): take a whole copy of it") from error
        self._check()

    def _read_sections(self) -> None:
        self.elf = ELFFile(self._file)
        # Once: each walk over them has pyelftools read all hash tables again.
        self.all_sections = list(self.elf.iter_sections())
        self.e_machine: str = self.elf["e_machine"]
        self.entry: int = self.elf["e_entry"]
        self.sections = [
            Section(section.name, section["sh_addr"], section["sh_offset"], section["sh_size"])
            for section in self.all_sections
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
            and section["sh_type"] != "SHT_NOBITS"
            and section["sh_size"] > 0
        ]
        self._loaded = [
            (segment["p_vaddr"], segment["p_filesz"], segment["p_offset"])
            for segment in self.elf.iter_segments("PT_LOAD")
        ]

    def _check(self) -> None:
        if not self.sections:
            raise ImageError(
                f"{self.path} has no executable section: it holds only data or debug information"
            )
        self._check_places()
        if self.sections_overlap():
            raise ImageError(f"{self.path} has overlapping sections (an object file?): name a linked program")
        if not machine.known(self.e_machine):
            raise ImageError(
                f"{self.path} is for {self.e_machine}, which disassembly/machine.py does not know"
            )

    def _check_places(self) -> None:
        """A header that is cut short or damaged may say anything of where its sections are."""
        file_bytes = os.fstat(self._file.fileno()).st_size
        for section in self.sections:
            if section.offset + section.size > file_bytes:
                raise ImageError(
                    f"{self.path} is cut short: it has {file_bytes} bytes, section {section.name} ends at "
                    f"{section.offset + section.size}; take a whole copy of it"
                )
            if section.address + section.size > _HIGHEST:
                raise ImageError(
                    f"{self.path} is damaged: section {section.name} lies at {section.address:#x}, beyond "
                    "what can be addressed; take another copy of it"
                )

    def sections_overlap(self) -> bool:
        """Whether two executable sections share addresses, as those of object files (all at 0) do."""
        self.sections.sort(key=lambda section: section.address)
        return any(a.address + a.size > b.address for a, b in pairwise(self.sections))

    @property
    def machine(self) -> machine.Machine:
        return machine.machine_of(self.e_machine, self.elf.little_endian)

    @property
    def code_bytes(self) -> int:
        return sum(section.size for section in self.sections)

    def contains(self, address: int) -> bool:
        """Whether there is code at the address."""
        return any(s.address <= address < s.address + s.size for s in self.sections)

    def clip(self, code_bytes: int) -> None:
        """Keeps so many bytes of code, the first ones, and leaves out the rest."""
        kept = []
        for section in self.sections:
            if code_bytes > 0:
                kept.append(replace(section, size=min(section.size, code_bytes)))
            code_bytes -= section.size
        self.sections = kept

    def start(self) -> int:
        """The entry point, or, where there is none (most libraries), the first byte of code."""
        if self.contains(self.entry):
            return self.entry
        return next((s.address for s in self.sections if s.name == ".text"), self.sections[0].address)

    def read(self, section: Section, offset: int, size: int) -> bytes:
        """At most `size` bytes of the section. Errors: ImageError if the file ends before."""
        expected = min(size, section.size - offset)
        self._file.seek(section.offset + offset)
        code = self._file.read(expected)
        if len(code) < expected:
            raise ImageError(f"{self.path} is cut short in section {section.name}: take a whole copy of it")
        return code

    def bytes_at(self, address: int, size: int) -> bytes:
        """At most `size` bytes that are loaded at the address; fewer where less is in the file."""
        for begin, file_bytes, offset in self._loaded:
            if begin <= address < begin + file_bytes:
                self._file.seek(offset + address - begin)
                return self._file.read(min(size, begin + file_bytes - address))
        return b""

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
