"""The commands that look at a store as a whole, and change nothing: info, stats, verify."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from .._stores.kinds import kind_of
from .._stores.store import Store
from . import json_form
from .shown import print_json, shown
from .stores import FINDINGS, FINE, READING, chosen, opened
from .text import say

Arguments = argparse.Namespace


def info(arguments: Arguments) -> int:
    """What the directory holds."""
    with opened(arguments.path, "r", arguments.timeout, **READING) as found:
        facts: dict[str, Any] = {"path": found.path}
        if isinstance(found, Store):
            facts["kind"] = "store"
            facts["members"] = [
                {"name": name, "kind": kind, "entries": _entries(chosen(found, name, **READING))}
                for name, kind in found.members().items()
            ]
        else:
            kind_found = kind_of(found)
            facts.update({"kind": kind_found.name, "entries": _entries(found), **kind_found.facts(found)})
        facts["disk_bytes"] = found.stats()["disk_bytes"]
    if arguments.json:
        print_json(facts)
    else:
        _print_info(facts)
    return FINE


def _entries(found: Any) -> int:
    """How many items there are: of a graph nodes, of shadow memory addresses that are backed."""
    return kind_of(found).size(found)


def _print_info(facts: dict[str, Any]) -> None:
    members = facts.pop("members", [])
    _print_table(facts)
    for member in members:
        say(f"  {member['kind']} {shown(member['name'])}: {member['entries']:,} entries")


def _print_table(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for name, fact in facts.items():
        text = (
            f"{fact:,}" if isinstance(fact, int) else f"{fact:.3f}" if isinstance(fact, float) else str(fact)
        )
        say(f"{name:<{width}}  {text}")


def stats(arguments: Arguments) -> int:
    """The figures of the store, and of the container."""
    with opened(arguments.path, "r", arguments.timeout, **READING) as found:
        whole = isinstance(found, Store) and arguments.member is None
        figures = (found if whole else chosen(found, arguments.member, **READING)).stats()
    if arguments.json:
        print_json(_json_safe(figures))
    else:
        _print_table(_flat(figures))
    return FINE


def _flat(figures: Any, prefix: str = "") -> dict[str, Any]:
    """Nested figures as one table: {"a": {"b": 1}} is {"a.b": 1}."""
    flat: dict[str, Any] = {}
    pairs: Iterable[tuple[Any, Any]] = figures.items() if isinstance(figures, dict) else enumerate(figures)
    for name, figure in pairs:
        if isinstance(figure, (dict, list, tuple)):
            flat.update(_flat(figure, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = figure
    return flat


def _json_safe(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {str(name): _json_safe(figure) for name, figure in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [_json_safe(figure) for figure in figures]
    return figures if isinstance(figures, (int, str, type(None))) else json_form.encode(figures)


def verify(arguments: Arguments) -> int:
    """All that is wrong with the store; FINDINGS if there is anything."""
    with opened(arguments.path, "r", arguments.timeout, **READING) as found:
        findings = found.verify()
    if arguments.json:
        print_json({"path": arguments.path, "sound": not findings, "findings": findings})
    else:
        for finding in findings:
            say(finding)
        say(f"{arguments.path}: {f'{len(findings)} findings' if findings else 'sound'}")
    return FINDINGS if findings else FINE
