"""The types of the constructors' arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, Union

Path: TypeAlias = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
CommitInterval: TypeAlias = float | None
Memory: TypeAlias = int | str | None
# A text such as "u8", or what numpy.dtype takes: numpy is optional, so its types are not named.
TypeOfFixedSize: TypeAlias = Any
# To an equivalent form of a key; or that and the way back, or None: then no originals are stored.
KeyFunction: TypeAlias = Callable[[Any], Any] | tuple[Callable[[Any], Any], Callable[[Any], Any] | None]


class Pickler(Protocol):
    """Replaces pickle for what is not stored natively."""

    def pickle(self, value: Any, /) -> bytes:
        """Return the bytes that stand for the value."""


class Unpickler(Protocol):
    """The other half of a Pickler."""

    def unpickle(self, data: bytes, /) -> Any:
        """Return the value."""
