"""Dispatch: how compilers translate a switch, on each machine: where the table is, and what its entries say.

A table is told by the jump and what is right before it. It holds addresses, or distances from somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .kinds import Kind
from .members import Program


@dataclass(frozen=True)
class Table:
    """Entry number i leads to `base + scale * entry`."""

    address: int
    # As NumPy names types; "" of a table of jumps, which are its own entries.
    entries: str
    base: int = 0
    scale: int = 1


class Instructions:
    """The instructions of a program, to look at here and there; nothing may be appended while it is there."""

    def __init__(self, program: Program) -> None:
        self._instructions = program.instructions
        self._mnemonics = list(program.mnemonics)
        self._operands = program.operands.view()

    def mnemonic(self, address: int) -> str:
        return str(self._mnemonics[int(self._instructions[address][1])])

    def operands(self, address: int) -> str:
        _, _, length, place = map(int, self._instructions[address])
        return self._operands[place : place + length].tobytes().decode("ascii")


@dataclass(frozen=True)
class Jump:
    """A jump whose target is computed, and the instructions of its function that are right before it."""

    address: int
    before: list[int]
    instructions: Instructions
    references: Any
    # What position-independent code of 32 bits counts from; 0 if there is none.
    global_table: int = 0

    @property
    def operands(self) -> str:
        return self.instructions.operands(self.address)

    def data(self) -> Iterator[int]:
        """Addresses of data that the instructions before the jump refer to, the nearest first."""
        for address in reversed(self.before):
            if address in self.references:
                for target, edge in self.references[address].items():
                    if edge["kind"] == Kind.DATA:
                        yield target

    def bound(self) -> int | None:
        """How many entries the comparison before the jump lets through; None if there is none."""
        extra = None
        for address in (self.address, *reversed(self.before)):
            mnemonic = self.instructions.mnemonic(address)
            if extra is None and _UNSIGNED.fullmatch(mnemonic):
                extra = 1 if _OR_EQUAL.fullmatch(mnemonic) else 0
            elif extra is not None and mnemonic in ("cmp", "cmp.w"):
                number = re.search(r", #?(0x[0-9a-f]+|\d+)$", self.instructions.operands(address))
                return int(number[1], 0) + extra if number else None
        return None


# Branches on an unsigned comparison, and ARM's conditional jumps through a table.
_UNSIGNED = re.compile(r"j(?:ae?|be?)|(?:b\.?|add|ldr)(?:hi|ls|hs|cs|lo|cc)(?:\.[wn])?")
_OR_EQUAL = re.compile(r"ja|jbe|\w+?\.?(?:hi|ls)(?:\.[wn])?")
_NUMBER = re.compile(r"\[(?:(\w+) \+ )?\w+\*[48] ([+-]) 0x(\w+)\]")


def x86_64(jump: Jump) -> Iterator[Table]:
    """A jump to "[i*8 + table]"; or "lea r, [rip + table]", and a jump to "[r + i*8]" or to r + that."""
    if jump.address in jump.references:  # it jumps through memory that it names itself
        return
    operands = jump.operands
    if found := _NUMBER.search(operands):
        if found[1] is None:
            yield Table(_displacement(found), "<u8")
    elif "*8]" in operands:
        yield from (Table(address, "<u8") for address in jump.data())
    elif "[" not in operands:
        yield from (Table(address, "<i4", address) for address in jump.data())


def x86(jump: Jump) -> Iterator[Table]:
    """A jump to "[i*4 + table]", to "[r + i*4 - 0x1000]", or to r + that.

    The register has the address of the global offset table, from which position-independent code counts.
    """
    operands = jump.operands
    if found := _NUMBER.search(operands):
        yield Table(_displacement(found) + (jump.global_table if found[1] else 0), "<u4")
    elif "[" not in operands and jump.global_table:
        for address in reversed(jump.before[-4:]):
            if (found := _NUMBER.search(jump.instructions.operands(address))) and found[1]:
                yield Table(jump.global_table + _displacement(found), "<i4", jump.global_table)


def _displacement(found: re.Match[str]) -> int:
    return int(found[3], 16) * (1 if found[2] == "+" else -1)


def arm(jump: Jump) -> Iterator[Table]:
    """The table follows "ldrls pc, [pc, i, lsl #2]", "addls pc, pc, i, lsl #2", "tbb [pc, i]", "tbh ..."."""
    mnemonic, operands = jump.instructions.mnemonic(jump.address), jump.operands
    if mnemonic.startswith("tb") and operands.startswith("[pc, "):
        yield Table(jump.address + 4, "<u1" if mnemonic.startswith("tbb") else "<u2", jump.address + 4, 2)
    elif mnemonic.startswith("ldr") and re.fullmatch(r"pc, \[pc, \w+, lsl #2\]", operands):
        yield Table(jump.address + 8, "<u4")
    elif mnemonic.startswith("add") and re.fullmatch(r"pc, pc, \w+, lsl #2", operands):
        yield Table(jump.address + 8, "")


_LOADS = {"ldrb": "<u1", "ldrh": "<u2", "ldr": "<u4", "ldrsb": "<i1", "ldrsh": "<i2", "ldrsw": "<i4"}
_EXTENSIONS = {"sxtb": "<i1", "sxth": "<i2", "sxtw": "<i4", "uxtb": "<u1", "uxth": "<u2", "uxtw": "<u4"}


def aarch64(jump: Jump) -> Iterator[Table]:
    """An entry is loaded from a table and perhaps added to a base, as the registers' contents tell."""
    known: dict[str, int] = {}
    loaded: dict[str, Table] = {}
    for address in jump.before:
        mnemonic, operands = jump.instructions.mnemonic(address), jump.instructions.operands(address)
        if not operands:
            continue
        # A register's lower half is the same register.
        target, *rest = [re.sub(r"^w(?=\d)", "x", part) for part in re.split(r"[\[\], ]+", operands) if part]
        value, table = None, None
        if mnemonic in ("adr", "adrp") and len(rest) == 1:
            value = int(rest[0].lstrip("#"), 0)
        elif mnemonic == "add" and len(rest) == 2 and rest[0] in known and rest[1].startswith("#"):
            value = known[rest[0]] + int(rest[1][1:], 0)
        elif mnemonic in _LOADS and len(rest) > 1 and rest[0] in known and not rest[1].startswith("#"):
            wide = mnemonic == "ldr" and operands.startswith("x")
            table = Table(known[rest[0]], "<u8" if wide else _LOADS[mnemonic])
        elif mnemonic == "add" and len(rest) > 1:
            table = _sum(known, loaded, *rest)
        known.pop(target, None)
        loaded.pop(target, None)
        if value is not None:
            known[target] = value
        if table is not None:
            loaded[target] = table
    if (register := jump.operands) in loaded:
        yield loaded[register]


def _sum(known: dict[str, int], loaded: dict[str, Table], one: str, other: str, *how: str) -> Table | None:
    """A base with an entry, which may be extended and shifted: "x0, w1, sxtb #2"."""
    if one in loaded and other in known:
        one, other = other, one
    if one not in known or other not in loaded:
        return None
    table = loaded[other]
    entries = next((_EXTENSIONS[word] for word in how if word in _EXTENSIONS), table.entries)
    if int(entries[2]) > int(table.entries[2]):  # no more than was loaded
        entries = table.entries
    shift = next((int(word[1:], 0) for word in how if word.startswith("#")), 0)
    return Table(table.address, entries, known[one], 1 << shift)
