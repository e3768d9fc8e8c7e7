"""EMGraph, EMDiGraph, EMMultiGraph, EMMultiDiGraph: NetworkX's graphs in a directory.

Their nodes, edges and attributes are in a GraphStorage; NetworkX's own methods work on it by the mappings
that it expects (``_node``, ``_adj``, ``_succ``, ``_pred``). What is overridden here is what would be slow by
them, or what removes.

A graph without a path is made in a temporary directory, when it is first used: NetworkX makes an empty graph
for each view (a subgraph, a reversed graph) and then gives that its own mappings, which are kept as they are.
"""

from __future__ import annotations

import copyreg
import os
import weakref
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]

from . import _base
from ._graph_attributes import Attributes, ParallelEdges
from ._graph_storage import GraphStorage
from ._graph_views import Adjacency, Neighbours, Nodes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_OPENING = ("mode", "commit_interval", "timeout", "snapshot_timeout", "memory")
_CODEC = ("pickler", "unpickler", "pickle", "key")

# What NetworkX keeps of the mappings of a directed graph.
_OF_PREDECESSORS = ("pred", "in_edges", "degree", "out_degree", "in_degree")
_OF_SUCCESSORS = ("adj", "succ", "edges", "out_edges", "degree", "out_degree", "in_degree")


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


class _Mapping:
    """A mapping of a graph, as a descriptor: a dict assigned to it is stored, another mapping kept."""

    def __init__(self, names: tuple[str, ...], cached: tuple[str, ...]) -> None:
        self._names = names
        self._cached = cached

    def __set__(self, graph: Any, value: Any) -> None:
        content = graph.__dict__
        own = content.get(self._names[0])
        for name in self._cached:
            content.pop(name, None)
        if type(value) is dict and isinstance(own, (Nodes, Adjacency)):
            graph._load_mapping(self._names[0], value)
            return
        for name in self._names:
            content[name] = value


class _Stored:
    """What the four classes share; NetworkX's class comes behind it."""

    __networkx_backend__ = "networkx"

    node_dict_factory = Nodes
    adjlist_outer_dict_factory = Adjacency
    adjlist_inner_dict_factory = Neighbours

    _node = _Mapping(("_node",), ("nodes",))

    if TYPE_CHECKING:
        __networkx_cache__: dict[Any, Any]
        _storage: GraphStorage

        def is_directed(self) -> bool: ...
        def is_multigraph(self) -> bool: ...

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        if path is not None and not _is_path(path):
            if incoming_graph_data is not None:
                raise TypeError(f"expected a path, found {type(path).__name__}")
            path, incoming_graph_data = None, path
        codec = {name: attributes.pop(name) for name in _CODEC if name in attributes}
        storage = GraphStorage(self.is_directed(), self.is_multigraph(), True, **codec)
        opening = [attributes.pop(n, d) for n, d in zip(_OPENING, ("a", 5.0, 0.0, 1.0, None), strict=True)]
        if path is None and opening == ["a", 5.0, 0.0, 1.0, None]:
            storage._late = (None, *opening)
        else:
            storage._open_alone(path, *opening)
        self._adopt_storage(storage)
        # Converting begins with clear(): data are added to what there is.
        self.__dict__["_keeps"] = storage._late is None and storage._counts() != (0, 0)
        if incoming_graph_data is not None:
            nx.convert.to_networkx_graph(incoming_graph_data, create_using=self)
        if not isinstance(self, _Multi):
            self.__dict__["_keeps"] = False
        attributes.pop("backend", None)
        if attributes:
            self.graph.update(attributes)

    def _adopt_storage(self, storage: GraphStorage) -> None:
        storage._facade = weakref.ref(self)
        content = self.__dict__
        content["_storage"] = storage
        content["_node"] = Nodes(storage)
        content["_adj"] = Adjacency(storage, 1)
        if self.is_directed():
            content["_succ"] = content["_adj"]
            content["_pred"] = Adjacency(storage, 2)
        self.__networkx_cache__ = {}

    @classmethod
    def _of_storage(cls, storage: GraphStorage) -> Any:
        """The graph of a storage: one at a time."""
        known = storage._facade() if storage._facade is not None else None
        if known is not None:
            return known
        self = object.__new__(class_of(storage))
        self._adopt_storage(storage)
        return self

    # ---- NetworkX's attributes

    @property
    def graph(self) -> Any:
        """The attributes of the graph: a dict that is live.

        **Cost**: O(1).
        """
        own = self.__dict__.get("graph")
        return self._storage._graph_attributes() if own is None else own

    @graph.setter
    def graph(self, value: Any) -> None:
        # A view shows the attributes of the graph that it is a view of.
        if isinstance(value, Attributes):
            self.__dict__["graph"] = value
        else:
            self._storage._graph_attributes()._replace(value)

    def _load_mapping(self, name: str, value: dict[Any, Any]) -> None:
        content = self.__dict__
        storage = self._storage
        if name == "_node":
            for node in content["_node"]:
                storage._node_attributes(node)._replace({})
            content["_node"] = Nodes(storage)
        elif name == "_pred":
            content["_pred"] = Adjacency(storage, 2)
        else:
            storage._drop_edges()
            content["_adj"] = Adjacency(storage, 1)
            if self.is_directed():
                content["_succ"] = content["_adj"]
        mapping = content[name]
        for node, content_of_node in value.items():
            if name == "_pred":
                storage._add_vertex(node)
                for other, attributes in content_of_node.items():
                    mapping[node][other] = attributes
            else:
                mapping[node] = content_of_node

    def _is_own(self) -> bool:
        """Whether the graph shows its storage; a view of another graph does not."""
        adjacency = self.__dict__["_adj"]
        return type(adjacency) is Adjacency and adjacency._graph is self._storage

    # ---- What is faster, or else, than by the mappings

    def add_node(self, node_for_adding: Any, **attr: Any) -> None:
        """Add a node, and to its attributes those given. As networkx.Graph.add_node.

        **Cost**: a look-up; an insertion if it is new.
        """
        self._storage._add_vertex(node_for_adding)
        if attr:
            self._storage._node_attributes(node_for_adding).update(attr)
        nx._clear_cache(self)

    def add_nodes_from(self, nodes_for_adding: Any, **attr: Any) -> None:
        """Add nodes, or pairs of a node and its attributes. As networkx.Graph.add_nodes_from.

        **Cost**: that of add_node() for each.
        """
        storage = self._storage
        for node in nodes_for_adding:
            given = attr
            try:
                storage._add_vertex(node)
            except TypeError:  # a pair: its dict cannot be hashed
                node, named = node
                given = {**attr, **named}
                storage._add_vertex(node)
            if given:
                storage._node_attributes(node).update(given)
        nx._clear_cache(self)

    def remove_node(self, n: Any) -> None:
        """Remove a node and its edges. As networkx.Graph.remove_node.

        **Cost**: that of removing each edge. Errors: NetworkXError if it is not there.
        """
        try:
            found = self._storage._drop_node(n)
        except TypeError:
            found = False
        if not found:
            raise nx.NetworkXError(f"The node {n} is not in the graph.")
        nx._clear_cache(self)

    def remove_nodes_from(self, nodes: Any) -> None:
        """Remove those of the nodes that are there. As networkx.Graph.remove_nodes_from.

        **Cost**: that of remove_node() for each.
        """
        for node in nodes:
            self._storage._drop_node(node)
        nx._clear_cache(self)

    def clear(self) -> None:
        """Remove all nodes, edges and attributes.

        **Cost**: O(1), and a new file for each of the old.
        """
        if not self.__dict__.get("_keeps") and self._storage._late is None:
            self._storage._drop_all()
        nx._clear_cache(self)

    def clear_edges(self) -> None:
        """Remove all edges.

        **Cost**: O(nodes + edges).
        """
        self._storage._drop_edges()
        nx._clear_cache(self)

    def to_directed_class(self) -> Any:
        """Return the class of a directed copy.

        **Cost**: O(1).
        """
        return EMMultiDiGraph if self.is_multigraph() else EMDiGraph

    def to_undirected_class(self) -> Any:
        """Return the class of an undirected copy.

        **Cost**: O(1).
        """
        return EMMultiGraph if self.is_multigraph() else EMGraph

    # ---- The store

    def _opened(self) -> GraphStorage:
        storage = self._storage
        storage._open_late()
        return storage

    @property
    def path(self) -> str:
        """The directory of the store.

        **Cost**: O(1).
        """
        return self._opened().path

    @property
    def mode(self) -> str:
        """The mode it was opened with.

        **Cost**: O(1).
        """
        return self._opened().mode

    @property
    def closed(self) -> bool:
        """Whether it is closed, or was dropped.

        **Cost**: O(1).
        """
        return self._storage._late is None and self._storage.closed

    def commit(self) -> None:
        """Make all changes of the store durable. As EMDict.commit().

        **Cost**: the changed bytes, and one write and one sync of the journal.
        """
        self._opened().commit()

    sync = commit

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. As EMDict.transaction().

        **Cost**: a commit at its beginning, if something is pending, and one at its end.
        """
        return self._opened().transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """One state over many reads, for ``mode="r"``. As EMDict.snapshot().

        **Cost**: a few microseconds.
        """
        return self._opened().snapshot()

    def close(self) -> None:
        """Commit and close. Closing twice is harmless.

        **Cost**: what is dirty is written.
        """
        self._storage.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(self) -> list[str]:
        """Return what is wrong with the store; an empty list for a sound one.

        **Cost**: reads all of it.
        """
        return self._opened().verify()

    def check(self) -> None:
        """Raise DamagedError if verify() finds anything.

        **Cost**: reads all of it.
        """
        self._opened().check()

    def stats(self) -> dict[str, Any]:
        """Return figures of the graph and of its store. As EMDict.stats().

        **Cost**: a look at the store's files, and 8 ms for each GiB that is mapped.
        """
        return self._opened().stats()

    def compact(self, dst: Any = None, *, progress: _base.Progress | None = None) -> None:
        """Write it anew without dead space, or into the new directory ``dst``. As EMDict.compact().

        **Cost**: an insertion a node, and the bytes of the edges.
        """
        self._opened().compact(dst, progress=progress)

    def backup(self, dst: Any, *, progress: _base.Progress | None = None) -> None:
        """Copy the store, as it is committed, into the directory ``dst``. As EMDict.backup().

        **Cost**: reads the store once.
        """
        self._opened().backup(dst, progress=progress)

    # ---- Copies: of a graph as the place of its store, of a view as what it is a view of

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self._is_own():
            content = {name: value for name, value in self.__dict__.items() if name != "_storage"}
            return copyreg.__newobj__, (type(self),), content  # type: ignore[attr-defined]
        storage = self._opened()
        if storage.closed and not storage._open_handle().forked:
            raise ValueError(f"{storage._closed_repr()} cannot be pickled")
        path = _base.committed_path(storage._open_handle(), storage._mode == "r")
        return _restore, (type(self), path, storage._name, storage._option_names())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copy: Any = type(self)()
        memo[id(self)] = copy
        copy.graph.update(deepcopy(dict(self.graph), memo))
        plain: Any = self
        copy.add_nodes_from((node, deepcopy(dict(data), memo)) for node, data in plain.nodes(data=True))
        if self.is_multigraph():
            copy.add_edges_from(
                (u, v, k, deepcopy(dict(data), memo)) for u, v, k, data in plain.edges(keys=True, data=True)
            )
        else:
            copy.add_edges_from((u, v, deepcopy(dict(data), memo)) for u, v, data in plain.edges(data=True))
        return copy


class _Simple(_Stored):
    """At most one edge from a node to another."""

    def add_edge(self, u_of_edge: Any, v_of_edge: Any, **attr: Any) -> None:
        """Add an edge, and to its attributes those given. As networkx.Graph.add_edge.

        **Cost**: two look-ups and a look at the shorter list of neighbours; two insertions if it is new.
        """
        storage = self._storage
        storage._add_edge(u_of_edge, v_of_edge)
        if attr:
            storage._edge_attributes(u_of_edge, v_of_edge).update(attr)
        if self.__networkx_cache__:
            nx._clear_cache(self)

    def add_edges_from(self, ebunch_to_add: Any, **attr: Any) -> None:
        """Add edges: pairs, or triples with attributes. As networkx.Graph.add_edges_from.

        **Cost**: that of add_edge() for each. Errors: NetworkXError for other tuples.
        """
        storage = self._storage
        add, attributes = storage._add_edge, storage._edge_attributes
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
            add(u, v)
            if given:
                attributes(u, v).update(given)
        nx._clear_cache(self)

    def remove_edge(self, u: Any, v: Any) -> None:
        """Remove an edge. As networkx.Graph.remove_edge.

        **Cost**: a look at both lists of neighbours. Errors: NetworkXError if it is not there.
        """
        if not self._storage._drop_edge(u, v):
            raise nx.NetworkXError(f"The edge {u}-{v} is not in the graph")
        self._storage._removed = None
        nx._clear_cache(self)

    def remove_edges_from(self, ebunch: Any) -> None:
        """Remove those of the edges that are there. As networkx.Graph.remove_edges_from.

        **Cost**: that of remove_edge() for each.
        """
        for edge in ebunch:
            self._storage._drop_edge(*edge[:2])
            self._storage._removed = None
        nx._clear_cache(self)

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


class _Multi(_Stored):
    """Any number of edges from a node to another, with keys."""

    def add_edge(self, u_for_edge: Any, v_for_edge: Any, key: Any = None, **attr: Any) -> Any:
        """Add an edge, or to the attributes of that with this key; return its key. As of networkx.MultiGraph.

        **Cost**: as of a graph without parallel edges, and one record for all that are parallel.
        """
        storage = self._storage
        if key is None:
            key = self.new_edge_key(u_for_edge, v_for_edge)
        if storage._add_edge(u_for_edge, v_for_edge):
            if key != 0 or type(key) is not int or attr:
                storage._edge_attributes(u_for_edge, v_for_edge)._replace({key: attr})
        else:
            parallel: ParallelEdges = storage._edge_attributes(u_for_edge, v_for_edge)
            if key in parallel:
                parallel[key].update(attr)
            else:
                parallel[key] = attr
        nx._clear_cache(self)
        return key

    if TYPE_CHECKING:

        def new_edge_key(self, u: Any, v: Any) -> Any: ...


class EMGraph(_Simple, nx.Graph):  # type: ignore[misc]
    """An undirected graph in a memory-mapped file: a networkx.Graph larger than RAM.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close);
    ``incoming_graph_data`` what networkx.Graph takes, which may also be the first argument: it is added to
    what is there. ``mode``, ``commit_interval``, ``timeout``, ``snapshot_timeout``, ``memory``, ``pickler``,
    ``unpickler``, ``pickle`` and ``key`` are those of EMDict; other keywords are attributes of the graph.

    Nodes are what EMDict takes for keys. Attributes are live: ``G[u][v]["w"] = 5`` is stored, and so is, at
    the next commit, what was changed in place in a list that is an attribute.

    Errors: as EMDict; FormatError if the directory holds a graph of another kind.

    >>> with EMGraph(None, [(1, 2), (2, 3)], name="small") as G:
    ...     G[1][2]["weight"] = 5
    ...     G.size(weight="weight"), sorted(G.neighbors(2)), str(G)
    (6.0, [1, 3], "EMGraph named 'small' with 3 nodes and 2 edges")
    """

    _adj = _Mapping(("_adj",), ("adj", "edges", "degree"))


class EMDiGraph(_Simple, nx.DiGraph):  # type: ignore[misc]
    """A directed graph in a memory-mapped file: a networkx.DiGraph larger than RAM. As EMGraph.

    >>> with EMDiGraph(None, [("a", "b"), ("b", "c")]) as G:
    ...     list(G.successors("a")), list(G.predecessors("c"))
    (['b'], ['b'])
    """

    _adj = _Mapping(("_adj", "_succ"), _OF_SUCCESSORS)
    _succ = _adj
    _pred = _Mapping(("_pred",), _OF_PREDECESSORS)


class EMMultiGraph(_Multi, nx.MultiGraph):  # type: ignore[misc]
    """An undirected graph with parallel edges in a memory-mapped file: a networkx.MultiGraph. As EMGraph.

    ``multigraph_input`` is that of networkx.MultiGraph. The parallel edges of two nodes are one record, which
    is written whole when one of them changes.

    >>> with EMMultiGraph() as G:
    ...     G.add_edge(1, 2), G.add_edge(1, 2), G.number_of_edges(1, 2)
    (0, 1, 2)
    """

    _adj = _Mapping(("_adj",), ("adj", "edges", "degree"))

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        _init_multi(super().__init__, self, path, incoming_graph_data, attributes)


class EMMultiDiGraph(_Multi, nx.MultiDiGraph):  # type: ignore[misc]
    """A directed graph with parallel edges in a memory-mapped file: a networkx.MultiDiGraph. As EMMultiGraph.

    >>> with EMMultiDiGraph() as G:
    ...     G.add_edge(1, 2, key="call", at=7), dict(G[1][2])
    ('call', {'call': {'at': 7}})
    """

    _adj = _Mapping(("_adj", "_succ"), _OF_SUCCESSORS)
    _succ = _adj
    _pred = _Mapping(("_pred",), _OF_PREDECESSORS)

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        _init_multi(super().__init__, self, path, incoming_graph_data, attributes)


def _init_multi(init: Any, graph: Any, path: Any, data: Any, attributes: dict[str, Any]) -> None:
    """As NetworkX: a dict of dicts is first tried as one with keys, unless multigraph_input tells."""
    multigraph_input = attributes.pop("multigraph_input", None)
    if path is not None and not _is_path(path) and data is None:
        path, data = None, path
    if not isinstance(data, dict) or multigraph_input is False:
        init(path, data, **attributes)
        graph.__dict__["_keeps"] = False
        return
    init(path, None, **attributes)
    try:
        nx.convert.from_dict_of_dicts(data, create_using=graph, multigraph_input=True)
    except Exception as error:
        if multigraph_input is True:
            raise nx.NetworkXError(f"converting multigraph_input raised:\n{type(error)}: {error}") from error
        nx.convert.to_networkx_graph(data, create_using=graph)
    graph.__dict__["_keeps"] = False
    graph.graph.update({n: v for n, v in attributes.items() if n not in (*_OPENING, *_CODEC, "backend")})


def class_of(storage: GraphStorage) -> Any:
    """Return the class of the graph that is in a storage."""
    directed, multi = storage._kind()
    return ((EMGraph, EMMultiGraph), (EMDiGraph, EMMultiDiGraph))[directed][multi]


def _restore(cls: Any, path: str, name: str, options: dict[str, Any]) -> Any:
    """Return what was pickled: the graph that is open here already, or a reader."""
    from ._store import Store

    with _base.opening():
        owner = _base.owner_of(path)
        if name:
            store = owner if isinstance(owner, Store) else Store(path, mode="r")
            return cls._of_storage(store._member(GraphStorage, name, options))
        if isinstance(owner, GraphStorage):
            return cls._of_storage(owner)
        return cls(path, mode="r", **options)
