"""The table of functions that Go puts into each program for its runtime, so that stripped files keep it, too.

Go's src/debug/gosym/pclntab.go describes it; it is read as Go 1.18 and later write it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .image import Image

_MAGICS = (0xFFFFFFF0, 0xFFFFFFF1)  # of 1.18, of 1.20
_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")
# The header is eight bytes, then words: how many functions, ..., where the code is, where the names are, ...
_HEADER_BYTES, _WORDS = 8, 8


class GoTable:
    """The functions, sorted, and their names; none if the program is not in Go."""

    def __init__(self, image: Image) -> None:
        self.functions: NDArray[np.uint64] = np.zeros(0, "u8")
        self._names: NDArray[np.int64] = np.zeros(0, "i8")
        self._data = next((part.data() for part in image.all_sections if part.name in _SECTIONS), b"")
        if len(self._data) >= _HEADER_BYTES + 8 * _WORDS:
            self._read(image, "<" if image.elf.little_endian else ">")

    def _read(self, image: Image, order: str) -> None:
        data = self._data
        magic, word_bytes = int(np.frombuffer(data, order + "u4", 1)[0]), data[7]
        if magic not in _MAGICS or word_bytes not in (4, 8):
            return
        words = np.frombuffer(data, f"{order}u{word_bytes}", _WORDS, _HEADER_BYTES).tolist()
        count, _, begin, names_at, _, _, _, table = words
        # Where it is to be relocated, the file does not tell the address.
        begin = begin or next(part.address for part in image.sections if part.name == ".text")
        count = min(count, (len(data) - table) // 8)
        # Distances from there, and places of what is told of each; the second word there is that of the name.
        rows = np.frombuffer(data, order + "u4", 2 * count, table).reshape(-1, 2)
        self.functions = rows[:, 0].astype("u8") + np.uint64(begin)
        places = table + rows[:, 1].astype("i8") + 4
        names = np.frombuffer(data, "u1")[places[:, np.newaxis] + np.arange(4)].view(order + "u4")[:, 0]
        self._names = names.astype("i8") + names_at

    def names(self) -> dict[int, str]:
        return dict(zip(self.functions.tolist(), map(self._text, self._names.tolist()), strict=True))

    def _text(self, place: int) -> str:
        return self._data[place : self._data.find(b"\0", place)].decode("utf-8", "replace")
