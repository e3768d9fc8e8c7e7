"""The listing: the first pass over the code, which finds instructions and what they refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decoder import Decoder, Piece
from .image import Image
from .kinds import Kind
from .members import CODE, DATA, FUNCTION_HEAD, HEAD, INSTRUCTION, LEADER, TRANSFER, Program
from .regions import Regions
from .sweep import sweep
from .symbols import function_addresses, names


def list_code(image: Image, program: Program, advance: Callable[[int], object]) -> dict[str, Any]:
    """Fills all members but the graphs of blocks and of calls. `advance` is told of bytes done."""
    program.flags.add_ranges((s.address, s.address + s.size) for s in image.sections)
    program.names.update(names(image))
    _mark(program, image, function_addresses(image).tolist(), FUNCTION_HEAD | LEADER)
    regions, decoder = Regions(image), Decoder(image.machine)
    mix: Counter[int] = Counter()
    references = no_code = 0
    for piece in sweep(image, regions, decoder):
        _store(piece, program)
        _flag(piece, program, image)
        mix.update(dict(enumerate(np.bincount(piece.mnemonics).tolist())))
        references += piece.references.size
        no_code += int(piece.sizes[piece.is_data].sum(dtype="i8"))
        advance(piece.end - piece.begin)
    program.mnemonics.extend(decoder.mnemonics)
    counts = {decoder.mnemonics[number]: count for number, count in mix.items() if count}
    facts = {"instructions": mix.total(), "references": references, "mix": counts}
    return {
        **facts,
        "bytes that are no instruction": no_code,
        "bytes of guessed encoding": regions.guessed_bytes,
    }


def _store(piece: Piece, program: Program) -> None:
    texts = piece.operands
    rows = np.empty(piece.addresses.size, INSTRUCTION)
    rows["size"] = piece.sizes
    rows["mnemonic"] = piece.mnemonics
    rows["length"] = np.diff(texts.ends, prepend=0)
    rows["operands"] = len(program.operands) + texts.begins
    program.operands.extend(texts.data)
    program.instructions.set_many(piece.addresses, rows)
    program.transfers.extend(_transfers(piece))
    program.references.add_edges_from(piece.references)


def _transfers(piece: Piece) -> NDArray[np.void]:
    """Jumps, branches, calls and ends, with where they go to if that can be seen."""
    numbers = np.flatnonzero((piece.kinds != 0) & (piece.kinds != Kind.DATA))
    rows = np.zeros(numbers.size, TRANSFER)
    rows["address"] = piece.addresses[numbers]
    rows["kind"] = piece.kinds[numbers]
    known = piece.references[piece.references["kind"] != Kind.DATA]
    rows["target"][rows["address"].searchsorted(known["source"])] = known["target"]
    return rows


def _flag(piece: Piece, program: Program, image: Image) -> None:
    """Marks the bytes of the piece, and wherever its jumps and calls lead to."""
    flags = program.flags[piece.begin : piece.end]
    flags |= _flags_of_bytes(piece)
    flags[piece.addresses - np.uint64(piece.begin)] |= HEAD
    kinds = piece.references["kind"]
    goes = piece.references["target"][(kinds != Kind.DATA) & (kinds != Kind.CALL)]
    for addresses, wanted in ((goes, LEADER), (_called(piece), LEADER | FUNCTION_HEAD)):
        near = (addresses >= piece.begin) & (addresses < piece.end)
        flags[addresses[near] - np.uint64(piece.begin)] |= wanted
        _mark(program, image, np.unique(addresses[~near]).tolist(), wanted)
    program.flags[piece.begin : piece.end] = flags


def _called(piece: Piece) -> NDArray[np.uint64]:
    """The functions that are called; what calls the next instruction only wants to know where that is."""
    calls = piece.references[piece.references["kind"] == Kind.CALL]
    places = piece.addresses.searchsorted(calls["source"])
    behind = piece.addresses[places] + piece.sizes[places]
    return calls["target"][calls["target"] != behind]


def _flags_of_bytes(piece: Piece) -> NDArray[np.uint8]:
    """CODE or DATA of each byte; both of what may be padding: the second pass decides."""
    kinds = np.where(piece.is_data, DATA, np.where(piece.is_padding, CODE | DATA, CODE)).astype("u1")
    size = piece.end - piece.begin
    if int(piece.sizes.sum(dtype="i8")) == size:
        return np.repeat(kinds, piece.sizes)
    flags = np.full(size, DATA, "u1")  # some is no code, as the file tells
    ends = piece.sizes.cumsum(dtype="i8")
    gaps = (piece.addresses - np.uint64(piece.begin)).astype("i8") - (ends - piece.sizes)
    flags[np.repeat(gaps, piece.sizes) + np.arange(ends[-1] if ends.size else 0)] = np.repeat(
        kinds, piece.sizes
    )
    return flags


def _mark(program: Program, image: Image, addresses: Iterable[int], flags: int) -> None:
    mark = program.flags.mark
    for address in addresses:
        if image.contains(address):
            mark(address, 1, flags)
