"""Machines: what an ELF header calls a machine, and what capstone is told to disassemble it.

Code references are read off the operands' text, since capstone's fast form has nothing else. That is done
for x86 and ARM; the instructions of other machines are listed without references.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import capstone

# (address, size, mnemonic, operands) -> the address that the instruction refers to, or None.
Target = Callable[[int, int, str, str], "int | None"]


@dataclass(frozen=True)
class Machine:
    """How to disassemble one kind of machine code."""

    name: str
    arch: int
    mode: int
    target: Target | None = None

    def disassembler(self) -> capstone.Cs:
        """A disassembler that passes bad bytes over as `.byte` (one byte, or one unit of code)."""
        engine = capstone.Cs(self.arch, self.mode)
        engine.skipdata = True
        return engine


def _x86_target(address: int, size: int, mnemonic: str, operands: str) -> int | None:
    """Direct jumps and calls, and whatever is addressed relative to RIP."""
    if operands.startswith("0x"):
        # "bnd jmp" and "notrack call" carry a prefix.
        name = mnemonic.rpartition(" ")[2]
        if name[0] == "j" or name == "call" or name.startswith("loop"):
            return int(operands, 16)
        return None
    start = operands.find("[rip ")
    if start < 0:
        return None
    # "[rip + 0x1234]" or "[rip - 8]"
    offset = int(operands[start + 7 : operands.index("]", start)], 0)
    return address + size + (offset if operands[start + 5] == "+" else -offset)


def _arm_target(address: int, size: int, mnemonic: str, operands: str) -> int | None:
    """Branches: b, bl, b.ne, cbz, tbnz and the like; the target is the last operand."""
    if mnemonic[0] != "b" and not mnemonic.startswith(("cb", "tb")):
        return None
    start = operands.rfind("#0x")
    if start < 0 or (mnemonic[0] == "b" and start > 0):
        return None
    return int(operands[start + 1 :], 16)


def _big_endian(machine: Machine) -> Machine:
    return Machine(machine.name, machine.arch, machine.mode | capstone.CS_MODE_BIG_ENDIAN, machine.target)


_MACHINES = {
    "EM_X86_64": Machine("x86-64", capstone.CS_ARCH_X86, capstone.CS_MODE_64, _x86_target),
    "EM_386": Machine("x86", capstone.CS_ARCH_X86, capstone.CS_MODE_32, _x86_target),
    "EM_AARCH64": Machine("AArch64", capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM, _arm_target),
    "EM_ARM": Machine("ARM", capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM, _arm_target),
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
    return machine if little_endian else _big_endian(machine)
