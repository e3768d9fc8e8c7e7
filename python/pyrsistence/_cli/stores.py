"""What the commands open, how they name it, and what they say when it cannot be.

A command that reads opens with mode "r", which changes nothing in the directory, and without pickle: what is
pickled is read by safe_pickle, or handed on as it is. So no command runs code from a store.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from .._stores.kinds import Items, kind_of
from .._stores.store import Store, open
from .pickled import SafeUnpickler

# The documented exit codes (docs/cli.md).
FINE, FINDINGS, USAGE, FORMAT, DAMAGED, LOCKED, DISK, INTERNAL, INTERRUPTED, PIPE = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    70,
    130,
    141,
)


class CommandError(Exception):
    """What a command cannot do: one line for the user, and the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


READING: dict[str, Any] = {"pickle": False, "unpickler": SafeUnpickler()}


@contextlib.contextmanager
def opened(path: str, mode: str, timeout: float, **options: Any) -> Iterator[Any]:
    """Open what is in the directory. Errors: CommandError, where the store's own does not say what to do."""
    if mode != "a" and os.path.isdir(path) and is_legacy(path):
        raise CommandError(
            FORMAT,
            f"{path}: expected a store of pyrsistence 2, found files of pyrsistence 1.1; "
            f"make a store of them with: pyrsistence migrate {path} NEW",
        )
    with open(path, mode, timeout=timeout, **options) as found:
        yield found


def is_legacy(path: str) -> bool:
    """Whether the directory looks like one of pyrsistence 1.1."""
    return all(os.path.isfile(os.path.join(path, name)) for name in ("index.bin", "values.bin"))


def chosen(found: Any, member: str | None, **options: Any) -> Any:
    """Return the container that a command is about: the only one, or the member of this name.

    A member is opened with these options. Errors: CommandError, which names the members.
    """
    if not isinstance(found, Store):
        if member is not None:
            raise CommandError(
                USAGE, f"{found.path}: holds a single {kind_of(found).name}; leave --member out"
            )
        return found
    members = found.members()
    if member is None:
        if len(members) != 1:
            raise CommandError(
                USAGE,
                f"{found.path}: holds {len(members)} members{_named(members)}; choose one with --member",
            )
        member = next(iter(members))
    if member not in members:
        raise CommandError(
            USAGE, f"{found.path}: has no member {member!r}, but {len(members)}{_named(members)}"
        )
    return found._existing(member, **options)


def _named(members: Any) -> str:
    names = [repr(name) for name in list(members)[:10]]
    more = f" and {len(members) - 10} more" if len(members) > 10 else ""
    return f" ({', '.join(names)}{more})" if names else ""


def items_of(container: Any) -> Items:
    """What the items of a container are that has some."""
    items = kind_of(container).items
    assert items is not None
    return items


def with_items(found: Any, member: str | None, **options: Any) -> Any:
    """As chosen(), of what has items. Errors: CommandError, also for a graph and the like."""
    container = chosen(found, member, **options)
    kind = kind_of(container)
    if kind.items is None:
        raise CommandError(
            USAGE, f"{container.path}: {kind.called} has no items to show or change; {kind.instead}"
        )
    return container


@contextlib.contextmanager
def reading(path: str, member: str | None, timeout: float) -> Iterator[Any]:
    """Open a container of items for reading."""
    with opened(path, "r", timeout, **READING) as found:
        yield with_items(found, member, **READING)
