"""An ELF file: its executable sections and their bytes, as they are when the program is loaded."""

from __future__ import annotations

import os
from bisect import bisect_right
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from elftools.elf.elffile import ELFFile

from . import machine, relocations, sections
from .sections import Section

_MAGIC = b"\x7fELF"
# Of a section's end; addresses behind an instruction are computed in 64 bits.
_HIGHEST = 2**64 - 2**16
_ARM_BE8 = 0x00800000


class ImageError(Exception):
    """The file cannot be disassembled; the message says why, and what to do."""


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
        self._file_bytes = os.fstat(self._file.fileno()).st_size
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise ImageError(f"{self.path} is not an ELF file: name a program or a library")
        try:
            self.elf = ELFFile(self._file)
            self._require_program()
            self._read_sections()
        except ImageError:
            raise
        except Exception as error:  # a damaged header makes pyelftools raise whatever it stumbles over
            raise ImageError(f"{self.path} is damaged ({error}): take a whole copy of it") from error
        self._check()

    def _require_program(self) -> None:
        """Refuses what is no code of a machine known here, linked or that can be."""
        self.e_machine: str = self.elf["e_machine"]
        if not machine.known(self.e_machine):
            raise ImageError(
                f"{self.path} is for {self.e_machine}, which disassembly/machine.py does not know"
            )
        if self.elf["e_type"] == "ET_CORE":
            raise ImageError(f"{self.path} is a core dump: name the program that it is of")
        if self.elf["e_type"] == "ET_REL" and not relocations.known(self.e_machine):
            raise ImageError(
                f"{self.path} is a relocatable file (an object or a kernel module): where its calls lead to "
                "is known when it is linked, which disassembly/relocations.py cannot do for "
                f"{self.e_machine}; link it, as by `ld -o program`, and name the program"
            )

    def _read_sections(self) -> None:
        self.entry: int = self.elf["e_entry"]
        # Once: each walk over them has pyelftools read all hash tables again.
        self.all_sections = list(self.elf.iter_sections())
        # Of a relocatable file; None of one that came linked.
        self.linked: relocations.Linked | None = None
        if self.elf["e_type"] == "ET_REL":
            self.linked = relocations.Linked(self.elf, self.all_sections)
            self.sections = self.linked.code
            self._loaded = list(self.linked.sections.values())
        else:
            self.sections = sections.executable(self.elf, self.all_sections)
            self._loaded = sections.loaded(self.elf)

    def _check(self) -> None:
        if not self.sections:
            raise ImageError(
                f"{self.path} has no executable section: it holds only data or debug information"
            )
        self._check_places()
        if self.sections_overlap():
            raise ImageError(f"{self.path} is damaged: it has sections that overlap; take another copy of it")
        self._begins = [section.address for section in self.sections]

    def _check_places(self) -> None:
        """A header that is cut short or damaged may say anything of where its sections are."""
        for section in self.sections:
            if section.offset + section.size > self._file_bytes:
                raise ImageError(
                    f"{self.path} is cut short: it has {self._file_bytes} bytes, section {section.name} ends "
                    f"at {section.offset + section.size}; take a whole copy of it"
                )
            if section.address + section.size > _HIGHEST:
                raise ImageError(
                    f"{self.path} is damaged: section {section.name} lies at {section.address:#x}, beyond "
                    "what can be addressed; take another copy of it"
                )

    def sections_overlap(self) -> bool:
        """Whether two executable sections share addresses."""
        self.sections.sort(key=lambda section: section.address)
        return any(a.address + a.size > b.address for a, b in pairwise(self.sections))

    @cached_property
    def machine(self) -> machine.Machine:
        return machine.machine_of(self.e_machine, self.code_is_little_endian)

    @property
    def code_is_little_endian(self) -> bool:
        """Of ARM files with EF_ARM_BE8 only the data is big-endian."""
        is_be8 = self.e_machine == "EM_ARM" and bool(self.elf["e_flags"] & _ARM_BE8)
        return is_be8 or bool(self.elf.little_endian)

    @cached_property
    def global_table(self) -> int:
        """The address of the global offset table, by its section or as the dynamic linker knows it; or 0."""
        places = {section.name: section["sh_addr"] for section in self.all_sections}
        if found := places.get(".got.plt") or places.get(".got"):
            return int(found)
        with suppress(Exception):  # whatever reading a damaged table stumbles over
            tags = [
                tag for part in self.elf.iter_segments("PT_DYNAMIC") for tag in part.iter_tags("DT_PLTGOT")
            ]
            return int(tags[0]["d_ptr"])
        return 0

    @property
    def code_bytes(self) -> int:
        return sum(section.size for section in self.sections)

    def contains(self, address: int) -> bool:
        """Whether there is code at the address."""
        number = bisect_right(self._begins, address) - 1
        return number >= 0 and address < self.sections[number].end

    def clip(self, code_bytes: int) -> None:
        """Keeps so many bytes of code, the first ones, and leaves out the rest."""
        kept = []
        for section in self.sections:
            if code_bytes > 0:
                kept.append(replace(section, size=min(section.size, code_bytes)))
            code_bytes -= section.size
        self.sections = kept
        self._begins = [section.address for section in kept]

    def start(self) -> int | None:
        """The entry point, or, where there is none (most libraries), the first byte of code."""
        if self.linked is not None:
            return None
        entry = self.entry & ~self.machine.mode_bit
        if self.contains(entry):
            return entry
        return next((s.address for s in self.sections if s.name == ".text"), self.sections[0].address)

    def read(self, section: Section, offset: int, size: int) -> bytes:
        """At most `size` bytes of the section. Errors: ImageError if the file ends before."""
        expected = min(size, section.size - offset)
        code = self._bytes(section, offset, expected)
        if len(code) < expected:
            raise ImageError(f"{self.path} is cut short in section {section.name}: take a whole copy of it")
        return code

    def bytes_at(self, address: int, size: int) -> bytes:
        """At most `size` bytes that are loaded at the address; fewer where less is in the file."""
        for section in self._loaded:
            if section.address <= address < section.end:
                return self._bytes(section, address - section.address, min(size, section.end - address))
        return b""

    def _bytes(self, section: Section, offset: int, size: int) -> bytes:
        if section.data is not None:
            return section.data[offset : offset + size]
        begin = section.offset + offset
        self._file.seek(begin)
        return self._file.read(max(min(size, self._file_bytes - begin), 0))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
