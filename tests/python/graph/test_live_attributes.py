"""Attributes of graphs that somebody holds: a change in them is stored once, or not at all, or refused.

Also over commits, rollbacks, compactions, collections, and interrupts at any line.
"""

import copy
import functools
import gc
import pathlib
import sys
import threading

import pytest

nx = pytest.importorskip("networkx")

import pyrsistence as em  # noqa: E402
from pyrsistence._graphs.attributes import restored  # noqa: E402

PLAIN = {
    em.EMGraph: nx.Graph,
    em.EMDiGraph: nx.DiGraph,
    em.EMMultiGraph: nx.MultiGraph,
    em.EMMultiDiGraph: nx.MultiDiGraph,
}


@pytest.fixture(params=PLAIN, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


# A place: () the graph, (node,), (u, v) or (u, v, key).


def attributes(graph, place):
    """The attributes of a place; None if it is not there."""
    if not place:
        return graph.graph
    if len(place) == 1:
        return graph.nodes[place[0]] if place[0] in graph else None
    u, v, *keys = place
    if not graph.has_edge(u, v):
        return None
    found = graph[u][v]
    for key in keys:
        found = found.get(key) if key in found else None
    return found


def content(graph):
    keys = {"keys": True} if graph.is_multigraph() else {}
    nodes = [(node, dict(data)) for node, data in graph.nodes(data=True)]
    return dict(graph.graph), nodes, [(*e[:-1], dict(e[-1])) for e in graph.edges(data=True, **keys)]


class Undone(Exception):
    pass


# Of parallel edges: more than are one record.
KEYS = [0, 1, "text", (1, "pair"), 2.5, b"bytes", *range(2, 10)]


class Machine:
    """A graph beside NetworkX's, and what somebody holds: dicts by their place, lists by place and name."""

    def __init__(self, cls, path, rng):
        self.cls, self.path, self.rng = cls, path, rng
        self.graph, self.model = cls(path), PLAIN[cls]()
        self.dicts, self.lists = {}, {}
        self.pair = (1, 2)
        self.strays = []  # of what was there only in a transaction that was rolled back

    def a_place(self):
        rng, multi = self.rng, self.graph.is_multigraph()
        kind = rng.randrange(8)
        if kind == 0:
            return ()
        if kind < 4:
            return (rng.randrange(6),)
        u, v = rng.randrange(6), rng.randrange(6)
        if not self.graph.is_directed():
            u, v = min(u, v), max(u, v)
        if multi and rng.random() < 0.5:
            u, v = self.pair  # with many edges between them
        return (u, v, rng.choice(KEYS[:2] if (u, v) != self.pair else KEYS)) if multi else (u, v)

    def both(self, work):
        for each in (self.graph, self.model):
            work(each)

    def forget(self, gone):
        for held in (self.dicts, self.lists):
            for key in [k for k in held if gone(k if held is self.dicts else k[0])]:
                del held[key]

    # ---- Steps

    def add(self):
        place = self.a_place()
        value = self.rng.choice([{}, {"n": self.rng.random()}, {"l": [self.rng.random()]}])
        if "l" in value:
            self.lists.pop((place, "l"), None)
        if len(place) == 1:
            self.both(lambda g: g.add_node(*place, **copy.deepcopy(value)))
        elif place:
            self.both(lambda g: g.add_edge(*place, **copy.deepcopy(value)))

    def remove(self):
        place = self.a_place()
        if len(place) == 1 and place[0] in self.model:
            self.both(lambda g: g.remove_node(place[0]))
            self.forget(lambda p: place[0] in p[:2])
        elif place and attributes(self.model, place) is not None:
            self.both(lambda g: g.remove_edge(*place))
            self.forget(lambda p: p == place)

    def many(self):
        """So many parallel edges that they are a table, or so few that they need none."""
        if not self.graph.is_multigraph():
            return
        if self.rng.random() < 0.6:
            value = {"l": [self.rng.random()]} if self.rng.random() < 0.3 else {}
            for key in self.rng.sample(KEYS, self.rng.randrange(8, len(KEYS))):
                self.lists.pop(((*self.pair, key), "l"), None) if value else None
                self.both(lambda g, key=key: g.add_edge(*self.pair, key, **copy.deepcopy(value)))
            return
        while self.model.number_of_edges(*self.pair) > 1:
            key = list(self.model[self.pair[0]][self.pair[1]])[-1]
            self.both(lambda g: g.remove_edge(*self.pair))
            self.forget(lambda p, key=key: p == (*self.pair, key))

    def replace(self):
        """All of the parallel edges at once."""
        if not self.graph.is_multigraph() or not self.model.has_edge(*self.pair):
            return
        u, v = self.pair
        keys = self.rng.sample(KEYS, self.rng.randrange(1, len(KEYS)))
        new = {key: {"n": self.rng.random()} for key in keys}
        self.graph._adj[u][v] = new
        known = self.model._adj[u][v]
        known.update({key: copy.deepcopy(value) for key, value in new.items()})
        for key in [key for key in known if key not in new]:
            del known[key]
        for key in keys:
            known[key] = known.pop(key)
        self.forget(lambda p: p[:2] == self.pair and len(p) == 3 and p[2] not in new)
        for key in [k for k in self.lists if k[0][:2] == self.pair and len(k[0]) == 3]:
            del self.lists[key]

    def clear(self):
        if self.rng.random() < 0.2:
            self.both(lambda g: g.clear())
            self.forget(lambda p: True)
            self.dicts.pop((), None)
        elif self.rng.random() < 0.3:
            self.both(lambda g: g.clear_edges())
            self.forget(lambda p: len(p) > 1)

    def hold(self):
        place = self.a_place()
        found = attributes(self.graph, place)
        if found is None:
            return
        assert self.dicts.setdefault(place, found) is found
        if isinstance(found.get("l"), list):
            assert self.lists.setdefault((place, "l"), found["l"]) is found["l"]

    def release(self):
        held = self.rng.choice([self.dicts, self.lists])
        if held:
            del held[self.rng.choice(list(held))]
        if self.rng.random() < 0.1:
            gc.collect()

    def change(self):
        if not self.dicts:
            return
        place = self.rng.choice(list(self.dicts))
        value = self.rng.choice([self.rng.random(), [self.rng.random()]])
        name = self.rng.choice("lmn")
        self.lists.pop((place, name), None)
        self.dicts[place][name] = value
        attributes(self.model, place)[name] = copy.deepcopy(value)

    def append(self):
        if not self.lists:
            return
        place, name = self.rng.choice(list(self.lists))
        value = self.rng.random()
        self.lists[place, name].append(value)
        attributes(self.model, place)[name].append(value)

    def commit(self):
        self.graph.commit()

    def compact(self):
        self.graph.compact()

    def reopen(self):
        if self.path is not None:
            self.graph.close()
            self.dicts, self.lists = {}, {}
            self.graph = self.cls(self.path)

    def step(self, inside=False):
        steps = [self.add] * 4 + [self.remove, self.hold, self.hold, self.hold, self.release]
        steps += [self.change] * 3 + [self.append] * 4 + [self.many, self.replace]
        steps += [self.clear] if inside else [self.commit, self.compact, self.reopen, self.clear]
        self.rng.choice(steps)()
        self.check()

    def transaction(self):
        undo = self.rng.random() < 0.6
        model, dicts, lists = copy.deepcopy(self.model), dict(self.dicts), dict(self.lists)
        try:
            with self.graph.transaction():
                for _ in range(self.rng.randrange(8)):
                    self.step(inside=True)
                if undo:
                    raise Undone
        except Undone:
            had = {id(d) for d in dicts.values()}
            strays = [(place, d) for place, d in self.dicts.items() if id(d) not in had]
            self.model, self.dicts, self.lists = model, dicts, lists
            self.check()
            for place, stray in strays:
                if stray is not attributes(self.graph, place):
                    self.strays.append(stray)
        self.check()

    def check(self):
        for place, held in self.dicts.items():
            assert attributes(self.graph, place) is held, place
            assert held == attributes(self.model, place), place
        for (place, name), held in self.lists.items():
            assert attributes(self.graph, place)[name] is held, (place, name)
            assert held == attributes(self.model, place)[name]
        for stray in self.strays:
            with pytest.raises(RuntimeError, match="rollback has taken back"):
                stray["n"] = "lost"
        assert content(self.graph) == content(self.model)


@pytest.mark.parametrize("round", range(6))
def test_what_is_held_is_what_is_stored(cls, path, rng, round):
    machine = Machine(cls, path, rng)
    for _ in range(150):
        machine.step()
        if rng.random() < 0.2:
            machine.transaction()
    assert machine.graph.verify() == []
    machine.graph.close()
    with cls(path, mode="r") as graph:
        assert content(graph) == content(machine.model)


# ---- Interrupts


class Interrupted(BaseException):
    pass


def interrupt_at(line, files, work):
    """Run work, and raise at the n-th line of the package that is run; whether it came to that."""
    package = str(pathlib.Path(em.__file__).parent / files)
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line":
            count += 1
            if count == line:
                raise Interrupted
        return trace

    before = sys.gettrace()
    gc.disable()  # an error in a finalizer would be lost
    sys.settrace(trace)
    try:
        work()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    return False


def rolled_back(graph):
    with graph.transaction():
        graph.remove_node(3)
        graph.add_edge("new", 4, l=["rolled back"])
        graph.nodes[4]["l"].append("rolled back")
        graph.nodes[5]["id"] = "rolled back"
        raise Undone


WORKS = {
    "compact": ("", lambda graph: graph.compact()),
    "commit": ("", lambda graph: graph.commit()),
    "rollback": ("_graph", rolled_back),
    "look": ("", lambda graph: [dict(d) for _, d in graph.nodes(data=True)]),
}


@pytest.mark.parametrize("work", WORKS)
def test_interrupts_at_each_line(work):
    """Whatever line is not reached: attributes are those of their node, and what was appended is stored."""
    files, call = WORKS[work]
    line, more = 0, True
    while more:
        line += 1
        graph = em.EMDiGraph()
        graph.add_nodes_from((n, {"id": n, "l": []}) for n in range(6))
        held = {n: graph.nodes[n] for n in range(3, 6)}
        lists = {n: d["l"] for n, d in held.items()}
        graph.remove_nodes_from(range(3))
        graph.commit()
        for n, values in lists.items():
            values.append(n)
        try:
            more = interrupt_at(line, files, functools.partial(call, graph))
        except Undone:
            more = False
        assert {n: dict(d) for n, d in graph.nodes(data=True)} == {n: {"id": n, "l": [n]} for n in held}
        assert [n for n, d in held.items() if graph.nodes[n] is not d or d["l"] is not lists[n]] == [], line
        for values in lists.values():
            values.append("later")
        graph.commit()
        stored = {n: graph._storage._vertex_value(n) for n in graph}
        assert stored == {n: {"id": n, "l": [n, "later"]} for n in held}
        graph.close()
    assert line > 3


CHANGES = {
    "set": lambda graph: graph.nodes[1].__setitem__("w", "new"),
    "update": lambda graph: graph[1][2].update(w=["new"], x=1),
    "pop": lambda graph: graph[1][2].pop("w"),
    "clear": lambda graph: graph[1][2].clear(),
    "replace": lambda graph: graph._adj[1].__setitem__(2, {"w": "new"}),
    "add_edge": lambda graph: graph.add_edge(1, 2, w=[], x=1),
    "add_node": lambda graph: graph.add_node(1, w=["new"]),
    "remove_edge": lambda graph: graph.remove_edge(1, 2),
    "remove_node": lambda graph: graph.remove_node(1),
}


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_interrupted_changes(change, typed):
    """What is shown after it is what a commit stores: the old, or the new."""
    line, more = 0, True
    while more:
        line += 1
        graph = em.EMDiGraph(edge_dtype=[("w", "i4"), ("x", "i4")] if typed else None)
        graph.add_node(1, w="old")
        graph.add_edge(1, 2, w=5, x=6)
        held = [graph.nodes[1], graph[1][2]]
        graph.commit()
        try:
            more = interrupt_at(line, "_graph", lambda graph=graph: CHANGES[change](graph))
        except (TypeError, OverflowError):
            assert typed  # a field that cannot be that
            more = False
        shown = content(graph)
        held_now = [
            graph.nodes[1] if 1 in graph else held[0],
            graph[1][2] if graph.has_edge(1, 2) else held[1],
        ]
        assert all(one is other for one, other in zip(held, held_now, strict=True))
        graph.commit()
        del held, held_now
        gc.collect()
        assert content(graph) == shown
        assert graph.verify() == []
        graph.close()


def edges_between(count):
    graph = em.EMMultiDiGraph()
    for key in range(count):
        graph.add_edge(1, 2, key, w="old", l=[])
    graph.commit()
    return graph


PARALLEL_CHANGES = {
    "set": lambda graph: graph[1][2][0].__setitem__("w", "new"),
    "add": lambda graph: graph.add_edge(1, 2, w=["new"]),
    "add to": lambda graph: graph.add_edge(1, 2, 0, w=["new"]),
    "remove": lambda graph: graph.remove_edge(1, 2, 0),
    "remove last": lambda graph: graph.remove_edge(1, 2),
    "remove all": lambda graph: graph._adj[1].__delitem__(2),
    "clear": lambda graph: graph._adj[1][2].clear(),
    "replace": lambda graph: graph._adj[1].__setitem__(2, {k: {"w": [k]} for k in (0, 4)}),
    "remove node": lambda graph: graph.remove_node(2),
}


@pytest.mark.parametrize("change, count", [("add", 8), ("replace", 8), *((c, 9) for c in PARALLEL_CHANGES)])
def test_interrupted_changes_of_parallel_edges(change, count):
    line, more = 0, True
    while more:
        line += 1
        graph = edges_between(count)
        held = {key: graph[1][2][key] for key in (0, 3, count - 1)}
        more = interrupt_at(line, "_graph", lambda graph=graph: PARALLEL_CHANGES[change](graph))
        shown = content(graph)
        keys = {key for *_, key in graph.edges(keys=True)}
        assert all(graph[1][2][key] is value for key, value in held.items() if key in keys)
        graph.commit()
        del held
        gc.collect()
        assert content(graph) == shown
        assert graph.verify() == []
        graph.close()


# ---- What is kept


def test_a_list_is_stored_as_long_as_it_is_held(cls, path):
    """Also the parts of one, and of an object; however many dicts have been read since."""

    with cls(path) as graph:
        graph.add_nodes_from((n, {"l": [[n]], "o": {"deep": ([n],)}}) for n in range(20))
        graph.add_nodes_from((("other", n), {"l": []}) for n in range(9000))
        graph.commit()
        held = [graph.nodes[n]["l"] for n in range(10)]
        parts = [graph.nodes[n]["o"]["deep"][0] for n in range(10, 20)]
        for step in range(3):
            for one in held + parts:
                one.append(step)
            graph.commit()
            for _, data in graph.nodes(data=True):
                assert data["l"] is not None
            assert len(graph._storage._kept) < 5000
            gc.collect()
    with cls(path, mode="r") as graph:
        assert all(graph.nodes[n]["l"] == [[n], 0, 1, 2] for n in range(10))
        assert all(graph.nodes[n]["o"]["deep"] == ([n, 0, 1, 2],) for n in range(10, 20))


def test_nothing_is_kept_for_nobody():
    """After a commit only what somebody refers to; of a value that many share, none."""
    graph = em.EMDiGraph()
    shared = ["shared"]
    graph.add_nodes_from(range(6000), l=shared)
    graph.add_nodes_from((("own", n), {"l": []}) for n in range(6000))
    assert len(graph._storage._kept) < 5000
    graph.commit()
    one = graph.nodes["own", 7]
    graph.commit()
    assert list(graph._storage._kept.values()) == [one]
    graph.add_node("two", l=shared)  # held by this function too: kept
    graph.commit()
    assert len(graph._storage._kept) == 2
    shared.append("more")
    graph.commit()
    assert graph._storage._vertex_value("two") == {"l": ["shared", "more"]}


def test_a_change_in_place_beside_the_transaction_of_another_thread():
    """The dict is let go while it is on."""
    graph = em.EMDiGraph([(1, 2, {"z": [1]})])
    graph.commit()
    data = graph[1][2]
    began, end = threading.Event(), threading.Event()

    def other():
        with graph.transaction():
            began.set()
            end.wait()

    thread = threading.Thread(target=other)
    thread.start()
    began.wait()
    data["z"].append(2)
    del data
    gc.collect()
    end.set()
    thread.join()
    graph.commit()
    assert graph._storage._edge_value(1, 2) == {"z": [1, 2]}


def test_values_that_a_rollback_takes_back():
    """Objects that were values before go on being it; what was assigned meanwhile is left alone."""
    graph = em.EMGraph()
    values = {"list": [1, [2]], "dict": {"a": [1]}, "set": {1}, "bytes": bytearray(b"1"), "object": Token()}
    graph.add_node(1, **values)
    graph.commit()
    assert all(graph.nodes[1][name] is value for name, value in values.items())
    mine, inner = ["mine"], values["list"][1]
    with pytest.raises(Undone), graph.transaction():
        values["list"].append(3)
        inner.append(4)
        values["dict"]["a"].append(5)
        values["set"].add(6)
        values["bytes"].extend(b"7")
        graph.nodes[1]["list"] = mine
        del graph.nodes[1]["set"]
        graph.add_nodes_from((("other", n), {"l": []}) for n in range(5000))  # some are written, and let go
        raise Undone
    assert mine == ["mine"]
    assert all(graph.nodes[1][name] is value for name, value in values.items())
    assert values["list"] == [1, [2]] and values["list"][1] is inner and values["dict"] == {"a": [1]}
    assert values["set"] == {1} and values["bytes"] == bytearray(b"1")


class Token:
    def __eq__(self, other):
        return type(other) is Token

    __hash__ = None


def test_restored():
    deep = new = []
    for _ in range(100):
        deep, new = [deep], [new, 1]
    assert restored(deep, new) == new
    assert restored({1: [2]}, [1]) == [1]
    before = {"gone": 1, "a": [1, 2, 3]}
    inner = before["a"]
    assert restored(before, {"a": [4], "b": 2}) == {"a": [4], "b": 2} and before["a"] is inner


def test_parallel_edges_after_a_rollback():
    """The dict of an edge that was removed in the transaction is live again; that of one added refuses."""
    graph = em.EMMultiDiGraph()
    graph.add_edge(1, 2, "a", n=1)
    graph.add_edge(1, 2, "b", n=2)
    graph.commit()
    a, b = graph[1][2]["a"], graph[1][2]["b"]
    with pytest.raises(Undone), graph.transaction():
        graph.remove_edge(1, 2, "a")
        a["n"] = "on its own"
        graph.add_edge(1, 2, "c", n=3)
        c = graph[1][2]["c"]
        raise Undone
    assert graph[1][2]["a"] is a and graph[1][2]["b"] is b and a == {"n": 1}
    a["n"] = 5
    assert graph._storage._edge_value(1, 2)["a"] == {"n": 5}
    with pytest.raises(RuntimeError, match="rollback"):
        c["n"] = 4
    assert list(graph[1][2]) == ["a", "b"]


@pytest.mark.parametrize("cls", [em.EMMultiGraph, em.EMMultiDiGraph])
@pytest.mark.parametrize("count", [1, 8, 9, 2000])
def test_mappings_of_parallel_edges(cls, count, path):
    """What _adj[u][v] is: one at a time, as a dict, and nothing when the edges are removed."""
    with cls(path) as graph:
        graph.add_edges_from((1, 2, ("key", n), {"n": n}) for n in range(count))
        edges = graph._adj[1][2]
        expected = {("key", n): {"n": n} for n in range(count)}
        assert graph._adj[1][2] is edges and isinstance(edges, graph.edge_key_dict_factory)
        assert (graph._pred if graph.is_directed() else graph._adj)[2][1] is edges
        assert edges == expected and list(edges) == list(expected) and len(edges) == count
        assert list(edges.values()) == list(expected.values())
        assert copy.copy(edges) == copy.deepcopy(edges) == edges.copy() == expected
        assert type(copy.deepcopy(edges)) is dict and repr(edges).startswith("{('key', 0): {'n': 0}")
        assert ("key", -1) not in edges and edges.get(("key", -1)) is None
        for call in (lambda: [] in edges, lambda: edges[[]], lambda: graph.add_edge(1, 2, [])):
            with pytest.raises(TypeError):
                call()
        assert graph.number_of_edges(1, 2) == count and graph.add_edge(1, 2) == count
        assert edges.popitem() == (count, {})
        if count > 300:
            with pytest.raises(RuntimeError, match="during iteration"):
                for key in edges:
                    edges.pop(key)
            for n in range(count):
                edges[("key", n)] = {"n": n}
            expected = dict(edges.items())
        graph.compact()
        assert graph._adj[1][2] is edges and edges == expected
        one = edges["key", 0]
        with pytest.raises(Undone), graph.transaction():
            graph.remove_edge(1, 2, ("key", 0))
            graph.remove_node(1)
            assert dict(edges) == {} and len(edges) == 0 and list(edges.items()) == []
            raise Undone
        assert graph._adj[1][2] is edges and edges == expected and edges["key", 0] is one
        graph.clear_edges()
        assert dict(edges) == {} and one == {"n": 0}
        with pytest.raises(RuntimeError, match="removed"):
            edges["key"] = {}
        graph.add_edge(1, 2)
        assert dict(edges) == {} and graph._adj[1][2] == {0: {}}
        assert graph.verify() == []


def test_a_reader_of_parallel_edges(path, run_python):
    """As few become many, and none."""
    graph = em.EMMultiGraph(path, [(1, 2)])
    graph.close()
    script = (
        "import sys, pyrsistence as em\n"
        "with em.EMMultiGraph(sys.argv[1]) as graph:\n"
        "    [graph.add_edge(1, 2, w=n) for n in range(int(sys.argv[2]))]\n"
        "    graph.clear_edges() if sys.argv[2] == '0' else None\n"
    )
    with em.EMMultiGraph(path, mode="r") as reader:
        one, edges = reader[1][2][0], reader._adj[1][2]
        for count in (3, 300, 0):
            run_python(script, path, str(count))
            expected = 1 + {3: 3, 300: 303, 0: -1}[count]
            assert reader.number_of_edges(1, 2) == expected
            assert not expected or len(edges) == len(list(edges.items())) == expected
            assert not expected or reader[1][2][0] is one


# ---- What NetworkX keeps of its conversions


def test_conversions_are_forgotten_with_a_rollback(cls):
    graph = cls([(1, 2)])
    graph.__networkx_cache__["backends"] = {"some": 1}
    graph.commit()
    assert graph.__networkx_cache__ == {"backends": {"some": 1}}
    with pytest.raises(Undone), graph.transaction():
        graph.add_edge(3, 4)
        assert graph.__networkx_cache__ == {}
        graph.__networkx_cache__["backends"] = {"some": 2}
        raise Undone
    assert graph.__networkx_cache__ == {}
    for change in (
        lambda: graph.add_node(7),
        lambda: graph.add_edge(7, 8),
        lambda: graph.remove_edge(7, 8),
        lambda: graph.add_nodes_from([9]),
        lambda: graph.add_edges_from([(9, 10)]),
        lambda: graph.remove_node(9),
        lambda: graph.clear_edges(),
        lambda: graph.clear(),
    ):
        graph.__networkx_cache__["backends"] = {}
        change()
        assert graph.__networkx_cache__ == {}
    graph.__networkx_cache__ = None  # what turns it off
    graph.add_edge(1, 2)
    assert graph.__networkx_cache__ is None


def test_conversions_are_forgotten_beside_a_writer(path, run_python):
    em.EMGraph(path, [(1, 2)]).close()
    with em.EMGraph(path, mode="r") as reader:
        reader.__networkx_cache__["backends"] = {"some": 1}
        assert reader.__networkx_cache__ == {"backends": {"some": 1}}
        run_python("import sys, pyrsistence as em; em.EMGraph(sys.argv[1], [(3, 4)]).close()", path)
        assert reader.__networkx_cache__ == {}
