"""The claims `graph` and `graph-beyond`: EMDiGraph beside networkx.DiGraph, and beyond a limit of memory.

`graph` has random edges between integers, ten from each node. What is compared with NetworkX is a graph of a
tenth of the edges, which NetworkX holds as well, in the same process. Queries are of nodes in no order.

`graph-beyond` has edges in the order of their sources, as a disassembler finds them: most go to a node
nearby, one of five hundred to any. Each has a kind and an address. They come in arrays; all of it, the arrays
too, is done under the limit, the page cache included.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from claim import Claim, Scale, at_least, at_most
from process import disk_bytes, measure

_EDGES = 10_000_000
_DEGREE = 10
_ASKED = 100_000
_ROUNDS = 3
_TIMEOUT = 1800.0

_FAR_EDGES = 100_000_000
_FAR_DEGREE = 32
_NEARBY = 1_000
_ONE_FAR_OF = 500
_FAR_BYTES = 19  # an edge, about, with its share of a node; a little less, so that 8 times are reached
_TIMES = 8
_LEAST_LIMIT = 128 << 20  # a process with NumPy and NetworkX has no less
_AT_ONCE = 200_000
_FIELDS = [("kind", "u1"), ("address", "u8")]
_MIB = 1 << 20


def _random_edges(count: int) -> Any:
    nodes = max(count // _DEGREE, 2)
    return numpy.random.default_rng(23).integers(0, nodes, (count, 2))


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _from_arrays(folder: str, count: int) -> dict[str, Any]:
    """Seconds of adding all edges as one array and of the commit; the bytes of the closed store."""
    import pyrsistence

    edges = _random_edges(count)
    graph = pyrsistence.EMDiGraph(folder, commit_interval=None)
    seconds = {"add": _seconds(lambda: graph.add_edges_from(edges)), "commit": _seconds(graph.commit)}
    added = graph.number_of_edges()
    graph.close()
    if added != len(numpy.unique(edges[:, 0] << 32 | edges[:, 1])):
        raise ValueError(f"{added:,} edges, where others were given")
    return {**seconds, "edges": added, "disk": disk_bytes(Path(folder))}


def _one_by_one(folder: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds of add_edge() for each and of the commit; and of NetworkX. The least of the rounds."""
    import networkx

    import pyrsistence

    edges: list[list[int]] = _random_edges(count).tolist()
    ours, theirs, path = [], [], ""
    for number in range(rounds):
        path = f"{folder}/single-{number}"
        graph, model = pyrsistence.EMDiGraph(path, commit_interval=None), networkx.DiGraph()
        begin = time.perf_counter()
        for u, v in edges:
            graph.add_edge(u, v)
        graph.commit()
        done = time.perf_counter()
        for u, v in edges:
            model.add_edge(u, v)
        theirs.append(time.perf_counter() - done)
        ours.append(done - begin)
        if graph.number_of_edges() != model.number_of_edges():
            raise ValueError("another number of edges than NetworkX has")
        graph.close()
    built = disk_bytes(Path(path))
    with pyrsistence.EMDiGraph(path) as graph:
        graph.compact()
    with pyrsistence.EMDiGraph(path) as graph:
        found = graph.number_of_edges()
    return {
        "ours": min(ours),
        "theirs": min(theirs),
        "edges": found,
        "disk": built,
        "compacted": disk_bytes(Path(path)),
    }


def _compact(folder: str) -> dict[str, Any]:
    """Bytes after compact()."""
    import pyrsistence

    with pyrsistence.EMDiGraph(folder) as graph:
        seconds = _seconds(graph.compact)
        edges = graph.number_of_edges()
    return {"seconds": seconds, "edges": edges, "disk": disk_bytes(Path(folder))}


def _ask(folder: str, nodes: int, rounds: int) -> dict[str, Any]:
    """Microseconds of the neighbours of a node that has ten; the least of the rounds, of each way to ask."""
    import pyrsistence

    with pyrsistence.EMDiGraph(folder, mode="r+") as graph:
        asked = random.Random(5).choices(range(nodes), k=20 * min(_ASKED, nodes))
        asked = [u for u in asked if u in graph and graph.out_degree(u) == _DEGREE][:_ASKED]
        adjacency = graph.adj
        pairs = [(u, next(iter(graph[u]))) for u in asked]

        def walk() -> None:
            for u in asked:
                for _neighbour in adjacency[u]:
                    pass

        # What is found is not kept: memory for it is not what is measured.
        ways: dict[str, Callable[[], object]] = {
            "list(G[u])": lambda: all(list(graph[u]) for u in asked),
            "list(G.neighbors(u))": lambda: all(list(graph.neighbors(u)) for u in asked),
            "for v in G.adj[u]": walk,
            "v in G[u]": lambda: all(v in graph[u] for u, v in pairs),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, work in ways.items():
                times[way].append(_seconds(work))
    return {
        "asked": len(asked),
        "us": {way: 1e6 * min(some) / max(len(asked), 1) for way, some in times.items()},
    }


def _reach(adjacency: Any, start: int) -> int:
    """Breadth first: how many nodes are reached."""
    seen, level = {start}, [start]
    while level:
        following = []
        for u in level:
            for v in adjacency[u]:
                if v not in seen:
                    seen.add(v)
                    following.append(v)
        level = following
    return len(seen)


def _search(folder: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds of a search over all of a graph, and over NetworkX's; the least of the rounds."""
    import networkx

    import pyrsistence

    edges = _random_edges(count)
    graph, model = pyrsistence.EMDiGraph(f"{folder}/searched"), networkx.DiGraph()
    graph.add_edges_from(edges)
    model.add_edges_from(edges.tolist())
    start = int(edges[0, 0])
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_seconds(lambda: _reach(graph.adj, start)))
        theirs.append(_seconds(lambda: _reach(model.adj, start)))
    if _reach(graph.adj, start) != _reach(model.adj, start):
        raise ValueError("another number of nodes is reached than by NetworkX")
    graph.close()
    return {"ours": min(ours), "theirs": min(theirs)}


def graph(folder: Path, scale: Scale) -> list[Claim]:
    """Size, building, neighbours, and a search."""
    count, rounds = scale.of(_EDGES), scale.rounds(_ROUNDS)
    few = max(count // 10, 1)
    runs = [
        measure(_from_arrays, str(folder / f"arrays-{number}"), count, timeout=_TIMEOUT)
        for number in range(rounds)
    ]
    seconds = statistics.median(run["add"] + run["commit"] for run in runs)
    path = str(folder / "arrays-0")
    asked = measure(_ask, path, max(count // _DEGREE, 2), rounds, timeout=_TIMEOUT)
    compacted = measure(_compact, path, timeout=_TIMEOUT)
    single = measure(_one_by_one, str(folder), few, rounds, timeout=_TIMEOUT)
    searched = measure(_search, str(folder), few, rounds, timeout=_TIMEOUT)
    rate = count / seconds
    built = {"arrays": runs[0]["disk"] / runs[0]["edges"], "add_edge": single["disk"] / single["edges"]}
    after = {
        "arrays": compacted["disk"] / compacted["edges"],
        "add_edge": single["compacted"] / single["edges"],
    }
    ratio = single["theirs"] / single["ours"]
    slower = searched["ours"] / searched["theirs"]
    name = f"graph of {count:,} edges"
    adding = (
        f"{ratio:.2f} times NetworkX's rate: {few / single['ours']:,.0f} edges/s, with the commit, beside "
        f"{few / single['theirs']:,.0f}, {few:,} edges"
    )
    searching = f"{slower:.2f} times NetworkX's time: {searched['ours']:.2f} s, {searched['theirs']:.2f} s"
    arrays = f"{rate:,.0f} edges/s, with the commit; median of {rounds}"
    ways = "; ".join(f"{way} {us:.2f} us" for way, us in asked["us"].items())
    return [
        at_most(
            f"{name}: bytes an edge on disk", max(*built.values()), 28, _each(built), "at most 28", runs=runs
        ),
        at_most(
            f"{name}: after compact()",
            max(*after.values()),
            24,
            _each(after),
            "at most 24",
            compacted=compacted,
        ),
        at_least(f"{name}: from arrays", rate, 3e6, arrays, "3 million edges/s"),
        at_least(f"{name}: by add_edge", ratio, 0.5, adding, "half of NetworkX's rate", **single),
        at_most(
            f"{name}: {_DEGREE} neighbours", max(asked["us"].values()), 2, ways, "under 2 us warm", **asked
        ),
        at_most(
            f"{name}: breadth-first search",
            slower,
            2,
            searching,
            "within 2 times NetworkX's time",
            **searched,
        ),
    ]


def _each(bytes_an_edge: dict[str, float]) -> str:
    return ", ".join(f"{value:.1f} built by {way}" for way, value in bytes_an_edge.items())


# ---- Beyond memory


def _batches(count: int) -> Any:
    """Structured arrays of edges, by their sources."""
    rng = numpy.random.default_rng(29)
    nodes = max(count // _FAR_DEGREE, 2)
    row = numpy.dtype([("from", "i8"), ("to", "i8"), *_FIELDS])
    for begin in range(0, count, _AT_ONCE):
        rows = numpy.zeros(min(_AT_ONCE, count - begin), row)
        numbers = numpy.arange(begin, begin + len(rows))
        rows["from"] = numbers // _FAR_DEGREE % nodes
        rows["to"] = (rows["from"] + rng.integers(1, _NEARBY, len(rows))) % nodes
        far = numbers % _ONE_FAR_OF == 0
        rows["to"][far] = rng.integers(0, nodes, int(far.sum()))
        rows["kind"] = numbers % 5
        rows["address"] = 0x400000 + 4 * numbers
        yield rows


def _build_far(folder: str, count: int) -> dict[str, Any]:
    import pyrsistence

    begin = time.perf_counter()
    with pyrsistence.EMDiGraph(folder, edge_dtype=_FIELDS) as graph:
        graph.add_nodes_from(range(max(count // _FAR_DEGREE, 2)))
        for rows in _batches(count):
            graph.add_edges_from(rows)
        edges = graph.number_of_edges()
    return {"seconds": time.perf_counter() - begin, "edges": edges, "disk": disk_bytes(Path(folder))}


def _traverse_far(folder: str) -> dict[str, Any]:
    """Breadth first from a node, whose set is a bytearray, and a walk over all edges."""
    import pyrsistence

    with pyrsistence.EMDiGraph(folder, mode="r+") as graph:
        nodes = graph.number_of_nodes()
        begin = time.perf_counter()
        seen, level, reached = bytearray(nodes), [0], 1
        seen[0] = 1
        adjacency = graph.adj
        while level:
            following = []
            for u in level:
                for v in adjacency[u]:
                    if not seen[v]:
                        seen[v] = 1
                        following.append(v)
            reached += len(following)
            level = following
        searched = time.perf_counter() - begin
        begin = time.perf_counter()
        walked = sum(1 for _ in graph.edges())
        seconds = time.perf_counter() - begin
        if walked != graph.number_of_edges():
            raise ValueError(f"{walked:,} edges were seen, where there are {graph.number_of_edges():,}")
        some = itertools.islice(graph.edges(data="address"), 1000)
        if not all(0x400000 <= address < 0x400000 + 4 * 2 * _FAR_EDGES for _, _, address in some):
            raise ValueError("an edge has another address than it was given")
    return {"search": searched, "walk": seconds, "reached": reached, "nodes": nodes}


def beyond(folder: Path, scale: Scale) -> list[Claim]:
    """Built and traversed under an eighth of its size."""
    count = scale.of(_FAR_EDGES)
    limit = max(count * _FAR_BYTES // _TIMES, _LEAST_LIMIT)
    path = str(folder / "far")
    built = measure(_build_far, path, count, timeout=2 * _TIMEOUT, limit_bytes=limit)
    done = measure(_traverse_far, path, timeout=2 * _TIMEOUT, limit_bytes=limit)
    times = built["disk"] / limit
    measured = (
        f"{built['disk'] / _MIB:,.0f} MiB of {built['edges']:,} edges, {times:.1f} times the limit of "
        f"{limit / _MIB:.0f} MiB: built in {built['seconds']:.0f} s "
        f"({built['edges'] / built['seconds']:,.0f} edges/s), "
        f"peak {built['peak_bytes'] / _MIB:.0f} MiB anonymous; "
        f"a search that reaches {done['reached']:,} of {done['nodes']:,} nodes {done['search']:.0f} s, "
        f"a walk over all edges {done['walk']:.0f} s, peak {done['peak_bytes'] / _MIB:.0f} MiB"
    )
    name = f"a graph of {count:,} edges with two fields, built and traversed under a limit of memory"
    return [
        at_least(
            name, times, _TIMES, measured, f"{_TIMES} times the limit", limit=limit, built=built, done=done
        )
    ]
