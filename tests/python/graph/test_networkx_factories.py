"""The example of a networkx.DiGraph on EMDicts, under NetworkX's own tests; and what it cannot do."""

import importlib.util
import pathlib
import pickle
import subprocess
import sys

import pytest

nx = pytest.importorskip("networkx")

from networkx.classes.tests import test_digraph as digraph  # noqa: E402
from networkx.classes.tests import test_digraph_historical as historical  # noqa: E402

_FILE = pathlib.Path(__file__).parents[3] / "examples" / "networkx_factories.py"
_spec = importlib.util.spec_from_file_location("networkx_factories", _FILE)
example = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(example)

# Tests of NetworkX that such a design does not pass, and why. EMDiGraph passes them.
CANNOT = {
    "test_pickle": "its mappings hold tables of live objects; to be pickled as its place, as EMDiGraph is, "
    "it would have to find what is open",
}

CLASSES = [example.DictDiGraph, example.CompressedDiGraph]


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture(autouse=True)
def expected(request):
    reason = CANNOT.get(request.node.originalname)
    if reason is not None:
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))


class OnDicts:
    """Has NetworkX's tests use the class of the example: also for the graphs that their setup makes."""

    def setup_method(self, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nx, "DiGraph", self.Stored)
            super().setup_method(*arguments)
        graphs = [value for value in vars(self).values() if isinstance(value, nx.Graph)]
        assert graphs and all(type(value) is self.Stored for value in graphs)


class TestDiGraph(OnDicts, digraph.TestDiGraph):
    Stored = example.DictDiGraph


class TestCompressedDiGraph(OnDicts, digraph.TestDiGraph):
    Stored = example.CompressedDiGraph


class TestDiGraphHistorical(historical.TestDiGraphHistorical):
    @classmethod
    def setup_class(cls):
        historical.TestDiGraphHistorical.setup_class()
        cls.G = example.DictDiGraph


def test_is_kept(cls, path):
    graph = cls(str(path), [(1, 2), ("a", (1, "b"), {"w": [1]})], name="kept")
    graph[1][2]["w"] = 5
    graph.nodes["a"]["x"] = 1
    graph.remove_node(1)
    graph.add_edge("a", 2, w=6)
    graph.close()
    graph = cls(str(path))
    assert graph.graph == {"name": "kept"}
    assert list(graph.nodes(data=True)) == [(2, {}), ("a", {"x": 1}), ((1, "b"), {})]
    assert list(graph.edges(data=True)) == [("a", (1, "b"), {"w": [1]}), ("a", 2, {"w": 6})]
    assert list(graph.predecessors(2)) == ["a"]
    assert graph._succ["a"][2] is graph._pred[2]["a"]
    assert graph.store.verify() == []
    graph.close()


def test_values_are_written_by_the_pickler(path):
    """Where the codec would pickle an object: not a byte of the plain pickle is in the files."""
    value = pathlib.PurePosixPath("abc" * 1000)
    graph = example.CompressedDiGraph(str(path))
    graph.add_edge(1, 2, text=value)
    graph.close()
    assert not any(b"abcabcabcabc" in file.read_bytes() for file in path.iterdir())
    graph = example.CompressedDiGraph(str(path))
    assert graph[1][2] == {"text": value}
    graph.close()
    with pytest.raises(pickle.UnpicklingError, match="unpickler"):
        example.DictDiGraph(str(path))[1][2]


def test_what_it_cannot_do(cls):
    """A list changed in place, and a rollback, are seen by EMDiGraph; here by nobody."""
    graph = cls(None, [(1, 2, {"w": []})])
    graph[1][2]["w"].append(1)
    assert graph[1][2]["w"] == []
    kept = graph[1][2]
    with pytest.raises(ZeroDivisionError), graph.store.transaction():
        kept["w"] = 5
        raise ZeroDivisionError
    assert kept["w"] == 5
    assert graph.store.dict("edges")[1, 2] != {"w": 5}


def test_the_example_runs(tmp_path):
    for _ in range(2):
        output = subprocess.run(
            [sys.executable, _FILE, tmp_path / "graph"], capture_output=True, text=True, check=True
        ).stdout
    assert output.splitlines()[0] == "DictDiGraph ['main', 'init', 'run', 'stop'] {'calls': 2}"
