"""The members: what is kept of a program, under which name.

    instructions  dict    address -> size, number of the mnemonic, where its operands are
    operands      array   the bytes of all operands, one behind the other
    mnemonics     list    the texts of the mnemonics, by number
    transfers     array   instructions that may go on elsewhere: address, target (0: unknown), kind
    flags         shadow  of each address: code, data, head of an instruction, leader of a block, function
    references    graph   from an instruction to the address that it refers to; kind
    flow          graph   from a basic block, named by its leader, to the next ones; kind, instruction
    calls         graph   from a function to those that it calls; kind, first instruction, how many there are
    functions     dict    address -> end, blocks, instructions
    names         dict    address -> name
    summary       dict    facts and counts, for a later process to check against

They come from a pyrsistence.Store, or from plain.InMemory, which has the same methods and hands out
Python's own containers: the code that fills them and the code that asks them are the same.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

INSTRUCTION = np.dtype([("size", "u1"), ("mnemonic", "u2"), ("length", "u1"), ("operands", "u8")])
TRANSFER = np.dtype([("address", "u8"), ("target", "u8"), ("kind", "u1")])
FUNCTION = np.dtype([("end", "u8"), ("blocks", "u4"), ("instructions", "u4")])
# The attributes of edges.
REFERENCE_EDGE = [("kind", "u1")]
FLOW_EDGE = [("kind", "u1"), ("address", "u8")]
CALL_EDGE = [("kind", "u1"), ("address", "u8"), ("count", "u4")]

# The flags of an address, as EMShadowMemory names them. DATA is what is no code: bytes that begin no
# instruction, what the file tells is data, and padding, of which `instructions` tell nevertheless.
CODE, DATA, HEAD, LEADER, FUNCTION_HEAD = 2, 4, 8, 16, 32


class Containers(Protocol):
    """Named containers, made when first asked for; of a pyrsistence.Store."""

    def dict(self, name: str, **types: Any) -> Any: ...

    def list(self, name: str) -> Any: ...

    def array(self, name: str, dtype: Any) -> Any: ...

    def shadow_memory(self, name: str) -> Any: ...

    def digraph(self, name: str, **types: Any) -> Any: ...


class Program:
    """The members of one program."""

    def __init__(self, containers: Containers) -> None:
        self.instructions = containers.dict("instructions", key="u8", value=INSTRUCTION)
        self.operands = containers.array("operands", "u1")
        self.mnemonics = containers.list("mnemonics")
        self.transfers = containers.array("transfers", TRANSFER)
        self.flags = containers.shadow_memory("flags")
        self.references = containers.digraph("references", edge_dtype=REFERENCE_EDGE)
        self.flow = containers.digraph("flow", edge_dtype=FLOW_EDGE)
        self.calls = containers.digraph("calls", edge_dtype=CALL_EDGE)
        self.functions = containers.dict("functions", key="u8", value=FUNCTION)
        self.names = containers.dict("names")
        self.summary = containers.dict("summary")

    def instruction(self, address: int) -> tuple[int, str, str]:
        """The size, the mnemonic and the operands. Errors: KeyError if no instruction begins there."""
        size, mnemonic, length, place = map(int, self.instructions[address])
        operands = bytes(self.operands[place : place + length])
        return size, self.mnemonics[mnemonic], operands.decode("ascii")

    def heads(self, begin: int, end: int) -> list[int]:
        """The addresses between the two at which instructions begin."""
        found = np.flatnonzero((self.flags[begin:end] & (HEAD | CODE)) == HEAD | CODE)
        return [begin + place for place in found.tolist()]
