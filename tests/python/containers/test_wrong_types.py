"""Arguments of wrong types: an exception that says what is wrong, in the words of this package or of Python.

Not in those of the binding library ("incompatible function arguments", with C++ types), and no SystemError.
"""

import inspect
import itertools

import pytest

import pyrsistence
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

WRONG = [
    None,
    5,
    -1,
    2**70,
    1.5,
    float("nan"),
    "\ud800",
    "text",
    b"bytes",
    [],
    [None],
    object(),
    print,
    NotImplemented,
]
# What would wait, print, or leave the process changed.
LEFT_OUT = {"migrate", "set_memory_budget"}


def filled(container):
    if isinstance(container, EMTypedDict):
        container.update({1: 2})
    elif isinstance(container, EMDict):
        container.update({1: None, None: [1]})
    elif isinstance(container, (EMList, EMDeque)):
        container.extend([None, [1]])
    elif isinstance(container, EMTypedSet):
        container.update([1, 2])
    elif isinstance(container, EMSet):
        container.update([None, (1,)])
    elif isinstance(container, EMArray):
        container.extend([1, 2])
    elif isinstance(container, EMShadowMemory):
        container.add_range(0, 9)
    return container


def graph():
    pytest.importorskip("networkx")
    made = pyrsistence.EMGraph()
    made.add_edge(1, 2)
    return made


MAKERS = {
    "dict": EMDict,
    "dict, cache": lambda: EMDict(None, cache=3),
    "typed dict": lambda: EMTypedDict(key="u8", value="u8"),
    "list": EMList,
    "list, cache": lambda: EMList(None, cache=3),
    "set": EMSet,
    "typed set": lambda: EMTypedSet(dtype="u8"),
    "deque": EMDeque,
    "deque, bounded": lambda: EMDeque(None, maxlen=3, cache=3),
    "array": lambda: EMArray(None, "u8"),
    "shadow memory": EMShadowMemory,
    "graph": graph,
    "store": lambda: Store(None),
}
CONSTRUCTORS = [EMDict, EMList, EMSet, EMDeque, EMTypedDict, EMTypedSet, EMArray, EMShadowMemory, Store]


def check(call, *arguments, **named):
    """Whatever it raises is said clearly."""
    try:
        result = call(*arguments, **named)
        if hasattr(result, "__enter__") and not isinstance(result, (EMDict, EMList, EMSet, EMDeque, Store)):
            with result:
                pass
        elif inspect.isgenerator(result):
            list(itertools.islice(result, 3))
    except SystemError as error:
        pytest.fail(f"{call}({arguments}, {named}): {error!r}")
    except Exception as error:
        text = str(error)
        if "incompatible function arguments" in text or "Invoked with" in text or "std::" in text:
            pytest.fail(f"{call}({arguments}, {named}): {text.splitlines()[0]}")
    else:
        if hasattr(result, "close") and hasattr(result, "verify"):
            result.close()


@pytest.mark.parametrize("kind", MAKERS)
def test_methods(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a path of a wrong type may be a right one after all
    container = filled(MAKERS[kind]())
    names = [name for name in dir(type(container)) if not name.startswith("_") and name not in LEFT_OUT]
    names += [
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__contains__",
        "__eq__",
        "__lt__",
        "__add__",
        "__mul__",
    ]
    names += ["__imul__", "__iadd__", "__or__", "__ior__", "__ror__", "__and__", "__rand__", "__iand__"]
    names += ["__sub__", "__rsub__", "__isub__", "__xor__", "__rxor__", "__ixor__", "__le__", "__gt__"]
    names += ["_add_all", "_discard_all", "_joined"]
    for name in names:
        method = getattr(type(container), name, None)
        if not callable(method) or isinstance(method, type) or name in ("close", "open", "lock"):
            continue
        for count in (1, 2, 3):
            for first in WRONG:
                rest = [(), (None,), (None, None)][count - 1]
                check(method, container, first, *rest)
                check(method, container, *rest, first)
        if getattr(container, "closed", False):
            container = filled(MAKERS[kind]())
    container.close()


@pytest.mark.parametrize("cls", CONSTRUCTORS)
def test_constructors(cls):
    typed = {"key": "u8", "value": "u8"}
    needed = {EMTypedDict: typed, EMTypedSet: {"dtype": "u8"}, EMArray: {"dtype": "u8"}}.get(cls, {})
    for name in inspect.signature(cls.__init__).parameters:
        if name == "self" or name.startswith("_"):
            continue
        for value in WRONG:
            if name == "path" and (value is None or isinstance(value, (str, bytes))):
                continue
            check(cls, **{**needed, name: value})


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
def test_functions(value, tmp_path):
    before = pyrsistence.memory_budget()
    try:
        check(pyrsistence.set_memory_budget, value)
    finally:
        pyrsistence.set_memory_budget(before)
    for name in ("mode", "timeout", "snapshot_timeout", "commit_interval", "memory"):
        check(pyrsistence.open, tmp_path / f"{name}", **{name: value})
    with Store(None) as store:
        for kind in ("dict", "list", "set", "deque", "array", "shadow_memory", "drop"):
            check(getattr(store, kind), value)
        check(store.dict, "d", key=value)
        check(store.dict, "e", cache=value)
        check(store.array, "a", value)
        check(store.deque, "f", maxlen=value)


def test_the_budget_takes_what_memory_takes():
    before = pyrsistence.memory_budget()
    try:
        pyrsistence.set_memory_budget("256M")
        assert pyrsistence.memory_budget() == 256 << 20
        for wrong in ("much", None, True, 1.5):
            with pytest.raises((TypeError, ValueError), match="memory"):
                pyrsistence.set_memory_budget(wrong)
    finally:
        pyrsistence.set_memory_budget(before)


def test_edit_of_none():
    for cache in (0, 4):
        with EMDict(None, {"a": None, None: [1]}, cache=cache) as d:
            with d.edit("a") as value:
                assert value is None
            with d.edit(None) as value:
                value.append(2)
            assert d[None] == [1, 2]
        with EMList(None, [None], cache=cache) as items, items.edit(0) as value:
            assert value is None


def test_seconds_and_modes():
    for name in ("timeout", "snapshot_timeout"):
        for wrong in (None, "5", [], b""):
            with pytest.raises(TypeError, match=name):
                EMDict(None, **{name: wrong})
    with pytest.raises(TypeError, match="commit_interval"):
        EMDict(None, commit_interval="5")
    with pytest.raises(TypeError, match="mode"):
        EMDict("anywhere", mode=None)
    with Store(None) as store, pytest.raises(ValueError, match="UTF-8"):
        store.dict("\ud800")


LARGE = [2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 2**200]


@pytest.mark.parametrize("number", LARGE)
def test_large_numbers_are_refused_as_a_list_does(number):
    """At once, with the same exception, and without a change."""
    calls = {
        "pop": lambda v: v.pop(number),
        "insert": lambda v: v.insert(number, 1) if number > 2**63 else None,
        "get": lambda v: v[number],
        "set": lambda v: v.__setitem__(number, 1),
        "delete": lambda v: v.__delitem__(number),
        "repeat": lambda v: v.__imul__(number) if number > 2**62 else None,
        "slice": lambda v: v[number : number + 5],
    }
    for name, call in calls.items():
        plain = [4, 5, 6, 7]
        with EMList(None, plain) as items:
            expected = found = None
            try:
                call(plain)
            except (IndexError, OverflowError, MemoryError) as error:
                expected = type(error)
            try:
                call(items)
            except Exception as error:
                found = type(error)
            assert (name, found, items[:]) == (name, expected, plain)


def test_repeating_beyond_the_disk(path):
    with EMList(path, [1, 2]) as items:
        with pytest.raises(OSError, match="room"):
            items *= 2**45
        with pytest.raises(OSError, match="room"):
            items.extend(range(2**45))
        assert items == [1, 2]


def test_sort_asks_for_the_key_of_a_single_element():
    asked = []
    with EMList(None, [5]) as items:
        items.sort(key=asked.append)
        assert asked == items == [5]
        with pytest.raises(ZeroDivisionError):
            items.sort(key=lambda _: 1 / 0)


class CopiesItself(EMDict):
    """Its copy() gives one of its own."""

    def copy(self):
        return type(self)(None, dict(self))


class ListThatCopiesItself(EMList):
    def copy(self):
        return type(self)(None, list(self))


def test_what_copies_itself_is_stored_as_its_content():
    import copy

    with CopiesItself(None, {1: 2}) as d, ListThatCopiesItself(None, [3]) as items, EMDict() as outer:
        outer["d"], outer["items"] = d, [items]
        assert outer["d"] == {1: 2} and type(outer["d"]) is dict
        assert outer["items"] == [[3]]
        assert copy.deepcopy(d) == {1: 2} and copy.deepcopy(items) == [3]
