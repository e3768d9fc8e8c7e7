"""Copies and pickles: of a graph as the place of its store, of a view as what it is a view of."""

from __future__ import annotations

import copyreg
import operator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]

from .. import _core
from .._base import handles, open_stores
from .networkx_face import NetworkXFace
from .storage import GraphStorage
from .store_face import StoreFace


class Copies(NetworkXFace, StoreFace):
    """How the four classes are copied, and pickled."""

    if TYPE_CHECKING:
        _adopt_storage: Any
        _of_storage: Any

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
            return operator.itemgetter(0), ((self._plain(),),)  # on disk: nothing there names this package
        if not self._is_own():
            content = {name: value for name, value in self.__dict__.items() if name != "_storage"}
            return copyreg.__newobj__, (type(self),), content  # type: ignore[attr-defined]
        storage = self._opened()
        if storage.closed and not storage._open_handle().lost:
            raise ValueError(f"{storage._closed_repr()} cannot be pickled")
        path = handles.committed_path(storage._open_handle(), storage._mode == "r")
        options = storage._option_names()
        if storage._owner is not None:
            return storage._owner._reduce_member(path, type(self), storage._name, options)
        return type(self)._restore, (path, options)

    @classmethod
    def _restore(cls: Any, path: str, options: dict[str, Any], state: None = None) -> Any:
        """Return what was pickled: the graph that is open here already, or a reader."""
        try:
            with open_stores.lock():
                owner = open_stores.owner_of(path)
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
        made: Any = type(self)
        return made(edge_dtype=self._storage._edge_type)

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
