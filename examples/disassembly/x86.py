"""x86: kinds and targets of its instructions, as capstone writes them, and what is padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .texts import Texts

Addresses = NDArray[np.uint64]

KINDS = (
    # "bnd jmp", "notrack call" and "repz ret" carry a prefix.
    (r"(.* )?l?jmp", Kind.JUMP),
    (r"(.* )?(j\w+|loop\w*)", Kind.BRANCH),
    (r"(.* )?l?call", Kind.CALL),
    (r"(.* )?(ret\w*|iret\w*|sysret\w*|sysexit\w*|hlt|ud\d|int3)", Kind.STOP),
)
PADDING = r"nop|int3|hlt"
# "add [rax], al" of two zero bytes, and moves of a register to itself, of several lengths; the first byte
# is the lowest.
PADDING_WORDS = tuple(
    int.from_bytes(bytes.fromhex(code), "little")
    for code in [
        "0000",
        "89f6",
        "8d7600",
        "8d7f00",
        "8d742600",
        "8d7c2700",
        "8db600000000",
        "8dbf00000000",
        "8db42600000000",
        "8dbc2700000000",
        "2e8d742600",
        "2e8db42600000000",
    ]
)


def direct(operands: Texts, _: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """All of the operands is "0x1234", as of a jump or a call."""
    at = operands.find(b"0x")
    numbers = operands.number_of(at)
    is_first = at == operands.begins[numbers]
    at, numbers = at[is_first], numbers[is_first]
    return numbers, operands.hexadecimal(at + 2, numbers)


def relative(operands: Texts, behind: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """What is addressed relative to RIP: "[rip + 0x1234]" or "[rip - 8]"."""
    at = operands.find(b"[rip ")
    numbers = operands.number_of(at)
    in_hexadecimal = operands.byte_at(at + 8) == ord("x")
    offsets = operands.hexadecimal(np.where(in_hexadecimal, at + 9, at + 7), numbers)
    forward = operands.byte_at(at + 5) == ord("+")
    return numbers, np.where(forward, behind[numbers] + offsets, behind[numbers] - offsets)


def absolute(operands: Texts, _: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """What is addressed by a number alone: "[0x8049000]", without a segment before it."""
    at = operands.find(b"[0x")
    numbers = operands.number_of(at)
    plain = operands.byte_at(at - 1) != ord(":")
    at, numbers = at[plain], numbers[plain]
    return numbers, operands.hexadecimal(at + 3, numbers)
