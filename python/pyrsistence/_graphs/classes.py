"""EMGraph, EMDiGraph, EMMultiGraph, EMMultiDiGraph: NetworkX's graphs in a directory."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]

from .._base.options import OPENING_NAMES
from .._base.public import public
from . import edge_arrays
from .attributes import is_fixed
from .networkx_face import Mapping
from .networkx_views import AtlasView, shown
from .parallel_edges import ParallelEdges
from .stored import OF_STORAGE, Stored, is_path

# What NetworkX keeps of the mappings of a directed graph.
_OF_PREDECESSORS = ("pred", "in_edges", "degree", "out_degree", "in_degree")
_OF_SUCCESSORS = ("adj", "succ", "edges", "out_edges", "degree", "out_degree", "in_degree")


class _Simple(Stored):
    """At most one edge from a node to another."""

    if TYPE_CHECKING:
        _adj: Any

    def add_edge(self, u_of_edge: Any, v_of_edge: Any, **attr: Any) -> None:
        """Add an edge, and to its attributes those given. As networkx.Graph.add_edge.

        **Cost**: two look-ups and a look at the shorter list of neighbours; two insertions if it is new.
        """
        if attr:
            self._storage._add_with(u_of_edge, v_of_edge, attr)
        else:
            self._storage._add_edge(u_of_edge, v_of_edge)
        if self._cache:
            self._forget_conversions()

    def add_edges_from(self, ebunch_to_add: Any, **attr: Any) -> None:
        """Add edges: pairs, or triples with attributes. As networkx.Graph.add_edges_from.

        Also an array of two columns, or a structured array or a DataFrame: the first two columns are the
        ends, the others attributes by their names. Where the ends are integers, and the attributes, if there
        are any, fields of an ``edge_dtype``, they are sorted, and each list of neighbours grown once.

        **Cost**: that of add_edge() for each; sorted less, and some 60 bytes of memory for an edge of a batch
        that takes an eighth of the memory budget. Errors: NetworkXError for other tuples; those of fields.
        """
        storage = self._storage
        arrays = edge_arrays.edges_of(ebunch_to_add)
        if arrays is not None:
            fields = {**attr, **arrays.attributes}
            ends = arrays.integers() if not fields or storage._edge_type is not None else None
            if ends is not None:
                storage._add_arrays(*ends, fields)
                self._forget_conversions()
                return
            ebunch_to_add = arrays.rows()
        add, add_with = storage._add_edge, storage._add_with
        for edge in ebunch_to_add:
            count = len(edge)
            if count == 2:
                u, v = edge
                given = attr
            elif count == 3:
                u, v, named = edge
                given = {**attr, **named}
            else:
                raise nx.NetworkXError(f"Edge tuple {edge} must be a 2-tuple or 3-tuple.")
            if given:
                add_with(u, v, given)
            else:
                add(u, v)
        self._forget_conversions()

    def __getitem__(self, n: Any) -> AtlasView:
        return AtlasView(self._adj[n])

    def remove_edge(self, u: Any, v: Any) -> None:
        """Remove an edge. As networkx.Graph.remove_edge.

        **Cost**: a look at both lists of neighbours. Errors: NetworkXError if it is not there.
        """
        if not self._storage._drop_edge(u, v):
            raise nx.NetworkXError(f"The edge {u}-{v} is not in the graph")
        self._storage._removed = None
        self._forget_conversions()

    def remove_edges_from(self, ebunch: Any) -> None:
        """Remove those of the edges that are there. As networkx.Graph.remove_edges_from.

        **Cost**: that of remove_edge() for each.
        """
        for edge in ebunch:
            self._storage._drop_edge(*edge[:2])
            self._storage._removed = None
        self._forget_conversions()

    def number_of_edges(self, u: Any = None, v: Any = None) -> int:
        """Return the number of edges, or of those between two nodes. As networkx.Graph.number_of_edges.

        **Cost**: O(1).
        """
        if u is None and self._is_own():
            return self._storage._counts()[1]
        found: int = super().number_of_edges(u, v)  # type: ignore[misc]
        return found

    def size(self, weight: Any = None) -> Any:
        """Return the number of edges, or the sum of their weights. As networkx.Graph.size.

        **Cost**: O(1); with a weight O(edges).
        """
        if weight is None and self._is_own():
            return self._storage._counts()[1]
        return super().size(weight)  # type: ignore[misc]


class _Multi(Stored):
    """Any number of edges from a node to another, with keys."""

    edge_key_dict_factory = ParallelEdges

    def add_edge(self, u_for_edge: Any, v_for_edge: Any, key: Any = None, **attr: Any) -> Any:
        """Add an edge, or to the attributes of that with this key; return its key. As of networkx.MultiGraph.

        **Cost**: as of a graph without parallel edges; of an edge that is parallel to others O(1) more.
        """
        storage = self._storage
        if key is None:
            key = self.new_edge_key(u_for_edge, v_for_edge)
        else:
            storage._key_bytes(key)  # raises for what cannot be a key
        content = {key: attr} if key != 0 or type(key) is not int or attr else None
        if storage._add_edge(u_for_edge, v_for_edge, content):
            if not is_fixed(attr):
                storage._hold((u_for_edge, v_for_edge, key), attr)
        else:
            place = u_for_edge, v_for_edge, key
            known = storage._live_at(place)
            if known is None:
                storage._add_between(place, attr)
            else:
                known.update(attr)
        self._forget_conversions()
        return key

    def add_edges_from(self, ebunch_to_add: Any, **attr: Any) -> Any:
        """Add edges, and return their keys. As networkx.MultiGraph.add_edges_from.

        Also arrays and DataFrames, as of a graph without parallel edges.

        **Cost**: that of add_edge() for each.
        """
        arrays = edge_arrays.edges_of(ebunch_to_add)
        return super().add_edges_from(ebunch_to_add if arrays is None else arrays.rows(), **attr)  # type: ignore[misc]

    if TYPE_CHECKING:

        def new_edge_key(self, u: Any, v: Any) -> Any: ...


@public
class EMGraph(_Simple, nx.Graph):  # type: ignore[misc]
    """An undirected graph in a memory-mapped file: a networkx.Graph larger than RAM.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close);
    ``incoming_graph_data`` what networkx.Graph takes, which may also be the first argument: it is added to
    what is there. ``mode``, ``commit_interval``, ``timeout``, ``snapshot_timeout``, ``memory``,
    ``permissions``, ``read_timeout``, ``pickler``, ``unpickler``, ``pickle`` and ``key`` are those of
    EMDict; other keywords are attributes of the graph.

    ``edge_dtype`` gives each edge fields of fixed sizes, instead of attributes of any name and kind: a list
    of names and types, such as ``[("kind", "u1"), ("address", "u8")]``, or whatever is a structure to
    numpy.dtype. It is kept in the files. A field is zero until it is set.

    Nodes are what EMDict takes for keys. Attributes are live: ``G[u][v]["w"] = 5`` is stored, and so is, at
    the next commit, what was changed in place in a list that is an attribute.

    Errors: as EMDict; FormatError if the directory holds a graph of another kind, or edges of another type;
    ValueError where a field is assigned that edges do not have.

    >>> with EMGraph(None, [(1, 2), (2, 3)], name="small") as G:
    ...     G[1][2]["weight"] = 5
    ...     G.size(weight="weight"), sorted(G.neighbors(2)), str(G)
    (6.0, [1, 3], "EMGraph named 'small' with 3 nodes and 2 edges")
    """

    _adj = Mapping(("_adj",), ("adj", "edges", "degree"))
    adj = shown("_adj", "From nodes to their neighbours.")


@public
class EMDiGraph(_Simple, nx.DiGraph):  # type: ignore[misc]
    """A directed graph in a memory-mapped file: a networkx.DiGraph larger than RAM. As EMGraph.

    >>> with EMDiGraph(None, [("a", "b"), ("b", "c")]) as G:
    ...     list(G.successors("a")), list(G.predecessors("c"))
    (['b'], ['b'])
    >>> with EMDiGraph(edge_dtype=[("kind", "u1"), ("address", "u8")]) as G:
    ...     G.add_edge("a", "b", address=0x401000)
    ...     G["a"]["b"]["kind"] += 2
    ...     G["a"]["b"]
    {'kind': 2, 'address': 4198400}
    """

    _adj = Mapping(("_adj", "_succ"), _OF_SUCCESSORS)
    _succ = _adj
    _pred = Mapping(("_pred",), _OF_PREDECESSORS)
    adj = shown("_adj", "From nodes to their successors.")
    succ = shown("_succ", "From nodes to their successors.")
    pred = shown("_pred", "From nodes to their predecessors.")

    def reverse(self, copy: bool = True) -> Any:
        """Return a temporary graph with the edges turned round, or a view. As networkx.DiGraph.reverse.

        **Cost**: that of adding all of it.
        """
        if self._storage._edge_type is None or not copy or not self._is_own():
            return super().reverse(copy)
        turned = self._empty()
        turned.graph.update(deepcopy(dict(self.graph)))
        turned.add_nodes_from((node, deepcopy(dict(data))) for node, data in self.nodes(data=True))
        turned.add_edges_from((v, u, data) for u, v, data in self.edges(data=True))
        return turned


@public
class EMMultiGraph(_Multi, nx.MultiGraph):  # type: ignore[misc]
    """An undirected graph with parallel edges in a memory-mapped file: a networkx.MultiGraph. As EMGraph.

    ``multigraph_input`` is that of networkx.MultiGraph.

    >>> with EMMultiGraph() as G:
    ...     G.add_edge(1, 2), G.add_edge(1, 2), G.number_of_edges(1, 2)
    (0, 1, 2)
    """

    _adj = Mapping(("_adj",), ("adj", "edges", "degree"))

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        _init_multi(super().__init__, self, path, incoming_graph_data, attributes)


@public
class EMMultiDiGraph(_Multi, nx.MultiDiGraph):  # type: ignore[misc]
    """A directed graph with parallel edges in a memory-mapped file: a networkx.MultiDiGraph. As EMMultiGraph.

    >>> with EMMultiDiGraph() as G:
    ...     G.add_edge(1, 2, key="call", at=7), dict(G[1][2])
    ('call', {'call': {'at': 7}})
    """

    _adj = Mapping(("_adj", "_succ"), _OF_SUCCESSORS)
    _succ = _adj
    _pred = Mapping(("_pred",), _OF_PREDECESSORS)

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        _init_multi(super().__init__, self, path, incoming_graph_data, attributes)


def _init_multi(init: Any, graph: Any, path: Any, data: Any, attributes: dict[str, Any]) -> None:
    """As NetworkX: a dict of dicts is first tried as one with keys, unless multigraph_input tells."""
    multigraph_input = attributes.pop("multigraph_input", None)
    if path is not None and not is_path(path) and data is None:
        path, data = None, path
    if not isinstance(data, dict) or multigraph_input is False:
        init(path, data, **attributes)
        graph.__dict__["_keeps"] = False
        return
    init(path, None, **attributes)
    try:
        _convert_multi(graph, data, multigraph_input)
        graph.__dict__["_keeps"] = False
        graph.graph.update(
            {n: v for n, v in attributes.items() if n not in (*OPENING_NAMES, *OF_STORAGE, "backend")}
        )
    except BaseException:
        graph.close()
        raise


def _convert_multi(graph: Any, data: Any, multigraph_input: Any) -> None:
    try:
        nx.convert.from_dict_of_dicts(data, create_using=graph, multigraph_input=True)
    except Exception as error:
        if multigraph_input is True:
            raise nx.NetworkXError(f"converting multigraph_input raised:\n{type(error)}: {error}") from error
        nx.convert.to_networkx_graph(data, create_using=graph)
