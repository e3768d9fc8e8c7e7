"""The census: what is in the members, counted by the process that filled them and by one that came later."""

from __future__ import annotations

from typing import Any

from .members import CODE, FUNCTION_HEAD, HEAD, LEADER, Program

_FLAGS = {
    "bytes of code": CODE,
    "instructions by flags": HEAD,
    "blocks by flags": LEADER,
    "functions by flags": FUNCTION_HEAD,
}
# What is known from two members, which must agree.
_TWICE = (
    ("instructions", "instructions by flags"),
    ("blocks", "blocks by flags"),
    ("functions", "functions by flags"),
    ("functions", "functions of the call graph"),
)


def census(program: Program, ranges: list[tuple[int, int]]) -> dict[str, Any]:
    """The counts of all members; of the flags those in the ranges of addresses."""
    found = {
        "instructions": len(program.instructions),
        "bytes of operands": len(program.operands),
        "mnemonics": len(program.mnemonics),
        "transfers": len(program.transfers),
        "names": len(program.names),
        "functions": len(program.functions),
        "blocks": program.flow.number_of_nodes(),
        "edges of the flow": program.flow.number_of_edges(),
        "functions of the call graph": program.calls.number_of_nodes(),
        "edges of the call graph": program.calls.number_of_edges(),
        "addresses that refer or are referred to": program.references.number_of_nodes(),
        "references": program.references.number_of_edges(),
        "checksum of the call graph": _checksum(program.calls),
    }
    for what, flags in _FLAGS.items():
        found[what] = sum(program.flags.count(begin, end - begin, flags) for begin, end in ranges)
    return found


def _checksum(graph: Any) -> int:
    """Of all edges with their attributes, in whatever order they come."""
    return sum(hash((u, v, *edge.values())) for u, v, edge in graph.edges(data=True)) % 2**64


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What was counted otherwise before, and what two members say differently."""
    lines = [
        f"{what}: expected {expected.get(what)}, found {found.get(what)}"
        for what in {**expected, **found}
        if expected.get(what) != found.get(what)
    ]
    return lines + [
        f"{one} are {found[one]}, but {other} {found[other]}"
        for one, other in _TWICE
        if found[one] != found[other]
    ]
