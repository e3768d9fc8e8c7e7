"""Machines: what an ELF header calls a machine, how capstone disassembles it, and how its code flows.

Kinds and targets are read off capstone's text, since its fast form has nothing else; the kind of each
mnemonic once, the targets of many instructions at a time. That is done for x86 and ARM; the instructions of
other machines are listed without references, and each of their functions is one block.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import capstone
import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .texts import Texts

Addresses = NDArray[np.uint64]
# (operands, the addresses behind the instructions) -> the numbers of those that refer to something, and to
# what.
Targets = Callable[[Texts, Addresses], tuple[NDArray[np.int64], Addresses]]


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
    # The type of the entries of a switch's table, if they are relative to the table.
    table: str = ""

    def disassembler(self) -> capstone.Cs:
        """A disassembler that passes bad bytes over as `.byte` (one byte, or one unit of code)."""
        engine = capstone.Cs(self.arch, self.mode)
        engine.skipdata = True
        return engine

    def kind_of(self, mnemonic: str) -> int:
        """The Kind of an instruction; 0 if it just goes on."""
        return next((kind for pattern, kind in self.kinds if re.fullmatch(pattern, mnemonic)), 0)


_X86_KINDS = (
    # "bnd jmp", "notrack call" and "repz ret" carry a prefix.
    (r"(.* )?l?jmp", Kind.JUMP),
    (r"(.* )?(j\w+|loop\w*)", Kind.BRANCH),
    (r"(.* )?l?call", Kind.CALL),
    (r"(.* )?(ret\w*|iret\w*|sysret\w*|sysexit\w*|hlt|ud\d|int3)", Kind.STOP),
)
_ARM64_KINDS = (
    (r"b", Kind.JUMP),
    (r"br\w*", Kind.JUMP),
    (r"bc?\.\w+|cbn?z|tbn?z", Kind.BRANCH),
    (r"bl|blr\w*", Kind.CALL),
    (r"ret\w*|eret\w*|udf|brk|hlt", Kind.STOP),
    (r"adr", Kind.DATA),
)
_CONDITION = "(eq|ne|hs|cs|lo|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
_ARM_KINDS = (
    (r"b|bx", Kind.JUMP),
    (rf"b{_CONDITION}|bx{_CONDITION}|cbn?z", Kind.BRANCH),
    (rf"blx?{_CONDITION}?", Kind.CALL),
    (r"udf", Kind.STOP),
)


def _x86_direct(operands: Texts, _: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """All of the operands is "0x1234", as of a jump or a call."""
    at = operands.find(b"0x")
    numbers = operands.number_of(at)
    is_first = at == operands.begins[numbers]
    at, numbers = at[is_first], numbers[is_first]
    return numbers, operands.hexadecimal(at + 2, numbers)


def _x86_indirect(operands: Texts, behind: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """What is addressed relative to RIP: "[rip + 0x1234]" or "[rip - 8]"."""
    at = operands.find(b"[rip ")
    numbers = operands.number_of(at)
    in_hexadecimal = operands.byte_at(at + 8) == ord("x")
    offsets = operands.hexadecimal(np.where(in_hexadecimal, at + 9, at + 7), numbers)
    forward = operands.byte_at(at + 5) == ord("+")
    return numbers, np.where(forward, behind[numbers] + offsets, behind[numbers] - offsets)


def _arm_direct(operands: Texts, _: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """The last operand, if it is "#0x1234": of b, bl, cbz x0, tbz w0, #3, adr x0 and the like."""
    at = operands.find(b"#0x")
    numbers = operands.number_of(at)
    last = np.append(numbers[1:] != numbers[:-1], np.ones(min(numbers.size, 1), "?"))
    return numbers[last], operands.hexadecimal(at[last] + 3, numbers[last])


_MACHINES = {
    "EM_X86_64": Machine(
        "x86-64", capstone.CS_ARCH_X86, capstone.CS_MODE_64, _X86_KINDS, _x86_direct, _x86_indirect, "<i4"
    ),
    "EM_386": Machine("x86", capstone.CS_ARCH_X86, capstone.CS_MODE_32, _X86_KINDS, _x86_direct),
    "EM_AARCH64": Machine("AArch64", capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM, _ARM64_KINDS, _arm_direct),
    "EM_ARM": Machine("ARM", capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM, _ARM_KINDS, _arm_direct),
    "EM_RISCV": Machine("RISC-V", capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
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
    return machine if little_endian else replace(machine, mode=machine.mode | capstone.CS_MODE_BIG_ENDIAN)
