"""Unwinding information: the functions that it tells of. Stripped files keep it, too.

It is found by the program headers, so that a file without section headers has it as well.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from elftools.dwarf.callframe import FDE
from numpy.typing import NDArray

from .image import Image

# The sorted table of .eh_frame_hdr: pairs of a function's first byte and its entry, relative to the section.
_HEADER_BYTES = 12
_USUAL_ENCODINGS = (0x03, 0x3B)  # of its length, and of its pairs


def functions(image: Image) -> Iterator[NDArray[np.uint64]]:
    """The addresses of functions, as far as there are such tables."""
    found = False
    for segment in image.elf.iter_segments():
        if segment["p_type"] == "PT_GNU_EH_FRAME":
            data = image.bytes_at(segment["p_vaddr"], segment["p_filesz"])
            if len(data) >= _HEADER_BYTES and tuple(data[2:4]) == _USUAL_ENCODINGS:
                yield _of_header(image, segment["p_vaddr"], data)
                found = True
        elif segment["p_type"] == "PT_ARM_EXIDX":
            yield _of_arm_index(
                image, segment["p_vaddr"], image.bytes_at(segment["p_vaddr"], segment["p_filesz"])
            )
    if not found and image.linked is None:
        yield from _of_frames(image)


def _of_header(image: Image, address: int, data: bytes) -> NDArray[np.uint64]:
    order = "<" if image.elf.little_endian else ">"
    count = min(struct.unpack_from(order + "I", data, 8)[0], (len(data) - _HEADER_BYTES) // 8)
    pairs = np.frombuffer(data, order + "i4", 2 * count, _HEADER_BYTES)
    return pairs[::2].astype("i8").view("u8") + np.uint64(address)


def _of_arm_index(image: Image, address: int, data: bytes) -> NDArray[np.uint64]:
    """Pairs, of which the first is the distance to a function, of 31 bits."""
    words = np.frombuffer(data, "<u4" if image.elf.little_endian else ">u4", len(data) // 8 * 2)[::2].astype(
        "i8"
    )
    distances = ((words & 0x7FFFFFFF) ^ 0x40000000) - 0x40000000
    return ((address + 8 * np.arange(words.size) + distances) & ~1).astype("u8")


def _of_frames(image: Image) -> Iterator[NDArray[np.uint64]]:
    """Without the table: the entries one by one."""
    for entry in image.elf.get_dwarf_info(relocate_dwarf_sections=False).EH_CFI_entries():
        if isinstance(entry, FDE):
            yield np.array([entry["initial_location"]], "u8")
