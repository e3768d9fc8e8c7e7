"""The listing: what is kept of a disassembly, under which name, and how it is filled.

    instructions  dict  address -> (size, mnemonic, operands)
    order         list  the addresses of the instructions, ascending
    references    list  (target, source), sorted
    targets       dict  target -> (how often it is referred to, where its pairs begin in `references`)
    summary       dict  facts and counts, for a later process to check against

The members come from a pyrsistence.Store or from InMemory: the code that fills them is the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Protocol

from .image import Image
from .sweep import sweep

_BATCH = 10_000


class Members(Protocol):
    """Named dicts and lists, made when first asked for."""

    def dict(self, name: str) -> Any: ...

    def list(self, name: str) -> Any: ...


class InMemory:
    """Members that are Python's own dicts and lists, for comparison."""

    def __init__(self) -> None:
        self._members: dict[str, Any] = {}

    def dict(self, name: str) -> Any:
        return self._members.setdefault(name, {})

    def list(self, name: str) -> Any:
        return self._members.setdefault(name, [])


def build(
    image: Image, members: Members, advance: Callable[[int], object], limit: int | None = None
) -> dict[str, Any]:
    """Disassembles the image into the members, and returns the summary.

    `advance` is told of bytes done. At most `limit` instructions, to the batch.
    """
    begin = time.perf_counter()
    facts = _fill(image, members, advance, limit)
    facts["targets"] = _index_references(members)
    facts["seconds"] = time.perf_counter() - begin
    facts.update(file=str(image.path), machine=image.machine.name, start=image.start())
    members.dict("summary").update(facts)
    return facts


def _fill(
    image: Image, members: Members, advance: Callable[[int], object], limit: int | None
) -> dict[str, Any]:
    instructions, order, references = (
        members.dict("instructions"),
        members.list("order"),
        members.list("references"),
    )
    mix: Counter[str] = Counter()
    code_bytes = 0
    storing = 0.0
    for batch in sweep(image):
        begin = time.perf_counter()
        instructions.update(batch.instructions)
        order.extend([address for address, _ in batch.instructions])
        references.extend(batch.references)
        storing += time.perf_counter() - begin
        mix.update([mnemonic for _, (_, mnemonic, _) in batch.instructions])
        code_bytes += batch.code_bytes
        advance(batch.code_bytes)
        if limit is not None and len(order) >= limit:
            break
    return {
        "instructions": len(order),
        "references": len(references),
        "code_bytes": code_bytes,
        "mix": dict(mix),
        "storing_seconds": storing,
    }


def _index_references(members: Members) -> int:
    """Sorts the references, and notes where each target's begin. Returns the number of targets."""
    references, targets = members.list("references"), members.dict("targets")
    references.sort()
    entries = _target_entries(references)
    while batch := list(islice(entries, _BATCH)):
        targets.update(batch)
    return len(targets)


def _target_entries(references: Iterable[Any]) -> Iterator[tuple[int, tuple[int, int]]]:
    position = 0
    for target, pairs in groupby(references, key=itemgetter(0)):
        count = sum(1 for _ in pairs)
        yield target, (count, position)
        position += count
