"""The mappings that NetworkX's classes keep a graph in: nodes, adjacency, and the neighbours of one node."""

from __future__ import annotations

import itertools
import operator
from collections.abc import ItemsView, Iterator, MutableMapping
from typing import Any

from .. import _core

_REPR_ITEMS = 20


class Bounded(MutableMapping[Any, Any]):
    """What the mappings share."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [f"{key!r}: {value!r}" for key, value in itertools.islice(self.items(), _REPR_ITEMS)]
        rest = len(self) - len(shown)
        return "{" + ", ".join(shown + ([f"... {rest} more"] if rest > 0 else [])) + "}"

    def copy(self) -> dict[Any, Any]:
        """Return a dict of the same items."""
        return dict(self.items())


def _mapping(storage: Any, name: str) -> Any:
    """Return what was pickled: a mapping of the graph that is at the same place."""
    return Nodes(storage) if name == "nodes" else Adjacency(storage, 1 if name == "successors" else 2)


def _require_node(node: Any) -> None:
    if node is None:
        raise ValueError("None cannot be a node")


class Nodes(_core.VerticesBase, Bounded):
    """From nodes to their attributes: ``G._node``.

    **Cost** of an item: a look-up, and its attributes decoded, unless they are referenced.
    """

    __slots__ = ()

    def __new__(cls, graph: Any = None) -> Any:
        """A factory gives an empty dict; what belongs to a graph is made by it."""
        return {} if graph is None else super().__new__(cls, graph, 0, None)

    def __setitem__(self, node: Any, attributes: Any) -> None:
        _require_node(node)
        self._graph._add_vertex(node)
        live = self._graph._node_attributes(node)
        if attributes is not live:
            live._replace(attributes)

    def __delitem__(self, node: Any) -> None:
        if not self._graph._drop_node(node):
            raise KeyError(node)

    def __reduce__(self) -> Any:
        return _mapping, (self._graph, "nodes")

    def clear(self) -> None:
        """Remove all nodes, and with them the edges."""
        for node in list(self):
            del self[node]


class _Edges(ItemsView[Any, Any]):
    """Neighbours with the attributes of the edges: few are taken out of the graph at once."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        own = self._mapping
        edges = own._graph._edges_of(own)
        return super().__iter__() if edges is None else iter(edges)


class Neighbours(_core.NeighboursBase, Bounded):
    """From the neighbours of a node to the attributes of the edges: ``G._adj[u]``.

    **Cost** of an item: a look-up, a scan of the shorter one of two lists, the attributes decoded. Of a walk:
    a number and a row of the table of nodes for each neighbour.
    """

    __slots__ = ()

    def __new__(cls) -> Any:
        """A factory gives an empty dict."""
        return {}

    def items(self) -> ItemsView[Any, Any]:
        """Return a view of the neighbours and the attributes of the edges.

        **Cost**: O(1); of walking it that of a walk over the neighbours, and the attributes decoded.
        """
        return _Edges(self)

    def _ends(self, other: Any) -> tuple[Any, Any]:
        return (self._vertex, other) if self._forward else (other, self._vertex)

    def __setitem__(self, other: Any, attributes: Any) -> None:
        _require_node(other)
        u, v = self._ends(other)
        graph = self._graph
        graph._add_edge(u, v)
        live = graph._edge_attributes(u, v)
        if attributes is not live:
            live._replace(attributes)

    def __delitem__(self, other: Any) -> None:
        """Remove the edge. NetworkX removes it from both ends: that it is gone by then is no error."""
        u, v = self._ends(other)
        if not self._graph._drop_edge(u, v, self._forward):
            raise KeyError(other)

    def __reduce__(self) -> Any:
        name = "successors" if self._forward else "predecessors"
        return operator.getitem, (_mapping(self._graph, name), self._vertex)

    def clear(self) -> None:
        """Remove the edges."""
        for other in list(self):
            del self[other]


class Adjacency(_core.VerticesBase, Bounded):
    """From nodes to their neighbours: ``G._adj``, ``G._succ`` and ``G._pred``.

    **Cost** of an item: a look-up.
    """

    __slots__ = ()

    def __new__(cls, graph: Any = None, shows: int = 1) -> Any:
        """A factory gives an empty dict; what belongs to a graph is made by it."""
        return {} if graph is None else super().__new__(cls, graph, shows, Neighbours)

    def __setitem__(self, node: Any, neighbours: Any) -> None:
        _require_node(node)
        self._graph._add_vertex(node)
        own = self[node]
        for other in [other for other in own if other not in neighbours]:
            del own[other]
        for other, attributes in neighbours.items():
            own[other] = attributes

    def __delitem__(self, node: Any) -> None:
        if not self._graph._drop_node(node):
            raise KeyError(node)

    def __reduce__(self) -> Any:
        return _mapping, (self._graph, "successors" if self._forward else "predecessors")

    def clear(self) -> None:
        """Remove all edges; the nodes stay."""
        self._graph._drop_edges()
