"""What a later process finds in the store: the mix, the targets, one instruction; and a check."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from heapq import nlargest
from typing import Any

from .image import Image, ImageError
from .listing import Members

_MOST = 12
_BAR = 40
_BEFORE, _AFTER = 3, 5


def show_mix(members: Members) -> None:
    """The most frequent mnemonics, with a bar each."""
    summary = members.dict("summary")
    total = max(summary["instructions"], 1)
    mix = Counter(summary["mix"])
    print(f"Instruction mix ({len(mix):,} mnemonics):")
    most = mix.most_common(_MOST)
    for mnemonic, count in most:
        bar = "#" * round(_BAR * count / most[0][1])
        print(f"  {mnemonic:<12} {count:>12,}  {100 * count / total:5.1f} %  {bar}")


def show_targets(members: Members, image: Image | None) -> None:
    """The addresses that most instructions refer to, by name where the file has one."""
    targets, references = members.dict("targets"), members.list("references")
    if not targets:
        print(f"No code references: they are not read off {members.dict('summary')['machine']} code.")
        return
    most = nlargest(_MOST, targets.items(), key=lambda item: (item[1][0], -item[0]))
    names = _names(members, image, [target for target, _ in most]) if image else {}
    print(f"Most referenced of {len(targets):,} targets:")
    for target, (count, position) in most:
        _, source = references[position]
        print(f"  {target:#12x} {count:>10,} times, first from {source:#x}  {names.get(target, '')}".rstrip())


def _names(members: Members, image: Image, addresses: list[int]) -> dict[int, str]:
    """Symbols; and a stub that only jumps where the dynamic linker says has the name of what is there."""
    slots = {}
    for address in addresses:
        slot = _slot_of_stub(members, image, address)
        if slot is not None:
            slots[address] = slot
    names = image.names({*addresses, *slots.values()})
    for address, slot in slots.items():
        if slot in names:
            names.setdefault(address, names[slot].replace("address of", "stub of"))
    return names


def _slot_of_stub(members: Members, image: Image, address: int) -> int | None:
    """The address that an indirect jump at (or one instruction behind) `address` takes its target from."""
    instructions, target_of = members.dict("instructions"), image.machine.target
    for _ in range(2):
        instruction = instructions.get(address)
        if instruction is None or target_of is None:
            return None
        size, mnemonic, operands = instruction
        if mnemonic.endswith("jmp") and "[rip" in operands:
            return target_of(address, size, mnemonic, operands)
        address += size
    return None


def show_instruction(members: Members, address: int) -> None:
    """The instruction at an address with its neighbours; `order` is searched as any sorted sequence is."""
    instructions, targets = members.dict("instructions"), members.dict("targets")
    order = members.list("order")
    index = bisect_right(order, address) - 1
    if index < 0 or address >= order[index] + instructions[order[index]][0]:
        raise ImageError(
            f"{address:#x} is in no executable section; the code is from {order[0]:#x} to {order[-1]:#x}"
        )
    found = order[index]
    where = f"at {address:#x}" if found == address else f"at {found:#x}, which {address:#x} lies in"
    print(f"Instruction {where} (number {index:,}):")
    for near in order[max(index - _BEFORE, 0) : index + _AFTER + 1]:
        _, mnemonic, operands = instructions[near]
        count = targets.get(near, (0, 0))[0]
        mark = "->" if near == found else "  "
        note = f"   ; referred to {count:,} times" if count else ""
        print(f"  {mark} {near:#12x}  {mnemonic:<10} {operands}{note}".rstrip())


def check(members: Members, advance: Callable[[int], object]) -> list[str]:
    """Counts again all that the building process counted; returns what differs. `advance` hears of steps."""
    summary = members.dict("summary")
    mix, code_bytes, in_order = _count_instructions(members, advance)
    referred, misplaced = _count_references(members, advance)
    expected_found = {
        "instructions": (summary["instructions"], len(members.dict("instructions"))),
        "instructions by a walk": (summary["instructions"], mix.total()),
        "addresses in order": (summary["instructions"], in_order),
        "instruction mix": (summary["mix"], dict(mix)),
        "bytes of code": (summary["code_bytes"], code_bytes),
        "references": (summary["references"], len(members.list("references"))),
        "references by target": (summary["references"], referred),
        "targets": (summary["targets"], len(members.dict("targets"))),
        "targets out of place": (0, misplaced),
    }
    return [
        f"{what}: expected {expected}, found {found}"
        for what, (expected, found) in expected_found.items()
        if expected != found
    ]


def _count_instructions(members: Members, advance: Callable[[int], object]) -> tuple[Counter[str], int, int]:
    """The mix, the bytes, and how many addresses of `order` are those of the dict, one by one, ascending."""
    mix: Counter[str] = Counter()
    code_bytes = in_order = 0
    last = -1
    instructions, order = members.dict("instructions"), members.list("order")
    # Not strict: their lengths are compared by the caller, which names what differs.
    for (address, (size, mnemonic, _)), ordered in zip(instructions.items(), order, strict=False):
        mix[mnemonic] += 1
        code_bytes += size
        in_order += last < address == ordered
        last = address
        advance(1)
    return mix, code_bytes, in_order


def _count_references(members: Members, advance: Callable[[int], object]) -> tuple[int, int]:
    """The references that targets account for, and the targets whose pairs are not where they say."""
    references, targets = members.list("references"), members.dict("targets")
    referred = misplaced = 0
    for target, (count, position) in targets.items():
        referred += count
        first, last = references[position], references[position + count - 1]
        misplaced += not (first[0] == last[0] == target)
        advance(1)
    return referred, misplaced


def steps(summary: Mapping[str, Any]) -> int:
    """The steps of check(), for a progress bar."""
    return int(summary["instructions"] + summary["targets"])
