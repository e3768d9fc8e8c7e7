"""The decoder: bytes to arrays of instructions.

capstone's own loops hand out an object an instruction, which costs more than to disassemble it. Here its C
function is called as they call it, and what it returns, an array of structures, is read as one by NumPy.
capstone puts all instructions of a call into memory at some 250 bytes each, so it is given a piece of the
code at a time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import capstone
import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .machine import Machine
from .texts import Texts

_FIELDS = {
    "id": "u4",
    "address": "u8",
    "size": "u2",
    "bytes": "<u8",
    "mnemonic": ("u1", (32,)),
    "op_str": ("u1", (160,)),
}
# capstone's structure of an instruction, of which the versions have somewhat different ones.
_INSTRUCTION = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": list(_FIELDS.values()),
        "offsets": [getattr(capstone._cs_insn, name).offset for name in _FIELDS],
        "itemsize": ctypes.sizeof(capstone._cs_insn),
    }
)
# Of an instruction's first eight bytes those that it has.
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], "u8")
_MNEMONIC_WORDS = 4
_MOST_CONDITIONAL = 4
# Odd numbers without a pattern, to make one word of four.
_MIX = np.array([1, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], "u8")

# How an instruction refers to an address.
REFERENCE = np.dtype([("source", "u8"), ("target", "u8"), ("kind", "u1")])


@dataclass
class Run:
    """Code of one encoding, a mode of capstone's; its bytes go on behind `limit`, for the last one."""

    code: bytes
    begin: int
    limit: int
    mode: int


@dataclass
class Piece:
    """The instructions of some code, arrays of the same length; `references` has a row for each reference."""

    begin: int
    end: int
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint8]
    is_data: NDArray[np.bool_]
    # Whether it may be what fills the space between functions.
    is_padding: NDArray[np.bool_]
    mnemonics: NDArray[np.uint16]
    kinds: NDArray[np.uint8]
    operands: Texts
    references: NDArray[np.void]


class Decoder:
    """A disassembler of one machine. It numbers mnemonics as it meets them; `mnemonics` has their texts."""

    def __init__(self, machine: Machine) -> None:
        self.mnemonics: list[str] = []
        self._machine = machine
        self._engines: dict[int, capstone.Cs] = {}
        # By the number of the mnemonic.
        self._kinds, self._writing_kinds = np.zeros(0, "u1"), np.zeros(0, "u1")
        self._padding = np.zeros(0, "?")
        # The words of known mnemonics, sorted, and their numbers.
        self._words = np.zeros(0, "u8")
        self._numbers = np.zeros(0, "u2")

    def decode(self, begin: int, end: int, runs: list[Run]) -> Piece:
        """The instructions of code that lies between the two addresses, in some runs."""
        with ExitStack() as memory:
            parts = [part for run in runs for part in self._instructions(run, memory)]
            # Of one run, as most often, what capstone returned; nothing is copied.
            found = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, _INSTRUCTION), *parts])
            return self._piece(begin, end, found)

    def _instructions(self, run: Run, memory: ExitStack) -> Iterator[NDArray[np.void]]:
        """What begins before the limit; freed with `memory`."""
        first = ctypes.POINTER(capstone._cs_insn)()
        engine, size = self._engine(run.mode), len(run.code)
        count = capstone._cs.cs_disasm(engine.csh, run.code, size, run.begin, 0, ctypes.byref(first))
        if count:
            memory.callback(capstone._cs.cs_free, first, count)
            rows = ctypes.cast(first, ctypes.POINTER(ctypes.c_char * (count * _INSTRUCTION.itemsize)))
            found = np.frombuffer(rows.contents, _INSTRUCTION)
            kept = int(found["address"].searchsorted(np.uint64(run.limit)))
            yield found[: kept if kept == found.size else _before_conditional(found, kept)]

    def _engine(self, mode: int) -> capstone.Cs:
        if mode not in self._engines:
            self._engines[mode] = self._machine.disassembler(mode)
        return self._engines[mode]

    def _piece(self, begin: int, end: int, found: NDArray[np.void]) -> Piece:
        """Copies what is needed, since what capstone returned is its own."""
        addresses = found["address"].copy()
        sizes = found["size"].astype("u1")
        is_data = found["id"] == 0
        mnemonics = self._number(found)
        operands = Texts.of_rows(found["op_str"])
        kinds = self._kinds_of(mnemonics, operands)
        is_padding = self._padding[mnemonics] | self._is_filling(found["bytes"], sizes)
        references = self._references(addresses, sizes, kinds, operands)
        return Piece(
            begin, end, addresses, sizes, is_data, is_padding, mnemonics, kinds, operands, references
        )

    def _kinds_of(self, mnemonics: NDArray[np.uint16], operands: Texts) -> NDArray[np.uint8]:
        kinds = self._kinds[mnemonics]
        if self._machine.writes_counter is not None:
            numbers = self._machine.writes_counter(operands)
            kinds[numbers] = np.maximum(kinds[numbers], self._writing_kinds[mnemonics[numbers]])
        if self._machine.returns is not None:
            numbers = self._machine.returns(operands)
            kinds[numbers[kinds[numbers] == Kind.JUMP]] = Kind.STOP
        return kinds

    def _is_filling(self, first_bytes: NDArray[np.uint64], sizes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Whether all of an instruction's bytes are one of the machine's words of padding."""
        words = first_bytes & _MASKS[np.minimum(sizes, 8)]
        found = np.zeros(words.size, "?")
        for word in self._machine.padding_words:
            found |= words == np.uint64(word)
        return found

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
            writing = self._machine.writing_kind_of(mnemonic)
            self._writing_kinds = np.append(self._writing_kinds, np.uint8(writing))
            self._padding = np.append(self._padding, self._machine.is_padding(mnemonic))
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


def _before_conditional(found: NDArray[np.void], kept: int) -> int:
    """So many of these, or fewer: an "it" of Thumb makes up to four instructions behind it conditional."""
    for number in range(kept - 1, max(kept - 1 - _MOST_CONDITIONAL, 0), -1):
        if found["mnemonic"][number][:2].tobytes() == b"it":
            return number
    return kept


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
