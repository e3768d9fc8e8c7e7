"""Values changed in place that cannot be stored: the others are, all is closed, one error names the keys."""

import gc
import threading

import pytest

import pyrsistence as em

BAD = 4


def spoil(value):
    value.append(threading.Lock())


def a_dict(path):
    return em.EMDict(path, {i: [] for i in range(8)}, writeback=True)


def a_list(path):
    return em.EMList(path, [[] for _ in range(8)], writeback=True)


def a_graph(cls, where):
    def make(path):
        pytest.importorskip("networkx")
        graph = getattr(em, cls)(path)
        for i in range(8):
            graph.graph[f"l{i}"] = []
            graph.add_node(i, l=[], other=[])
            graph.add_edge(i, i + 1, l=[], other=[])
            if where == "many edges":
                graph.add_edges_from((i, i + 1, {"other": []}) for _ in range(20))
        return graph

    make.where = where
    return make


def lists_of(container, make):
    """The lists that are values, by key as an error names them."""
    if isinstance(container, (em.EMDict, em.EMList)):
        return {i: container[i] for i in range(8)}
    if make.where == "graph":
        return {(f"l{i}",): container.graph[f"l{i}"] for i in range(8)}
    if make.where == "node":
        return {(i, "l"): container.nodes[i]["l"] for i in range(8)}
    if container.is_multigraph():
        return {(i, i + 1, 0, "l"): container[i][i + 1][0]["l"] for i in range(8)}
    return {(i, i + 1, "l"): container[i][i + 1]["l"] for i in range(8)}


KINDS = {
    "dict": a_dict,
    "list": a_list,
    **{
        f"{cls} {where}": a_graph(cls, where)
        for cls in ("EMGraph", "EMDiGraph", "EMMultiGraph", "EMMultiDiGraph")
        for where in ("graph", "node", "edge", "many edges")
        if where != "many edges" or "Multi" in cls
    },
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def prepared(path, make):
    """A container of lists, all changed since the last commit, and one so that it cannot be stored."""
    container = make(path)
    container.commit()
    lists = lists_of(container, make)
    for i, value in enumerate(lists.values()):
        value.append("changed")
        if i == BAD:
            spoil(value)
    return container, list(lists)[BAD]


def by_close(container):
    container.close()


def by_with(container):
    with container:
        pass


@pytest.mark.parametrize("end", [by_close, by_with])
def test_all_else_is_written_and_everything_closed(make, path, end):
    container, key = prepared(path, make)
    with pytest.raises(TypeError, match="pickle") as raised:
        end(container)
    error = raised.value
    assert isinstance(error, em.NotStoredError) and error.keys == (("", key),) and len(error.exceptions) == 1
    assert repr(key) in str(error) and str(path) in str(error)
    assert container.closed
    with em.open(path) as again:  # it is not locked
        values = list(lists_of(again, make).values())
        assert values == [["changed"]] * BAD + [[]] + [["changed"]] * (7 - BAD)
        assert again.verify() == []


def test_a_commit_says_so_and_can_be_repeated(make, path):
    container, key = prepared(path, make)
    for call in (container.commit, lambda: container.transaction().__enter__(), container.compact):
        with pytest.raises(em.NotStoredError) as raised:
            call()
        assert raised.value.keys == (("", key),)
    lists_of(container, make)[key].pop()
    container.commit()
    container.close()
    with em.open(path, mode="r") as again:
        assert list(lists_of(again, make).values()) == [["changed"]] * 8


def test_a_transaction_is_rolled_back(make, path):
    container = make(path)
    container.commit()
    with pytest.raises(em.NotStoredError), container.transaction():
        for value in lists_of(container, make).values():
            value.append("rolled back")
        spoil(lists_of(container, make)[list(lists_of(container, make))[BAD]])
    assert list(lists_of(container, make).values()) == [[]] * 8
    container.close()


@pytest.mark.parametrize("closed_alone", [False, True])
def test_members_of_a_store(path, closed_alone):
    """One error for all of them."""
    pytest.importorskip("networkx")
    store = em.Store(path)
    names, lines, calls = (
        store.dict("names", writeback=True),
        store.list("lines", writeback=True),
        store.digraph("calls"),
    )
    names.update({"a": [], "b": []})
    lines.extend([[], []])
    calls.add_nodes_from([1, 2], l=[])
    store.commit()
    for value in (names["a"], lines[1], calls.nodes[2]["l"]):
        spoil(value)
    for value in (names["b"], lines[0], calls.nodes[1]["l"]):
        value.append("changed")
    expected = {("names", "a"), ("lines", 1), ("calls", (2, "l"))}
    if closed_alone:
        for member in (names, lines, calls):
            with pytest.raises(em.NotStoredError) as raised:
                member.close()
            expected -= set(raised.value.keys)
            assert member.closed
        assert not expected
        store.close()
    else:
        with pytest.raises(em.NotStoredError) as raised:
            store.close()
        assert set(raised.value.keys) == expected and len(raised.value.exceptions) == 3
    with em.Store(path) as again:
        assert again.dict("names") == {"a": [], "b": ["changed"]}
        assert again.list("lines") == [["changed"], []]
        assert dict(again.digraph("calls").nodes(data=True)) == {1: {"l": ["changed"]}, 2: {"l": []}}


def test_many_are_counted(path):
    container = em.EMDict(path, {i: [] for i in range(100)}, writeback=True)
    for value in container.values():
        spoil(value)
    with pytest.raises(em.NotStoredError, match="and 95 more") as raised:
        container.close()
    assert len(raised.value.exceptions) == len(raised.value.keys) == 100


def test_other_attributes_of_the_same_node_are_written(path):
    pytest.importorskip("networkx")
    graph = em.EMGraph(path)
    graph.add_node(1, good=[], bad=[])
    graph.commit()
    graph.nodes[1]["good"].append(1)
    spoil(graph.nodes[1]["bad"])
    with pytest.raises(em.NotStoredError):
        graph.close()
    with em.EMGraph(path) as graph:
        assert graph.nodes[1] == {"good": [1], "bad": []}


class Interrupting:
    def __reduce__(self):
        raise KeyboardInterrupt


def test_an_interrupt_is_no_failure(path):
    container = em.EMDict(path, {"k": []}, writeback=True)
    container["k"].append(Interrupting())
    with pytest.raises(KeyboardInterrupt):
        container.close()
    container["k"].pop()
    container["k"].append("later")
    container.close()
    with em.EMDict(path) as again:
        assert again == {"k": ["later"]}


def test_keys_that_are_not_themselves_when_stored(path):
    """The error has the key that was given, not its canonical form."""
    container = em.EMDict(path, {True: [], 1.5: []}, writeback=True)
    spoil(container[True])
    with pytest.raises(em.NotStoredError) as raised:
        container.close()
    ((_, key),) = raised.value.keys
    assert key is True


IN_A_CYCLE = """
import gc, sys
import pyrsistence as em
gc.disable()
class Owner: pass
owner = Owner()
owner.store = owner.own = None
if sys.argv[2] == "store":
    owner.store = em.Store(sys.argv[1])
    owner.kept = owner.store.dict("names", writeback=True)
else:
    owner.kept = em.EMDict(sys.argv[1], writeback=True)
owner.kept["k"] = []
(owner.store or owner.kept).commit()
owner.kept["k"].append(owner.kept.path)
owner.own = owner
del owner
gc.collect()
"""


@pytest.mark.parametrize("kind", ["alone", "store"])
def test_what_the_collector_finalizes_is_written(path, run_python, kind):
    """It clears weak references before that."""
    run_python(IN_A_CYCLE, path, kind)
    gc.collect()
    with em.open(path, mode="r") as again:
        assert (again if kind == "alone" else again.dict("names"))["k"] == [str(path)]
