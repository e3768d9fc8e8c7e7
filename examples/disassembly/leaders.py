"""Leaders: where blocks begin, and which instructions are none of a block since they only fill space.

The first pass marks as a leader what something leads to; here what is behind a jump, a return or data is
one, too, as long as it is not padding: what compilers put between functions, which nothing leads to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .members import CODE, DATA, FUNCTION_HEAD, HEAD, LEADER

_NO_MARKS = np.uint8(0xFF & ~(LEADER | FUNCTION_HEAD))
_NO_CODE, _NO_DATA = np.uint8(0xFF & ~CODE), np.uint8(0xFF & ~DATA)


def settle(flags: NDArray[np.uint8], begin: int, transfers: NDArray[np.void], is_first: bool) -> None:
    """Decides what the bytes from address `begin` on are; `is_first` if a section begins there.

    Marks where no instruction begins are taken back: something leads into the middle of one.
    """
    is_head = (flags & (HEAD | CODE)) == HEAD | CODE
    flags[~is_head] &= _NO_MARKS
    heads = np.flatnonzero(is_head)
    if heads.size == 0:
        return
    if is_first:
        flags[heads[0]] |= LEADER | FUNCTION_HEAD
    kinds = np.zeros(heads.size, "u1")
    kinds[heads.searchsorted((transfers["address"] - np.uint64(begin)).astype("i8"))] = transfers["kind"]
    _take_out_padding(flags, heads, (kinds == Kind.JUMP) | (kinds == Kind.STOP))
    # A call does not end a block: it mostly comes back.
    ends = np.isin(kinds, (Kind.JUMP, Kind.STOP, Kind.BRANCH))
    leads = np.append(True, ends[:-1]) | _is_behind_data(flags, heads)
    flags[heads[leads & ((flags[heads] & CODE) != 0)]] |= LEADER


def _take_out_padding(
    flags: NDArray[np.uint8], heads: NDArray[np.int64], never_goes_on: NDArray[np.bool_]
) -> None:
    """Of instructions that may be padding, takes CODE off those that nothing reaches, DATA off the others."""
    marks = flags[heads]
    may_be = ((marks & DATA) != 0) & ((marks & LEADER) == 0)
    # Of each instruction: the last one up to it that is surely code, and the last one that nothing goes on
    # to.
    numbers = np.arange(heads.size)
    code = np.maximum.accumulate(np.where(may_be, -1, numbers))
    is_cut_off = np.append(True, never_goes_on[:-1]) | _is_behind_data(flags, heads)
    cut_off = np.maximum.accumulate(np.where(is_cut_off, numbers, -1))
    is_padding = may_be & (cut_off > code)
    places = np.flatnonzero((flags & (CODE | DATA)) == CODE | DATA)
    owners = heads.searchsorted(places, side="right") - 1
    flags[places] &= np.where(is_padding[owners], _NO_CODE, _NO_DATA)


def _is_behind_data(flags: NDArray[np.uint8], heads: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether there is no code right before an instruction."""
    return np.append(True, (flags[heads[1:] - 1] & CODE) == 0)
