"""Machines: what an ELF header calls a machine, how capstone disassembles it, and how its code flows.

Kinds and targets are read off capstone's text, since its fast form has nothing else; the kind of each
mnemonic once, the targets of many instructions at a time. That is done for x86 and ARM; the instructions of
other machines are listed without references, and each of their functions is one block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import capstone
import numpy as np
from numpy.typing import NDArray

from . import arm, dispatch, x86
from .dispatch import Jump, Table
from .kinds import Kind
from .texts import Texts

Addresses = NDArray[np.uint64]
# (operands, the addresses behind the instructions) -> the numbers of those that refer to something, and to
# what.
Targets = Callable[[Texts, Addresses], tuple[NDArray[np.int64], Addresses]]
# operands -> the numbers of some of them
Numbers = Callable[[Texts], NDArray[np.int64]]


@dataclass(frozen=True)
class Machine:
    """How to disassemble one kind of machine code."""

    name: str
    arch: int
    mode: int
    # The first pattern that fits the whole mnemonic tells its kind.
    kinds: tuple[tuple[str, Kind], ...] = ()
    # Addresses that are an operand themselves: where branches go to. Constants may look the same.
    direct: Targets | None = None
    # Addresses of data that an operand is in.
    indirect: Targets | None = None
    # The kinds of mnemonics whose operands write the program counter, which instructions those are, and
    # which of the jumps are returns.
    writing_kinds: tuple[tuple[str, Kind], ...] = ()
    writes_counter: Numbers | None = None
    returns: Numbers | None = None
    # The tables that a jump may go through.
    tables: Callable[[Jump], Iterator[Table]] | None = None
    # What fills the space between functions: a pattern of mnemonics, and instructions as numbers.
    padding: str = ""
    padding_words: tuple[int, ...] = ()
    # By the letter of a mapping symbol, capstone's mode, None for data; and the bit of a function's address
    # that tells of the encoding.
    encodings: dict[str, int | None] = field(default_factory=dict)
    mode_bit: int = 0

    @property
    def reads_calls(self) -> bool:
        """Whether it is known which instructions jump and call, and where to."""
        return bool(self.kinds)

    def disassembler(self, mode: int | None = None) -> capstone.Cs:
        """A disassembler that passes bad bytes over as `.byte` (one byte, or one unit of code)."""
        engine = capstone.Cs(self.arch, self.mode if mode is None else mode)
        engine.skipdata = True
        return engine

    def kind_of(self, mnemonic: str) -> int:
        """The Kind of an instruction; 0 if it just goes on."""
        return _first(self.kinds, mnemonic)

    def writing_kind_of(self, mnemonic: str) -> int:
        """The Kind of an instruction that writes the program counter."""
        return _first(self.writing_kinds, mnemonic)

    def is_padding(self, mnemonic: str) -> bool:
        return re.fullmatch(self.padding, mnemonic) is not None


def _first(kinds: tuple[tuple[str, Kind], ...], mnemonic: str) -> int:
    return next((kind for pattern, kind in kinds if re.fullmatch(pattern, mnemonic)), 0)


_THUMB, _ARM = capstone.CS_MODE_THUMB, capstone.CS_MODE_ARM
_RISCV = capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC
_X86 = Machine(
    "x86",
    capstone.CS_ARCH_X86,
    capstone.CS_MODE_32,
    x86.KINDS,
    x86.direct,
    x86.absolute,
    tables=dispatch.x86,
    padding=x86.PADDING,
    padding_words=x86.PADDING_WORDS,
)
_MACHINES = {
    "EM_386": _X86,
    "EM_X86_64": replace(
        _X86, name="x86-64", mode=capstone.CS_MODE_64, indirect=x86.relative, tables=dispatch.x86_64
    ),
    "EM_AARCH64": Machine(
        "AArch64",
        capstone.CS_ARCH_ARM64,
        _ARM,
        arm.KINDS_64,
        arm.direct,
        tables=dispatch.aarch64,
        padding=arm.PADDING_64,
        padding_words=arm.PADDING_WORDS,
        encodings={"x": _ARM, "d": None},
    ),
    "EM_ARM": Machine(
        "ARM",
        capstone.CS_ARCH_ARM,
        _ARM,
        arm.KINDS,
        arm.direct,
        writing_kinds=arm.WRITING_KINDS,
        writes_counter=arm.writes_counter,
        returns=arm.returns,
        tables=dispatch.arm,
        padding=arm.PADDING,
        padding_words=arm.PADDING_WORDS,
        encodings={"a": _ARM, "t": _THUMB, "d": None},
        mode_bit=1,
    ),
    "EM_RISCV": Machine("RISC-V", capstone.CS_ARCH_RISCV, _RISCV, encodings={"x": _RISCV, "d": None}),
    "EM_PPC64": Machine("POWER", capstone.CS_ARCH_PPC, capstone.CS_MODE_64),
    "EM_PPC": Machine("PowerPC", capstone.CS_ARCH_PPC, capstone.CS_MODE_32),
    "EM_S390": Machine("z/Architecture", capstone.CS_ARCH_SYSZ, capstone.CS_MODE_BIG_ENDIAN),
    "EM_SPARCV9": Machine("SPARC", capstone.CS_ARCH_SPARC, capstone.CS_MODE_V9 | capstone.CS_MODE_BIG_ENDIAN),
    "EM_MIPS": Machine("MIPS", capstone.CS_ARCH_MIPS, capstone.CS_MODE_MIPS64),
}

# The longest instruction of any machine above, in bytes.
LONGEST_INSTRUCTION = 16


def known(e_machine: str) -> bool:
    """Whether this program can disassemble that machine's code."""
    return e_machine in _MACHINES


def machine_of(e_machine: str, little_endian: bool) -> Machine:
    """The machine of an ELF header. Errors: KeyError for one that is not in the table."""
    machine = _MACHINES[e_machine]
    if little_endian:
        return machine
    big = capstone.CS_MODE_BIG_ENDIAN
    encodings = {letter: mode if mode is None else mode | big for letter, mode in machine.encodings.items()}
    return replace(machine, mode=machine.mode | big, encodings=encodings)
