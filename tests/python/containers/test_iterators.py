"""Iterators of all kinds: what they belong to, copies of them, and threads that share one."""

import concurrent.futures
import copy
import pickle
import sys

import pytest

import pyrsistence
from pyrsistence import EMArray, EMDeque, EMDict, EMList, EMSet, EMShadowMemory, EMTypedDict, EMTypedSet


def numbers(container):
    container.update({n: n for n in range(1000)})


def elements(container):
    container.extend(range(1000))


def members(container):
    container.update(range(1000))


def vertices(graph):
    graph.add_edges_from((0, n) for n in range(1, 1000))


def addresses(shadow):
    shadow.add_range(0, 4000)
    for begin in range(0, 4000, 4):
        shadow.mark(begin, 2, 1)


def array():
    pytest.importorskip("numpy")
    return EMArray(None, "u8")


def graph():
    pytest.importorskip("networkx")
    return pyrsistence.EMGraph()


def some_of_a_set(wanted):
    """Those that another has too, or has not."""
    return lambda container: container._joined(EMSet(None, range(0, 2000, 2)), wanted)


def typed():
    return EMTypedDict(key="u8", value="u8")


def typed_set():
    return EMTypedSet(dtype="u8")


# How a container is made and filled, and what walks it.
WALKED = {
    "dict": (EMDict, numbers, iter),
    "dict, items": (EMDict, numbers, lambda d: iter(d.items())),
    "dict, values backwards": (EMDict, numbers, lambda d: reversed(d.values())),
    "typed dict": (typed, numbers, iter),
    "typed dict, items": (typed, numbers, lambda d: iter(d.items())),
    "typed dict, backwards": (typed, numbers, reversed),
    "list": (EMList, elements, iter),
    "list, backwards": (EMList, elements, reversed),
    "deque": (EMDeque, elements, iter),
    "deque, backwards": (EMDeque, elements, reversed),
    "set": (EMSet, members, iter),
    "set, backwards": (EMSet, members, reversed),
    "set, in another": (EMSet, members, some_of_a_set(True)),
    "set, not in another": (EMSet, members, some_of_a_set(False)),
    "typed set": (typed_set, members, iter),
    "typed set, backwards": (typed_set, members, reversed),
    "array": (array, elements, iter),
    "array, backwards": (array, elements, reversed),
    "shadow memory": (EMShadowMemory, addresses, lambda s: iter(s.ranges(1))),
    "graph": (graph, vertices, iter),
    "graph, backwards": (graph, vertices, lambda g: reversed(g._adj)),
    "neighbours": (graph, vertices, lambda g: iter(g[0])),
}
# Not generators, which neither copy nor may be shared.
OF_THE_CORE = [name for name in WALKED if not name.startswith(("array", "shadow"))]


def filled(name):
    make, fill, walk = WALKED[name]
    container = make()
    fill(container)
    return container, fill, walk


@pytest.mark.parametrize("taken", [0, 1, 300])
@pytest.mark.parametrize("name", WALKED)
def test_an_iterator_is_of_what_was_open_when_it_began(name, taken, tmp_path):
    """Also where what is opened has changed as often, so that its version is the same."""
    container, fill, walk = filled(name)
    iterator = walk(container)
    for _ in range(taken):
        next(iterator)
    container.close()
    options = {"dtype": "u8"} if name.startswith(("array", "typed set")) else {}
    if name.startswith("typed dict"):
        options = {"key": "u8", "value": "u8"}
    container.__init__(tmp_path / "other", **options)
    fill(container)
    # A graph's was of its storage.
    with pytest.raises((RuntimeError, ValueError), match="changed|closed|mutated"):
        list(iterator)
    assert len(list(walk(container))) >= (500 if "another" in name else 999)
    container.close()


@pytest.mark.parametrize("name", OF_THE_CORE)
def test_iterators_copy_and_pickle(name):
    """As the builtins' do: as what is left."""
    container, _, walk = filled(name)
    for taken in (0, 1, 300, 2000):
        iterator = walk(container)
        for _ in zip(range(taken), iterator, strict=False):
            pass
        others = [copy.copy(iterator), copy.deepcopy(iterator)]
        others += [pickle.loads(pickle.dumps(iterator, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
        rest = list(iterator)
        assert all(list(other) == rest for other in others)
    container.close()


class Sluggish(complex):
    """A key whose decoding runs code, so that other threads come in."""

    def __reduce__(self):
        return Sluggish, (complex(self),)


@pytest.mark.parametrize("name", OF_THE_CORE)
def test_iterators_shared_by_threads(name):
    """Each element is given to one of them, and none is lost."""
    container, _, walk = filled(name)
    slow = [Sluggish(n, 1) for n in range(300)]
    if name.startswith("dict"):
        container.update((n, n) for n in slow)
    elif name.startswith(("list", "deque")):
        container.extend(slow)
    elif name.startswith("set"):
        container.update(slow)
    elif name in ("graph", "graph, backwards", "neighbours"):
        container.add_edges_from((0, n) for n in slow)
    expected = list(walk(container))
    iterator = walk(container)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            parts = [pool.submit(list, iterator) for _ in range(4)]
    finally:
        sys.setswitchinterval(interval)
    given = [element for part in parts for element in part.result()]
    assert sorted(map(repr, given)) == sorted(map(repr, expected))
    container.close()
