"""migrate() and what it returns. The work is in conversion.py, which is imported when it is needed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from .._base.memory import parse_memory
from .._base.public import public

Progress = Callable[[int, int], None]

_KEPT_LOSSES = 1000


class Loss(NamedTuple):
    """An item that was not saved: which slot of the index (of a list: the element's index), and why."""

    slot: int
    reason: str


@public
class Migration:
    """What migrate() did.

    ``kind`` is "dict" or "list"; ``saved`` and ``lost`` count items. ``reasons`` counts the lost ones by the
    kind of reason, ``losses`` tells the first thousand, each with its slot. ``notes`` says what is
    odd but cost nothing.
    """

    __slots__ = ("kind", "losses", "lost", "notes", "reasons", "saved")

    def __init__(self, kind: str, notes: list[str]) -> None:
        self.kind = kind
        self.saved = 0
        self.lost = 0
        self.losses: list[Loss] = []
        self.reasons: Counter[str] = Counter()
        self.notes = notes

    def lose(self, slot: int, kind: str, reason: object, count: int = 1) -> None:
        """Count what was lost."""
        self.lost += count
        self.reasons[kind] += count
        if len(self.losses) < _KEPT_LOSSES:
            self.losses.append(Loss(slot, f"{kind}: {reason}"))

    def __repr__(self) -> str:
        return f"<Migration of a {self.kind}: {self.saved} saved, {self.lost} lost>"


@public
def migrate(
    src: Any,
    dst: Any,
    *,
    progress: Progress | None = None,
    unpickler: Any = None,
    pickle: bool = False,
    memory: int | str | None = None,
    permissions: int | None = None,
) -> Migration:
    """Save what the directory ``src``, written by pyrsistence 1.1, holds into a new EMDict or EMList at
    ``dst``.

    ``src`` is only read. Damage costs the items it hits, which are counted: a dict's are left out, a list's
    become None, so that the others keep their indices. Pickles of plain data (builtins, dates, Decimal,
    Fraction, OrderedDict, deque) are read by default; ``pickle=True`` reads all, and thereby runs whatever
    code they name: for stores that you trust. ``unpickler`` is that of a store which was written with a
    ``pickler`` of its own: an object with ``unpickle(bytes)``, or a function; it gets the chunk with its
    padding. ``memory`` and ``permissions`` are the new store's, as of EMDict.

    **Cost**: reads each item once; memory does not grow with the store, disk space of 8 to 24 bytes a dict's
    item is needed beside ``dst`` for a while. Errors: FormatError if it is no such directory; FileExistsError
    if ``dst`` exists and is not an empty directory; OSError of the disk, with nothing left behind; what
    ``progress`` raises.
    """
    from .._base.options import parse_permissions
    from .conversion import run

    budget, bits = parse_memory(memory) or None, parse_permissions(permissions)
    return run(os.fsdecode(src), os.fsdecode(dst), progress, unpickler, pickle, budget, bits)
