"""Relocations: an object file or a kernel module, laid out and linked with itself.

Such a file's sections have no addresses yet, and where an instruction refers to a symbol there are zeros:
read as they are, each call leads to the instruction behind it. So the sections are laid one after the
other, those with code first, and what the relocations say is put in. Symbols of other files get an address
each behind all sections, of which there is nothing but the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
from numpy.typing import NDArray

from .sections import Section
from .tables import COMMON, UNDEFINED, SymbolTable, relocation_rows

_BASE = 0x10000
_EXTERNAL_BYTES, _SLOT_BYTES = 16, 8
Values = NDArray[np.int64]


@dataclass(frozen=True)
class Form:
    """How a value is put into the bytes at an address."""

    width: int
    # (address of the symbol with the addend, address of what is changed) -> the value
    value: Callable[[Values, Values], Values]
    # Which bits of the word it takes, what it looks like there, and, in files without addends, what is there.
    mask: int
    encode: Callable[[Values], Values] = lambda value: value
    decode: Callable[[Values], Values] = lambda word: word
    # Whether it refers to a place that holds the symbol's address.
    by_slot: bool = False


def _signed(bits: int) -> Callable[[Values], Values]:
    return lambda word: ((word & ((1 << bits) - 1)) ^ (1 << (bits - 1))) - (1 << (bits - 1))


def _absolute(target: Values, _: Values) -> Values:
    return target


def _relative(target: Values, place: Values) -> Values:
    return target - place


def _pages(target: Values, place: Values) -> Values:
    return (target >> 12) - (place >> 12)


def _plain(width: int, value: Callable[[Values, Values], Values], by_slot: bool = False) -> Form:
    return Form(width, value, (1 << 8 * width) - 1 if width < 8 else -1, decode=_signed(32), by_slot=by_slot)


def _jump(bits: int, shift: int) -> Form:
    """A distance in words of four bytes, in so many bits."""
    mask = ((1 << bits) - 1) << shift
    return Form(
        4,
        _relative,
        mask,
        lambda value: (value >> 2) << shift,
        lambda word: _signed(bits)(word >> shift) << 2,
    )


def _low(shift: int) -> Form:
    """The twelve lower bits, in units of a load's or a store's size."""
    return Form(4, _absolute, 0xFFF << 10, lambda value: ((value & 0xFFF) >> shift) << 10)


def _encode_adr(value: Values) -> Values:
    return (value & 3) << 29 | ((value >> 2) & 0x7FFFF) << 5


def _encode_thumb(value: Values) -> Values:
    """A distance in two halfwords: S imm10, then J1 J2 imm11, where J is not (I xor S)."""
    sign, high, low = (value >> 24) & 1, (value >> 12) & 0x3FF, (value >> 1) & 0x7FF
    first, second = (value >> 23) & 1 ^ sign ^ 1, (value >> 22) & 1 ^ sign ^ 1
    return sign << 10 | high | (first << 13 | second << 11 | low) << 16


def _decode_thumb(word: Values) -> Values:
    sign, first, second = (word >> 10) & 1, (word >> 29) & 1, (word >> 27) & 1
    top = sign << 24 | (first ^ sign ^ 1) << 23 | (second ^ sign ^ 1) << 22
    return _signed(25)(top | (word & 0x3FF) << 12 | ((word >> 16) & 0x7FF) << 1)


_THUMB_JUMP = Form(4, _relative, 0x2FFF07FF, _encode_thumb, _decode_thumb)
# By machine and type.
_FORMS: dict[str, dict[int, Form]] = {
    "EM_X86_64": {
        1: _plain(8, _absolute),  # R_X86_64_64
        10: _plain(4, _absolute),  # R_X86_64_32
        11: _plain(4, _absolute),  # R_X86_64_32S
        24: _plain(8, _relative),  # R_X86_64_PC64
        2: _plain(4, _relative),  # R_X86_64_PC32
        4: _plain(4, _relative),  # R_X86_64_PLT32
        9: _plain(4, _relative, by_slot=True),  # R_X86_64_GOTPCREL
        41: _plain(4, _relative, by_slot=True),  # R_X86_64_GOTPCRELX
        42: _plain(4, _relative, by_slot=True),  # R_X86_64_REX_GOTPCRELX
    },
    "EM_386": {
        1: _plain(4, _absolute),  # R_386_32
        2: _plain(4, _relative),  # R_386_PC32
        4: _plain(4, _relative),  # R_386_PLT32
    },
    "EM_AARCH64": {
        257: _plain(8, _absolute),  # R_AARCH64_ABS64
        258: _plain(4, _absolute),  # R_AARCH64_ABS32
        260: _plain(8, _relative),  # R_AARCH64_PREL64
        261: _plain(4, _relative),  # R_AARCH64_PREL32
        283: _jump(26, 0),  # R_AARCH64_CALL26
        282: _jump(26, 0),  # R_AARCH64_JUMP26
        280: _jump(19, 5),  # R_AARCH64_CONDBR19
        279: _jump(14, 5),  # R_AARCH64_TSTBR14
        274: Form(4, _relative, 0x60FFFFE0, _encode_adr),  # R_AARCH64_ADR_PREL_LO21
        275: Form(4, _pages, 0x60FFFFE0, _encode_adr),  # R_AARCH64_ADR_PREL_PG_HI21
        277: _low(0),  # R_AARCH64_ADD_ABS_LO12_NC
        278: _low(0),  # R_AARCH64_LDST8_ABS_LO12_NC
        284: _low(1),  # R_AARCH64_LDST16_ABS_LO12_NC
        285: _low(2),  # R_AARCH64_LDST32_ABS_LO12_NC
        286: _low(3),  # R_AARCH64_LDST64_ABS_LO12_NC
        299: _low(4),  # R_AARCH64_LDST128_ABS_LO12_NC
    },
    "EM_ARM": {
        2: _plain(4, _absolute),  # R_ARM_ABS32
        38: _plain(4, _absolute),  # R_ARM_TARGET1
        3: _plain(4, _relative),  # R_ARM_REL32
        42: Form(4, _relative, 0x7FFFFFFF, decode=_signed(31)),  # R_ARM_PREL31
        1: _jump(24, 0),  # R_ARM_PC24
        27: _jump(24, 0),  # R_ARM_PLT32
        28: _jump(24, 0),  # R_ARM_CALL
        29: _jump(24, 0),  # R_ARM_JUMP24
        10: _THUMB_JUMP,  # R_ARM_THM_CALL
        30: _THUMB_JUMP,  # R_ARM_THM_JUMP24
    },
}


def known(e_machine: str) -> bool:
    """Whether object files of this machine can be linked here."""
    return e_machine in _FORMS


@dataclass
class Linked:
    """A relocatable file with addresses: as a linked one is."""

    elf: ELFFile
    parts: list[Any]
    # By the numbers of the file's sections.
    sections: dict[int, Section] = field(default_factory=dict)
    code: list[Section] = field(default_factory=list)
    # Symbols of other files, and places that hold the address of a symbol.
    names: dict[int, str] = field(default_factory=dict)
    applied: int = 0
    not_applied: int = 0

    def __post_init__(self) -> None:
        parts = [(number, part) for number, part in enumerate(self.parts) if _is_loaded(part)]
        parts.sort(key=lambda pair: not _is_code(pair[1]))
        position = _BASE
        for number, part in parts:
            position += -position % max(part["sh_addralign"], 1)
            data = b"" if part["sh_type"] == "SHT_NOBITS" else part.data()
            self.sections[number] = Section(part.name, position, part["sh_offset"], part["sh_size"], data)
            position += part["sh_size"]
        self._end = position + -position % _EXTERNAL_BYTES
        for part in self.parts:
            if isinstance(part, RelocationSection) and part["sh_info"] in self.sections:
                self._apply(part)
        self.code = [self.sections[number] for number, part in parts if _is_code(part)]

    def addresses(self, table: SymbolTable) -> NDArray[np.uint64]:
        """Where the symbols are: those of other files behind all sections."""
        bases = np.zeros(0x10000, "u8")
        for number, section in self.sections.items():
            bases[number] = section.address
        external = self._end + np.arange(table.rows.size, dtype="u8") * np.uint64(_EXTERNAL_BYTES)
        is_external = np.isin(table.rows["section"], (UNDEFINED, COMMON))
        return np.where(is_external, external, bases[table.rows["section"]] + table.rows["value"])

    def _apply(self, part: RelocationSection) -> None:
        """Puts what the relocations say into the bytes of the section that they are of."""
        symbols = self.parts[part["sh_link"]]
        if not isinstance(symbols, SymbolTableSection):
            return
        table = SymbolTable.of(self.elf, symbols.data(), symbols.stringtable.data())
        addresses = self.addresses(table).astype("i8")
        slots = self._end + table.rows.size * _EXTERNAL_BYTES
        section = self.sections[part["sh_info"]]
        rows = relocation_rows(self.elf, part.data(), part.is_RELA())
        rows = rows[(rows["symbol"] < table.rows.size) & (rows["type"] != 0)]
        data = np.frombuffer(section.data or b"", "u1").copy()
        forms = _FORMS[self.elf["e_machine"]]
        for kind in np.unique(rows["type"]).tolist():
            chosen = rows[rows["type"] == kind]
            form = forms.get(kind)
            if form is None:
                self.not_applied += chosen.size
                continue
            chosen = chosen[chosen["offset"] + np.uint64(form.width) <= data.size]
            numbers = chosen["symbol"]
            targets = slots + numbers.astype("i8") * _SLOT_BYTES if form.by_slot else addresses[numbers]
            self._name(table, np.unique(numbers), slots if form.by_slot else None)
            _patch(
                data,
                form,
                chosen["offset"].astype("i8"),
                targets,
                section.address,
                chosen["addend"],
                part.is_RELA(),
            )
            self.applied += chosen.size
        self.sections[part["sh_info"]] = Section(
            section.name, section.address, section.offset, section.size, data.tobytes()
        )

    def _name(self, table: SymbolTable, numbers: NDArray[np.uint32], slots: int | None) -> None:
        """Names what has an address only here."""
        for number in numbers.tolist():
            name = table.text_at(int(table.rows["name"][number]))
            if slots is not None and name:
                self.names[slots + number * _SLOT_BYTES] = f"address of {name}"
            if table.rows["section"][number] in (UNDEFINED, COMMON) and name:
                self.names[self._end + number * _EXTERNAL_BYTES] = name


def _patch(
    data: NDArray[np.uint8],
    form: Form,
    offsets: Values,
    targets: Values,
    base: int,
    addends: Values,
    has_addends: bool,
) -> None:
    places = offsets[:, np.newaxis] + np.arange(form.width)
    kind = "<i8" if form.width == 8 else "<i4"
    words = np.ascontiguousarray(data[places]).view(kind)[:, 0].astype("i8")
    values = form.value(targets + (addends if has_addends else form.decode(words)), offsets + base)
    words = words & ~form.mask | form.encode(values) & form.mask
    data[places] = words.astype("<i8").view("u1").reshape(-1, 8)[:, : form.width]


def _is_loaded(part: Any) -> bool:
    return bool(part["sh_flags"] & SH_FLAGS.SHF_ALLOC) and part["sh_size"] > 0


def _is_code(part: Any) -> bool:
    return bool(part["sh_flags"] & SH_FLAGS.SHF_EXECINSTR) and part["sh_type"] != "SHT_NOBITS"
