"""What the graph classes share: NetworkX's attributes over a GraphStorage, and the store.

Their nodes, edges and attributes are in a GraphStorage; NetworkX's own methods work on it by the mappings
that it expects (``_node``, ``_adj``, ``_succ``, ``_pred``). What is overridden here is what would be slow by
them, or what removes.

A graph without a path is made, as a temporary store, when it is first used: NetworkX makes an empty graph
for each view (a subgraph, a reversed graph) and then gives that its own mappings, which are kept as they are.
"""

from __future__ import annotations

import copyreg
import os
import weakref
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]

from .. import _core
from .._base import lifetime
from .._base.options import Opening
from .attributes import Attributes
from .mappings import Adjacency, Neighbours, Nodes
from .storage import GraphStorage

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

OF_STORAGE = ("pickler", "unpickler", "pickle", "key", "edge_dtype")


def is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


class Mapping:
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


class Stored:
    """What the four classes share; NetworkX's class comes behind it."""

    _kind_name = "graph"

    __networkx_backend__ = "networkx"

    node_dict_factory = Nodes
    adjlist_outer_dict_factory = Adjacency
    adjlist_inner_dict_factory = Neighbours

    _node = Mapping(("_node",), ("nodes",))

    if TYPE_CHECKING:
        _cache: dict[Any, Any] | None
        _storage: GraphStorage

        def is_directed(self) -> bool: ...
        def is_multigraph(self) -> bool: ...

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, path: Any = None, incoming_graph_data: Any = None, **attributes: Any) -> None:
        if "_storage" in self.__dict__:
            self._storage.close()
        if path is not None and not is_path(path):
            if incoming_graph_data is not None:
                raise TypeError(f"expected a path, found {type(path).__name__}")
            path, incoming_graph_data = None, path
        options = {name: attributes.pop(name) for name in OF_STORAGE if name in attributes}
        storage = GraphStorage(self.is_directed(), self.is_multigraph(), True, **options)
        opening = Opening.taken_from(path, attributes)
        if opening == Opening():
            storage._late, storage._mode = opening, opening.mode
        else:
            storage._open_alone(opening)
        self._adopt_storage(storage)
        # Converting begins with clear(): data are added to what there is.
        self.__dict__["_keeps"] = storage._late is None and storage._counts() != (0, 0)
        attributes.pop("backend", None)
        try:
            if incoming_graph_data is not None:
                nx.convert.to_networkx_graph(incoming_graph_data, create_using=self)
            if attributes:
                self.graph.update(attributes)
        except BaseException:
            storage.close()
            raise
        if not self.is_multigraph():
            self.__dict__["_keeps"] = False

    def _adopt_storage(self, storage: GraphStorage) -> None:
        storage._facade = weakref.ref(self)
        content = self.__dict__
        for name in list(content):
            if isinstance(getattr(type(self), name, None), cached_property):
                del content[name]  # a view of what was open before
        content["_storage"] = storage
        content["_node"] = Nodes(storage)
        content["_adj"] = Adjacency(storage, 1)
        if self.is_directed():
            content["_succ"] = content["_adj"]
            content["_pred"] = Adjacency(storage, 2)
        content["_cache"] = {}

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

    @property
    def __networkx_cache__(self) -> dict[Any, Any] | None:
        """What NetworkX keeps of its conversions for backends.

        Calls that change the graph empty it themselves; a rollback, or a writer's commit, is found here.
        """
        content = self.__dict__
        storage = content.get("_storage")
        if storage is not None and _core.attached(storage):
            seen = storage._seen()
            if seen != content.get("_cache_seen"):
                self._forget_conversions()
                content["_cache_seen"] = seen
        cache: dict[Any, Any] | None = content["_cache"]
        return cache

    @__networkx_cache__.setter
    def __networkx_cache__(self, value: dict[Any, Any] | None) -> None:
        self.__dict__["_cache"] = value

    def _forget_conversions(self) -> None:
        if self._cache:
            self._cache.clear()

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
        is_new = self._storage._add_vertex(node_for_adding)
        if attr:
            self._storage._add_node_with(node_for_adding, attr, is_new)
        self._forget_conversions()

    def add_nodes_from(self, nodes_for_adding: Any, **attr: Any) -> None:
        """Add nodes, or pairs of a node and its attributes. As networkx.Graph.add_nodes_from.

        **Cost**: that of add_node() for each.
        """
        storage = self._storage
        for node in nodes_for_adding:
            given = attr
            try:
                is_new = storage._add_vertex(node)
            except TypeError:  # a pair: its dict cannot be hashed
                node, named = node
                given = {**attr, **named}
                is_new = storage._add_vertex(node)
            if given:
                storage._add_node_with(node, given, is_new)
        self._forget_conversions()

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
        self._forget_conversions()

    def remove_nodes_from(self, nodes: Any) -> None:
        """Remove those of the nodes that are there. As networkx.Graph.remove_nodes_from.

        **Cost**: that of remove_node() for each.
        """
        for node in nodes:
            self._storage._drop_node(node)
        self._forget_conversions()

    def clear(self) -> None:
        """Remove all nodes, edges and attributes.

        **Cost**: O(1), and a new file for each of the old.
        """
        if not self.__dict__.get("_keeps") and self._storage._late is None:
            self._storage._drop_all()
        self._forget_conversions()

    def clear_edges(self) -> None:
        """Remove all edges.

        **Cost**: O(nodes + edges).
        """
        self._storage._drop_edges()
        self._forget_conversions()

    def to_directed_class(self) -> Any:
        """Return the class of a directed copy.

        **Cost**: O(1).
        """
        return _classes()[True][self.is_multigraph()]

    def to_undirected_class(self) -> Any:
        """Return the class of an undirected copy.

        **Cost**: O(1).
        """
        return _classes()[False][self.is_multigraph()]

    # ---- The store

    @property
    def edge_dtype(self) -> Any:
        """The NumPy type of the fields of each edge; None if edges have attributes of any name and kind.

        **Cost**: O(1).
        """
        kind = self._opened()._edge_type
        return None if kind is None else kind.dtype_of()

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

        Ctrl-C ends it. **Cost**: reads all of it, but for holes.
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

    def compact(self, dst: Any = None, *, progress: lifetime.Progress | None = None) -> None:
        """Write it anew without dead space, or into the new directory ``dst``. As EMDict.compact().

        **Cost**: an insertion a node, and the bytes of the edges.
        """
        self._opened().compact(dst, progress=progress)

    def backup(self, dst: Any, *, progress: lifetime.Progress | None = None) -> None:
        """Copy the store, as it is committed, into the directory ``dst``. As EMDict.backup().

        **Cost**: reads the store once.
        """
        self._opened().backup(dst, progress=progress)

    # ---- Copies: of a graph as the place of its store, of a view as what it is a view of

    def _plain(self) -> Any:
        """A copy in memory: a graph of NetworkX's own class."""
        own: Any = self
        kinds = ((nx.Graph, nx.DiGraph), (nx.MultiGraph, nx.MultiDiGraph))
        plain = kinds[own.is_multigraph()][own.is_directed()]()
        plain.graph.update(own.graph)
        plain.add_nodes_from((node, dict(data)) for node, data in own.nodes(data=True))
        edges = own.edges(keys=True, data=True) if own.is_multigraph() else own.edges(data=True)
        plain.add_edges_from((*edge[:-1], dict(edge[-1])) for edge in edges)
        return plain

    def __reduce_ex__(self, protocol: Any) -> Any:
        if _core.is_storing():  # as part of a value: as a graph in memory, which the value then owns
            return _itself, (self._plain(),)
        if not self._is_own():
            content = {name: value for name, value in self.__dict__.items() if name != "_storage"}
            return copyreg.__newobj__, (type(self),), content  # type: ignore[attr-defined]
        storage = self._opened()
        if storage.closed and not storage._open_handle().lost:
            raise ValueError(f"{storage._closed_repr()} cannot be pickled")
        path = lifetime.committed_path(storage._open_handle(), storage._mode == "r")
        options = storage._option_names()
        if storage._owner is not None:
            return storage._owner._reduce_member(path, type(self), storage._name, options)
        return type(self)._restore, (path, options)

    @classmethod
    def _restore(cls, path: str, options: dict[str, Any], state: None = None) -> Any:
        """Return what was pickled: the graph that is open here already, or a reader."""
        try:
            with lifetime.opening():
                owner = lifetime.owner_of(path)
                if isinstance(owner, GraphStorage):
                    return cls._of_storage(owner)
                return cls(path, mode="r", **options)
        except Exception as error:
            return cls._unopened(path, options, state, error)

    @classmethod
    def _unopened(cls, path: str, options: dict[str, Any], state: None, error: Exception) -> Any:
        """Return one that raises this error when it is used."""
        graph = cls.__new__(cls)
        graph._adopt_storage(GraphStorage._unopened(path, options, state, error))
        return graph

    def _empty(self) -> Any:
        """A temporary graph of the same class, with edges of the same type."""
        return type(self)(edge_dtype=self._storage._edge_type)

    def copy(self, as_view: bool = False) -> Any:
        """Return a temporary graph with the same content, or a view of this one. As networkx.Graph.copy.

        **Cost**: that of adding all of it.
        """
        if self._storage._edge_type is None or as_view or not self._is_own():
            return super().copy(as_view)  # type: ignore[misc]
        copy = self._empty()
        copy.graph.update(self.graph)
        plain: Any = self
        copy.add_nodes_from((node, dict(data)) for node, data in plain.nodes(data=True))
        copy.add_edges_from(plain.edges(data=True))
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copy = self._empty()
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


def class_of(storage: GraphStorage) -> Any:
    """Return the class of the graph that is in a storage."""
    directed, multi = storage._kind()
    return _classes()[directed][multi]


def _classes() -> Any:
    """The four classes: [directed][multi]."""
    from . import classes

    return (classes.EMGraph, classes.EMMultiGraph), (classes.EMDiGraph, classes.EMMultiDiGraph)


def _itself(graph: Any) -> Any:
    """Return what was pickled in the place of a stored graph."""
    return graph
