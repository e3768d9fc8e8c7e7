"""NotStoredError: values that were changed in place and cannot be stored, in one error."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .public import public

if sys.version_info >= (3, 11) or TYPE_CHECKING:
    _Group = ExceptionGroup  # noqa: F821 (from Python 3.11)
else:

    class _Group(Exception):
        """What ExceptionGroup is from Python 3.11 on: a message, and the errors."""

        def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
            super().__init__(message, exceptions)
            self.message = message
            self.exceptions = tuple(exceptions)

        def __str__(self) -> str:
            return self.message


# Keys that the message names; `keys` has all.
_MOST_NAMED = 5


@public
class NotStoredError(_Group, TypeError):
    """Values that were changed in place and cannot be stored: the last that was stored of them is kept.

    An ExceptionGroup (before Python 3.11 its like) and a TypeError. ``exceptions`` has the error of each;
    ``keys`` a pair for each: the name of the member of a Store ("" for a container that stands alone), and
    the key, the index, or of a graph's attribute (name,), (node, name) or (source, target, name).
    """

    keys: tuple[tuple[str, Any], ...] = ()


def not_stored(path: str, failures: list[tuple[str, Any, Exception]]) -> NotStoredError:
    """Return the error of failures: the member's name, the key, the error."""
    named = [
        (f"{key} of {name!r}" if name else key)
        for name, key in ((name, reprlib.repr(key)) for name, key, _ in failures[:_MOST_NAMED])
    ]
    rest = f" and {len(failures) - _MOST_NAMED} more" if len(failures) > _MOST_NAMED else ""
    error = NotStoredError(
        f"values in '{path}' were changed in place and cannot be stored, those of {', '.join(named)}{rest}; "
        f"the first: {type(failures[0][2]).__name__}: {failures[0][2]}",
        [error for *_, error in failures],
    )
    error.keys = tuple((name, key) for name, key, _ in failures)
    return error
