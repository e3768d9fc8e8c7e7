"""Libraries: which file to take apart when none is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .image import Image, ImageError

# A default of this much code takes a minute or so, and is enough to see the memory differ.
_DEFAULT_CODE_BYTES = range(10 << 20, 40 << 20)
_LARGEST_LOOKED_AT = 60

_LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt")
# Where a machine has few libraries, the compiler itself is the largest program there is.
_COMPILERS = ("/usr/lib/gcc/*/*/cc1plus", "/usr/libexec/gcc/*/*/cc1plus")


def _libraries() -> Iterator[Path]:
    """The files that are shared libraries by name; a link is left to the file that it leads to."""
    folders = [*_LIBRARY_FOLDERS, os.path.join(sys.base_prefix, "lib")]
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if ".so" in name and path.is_file() and not path.is_symlink():
                    yield path


def _compilers() -> Iterator[Path]:
    for pattern in _COMPILERS:
        yield from Path("/").glob(pattern.lstrip("/"))


def _largest(paths: Iterator[Path]) -> list[Path]:
    """The largest files of them, each file once."""
    sizes = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        sizes[stat.st_dev, stat.st_ino] = (stat.st_size, path)
    ordered = sorted(sizes.values(), key=lambda item: (-item[0], str(item[1])))
    return [path for _, path in ordered[:_LARGEST_LOOKED_AT]]


def _code_bytes(path: Path) -> int:
    """The size of the code in a file; 0 where there is none that this program can read."""
    try:
        with Image(path) as image:
            return image.code_bytes
    except ImageError:
        return 0


def default_file() -> tuple[Path, str]:
    """A large library of this machine, and why that one.

    The library with the most code below 40 MiB, if that is 10 MiB or more; else the compiler, if it has that;
    else whatever comes nearest. Errors: ImageError if there is none at all.
    """
    sizes = {path: _code_bytes(path) for path in _largest(_libraries())}
    if not any(size in _DEFAULT_CODE_BYTES for size in sizes.values()):
        sizes.update((path, _code_bytes(path)) for path in _compilers())
    fitting = {path: size for path, size in sizes.items() if size in _DEFAULT_CODE_BYTES}
    if fitting:
        return max(fitting, key=fitting.__getitem__), "the most code below 40 MiB of the libraries found"
    sizes = {path: size for path, size in sizes.items() if size > 0}
    if not sizes:
        raise ImageError("no shared library was found in the usual places: name a file, as in FILE=/bin/bash")
    small = {path: size for path, size in sizes.items() if size < _DEFAULT_CODE_BYTES.start}
    if small:
        return max(small, key=small.__getitem__), "the most code of the libraries found"
    return min(sizes, key=sizes.__getitem__), "the least code of the large libraries found"
