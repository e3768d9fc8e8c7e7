"""The queries: what one wants to know of a program, by NetworkX's algorithms on the graphs as they are.

No graph is copied into memory: an algorithm holds what it keeps for each node of the part that it visits,
no more. What comes back is plain numbers and addresses, equal for whatever containers the graphs are kept
in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np

from .members import LEADER, Program

_LARGEST = 10
_MOST_CALLED = 10
_BATCH = 10_000


@dataclass(frozen=True)
class Shape:
    """What the dominators tell of a function."""

    function: int
    blocks: int
    # Blocks that are reached from the first one by the jumps that can be seen.
    reached: int
    # The most blocks that must all be passed, one after the other, to come to one of them.
    depth: int
    # Jumps back to a block that is passed on every way to them.
    loops: int


@dataclass
class Findings:
    """The answers. `seconds` are not compared."""

    # Groups of functions that call each other in circles, each sorted, the largest first.
    recursion: list[list[int]]
    # The longest chain of calls, from the outermost function; of a group of recursion its first function.
    chain: list[int]
    # (function, how many functions call it), and (function, how many it calls).
    most_called: list[tuple[int, int]]
    most_calling: list[tuple[int, int]]
    largest: list[Shape]
    # How many functions `asked` calls, or those that it calls, and so on; and how many come to it.
    asked: int
    calls: int
    callers: int
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


def ask(program: Program, address: int | None, condensed: Any) -> Findings:
    """All queries; those about one function ask of that at the address, or, without one, of the largest.

    `condensed` is an empty directed graph, to work in.
    """
    seconds: dict[str, float] = {}

    def timed(what: str, query: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.perf_counter()
        answer = query(*arguments)
        seconds[what] = time.perf_counter() - begin
        return answer

    calls = program.calls
    components = timed("strongly connected components", _components, calls)
    chain = timed("deepest chain of calls", _deepest_chain, calls, components, condensed)
    largest = timed("dominators", lambda: [shape(program, f) for f in _largest(program)])
    called, calling = timed("degrees", lambda: (_most(calls.in_degree), _most(calls.out_degree)))
    asked = largest[0].function if address is None else _function_at(program, address)
    below, above = timed(
        "reachability", lambda: (len(nx.descendants(calls, asked)), len(nx.ancestors(calls, asked)))
    )
    recursion = [group for group in components if len(group) > 1]
    return Findings(recursion, chain, called, calling, largest, asked, below, above, seconds)


def _components(calls: Any) -> list[list[int]]:
    """The strongly connected components, each sorted, the largest first."""
    return sorted(
        map(sorted, nx.strongly_connected_components(calls)), key=lambda group: (-len(group), group)
    )


def _deepest_chain(calls: Any, components: list[list[int]], condensed: Any) -> list[int]:
    """The longest path over the components, which have no circles."""
    number = {function: index for index, group in enumerate(components) for function in group}
    condensed.add_nodes_from(range(len(components)))
    between = ((number[u], number[v]) for u, v in calls.edges)
    for batch in _batches(edge for edge in between if edge[0] != edge[1]):
        condensed.add_edges_from(batch)
    return [components[index][0] for index in nx.dag_longest_path(condensed)]


def _batches(pairs: Iterator[tuple[int, int]]) -> Iterator[Any]:
    while batch := list(islice(pairs, _BATCH)):
        yield np.array(batch)


def _most(degrees: Any) -> list[tuple[int, int]]:
    return nlargest(_MOST_CALLED, degrees, key=lambda pair: (pair[1], -pair[0]))


def _largest(program: Program) -> list[int]:
    """The functions with the most blocks."""
    sizes = ((int(row[1]), -address) for address, row in program.functions.items())
    return [-address for _, address in nlargest(_LARGEST, sizes)]


def _function_at(program: Program, address: int) -> int:
    """The function that an address is in; the first one, if it is in none."""
    found = first = None
    for begin, row in program.functions.items():
        first = begin if first is None else first
        if begin <= address < int(row[0]):
            found = begin
    return int(first if found is None else found)


def shape(program: Program, function: int) -> Shape:
    """The dominators of a function's blocks, in the flow as far as it lies within the function."""
    end = int(program.functions[function][0])
    places = np.flatnonzero(program.flags[function:end] & LEADER).tolist()
    flow = program.flow.subgraph([function + place for place in places])
    dominators = nx.immediate_dominators(flow, function)
    dominators.pop(function, None)  # older versions of NetworkX have the first block as its own
    depths = {function: 1}
    for block in dominators:
        _depth(block, dominators, depths)
    loops = sum(1 for u in depths for v in flow.successors(u) if _dominates(v, u, dominators, depths))
    return Shape(function, len(places), len(depths), max(depths.values()), loops)


def _depth(block: int, dominators: dict[int, int], depths: dict[int, int]) -> None:
    """Notes the depths of a block and of those that dominate it."""
    path = []
    while block not in depths:
        path.append(block)
        block = dominators[block]
    for depth, member in enumerate(reversed(path), depths[block] + 1):
        depths[member] = depth


def _dominates(upper: int, lower: int, dominators: dict[int, int], depths: dict[int, int]) -> bool:
    while depths[lower] > depths[upper]:
        lower = dominators[lower]
    return lower == upper
