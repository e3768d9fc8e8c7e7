"""cache=N: decoded objects that are handed out again."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pyrsistence as em


class Counted:
    """An object that is pickled, and counts how often it is unpickled."""

    loads = 0

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Counted) and self.value == other.value

    __hash__ = None

    def __setstate__(self, state):
        Counted.loads += 1
        self.__dict__.update(state)


@pytest.fixture(autouse=True)
def count():
    Counted.loads = 0


def figures(container):
    return container.stats()["cache"]


# ---- What it promises


@pytest.mark.parametrize("cache", [0, 10])
def test_a_hot_value_is_decoded_once(path, cache):
    with em.EMDict(path, {"k": Counted(1)}, cache=cache) as d:
        for _ in range(10):
            assert d["k"].value == d.get("k").value == d.setdefault("k").value == 1
        assert Counted.loads == (1 if cache else 30)
        assert (d["k"] is d["k"]) is bool(cache)
        assert figures(d)["capacity"] == cache


def test_so_is_an_element(path):
    with em.EMList(path, [Counted(1), Counted(2)], cache=10) as li:
        for _ in range(10):
            assert (li[0].value, li[-1].value) == (1, 2)
            assert [one.value for one in li] == [1, 2]
        assert Counted.loads == 2
        assert li[1] is li[-1]
        assert figures(li)["entries"] == 2


def test_batches_take_objects_from_the_cache_and_fill_it(path):
    with em.EMDict(path, {i: Counted(i) for i in range(100)}, cache=50) as d:
        first = d.get_many(range(20))
        assert [one.value for one in first] == list(range(20)) and Counted.loads == 20
        assert all(a is b for a, b in zip(first, d.get_many(range(20)), strict=True))
        assert d[7] is first[7] and Counted.loads == 20
        d[100] = 1  # the bytes are compared from here on
        assert d.get_many([3, 100, -1], None) == [first[3], 1, None] and Counted.loads == 20
        d[3] = Counted(-3)
        assert d.get_many([3, 4])[0].value == -3 and Counted.loads == 21
        popped = d.pop_many([4])[0]  # nobody else's
        assert popped == first[4] and popped is not first[4]
        assert d.get_many([4], None) == [None]


def test_so_do_those_of_lists(path):
    with em.EMList(path, [Counted(i) for i in range(100)], cache=50) as li:
        first = li.take([5, -1, 5])
        assert first[0] is first[2] and Counted.loads == 2
        assert li[5] is first[0] and li[95:][4] is first[1]
        assert Counted.loads == 6
        li[5] = Counted(-5)
        assert li.take([5])[0].value == -5
        # A slice fills what is free, and pushes nothing out.
        assert li[:][99] is first[1] and li.take([99])[0] is first[1]


def test_values_that_are_cheap_to_decode_are_not_kept(path):
    values = [None, True, 1, -(1 << 40), 1 << 80, 1.5, 1j, "text", "x" * 300, b"bytes"]
    with em.EMDict(path, enumerate(values), cache=100) as d, em.EMList(None, values, cache=100) as li:
        for _ in range(3):
            assert list(d.values()) == [d[i] for i in range(len(values))] == values
            assert list(li) == [li[i] for i in range(len(values))] == values
        assert figures(d)["entries"] == figures(li)["entries"] == 0


def test_equal_values_of_two_keys_are_two_objects(path):
    with em.EMDict(path, {"a": [1], "b": [1]}, cache=10) as d:
        assert d["a"] == d["b"] and d["a"] is not d["b"]
    with em.EMList(path.with_name("li"), [[1], [1]], cache=10) as li:
        assert li[0] == li[1] and li[0] is not li[1]


def test_it_holds_so_many_and_no_more(path):
    with em.EMDict(path, {i: [i] for i in range(1000)}, cache=50) as d:
        for i in range(1000):
            assert d[i] == [i]
            assert figures(d)["entries"] == min(i + 1, 50)


def test_what_is_asked_for_stays(path):
    with em.EMDict(path, {i: Counted(i) for i in range(1000)}, cache=50) as d:
        for i in range(1000):
            assert d[0].value == 0
            assert d[i].value == i
        assert Counted.loads == 1000
        assert figures(d)["hits"] >= 1000


def test_a_walk_fills_it_but_pushes_nothing_out(path):
    with em.EMDict(path, {i: Counted(i) for i in range(100)}, cache=10) as d:
        hot = [d[i] for i in range(5)]
        assert [value.value for value in d.values()] == list(range(100))
        assert [value.value for _, value in d.items()] == list(range(100))
        assert all(d[i] is one for i, one in enumerate(hot))
        assert figures(d)["entries"] == 10
    with em.EMList(path.with_name("li"), [Counted(i) for i in range(100)], cache=10) as li:
        hot = [li[i] for i in range(5)]
        assert [value.value for value in li] == list(range(100))
        assert all(li[i] is one for i, one in enumerate(hot))


# ---- What makes it another object


def test_an_assignment_counts_even_if_it_stores_the_same_bytes(path):
    with em.EMDict(path, {"k": [1]}, cache=10) as d:
        d["k"].append(2)  # against the rules: the object is shared
        assert d["k"] == [1, 2]
        d["k"] = [1]
        assert d["k"] == [1]
        for store in (d.update, lambda other: d.set_many(list(other), list(other.values()))):
            d["k"].append(2)
            store({"k": [1]})
            assert d["k"] == [1]
    with em.EMList(path.with_name("li"), [[1]], cache=10) as li:
        li[0].append(2)
        assert li[0] == [1, 2]
        li[0] = [1]
        assert li[0] == [1]
        li[0].append(2)
        li.set_many([0], [[1]])
        assert li[0] == [1]


def test_edit_has_an_object_of_its_own(path):
    with em.EMDict(path, {"k": [1]}, cache=10) as d:
        before = d["k"]
        with d.edit("k") as value:
            assert value is not before
            value.append(2)
        assert before == [1] and d["k"] == [1, 2]
        with pytest.raises(ValueError, match="no"):
            with d.edit("k") as value:
                value.append(3)
                raise ValueError("no")
        assert d["k"] == [1, 2]
        with pytest.raises(KeyError):
            d.edit("missing").__enter__()
    with em.EMList(path.with_name("li"), [[0], [1]], cache=10) as li:
        before = li[1]
        with li.edit(-1) as value:
            value.append(2)
        assert before == [1] and li[1] == [1, 2]
        with pytest.raises(IndexError):
            li.edit(2).__enter__()


def test_edit_asks_missing(path):
    class Filling(em.EMDict):
        def __missing__(self, key):
            return [key]

    with Filling(path, cache=10) as d:
        with d.edit("new") as value:
            value.append(1)
        assert d["new"] == ["new", 1]


def test_pop_gives_an_object_of_its_own(path):
    with em.EMDict(path, {"k": [1]}, cache=10) as d:
        known = d["k"]
        assert d.pop("k") is not known
        assert "k" not in d and d.get("k") is None
        assert figures(d)["entries"] == 0
        d["k"] = [2]
        assert d["k"] == [2]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("k", [2]),
        lambda d: d.update({"k": [2]}),
        lambda d: d.update(k=[2]),
        lambda d: (d.pop("k"), d.setdefault("k", [2])),
        lambda d: (d.clear(), d.update(k=[2])),
        lambda d: (d.__delitem__("k"), d.__ior__({"k": [2]})),
    ],
)
def test_all_ways_to_change_a_value(path, change):
    with em.EMDict(path, {"k": [1]}, cache=10) as d:
        assert d["k"] == [1]
        change(d)
        assert d["k"] == [2] and list(d.values()) == [[2]]


@pytest.mark.parametrize(
    "change",
    [
        lambda li: li.__setitem__(0, [5]),
        lambda li: li.__setitem__(slice(0, 1), [[5]]),
        lambda li: li.__setitem__(slice(0, None, 2), [[5]] * 2),
        lambda li: (li.pop(0), li.insert(0, [5])),
        lambda li: (li.clear(), li.extend([[5], [2], [3]])),
        lambda li: (li.__delitem__(0), li.insert(0, [5])),
        lambda li: (li.append([5]), li.reverse()),
        lambda li: (li.append([5]), li.sort(reverse=True)),
    ],
)
def test_all_ways_to_change_an_element(path, change):
    with em.EMList(path, [[1], [2], [3]], cache=10) as li:
        assert list(li) == [[1], [2], [3]]
        change(li)
        assert li[0] == [5]
        assert [li[i] for i in range(len(li))] == li[:] == list(li)


def test_rollback_brings_the_old_value_back(path):
    with em.EMDict(path, {"k": [1]}, cache=10) as d:
        before = d["k"]
        with pytest.raises(ZeroDivisionError), d.transaction():
            d["k"] = [2]
            assert d["k"] == [2]
            1 / 0
        assert d["k"] == before == [1]


def test_compaction_keeps_the_values(path):
    with em.EMDict(path, {i: [i] for i in range(100)}, cache=1000) as d:
        assert [d[i] for i in range(100)] == [[i] for i in range(100)]
        for i in range(50):
            del d[i]
        d.compact()
        d[50] = ["new"]
        assert [d[i] for i in range(50, 100)] == [["new"]] + [[i] for i in range(51, 100)]
    with em.EMList(path.with_name("li"), [[i] for i in range(100)], cache=1000) as li:
        assert list(li) == [[i] for i in range(100)]
        del li[:50]
        li.compact()
        assert list(li) == [li[i] for i in range(50)] == [[i] for i in range(50, 100)]


def test_a_reader_sees_what_the_writer_commits(path, run_python):
    with em.EMDict(path, {"k": [1], "same": [0]}) as d:
        d.commit()
        read = (
            "import sys, pyrsistence as em\n"
            "with em.EMDict(sys.argv[1], mode='r', cache=10) as d:\n"
            "    for line in sys.stdin:\n"
            "        assert d['k'] is d['k']\n"
            "        print(d['k'], d['same'], flush=True)\n"
        )
        import subprocess
        import sys

        with subprocess.Popen(
            [sys.executable, "-c", read, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:

            def ask():
                reader.stdin.write("\n")
                reader.stdin.flush()
                return reader.stdout.readline().strip()

            assert ask() == "[1] [0]"
            for i in range(5):
                d["k"] = [i, i]
                assert ask() == (f"[{i - 1}, {i - 1}] [0]" if i else "[1] [0]")
                d.commit()
                assert ask() == f"[{i}, {i}] [0]"
            reader.stdin.close()
        assert reader.returncode == 0


def test_a_dropped_member_lets_go_of_its_objects(path):
    with em.Store(path) as s:
        d = s.dict("d", cache=10)
        d["k"] = Counted(1)
        seen = weakref.ref(d["k"])
        assert seen() is d["k"]
        s.drop("d")
        gc.collect()
        assert seen() is None


# ---- The options


@pytest.mark.parametrize("make", [em.EMDict, em.EMList])
def test_what_cache_may_be(path, make):
    for wrong, error in ((-1, ValueError), (1 << 31, ValueError), (True, TypeError), ("5", TypeError)):
        with pytest.raises(error, match="cache|integer"):
            make(path, cache=wrong)
    with pytest.raises(ValueError, match="exclude each other"):
        make(path, cache=5, writeback=True)
    assert not path.exists()


def test_members_have_it_and_pickles_keep_it(path):
    with em.Store(path) as s:
        d, li = s.dict("d", cache=7), s.list("li", cache=8)
        assert (figures(d)["capacity"], figures(li)["capacity"]) == (7, 8)
        s.commit()
        assert figures(pickle.loads(pickle.dumps(d)))["capacity"] == 7
    with em.open(path, "r") as s:
        assert figures(s.dict("d"))["capacity"] == 0
    d = em.EMDict(None, {"k": [1]}, cache=9)
    d.close()
    d.open(None)
    assert figures(d)["capacity"] == 9
    d.close()


class Holder(em.EMDict):
    """A dict with attributes."""


class Back:
    """Anything that can refer to the dict it comes from."""


def test_a_cycle_through_the_cache_is_collected(path):
    d = Holder(path, {"k": Back()}, cache=10)
    d["k"].dict = d
    seen = weakref.ref(d)
    del d
    gc.collect()
    assert seen() is None


class Nosy:
    """Uses the dict when it goes."""

    dict = None

    def __del__(self):
        if Nosy.dict is not None:
            Nosy.dict.get("missing")


def test_objects_that_use_the_dict_when_they_go(path):
    with em.EMDict(path, {i: Nosy() for i in range(100)}, cache=5) as d:
        Nosy.dict = d
        try:
            for i in range(100):
                assert isinstance(d[i], Nosy)
                d[i] = Nosy()
            assert all(isinstance(value, Nosy) for value in d.values())
            del d[99]
            d.clear()
        finally:
            Nosy.dict = None
        assert figures(d)["entries"] == 0


def test_threads_share_it(path):
    with em.EMDict(path, {i: [i] for i in range(200)}, cache=20) as d:
        errors = []

        def work(seed):
            try:
                for n in range(2000):
                    i = (n * 7 + seed * 13) % 200
                    assert d[i][0] == i
                    if n % 50 == 0:
                        d[i] = [i, n]
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert figures(d)["entries"] <= 20


# ---- Against the builtins

VALUES = st.one_of(
    st.integers(),
    st.lists(st.integers(), max_size=3),
    st.tuples(st.text(max_size=3)),
    st.dictionaries(st.integers(0, 3), st.none()),
)
KEYS = st.integers(0, 12)


class CachedDict(RuleBasedStateMachine):
    """Each read is compared with a dict, and an object once handed out is never another value."""

    @initialize(cache=st.sampled_from([1, 2, 5, 100]))
    def open(self, cache):
        self.d, self.model, self.handed = em.EMDict(None, cache=cache), {}, []

    def teardown(self):
        if hasattr(self, "d"):
            self.d.close()

    def seen(self, value):
        self.handed.append((value, copy.deepcopy(value)))

    @rule(key=KEYS, value=VALUES)
    def store(self, key, value):
        self.d[key] = self.model[key] = value

    @rule(key=KEYS)
    def read(self, key):
        value = self.d.get(key, "absent")
        assert value == self.model.get(key, "absent")
        if isinstance(value, (list, tuple, dict)) and value != ():
            assert self.d[key] is value
        self.seen(value)

    @rule(key=KEYS)
    def remove(self, key):
        assert self.d.pop(key, "absent") == self.model.pop(key, "absent")

    @rule(key=KEYS, value=VALUES)
    def edit(self, key, value):
        if isinstance(self.model.get(key), list):
            with self.d.edit(key) as known:
                known.append(value)
            self.model[key] = [*self.model[key], value]

    @rule(other=st.dictionaries(KEYS, VALUES, max_size=5))
    def update(self, other):
        self.d.update(other)
        self.model.update(other)

    @rule(other=st.dictionaries(KEYS, VALUES, max_size=5))
    def roll_back(self, other):
        with pytest.raises(ZeroDivisionError), self.d.transaction():
            self.d.update(other)
            for key in other:
                assert self.d[key] == other[key]
            1 / 0

    @rule(other=st.dictionaries(KEYS, VALUES, max_size=5))
    def transact(self, other):
        with self.d.transaction():
            self.d.update(other)
        self.model.update(other)

    @rule()
    def walk(self):
        for key, value in self.d.items():
            assert value == self.model[key]
            self.seen(value)

    @rule()
    def clear(self):
        self.d.clear()
        self.model.clear()

    @rule()
    def compact(self):
        self.d.compact()

    @rule()
    def commit(self):
        self.d.commit()

    @invariant()
    def nothing_handed_out_has_changed(self):
        for value, then in getattr(self, "handed", ()):
            assert value == then


TestCachedDict = CachedDict.TestCase
TestCachedDict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    cache=st.sampled_from([1, 3, 100]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["set", "append", "insert", "pop", "slice", "delete", "reverse", "read", "walk", "roll back"]
            ),
            st.integers(0, 20),
            st.lists(st.integers(), min_size=1, max_size=3),
        ),
        max_size=40,
    ),
)
def test_a_list_against_a_list(cache, steps):
    model = [[i] for i in range(5)]
    with em.EMList(None, model, cache=cache) as li:
        for what, at, value in steps:
            index = at % max(len(model), 1)
            apply_step(li, what, index, value)
            if what != "roll back":
                apply_step(model, what, index, value)
            if model:
                assert li[index % len(model)] == model[index % len(model)]
                assert li[index % len(model)] is li[index % len(model) - len(model)]
        assert list(li) == li[:] == [li[i] for i in range(len(li))] == model


def apply_step(li, what, index, value):
    if what == "append":
        li.append(value)
    elif what == "insert":
        li.insert(index, value)
    elif what == "slice":
        li[index : index + 2] = [value, value]
    elif what == "reverse":
        li.reverse()
    elif what == "walk":
        assert all(isinstance(one, list) for one in li)
    elif what == "roll back":
        with pytest.raises(ZeroDivisionError), li.transaction():
            li.insert(0, value)
            assert li[0] == value
            li[0] = [value]
            assert li[0] == [value]
            1 / 0
    elif not li:
        return
    elif what == "set":
        li[index] = value
    elif what == "pop":
        li.pop(index)
    elif what == "delete":
        del li[index]
    elif what == "read":
        assert li[index] == li[index]
