"""A linear sweep: all executable sections of an image to instructions, a piece at a time.

A thread disassembles one piece ahead of what is done with the last one: Python's lock is not held in
capstone's function. Memory stays the same for a file of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from .decoder import Decoder, Piece
from .image import Image, Section
from .machine import LONGEST_INSTRUCTION

# Some 60,000 instructions, 15 MB of capstone's.
_PIECE_BYTES = 256 << 10


def sweep(image: Image, decoder: Decoder) -> Iterator[Piece]:
    """All code of the image in the order of addresses. Errors: ImageError."""
    pieces = _pieces(image, decoder)
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(next, pieces, None)
        while (piece := ahead.result()) is not None:
            ahead = worker.submit(next, pieces, None)
            yield piece


def _pieces(image: Image, decoder: Decoder) -> Iterator[Piece]:
    for section in image.sections:
        yield from _of_section(image, decoder, section)


def _of_section(image: Image, decoder: Decoder, section: Section) -> Iterator[Piece]:
    position = 0
    while position < section.size:
        # An instruction belongs to the piece in which it starts; the bytes behind complete the last one.
        begin = section.address + position
        limit = section.address + min(position + _PIECE_BYTES, section.size)
        piece = decoder.decode(
            image.read(section, position, _PIECE_BYTES + LONGEST_INSTRUCTION), begin, limit
        )
        if piece.end == begin:  # less than a unit of code is left
            return
        position = piece.end - section.address
        yield piece
