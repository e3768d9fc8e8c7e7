"""What the commands open, how they name it, and what they say when it cannot be.

A command that reads opens with mode "r", which changes nothing in the directory, and without pickle: what is
pickled is read by _safe_pickle, or handed on as it is. So no command runs code from a store.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, TypeAlias

from ._array import EMArray
from ._cli_json import Pickled
from ._dict import EMDict
from ._graph_storage import GraphStorage
from ._list import EMList
from ._safe_pickle import UnpicklingError, safe_loads
from ._shadow import EMShadowMemory
from ._store import Store, as_graph, open

Container: TypeAlias = EMDict[Any, Any] | EMList[Any] | EMArray | EMShadowMemory

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


class SafeUnpickler:
    """Plain data is unpickled; of all else the pickle itself is handed out."""

    def unpickle(self, data: bytes) -> Any:
        """Return the object, or a Pickled that holds the pickle and why it was not read."""
        try:
            return safe_loads(data)
        except UnpicklingError as error:
            return Pickled(bytes(data), str(error))


READING: dict[str, Any] = {"pickle": False, "unpickler": SafeUnpickler()}


@contextlib.contextmanager
def opened(path: str, mode: str, timeout: float, **options: Any) -> Iterator[Container | Store]:
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


def chosen(found: Container | Store, member: str | None, graphs: bool = False, **options: Any) -> Container:
    """Return the container that a command is about: the only one, or the member of this name.

    Errors: CommandError, which names the members; for a graph, unless the command takes ``graphs``.
    """
    container: Container = _named_container(found, member, options)
    if kind_of(container) == "graph" and not graphs:
        raise CommandError(
            USAGE,
            f"{container.path}: a graph has no entries to show or change; use it from Python, by NetworkX",
        )
    return container


def _named_container(found: Container | Store, member: str | None, options: dict[str, Any]) -> Any:
    if not isinstance(found, Store):
        if member is not None:
            raise CommandError(USAGE, f"{found.path}: holds a single {kind_of(found)}; leave --member out")
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
    if members[member] == "array":
        return found.array(member)
    if members[member] == "shadow memory":
        return found.shadow_memory(member)
    if members[member] == "graph":
        return as_graph(found._member(GraphStorage, member, options))
    return found.dict(member, **options) if members[member] == "dict" else found.list(member, **options)


def _named(members: Any) -> str:
    names = [repr(name) for name in list(members)[:10]]
    more = f" and {len(members) - 10} more" if len(members) > 10 else ""
    return f" ({', '.join(names)}{more})" if names else ""


@contextlib.contextmanager
def reading(path: str, member: str | None, timeout: float) -> Iterator[Container]:
    """Open a container for reading."""
    with _single(path, timeout) as found:
        container = chosen(found, member, **({} if not isinstance(found, Store) else READING))
        if isinstance(container, EMShadowMemory):
            raise CommandError(
                USAGE,
                f"{path}: is shadow memory, which has no items; see it with info and stats, or from Python",
            )
        yield container


@contextlib.contextmanager
def _single(path: str, timeout: float) -> Iterator[Container | Store]:
    with opened(path, "r", timeout, **READING) as found:
        yield found


def kind_of(found: Container | Store) -> str:
    """Return "dict", "list", "array", "graph", "shadow memory" or "store"."""
    if isinstance(found, EMArray):
        return "array"
    if hasattr(found, "is_multigraph"):
        return "graph"
    if isinstance(found, EMShadowMemory):
        return "shadow memory"
    return "dict" if isinstance(found, EMDict) else "list" if isinstance(found, EMList) else "store"
