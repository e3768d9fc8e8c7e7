"""Batches do what the loop does: get_many, contains_many, set_many, pop_many, update; take, set_many, extend.

The state machines of test_model_dict and test_model_list run them among all other operations, and
structural_mutator on damaged files; here is what they do not meet.
"""

import subprocess
import sys
import textwrap

import hypothesis.strategies as st
import pytest
from hypothesis import given

from helpers import LIMIT
from pyrsistence import EMDict, EMList, Store
from test_threads import switch_often, together  # noqa: F401 (a fixture)

numpy = pytest.importorskip("numpy")

# More than a group of 512, so that batches have several, and an end within one.
MANY = 1300
KEYS = st.one_of(st.integers(-5, 5), st.text(max_size=2), st.sampled_from([1.0, True, (1, "a"), None]))


class Refused:
    """Neither a key (it has no hash) nor, with pickle=False, a value."""

    __hash__ = None


@pytest.fixture
def d():
    with EMDict(None, ((n, str(n) * (n % 40)) for n in range(MANY))) as d:
        yield d
        assert d.verify() == []


@pytest.fixture
def items():
    with EMList(None, [str(n) * (n % 40) for n in range(MANY)]) as items:
        yield items
        assert items.verify() == []


# ---- Reading a dict


@pytest.mark.parametrize("make", [list, tuple, iter, dict.fromkeys, lambda keys: (key for key in keys)])
def test_get_many_takes_any_iterable(d, make):
    keys = [*range(0, 2 * MANY, 2), "none", 3.0]
    expected = [d.get(key, "fallback") for key in keys]
    assert d.get_many(make(keys), "fallback") == expected
    assert d.get_many(make(keys), default="fallback") == expected
    assert d.contains_many(make(keys)) == [key in d for key in keys]


def test_get_many_keeps_order_and_repeats(d, rng):
    keys = [rng.randrange(-100, MANY + 100) for _ in range(3 * MANY)]
    assert d.get_many(keys) == [d.get(key) for key in keys]
    assert d.get_many([]) == d.get_many(range(0)) == d.contains_many(()) == d.pop_many([]) == []


@pytest.mark.parametrize("kind", ["i1", "u2", "i4", "u8", "f4", "f8", "?", "U4", "S4", "O", "m8[s]"])
def test_arrays_of_keys(kind):
    array = numpy.array([0, 1, 2, 3, 1], dtype="i8").astype(kind)
    with EMDict(None, {0: "zero", 1: "one", "2": "two", b"3": "three"}) as d:
        assert d.get_many(array) == [d.get(key) for key in array]
        assert d.get_many(array[::-2]) == [d.get(key) for key in array[::-2]]


def test_an_array_of_many_keys(d):
    keys = numpy.arange(20_000) % (2 * MANY)
    assert d.get_many(keys) == [d.get(int(key)) for key in keys]
    with pytest.raises(TypeError, match="unhashable"):
        d.get_many(keys.reshape(2, -1))


def test_values_of_every_length(path, rng):
    """Long values are copied out a part of a group at a time."""
    values = {n: rng.randbytes(rng.choice((0, 7, 300, 5000, 70_000))) for n in range(MANY)}
    values["huge"] = bytes(5 << 20)
    with EMDict(path, values) as d:
        keys = [*range(MANY), "huge", "none", *range(MANY)]
        assert d.get_many(keys) == [values.get(key) for key in keys]
    with EMDict(path, mode="r") as reader:
        assert reader.get_many(keys) == [values.get(key) for key in keys]


def test_a_key_that_is_none_is_named_with_its_place(d):
    with pytest.raises(TypeError, match=r"key #1000: unhashable type: 'Refused'") as caught:
        d.get_many([*range(1000), Refused()])
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(TypeError, match="key #1: unhashable type: 'list'"):
        d.contains_many(iter([1, []]))
    with pytest.raises(TypeError, match="not iterable"):
        d.get_many(5)


def test_an_error_of_the_callers_passes_as_it_is(d):
    class Trouble(Exception):
        pass

    class Key:
        def __hash__(self):
            raise Trouble(1, 2)

    def keys():
        yield 1
        raise Trouble(3)

    with pytest.raises(Trouble, match="1, 2"):
        d.get_many([1, Key()])
    with pytest.raises(Trouble, match="3"):
        d.get_many(keys())
    with pytest.raises(Trouble, match="3"):
        d.set_many(keys(), range(5))
    assert d[1] == 0, "what came before the error is stored"


def test_closed_and_read_only(path, d):
    for call in (
        lambda c: c.get_many([]),
        lambda c: c.contains_many([1]),
        lambda c: c.pop_many([1]),
        lambda c: c.set_many([1], [2]),
        lambda c: c.update({1: 2}),
    ):
        closed = EMDict(None)
        closed.close()
        with pytest.raises(ValueError, match="closed"):
            call(closed)
    EMDict(path, {1: 2}).close()
    with EMDict(path, mode="r") as reader:
        assert reader.get_many([1, 3]) == [2, None]
        for call in (lambda: reader.set_many([1], [3]), lambda: reader.pop_many([1])):
            with pytest.raises(OSError, match="read"):
                call()
    with pytest.raises(ValueError, match="closed"):
        EMList.take(closed_list(), [0])


def closed_list():
    items = EMList()
    items.close()
    return items


# ---- Changing a dict


@given(st.lists(st.tuples(KEYS, KEYS)), st.lists(KEYS), st.sampled_from([list, tuple, iter]))
def test_set_many_is_the_loop(pairs, keys, make):
    model = {}
    with EMDict(None, {"first": 0}) as d:
        model["first"] = 0
        d.set_many(make([key for key, _ in pairs]), make([value for _, value in pairs]))
        for key, value in pairs:
            model[key] = value
        assert list(d.items()) == list(model.items())
        assert list(map(type, d)) == list(map(type, model))
        assert d.pop_many(make(keys), "none") == [model.pop(key, "none") for key in keys]
        assert list(d.items()) == list(model.items())


def test_set_many_of_unequal_lengths(d):
    before = d.copy()
    for keys, values in ([1, 2], [3]), (range(3), numpy.zeros(2)), ({1: 2}, ()):
        with pytest.raises(ValueError, match="as many values as keys, got"):
            d.set_many(keys, values)
    assert d.copy() == before
    with pytest.raises(ValueError, match="the values ended first, after 2"):
        d.set_many([1, 2, 3], iter("ab"))
    assert (d[1], d[2], d[3]) == ("a", "b", before[3])
    with pytest.raises(ValueError, match="the keys ended first, after 1"):
        d.set_many(iter([3]), "xy")
    assert d[3] == "x"


@pytest.mark.parametrize("wrong", [0, 1, 700])
def test_set_many_stores_what_came_before_an_error(wrong):
    keys = [f"key {n}" for n in range(1000)]
    for bad_keys, bad_values in (
        ([*keys[:wrong], [], *keys[wrong + 1 :]], keys),
        (keys, [*keys[:wrong], Refused(), *keys[wrong + 1 :]]),
    ):
        with EMDict(None, pickle=False) as d:
            with pytest.raises(TypeError, match=f"pair #{wrong}: "):
                d.set_many(bad_keys, bad_values)
            assert list(d.items()) == [(key, key) for key in keys[:wrong]]


def test_set_many_in_a_transaction_that_is_rolled_back(d):
    before = d.copy()
    with pytest.raises(TypeError), d.transaction():
        d.set_many([*range(2000), []], [*range(2000), 0])
    assert d.copy() == before
    with pytest.raises(ZeroDivisionError), d.transaction():
        assert d.pop_many(range(MANY)) == list(before.values())
        d[1 // 0] = 0
    assert d.copy() == before


def test_a_batch_larger_than_the_budget(path, memory_budget):
    memory_budget(4 << 20)
    keys = range(30_000)
    with EMDict(path) as d:
        d.set_many(keys, ["x" * 600] * len(keys))
        assert d.stats()["commits"] > 0
        with pytest.raises(MemoryError), d.transaction():
            d.set_many(keys, ["y" * 600] * len(keys))
        assert d.get_many(keys) == ["x" * 600] * len(keys)
        assert d.verify() == []


def test_annexes_and_key_functions():
    with EMDict() as d:
        d.set_many([True, 2.0, 1, 2], "abcd")
        assert [(type(key), key, value) for key, value in d.items()] == [(bool, True, "c"), (float, 2.0, "d")]
        assert d.get_many([1, 2, 1.0]) == ["c", "d", "c"]
    with EMDict(None, {"Key": 1}, key=str.lower) as d:
        d.set_many(["KEY", "other"], [2, 3])
        assert d.copy() == {"Key": 2, "other": 3}
        assert d.get_many(["key", "OTHER", "none"], 0) == [2, 3, 0]


def test_writeback_hands_out_what_it_keeps(path):
    with EMDict(path, {1: [1], 2: [2]}, writeback=True) as d:
        one, again, none = d.get_many([1, 1, 3])
        assert one is again is d[1] and none is None
        one.append("changed")
        value = ["new"]
        d.set_many([4, 2], [value, ["replaced"]])
        assert d[4] is value
        value.append("changed")
        assert d.pop_many([1, 1]) == [[1, "changed"], None]
    with EMDict(path) as d:
        assert d.copy() == {2: ["replaced"], 4: ["new", "changed"]}
    with EMList(None, [[0], [1]], writeback=True) as items:
        first, last = items.take([0, -1])
        assert first is items[0] and last is items[1]
        first.append("changed")
        items.set_many([1], [first])
        assert items[:] == [[0, "changed"], [0, "changed"]]


def test_an_assignment_takes_effect_in_a_cache_of_decoded_objects():
    """Also one that stores the same bytes again, after the object that was handed out has been changed."""
    with EMDict(None, {1: [1]}, cache=10) as d, EMList(None, [[1]], cache=10) as items:
        d[1].append("changed")
        items[0].append("changed")
        d.set_many([1], [[1]])
        items.set_many([0], [[1]])
        assert d[1] == d.get_many([1])[0] == [1]
        assert items[0] == items.take([0])[0] == [1]
        d[1].append("changed")
        d.update({1: [1]})
        assert d[1] == [1]


def test_pop_many_keeps_what_cannot_be_decoded(path):
    with EMDict(path, {1: "a", 2: {3}, 4: Refused}) as d:
        pass
    with EMDict(path, pickle=False) as d:
        with pytest.raises(Exception, match="pickle"):
            d.pop_many([1, 2, 4])
        assert len(d) == 3 and d.pop_many([2, 1]) == [{3}, "a"]


# ---- What the caller's code does meanwhile


def test_keys_from_code_that_uses_the_dict(d):
    def meddle():
        for n in range(MANY):
            d[n] = "set"
            if n % 100 == 0:
                d.clear()
                d.commit()
            yield n

    assert set(d.get_many(meddle())) <= {None, "set"}
    d.set_many(meddle(), meddle())
    assert set(d.pop_many(meddle())) <= {None, "set", *range(MANY)}


def test_a_dict_closed_by_its_keys():
    for call in (
        lambda d, keys: d.get_many(keys),
        lambda d, keys: d.set_many(keys, keys),
        lambda d, keys: d.pop_many(keys),
        lambda d, keys: d.contains_many(keys),
        lambda d, keys: d.update((key, key) for key in keys),
    ):
        d = EMDict(None, {1: 2})

        def keys(d=d):
            yield 1
            d.close()
            yield 2

        with pytest.raises(ValueError, match="closed"):
            call(d, keys())


class Meddler:
    """Unpickled, it calls what is in `action`."""

    action = staticmethod(lambda: None)

    def __reduce__(self):
        return act, ()


def act():
    return Meddler.action()


def test_values_whose_decoding_uses_the_dict(path, monkeypatch):
    def meddle():
        d[1] = "changed"
        d.pop(2, None)
        return "decoded"

    monkeypatch.setattr(Meddler, "action", staticmethod(meddle))
    with EMDict(path) as d:
        d.set_many([0, 1, 2, 3], [Meddler(), "old", "old", "old"])
        assert d.get_many([0, 1, 2, 3]) == ["decoded", "old", "old", "old"]
        d[1] = d[2] = "old"
        assert d.pop_many([0, 1, 2, 3]) == ["decoded", "changed", None, "old"], "each value went to one only"
        assert d.copy() == {}


def test_update_from_a_generator_that_counts():
    """It sees each pair that came before, as with a dict."""

    def count_again(word):
        return word, d[word] + 1

    words = ["a", "b", "a"] * 500
    with EMDict() as d:
        d.update((word, d.get(word, 0) + 1) for word in words)
        assert d.copy() == {"a": 1000, "b": 500}
        d.update(map(count_again, words))
        assert d.copy() == {"a": 2000, "b": 1000}
        d.update(zip(words, (d[word] + 1 for word in words), strict=True))
        assert d.copy() == {"a": 3000, "b": 1500}
        d.update([Pair(d, word) for word in words])
        assert d.copy() == {"a": 4000, "b": 2000}


class Pair:
    def __init__(self, d, word):
        self.d, self.word = d, word

    def __iter__(self):
        return iter((self.word, self.d[self.word] + 1))


@pytest.mark.parametrize(
    "make",
    [
        dict,
        lambda pairs: pairs,
        tuple,
        lambda pairs: iter(pairs),
        lambda pairs: (pair for pair in pairs),
        lambda pairs: dict(pairs).items(),
        lambda pairs: zip([key for key, _ in pairs], [value for _, value in pairs], strict=True),
        lambda pairs: map(tuple, pairs),
        lambda pairs: EMDict(None, pairs),
        lambda pairs: EMDict(None, pairs).items(),
        lambda pairs: type("Own", (EMDict,), {})(None, pairs),
        lambda pairs: ([key, value] for key, value in pairs),
    ],
)
def test_update_from_all_kinds(make):
    pairs = [(n * 7 % 900, str(n)) for n in range(MANY)]
    with EMDict(None, {0: "old", -1: "old"}) as d:
        d.update(make(pairs))
        assert list(d.items()) == list(({0: "old", -1: "old"} | dict(pairs)).items())


def test_update_from_itself(d):
    before = d.copy()
    d.update(d)
    d.update(d.items())
    d.update(enumerate(d.values()))
    assert list(d.items()) == list(before.items())
    with pytest.raises(RuntimeError, match="changed size"):
        d.update((("new", key), key) for key in d)


@pytest.mark.parametrize(("wrong", "error"), [((1, 2, 3), ValueError), (5, TypeError), (([], 1), TypeError)])
def test_update_stores_what_came_before_an_error(wrong, error):
    pairs = [(n, n) for n in range(700)]
    for source in [*pairs, wrong, (1000, 1)], iter([*pairs, wrong]), (pair for pair in [*pairs, wrong]):
        with EMDict() as d:
            with pytest.raises(error):
                d.update(source)
            assert list(d) == list(range(700))


# ---- Lists


@pytest.mark.parametrize("make", [list, tuple, iter, numpy.array, lambda i: numpy.array(i, "i2")[::1]])
def test_take_is_the_loop(items, make, rng):
    indices = [rng.randrange(-MANY, MANY) for _ in range(3 * MANY)]
    assert items.take(make(indices)) == [items[index] for index in indices]
    assert items.take(make([])) == []


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_take_by_arrays(items, kind):
    array = numpy.array([0, 5, 100, 5], dtype=kind)
    assert items.take(array) == [items[index] for index in array]
    assert items.take(array[::-2]) == [items[index] for index in array[::-2]]
    if kind[0] == "i":
        assert items.take(-array) == [items[-index] for index in array]


def test_take_by_ranges(items):
    for indices in (
        range(MANY),
        range(5, 900),
        range(7),
        range(3, 3),
        range(MANY - 1, -1, -1),
        range(0, MANY, 3),
        range(-5, 5),
        range(5, 3),
    ):
        assert items.take(indices) == [items[index] for index in indices]
    for indices in (
        range(MANY - 5, MANY + 1),
        range(MANY, MANY + 5),
        range(2**70, 2**70 + 3),
        range(-MANY - 1, 0),
    ):
        with pytest.raises(IndexError):
            items.take(indices)


def test_indices_that_are_refused_are_named(items):
    for indices, error, text in (
        ([0, MANY], IndexError, f"index #1 is {MANY}, the list has {MANY} elements"),
        ([*range(MANY), -MANY - 1], IndexError, f"index #{MANY} is {-MANY - 1}"),
        (numpy.array([2**63], "u8"), IndexError, "out of range"),
        ([0, 2**70], IndexError, "index #1: cannot fit"),
        ([0, "a"], TypeError, "index #1: 'str' object"),
        (numpy.array([0.0]), TypeError, "index #0: 'float' object"),
        (numpy.array([True]), TypeError, "flatnonzero"),
    ):
        with pytest.raises(error, match=text):
            items.take(indices)
        with pytest.raises(error):
            items.set_many(indices, [0] * len(indices))
        assert items.verify() == []


def test_set_many_of_a_list_is_the_loop(items, rng):
    model = items[:]
    indices = [rng.randrange(-MANY, MANY) for _ in range(3 * MANY)]
    values = [rng.choice((n, "x" * (n % 60), None, [n])) for n in range(3 * MANY)]
    items.set_many(indices, iter(values))
    for index, value in zip(indices, values, strict=True):
        model[index] = value
    assert items[:] == model
    items.set_many(numpy.array(indices), values)
    assert items[:] == model


def test_set_many_of_a_list_up_to_an_error(items):
    model = items[:]
    with pytest.raises(IndexError, match="index #700: "):
        items.set_many([*range(700), MANY, 0], ["new value"] * 702)
    model[:700] = ["new value"] * 700
    assert items[:] == model
    with pytest.raises(ValueError, match="the values ended first, after 2"):
        items.set_many([0, 1, 2], iter([5, 6]))
    assert items[:3] == [5, 6, "new value"]
    with pytest.raises(ValueError, match="as many values as indices, got 1 indices and 2 values"):
        items.set_many([0], [7, 8])
    with pytest.raises(ValueError, match="the indices ended first, after 1"):
        items.set_many(iter([0]), [7, 8])
    assert items[0] == 7


def test_extend_by_a_generator_that_looks():
    """It sees each element that came before, as with a list; and iterators over builtins go in chunks."""
    with EMList() as items:
        items.extend(len(items) for _ in range(1000))
        items.extend(zip(range(1000), (len(items) for _ in range(1000)), strict=True))
        assert items[:1000] == list(range(1000)) and items[-1] == (999, 1999)
        items.extend(zip("ab", [1, 2], strict=True))
        items.extend({5: 6}.items())
        items.extend({7})
        assert items[2000:] == [("a", 1), ("b", 2), (5, 6), 7]


# ---- Readers, threads, several containers


def test_readers_beside_a_writer_that_sets_many(path):
    """A group is of one commit; all of what a reader is given was committed at some time."""
    source = """
        import sys, pyrsistence
        with pyrsistence.EMDict(sys.argv[1], mode="r") as d, pyrsistence.EMList(sys.argv[2], mode="r") as l:
            keys = [*range(500), *map(str, range(500))]
            rounds = 0
            seen = set()
            while "stop" not in seen:
                values = d.get_many(keys)
                for group in values[64:500], values[500:576]:
                    assert len({str(v)[:8] for v in group}) == 1, "values of two commits in one group"
                assert all(d.contains_many(keys))
                taken = l.take(range(499, -1, -1))[64:]
                assert len({str(v)[:8] for v in taken}) == 1, "elements of two commits in one group"
                seen = {d.get("state")}
                rounds += 1
        print(rounds)
    """
    options = {"commit_interval": None}
    path.mkdir()
    with EMDict(path / "d", **options) as d, EMList(path / "l", **options) as items:
        keys = [*range(500), *map(str, range(500))]

        def write(n):
            value = f"{n:08d}" * (1 + n % 30)
            d.set_many(keys, [value] * len(keys))
            items.set_many(range(500), [value] * 500)
            d.commit()
            items.commit()

        items.extend([0] * 500)
        write(0)
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-c",
            textwrap.dedent(source),
            path / "d",
            path / "l",
        ]
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for n in range(1, 200):
            write(n)
        d["state"] = "stop"
        d.commit()
        output, _ = reader.communicate(timeout=LIMIT)
        assert reader.returncode == 0 and int(output) > 0


@pytest.mark.usefixtures("switch_often")
def test_threads_on_one_dict(path):
    keys = list(range(2000))
    with EMDict(path, commit_interval=None) as d, EMList(None, keys) as items:

        def write(first):
            for n in range(10):
                d.set_many(keys[first::3], [(first, n)] * len(keys[first::3]))
                d.commit()

        def pop():
            return sum(value is not None for _ in range(10) for value in d.pop_many(keys))

        def read():
            for _ in range(10):
                found = zip(keys, d.get_many(keys), strict=True)
                assert all(value is None or value[0] == key % 3 for key, value in found)
                assert items.take(keys) == keys

        together(*(lambda first=first: write(first) for first in range(3)), pop, pop, read)
        assert d.verify() == []


@pytest.mark.usefixtures("switch_often")
def test_each_value_is_popped_once(path):
    with EMDict(path, zip(range(3000), range(3000), strict=True)) as d:
        popped = together(*[lambda: d.pop_many(range(3000))] * 4)
        assert sorted(n for part in popped for n in part if n is not None) == list(range(3000))
        assert len(d) == 0


def test_containers_of_one_store(path):
    with Store(path) as store:
        names, lines = store.dict("names"), store.list("lines")
        lines.extend(range(MANY))
        names.set_many(lines, lines)
        assert names.get_many(lines) == lines.take(lines) == lines[:]
        names.update(zip(lines, names.values(), strict=True))
        lines.set_many(iter(names), names.values())
        assert names.pop_many(lines) == lines[:]
        assert lines[:] == list(range(MANY)) and len(names) == 0
        assert store.verify() == []


@pytest.mark.parametrize(
    "call",
    [
        "pyrsistence.EMDict().set_many(repeat(1), repeat(2))",
        "pyrsistence.EMDict().contains_many(repeat(1))",
        "pyrsistence.EMDict().update(repeat((1, 2)))",
        "pyrsistence.EMList(None, [1]).set_many(repeat(0), repeat(2))",
        "pyrsistence.EMList(None, [1]).take(repeat(0))",
        "pyrsistence.EMList().extend(zip(range(10**9), range(10**9)))",
    ],
)
def test_other_threads_and_signals_get_in(run_python, call):
    """Between two groups: another thread sends the signal that ends a batch without end."""
    source = f"""
import os, signal, threading, pyrsistence
from itertools import repeat
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run_python(source) == "interrupted\n"
