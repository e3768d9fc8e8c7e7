"""Kinds: how one address refers to another. The edges of all three graphs carry one."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """Zero is kept for "none of these", so that a table of kinds may be zeros at first."""

    JUMP = 1  # always taken
    BRANCH = 2  # taken or not
    CALL = 3
    STOP = 4  # a return, or what never goes on
    DATA = 5  # an address that is read, written or taken
    FALL = 6  # to the next block
    TAIL = 7  # a jump to the beginning of another function
    SWITCH = 8  # to one of the blocks that a table lists
