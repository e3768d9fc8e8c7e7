"""Iterators and views: order, changes under way, ends, rollbacks."""

import collections.abc
import operator

import pytest

from pyrsistence import EMDict, EMList

CHANGES = {
    "insert": lambda d: d.__setitem__("new", 1),
    "delete": lambda d: d.__delitem__("b"),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "clear": lambda d: d.clear(),
    "update": lambda d: d.update(x=1, y=2),
}
WALKS = {
    "iter": iter,
    "keys": lambda d: iter(d.keys()),
    "values": lambda d: iter(d.values()),
    "items": lambda d: iter(d.items()),
    "reversed": reversed,
    "reversed items": lambda d: reversed(d.items()),
}


@pytest.fixture
def d():
    with EMDict(None, {"a": 1, "b": 2, "c": 3}) as d:
        yield d


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("change", CHANGES)
def test_change_of_size_while_iterating(d, walk, change):
    iterator = WALKS[walk](d)
    next(iterator)
    CHANGES[change](d)
    with pytest.raises(RuntimeError, match="changed"):
        next(iterator)
    with pytest.raises(RuntimeError, match="changed"):  # and it stays so, as dict's
        next(iterator)


@pytest.mark.parametrize("walk", WALKS)
def test_new_value_while_iterating(d, walk):
    seen = 0
    for _ in WALKS[walk](d):
        d["b"] = "b" * 5000  # too large for its place: the record refers to it
        seen += 1
    assert seen == 3


def test_rollback_while_iterating(d):
    iterator = iter(d)
    next(iterator)
    with pytest.raises(ZeroDivisionError):
        with d.transaction():
            inside = iter(d)
            d["x"] = 1
            inside = iter(d)
            next(inside)
            1 / 0
    for walk in (iterator, inside):
        try:
            rest = list(walk)
        except RuntimeError:
            continue
        assert rest == ["b", "c"]


def test_clear_while_iterating_a_large_dict():
    with EMDict(None, ((n, n) for n in range(10_000))) as d:
        iterator = iter(d.items())
        assert next(iterator) == (0, 0)
        d.clear()
        with pytest.raises(RuntimeError):
            next(iterator)


def test_exhausted_iterator_stays_exhausted(d):
    iterator = iter(d)
    assert list(iterator) == ["a", "b", "c"]
    d["d"] = 4
    assert list(iterator) == []


def test_length_hint(d):
    iterator = iter(d)
    assert operator.length_hint(iterator) == 3
    next(iterator)
    assert operator.length_hint(iterator) == 2
    assert operator.length_hint(iter(EMList(None, [1, 2]))) == 2


def test_views_are_live_and_set_like(d):
    keys, values, items = d.keys(), d.values(), d.items()
    assert isinstance(keys, collections.abc.KeysView)
    assert isinstance(values, collections.abc.ValuesView)
    assert isinstance(items, collections.abc.ItemsView)
    del d["a"]
    d["z"] = 26
    assert list(keys) == ["b", "c", "z"]
    assert list(values) == [2, 3, 26]
    assert list(items) == [("b", 2), ("c", 3), ("z", 26)]
    assert (len(keys), len(values), len(items)) == (3, 3, 3)
    assert keys & {"b", "q"} == {"b"}
    assert {"b", "q"} & keys == {"b"}
    assert keys | ["q"] == {"b", "c", "z", "q"}
    assert keys - {"b"} == {"c", "z"}
    assert keys ^ {"b", "q"} == {"c", "z", "q"}
    assert keys == {"b", "c", "z"} == set(keys)
    assert keys >= {"b"}
    assert not keys.isdisjoint(["z"])
    assert ("b", 2) in items
    assert ("b", 3) not in items
    assert ("b",) not in items
    assert items & {("b", 2)} == {("b", 2)}
    assert keys.mapping["z"] == 26
    assert 26 in values
    assert list(reversed(items)) == [("z", 26), ("c", 3), ("b", 2)]


def test_order_is_that_of_insertion(d):
    d["a"] = 10  # a new value keeps the place
    del d["b"]
    d["b"] = 20  # a new entry goes to the end
    assert list(d) == ["a", "c", "b"]
    assert d.popitem() == ("b", 20)
    assert list(d.items()) == [("a", 10), ("c", 3)]


def test_list_iterator_sees_growth_and_ends_for_good():
    with EMList(None, [1, 2]) as items:
        iterator = iter(items)
        assert next(iterator) == 1
        items.append(3)
        assert list(iterator) == [2, 3]
        items.append(4)
        assert list(iterator) == []
        for n in items:  # shrinking: as list's
            if n == 2:
                items.clear()
        assert list(items) == []


def test_list_changed_by_the_comparison_of_its_elements():
    class Emptying:
        def __eq__(self, other):
            items.clear()
            return False

        __hash__ = None

    for call in (lambda: items.index(Emptying()), lambda: items.remove(Emptying())):
        with EMList(None, range(100)) as items:
            with pytest.raises(ValueError):
                call()
    with EMList(None, range(100)) as items:
        assert items.count(Emptying()) == 0
    with EMList(None, range(100)) as items:
        assert Emptying() not in items


def test_abstract_base_classes():
    assert issubclass(EMDict, collections.abc.MutableMapping)
    assert issubclass(EMList, collections.abc.MutableSequence)


def test_repr_is_bounded():
    with EMDict(None, ((n, "v" * 1000) for n in range(5000))) as d:
        assert len(repr(d)) < 10_000
    with EMList(None, range(1_000_000)) as items:
        assert len(repr(items)) < 10_000


def test_unhashable_like_the_builtins(d):
    with pytest.raises(TypeError, match="unhashable"):
        hash(d)
    with EMList() as items, pytest.raises(TypeError, match="unhashable"):
        hash(items)
