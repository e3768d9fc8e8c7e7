"""What G.adj and G[u] are: NetworkX's views, but ``v in G[u]`` looks for v and not for its attributes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from networkx.classes import coreviews  # type: ignore[import-untyped]


class AtlasView(coreviews.AtlasView):  # type: ignore[misc]
    """The neighbours of a node."""

    __slots__ = ()

    def items(self) -> Any:
        """Return those of the mapping that is shown."""
        return self._atlas.items()

    def __contains__(self, key: object) -> bool:
        return key in self._atlas


class AdjacencyView(coreviews.AdjacencyView):  # type: ignore[misc]
    """The neighbours of all nodes."""

    __slots__ = ()

    def __getitem__(self, name: Any) -> AtlasView:
        return AtlasView(self._atlas[name])

    def __contains__(self, key: object) -> bool:
        return key in self._atlas


def shown(name: str, doc: str) -> Any:
    """Return a property that shows a mapping of a graph. NetworkX's own is cached as well."""

    def show(graph: Any) -> AdjacencyView:
        return AdjacencyView(getattr(graph, name))

    show.__doc__ = doc
    return cached_property(show)
