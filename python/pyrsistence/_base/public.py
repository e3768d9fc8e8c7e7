"""Under which name users know a class or a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T", bound="type | Callable[..., Any]")


def public(thing: _T) -> _T:
    """Name it as users import it, wherever it lies: so say its repr(), errors, and what is pickled."""
    thing.__module__ = __name__.partition(".")[0]
    return thing
