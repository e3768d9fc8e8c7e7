"""Dropping files from the page cache, so that the next read of them is one of the disk."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_ENOUGH = 0.01  # what may stay resident


def evict(folder: Path) -> str:
    """Writes back all files of a folder and drops them from the page cache. Returns how, and what stayed.

    First by posix_fadvise, which concerns these files alone; where more than a hundredth stays, by the
    kernel's drop_caches, if this process may.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    how, left = "posix_fadvise", _resident(files)
    if left > _ENOUGH:
        try:
            _DROP_CACHES.write_text("1")
            how, left = "drop_caches", _resident(files)
        except OSError as error:
            how += f" (drop_caches: {error.strerror})"
    return f"{how}, {left:.1%} left in the page cache"


def _resident(files: list[Path]) -> float:
    """The fraction of the files' pages that are in the page cache."""
    pages = resident = 0
    for path in files:
        found, size = _resident_pages(path)
        resident, pages = resident + found, pages + size
    return resident / max(pages, 1)


def _resident_pages(path: Path) -> tuple[int, int]:
    """Those of one file, and how many it has."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return 0, 0
        # Private and writable, since ctypes takes the address of writable memory alone; nothing is written.
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapping:
            pages = -(-size // mmap.PAGESIZE)
            vector = ctypes.create_string_buffer(pages)
            first = ctypes.c_char.from_buffer(mapping)
            try:
                address = ctypes.c_void_p(ctypes.addressof(first))
                if ctypes.CDLL(None, use_errno=True).mincore(address, ctypes.c_size_t(size), vector) != 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code), str(path))
            finally:
                del first  # the mapping cannot be closed while it is referred to
            return pages - vector.raw.count(b"\0"), pages
