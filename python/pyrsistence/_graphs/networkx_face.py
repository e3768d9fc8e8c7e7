"""NetworkX's face of a stored graph: the attributes that NetworkX's classes keep, and methods that change it.

NetworkX's own methods work on a graph by the mappings that it expects (``_node``, ``_adj``, ``_succ``,
``_pred``). What is overridden here is what would be slow by them, or what removes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]

from .. import _core
from .attributes import Attributes
from .mappings import Adjacency, Neighbours, Nodes
from .storage import GraphStorage


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


class NetworkXFace:
    """What the four classes have of networkx.Graph; NetworkX's class comes behind it."""

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
