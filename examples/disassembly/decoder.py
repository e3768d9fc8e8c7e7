"""The decoder: bytes to arrays of instructions.

capstone's own loops hand out an object an instruction, which costs more than to disassemble it. Here its C
function is called as they call it, and what it returns, an array of structures, is read as one by NumPy.
capstone puts all instructions of a call into memory at some 250 bytes each, so it is given a piece of the
code at a time.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import capstone
import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .machine import Machine
from .texts import Texts

_FIELDS = {"id": "u4", "address": "u8", "size": "u2", "mnemonic": ("u1", (32,)), "op_str": ("u1", (160,))}
# capstone's structure of an instruction, of which the versions have somewhat different ones.
_INSTRUCTION = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": list(_FIELDS.values()),
        "offsets": [getattr(capstone._cs_insn, name).offset for name in _FIELDS],
        "itemsize": ctypes.sizeof(capstone._cs_insn),
    }
)
_MNEMONIC_WORDS = 4
# Odd numbers without a pattern, to make one word of four.
_MIX = np.array([1, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], "u8")

# How an instruction refers to an address.
REFERENCE = np.dtype([("source", "u8"), ("target", "u8"), ("kind", "u1")])


@dataclass
class Piece:
    """The instructions of some code, arrays of the same length; `references` has a row for each reference."""

    begin: int
    end: int
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint8]
    is_data: NDArray[np.bool_]
    mnemonics: NDArray[np.uint16]
    kinds: NDArray[np.uint8]
    operands: Texts
    references: NDArray[np.void]


class Decoder:
    """A disassembler of one machine. It numbers mnemonics as it meets them; `mnemonics` has their texts."""

    def __init__(self, machine: Machine) -> None:
        self.mnemonics: list[str] = []
        self._machine = machine
        self._engine = machine.disassembler()
        self._kinds = np.zeros(0, "u1")
        # The words of known mnemonics, sorted, and their numbers.
        self._words = np.zeros(0, "u8")
        self._numbers = np.zeros(0, "u2")

    def decode(self, code: bytes, begin: int, limit: int) -> Piece:
        """The instructions that begin before `limit`; `code` goes on behind it, for the last one of them."""
        first = ctypes.POINTER(capstone._cs_insn)()
        count = capstone._cs.cs_disasm(self._engine.csh, code, len(code), begin, 0, ctypes.byref(first))
        if count == 0:
            return self._piece(begin, np.zeros(0, _INSTRUCTION))
        try:
            memory = ctypes.cast(first, ctypes.POINTER(ctypes.c_char * (count * _INSTRUCTION.itemsize)))
            found = np.frombuffer(memory.contents, _INSTRUCTION)
            return self._piece(begin, found[: found["address"].searchsorted(np.uint64(limit))])
        finally:
            capstone._cs.cs_free(first, count)

    def _piece(self, begin: int, found: NDArray[np.void]) -> Piece:
        """Copies what is needed, since what capstone returned is its own."""
        addresses = found["address"].copy()
        sizes = found["size"].astype("u1")
        mnemonics = self._number(found)
        operands = Texts.of_rows(found["op_str"])
        kinds = self._kinds[mnemonics]
        end = int(addresses[-1]) + int(sizes[-1]) if found.size else begin
        references = self._references(addresses, sizes, kinds, operands)
        return Piece(begin, end, addresses, sizes, found["id"] == 0, mnemonics, kinds, operands, references)

    def _number(self, found: NDArray[np.void]) -> NDArray[np.uint16]:
        """The numbers of the mnemonics, new ones for those that have none yet."""
        words = _words_of(found["mnemonic"])
        if found.size and not self._all_known(words):
            self._learn(found, words)
        return self._numbers[self._words.searchsorted(words)]

    def _all_known(self, words: NDArray[np.uint64]) -> bool:
        places = self._words.searchsorted(words)
        return bool(self._words.size and (self._words.take(places, mode="clip") == words).all())

    def _learn(self, found: NDArray[np.void], words: NDArray[np.uint64]) -> None:
        distinct, firsts = np.unique(words, return_index=True)
        for word, first in sorted(
            zip(distinct.tolist(), firsts.tolist(), strict=True), key=lambda pair: pair[1]
        ):
            if word in self._words:
                continue
            mnemonic = found["mnemonic"][first].tobytes().partition(b"\0")[0].decode("ascii")
            place = self._words.searchsorted(np.uint64(word))
            self._words = np.insert(self._words, place, np.uint64(word))
            self._numbers = np.insert(self._numbers, place, len(self.mnemonics))
            self._kinds = np.append(self._kinds, np.uint8(self._machine.kind_of(mnemonic)))
            self.mnemonics.append(mnemonic)

    def _references(
        self,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.uint8],
        kinds: NDArray[np.uint8],
        operands: Texts,
    ) -> NDArray[np.void]:
        """In the order of addresses; first where an instruction goes to, then what it reads or writes."""
        parts = []
        behind = addresses + sizes
        if self._machine.direct is not None:
            numbers, targets = self._machine.direct(operands, behind)
            refers = (kinds[numbers] != 0) & (kinds[numbers] != Kind.STOP)
            numbers, targets = numbers[refers], targets[refers]
            parts.append((numbers, targets, kinds[numbers]))
        if self._machine.indirect is not None:
            numbers, targets = self._machine.indirect(operands, behind)
            parts.append((numbers, targets, np.full(numbers.size, Kind.DATA, "u1")))
        if not parts:
            return np.zeros(0, REFERENCE)
        numbers, targets, kinds_of = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = numbers.argsort(kind="stable")
        references = np.empty(numbers.size, REFERENCE)
        references["source"] = addresses[numbers[order]]
        references["target"] = targets[order]
        references["kind"] = kinds_of[order]
        return references


def _words_of(mnemonics: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A word for each text, which ends with its first zero byte; the same for equal ones.

    That two texts of the few hundred there are share one of 2**64 words is not to be expected.
    """
    words = np.ascontiguousarray(mnemonics).view("<u8")
    # In each word the lowest of these bits is in its first zero byte (bytes above it may be taken for zero).
    ones, highest = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
    zeros = (words - ones) & ~words & highest
    below = (zeros & (~zeros + np.uint64(1))) - np.uint64(1)
    kept = words & below
    ended = np.zeros(words.shape[0], "?")
    result = np.zeros(words.shape[0], "u8")
    for column in range(_MNEMONIC_WORDS):
        result ^= np.where(ended, np.uint64(0), kept[:, column]) * _MIX[column]
        ended |= zeros[:, column] != 0
    return result
