"""EMSet: random operations against set, the algebra of large sets, order, readers, threads."""

import concurrent.futures
import itertools
import sys

import hypothesis.strategies as st
import numpy
import pytest
from hypothesis import settings
from hypothesis.stateful import rule

import pyrsistence
from model_machine import ContainerMachine
from pyrsistence import EMDict, EMList, EMSet, Store
from test_model_dict import KEYS
from test_readers import Remote

NAMES = ["union", "intersection", "difference", "symmetric_difference"]
OPERATORS = ["__or__", "__and__", "__sub__", "__xor__"]


# ---- Random operations

# What another operand is made of: by its elements.
OTHERS = st.sampled_from([set, frozenset, list, iter, dict.fromkeys, lambda elements: EMSet(None, elements)])


class SetMachine(ContainerMachine):
    options: dict = {}  # noqa: RUF012

    def open(self, path):
        return EMSet(path, **self.options)

    def fresh_model(self):
        self.order = []
        return set()

    def copy_model(self, model):
        return set(model), list(self.order)

    def restore(self, before):
        self.model, self.order = before

    def compare(self):
        self.keep_order()
        assert set(self.subject) == self.model
        assert list(reversed(self.subject)) == self.order[::-1]
        assert self.subject == self.model and self.model == self.subject
        assert not self.subject != self.model  # noqa: SIM202  # != has a method of its own

    def keep_order(self):
        """Those that were there stay where they were; new ones are behind them."""
        now = list(self.subject)
        stayed = [element for element in self.order if element in self.model]
        assert now[: len(stayed)] == stayed
        self.order = now

    def same_outcome(self, operation):
        super().same_outcome(operation)
        self.keep_order()

    def two(self, make, elements):
        """The operand for the subject, and one for the model: some are used up."""
        return {id(self.subject): make(elements), id(self.model): make(elements)}

    @rule(element=KEYS, name=st.sampled_from(["add", "discard", "remove", "__contains__"]))
    def one(self, element, name):
        self.same_outcome(lambda s: getattr(s, name)(element))

    @rule(numbers=st.frozensets(st.integers(0, 9), max_size=3))
    def one_that_is_a_set(self, numbers):
        self.same_outcome(lambda s: s.add(numbers))
        self.same_outcome(lambda s: (set(numbers) in s, {77} in s))
        self.same_outcome(lambda s: s.remove(set(numbers)))

    @rule(element=KEYS)
    def known(self, element):
        expected = [one in self.model for one in (element, 1, element)]
        assert self.subject.contains_many([element, 1, element]) == expected

    @rule()
    def pop(self):
        if self.model:
            last = self.subject.pop()
            assert last == self.order.pop()
            self.model.remove(last)
        else:
            self.same_outcome(lambda s: s.pop())

    @rule(elements=st.lists(KEYS), make=OTHERS, name=st.sampled_from(["", *NAMES[1:]]))
    def update(self, elements, make, name):
        others = self.two(make, elements)
        self.same_outcome(lambda s: getattr(s, f"{name}_update" if name else "update")(others[id(s)]))

    @rule(elements=st.lists(KEYS, unique=True, max_size=30))
    def new_ones_are_in_their_order(self, elements):
        new = [element for element in elements if element not in self.model]
        self.same_outcome(lambda s: s.update(elements))
        assert self.order[len(self.order) - len(new) :] == new

    @rule(elements=st.lists(KEYS), make=OTHERS, name=st.sampled_from(NAMES))
    def made_anew(self, elements, make, name):
        others = self.two(make, elements)
        self.same_outcome(lambda s: getattr(s, name)(others[id(s)]))
        with EMSet() as out:
            assert getattr(self.subject, name)(make(elements), out=out) is out
            assert out == getattr(self.model, name)(elements)
            assert out.verify() == []

    @rule(lists=st.lists(st.lists(KEYS)), name=st.sampled_from([*NAMES[:3], "update", "difference_update"]))
    def several(self, lists, name):
        self.same_outcome(lambda s: getattr(s, name)(*lists))

    @rule(elements=st.sets(KEYS), name=st.sampled_from(OPERATORS), frozen=st.booleans())
    def operators(self, elements, name, frozen):
        other = frozenset(elements) if frozen else elements
        with EMSet(None, elements) as stored:
            result = getattr(self.model, name)(other)
            assert getattr(self.subject, name)(other) == getattr(self.subject, name)(stored) == result
            turned = getattr(other, name)(self.model)
            by_operator = {"__or__": "|", "__and__": "&", "__sub__": "-", "__xor__": "^"}[name]
            found = eval(f"other {by_operator} self.subject", {}, {"other": other, "self": self})
            assert found == getattr(stored, name)(self.model) == turned and type(found) is type(other)

    @rule(elements=st.sets(KEYS), name=st.sampled_from(["__ior__", "__iand__", "__isub__", "__ixor__"]))
    def operators_in_place(self, elements, name):
        with EMSet(None, elements) as stored:
            others = {id(self.subject): stored, id(self.model): elements}
            self.same_outcome(lambda s: getattr(s, name)(others[id(s)]) is s)

    @rule(elements=st.lists(KEYS), make=OTHERS)
    def comparisons(self, elements, make):
        for name in ("isdisjoint", "issubset", "issuperset"):
            others = self.two(make, elements)
            self.same_outcome(lambda s, name=name, others=others: getattr(s, name)(others[id(s)]))
        for other in (set(elements), self.model | set(elements), set(self.order[1:])):
            with EMSet(None, other) as stored:
                for name in ("__le__", "__lt__", "__ge__", "__gt__", "__eq__"):
                    expected = getattr(self.model, name)(other)
                    assert getattr(self.subject, name)(other) is expected
                    assert getattr(self.subject, name)(stored) is expected

    @rule()
    def clear(self):
        self.same_outcome(lambda s: s.clear())

    @rule()
    def compact(self):
        if self.before is None:
            self.subject.compact()


class TinySetMachine(SetMachine):
    """Index segments that split, collide and chain within a few elements."""

    options = {"_layout": (2, 4, 3)}  # noqa: RUF012


LIMITS = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSet = SetMachine.TestCase
TestSet.settings = LIMITS
TestTinySet = TinySetMachine.TestCase
TestTinySet.settings = settings(LIMITS, max_examples=30)


# ---- Sets of many elements


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two sets of a store whose memory takes some passes, a small one, and the same in memory."""
    models = set(range(20_000)), set(range(10_000, 30_000)), set(range(0, 30_000, 30))
    with Store(tmp_path_factory.mktemp("large") / "s", memory="1M") as store:
        sets = [store.set(name) for name in "abc"]
        for one, model in zip(sets, models, strict=True):
            one.update((f"element {n}" for n in sorted(model)), iter(sorted(model)))
        for model in models:
            model |= {f"element {n}" for n in model}
        store.commit()
        yield sets, models


PAIRS = list(itertools.permutations(range(3), 2))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", NAMES)
def test_the_algebra_of_large_sets(large, name, pair):
    sets, models = large
    one, other = (sets[i] for i in pair)
    expected = getattr(models[pair[0]], name)(models[pair[1]])
    assert getattr(one, name)(other) == expected
    assert getattr(one, name)(models[pair[1]]) == expected
    assert getattr(one, OPERATORS[NAMES.index(name)])(other) == expected
    with EMSet(None, memory="1M") as out:
        getattr(one, name)(other, out=out)
        assert set(out) == expected and out.verify() == []
        if name != "symmetric_difference":  # in the order of what they come from
            known = {}
            for element in itertools.chain(one, other):
                known.setdefault(element, len(known))
            mine = [known[element] for element in out if element in models[pair[0]]]
            assert mine == sorted(mine) or (name == "intersection" and 2 in pair)


@pytest.mark.parametrize("pair", PAIRS)
def test_comparisons_of_large_sets(large, pair):
    sets, models = large
    one, other = (sets[i] for i in pair)
    mine, yours = (models[i] for i in pair)
    for name in ("isdisjoint", "issubset", "issuperset", "__lt__", "__ge__", "__eq__", "__ne__"):
        assert getattr(one, name)(other) is getattr(mine, name)(yours)
    with EMSet(None, one) as same, EMSet(None, (-n for n in range(1, 20_000))) as others:
        assert one == same and one <= same and not one < same
        assert one.isdisjoint(others) and not one.issubset(others)
        same.add("one more")
        assert one < same and same > one and one != same


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", ["update", *(f"{name}_update" for name in NAMES[1:])])
def test_changes_of_large_sets(large, name, pair):
    sets, models = large
    model = set(models[pair[0]])
    getattr(model, name)(models[pair[1]])
    for other in (sets[pair[1]], models[pair[1]], iter(sorted(models[pair[1]], key=str))):
        with EMSet(None, sets[pair[0]], memory="1M") as changed:
            getattr(changed, name)(other)
            assert len(changed) == len(model) and set(changed) == model
            assert changed.verify() == []


def test_a_large_operand_that_is_no_set():
    """It is noted in a file, and not in memory."""
    with EMSet(None, range(50_000)) as s:
        assert s.intersection(n * 2 for n in range(40_000)) == set(range(0, 50_000, 2))
        assert len(s.symmetric_difference(iter(range(25_000, 75_000)))) == 50_000
        s.intersection_update(n * 2 for n in range(40_000))
        assert list(s) == list(range(0, 50_000, 2))


# ---- What operands may be


def test_containers_and_views_as_operands():
    d = EMDict(None, {1: "a", 2: "b", 5: "c"})
    with EMSet(None, [1, 2, 3]) as s:
        for other in (d, d.keys(), EMList(None, [1, 2, 5]), numpy.array([1, 2, 5]), {1: 0, 2: 0, 5: 0}):
            assert s.intersection(other) == {1, 2} and s.union(other) == {1, 2, 3, 5}
            assert s.difference(other) == {3} and s.symmetric_difference(other) == {3, 5}
            assert not s.isdisjoint(other) and not s.issubset(other)
        assert s & d.keys() == d.keys() & s == {1, 2}
        assert s - d.keys() == {3} and d.keys() - s == {5}
        assert not s <= d.keys() and s != d.keys()
        assert EMSet(None, [1, 2, 5]) == d.keys() == EMSet(None, [1, 2, 5])
        assert s & {1: 0}.keys() == {1} and {1: 0}.items() & s == set()
    d.close()


def test_operators_want_sets():
    with EMSet(None, "ab") as s:
        for other in (["a"], "a", ("a",), {"a": 1}, iter("a"), None, 5):
            for name in [*OPERATORS, "__ior__", "__iand__", "__isub__", "__ixor__", "__le__", "__gt__"]:
                assert getattr(s, name)(other) is NotImplemented
            assert s != other and (s == other) is False
            with pytest.raises(TypeError):
                s | other
            with pytest.raises(TypeError):
                other - s
        with pytest.raises(TypeError):
            s |= ["c"]
        assert list(s) == ["a", "b"]


def test_a_key_function_decides_in_all_of_the_algebra():
    with EMSet(None, ["Ab", "cd"], key=str.lower) as s, EMSet(None, ["AB", "x"], key=str.lower) as same:
        assert "aB" in s and {"AB", "CD"} >= s and s == {"ab", "CD"}
        for make in (list, set, iter, lambda elements: EMSet(None, elements), lambda _: same):
            assert {e.lower() for e in s.intersection(make(["AB", "x"]))} == {"ab"}
            assert s.difference(make(["AB", "x"])) == {"cd"}
        assert s.difference({"AB"}) == {"cd"} and {"AB", "x"} - s == {"x"}
        assert s ^ {"AB", "x"} == {"cd", "x"}
        assert not s.isdisjoint({"CD"}) and s.issubset(["AB", "CD", "x"])
        s -= {"CD", "x"}
        s |= {"AB"}
        assert list(s) == ["Ab"]
    with EMSet(None, range(300), key=(str, int)) as s:
        assert s & {5, 700} == {5} and list(s)[:3] == [0, 1, 2]


class Stop(Exception):
    pass


def stopping(*elements):
    yield from elements
    raise Stop


def test_what_came_before_an_error_stays():
    with EMSet(None, range(5)) as s:
        with pytest.raises(Stop):
            s.update([7], stopping(8, 9))
        assert list(s) == [0, 1, 2, 3, 4, 7, 8, 9]
        with pytest.raises(Stop):
            s.difference_update([7], stopping(8))
        assert list(s) == [0, 1, 2, 3, 4, 9]
        for call in (s.intersection_update, s.symmetric_difference_update):
            with pytest.raises(Stop):
                call(stopping(1))
        with pytest.raises(Stop):
            s.intersection_update([1], stopping(1))
        for call in (s.union, s.intersection, s.difference, s.symmetric_difference, s.isdisjoint, s.issubset):
            with pytest.raises(Stop):
                call(stopping(5))
        with pytest.raises(TypeError, match="element #2: unhashable type: 'list'"):
            s.update([10, 11, [], 12])
        assert list(s) == [0, 1, 2, 3, 4, 9, 10, 11]
        for call in (s.difference_update, s.intersection, s.isdisjoint, s.contains_many, s.issuperset):
            with pytest.raises(TypeError, match="unhashable"):
                call([[]])
        assert list(s) == [0, 1, 2, 3, 4, 9, 10, 11]


def test_a_generator_that_looks_at_the_set():
    """It sees each element that came before."""
    seen = []
    with EMSet() as s:

        def looking():
            for n in range(1000):
                seen.append(len(s))
                yield n

        s.update(looking())
        assert seen == list(range(1000))


# ---- One set


def test_elements_keep_their_types(path):
    elements = [1.5, True, 2, "a", b"a", None, (1, True), frozenset([1, "x"]), 2**100, complex(1, 2), ...]
    with EMSet(path, elements) as s:
        s.update([1, 2.0, (1.0, 1)])  # which are there
        assert [(type(e), e) for e in s] == [(type(e), e) for e in elements]
    with EMSet(path, mode="r") as s:
        assert [(type(e), e) for e in s] == [(type(e), e) for e in elements]
        assert 1 in s and 2.0 in s and (True, 1) in s and {1, "x"} in s


def test_a_set_that_is_looked_for_stands_for_its_frozenset():
    with EMSet(None, [frozenset("ab"), 1]) as s, EMSet(None, "ab") as ab:
        assert {"a", "b"} in s and ab in s and {"a"} not in s and EMSet(None, [1]) not in s
        for missing in ({"a"}, EMSet(None, "x")):
            with pytest.raises(KeyError) as raised:
                s.remove(missing)
            assert raised.value.args == (missing,) and raised.value.args[0] is missing
        s.remove(ab)
        s.discard({"a", "b"})
        assert list(s) == [1]
        for call in (s.add, lambda e: s.update([e])):
            with pytest.raises(TypeError, match="unhashable"):
                call({1})


def test_it_has_no_hash_and_no_order_of_arguments():
    with EMSet(None, "abc") as s:
        with pytest.raises(TypeError, match="unhashable"):
            hash(s)
        s.__init__(None, "de")
        assert list(s) == ["d", "e"]
        assert s.copy() == {"d", "e"} and type(s.copy()) is set
        assert bool(s) and not EMSet()
        with pytest.raises(TypeError):
            s.pop(1)


def test_adding_what_is_there_leaves_nothing_to_commit(path):
    with EMSet(path, range(5000), commit_interval=None) as s:
        s.commit()
        s.update(range(5000))
        for n in range(100):
            s.add(n)
        s |= set(range(100))
        assert s.stats()["dirty_bytes"] == 0
        iterator = iter(s)
        next(iterator)
        s.update(range(5000))
        assert next(iterator) == 1  # nothing has changed


def test_arrays_of_elements():
    with EMSet(None, numpy.arange(3000)) as s:
        assert list(s) == list(range(3000)) and all(type(e) is int for e in s)
        assert s.contains_many(numpy.array([5, -1, 2999])) == [True, False, True]
        s.difference_update(numpy.arange(10, 3000))
        assert list(s) == list(range(10))


def test_other_kinds_are_refused(path, tmp_path):
    with EMSet(path, [1]):
        pass
    for cls in (EMDict, EMList):
        with pytest.raises(pyrsistence.FormatError, match="set"):
            cls(path)
    with EMDict(tmp_path / "d", {1: 2}):
        pass
    with pytest.raises(pyrsistence.FormatError, match="dict"):
        EMSet(tmp_path / "d")
    with pyrsistence.open(path) as found:
        assert type(found) is EMSet and found == {1}


def test_members_commit_together(path):
    with Store(path) as store:
        seen, names = store.set("seen"), store.dict("names")
        seen.update("ab")
        store.commit()
        with pytest.raises(ZeroDivisionError), store.transaction():
            names["x"] = 1
            seen.symmetric_difference_update("bc")
            assert seen == {"a", "c"}
            raise ZeroDivisionError
        assert list(seen) == ["a", "b"] and not names
        assert store.set("seen") is seen and store.members()["seen"] == "set"
        # Of one store, and of the same set.
        other = store.set("other")
        other.update("bx")
        assert seen & other == {"b"} and seen.union(other, out=store.set("out")) == {"a", "b", "x"}
        assert seen <= seen and not seen - seen and seen.issuperset(seen)


# ---- Others at work


def test_a_reader_follows_the_writer(path):
    with EMSet(path, range(100), commit_interval=None) as s:
        s.commit()
        with Remote(path, "s = EMSet(path, mode='r'); other = EMSet(None, range(50, 5000))") as reader:
            assert reader.run("(s & other == set(range(50, 100)), len(s), 5 in s)") == (True, 100, True)
            s.update(range(100, 4000))
            assert reader.run("len(s)") == 100
            s.commit()
            assert reader.run("(s & other == set(range(50, 4000)), len(s - other), s <= other)") == (
                True,
                50,
                False,
            )
            reader.run("i = iter(s); next(i)")
            s.clear()
            s.commit()
            assert "changed during iteration" in reader.error("next(i)")
            assert reader.run("(list(s), s == set(), s.isdisjoint(other))") == ([], True, True)
            assert "UnsupportedOperation" in reader.error("s.update([1])")


def test_readers_beside_a_writer_that_goes_on(path):
    """Each answer is of one committed state: a block of numbers."""
    with EMSet(path, range(3000), commit_interval=None) as s:
        s.commit()
        with Remote(path, "s = EMSet(path, mode='r'); other = EMSet(None, range(0, 100000, 2))") as reader:
            for step in range(0, 9000, 60):
                reader.send("(len(s & other), len(s - other), sorted(s.copy())[::2999], s.isdisjoint(other))")
                s.update(range(3000 + step, 3060 + step))
                s.difference_update(range(step, step + 60))
                s.commit()
                kind, answer = reader.receive()
                if kind == "error":
                    assert "SnapshotError" in answer
                    continue
                common, rest, (first, last), disjoint = answer
                assert (common, rest, last - first, disjoint) == (1500, 1500, 2999, False)


def test_threads_on_one_set(path):
    """What they add is there once; what they pop is given to one of them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with EMSet(path, commit_interval=0.01) as s, EMSet(None, range(2000)) as other:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                added = [pool.submit(s.update, range(n, 2000)) for n in range(0, 400, 100)]
                joins = [pool.submit(other.issuperset, s) for _ in range(8)]
                for one in added:
                    one.result()
                for join in joins:
                    try:
                        join.result()
                    except RuntimeError as error:
                        assert "changed size" in str(error)
                assert sorted(s) == list(range(2000)) and other == s
                popped = [pool.submit(lambda: [s.pop() for _ in range(400)]) for _ in range(5)]
                assert sorted(e for one in popped for e in one.result()) == list(range(2000))
            assert not s and s.verify() == []
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("call", ["s.issubset(other)", "s.update(repeat(0))", "list(s - s)"])
def test_signals_get_in(run_python, call):
    printed = run_python(
        f"""if True:
        import pyrsistence, signal, time
        from itertools import repeat
        s = pyrsistence.EMSet(None, range(60_000), memory="1M")
        other = pyrsistence.EMSet(None, range(1, 60_000))
        def stop(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        try:
            while True:
                {call}
        except KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            print("interrupted", len(s))
        """
    )
    assert printed == "interrupted 60000\n"
