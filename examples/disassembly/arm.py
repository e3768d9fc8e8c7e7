"""ARM, Thumb and AArch64: kinds and targets of their instructions, as capstone writes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .texts import Texts

Addresses = NDArray[np.uint64]

KINDS_64 = (
    (r"b", Kind.JUMP),
    (r"br(a[ab]z?)?", Kind.JUMP),
    (r"bc?\.\w+|cbn?z|tbn?z", Kind.BRANCH),
    (r"bl|blr\w*", Kind.CALL),
    (r"ret\w*|eret\w*|drps|udf|brk|hlt", Kind.STOP),
    (r"adr", Kind.DATA),
)
_CONDITION = "(eq|ne|hs|cs|lo|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
_SIZE = r"(\.[wn])?"
KINDS = (
    (rf"(b|bxj?|bxns|tb[bh]){_SIZE}", Kind.JUMP),
    (rf"(b|bxj?){_CONDITION}{_SIZE}|cbn?z", Kind.BRANCH),
    (rf"(blx?|blxns){_CONDITION}?{_SIZE}", Kind.CALL),
    (rf"(udf|bkpt|eret|rfe\w*){_SIZE}", Kind.STOP),
)
_WRITERS = "(mov|mvn|add|adc|sub|sbc|rsb|rsc|and|orr|eor|bic|lsl|lsr|asr|ror|ldr|pop|ldm(ia|ib|da|db)?)s?"
# Of those instructions that write the program counter.
WRITING_KINDS = (
    (rf"{_WRITERS}{_SIZE}", Kind.JUMP),
    (rf"{_WRITERS}{_CONDITION}{_SIZE}", Kind.BRANCH),
)
PADDING = r"nop(\.w)?"
PADDING_64 = r"nop"
# Zeros; "mov r0, r0", "mov r8, r8" of Thumb. The first byte is the lowest.
PADDING_WORDS = (0, 0xE1A00000, 0x46C0)


def direct(operands: Texts, _: Addresses) -> tuple[NDArray[np.int64], Addresses]:
    """The last operand, if it is "#0x1234": of b, bl, cbz x0, tbz w0, #3, adr x0 and the like."""
    at = operands.find(b"#0x")
    numbers = operands.number_of(at)
    last = np.append(numbers[1:] != numbers[:-1], np.ones(min(numbers.size, 1), "?"))
    return numbers[last], operands.hexadecimal(at[last] + 3, numbers[last])


def writes_counter(operands: Texts) -> NDArray[np.int64]:
    """The program counter is the first operand, or the last one of a list of registers."""
    at = operands.find(b"pc")
    numbers = operands.number_of(at)
    return numbers[(at == operands.begins[numbers]) | (operands.byte_at(at + 2) == ord("}"))]


def returns(operands: Texts) -> NDArray[np.int64]:
    """Goes to what the link register or the stack keeps: "lr", "pc, lr", "pc, [sp]", "{r4, pc}"."""
    link, counter = operands.find(b"lr"), operands.find(b"pc")
    of_link, of_counter = operands.number_of(link), operands.number_of(counter)
    begins = operands.begins
    alone = (link == begins[of_link]) & (link + 2 == operands.ends[of_link])
    moved = (link == begins[of_link] + 4) & (operands.byte_at(begins[of_link]) == ord("p"))
    listed = operands.byte_at(counter + 2) == ord("}")
    stacked = (counter == begins[of_counter]) & (operands.byte_at(counter + 5) == ord("s"))
    return np.concatenate((of_link[alone | moved], of_counter[listed | stacked]))
