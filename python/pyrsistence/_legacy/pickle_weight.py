"""How large a pickle's tuples are when written out: the guard against one that takes forever to hash.

A pickle may refer to a tuple again and again, so a hundred bytes can make ``t = (t, t)`` forty times over.
As an object that is small; as a dict's key it is hashed part by part, 2**40 of them, within one call that
cannot be interrupted.
"""

from __future__ import annotations

from typing import Any

_MOST = 1_000_000
# What holds its parts and is hashable, or may be. Lists, dicts and sets are not: hashing them fails at once.
_COMPOSERS = {
    *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"),
    *("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD"),
}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}


def is_heavy(data: bytes) -> bool:
    """Whether a pickle makes a tuple that is a million parts or more when written out.

    **Cost**: O(bytes) for one that refers back less than two dozen times; else O(opcodes), some microseconds
    each.
    """
    return data.count(b"h") + data.count(b"j") + data.count(b"g") >= 24 and _heaviest(data) >= _MOST


def _heaviest(data: bytes) -> int:
    """Do the opcodes with weights instead of objects; return the largest weight."""
    import pickletools

    stack: list[int | None] = []  # None is a mark
    memo: dict[int, int] = {}
    most = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            most = max(most, _step(opcode, argument, stack, memo))
            if most >= _MOST:
                break
    except (ValueError, IndexError, TypeError):
        pass  # no pickle: the unpickler will say so
    return most


def _step(opcode: Any, argument: Any, stack: list[int | None], memo: dict[int, int]) -> int:
    """One opcode; returns the weight of what it made."""
    if opcode.name in _GETS:
        stack.append(memo.get(argument, 1))
        return 0
    if opcode.name in _PUTS or opcode.name == "MEMOIZE":
        memo[len(memo) if argument is None else argument] = stack[-1] or 1
        return 0
    if opcode.name == "MARK":
        stack.append(None)
        return 0
    weight = 1 + _pop(opcode, stack)
    if opcode.name not in _COMPOSERS:
        weight = 1
    stack.extend([weight] * len(opcode.stack_after))
    return weight


def _pop(opcode: Any, stack: list[int | None]) -> int:
    """Take off what the opcode takes; return its weight."""
    weight = 0
    names = [kind.name for kind in opcode.stack_before]
    if "mark" in names:
        while (top := stack.pop()) is not None:
            weight += top
        names = names[: names.index("mark")]
    for _ in names:
        weight += stack.pop() or 0
    return weight
