"""repr() of a container, whatever is in it: short, at once, and without an exception."""

import collections
import dataclasses

import pytest

from pyrsistence import EMDeque, EMDict, EMList, EMSet


class Broken:
    """It is pickled, and cannot be unpickled."""

    def __reduce__(self):
        return int, ("no number",)


class BrokenKey(int):
    def __reduce__(self):
        return int, ("no number",)


def test_what_cannot_be_unpickled_is_shown_as_that():
    with EMDict(None, {1: Broken(), BrokenKey(2): 3, 4: 5}) as d, EMList(None, [1, Broken(), 3]) as items:
        assert repr(d).startswith("EMDict({1: <ValueError: invalid literal")
        assert "4: 5}" in repr(d) and repr(d).count("ValueError") == 2
        assert repr(items).startswith("EMList([1, <ValueError: invalid literal") and ", 3]" in repr(items)
    with EMSet(None, [1, BrokenKey(2), 3]) as s:
        assert repr(s).startswith("EMSet({1, <ValueError: invalid literal") and ", 3}, path=" in repr(s)


def test_a_deque():
    with EMDeque(None, [1, Broken(), 3]) as d:
        assert repr(d).startswith("EMDeque([1, <ValueError: invalid literal") and ", 3], path=" in repr(d)
    with EMDeque(maxlen=500) as d:
        assert repr(d) == f"EMDeque([], maxlen=500, path={d.path!r})"
        d.extend(range(1000))
        shown = ", ".join(map(str, range(500, 510)))
        assert repr(d) == f"EMDeque([{shown}, ... 490 more], maxlen=500, path={d.path!r})"
    assert repr(d).startswith("<closed EMDeque")


def test_a_set():
    with EMSet() as s:
        assert repr(s) == f"EMSet(set(), path={s.path!r})"
        s.update(range(1000))
        assert repr(s) == f"EMSet({{{', '.join(map(str, range(10)))}, ... 990 more}}, path={s.path!r})"
    assert repr(s).startswith("<closed EMSet")


@dataclasses.dataclass
class Holder:
    first: object
    second: object


Pair = collections.namedtuple("Pair", "first second")


class Raising:
    def __repr__(self):
        raise ZeroDivisionError("mine")


def nested(make, depth):
    value = make(1, 2)
    for _ in range(depth):
        value = make(value, value)
    return value


def cyclic():
    cycle = []
    cycle.append(Holder(1, cycle))
    return cycle


def deep():
    value = []
    for _ in range(150):
        value = [value]
    return value


# Each a few hundred bytes, or one long atom.
VALUES = {
    "lists that share their parts": lambda: nested(lambda *parts: [*parts], 60),
    "wide ones": lambda: nested(lambda a, b: [a, b] * 3, 60),
    "tuples": lambda: nested(lambda *parts: parts, 60),
    "dicts": lambda: nested(lambda a, b: {1: a, 2: b}, 60),
    "objects": lambda: nested(Holder, 60),
    "named tuples": lambda: nested(Pair, 60),
    "ordered dicts": lambda: nested(lambda a, b: collections.OrderedDict([(1, a), (2, b)]), 60),
    "an object in a list": lambda: [nested(Holder, 60)],
    "a cycle": cyclic,
    "a cycle through an object": lambda: cyclic()[0],
    "deep": deep,
    "a large int": lambda: 10**5000,
    "long bytes": lambda: b"x" * 10**6,
    "long bytearray": lambda: bytearray(10**6),
    "a long key": lambda: {"k" * 10**6: 1},
    "a repr that raises": Raising,
}


@pytest.mark.parametrize("name", VALUES)
def test_it_is_short_whatever_the_value_is(name):
    value = VALUES[name]()
    with EMList(None, [value]) as items, EMDict(None, {1: value}) as d, EMDeque(None, [value]) as queue:
        assert len(repr(items)) < 1000 and len(repr(d)) < 1000 and len(repr(queue)) < 1000
        assert type(items[0]) is type(d[1]) is type(value)
    if isinstance(value, (int, bytes)):
        with EMSet(None, [value]) as s:
            assert len(repr(s)) < 1000
