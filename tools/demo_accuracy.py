#!/usr/bin/env python3
"""What the demonstration recovers of ELF files, beside what `nm` and `objdump -d` tell of them.

    python tools/demo_accuracy.py /bin/true program.ko ...

Prints a table, a row for each file. It needs objdump and nm for the file's machine: those of
binutils-multiarch know all. A file without symbols is judged by what they tell of the same program with
them: `stripped=with-symbols`. Of a relocatable file, calls to other files are left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from disassembly.image import Image, ImageError
from disassembly.kinds import Kind
from disassembly.members import Program
from disassembly.plain import InMemory
from disassembly.steps import recover

_CODE_CLASSES = "tTwWiuV"
_INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t[0-9a-f ]+\t(?!\.|\(bad\)|<UNDEFINED>)(.*)")
# A call to an address, of x86 or of ARM; and what awaits relocation.
_CALL = re.compile(r"(?:\w+ )*(?:call[qlw]?|blx?(?:[a-z]{2})?)\s+(?:0x)?([0-9a-f]+)(?: |$)")
_RELOCATION = re.compile(r"\t[0-9a-f]+: R_\w+\t([^\s+-]+)([+-]0x[0-9a-f]+)?")


@dataclass
class Findings:
    """Functions by address, instructions by address, and direct calls as pairs of addresses."""

    functions: set[int]
    instructions: set[int]
    calls: set[tuple[int, int]]


def recovered(file: str) -> tuple[Findings, str, dict[str, int]]:
    """What the demonstration finds, the name of the machine, and where each section is."""
    with Image(file) as image:
        program = Program(InMemory())
        recover(image, program, lambda phase: None)
        calls = {
            (int(row["address"]), int(row["target"]))
            for row in program.transfers.view()
            if row["kind"] == Kind.CALL
            and row["target"]
            and (image.linked is None or image.contains(int(row["target"])))
        }
        numbers = {number for number, text in enumerate(program.mnemonics) if text == ".byte"}
        instructions = {address for address, row in program.instructions.items() if row[1] not in numbers}
        places = {part.name: part.address for part in image.linked.code} if image.linked is not None else {}
        return Findings(set(program.functions), instructions, calls), image.machine.name, places


def told(file: str, places: dict[str, int]) -> Findings:
    """The same of nm and objdump; `places`: where the sections of a relocatable file were laid."""
    functions, addresses = set(), dict(places)
    for line in _output("nm", "--format=sysv", file).splitlines():
        name, value, kind, what, _, _, section = (
            [part.strip() for part in line.split("|")] if "|" in line else [""] * 7
        )
        if value and section != "*COM*":
            addresses[name] = int(value, 16) + places.get(section, 0)
            if kind in _CODE_CLASSES and what in ("FUNC", "IFUNC"):
                functions.add(addresses[name])
    instructions, calls, base = set(), set(), 0
    for line in _output("objdump", "-drzw" if places else "-dzw", file).splitlines():
        if line.startswith("Disassembly of section "):
            base = places.get(line[len("Disassembly of section ") : -1], 0)
        elif found := _INSTRUCTION.match(line):
            address = int(found[1], 16) + base
            instructions.add(address)
            relocation = _RELOCATION.search(line)
            if (call := _CALL.match(found[2])) is None:
                continue
            if relocation is None:
                calls.add((address, int(call[1], 16) + base))
            elif relocation[1] in addresses:
                # On x86-64 the addend counts from behind the address, which is four bytes.
                addend = int(relocation[2] or "0", 0) + (4 if "R_X86_64" in line else 0)
                calls.add((address, addresses[relocation[1]] + addend))
    # A call to 0 is one to a symbol that no file has.
    return Findings(functions, instructions, {(site, target) for site, target in calls if target})


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, errors="replace").stdout


def compare(argument: str) -> tuple[str, Findings, Findings]:
    """The machine, what the demonstration found, and what the tools told. Errors: ImageError."""
    file, _, symbols = argument.partition("=")
    found, machine, places = recovered(file)
    return machine, found, told(symbols or file, places)


def _shares(ours: set, theirs: set) -> str:
    share = f"{100 * len(ours & theirs) / len(theirs):.2f} %" if theirs else ""
    return f"{len(theirs):,} | {share} | {len(ours - theirs):,}"


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    print(
        "| File | Machine | Functions of nm | found | further | Instructions of objdump | found | further |",
        end="",
    )
    print(" Calls of objdump | found | further |")
    print("|---|---|" + "---:|" * 9)
    for argument in arguments:
        try:
            machine, ours, theirs = compare(argument)
        except ImageError as error:
            print(f"| {Path(argument).name} | {error} |")
            continue
        columns = [
            _shares(getattr(ours, what), getattr(theirs, what))
            for what in ("functions", "instructions", "calls")
        ]
        print(f"| {Path(argument.partition('=')[0]).name} | {machine} | {' | '.join(columns)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
