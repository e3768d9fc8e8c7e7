"""Graphs: what is stored of them, live attributes, transactions, readers, pickling, members of a Store."""

import copy
import pickle
import threading

import pytest

nx = pytest.importorskip("networkx")

import pyrsistence as em  # noqa: E402

CLASSES = [em.EMGraph, em.EMDiGraph, em.EMMultiGraph, em.EMMultiDiGraph]
PLAIN = {
    em.EMGraph: nx.Graph,
    em.EMDiGraph: nx.DiGraph,
    em.EMMultiGraph: nx.MultiGraph,
    em.EMMultiDiGraph: nx.MultiDiGraph,
}


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def content(graph):
    keys = {"keys": True} if graph.is_multigraph() else {}
    return dict(graph.graph), list(graph.nodes(data=True)), list(graph.edges(data=True, **keys))


def fill(graph):
    graph.graph["name"] = "small"
    graph.add_node("alone", tags=["a"])
    graph.add_edges_from([(1, 2), (2, 3, {"w": 0.5}), (3, 3), ("text", (1, "pair")), (2, 1, {"back": True})])
    graph.add_edge(2**70, 1.5, w=None)
    return graph


def test_networkx_is_imported_when_it_is_wanted(run_python):
    run_python("import sys, pyrsistence; assert 'networkx' not in sys.modules; pyrsistence.EMGraph")


# ---- What is stored


def test_holds_what_networkx_would_hold(cls, path):
    with fill(cls(path)) as graph:
        assert content(graph) == content(fill(PLAIN[cls]()))
    with cls(path) as graph:
        assert content(graph) == content(fill(PLAIN[cls]()))
        assert graph.verify() == []


def test_random_operations(cls, rng):
    """The same operations on NetworkX's class: the same content, in the same order."""
    graph, model = cls(), PLAIN[cls]()
    for step in range(1500):
        u, v = rng.randrange(25), rng.randrange(25)
        what = rng.randrange(12)
        few = rng.randrange(40)
        for each in (graph, model):
            if what == 11 and each.is_multigraph():  # many between the same two
                u, v = u % 3, v % 3
                each.add_edges_from([(u, v, {"n": n}) for n in range(few)])
            elif what < 5:
                each.add_edge(u, v)
            elif what < 7:
                each.add_edge(u, v, w=step)
            elif what < 9 and each.has_edge(u, v):
                each.remove_edge(u, v)
            elif what == 9:
                each.add_node(u, at=step)
            elif what == 10 and u in each and step % 3 == 0:
                each.remove_node(u)
        if step % 250 == 0:
            graph.compact() if step % 500 == 0 else graph.commit()
            assert graph.verify() == []
    assert content(graph) == content(model)
    assert graph.size() == model.size()
    assert graph.verify() == []


@pytest.mark.parametrize("cls", [em.EMGraph, em.EMDiGraph])
@pytest.mark.parametrize("nodes", [30, 300, 2**40])
def test_arrays_of_edges(cls, nodes, rng):
    """The same graph as by add_edge, in the same order; also where edges and attributes are there already."""
    numpy = pytest.importorskip("numpy")
    graph, model = cls(), PLAIN[cls]()
    for size in (1, 700, 0, 3000):
        pairs = [(rng.randrange(nodes) - 5, rng.randrange(nodes) - 5) for _ in range(size)]
        array = numpy.array(pairs, "i8").reshape(-1, 2)
        graph.add_edges_from(array if size % 2 else array.astype("i8", order="F"))
        model.add_edges_from(pairs)
        assert {u: list(graph._adj[u]) for u in graph} == {u: list(model._adj[u]) for u in model}
        assert graph.verify() == []
        for u, v in pairs[:50]:
            graph[u][v]["w"] = model[u][v]["w"] = u
        if pairs:
            graph.remove_edge(*pairs[0])
            model.remove_edge(*pairs[0])
    assert list(graph.edges(data=True)) == list(model.edges(data=True))
    assert graph.number_of_edges() == model.number_of_edges()


def test_data_frames_of_edges():
    pandas = pytest.importorskip("pandas")
    graph = em.EMDiGraph()
    graph.add_edges_from(pandas.DataFrame({"u": [1, 2, 1], "v": [2, 3, 2]}))
    assert list(graph.edges) == [(1, 2), (2, 3)]


def test_tables_of_edges(cls):
    """Columns behind the ends are attributes, whatever the ends are; also of graphs with parallel edges."""
    numpy = pytest.importorskip("numpy")
    rows = [("main", "init", 0.5), ("init", "main", 1.5), ("main", "init", 2.5)]
    table = numpy.array(rows, [("u", "U9"), ("v", "U9"), ("w", "f8")])
    graph, model = cls(), PLAIN[cls]()
    graph.add_edges_from(table, colour="red")
    model.add_edges_from([(u, v, {"w": w}) for u, v, w in rows], colour="red")
    assert content(graph) == content(model)
    assert {type(node) for node in graph} == {str}
    graph.add_edges_from(numpy.array([["a", "b"]]))
    assert graph.has_edge("a", "b")
    graph.add_edges_from(numpy.array([[2**63, 1]], "u8"))
    graph.add_edges_from(numpy.array([[2**63 - 1, 2]], "u8"))
    graph.add_edges_from(numpy.zeros((0, 2), "u8"))
    assert graph.has_edge(2**63, 1) and graph.has_edge(2**63 - 1, 2) and len(graph) == len(model) + 6


def test_data_frames_with_attributes(cls):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"u": [1, 2], "v": ["x", "y"], "w": [1, None], "o": [[1], None]})
    graph = cls()
    graph.add_edges_from(frame)
    assert attributes(graph, 1, "x") == {"w": 1.0, "o": [1]}
    with pytest.raises(ValueError, match="two columns"):
        graph.add_edges_from(frame[["u"]])


def test_data_are_added_to_what_is_there(path):
    em.EMGraph(path, [(1, 2)], name="a").close()
    with em.EMGraph(path, [(2, 3)]) as graph:
        assert sorted(graph.edges) == [(1, 2), (2, 3)]
        assert graph.graph == {"name": "a"}


def test_another_kind_is_refused(path):
    em.EMGraph(path).close()
    with pytest.raises(
        em.FormatError, match="another kind of graph .directed., found one that is undirected"
    ):
        em.EMDiGraph(path)
    with em.open(path) as graph:
        assert type(graph) is em.EMGraph
    with pytest.raises(em.FormatError):
        em.EMDict(path)


def test_none_is_no_node(cls):
    graph = cls()
    with pytest.raises(ValueError, match="None cannot be a node"):
        graph.add_edge(1, None)
    assert len(graph) == 0


@pytest.mark.parametrize("degree", [0, 1, 256, 257, 3000])
def test_neighbours_are_those_at_the_beginning_of_the_walk(cls, degree):
    graph = cls()
    nodes = [f"n{i}" if i % 3 else 2**80 + i for i in range(degree)]
    graph.add_node("u")
    graph.add_edges_from([("u", node) for node in nodes])
    walk = iter(graph._adj["u"])
    graph.add_edge("u", "later")
    assert list(walk) == nodes
    assert list(graph["u"]) == [*nodes, "later"]
    assert all(node in graph["u"] and node in graph.adj["u"] for node in nodes)
    assert "elsewhere" not in graph["u"]
    assert "u" in graph.adj
    assert "elsewhere" not in graph.adj
    with pytest.raises(KeyError):
        graph["u"]["elsewhere"]
    with pytest.raises(TypeError):
        [] in graph["u"]  # noqa: B015


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("degree", [0, 5, 300])
def test_items_are_neighbours_with_live_attributes(cls, degree, typed):
    if typed and cls in (em.EMMultiGraph, em.EMMultiDiGraph):
        pytest.skip("parallel edges have no type")
    graph = cls(**({"edge_dtype": [("w", "u8")]} if typed else {}))
    graph.add_node("u")
    for node in range(degree):
        graph.add_edge("u", node, w=node)
        graph.add_edge(node, node, w=degree)
    items = list(graph._adj["u"].items())
    assert [node for node, _ in items] == list(range(degree))
    for node, data in items:
        assert data is graph._adj["u"][node]
        assert attributes(graph, "u", node)["w"] == node
        attributes(graph, "u", node)["w"] = 7
        assert (data[0] if graph.is_multigraph() else data)["w"] == 7
    assert [w for _, _, w in graph.edges("u", data="w")] == [7] * degree
    if graph.is_directed() and degree:
        [(_, data), (_, back)] = sorted(graph._pred[3].items(), key=str)
        assert {id(data), id(back)} == {id(graph._adj[3][3]), id(graph._adj["u"][3])}


# ---- Live attributes


def attributes(graph, u, v):
    return graph[u][v][0] if graph.is_multigraph() else graph[u][v]


def test_attributes_are_live(cls, path):
    with cls(path, [(1, 2)]) as graph:
        attributes(graph, 1, 2)["w"] = 5
        attributes(graph, 1, 2).update(x=1, y=[1])
        attributes(graph, 1, 2)["y"].append(2)
        del attributes(graph, 1, 2)["x"]
        graph.nodes[1]["n"] = 1
        graph.nodes[1]["n"] += 1
        graph.graph.setdefault("list", []).append("in place")
    with cls(path) as graph:
        assert attributes(graph, 1, 2) == {"w": 5, "y": [1, 2]}
        assert graph.nodes[1] == {"n": 2}
        assert graph.graph == {"list": ["in place"]}
        attributes(graph, 1, 2)["y"].append(3)
    with cls(path) as graph:
        assert attributes(graph, 1, 2)["y"] == [1, 2, 3]


def test_both_ends_show_one_dict(cls):
    graph = cls([(1, 2)])
    if graph.is_directed():
        assert graph._succ[1][2] is graph._pred[2][1]
    else:
        assert graph._adj[1][2] is graph._adj[2][1]
    assert attributes(graph, 1, 2) is attributes(graph, 1, 2)


def test_a_dict_outlives_its_edge(cls):
    graph = cls([(1, 2)])
    kept = attributes(graph, 1, 2)
    graph.remove_edge(1, 2)
    kept["w"] = 1
    graph.add_edge(1, 2)
    assert attributes(graph, 1, 2) == {}
    node = graph.nodes[1]
    graph.remove_node(1)
    node["x"] = 1
    graph.add_node(1)
    assert graph.nodes[1] == {}
    assert graph.verify() == []


class Unstorable:
    def __reduce__(self):
        raise TypeError("not to be stored")


def test_what_cannot_be_stored_changes_nothing():
    graph = em.EMGraph([(1, 2, {"w": 1})])
    kept = graph[1][2]
    with pytest.raises(TypeError, match="not to be stored"):
        kept["w"] = Unstorable()
    assert kept == {"w": 1} == graph[1][2]


# ---- The store


def test_transactions(cls, path):
    graph = cls(path, [(1, 2, {"w": [1]})])
    graph.commit()
    kept = attributes(graph, 1, 2)
    with pytest.raises(ZeroDivisionError), graph.transaction():
        graph.add_edge(5, 6)
        kept["w"].append(2)
        kept["x"] = 1
        graph.remove_node(2)
        raise ZeroDivisionError
    assert sorted(graph) == [1, 2]
    assert attributes(graph, 1, 2) == {"w": [1]}
    with graph.transaction():
        graph.add_edge(5, 6)
        attributes(graph, 1, 2)["w"].append(3)
    graph.close()
    with cls(path) as graph:
        assert graph.has_edge(5, 6)
        assert attributes(graph, 1, 2) == {"w": [1, 3]}


def test_views_follow_a_rollback_and_a_compaction():
    graph = em.EMDiGraph([(i, i + 1) for i in range(50)])
    graph.remove_nodes_from(range(20))
    graph.commit()
    neighbours, kept = graph._succ[30], graph[30][31]
    graph.compact()
    assert list(neighbours) == [31]
    kept["w"] = 1
    assert graph[30][31] == {"w": 1}
    with pytest.raises(ZeroDivisionError), graph.transaction():
        graph.add_edge(30, "new")
        raise ZeroDivisionError
    assert list(neighbours) == [31]
    assert graph.verify() == []


WRITER = """
import sys
import pyrsistence as em
with em.EMDiGraph(sys.argv[1]) as graph:
    graph.add_edge("b", "c")
    graph["a"]["b"]["w"] = 2
    graph.graph["title"] = "u"
"""


def test_a_reader_follows(path, run_python):
    em.EMDiGraph(path, [("a", "b", {"w": 1})], title="t").close()
    with em.EMDiGraph(path, mode="r") as reader:
        kept = reader._succ["b"]
        assert content(reader) == ({"title": "t"}, [("a", {}), ("b", {})], [("a", "b", {"w": 1})])
        run_python(WRITER, path)
        assert list(kept) == ["c"]
        assert reader.graph == {"title": "u"}
        assert list(reader.edges(data=True)) == [("a", "b", {"w": 2}), ("b", "c", {})]
        with pytest.raises(OSError, match="read"):
            reader.add_edge(1, 2)
        with pytest.raises(OSError, match="read"):
            reader["a"]["b"]["w"] = 3
        assert reader["a"]["b"] == {"w": 2}


def test_changes_during_a_walk():
    graph = em.EMGraph([(i, i + 1) for i in range(600)])
    with pytest.raises(RuntimeError, match="changed size"):
        for node in graph:
            graph.add_node(-node - 1)
    for neighbour in graph[5]:
        graph.add_node(("beside", neighbour))
    assert list(reversed(list(graph._node))) == list(reversed(graph._node))


def test_a_graph_as_an_attribute_is_one_in_memory(cls, path):
    H = cls()
    nx.add_path(H, [1, 2, 3], weight=[5])
    with cls(path) as G, em.EMDict(None) as d:
        G.add_node("whole", graph=H)
        G.add_node("part", graph=H.subgraph([1, 2]))
        d["graph"] = H
        assert type(d["graph"]) in (nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph)
        assert list(d["graph"].edges(data=True)) == list(H.edges(data=True))
        with pytest.raises(TypeError, match="a mapping of a graph"):
            G.add_node("mapping", graph=H.adj)
        G.remove_node("mapping")
        with pytest.raises(RecursionError):
            G.nodes["whole"]["itself"] = G
    with cls(path) as G:
        whole, part = G.nodes["whole"]["graph"], G.nodes["part"]["graph"]
        assert (whole.is_directed(), whole.is_multigraph()) == (H.is_directed(), H.is_multigraph())
        assert list(whole.edges(data=True)) == list(H.edges(data=True)) and not isinstance(whole, cls)
        assert list(part.edges(data="weight")) == [(1, 2, [5])]


def test_pickling(cls, path):
    graph = cls(path, [(1, 2)])
    assert pickle.loads(pickle.dumps(graph)) is graph
    data = pickle.dumps(graph)
    graph.close()
    with pickle.loads(data) as reader:
        assert type(reader) is cls
        assert reader.mode == "r"
        assert list(reader) == [1, 2]
    if issubclass(cls, nx.DiGraph):
        return  # NetworkX's views of directed graphs cannot be pickled
    view = pickle.loads(pickle.dumps(cls([(1, 2), (2, 3)]).subgraph([1, 2])))
    assert sorted(view) == [1, 2]


def test_copies(cls):
    graph = fill(cls())
    for other in (graph.copy(), copy.deepcopy(graph), cls(graph)):
        assert type(other) is cls
        assert content(other) == content(graph)
    assert type(graph.to_undirected()) is (em.EMMultiGraph if graph.is_multigraph() else em.EMGraph)
    assert type(graph.to_directed()) is (em.EMMultiDiGraph if graph.is_multigraph() else em.EMDiGraph)


def test_members_of_a_store(path):
    with em.Store(path) as store:
        calls = store.digraph("calls")
        calls.add_edge("main", "init", at=[4])
        assert store.digraph("calls") is calls
        store.multigraph("roads").add_edge(1, 2)
        with pytest.raises(em.FormatError, match="of another kind"):
            store.graph("calls")
        with pytest.raises(ZeroDivisionError), store.transaction():
            calls.add_edge("main", "lost")
            store.graph("made").add_edge(1, 2)
            raise ZeroDivisionError
        assert store.members() == {"calls": "graph", "roads": "graph"}
        assert pickle.loads(pickle.dumps(calls)) is calls
    with em.Store(path) as store:
        assert list(store.digraph("calls").edges(data=True)) == [("main", "init", {"at": [4]})]
        store.compact()
        assert list(store.multigraph("roads").edges) == [(1, 2, 0)]
        assert store.verify() == []


def test_empty_graphs_of_views_make_no_store(monkeypatch):
    graph = em.EMDiGraph([(1, 2), (2, 3)])
    monkeypatch.setattr("tempfile.mkdtemp", None)
    assert list(graph.subgraph([1, 2]).edges) == [(1, 2)]
    assert list(graph.reverse(copy=False).edges) == [(2, 1), (3, 2)]
    assert sorted(graph.to_undirected(as_view=True).edges) == [(1, 2), (2, 3)]
    empty = em.EMGraph()
    empty.graph.update({})
    assert dict(empty.graph) == {}
    empty.close()
    assert dict(empty.graph) == {}
    assert (empty.closed, empty.mode) == (True, "a")


def test_attributes_asked_for_before_the_first_use_are_live(cls):
    graph = cls()
    attributes = graph.graph
    graph.add_edge(1, 2)
    attributes["name"] = "small"
    attributes["tags"] = ["a"]
    with graph.transaction():
        graph.graph["tags"].append("b")
    with pytest.raises(KeyError), graph.transaction():
        attributes.update(name="large", tags=[])
        raise KeyError
    assert attributes is graph.graph
    assert attributes == {"name": "small", "tags": ["a", "b"]}


def test_closed(path):
    graph = em.EMGraph(path, [(1, 2)])
    graph.close()
    graph.close()
    assert graph.closed
    with pytest.raises(ValueError, match="closed"):
        graph.add_edge(2, 3)
    with pytest.raises(ValueError, match="closed"):
        list(graph)


def test_command_line(cli, path):
    with em.Store(path) as store:
        store.digraph("calls").add_edge(1, 2)
    assert "graph calls: 2 entries" in cli("info", path).stdout
    assert "edges" in cli("stats", path, "--member", "calls").stdout
    assert "by NetworkX" in cli("get", path, "1", expect=2).stderr


# ---- Other hands


def test_what_came_before_an_error_is_kept(path):
    """As a dict keeps it; in memory and in the file."""

    def items():
        yield "a", 1
        raise ZeroDivisionError

    with em.EMGraph(path, [(1, 2)]) as graph:
        with pytest.raises(ZeroDivisionError):
            graph.nodes[1].update(items())
        with pytest.raises(KeyError):
            graph[1][2].pop("missing")
        assert graph.nodes[1] == {"a": 1}
    with em.EMGraph(path) as graph:
        assert graph.nodes[1] == {"a": 1}


def test_a_value_assigned_to_its_own_place_is_stored_at_once(path, run_python):
    with em.EMGraph(path, [(1, 2, {"l": []})], commit_interval=None) as graph:
        graph[1][2]["l"].append(1)
        graph[1][2]["l"] = graph[1][2]["l"]
        assert graph._storage._edge_value(1, 2) == {"l": [1]}


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "transaction"])
def test_edges_whose_source_raises(cls, path, inside):
    """What came before stays; in a transaction nothing does."""

    def edges():
        yield 1, 2, {"w": [1]}
        yield 2, 3
        raise ZeroDivisionError

    with cls(path, [(0, 1)]) as graph:
        kept = attributes(graph, 0, 1)
        with pytest.raises(ZeroDivisionError):
            if inside:
                with graph.transaction():
                    graph.add_edges_from(edges())
            else:
                graph.add_edges_from(edges())
        assert sorted(graph) == ([0, 1] if inside else [0, 1, 2, 3])
        assert attributes(graph, 0, 1) is kept
        assert graph.verify() == []
    with cls(path) as graph:
        assert graph.number_of_edges() == (1 if inside else 3)


def test_edges_whose_source_changes_the_graph(cls):
    graph = cls([(0, 1)])

    def edges():
        for i in range(1, 50):
            graph.remove_node(i - 1)
            yield i, i + 1, {"w": i}

    graph.add_edges_from(edges())
    assert sorted(graph) == [49, 50]
    assert graph.verify() == []


def test_a_graph_that_could_not_be_filled_is_closed(cls, path):
    with pytest.raises(nx.NetworkXError):
        cls(path, [(1, 2, 3, 4, 5)])
    with cls(path) as graph:
        assert graph.verify() == []
    if issubclass(cls, nx.MultiGraph):
        with pytest.raises(nx.NetworkXError):
            cls(path, {1: 2}, multigraph_input=True)
        cls(path).close()


def test_neighbours_of_a_node_that_goes(cls):
    graph = cls([(1, 2), (1, 3)])
    neighbours, walk = graph._adj[1], iter(graph._adj[1])
    assert next(walk) == 2
    graph.remove_node(1)
    assert (len(neighbours), list(neighbours), 2 in neighbours) == (0, [], False)
    assert next(walk) == 3
    with pytest.raises(KeyError):
        neighbours[2]
    graph.add_edge(1, 4)
    assert list(neighbours) == [4]


def test_a_walk_over_a_closed_graph(cls, path):
    graph = cls(path, [(1, 2)])
    walk, neighbours = iter(graph), graph._adj[1]
    kept = attributes(graph, 1, 2)
    graph.close()
    for use in (
        lambda: next(walk),
        lambda: list(neighbours),
        lambda: neighbours[2],
        lambda: kept.update(a=1),
    ):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert kept == {}


COMPACTOR = """
import sys
import pyrsistence as em
with em.EMDiGraph(sys.argv[1]) as graph:
    graph.remove_nodes_from(range(10))
    graph.nodes[12]["n"] = graph[10][11]["w"] = "new"
    graph.compact()
"""


def test_a_reader_shows_live_dicts_anew(path, run_python):
    """Also where a compaction has given nodes other numbers."""
    em.EMDiGraph(path, [(i, i + 1, {"w": i}) for i in range(20)]).close()
    with em.EMDiGraph(path, mode="r") as reader:
        kept, node = [reader[i][i + 1] for i in range(20)], reader.nodes[12]
        run_python(COMPACTOR, path)
        assert [reader[i][i + 1]["w"] for i in range(10, 20)] == ["new", *range(11, 20)]
        assert [d["w"] for d in kept] == [*range(10), "new", *range(11, 20)]
        assert node == {"n": "new"} == reader.nodes[12]
        assert kept[15] is reader[15][16]


def test_one_dict_of_a_place_for_all_threads():
    """Two would write over each other."""
    for _ in range(30):
        graph = em.EMDiGraph()
        barrier = threading.Barrier(4)

        def work(number, graph=graph, barrier=barrier):
            barrier.wait()
            graph.add_edge(1, 2)
            for i in range(10):
                graph[1][2][number, i] = graph.nodes[1][number, i] = i

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(graph[1][2]) == len(graph.nodes[1]) == 40
        assert len(graph._storage._edge_value(1, 2)) == 40


@pytest.mark.parametrize("cls", [em.EMMultiGraph, em.EMMultiDiGraph])
@pytest.mark.parametrize("count", [0, 9, 500])
def test_records_of_any_number_of_parallel_edges(cls, count, path):
    """As older versions have written them: they are read as they are, and become a table with a change."""
    model = PLAIN[cls]()
    with cls(path) as graph:
        graph.add_edge(1, 2)
        graph._storage._set_edge_value(1, 2, {("key", n): {"n": n} for n in range(count)})
    model.add_edges_from((1, 2, ("key", n), {"n": n}) for n in range(count))
    with cls(path) as graph:
        assert list(graph.edges(keys=True, data=True)) == list(model.edges(keys=True, data=True))
        assert graph.number_of_edges(1, 2) == count and graph._storage._parallel_count(1, 2) is None
        for each in (graph, model):
            each.add_edge(1, 2, ("key", 3), more=1)
            each.add_edge(1, 2)
            each.remove_edge(1, 2, ("key", 3))
        assert graph._storage._parallel_count(1, 2) == (count or None)
        assert list(graph.edges(keys=True, data=True)) == list(model.edges(keys=True, data=True))
        assert graph.verify() == []


@pytest.mark.parametrize("damaged", [7, [1], {0: 5}, {0: None}])
def test_damaged_records_of_parallel_edges(damaged):
    graph = em.EMMultiGraph([(1, 2)])
    graph._storage._set_edge_value(1, 2, damaged)
    for read in (
        lambda: graph.number_of_edges(1, 2),
        lambda: graph.edges[1, 2, 0],
        lambda: list(graph.edges(data=True)),
        lambda: graph.add_edge(1, 2),
        lambda: graph.remove_edge(1, 2),
    ):
        with pytest.raises(em.DamagedError, match="expected the attributes"):
            read()
    graph.remove_node(2)
    assert list(graph) == [1]


def test_keys_of_parallel_edges_are_equal_as_keys_of_dicts_are():
    """However many there are; what cannot be a key is refused before anything is added."""
    for count in (0, 20):
        graph = em.EMMultiDiGraph([(1, 2, n + 100) for n in range(count)])
        graph.add_edge(1, 2, 1, w=1)
        graph.add_edge(1, 2, True, x=1)
        graph.add_edge(1, 2, 1.0, y=1)
        graph.add_edge(1, 2, float("nan"))
        graph.add_edge(1, 2, float("nan"), w=1)
        assert graph.number_of_edges(1, 2) == count + 2
        assert graph[1][2][True] == {"w": 1, "x": 1, "y": 1} and graph[1][2][float("nan")] == {"w": 1}
        with pytest.raises(TypeError):
            graph.add_edge(3, 4, [])
        assert 3 not in graph
