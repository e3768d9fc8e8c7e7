"""Graphs whose edges have a type: fields of fixed sizes in the lists of neighbours."""

import copy
import pickle

import pytest

nx = pytest.importorskip("networkx")

import pyrsistence as em  # noqa: E402

FIELDS = [("kind", "u1"), ("address", "u8"), ("weight", "f8")]
ZERO = {"kind": 0, "address": 0, "weight": 0.0}


@pytest.fixture(params=[em.EMGraph, em.EMDiGraph], ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def plain(graph):
    return nx.DiGraph() if graph.is_directed() else nx.Graph()


def content(graph):
    return list(graph.nodes(data=True)), [(u, v, dict(data)) for u, v, data in graph.edges(data=True)]


# ---- Fields


def test_fields_are_live(cls, path):
    with cls(path, edge_dtype=FIELDS) as graph:
        graph.add_edge(1, 2, kind=1, address=5)
        graph.add_edge(2, 3)
        assert graph[1][2] == {"kind": 1, "address": 5, "weight": 0.0}
        assert graph[2][3] == ZERO
        graph[1][2]["kind"] = 3
        graph[1][2]["kind"] += 1
        graph.edges[2, 3].update(address=2**64 - 1, weight=1)
        graph.add_edge(2, 3, kind=7)  # the others stay
        live = graph[1][2]
        graph.add_edge(1, 2, weight=0.5)
        assert live["weight"] == 0.5
        assert graph.verify() == []
    with cls(path) as graph:
        assert graph[1][2] == {"kind": 4, "address": 5, "weight": 0.5}
        assert graph[2][3] == {"kind": 7, "address": 2**64 - 1, "weight": 1.0}
        assert type(graph[2][3]["weight"]) is float
        assert list(graph.edges(data="kind")) == [(1, 2, 4), (2, 3, 7)]
        del graph[1][2]["kind"]
        assert graph[1][2]["kind"] == 0
        graph[1][2].clear()
        assert graph[1][2] == ZERO
        assert graph.verify() == []


def test_one_mapping_from_both_ends():
    graph = em.EMDiGraph(edge_dtype=FIELDS)
    graph.add_edge("u", "v")
    attributes = graph._succ["u"]["v"]
    assert attributes is graph._pred["v"]["u"]
    graph.pred["v"]["u"]["kind"] = 9
    assert attributes["kind"] == 9
    graph.remove_edge("u", "v")
    attributes["anything"] = 1  # on its own
    graph.add_edge("u", "v")
    assert graph["u"]["v"] == ZERO
    undirected = em.EMGraph(edge_dtype=FIELDS)
    undirected.add_edge(2, 1, kind=1)
    assert undirected[1][2] is undirected[2][1]


@pytest.mark.parametrize("fields", [FIELDS, [*FIELDS, ("text", "S4")]], ids=["plain", "numpy"])
def test_what_does_not_fit_is_refused(cls, fields):
    if fields is not FIELDS:
        pytest.importorskip("numpy")
    graph = cls(edge_dtype=fields)
    graph.add_edge(1, 2, kind=1)
    for change in (
        lambda: graph[1][2].update(colour=1),
        lambda: graph[1][2].__setitem__("colour", 1),
        lambda: graph.add_edge(1, 3, colour=1),
    ):
        with pytest.raises(ValueError, match="no field 'colour', only 'kind', 'address', 'weight'"):
            change()
    with pytest.raises(OverflowError):
        graph[1][2]["kind"] = 256
    with pytest.raises(OverflowError):
        graph.add_edge(1, 3, address=-1)
    with pytest.raises(TypeError):
        graph[1][2]["address"] = 1.5
    with pytest.raises((TypeError, ValueError)):
        graph[1][2]["kind"] = "text"
    assert dict(graph[1][2]).items() >= {"kind": 1, "address": 0, "weight": 0.0}.items()
    assert list(graph.edges) == [(1, 2)]


def test_types_of_numpy(path):
    numpy = pytest.importorskip("numpy")
    dtype = numpy.dtype(
        [("at", "M8[s]"), ("name", "U3"), ("pair", "i2", 2), ("half", ">f2"), ("yes", "?")], align=True
    )
    when = numpy.datetime64("2024-02-29T12:00:00")
    with em.EMDiGraph(path, edge_dtype=dtype) as graph:
        graph.add_edge(1, 2, at=when, name="abc", pair=[3, -4], half=0.5, yes=True)
        with pytest.raises(ValueError):
            graph[1][2]["name"] = "long"
        with pytest.raises(ValueError):
            graph[1][2]["pair"] = [1, 2, 3]
    with em.EMDiGraph(path, edge_dtype=dtype) as graph:
        found = graph[1][2]
        assert found["at"] == when
        assert (found["name"], found["half"], found["yes"]) == ("abc", 0.5, True)
        assert found["pair"].tolist() == [3, -4]
        assert graph.edge_dtype.names == dtype.names


def test_the_type_is_kept(cls, path):
    cls(path, edge_dtype=FIELDS).close()
    cls(path, edge_dtype=FIELDS).close()
    with pytest.raises(em.FormatError, match="found .*kind.*: open it without edge_dtype="):
        cls(path, edge_dtype=FIELDS[:2])
    with em.open(path) as graph:
        graph.add_edge(1, 2, kind=1)
        assert graph[1][2]["kind"] == 1


def test_untyped_is_another_type(path):
    em.EMDiGraph(path).close()
    with pytest.raises(em.FormatError, match="edges without a type"):
        em.EMDiGraph(path, edge_dtype=FIELDS)


def test_what_is_no_type_of_edges():
    with pytest.raises(TypeError, match="parallel"):
        em.EMMultiDiGraph(edge_dtype=FIELDS)
    pytest.importorskip("numpy")
    for dtype, error in (("u8", TypeError), ([("a", "O")], TypeError), ([("a", "S5000")], ValueError)):
        with pytest.raises(error):
            em.EMGraph(edge_dtype=dtype)


def test_needs_no_numpy(run_python, path):
    run_python(
        "import sys; sys.modules['numpy'] = None\n"
        "import pyrsistence as em\n"
        f"G = em.EMDiGraph({str(path)!r}, edge_dtype={FIELDS!r})\n"
        "G.add_edge(1, 2, kind=3); G.close()\n"
        f"assert em.EMDiGraph({str(path)!r})[1][2]['kind'] == 3\n"
    )


def test_members_of_a_store(path):
    with em.Store(path) as store:
        store.digraph("calls", edge_dtype=FIELDS).add_edge(1, 2, kind=1)
        with pytest.raises(em.FormatError):
            store.digraph("calls", edge_dtype=FIELDS[:1])
    with em.Store(path) as store:
        assert store.digraph("calls")[1][2]["kind"] == 1


def test_a_damaged_type_is_refused(path):
    em.EMDiGraph(path, edge_dtype=FIELDS).close()
    text = b'[["kind","|u1"],["address","<u8"],["weight","<f8"]]'
    [file] = [file for file in path.rglob("*") if file.is_file() and file.read_bytes()[:4] == b"EMDG"]
    for other in (
        text.replace(b"<u8", b"<u4"),
        text.replace(b"[[", b"{["),
        text.replace(b"kind", b"\xff\xfe  "),
    ):
        whole = file.read_bytes()
        assert text in whole
        file.write_bytes(whole.replace(text, other))
        with pytest.raises(em.DamagedError):
            em.EMDiGraph(path)
        file.write_bytes(whole)


# ---- As a graph of NetworkX


def test_random_operations(cls, rng):
    """The same operations on NetworkX's class, with all fields given: the same content, in the same order."""
    graph = cls(edge_dtype=FIELDS)
    model = plain(graph)
    for step in range(1500):
        u, v = rng.randrange(25), rng.randrange(25)
        what = rng.randrange(11)
        for each in (graph, model):
            if what < 6:
                if not each.has_edge(u, v):
                    each.add_edge(u, v, **ZERO)
                each.add_edge(u, v, address=step)
            elif what < 8 and each.has_edge(u, v):
                each.remove_edge(u, v)
            elif what == 8 and each.has_edge(u, v):
                each[u][v]["kind"] = step % 256
            elif what == 9:
                each.add_node(u, at=step)
            elif what == 10 and u in each and step % 3 == 0:
                each.remove_node(u)
        if step % 250 == 0:
            graph.compact() if step % 500 == 0 else graph.commit()
            assert graph.verify() == []
    assert content(graph) == content(model)


def test_weights_count(cls):
    graph = cls(edge_dtype=[("weight", "f4")])
    graph.add_weighted_edges_from([("a", "b", 1), ("b", "c", 1), ("a", "c", 5)])
    assert nx.shortest_path(graph, "a", "c", weight="weight") == ["a", "b", "c"]
    assert graph.size(weight="weight") == 7


def test_copies(cls, path):
    graph = cls(edge_dtype=FIELDS)
    graph.add_edge(1, 2, kind=1)
    graph.add_edge(2, 1, kind=2)
    for each in (
        graph.copy(),
        copy.deepcopy(graph),
        graph.subgraph([1, 2]),
        graph.to_directed(),
        nx.DiGraph(graph),
    ):
        assert next(iter(each.edges(data="kind"))) == (1, 2, graph[1][2]["kind"])
    assert graph.copy().edge_dtype == graph.edge_dtype
    if graph.is_directed():
        assert graph.reverse()[2][1]["kind"] == 1
        assert graph.reverse().edge_dtype == graph.edge_dtype
    assert dict(graph.to_undirected()[1][2])["kind"] == 2


def test_transactions_readers_backups(cls, path, tmp_path):
    with cls(path, edge_dtype=FIELDS) as graph:
        graph.add_edge(1, 2, kind=1)
        live = graph[1][2]
        with pytest.raises(KeyError), graph.transaction():
            graph[1][2]["kind"] = 2
            graph.add_edge(1, 3, kind=3)
            raise KeyError
        assert live == graph[1][2] == {**ZERO, "kind": 1}
        assert not graph.has_edge(1, 3)
        graph.backup(tmp_path / "backup")
        graph.compact(tmp_path / "compact")
        assert pickle.loads(pickle.dumps(graph)) is graph
        for other in ("backup", "compact"):
            with cls(tmp_path / other) as same:
                assert content(same) == content(graph)
                assert same.verify() == []
    with cls(path, mode="r") as reader:
        assert reader[1][2]["kind"] == 1
        with pytest.raises(OSError):
            reader[1][2]["kind"] = 5
        assert reader[1][2]["kind"] == 1


# ---- Arrays


@pytest.mark.parametrize("nodes", [30, 2**40])
def test_structured_arrays(cls, nodes, rng):
    """As NetworkX has it with add_edge() for each row."""
    numpy = pytest.importorskip("numpy")
    graph = cls(edge_dtype=FIELDS)
    model = plain(graph)
    row = numpy.dtype([("from", "i8"), ("to", "i8"), ("address", "u4"), ("kind", "i2")])
    for size in (1, 500, 0, 6000):
        rows = numpy.zeros(size, row)
        for name, most in (("from", nodes), ("to", nodes), ("address", 2**32), ("kind", 256)):
            rows[name] = [rng.randrange(most) for _ in range(size)]
        graph.add_edges_from(rows)
        for u, v, address, kind in rows.tolist():
            if not model.has_edge(u, v):
                model.add_edge(u, v, **ZERO)
            model.add_edge(u, v, address=address, kind=kind)
        for u, v in list(model.edges)[:20]:
            graph.remove_edge(u, v)
            model.remove_edge(u, v)
        assert graph.verify() == []
    assert content(graph) == content(model)
    assert {u: list(graph._adj[u]) for u in graph} == {u: list(model._adj[u]) for u in model}


def test_arrays_with_one_value_for_all(cls):
    numpy = pytest.importorskip("numpy")
    graph = cls(edge_dtype=FIELDS)
    graph.add_edge(1, 2, address=5)
    live = graph[1][2]
    graph.add_edges_from(numpy.array([[1, 2], [2, 3]]), kind=4)
    assert live == {**ZERO, "address": 5, "kind": 4}
    assert graph[2][3] == {**ZERO, "kind": 4}
    with pytest.raises(ValueError, match="no field 'colour'"):
        graph.add_edges_from(numpy.array([[7, 8]]), colour=4)
    with pytest.raises(OverflowError):
        graph.add_edges_from(
            numpy.array([(7, 8, 256)], "i8,i8,i8").view([("u", "i8"), ("v", "i8"), ("kind", "i8")])
        )
    assert 7 not in graph


def test_texts_as_nodes(cls):
    numpy = pytest.importorskip("numpy")
    graph = cls(edge_dtype=FIELDS)
    graph.add_edges_from(numpy.array([("main", "init", 3)], [("u", "U4"), ("v", "U4"), ("kind", "u1")]))
    assert list(graph.edges(data="kind")) == [("main", "init", 3)]
    assert type(next(iter(graph))) is str


def test_data_frames(cls):
    pandas = pytest.importorskip("pandas")
    graph = cls(edge_dtype=FIELDS)
    graph.add_edges_from(pandas.DataFrame({"u": [1, 2], "v": [2, 3], "weight": [0.5, 1], "kind": [1, 2]}))
    assert list(graph.edges(data="weight")) == [(1, 2, 0.5), (2, 3, 1.0)]
    assert graph[2][3]["kind"] == 2
