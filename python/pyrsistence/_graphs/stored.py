"""Stored: a graph class's way from a path, or from what is open, to the GraphStorage that holds all of it.

A graph without a path is made, as a temporary store, when it is first used: NetworkX makes an empty graph
for each view (a subgraph, a reversed graph) and then gives that its own mappings, which are kept as they are.
"""

from __future__ import annotations

import os
import weakref
from functools import cached_property
from typing import Any

import networkx as nx  # type: ignore[import-untyped]

from .._base.options import Opening
from .copies import Copies
from .mappings import Adjacency, Nodes
from .storage import GraphStorage

OF_STORAGE = ("pickler", "unpickler", "pickle", "key", "edge_dtype")


def is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


class Stored(Copies):
    """What the four classes share."""

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


def class_of(storage: GraphStorage) -> Any:
    """Return the class of the graph that is in a storage."""
    directed, multi = storage._kind()
    return _classes()[directed][multi]


def _classes() -> Any:
    """The four classes: [directed][multi]."""
    from . import classes

    return (classes.EMGraph, classes.EMMultiGraph), (classes.EMDiGraph, classes.EMMultiDiGraph)
