"""The life of containers and stores: opening, closing, transactions, write-back, threads, forks, the end."""

import copy
import gc
import io
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import ItemsView, KeysView, MutableMapping, MutableSequence, ValuesView

import pytest

import pyrsistence as em


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store"


# ---- Opening and closing


def test_a_dict_is_there_again(path):
    with em.EMDict(path, {"a": 1, (1, "b"): [2]}) as d:
        d[2.5] = None
    with em.EMDict(path) as d:
        assert d == {"a": 1, (1, "b"): [2], 2.5: None}
        assert list(d) == ["a", (1, "b"), 2.5]
        assert d.verify() == []


def test_a_list_is_there_again(path):
    values = [1, 2.5, None, True, "", "short", "a longer text", [1, {"x": 2}], 2**100, -(2**47), float("inf")]
    with em.EMList(path, values) as xs:
        assert xs[:] == values
    with em.EMList(path) as xs:
        assert xs == values
        assert [type(x) for x in xs] == [type(x) for x in values]
        xs.check()


@pytest.mark.parametrize("form", [str, os.fsencode, pathlib.Path])
def test_a_path_may_be_text_bytes_or_pathlike(path, form):
    em.EMDict(form(path), {1: 2}).close()
    assert em.EMDict(form(path), mode="r+")[1] == 2


def test_the_ancestor_s_calls(path):
    class Pickler:
        def pickle(self, value):
            return pickle.dumps(value)

    class Unpickler:
        def unpickle(self, data):
            return pickle.loads(data)

    d = em.EMDict(str(path), pickler=Pickler(), unpickler=Unpickler())
    d["k"] = {"state": object}
    d.close()
    d.open(str(path))
    assert d["k"] == {"state": object}
    assert "k" in d
    del d["k"]
    assert list(d.items()) == list(d.keys()) == list(d.values()) == []
    with pytest.raises(RuntimeError, match="is open"):
        d.open(str(path))
    d.close()


def test_modes(path):
    with pytest.raises(FileNotFoundError) as error:
        em.EMDict(path, mode="r+")
    assert str(path) in str(error.value)
    em.EMDict(path, {1: 2}, mode="x").close()
    with pytest.raises(FileExistsError):
        em.EMDict(path, mode="x")
    with em.EMDict(path, mode="r") as d:
        assert (d.mode, d[1]) == ("r", 2)
        with pytest.raises(io.UnsupportedOperation):
            d[1] = 3
        with pytest.raises(io.UnsupportedOperation):
            d.clear()
        assert d == {1: 2}
    with pytest.raises(ValueError, match="mode"):
        em.EMDict(path, mode="w")


def test_a_missing_parent_and_a_file_in_the_way(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        em.EMDict(tmp_path / "missing" / "store")
    assert "missing" in str(error.value)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError) as error:
        em.EMList(tmp_path / "file")
    assert "file" in str(error.value)


def test_the_wrong_kind_is_refused(path, tmp_path):
    em.EMDict(path).close()
    with pytest.raises(em.FormatError, match="holds a dict, not a list"):
        em.EMList(path)
    with pytest.raises(em.FormatError, match="EMDict"):
        em.Store(path)
    with em.Store(tmp_path / "named") as s:
        s.dict("a")
        with pytest.raises(em.FormatError, match="'a' in .* holds a dict, not a list"):
            s.list("a")
    with pytest.raises(em.FormatError, match="Store"):
        em.EMDict(tmp_path / "named")
    em.EMDict(path).close()  # and nothing stays locked


def test_a_second_writer_is_told_who_holds_it(path):
    with em.EMDict(path):
        with pytest.raises(em.LockedError) as error:
            em.EMDict(path)
        assert isinstance(error.value, BlockingIOError)
        assert str(path) in str(error.value)
        assert "already open in this process" in str(error.value)


def test_use_after_close_names_the_path(path):
    d, xs = em.EMDict(path, {1: 2}), em.EMList(str(path) + "l", [1])
    views = d.keys(), iter(d), iter(xs)
    d.close(), xs.close()
    d.close(), xs.close()
    assert d.closed and xs.closed
    assert str(path) in repr(d)
    uses = [
        lambda: d[1],
        lambda: d.__setitem__(1, 2),
        lambda: len(d),
        lambda: 1 in d,
        lambda: d.commit(),
        lambda: d.verify(),
        lambda: d.transaction().__enter__(),
        lambda: xs[0],
        lambda: xs.append(1),
        lambda: xs.sort(),
        lambda: xs.extend([]),
        lambda: len(views[0]),
        lambda: next(views[1]),
        lambda: next(views[2]),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=str(path)):
            use()


def test_a_temporary_store_goes_with_its_object():
    d = em.EMDict(None, {1: 2})
    directory = d.path
    assert os.path.isdir(directory)
    d.close()
    assert not os.path.exists(directory)
    directory = em.EMList(None, [1]).path
    gc.collect()
    assert not os.path.exists(directory)


def test_what_is_collected_is_committed(path):
    d = em.EMDict(path)
    d[1] = 2
    reference = weakref.ref(d)
    del d
    gc.collect()
    assert reference() is None
    assert em.EMDict(path)[1] == 2


def test_the_interpreter_s_end_commits(path):
    script = f"""
import pyrsistence as em
d = em.EMDict({str(path)!r})
cycle = [d]; cycle.append(cycle)
d["k"] = "v"
s = em.Store({str(path) + "s"!r})
l = s.list("l", writeback=True)
l.append([1])
l[0].append(2)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert em.EMDict(path)["k"] == "v"
    assert em.Store(str(path) + "s").list("l") == [[1, 2]]


def test_open_finds_the_kind(path, tmp_path):
    em.EMDict(path, {1: 2}).close()
    em.EMList(tmp_path / "l", [3]).close()
    with em.Store(tmp_path / "s") as s:
        s.list("x").append(4)
    with em.open(path) as d, em.open(tmp_path / "l", "r") as xs, em.open(tmp_path / "s") as s:
        assert type(d) is em.EMDict and d == {1: 2}
        assert type(xs) is em.EMList and xs == [3]
        assert type(s) is em.Store and s.list("x") == [4]


def test_a_constructor_that_fails_leaves_nothing_locked(path):
    with pytest.raises(TypeError):
        em.EMDict(path, [(1, 2), ([], 3)])
    assert em.EMDict(path) == {1: 2}
    with pytest.raises(ValueError, match="null"):
        em.EMDict(os.fsdecode(path) + "\0x")


# ---- Transactions


def test_a_transaction_is_all_or_nothing(path):
    d = em.EMDict(path, {"a": 1})
    with d.transaction():
        d["b"] = 2
    with pytest.raises(ZeroDivisionError), d.transaction():
        d["c"] = 3
        del d["a"]
        1 / 0
    assert d == {"a": 1, "b": 2}
    with pytest.raises(RuntimeError, match="nest"), d.transaction(), d.transaction():
        pass
    with pytest.raises(RuntimeError), d.transaction():
        d["d"] = 4
        d.commit()
    assert d == {"a": 1, "b": 2}
    d.close()
    assert em.EMDict(path) == {"a": 1, "b": 2}


def test_a_transaction_beyond_the_budget_is_rolled_back():
    d = em.EMDict(None, dict.fromkeys(range(100_000), "x" * 100))
    d.commit()
    before = em.memory_budget()
    em.set_memory_budget(4 << 20)
    try:
        with pytest.raises(RuntimeError, match="was rolled back"), d.transaction():
            with pytest.raises(MemoryError):
                for i in range(100_000):
                    d[i] = "y" * 100
            with pytest.raises(RuntimeError, match="was rolled back"):
                d[0] = "after"
    finally:
        em.set_memory_budget(before)
    assert all(value == "x" * 100 for value in d.values())
    d[0] = "after"
    assert d[0] == "after" and d.verify() == []


def test_an_iterator_does_not_survive_a_rollback():
    d = em.EMDict(None, {i: i for i in range(10)})
    iterator = None
    with pytest.raises(KeyError), d.transaction():
        d["new"] = 1
        iterator = iter(d)
        next(iterator)
        raise KeyError
    d["other"] = 1
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)


def test_members_commit_and_roll_back_together(path):
    s = em.Store(path)
    names, lines = s.dict("names"), s.list("lines")
    assert s.dict("names") is names
    with s.transaction():
        names["a"] = 1
        lines.append(1)
    with pytest.raises(ZeroDivisionError), s.transaction():
        names["b"] = 2
        lines.append(2)
        created = s.dict("created")
        created[1] = 1
        1 / 0
    assert names == {"a": 1} and lines == [1]
    assert s.members() == {"names": "dict", "lines": "list"}
    with pytest.raises(ValueError, match="rolled back"):
        created[1]
    s.drop("lines")
    with pytest.raises(ValueError):
        len(lines)
    with pytest.raises(KeyError):
        s.drop("lines")
    assert s.list("lines") == []
    s.close()
    with pytest.raises(ValueError):
        len(names)
    with em.Store(path) as s:
        assert list(s) and "names" in s and len(s) == 2
        assert s.dict("names") == {"a": 1}
        assert s.verify() == []


def test_a_member_keeps_its_store_open(path):
    d = em.Store(path).dict("d")
    gc.collect()
    d[1] = 2
    assert d.name == "d"
    del d
    gc.collect()
    assert em.Store(path).dict("d") == {1: 2}


def test_many_members(path):
    with em.Store(path) as s:
        members = [s.dict(f"d{i}") for i in range(200)]
        for i, d in enumerate(members):
            d[i] = i
    with em.Store(path) as s:
        assert all(s.dict(f"d{i}") == {i: i} for i in range(200))


# ---- Changed values


def test_edit(path):
    d = em.EMDict(path, {"k": [1]})
    with d.edit("k") as value:
        value.append(2)
    with pytest.raises(ZeroDivisionError), d.edit("k") as value:
        value.append(3)
        1 / 0
    assert d["k"] == [1, 2]
    with pytest.raises(KeyError), d.edit("missing"):
        pass
    xs = em.EMList(None, [[1]])
    with xs.edit(-1) as value:
        value.append(2)
    assert xs == [[1, 2]]


def test_writeback_of_a_dict(path):
    with em.EMDict(path, {"a": [1], "n": 1}, writeback=True) as d:
        d["a"].append(2)
        assert d["a"] is d["a"]
        d.setdefault("b", []).append(3)
        for value in d.values():
            if isinstance(value, list):
                value.append(4)
        d["gone"] = [1]
        d["gone"].append(2)
        del d["gone"]
    with em.EMDict(path) as d:
        assert d == {"a": [1, 2, 4], "n": 1, "b": [3, 4]}


def test_writeback_of_a_list_follows_its_elements(path):
    with em.EMList(path, [[i] for i in range(6)], writeback=True) as xs:
        handed_out = xs[:]
        xs.reverse()
        xs.insert(0, "new")
        del xs[2]  # [4]
        xs.sort(key=str)
        for value in handed_out:
            value.append("changed")
    with em.EMList(path) as xs:
        assert sorted(xs, key=str) == [[i, "changed"] for i in (0, 1, 2, 3, 5)] + ["new"]


def test_a_rollback_forgets_what_writeback_kept():
    d = em.EMDict(None, {"k": [1]}, writeback=True)
    with pytest.raises(ZeroDivisionError), d.transaction():
        d["k"].append(2)
        1 / 0
    assert d["k"] == [1]


# ---- As builtins


def test_registered_with_collections_abc():
    d, xs = em.EMDict(), em.EMList()
    assert isinstance(d, MutableMapping) and isinstance(xs, MutableSequence)
    assert (
        isinstance(d.keys(), KeysView)
        and isinstance(d.items(), ItemsView)
        and isinstance(d.values(), ValuesView)
    )
    for container in (d, xs, d.keys()):
        with pytest.raises(TypeError):
            hash(container)


def test_views_are_set_like():
    d = em.EMDict(None, {1: "a", 2: "b"})
    assert d.keys() & {2, 3} == {2}
    assert {2, 3} - d.keys() == {3}
    assert d.keys() <= {1, 2, 3} and d.keys() == {1, 2} and not d.keys().isdisjoint([1])
    assert (1.0, "a") in d.items() and (1, "b") not in d.items()
    assert d.items() ^ {(1, "a")} == {(2, "b")}
    assert list(reversed(d.items())) == [(2, "b"), (1, "a")]
    assert "b" in d.values() and len(d.values()) == 2


def test_a_change_of_size_while_iterating():
    d = em.EMDict(None, {1: 1, 2: 2})
    for k in d:
        d[k] = "a value that does not fit where the old one was " * 10
    with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
        for k in d:
            d[k, k] = 0


def test_copies_are_builtins():
    d, xs = em.EMDict(None, {1: [2]}), em.EMList(None, [1, [2]])
    for made in (d.copy(), copy.copy(d), copy.deepcopy(d), d | {}, {} | d):
        assert type(made) is dict and made == {1: [2]}
    for made in (xs.copy(), xs[:], xs + [], xs * 1, copy.deepcopy(xs)):
        assert type(made) is list and made == [1, [2]]
    assert em.EMDict.fromkeys([1, 2]) == {1: None, 2: None}


def test_subclasses():
    class Counter(em.EMDict):
        def __missing__(self, key):
            return 0

    class Loud(em.EMList):
        def __getitem__(self, index):
            return "overridden"

    c = Counter()
    c["x"] += 1
    c["x"] += 1
    assert c == {"x": 2} and c.get("y") is None and "y" not in c
    c.attribute = 1
    assert Loud(None, [1])[0] == "overridden"


def test_repr_is_bounded():
    d = em.EMDict(None, dict.fromkeys(range(1000), "x" * 10000))
    assert len(repr(d)) < 1000 and d.path in repr(d) and "995 more" in repr(d)
    xs = em.EMList(None, range(1000))
    assert len(repr(xs)) < 1000 and "990 more" in repr(xs)
    assert len(repr(d.items())) < 1000


def test_key_errors_hold_the_key():
    d = em.EMDict()
    for key in ("a", (1, 2), ()):
        for look in (d.__getitem__, d.__delitem__, d.pop):
            with pytest.raises(KeyError) as error:
                look(key)
            assert error.value.args == (key,)
    with pytest.raises(TypeError):
        d[[]]


def test_extend_from_anything():
    numpy = pytest.importorskip("numpy")
    big = 2**60
    for values in (
        range(5),
        range(10, 0, -3),
        range(0),
        range(big, big + 3),
        (1, "a"),
        iter([1]),
        b"ab",
        {1: 2},
    ):
        expected = list(values) if not hasattr(values, "__next__") else [1]
        assert em.EMList(None, values) == expected
    for dtype in ("i1", "i4", "i8", "u1", "u8", "f8"):
        array = numpy.arange(10).astype(dtype)
        xs = em.EMList(None, array[::2])
        assert xs == [0, 2, 4, 6, 8] and type(xs[0]) is (float if dtype == "f8" else int)
    assert em.EMList(None, numpy.array([big])) == [big]
    xs = em.EMList(None, [1, "a long text in the heap"])
    xs.extend(xs)
    xs += xs
    assert xs == [1, "a long text in the heap"] * 4
    xs *= 2
    assert len(xs) == 16 and xs.verify() == []


def test_extend_keeps_what_came_before_an_exception():
    def values():
        yield 1
        raise ZeroDivisionError

    xs = em.EMList()
    with pytest.raises(ZeroDivisionError):
        xs.extend(values())
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        xs.extend([2, lambda: 0, 3])
    assert xs == [1, 2]


@pytest.mark.parametrize("values", [[3, 1.5, True, -2], ["b", "a", "longer than a word"], [[2], [1, 2], [1]]])
def test_sort_as_list_does(values):
    xs = em.EMList(None, values * 3)
    for key, reverse in ((None, False), (None, True), (str, False), (str, True)):
        expected = xs[:]
        expected.sort(key=key, reverse=reverse)
        xs.sort(key=key, reverse=reverse)
        assert xs[:] == expected


def test_searching():
    values = [1, 2.0, True, None, "a", "longer than a word", 2**80, [1], -0.0, "\0"]
    xs = em.EMList(None, values)
    for wanted in [*values, 1.0, 0, False, 2, 2**53 + 1, "b", "longer than another", (1,), float("nan")]:
        assert (wanted in xs) == (wanted in values)
        assert xs.count(wanted) == values.count(wanted)
        if wanted in values:
            assert xs.index(wanted) == values.index(wanted)
    with pytest.raises(ValueError, match="is not in list"):
        xs.index(1, 3)
    assert xs.index(None, -7, -1) == 3


def test_sort_leaves_the_list_on_an_exception():
    values = [1, "a", None]
    xs = em.EMList(None, values)
    with pytest.raises(TypeError):
        xs.sort()
    with pytest.raises(ValueError, match="list modified during sort"):
        xs.sort(key=lambda _: xs.append(0) or 0)
    assert xs[:3] == values

    def closing(_):
        xs.close()
        return 0

    with pytest.raises(ValueError):
        xs.sort(key=closing)


class Meddler:
    """Its pickle changes or closes the container it is being stored in."""

    action = staticmethod(lambda: None)

    def __reduce__(self):
        Meddler.action()
        return str, ("meddler",)


def test_code_that_runs_while_encoding_may_use_the_container():
    d = em.EMDict(None, {i: i for i in range(100)})
    Meddler.action = staticmethod(lambda: d.update(dict.fromkeys(range(200), "x" * 1000)))
    d[0] = Meddler()
    assert d[0] == "meddler" and len(d) == 200
    xs = em.EMList(None, [0] * 10)
    Meddler.action = staticmethod(xs.clear)
    with pytest.raises(IndexError):
        xs[5] = Meddler()
    xs[:] = [Meddler(), 1]
    assert xs == ["meddler", 1]
    Meddler.action = staticmethod(d.close)
    with pytest.raises(ValueError, match="closed"):
        d[1] = Meddler()


def test_a_value_that_fails_to_encode_changes_nothing(path):
    d = em.EMDict(path, {"a": 1})
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        d["a"] = [1, lambda: 0]
    with pytest.raises(TypeError):
        d[{}] = 1
    assert d == {"a": 1} and d.verify() == []


def test_pickle_false():
    d = em.EMDict(pickle=False)
    d["a"] = [1, {"b": (2,)}]
    with pytest.raises(TypeError):
        d["b"] = object()
    assert d == {"a": [1, {"b": (2,)}]}


# ---- Threads and forks


def test_threads_share_a_store(path):
    with em.EMDict(path, commit_interval=0.01) as d:

        def work(thread):
            for i in range(2000):
                d[thread, i] = i
                if i % 200 == 0:
                    d.commit()

        threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(d) == 8000 and d.verify() == []


def test_a_transaction_belongs_to_its_thread():
    d = em.EMDict()
    raised = []

    def intrude():
        for use in (lambda: d.__setitem__(2, 2), lambda: d[1], d.commit):
            try:
                use()
            except RuntimeError as error:
                raised.append(str(error))

    with d.transaction():
        d[1] = 1
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert len(raised) == 3 and all("another thread" in text for text in raised)
    assert d == {1: 1}


def run_child(action):
    """Fork; in the child run the action; return its exit code: 0 if it returned true."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if action() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_after_a_fork_the_child_is_refused_and_touches_nothing(path):
    d = em.EMDict(path, {1: 2})
    d[3] = 4
    iterator = iter(d)

    def refused(use):
        try:
            use()
        except RuntimeError:
            return True
        return False

    def child():
        uses = [lambda: d[1], lambda: d.__setitem__(1, 1), lambda: len(d), d.commit, lambda: next(iterator)]
        result = all(refused(use) for use in uses)
        d.close()
        return result

    assert run_child(child) == 0
    assert d == {1: 2, 3: 4}
    d[5] = 6
    d.close()
    assert em.EMDict(path) == {1: 2, 3: 4, 5: 6}


# ---- Inspection


def test_stats_and_budget(path):
    with em.EMDict(path, {1: 2}) as d:
        stats = d.stats()
        assert stats["entries"] == 1 and 0 < stats["disk_bytes"] < 128 * 1024
    before = em.memory_budget()
    em.set_memory_budget(64 << 20)
    try:
        assert em.memory_budget() == 64 << 20
    finally:
        em.set_memory_budget(before)


def test_check_raises_what_verify_finds(path):
    em.EMDict(path, {i: str(i) * 20 for i in range(2000)}).close()
    victim = max(path.iterdir(), key=lambda file: file.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[4096:12288] = bytes(255 - b for b in data[4096:12288])
    victim.write_bytes(data)
    with pytest.raises(em.DamagedError) as error:
        d = em.EMDict(path, mode="r+")
        assert d.verify()
        d.check()
    assert isinstance(error.value, OSError)
