"""The files of pyrsistence 1.1, read as far as they can be.

A directory of 1.1 holds ``index.bin`` and ``values.bin``, and of a dict ``keys.bin``. All numbers are 8
bytes, little-endian; each file begins with a magic. A dict's index goes on with used, mask and entries of
(hash, key position, value position); a list's with used, capacity and positions. At a position stands a
pickle, and the length of its chunk 8 bytes before.

Every byte may be damaged or hostile: what is read from a file is compared with the file's size before it is
used, and no number in it decides how much memory is taken. Files are read with pread() and not mapped, so
that a sector that the disk cannot read is an error to be counted, not the end of the process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .._core import FormatError, memory_budget
from .pickle_walk import ShortPickle, UnpicklingError, pickle_end

MAGIC = 0x0052444800444D45
HEADER_BYTES = 24  # of index.bin: magic, used, mask or capacity
WORD = 8
_BLOCK = 240 * 1024  # whole entries of either kind
_FIRST_READ = 512
_STEP = 1 << 20  # of a longer pickle no more is read before its beginning has been looked at
_WINDOW = 16 * 1024
# Chunks do not overlap, so a file's chunks together are no longer than the file; growing reads take at most
# four times that. What goes far beyond shows that positions overlap, and must end.
_READ_AGAIN = 8


class LostItem(Exception):
    """An item that cannot be read: where, and why."""


class LegacyFile:
    """One file of a store, for reading at any offset. Not for two threads at once."""

    def __init__(self, directory: str, name: str) -> None:
        self.name = name
        self.path = os.path.join(directory, name)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self.size = os.fstat(self._descriptor).st_size
        self._allowance = _READ_AGAIN * self.size + (1 << 20)
        self._window = b""
        self._window_at = 0

    def close(self) -> None:
        """Close the file. Twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> LegacyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def word(self, offset: int) -> int:
        """The number at an offset; 0 beyond the end."""
        return int.from_bytes(self._read(offset, WORD), "little")

    def entry(self, slot: int) -> tuple[int, int]:
        """The positions of key and value in a slot of a dict's index. Slots come in no order: no window."""
        words = self._pread(HEADER_BYTES + 3 * WORD * slot + WORD, 2 * WORD)
        return int.from_bytes(words[:WORD], "little"), int.from_bytes(words[WORD:], "little")

    @property
    def has_magic(self) -> bool:
        """Whether it begins as a file of 1.1 does."""
        return self.word(0) == MAGIC

    def _read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer at the end of the file. What is small comes from a window read at
        once."""
        if size > _WINDOW // 2:
            return self._pread(offset, size)
        start = offset - self._window_at
        if start < 0 or start + size > len(self._window):
            self._window, self._window_at, start = self._pread(offset, _WINDOW), offset, 0
        return self._window[start : start + size]

    def _pread(self, offset: int, size: int) -> bytes:
        parts = []
        while size > 0 and (part := os.pread(self._descriptor, min(size, 1 << 30), offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pickle_at(self, position: int, *, whole_chunk: bool = False) -> bytes:
        """The pickle at a position, or the whole chunk, padding included (for a pickler of the user's own).

        A chunk's length that cannot be is passed over: a pickle says itself where it ends. Errors: LostItem.
        """
        length = self._chunk_length(position)
        limit = min(self.size - position, memory_budget())
        if whole_chunk:
            if length is None:
                raise LostItem("its chunk's length cannot be")
            return self._spend(position, min(length, limit))
        return self._pickle(position, limit, min(length or _FIRST_READ, _STEP))

    def _chunk_length(self, position: int) -> int | None:
        """How many bytes follow the position in its chunk; None if what is written there cannot be."""
        if position % WORD or not 2 * WORD <= position < self.size:
            raise LostItem(f"position {position} is not in {self.name}, which has {self.size} bytes")
        length = self.word(position - WORD)
        sound = length % WORD == 0 and WORD < length <= self.size - position + WORD
        return length - WORD if sound else None

    def _pickle(self, position: int, limit: int, size: int) -> bytes:
        while True:
            data = self._spend(position, min(size, limit))
            try:
                return data[: pickle_end(data)]
            except ShortPickle as short:
                if len(data) < min(size, limit) or short.needed > limit:
                    raise LostItem(self._too_long(short.needed, limit)) from None
                size = max(2 * size, short.needed)
            except UnpicklingError as error:
                raise LostItem(str(error)) from None

    def _too_long(self, needed: int, limit: int) -> str:
        if limit < memory_budget():
            return "the pickle is cut off"
        return (
            f"the pickle has {needed} bytes or more, and the memory budget is {limit} (set_memory_budget())"
        )

    def _spend(self, position: int, size: int) -> bytes:
        if size > _FIRST_READ:
            self._allowance -= size
            if self._allowance < 0:
                raise LostItem(f"{self.name} has been read {_READ_AGAIN} times over: positions overlap")
        try:
            return self._read(position, size)
        except OSError as error:
            raise LostItem(f"{self.name} cannot be read: {error.strerror}") from None

    def blocks(self, lost: Any) -> Iterator[tuple[int, memoryview]]:
        """The words of the index from its header on, in blocks, each with the offset of its first.

        Holes are passed over. A block that the disk cannot read is told to ``lost(offset, bytes, reason)``.
        """
        offset = HEADER_BYTES
        while (offset := self._next_data(offset)) < self.size:
            block = b""
            try:
                block = self._pread(offset, min(_BLOCK, self.size - offset))
            except OSError as error:
                lost(offset, min(_BLOCK, self.size - offset), error.strerror)
            words = len(block) // WORD
            if block.count(0) != len(block):
                yield offset, memoryview(block)[: words * WORD].cast("Q")
            offset += _BLOCK

    def _next_data(self, offset: int) -> int:
        """The first offset of a block, from this one on, that is not wholly in a hole."""
        try:
            data = os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError:  # ENXIO: no more data; EINVAL: the file system knows no holes
            return self.size if offset < self.size and self._is_hole(offset) else offset
        return offset + (data - offset) // _BLOCK * _BLOCK

    def _is_hole(self, offset: int) -> bool:
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_HOLE) == offset
        except OSError:
            return False


class LegacyStore:
    """The files of an old store, open for reading."""

    def __init__(self, path: str) -> None:
        names = set(os.listdir(path))
        self.kind = "dict" if "keys.bin" in names else "list"
        wanted = ["index.bin", "values.bin"] + (["keys.bin"] if self.kind == "dict" else [])
        if missing := [name for name in wanted if name not in names]:
            raise FormatError(
                f"'{path}' is no store of pyrsistence 1.1: there is no {' and no '.join(missing)}; "
                "expected index.bin and values.bin, and of a dict keys.bin"
            )
        self.files = {}
        try:
            for name in wanted:
                self.files[name] = LegacyFile(path, name)
            self._check(path)
        except BaseException:
            self.close()
            raise

    def _check(self, path: str) -> None:
        self.notes = [
            f"{name} does not begin with the magic {MAGIC:#x}"
            for name, f in self.files.items()
            if not f.has_magic
        ]
        if len(self.notes) == len(self.files):
            raise FormatError(
                f"'{path}' is no store of pyrsistence 1.1: none of its files begins with the magic {MAGIC:#x}"
            )
        index = self.index
        self.slot_bytes = 3 * WORD if self.kind == "dict" else WORD
        self.slots = max(index.size - HEADER_BYTES, 0) // self.slot_bytes
        self.used, last = index.word(WORD), index.word(2 * WORD)
        expected = last + 1 if self.kind == "dict" else last
        if expected != self.slots:
            name = "mask" if self.kind == "dict" else "capacity"
            self.notes.append(f"index.bin has room for {self.slots} entries, but its {name} is {last}")
        if (
            self.kind == "list"
            and self.slots
            and index.size == HEADER_BYTES + 24 * (last + 1)
            and last & (last + 1) == 0
        ):
            raise FormatError(
                f"'{path}' is a dict of pyrsistence 1.1 without its keys.bin: there are no keys to save"
            )

    @property
    def index(self) -> LegacyFile:
        """index.bin."""
        return self.files["index.bin"]

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()

    def __enter__(self) -> LegacyStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
