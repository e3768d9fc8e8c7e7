"""A NetworkX backend for tests: every graph given to an algorithm is copied into a stored one of the same
kind.

The algorithms are NetworkX's own: what is tested is that stored graphs are NetworkX graphs. run.py uses it;
NetworkX finds it by the entry point beside this file, when this directory is on the path.
"""

from __future__ import annotations

import networkx as nx
import pytest
from networkx.algorithms.flow.utils import CurrentEdge
from networkx.classes.reportviews import NodeView
from networkx.utils import backends

import exceptions
import pyrsistence

STORED = {
    nx.Graph: pyrsistence.EMGraph,
    nx.DiGraph: pyrsistence.EMDiGraph,
    nx.MultiGraph: pyrsistence.EMMultiGraph,
    nx.MultiDiGraph: pyrsistence.EMMultiDiGraph,
    nx.PlanarEmbedding: pyrsistence.EMDiGraph,
}

# Calls that have to see their caller change the graph while they walk it: a copy would not change. NetworkX's
# own backend for tests leaves the same ones out.
SEES_CHANGES = {"lexicographical_topological_sort", "topological_generations", "topological_sort"}

# How many graphs were copied.
copied = 0


class Backend:
    """What NetworkX asks for the functions, and for graphs to give to them."""

    def __getattr__(self, name):
        """The function of this name: NetworkX's own."""
        try:
            return backends._registered_algorithms[name].orig_func
        except KeyError:
            raise AttributeError(name) from None

    @staticmethod
    def convert_from_nx(graph, *, name=None, **_):
        """Return a stored copy; with all attributes, whichever the function says it will look at."""
        if name in SEES_CHANGES:
            return graph
        if isinstance(graph, NodeView):
            graph = _only_nodes(graph)
        stored = STORED.get(type(graph))
        return graph if stored is None or _is_at_work(graph) else stored_copy(graph, stored)

    @staticmethod
    def convert_to_nx(result, *, name=None):
        """A stored graph is one of NetworkX's."""
        return result

    @staticmethod
    def on_start_tests(items):
        """Mark the tests that are known not to pass; if one of them passes, that is a failure."""
        for item in items:
            reason = exceptions.reasons().get(item.nodeid)
            if reason is not None:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
                item.add_marker(pytest.mark.timeout(5))  # some go on for ever


def stored_copy(graph, stored):
    """Copy a graph with all attributes, the nodes and the neighbours of each in the same order."""
    global copied
    copied += 1
    copy = stored()
    copy.graph.update(graph.graph)
    copy.add_nodes_from(graph._node.items())
    if graph.is_multigraph():
        for u, v in insertion_order(graph):
            copy.add_edges_from((u, v, key, attributes) for key, attributes in graph._adj[u][v].items())
    else:
        copy.add_edges_from((u, v, graph._adj[u][v]) for u, v in insertion_order(graph))
    return copy


def insertion_order(graph):
    """Yield each edge once, such that whoever inserts them so has the same neighbours in the same order.

    An edge comes when all that are before it in the lists of both its ends have come. There is such an order
    where the lists have grown by insertions; a view may show others, and then what is left comes as it is.
    """
    directed = isinstance(graph, nx.DiGraph)  # a planar embedding is one, and says that it is not
    lists = [(graph._adj, False), (graph._pred, True)] if directed else [(graph._adj, False)]
    followers, waiting = {}, {}
    for adjacency, backward in lists:
        for node in adjacency:
            last = None
            for other in adjacency[node]:
                edge = _edge(directed, other, node) if backward else _edge(directed, node, other)
                waiting.setdefault(edge, [0, node, other] if not backward else [0, other, node])
                if last is not None and last != edge:
                    followers.setdefault(last, []).append(edge)
                    waiting[edge][0] += 1
                last = edge
    ready = [edge for edge, (before, _, _) in waiting.items() if before == 0]
    while ready:
        edge = ready.pop()
        yield tuple(waiting.pop(edge)[1:])
        for follower in followers.pop(edge, ()):
            if follower in waiting:
                waiting[follower][0] -= 1
                if waiting[follower][0] == 0:
                    ready.append(follower)
    yield from ((u, v) for _, u, v in waiting.values())


def _edge(directed, u, v):
    return (u, v) if directed else frozenset((u, v))


def _is_at_work(graph):
    """Whether it is the residual network of a flow at work: its nodes hold iterators over itself.

    These no file can hold. NetworkX makes such a network in memory, whatever graph it is given.
    """
    return any(isinstance(data.get("curr_edge"), CurrentEdge) for data in graph._node.values())


def _only_nodes(view):
    graph = nx.Graph()
    graph.add_nodes_from(view.items())
    return graph


backend = Backend()
