"""An ELF file: its executable sections, its symbols, and which file to take when none is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from . import machine

# A default of this much code takes a minute or so, and is enough to see the memory differ.
_DEFAULT_CODE_BYTES = range(10 << 20, 40 << 20)
_LARGEST_LOOKED_AT = 60

_LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt")
# Where a machine has few libraries, the compiler itself is the largest program there is.
_COMPILERS = ("/usr/lib/gcc/*/*/cc1plus", "/usr/libexec/gcc/*/*/cc1plus")


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
        except ELFError as error:
            self._file.close()
            raise ImageError(f"{path} is not an ELF file ({error}): name a program or a library") from None
        except ImageError:
            self._file.close()
            raise
        except Exception as error:  # a damaged header makes pyelftools raise whatever it stumbles over
            self._file.close()
            raise ImageError(f"{path} is damaged ({error!r}): take a whole copy of it") from error

    def _read_header(self) -> None:
        self._elf = ELFFile(self._file)
        self.e_machine: str = self._elf["e_machine"]
        self.entry: int = self._elf["e_entry"]
        self.sections = [
            Section(section.name, section["sh_addr"], section["sh_offset"], section["sh_size"])
            for section in self._elf.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
            and section["sh_type"] != "SHT_NOBITS"
            and section["sh_size"] > 0
        ]
        if not self.sections:
            raise ImageError(
                f"{self.path} has no executable section: it holds only data or debug information"
            )
        if self.sections_overlap():
            raise ImageError(f"{self.path} has overlapping sections (an object file?): name a linked program")
        if not machine.known(self.e_machine):
            raise ImageError(
                f"{self.path} is for {self.e_machine}, which disassembly/machine.py does not know"
            )

    def sections_overlap(self) -> bool:
        """Whether two executable sections share addresses, as those of object files (all at 0) do."""
        self.sections.sort(key=lambda section: section.address)
        return any(a.address + a.size > b.address for a, b in pairwise(self.sections))

    @property
    def machine(self) -> machine.Machine:
        return machine.machine_of(self.e_machine, self._elf.little_endian)

    @property
    def code_bytes(self) -> int:
        return sum(section.size for section in self.sections)

    def contains(self, address: int) -> bool:
        """Whether there is code at the address."""
        return any(s.address <= address < s.address + s.size for s in self.sections)

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

    def names(self, addresses: set[int]) -> dict[int, str]:
        """The symbols at these addresses, and those that the dynamic linker puts there.

        Cost: a walk over symbol tables and relocations. Damaged tables are read as far as they go.
        """
        found: dict[int, str] = {}
        # pyelftools raises whatever it stumbles over, and a name more or less is no reason to stop.
        with suppress(Exception):
            for section in self._elf.iter_sections():
                if isinstance(section, SymbolTableSection):
                    self._add_symbols(section, addresses, found)
                elif isinstance(section, RelocationSection):
                    self._add_relocations(section, addresses, found)
        return found

    def _add_symbols(self, section: SymbolTableSection, addresses: set[int], found: dict[int, str]) -> None:
        for symbol in section.iter_symbols():
            if symbol["st_value"] in addresses and symbol.name:
                found.setdefault(symbol["st_value"], symbol.name)

    def _add_relocations(
        self, section: RelocationSection, addresses: set[int], found: dict[int, str]
    ) -> None:
        symbols = self._elf.get_section(section["sh_link"])
        if not isinstance(symbols, SymbolTableSection):
            return
        for relocation in section.iter_relocations():
            if relocation["r_offset"] in addresses and relocation["r_info_sym"]:
                name = symbols.get_symbol(relocation["r_info_sym"]).name
                found.setdefault(relocation["r_offset"], f"address of {name}")

    def close(self) -> None:
        self._file.close()


def _libraries() -> Iterator[Path]:
    """The files that are shared libraries by name; a link is left to the file that it leads to."""
    folders = [*_LIBRARY_FOLDERS, os.path.join(sys.base_prefix, "lib")]
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if ".so" in name and path.is_file() and not path.is_symlink():
                    yield path


def _compilers() -> Iterator[Path]:
    for pattern in _COMPILERS:
        yield from Path("/").glob(pattern.lstrip("/"))


def _largest(paths: Iterator[Path]) -> list[Path]:
    """The largest files of them, each file once."""
    sizes = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        sizes[stat.st_dev, stat.st_ino] = (stat.st_size, path)
    ordered = sorted(sizes.values(), key=lambda item: (-item[0], str(item[1])))
    return [path for _, path in ordered[:_LARGEST_LOOKED_AT]]


def _code_bytes(path: Path) -> int:
    """The size of the code in a file; 0 where there is none that this program can read."""
    try:
        image = Image(path)
    except ImageError:
        return 0
    image.close()
    return image.code_bytes


def default_file() -> tuple[Path, str]:
    """A large library of this machine, and why that one.

    The library with the most code below 40 MiB, if that is 10 MiB or more; else the compiler, if it has that;
    else whatever comes nearest. Errors: ImageError if there is none at all.
    """
    sizes = {path: _code_bytes(path) for path in _largest(_libraries())}
    if not any(size in _DEFAULT_CODE_BYTES for size in sizes.values()):
        sizes.update((path, _code_bytes(path)) for path in _compilers())
    fitting = {path: size for path, size in sizes.items() if size in _DEFAULT_CODE_BYTES}
    if fitting:
        return max(fitting, key=fitting.__getitem__), "the most code below 40 MiB of the libraries found"
    sizes = {path: size for path, size in sizes.items() if size > 0}
    if not sizes:
        raise ImageError("no shared library was found in the usual places: name a file, as in FILE=/bin/bash")
    small = {path: size for path, size in sizes.items() if size < _DEFAULT_CODE_BYTES.start}
    if small:
        return max(small, key=small.__getitem__), "the most code of the libraries found"
    return min(sizes, key=sizes.__getitem__), "the least code of the large libraries found"
