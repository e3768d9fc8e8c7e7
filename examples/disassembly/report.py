"""The report: what a later process found, for people to read."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

from .members import Program
from .names import readable
from .queries import Findings

_MOST = 8
_BAR = 40
_BEFORE, _AFTER = 3, 6
# Of a chain, so many calls at its beginning and at its end.
_CHAIN_ENDS = 6
# Bytes that hold as many instructions of any machine.
_NEIGHBOURHOOD = 128


def show(program: Program, findings: Findings, address: int | None) -> None:
    """All of it."""
    names = _Names(program, findings)
    _show_mix(program.summary)
    if program.summary.get("reads_calls", True):
        _show_called(findings, names)
        _show_recursion(findings, names)
        _show_chain(findings, names)
        _show_shapes(findings, names)
        _show_reach(findings, names, len(program.functions))
    else:
        print(
            f"\nWhich instructions of {program.summary['machine']} jump and call is not known here: nothing"
        )
        print("is told of callers, recursion, chains of calls and the shapes of functions.")
    _show_instruction(program, findings.asked if address is None else address)
    times = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in findings.seconds.items())
    print(f"\nBy NetworkX on the stored graphs: {times}.", flush=True)


class _Names:
    """The names of all functions that are shown, found together."""

    def __init__(self, program: Program, findings: Findings) -> None:
        wanted = {findings.asked, *_ends_of(findings.chain)}
        wanted.update(function for function, _ in findings.most_called)
        wanted.update(shape.function for shape in findings.largest)
        wanted.update(function for group in findings.recursion[:1] for function in group[:1])
        found = {address: _name_of(program, address) for address in sorted(wanted)}
        self._names = dict(zip(found, readable(list(found.values())), strict=True))

    def __getitem__(self, address: int) -> str:
        return self._names[address]


def _name_of(program: Program, address: int) -> str:
    """The symbol; of a stub that only jumps through a slot, what the dynamic linker puts there."""
    if address in program.names:
        return str(program.names[address])
    for place in program.heads(address, int(program.functions[address][0]))[:2]:
        for slot in program.references.adj.get(place, ()):
            name = program.names.get(slot, "")
            if name.startswith("address of "):
                return name.removeprefix("address of ") + "@plt"
    return f"function_{address:x}"


def _show_mix(summary: Any) -> None:
    mix, total = Counter(summary["mix"]), max(summary["instructions"], 1)
    print(f"\nInstructions ({len(mix):,} mnemonics):")
    most = mix.most_common(_MOST)
    for mnemonic, count in most:
        bar = "#" * round(_BAR * count / most[0][1])
        print(f"  {mnemonic:<12} {count:>12,}  {100 * count / total:5.1f} %  {bar}")


def _show_called(findings: Findings, names: _Names) -> None:
    print("\nFunctions that most others call:")
    for function, callers in findings.most_called[:_MOST]:
        print(f"  {function:#12x}  {callers:>8,} callers  {names[function]}")


def _show_recursion(findings: Findings, names: _Names) -> None:
    groups = findings.recursion
    if not groups:
        print("\nRecursion: no functions call each other in circles.")
        return
    members = sum(map(len, groups))
    print(f"\nRecursion: {members:,} functions in {len(groups):,} groups that call each other in circles;")
    print(f"  the largest has {len(groups[0]):,}, of them {names[groups[0][0]]}")


def _show_chain(findings: Findings, names: _Names) -> None:
    chain = findings.chain
    print(f"\nDeepest chain of calls: {len(chain):,} functions, a group of recursion counted as one:")
    for number, function in enumerate(chain, 1):
        if _CHAIN_ENDS < number <= len(chain) - _CHAIN_ENDS:
            if number == _CHAIN_ENDS + 1:
                print("     ...")
            continue
        print(f"  {number:>5}  {names[function]}")


def _ends_of(chain: list[int]) -> list[int]:
    return [*chain[:_CHAIN_ENDS], *chain[-_CHAIN_ENDS:]]


def _show_shapes(findings: Findings, names: _Names) -> None:
    print("\nLargest functions, by the dominators of their blocks:")
    print("     blocks  reached  depth  loops")
    for shape in findings.largest[:_MOST]:
        numbers = f"{shape.blocks:>11,} {shape.reached:>8,} {shape.depth:>6,} {shape.loops:>6,}"
        print(f"{numbers}  {names[shape.function]}")


def _show_reach(findings: Findings, names: _Names, functions: int) -> None:
    share = f"{100 * findings.calls / functions:.1f} %"
    print(f"\n{names[findings.asked]}, at {findings.asked:#x}:")
    print(f"  comes to {findings.calls:,} of {functions:,} functions ({share}) by direct calls,")
    print(f"  and {findings.callers:,} come to it")


def _show_instruction(program: Program, address: int) -> None:
    """The instruction at an address with its neighbours, which the flags tell."""
    begin, end = next((b, e) for b, e in program.summary["ranges"] if b <= address < e)
    heads = program.heads(max(address - _NEIGHBOURHOOD, begin), min(address + _NEIGHBOURHOOD, end))
    index = max(bisect_right(heads, address) - 1, 0)
    print(f"\nInstructions at {address:#x}:" + ("" if heads else " none, there is only data or padding"))
    for near in heads[max(index - _BEFORE, 0) : index + _AFTER + 1]:
        _, mnemonic, operands = program.instruction(near)
        count = program.references.in_degree(near) if near in program.references else 0
        mark = "->" if near == heads[index] else "  "
        note = f"   ; referred to {count:,} times" if count else ""
        print(f"  {mark} {near:#12x}  {mnemonic:<10} {operands}{note}".rstrip())
