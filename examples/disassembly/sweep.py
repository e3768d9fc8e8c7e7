"""A linear sweep: the bytes of executable sections to instructions, a batch at a time.

capstone disassembles all it is given before it hands out the first instruction, at some 250 bytes each, so
it is given a piece at a time: memory stays the same for a file of any size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from .image import Image, Section
from .machine import LONGEST_INSTRUCTION

# Some 15,000 instructions, 4 MB of capstone's.
_PIECE_BYTES = 64 << 10

# What one instruction is in the listing: size, mnemonic, operands.
Instruction = tuple[int, str, str]


@dataclass
class Batch:
    """The instructions of one piece of code, and what they refer to."""

    code_bytes: int = 0
    instructions: list[tuple[int, Instruction]] = field(default_factory=list)
    # (target, source)
    references: list[tuple[int, int]] = field(default_factory=list)


def sweep(image: Image) -> Iterator[Batch]:
    """All code of the image in the order of addresses."""
    for section in image.sections:
        yield from _sweep_section(image, section)


def _sweep_section(image: Image, section: Section) -> Iterator[Batch]:
    disassembler = image.machine.disassembler()
    target_of = image.machine.target
    intern = sys.intern
    position = 0
    while position < section.size:
        # An instruction belongs to the piece in which it starts; the bytes behind complete the last one.
        limit = section.address + min(position + _PIECE_BYTES, section.size)
        code = image.read(section, position, _PIECE_BYTES + LONGEST_INSTRUCTION)
        begin = section.address + position
        batch = Batch()
        end = begin
        for address, size, mnemonic, operands in disassembler.disasm_lite(code, begin):
            if address >= limit:
                break
            end = address + size
            batch.instructions.append((address, (size, intern(mnemonic), operands)))
            target = target_of(address, size, mnemonic, operands) if target_of else None
            if target is not None:
                batch.references.append((target, address))
        if end == begin:  # less than a unit of code is left
            end = section.address + section.size
        batch.code_bytes = end - begin
        position += batch.code_bytes
        yield batch
