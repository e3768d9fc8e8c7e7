"""A linear sweep: all executable sections of an image to instructions, a piece at a time.

A thread disassembles one piece ahead of what is done with the last one: Python's lock is not held in
capstone's function. Memory stays the same for a file of any size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .decoder import Decoder, Piece, Run
from .image import Image
from .machine import LONGEST_INSTRUCTION
from .regions import Region, Regions

# Some 60,000 instructions, 15 MB of capstone's.
_PIECE_BYTES = 256 << 10


def sweep(image: Image, regions: Regions, decoder: Decoder) -> Iterator[Piece]:
    """All code of the image in the order of addresses. Errors: ImageError."""
    pieces = _pieces(image, regions, decoder)
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(next, pieces, None)
        while (piece := ahead.result()) is not None:
            ahead = worker.submit(next, pieces, None)
            yield piece


def _pieces(image: Image, regions: Regions, decoder: Decoder) -> Iterator[Piece]:
    for section in image.sections:
        yield from _of_section(image, decoder, deque(regions.of(section)))


def _of_section(image: Image, decoder: Decoder, regions: deque[Region]) -> Iterator[Piece]:
    while regions:
        begin = end = regions[0].begin
        runs: list[Run] = []
        while regions and end < begin + _PIECE_BYTES:
            region = regions.popleft()
            end = min(region.end, begin + _PIECE_BYTES)
            if region.mode is not None:
                # An instruction belongs to the piece in which it starts; the bytes behind complete the last
                # one.
                offset, size = region.begin - region.section.address, end - region.begin + LONGEST_INSTRUCTION
                code = image.read(region.section, offset, min(size, region.end - region.begin))
                runs.append(Run(code, region.begin, end, region.mode))
        piece = decoder.decode(begin, end, runs)
        if end < region.end:
            if region.mode is not None and piece.addresses.size:
                piece.end = int(piece.addresses[-1]) + int(piece.sizes[-1])
            if piece.end < region.end:  # the rest, from where the last instruction ends
                regions.appendleft(replace(region, begin=piece.end))
        yield piece
