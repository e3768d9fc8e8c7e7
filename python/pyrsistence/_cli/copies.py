"""The commands that write a store anew, or a copy of it: compact, backup, migrate."""

from __future__ import annotations

import argparse
from typing import Any, Protocol, cast

from .._legacy.migration import migrate as migrate_store
from .progress import Progress
from .shown import print_json
from .stores import FINDINGS, FINE, opened
from .text import say

Arguments = argparse.Namespace

_SHOWN_LOSSES = 20


class _Movable(Protocol):
    def compact(self, dst: Any = None, *, progress: Any = None) -> None: ...
    def backup(self, dst: Any, *, progress: Any = None) -> None: ...
    def stats(self) -> dict[str, Any]: ...


def compact(arguments: Arguments) -> int:
    """Space given back, in place or in a copy."""
    in_place = arguments.dst is None
    with opened(
        arguments.path, "r+" if in_place else "r", arguments.timeout, memory=arguments.memory
    ) as found:
        before = found.stats()["disk_bytes"]
        with Progress("compact", not arguments.no_progress) as progress:
            cast(_Movable, found).compact(arguments.dst, progress=progress)
    path = arguments.path if in_place else arguments.dst
    _report_size(arguments, "compacted", before, path)
    return FINE


def backup(arguments: Arguments) -> int:
    """A consistent copy, while a writer works."""
    with opened(arguments.path, "r", arguments.timeout) as found:
        before = found.stats()["disk_bytes"]
        with Progress("backup", not arguments.no_progress) as progress:
            cast(_Movable, found).backup(arguments.dst, progress=progress)
    _report_size(arguments, "backed up", before, arguments.dst)
    return FINE


def _report_size(arguments: Arguments, done: str, before: int, path: str) -> None:
    with opened(path, "r", arguments.timeout) as found:
        after = found.stats()["disk_bytes"]
    if arguments.json:
        print_json({"path": path, "disk_bytes_before": before, "disk_bytes": after})
    else:
        say(f"{path}: {done}, {before:,} -> {after:,} bytes on disk")


def migrate(arguments: Arguments) -> int:
    """A directory of pyrsistence 1.1 into a new store; FINDINGS if anything was lost."""
    with Progress("migrate", not arguments.no_progress) as progress:
        result = migrate_store(
            arguments.path,
            arguments.dst,
            progress=progress,
            pickle=arguments.pickle,
            memory=arguments.memory,
            permissions=arguments.permissions,
        )
    if arguments.json:
        print_json(
            {
                "kind": result.kind,
                "saved": result.saved,
                "lost": result.lost,
                "reasons": dict(result.reasons),
                "losses": [{"slot": loss.slot, "reason": loss.reason} for loss in result.losses],
                "notes": result.notes,
            }
        )
    else:
        _print_migration(arguments, result)
    return FINDINGS if result.lost else FINE


def _print_migration(arguments: Arguments, result: Any) -> None:
    for note in result.notes:
        say(f"note: {note}")
    for loss in result.losses[:_SHOWN_LOSSES]:
        say(f"lost: slot {loss.slot}: {loss.reason}")
    if result.lost > _SHOWN_LOSSES:
        print(f"lost: {result.lost - _SHOWN_LOSSES:,} more; --json lists the first thousand")
    say(f"{arguments.dst}: a {result.kind}, {result.saved:,} items saved, {result.lost:,} lost")
    if (
        result.lost
        and not arguments.pickle
        and any("list of safe types" in loss.reason for loss in result.losses)
    ):
        print(
            "note: what is not plain data was left out; if you trust the old store, migrate with --pickle, "
            "which runs code that it names"
        )
