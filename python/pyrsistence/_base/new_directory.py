"""A directory that is there whole or not at all: made beside its place, and moved there at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from .. import _core


@contextlib.contextmanager
def new_directory(target: Any, doing: str, permissions: int | None = None) -> Iterator[str]:
    """Hand out a fresh directory, which takes the place ``target`` when the block ends without raising.

    What is in it then has to be durable, as a store is that was closed. If the block raises, nothing is left
    behind; after a kill, a directory whose name says what it was. ``permissions`` are those of the files that
    will be in it. Errors: FileExistsError if ``target`` exists, or has come meanwhile, and is not an empty
    directory; OSError.
    """
    directory = _core.NewDirectory(os.fsencode(target), doing, permissions)
    try:
        yield directory.path
        directory.keep()
    finally:
        directory.discard()


def is_empty_directory(path: str) -> bool:
    """Whether it is a directory with nothing in it."""
    return os.path.isdir(path) and not os.listdir(path)
