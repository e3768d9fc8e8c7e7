"""Containers travel as the place of their store: through pickle, and to other processes by multiprocessing.

An object that is open where the pickle is read comes back as itself; elsewhere a reader is opened.
"""

import concurrent.futures
import copy
import multiprocessing
import pickle
import shutil

import pytest

from pyrsistence import (
    EMArray,
    EMDeque,
    EMDict,
    EMList,
    EMSet,
    EMShadowMemory,
    EMTypedDict,
    EMTypedSet,
    Store,
)

METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(params=METHODS)
def context(request):
    """multiprocessing with each way to start a process."""
    return multiprocessing.get_context(request.param)


class Reversing:
    """A pickler of the user's, which other processes can import."""

    def pickle(self, value):
        return pickle.dumps(value)[::-1]

    def unpickle(self, data):
        return pickle.loads(bytes(data)[::-1])


class Named(EMDict):
    """A subclass with attributes of its own, and a constructor of its own."""

    def __init__(self, title, path):
        super().__init__(path)
        self.title = title


# ---- What the children do


def look_up(d, key):
    return d[key], d.mode, type(d).__name__


def total(items):
    return sum(items[:]), len(items)


def write_to(d):
    try:
        d["child"] = 1
    except OSError as error:  # io.UnsupportedOperation
        return str(error)
    return "written"


def use_inherited(d):
    try:
        return d["a"]
    except RuntimeError as error:
        return str(error)


# ---- In one process


def test_the_open_object_comes_back_as_itself(path, tmp_path):
    with EMDict(path, {"a": 1}) as d, Store(tmp_path / "s") as store, EMList(tmp_path / "l", [1]) as items:
        names = store.dict("names")
        for one in (d, items, store, names):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                assert pickle.loads(pickle.dumps(one, protocol)) is one
        pair = pickle.loads(pickle.dumps((names, store.list("lines"), store)))
        assert pair[0] is names and pair[2] is store


def test_copies_are_still_builtins(path):
    with EMDict(path, {"a": [1]}) as d:
        for made in (copy.copy(d), copy.deepcopy(d), d.copy()):
            assert type(made) is dict and made == {"a": [1]}


def test_a_pickle_outlives_the_object(path):
    with EMDict(path, {"a": 1}) as d:
        pickled = pickle.dumps(d)
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(d)
    with pickle.loads(pickled) as again:
        assert again.mode == "r" and again == {"a": 1}
        assert pickle.loads(pickled) is again
    EMDict(path).close()


def test_pickling_a_writer_commits_first(path, run_python):
    with EMDict(path, commit_interval=None) as d:
        d["a"] = 1
        pickled = pickle.dumps(d)
        read = "import pickle, sys; print(dict(pickle.loads(bytes.fromhex(sys.argv[1]))))"
        assert run_python(read, pickled.hex()) == "{'a': 1}\n"
        with d.transaction():
            d["b"] = 2
            with pytest.raises(RuntimeError, match="transaction"):
                pickle.dumps(d)
        assert run_python(read, pickle.dumps(d).hex()) == "{'a': 1, 'b': 2}\n"


def test_as_part_of_a_value_it_is_copied(path, tmp_path):
    """A value is the container's own: it holds the items, not the place of another store."""
    with EMDict(path) as d, EMList(tmp_path / "l", [1, 2]) as items, EMSet(tmp_path / "s", "ab") as s:
        d["set"] = [s]
        s.add("c")
        assert d["set"] == [{"a", "b"}] and type(d["set"][0]) is set
        d["direct"] = items
        d["nested"] = {"a": [items, d.copy()], "b": {1: items}}
        items.append(3)
        assert d["direct"] == [1, 2] and type(d["direct"]) is list
        assert d["nested"]["a"][0] == d["nested"]["b"][1] == [1, 2]
        with EMDeque(None, "abc", maxlen=3) as queue:
            d["queue"] = queue
            queue.append("d")
        assert repr(d["queue"]) == "deque(['a', 'b', 'c'], maxlen=3)"


OF_ALL_KINDS = {
    "dict": (lambda path: EMDict(path, {1: 2}), len),
    "subclass": (lambda path: Named("a title", path), len),
    "typed dict": (lambda path: EMTypedDict(path, {1: 2}, key="u8", value="u8"), lambda d: d[1]),
    "list": (lambda path: EMList(path, [1]), lambda v: v[0]),
    "set": (lambda path: EMSet(path, [1]), len),
    "typed set": (lambda path: EMTypedSet(path, [1], dtype="u8"), list),
    "deque": (lambda path: EMDeque(path, [1], maxlen=4), lambda d: d[0]),
    "array": (lambda path: EMArray(path, "u8"), list),
    "shadow memory": (lambda path: EMShadowMemory(path, [(0, 9)]), lambda s: s.backed),
    "graph": (lambda path: graph(path), list),
    "store": (Store, lambda s: s.members()),
    "member": (lambda path: Store(path).dict("names"), lambda d: d.get(1)),
}


def graph(path):
    pytest.importorskip("networkx")
    import pyrsistence

    return pyrsistence.EMGraph(path)


@pytest.fixture(params=OF_ALL_KINDS)
def gone(request, path):
    """A container of each kind, pickled, whose store is not there any more; and a use of it."""
    make, use = OF_ALL_KINDS[request.param]
    made = make(path)
    pickled = pickle.dumps(made)
    (made._owner if request.param == "member" else made).close()
    shutil.rmtree(path)
    return pickled, use


def test_what_is_not_there_any_more(gone, path):
    """It says so when it is used: where a pool unpickles, an exception would be lost with the task."""
    pickled, use = gone
    there = pickle.loads(pickled)
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=str(path)):
            use(there)
    with pytest.raises(FileNotFoundError, match=str(path)):
        there.commit()
    assert there.closed and there.mode == "r"
    if type(there).__repr__ is not object.__repr__:
        assert str(path) in repr(there) and "FileNotFoundError" in repr(there)
    there.close()


def test_what_could_not_be_opened_can_be_later(path):
    with Named("a title", path) as d:
        d["a"] = 1
        pickled = pickle.dumps(d)
    path.rename(path.with_name("elsewhere"))
    there = pickle.loads(pickled)
    with pytest.raises(FileNotFoundError):
        there["a"]
    there.open(path.with_name("elsewhere"), mode="r")
    assert there == {"a": 1} and there.title == "a title"
    there.close()


# ---- Pickles of before the modules of the package were put into folders


def named(*names):
    """The opcodes that push what these modules name."""
    return b"".join(f"cpyrsistence.{name}\n".encode().replace(b":", b"\n") for name in names)


OF_BEFORE = {
    "dict": (("_container:_restore", "_dict:EMDict"), lambda path: EMDict(path, {1: 2}), 3),
    "typed dict": (
        ("_container:_restore", "_typed:EMTypedDict"),
        lambda path: EMTypedDict(path, {1: 2}, key="u8", value="u8"),
        3,
    ),
    "list": (("_container:_restore", "_list:EMList"), lambda path: EMList(path, [1]), 3),
    "array": (("_container:_restore", "_array:EMArray"), lambda path: EMArray(path, "u8"), 3),
    "shadow memory": (("_container:_restore", "_shadow:EMShadowMemory"), EMShadowMemory, 3),
    "store": (("_store:_restore", "_store:Store"), Store, 0),
    "graph": (("_graph_stored:_restore", "_graph:EMGraph"), lambda path: graph(path), 2),
    "storage of a graph": (
        ("_container:_restore", "_graph_storage:GraphStorage"),
        lambda path: graph(path)._storage,
        3,
    ),
}


@pytest.mark.parametrize("kind", OF_BEFORE)
def test_pickles_of_before_are_read(kind, path):
    """They name modules that have moved: a function, and a class, path, name, options and attributes."""
    names, make, more = OF_BEFORE[kind]
    made = make(path)
    arguments = (pickle.dumps(str(path), 0)[:-1], b"V\n", b"}", b"N")[: 1 + more]
    pickled = named(names[0]) + b"(" + named(names[1]) + b"".join(arguments) + b"tR."
    assert pickle.loads(pickled) is made
    made.close()
    with pickle.loads(pickled) as again:
        assert type(again) is type(made) and again.mode == "r"


def test_members_of_pickles_of_before(path):
    with Store(path) as store:
        names = store.dict("names")
        pickled = named("_container:_restore") + b"(" + named("_dict:EMDict")
        pickled += pickle.dumps(str(path), 0)[:-1] + b"Vnames\n}NtR."
        assert pickle.loads(pickled) is names


def test_graphs_in_values(path):
    """As graphs in memory, by names of the standard library; stores of before name one of the package."""
    networkx = pytest.importorskip("networkx")

    class Bytes:
        def unpickle(self, data):
            return bytes(data)

    path.mkdir()
    with EMDict(path / "d") as d, graph(path / "g") as g:
        g.add_edge(1, 2, weight=3)
        d["g"] = [g]
        assert type(d["g"][0]) is networkx.Graph and d["g"][0].edges[1, 2] == {"weight": 3}
    with EMDict(path / "d", mode="r", pickle=False, unpickler=Bytes()) as d:
        assert b"networkx" in d["g"] and b"pyrsistence" not in d["g"]
    inner = pickle.dumps(networkx.Graph([(1, 2)]), 2)[2:-1]
    before = b"\x80\x02" + named("_graph_stored:_itself") + b"(" + inner + b"tR."
    assert list(pickle.loads(before).edges) == [(1, 2)]


def test_parts_of_graphs_of_pickles_of_before():
    pytest.importorskip("networkx")
    from pyrsistence._base.errors import NotStoredError
    from pyrsistence._containers.typed_views import TypedKeys
    from pyrsistence._graphs.mappings import _mapping
    from pyrsistence._graphs.networkx_views import AdjacencyView

    for name, thing in (
        ("_graph_views:_mapping", _mapping),
        ("_graph_shown:AdjacencyView", AdjacencyView),
        ("_typed_views:TypedKeys", TypedKeys),
        ("_errors:NotStoredError", NotStoredError),
    ):
        assert pickle.loads(named(name) + b".") is thing


# ---- In other processes


def test_to_a_child_and_back(context, path):
    with EMDict(path, {"a": [1]}, pickler=Reversing(), unpickler=Reversing()) as d, context.Pool(1) as pool:
        d["object"] = Reversing
        assert pool.apply(look_up, (d, "object")) == (Reversing, "r", "EMDict")
        assert "mode" in pool.apply(write_to, (d,))
        d["later"] = 2
        assert pool.apply(look_up, (d, "later")) == (2, "r", "EMDict")
        assert pool.apply(copy.copy, (d,)) == d


def test_pool_map_while_the_parent_goes_on_writing(context, path):
    with EMDict(path, {n: n * n for n in range(200)}) as d, context.Pool(2) as pool:
        results = pool.starmap_async(look_up, [(d, n) for n in range(200)], chunksize=5)
        for n in range(200, 2000):
            d[n] = n * n
            if n % 50 == 0:
                d.commit()
        assert [value for value, _, _ in results.get(120)] == [n * n for n in range(200)]


class Lazily:
    """Pickled as what another pickle says: unpickled where a task is read."""

    def __init__(self, pickled):
        self.pickled = pickled

    def __reduce__(self):
        return pickle.loads, (self.pickled,)


def test_a_pool_goes_on_where_unpickling_fails(context, path):
    with EMDict(path) as d:
        pickled = pickle.dumps(d)
    shutil.rmtree(path)
    with context.Pool(1) as pool:
        assert pool.map_async(type, [Lazily(pickled)] * 3).get(60) == [EMDict] * 3
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert executor.submit(type, Lazily(pickled)).result(60) is EMDict


def test_members_and_temporary_ones(context, path):
    with Store(path) as store, EMList(None, range(1000)) as temporary, context.Pool(1) as pool:
        lines = store.list("lines")
        lines.extend(range(10))
        assert pool.apply(total, (lines,)) == (45, 10)
        assert pool.apply(total, (temporary,)) == (sum(range(1000)), 1000)
        names = store.dict("names")
        names["n"] = 1
        assert pool.apply(look_up, (names, "n")) == (1, "r", "EMDict")
        assert pool.apply(sorted, (store,)) == ["lines", "names"]


def test_subclasses_keep_their_attributes(context, path):
    with Named("a title", path) as d, context.Pool(1) as pool:
        d["k"] = 1
        assert pool.apply(look_up, (d, "k")) == (1, "r", "Named")
        assert pool.apply(getattr, (d, "title")) == "a title"


def test_what_a_fork_inherits_says_what_to_do(path):
    """A handle is of the process that opened it; what comes by pickle is opened anew."""
    context = multiprocessing.get_context("fork")
    with EMDict(path, {"a": 1}) as d:
        answers = context.SimpleQueue()
        child = context.Process(target=lambda: answers.put(use_inherited(d)))
        child.start()
        said = answers.get()
        child.join()
        assert "fork" in said and "open it again" in said and 'mode="r"' in said
        with context.Pool(1) as pool:
            assert pool.apply(use_inherited, (d,)) == 1
        d["a"] = 2
