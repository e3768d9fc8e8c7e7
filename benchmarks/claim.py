"""What a claim is: something measured, what is to be reached, and whether it was; and how much is done for
it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import Failed, NotHere


@dataclass
class Claim:
    """One line of the report; `figures` are kept in the result file."""

    name: str
    measured: str
    target: str
    reached: bool | None  # None: it could not be measured, and `measured` says why
    figures: dict[str, Any] = field(default_factory=dict)
    failed: bool = False  # it could not be measured because something broke


@dataclass(frozen=True)
class Scale:
    """How much is done. What is None or 0 is as much as the claim is meant with."""

    count: int | None = None  # entries, elements or steps
    seconds: float = 300.0  # of inserting, a peer, for the claims whose peers would take hours
    memory_bytes: int = 1 << 30  # the limit of those that have a fixed one
    quick: bool = False  # one round, short rounds

    def of(self, meant: int) -> int:
        """The count, where the claim is meant with so many."""
        return self.count or meant

    def rounds(self, meant: int) -> int:
        return 1 if self.quick else meant

    def window(self, meant: float) -> float:
        """Seconds of one measurement, where what is measured could go on for ever."""
        return meant / 20 if self.quick else meant


# Measures in a folder that is empty and is removed afterwards.
Check = Callable[[Path, Scale], list[Claim]]


def at_least(
    name: str, value: float | None, least: float, measured: str, target: str, **figures: Any
) -> Claim:
    """A claim that a value is reached; a value of None could not be measured."""
    return Claim(name, measured, target, None if value is None else value >= least, figures)


def at_most(name: str, value: float | None, most: float, measured: str, target: str, **figures: Any) -> Claim:
    return Claim(name, measured, target, None if value is None else value <= most, figures)


def attempt(name: str, measure: Callable[[], list[Claim]]) -> list[Claim]:
    """What `measure` gives, or a line that says why it could not be measured: the claims beside it go on."""
    try:
        return measure()
    except NotHere as reason:
        return [Claim(name, str(reason), "a result", None)]
    except Failed as failure:
        return [Claim(name, f"failed: {failure}", "a result", None, failed=True)]
