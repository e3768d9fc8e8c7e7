"""A directory that is there whole or not at all: made beside its place, and moved there at the end."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def new_directory(target: str, doing: str) -> Iterator[str]:
    """Hand out a fresh directory to work in; what the block makes in it as "store" is moved to ``target``.

    If the block raises, nothing is left behind; after a kill, a directory whose name says what it was.
    Errors: FileExistsError if ``target`` exists and is not an empty directory; OSError.
    """
    target = os.path.abspath(target)
    if os.path.lexists(target) and not is_empty_directory(target):
        raise FileExistsError(errno.EEXIST, "expected no such directory, or an empty one", target)
    parent, name = os.path.split(target)
    work = tempfile.mkdtemp(prefix=f".{name}.{doing}-", dir=parent)
    try:
        yield work
        os.rename(os.path.join(work, "store"), target)
        _sync_directory(parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def is_empty_directory(path: str) -> bool:
    """Whether it is a directory with nothing in it."""
    return os.path.isdir(path) and not os.listdir(path)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
