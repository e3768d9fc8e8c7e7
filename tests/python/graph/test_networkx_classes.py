"""NetworkX's own tests of its graph classes, run on those that are stored."""

import pytest

nx = pytest.importorskip("networkx")

from networkx.classes.tests import historical_tests as historical  # noqa: E402
from networkx.classes.tests import test_digraph as digraph  # noqa: E402
from networkx.classes.tests import test_digraph_historical as digraph_historical  # noqa: E402
from networkx.classes.tests import test_graph as graph  # noqa: E402
from networkx.classes.tests import test_multidigraph as multidigraph  # noqa: E402
from networkx.classes.tests import test_multigraph as multigraph  # noqa: E402

import pyrsistence  # noqa: E402

STORED = {
    nx.Graph: pyrsistence.EMGraph,
    nx.DiGraph: pyrsistence.EMDiGraph,
    nx.MultiGraph: pyrsistence.EMMultiGraph,
    nx.MultiDiGraph: pyrsistence.EMMultiDiGraph,
}


class Stored:
    """Has NetworkX's tests use a stored class: also for the graphs that their setup makes."""

    def setup_method(self, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            for plain, stored in STORED.items():
                patch.setattr(nx, plain.__name__, stored)
            super().setup_method(*arguments)
        graphs = [value for value in vars(self).values() if isinstance(value, nx.Graph)]
        assert all(type(value) in STORED.values() for value in graphs)
        assert issubclass(getattr(self, "Graph", pyrsistence.EMGraph), tuple(STORED.values()))


class TestGraph(Stored, graph.TestGraph):
    pass


class TestDiGraph(Stored, digraph.TestDiGraph):
    pass


class TestMultiGraph(Stored, multigraph.TestMultiGraph):
    pass


class TestMultiDiGraph(Stored, multidigraph.TestMultiDiGraph):
    pass


class _SubgraphOfStored:
    """Has NetworkX's tests of edge subgraphs take the same subgraph of a stored graph."""

    def setup_method(self):
        super().setup_method()
        self.G = STORED[type(self.G)](self.G)
        self.H = self.G.edge_subgraph(list(self.H.edges))


class TestEdgeSubgraph(_SubgraphOfStored, graph.TestEdgeSubgraph):
    pass


class TestDiEdgeSubgraph(_SubgraphOfStored, digraph.TestEdgeSubgraph):
    pass


class TestMultiEdgeSubgraph(_SubgraphOfStored, multigraph.TestEdgeSubgraph):
    pass


class TestMultiDiEdgeSubgraph(_SubgraphOfStored, multidigraph.TestEdgeSubgraph):
    pass


class TestGraphHistorical(historical.HistoricalTests):
    @classmethod
    def setup_class(cls):
        historical.HistoricalTests.setup_class()
        cls.G = pyrsistence.EMGraph


class TestDiGraphHistorical(digraph_historical.TestDiGraphHistorical):
    @classmethod
    def setup_class(cls):
        digraph_historical.TestDiGraphHistorical.setup_class()
        cls.G = pyrsistence.EMDiGraph


@pytest.mark.parametrize(("plain", "stored"), STORED.items())
def test_special(plain, stored):
    """What TestSpecialGraph is about: the mappings are of the classes that the factories name."""
    with stored() as G:
        assert isinstance(G, plain)
        G.add_edge(1, 2)
        assert isinstance(G._node, G.node_dict_factory)
        assert isinstance(G._adj, G.adjlist_outer_dict_factory)
        assert isinstance(G._adj[1], G.adjlist_inner_dict_factory)
        if G.is_directed():
            assert isinstance(G._pred, G.adjlist_outer_dict_factory)
            assert isinstance(G._pred[2], G.adjlist_inner_dict_factory)
        if G.is_multigraph():
            assert isinstance(G._adj[1][2], G.edge_key_dict_factory)
            assert isinstance(G._adj[1][2][0], G.edge_attr_dict_factory)
        else:
            assert isinstance(G._adj[1][2], G.edge_attr_dict_factory)
