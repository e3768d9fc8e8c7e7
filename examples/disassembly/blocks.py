"""The blocks: the second pass, over flags and transfers, which finds blocks, functions, and who calls whom.

A block begins with a leader: a function's first instruction, where a jump leads to, what is behind a jump
or behind data. A function reaches to the next one. An edge of the flow is a jump, or falling through to the
next block within the function; a jump to another function's first instruction is a call, of kind TAIL.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image import Image, Section
from .kinds import Kind
from .leaders import settle
from .members import CODE, FUNCTION, FUNCTION_HEAD, HEAD, LEADER, Program
from .switches import Switches

_SPAN_BYTES = 1 << 20
_FLOW = np.dtype([("source", "u8"), ("target", "u8"), ("kind", "u1"), ("address", "u8")])
_CALL = np.dtype([("caller", "u8"), ("callee", "u8"), ("kind", "u1"), ("address", "u8"), ("count", "u4")])


def connect(image: Image, program: Program, advance: Callable[[int], object]) -> dict[str, Any]:
    """Fills the graphs of blocks and of calls, and the functions. `advance` is told of bytes done.

    Returns how many switches were found, and what has no target that could be told.
    """
    transfers = _Transfers(program.transfers)
    switches, unknown = 0, Counter[str]()
    for section in image.sections:
        for begin, end in _spans(program, section):
            flags, within = program.flags[begin:end], transfers.before(end)
            settle(flags, begin, within, begin == section.address)
            span = _Span(begin, flags, within)
            if span.functions.size:
                tables = _find_switches(image, program, span)
                unknown.update(_store(span, tables, program))
                switches += np.unique(tables["address"]).size
            program.flags[begin:end] = flags
            advance(end - begin)
    return {"switches": switches, "not understood": dict(unknown)}


def _find_switches(image: Image, program: Program, span: _Span) -> NDArray[np.void]:
    """The jumps of the span by tables, with their targets, which it marks as leaders."""
    is_jump = np.isin(span.transfers["kind"], (Kind.JUMP, Kind.BRANCH))
    jumps = span.transfers[is_jump & (span.transfers["target"] == 0)]
    found = Switches(image, program, span.begin, span.flags).find(jumps["address"], span.functions)
    span.flags[found["target"] - np.uint64(span.begin)] |= LEADER
    return found


def _spans(program: Program, section: Section) -> Iterator[tuple[int, int]]:
    """Runs of whole functions, so that what is found in one need not be put together with the next."""
    begin, last = section.address, section.address + section.size
    while begin < last:
        found = program.flags.find(FUNCTION_HEAD | HEAD | CODE, start=begin + _SPAN_BYTES, stop=last)
        end = last if found is None else found
        yield begin, end
        begin = end


class _Transfers:
    """The transfers of the program, in the order of addresses, a part after the other."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self._position = 0

    def before(self, end: int) -> NDArray[np.void]:
        """Those from where the last call ended to this address."""
        view, position = self._array.view(), self._position
        self._position = bisect_left(view, end, position, key=lambda row: int(row["address"]))
        return view[position : self._position].copy()


@dataclass
class _Span:
    """Some functions that are next to each other. Each array of addresses is sorted."""

    begin: int
    flags: NDArray[np.uint8]
    transfers: NDArray[np.void]

    def __post_init__(self) -> None:
        self.heads = self._marked(HEAD | CODE)
        self.functions = self._marked(FUNCTION_HEAD)
        self.end = self.begin + self.flags.size

    @cached_property
    def leaders(self) -> NDArray[np.uint64]:
        """To be asked for when all are marked."""
        return self._marked(LEADER)

    def _marked(self, flags: int) -> NDArray[np.uint64]:
        return np.flatnonzero((self.flags & flags) == flags).astype("u8") + np.uint64(self.begin)

    def function_of(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The number in `functions` of the one that an address is in."""
        return self.functions.searchsorted(addresses, side="right") - 1

    def flags_at(self, addresses: NDArray[np.uint64], program: Program) -> NDArray[np.uint8]:
        """The flags of addresses anywhere; 0 where there are none."""
        inside = (addresses >= self.begin) & (addresses < self.end)
        found = np.zeros(addresses.size, "u1")
        found[inside] = self.flags[addresses[inside] - np.uint64(self.begin)]
        for number in np.flatnonzero(~inside).tolist():
            address = int(addresses[number])
            if program.flags.is_backed(address):
                found[number] = program.flags[address]
        return found


def _store(span: _Span, tables: NDArray[np.void], program: Program) -> dict[str, int]:
    """Stores what is known of the span; returns what is not, as counts."""
    last = span.heads[span.heads.searchsorted(np.append(span.leaders[1:], np.uint64(span.end))) - 1]
    kinds, targets = _ends(span, last)
    jumps = np.flatnonzero(np.isin(kinds, (Kind.JUMP, Kind.BRANCH)) & (targets != 0))
    marks = span.flags_at(targets[jumps], program)
    starts = span.functions[span.function_of(span.leaders[jumps])]
    leads = (marks & (LEADER | HEAD | CODE)) == LEADER | HEAD | CODE
    is_tail = leads & ((marks & FUNCTION_HEAD) != 0) & (targets[jumps] != starts)
    taken, tails = jumps[leads & ~is_tail], jumps[is_tail]
    falls = _falls(span, kinds)
    switched = last.searchsorted(tables["address"])
    flow = np.concatenate(
        (
            _flow(span, last, falls, span.leaders[falls + 1], Kind.FALL),
            _flow(span, last, taken, targets[taken], kinds[taken]),
            _flow(span, last, switched, tables["target"], Kind.SWITCH),
        )
    )
    program.flow.add_nodes_from(span.leaders.tolist())
    program.flow.add_edges_from(flow[flow["source"].argsort(kind="stable")])
    program.calls.add_nodes_from(span.functions.tolist())
    called = span.transfers[(span.transfers["kind"] == Kind.CALL) & (span.transfers["target"] != 0)]
    marks = span.flags_at(called["target"], program)
    is_known = (marks & (FUNCTION_HEAD | HEAD | CODE)) == FUNCTION_HEAD | HEAD | CODE
    program.calls.add_edges_from(_calls(span, called[is_known], last[tails], targets[tails]))
    program.functions.set_many(span.functions, _functions(span))
    return _not_understood(span.transfers, tables, int(np.count_nonzero((marks & CODE) == 0)))


def _flow(
    span: _Span, last: NDArray[np.uint64], blocks: NDArray[np.int64], targets: NDArray[np.uint64], kind: Any
) -> NDArray[np.void]:
    """The edges from these blocks, by number, to the targets."""
    rows = np.empty(blocks.size, _FLOW)
    rows["source"], rows["target"] = span.leaders[blocks], targets
    rows["kind"], rows["address"] = kind, last[blocks]
    return rows


def _ends(span: _Span, last: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """How each block ends, by its last instruction: a kind, 0 if it goes on; a target, 0 if unknown."""
    addresses = span.transfers["address"]
    places = addresses.searchsorted(last)
    kinds, targets = np.zeros(last.size, "u1"), np.zeros(last.size, "u8")
    if addresses.size:
        is_transfer = addresses.take(places, mode="clip") == last
        kinds[is_transfer] = span.transfers["kind"][places[is_transfer]]
        targets[is_transfer] = span.transfers["target"][places[is_transfer]]
    return kinds, targets


def _falls(span: _Span, kinds: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers of the blocks that may go on with the next one, of the same function and without a gap."""
    goes_on = ~np.isin(kinds[:-1], (Kind.JUMP, Kind.STOP))
    following = span.leaders[1:]
    touches = (span.flags[following - np.uint64(span.begin + 1)] & CODE) != 0
    numbers = span.function_of(span.leaders)
    return np.flatnonzero(goes_on & touches & (numbers[1:] == numbers[:-1]))


def _not_understood(
    transfers: NDArray[np.void], tables: NDArray[np.void], out_of_code: int
) -> dict[str, int]:
    is_computed, kinds = transfers["target"] == 0, transfers["kind"]
    jumps = transfers["address"][is_computed & (kinds == Kind.JUMP)]
    return {
        "jumps through pointers": int(np.count_nonzero(~np.isin(jumps, tables["address"]))),
        "calls through pointers": int(np.count_nonzero(is_computed & (kinds == Kind.CALL))),
        "calls out of the code": out_of_code,
    }


def _calls(
    span: _Span, rows: NDArray[np.void], tails: NDArray[np.uint64], tail_targets: NDArray[np.uint64]
) -> NDArray[np.void]:
    """One row for each function and another that it calls, with the first place where it does."""
    sites = np.concatenate((rows["address"], tails))
    callees = np.concatenate((rows["target"], tail_targets))
    kinds = np.repeat(np.array([Kind.CALL, Kind.TAIL], "u1"), (rows.size, tails.size))
    callers = span.functions[span.function_of(sites)]
    order = np.lexsort((sites, callees, callers))
    pairs = np.stack((callers[order], callees[order]))
    is_first = np.append(np.ones(min(sites.size, 1), "?"), (pairs[:, 1:] != pairs[:, :-1]).any(axis=0))
    firsts = np.flatnonzero(is_first)
    found = np.empty(firsts.size, _CALL)
    found["caller"], found["callee"] = pairs[:, firsts]
    found["kind"], found["address"] = kinds[order][firsts], sites[order][firsts]
    found["count"] = np.diff(np.append(firsts, sites.size))
    return found


def _functions(span: _Span) -> NDArray[np.void]:
    count = span.functions.size
    rows = np.empty(count, FUNCTION)
    rows["end"] = np.append(span.functions[1:], np.uint64(span.end))
    rows["blocks"] = np.bincount(span.function_of(span.leaders), minlength=count)
    rows["instructions"] = np.bincount(span.function_of(span.heads), minlength=count)
    return rows
