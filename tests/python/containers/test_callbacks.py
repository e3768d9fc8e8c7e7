"""Code of the caller's that a call runs may close the container, open another in its place, or change it.

Every method of every container is called with objects whose __index__, __hash__, __eq__, ... do so, and with
values that do so when they are unpickled. The call may raise; the process goes on, and the files are sound.
"""

import collections
import gc
import itertools
import os
import shutil
import sys
import tempfile
import threading

import pytest

import pyrsistence as em

np = pytest.importorskip("numpy")
nx = pytest.importorskip("networkx")

# What a finalizer runs into is not this module's matter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

# What happens when code of the caller's runs; the number of times it still may.
_act = [None, 0]


def meddle():
    act, left = _act
    if act is None or left == 0:
        return
    _act[1] -= 1
    act()


def revived(number):
    meddle()
    return Value(number)


class Value:
    """A value that is pickled, and meddles when it is unpickled."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        meddle()
        return revived, (self.number,)

    def __eq__(self, other):
        meddle()
        return self.number == getattr(other, "number", other)

    def __lt__(self, other):
        meddle()
        return self.number < getattr(other, "number", other)

    def __hash__(self):
        meddle()
        return hash(self.number)


class Argument(Value):
    """Whatever is asked for: a key, an index, a number, a text, a sequence."""

    def __reduce__(self):
        meddle()
        return int, (self.number,)

    def __index__(self):
        meddle()
        return self.number

    def __float__(self):
        meddle()
        return float(self.number)

    def __bool__(self):
        meddle()
        return True

    def __len__(self):
        meddle()
        return 1

    def __iter__(self):
        meddle()
        yield self.number

    def __str__(self):
        meddle()
        return "3"


class Pairs:
    """A mapping of the user's."""

    def keys(self):
        meddle()
        return iter([1, 2, 3])

    def __getitem__(self, key):
        meddle()
        return key


def drawn(*values):
    """A generator."""
    for value in values:
        meddle()
        yield value


def walk(iterator):
    for _ in iterator:
        meddle()


def told(*_):
    meddle()


def rebuilt(form):
    meddle()
    return form


def edited(container, key):
    with container.edit(key):
        meddle()


DICT = {
    "get item": lambda d, a: d[a],
    "set key": lambda d, a: d.__setitem__(a, 1),
    "set value": lambda d, a: d.__setitem__(1, a),
    "set both": lambda d, a: d.__setitem__(a, Argument(4)),
    "delete": lambda d, a: d.__delitem__(a),
    "contains": lambda d, a: a in d,
    "get": lambda d, a: d.get(a, a),
    "pop": lambda d, a: d.pop(a, None),
    "popitem": lambda d, a: d.popitem(),
    "setdefault key": lambda d, a: d.setdefault(a, 1),
    "setdefault value": lambda d, a: d.setdefault(99, a),
    "update pairs": lambda d, a: d.update([(a, 1), (2, a), (a, a)]),
    "update drawn": lambda d, a: d.update(drawn((1, 1), (a, a), (3, 3))),
    "update mapping": lambda d, a: d.update(Pairs()),
    "get many": lambda d, a: d.get_many([1, a, 2]),
    "get many drawn": lambda d, a: d.get_many(drawn(1, a, 2)),
    "contains many": lambda d, a: d.contains_many([1, a]),
    "set many": lambda d, a: d.set_many([1, a], [a, 2]),
    "set many drawn": lambda d, a: d.set_many(drawn(1, a), drawn(a, 2)),
    "items contain": lambda d, a: ((a, 1) in d.items(), (1, a) in d.items()),
    "values contain": lambda d, a: a in d.values(),
    "equal": lambda d, a: d == {1: a, 2: a, 3: a, 4: a},
    "or": lambda d, a: d | {a: 1},
    "edit": lambda d, a: edited(d, 1),
    "copy": lambda d, a: d.copy(),
    "repr": lambda d, a: repr(d),
    "keys": lambda d, a: walk(d),
    "values": lambda d, a: walk(d.values()),
    "items": lambda d, a: walk(d.items()),
    "reversed": lambda d, a: walk(reversed(d)),
    "iterator's list": lambda d, a: iter(d.items()).__reduce__(),
    "set-like": lambda d, a: d.keys() & {a, 1},
    "compact": lambda d, a: d.compact(progress=told),
}
LIST = {
    "get item": lambda v, a: v[a],
    "get slice": lambda v, a: v[a : Argument(9)],
    "set index": lambda v, a: v.__setitem__(a, 1),
    "set value": lambda v, a: v.__setitem__(0, a),
    "set slice": lambda v, a: v.__setitem__(slice(a, Argument(9)), drawn(1, a, 2)),
    "set stride": lambda v, a: v.__setitem__(slice(0, 4, 2), drawn(a, a)),
    "delete": lambda v, a: v.__delitem__(a),
    "delete slice": lambda v, a: v.__delitem__(slice(a, Argument(9))),
    "contains": lambda v, a: a in v,
    "index": lambda v, a: v.index(a, a, Argument(9)),
    "count": lambda v, a: v.count(a),
    "remove": lambda v, a: v.remove(a),
    "pop": lambda v, a: v.pop(a),
    "pop last": lambda v, a: v.pop(),
    "insert": lambda v, a: v.insert(a, a),
    "append": lambda v, a: v.append(a),
    "extend": lambda v, a: v.extend([1, a, 2]),
    "extend drawn": lambda v, a: v.extend(drawn(1, a, 2)),
    "add in place": lambda v, a: v.__iadd__(drawn(1, a)),
    "repeat in place": lambda v, a: v.__imul__(a),
    "repeat": lambda v, a: v * a,
    "take": lambda v, a: v.take([0, a, 1]),
    "take drawn": lambda v, a: v.take(drawn(0, a)),
    "set many": lambda v, a: v.set_many([0, a], [a, 1]),
    "set many drawn": lambda v, a: v.set_many(drawn(0, a), drawn(a, 1)),
    "sort": lambda v, a: v.sort(),
    "sort by key": lambda v, a: v.sort(key=Argument),
    "sort by told": lambda v, a: v.sort(key=lambda x: (meddle(), 1)[1], reverse=True),
    "equal": lambda v, a: v == [a] * len(v),
    "less": lambda v, a: v < [a] * len(v),
    "edit": lambda v, a: edited(v, 0),
    "copy": lambda v, a: v.copy(),
    "repr": lambda v, a: repr(v),
    "walk": lambda v, a: walk(v),
    "reversed": lambda v, a: walk(reversed(v)),
    "iterator's list": lambda v, a: iter(v).__reduce__(),
    "compact": lambda v, a: v.compact(progress=told),
}
DEQUE = {
    "get item": lambda d, a: d[a],
    "set index": lambda d, a: d.__setitem__(a, 1),
    "set value": lambda d, a: d.__setitem__(0, a),
    "delete": lambda d, a: d.__delitem__(a),
    "contains": lambda d, a: a in d,
    "index": lambda d, a: d.index(a, a, Argument(9)),
    "count": lambda d, a: d.count(a),
    "remove": lambda d, a: d.remove(a),
    "pop": lambda d, a: d.pop(),
    "pop left": lambda d, a: d.popleft(),
    "insert": lambda d, a: d.insert(a, a),
    "append": lambda d, a: d.append(a),
    "append left": lambda d, a: d.appendleft(a),
    "extend": lambda d, a: d.extend([1, a, 2]),
    "extend drawn": lambda d, a: d.extend(drawn(1, a, 2)),
    "extend left": lambda d, a: d.extendleft([1, a, 2]),
    "extend left drawn": lambda d, a: d.extendleft(drawn(1, a, 2)),
    "add in place": lambda d, a: d.__iadd__(drawn(1, a)),
    "repeat in place": lambda d, a: d.__imul__(a),
    "repeat": lambda d, a: d * a,
    "rotate": lambda d, a: d.rotate(a),
    "equal": lambda d, a: d == collections.deque([a] * len(d)),
    "less": lambda d, a: d < collections.deque([a] * len(d)),
    "edit": lambda d, a: edited(d, 0),
    "copy": lambda d, a: d.copy(),
    "repr": lambda d, a: repr(d),
    "walk": lambda d, a: walk(d),
    "reversed": lambda d, a: walk(reversed(d)),
    "iterator's list": lambda d, a: iter(d).__reduce__(),
    "compact": lambda d, a: d.compact(progress=told),
}
SET = {
    "add": lambda s, a: s.add(a),
    "contains": lambda s, a: a in s,
    "contains a set": lambda s, a: {a} in s,
    "discard": lambda s, a: s.discard(a),
    "remove": lambda s, a: s.remove(a),
    "pop": lambda s, a: s.pop(),
    "contains many": lambda s, a: s.contains_many([1, a]),
    "contains many drawn": lambda s, a: s.contains_many(drawn(1, a, 2)),
    "update": lambda s, a: s.update([7, a, 8]),
    "update drawn": lambda s, a: s.update(drawn(7, a, 8), [a]),
    "update by a set": lambda s, a: s.update(em.EMSet(None, [7, a, Value(9)])),
    "intersection update": lambda s, a: s.intersection_update([1, a], drawn(1, a)),
    "difference update": lambda s, a: s.difference_update([1, a]),
    "difference update drawn": lambda s, a: s.difference_update(drawn(1, a), [a]),
    "difference update by a set": lambda s, a: s.difference_update(em.EMSet(None, [1, Value(7)])),
    "symmetric update": lambda s, a: s.symmetric_difference_update(drawn(1, a, 9)),
    "union": lambda s, a: s.union([a], drawn(1, a)),
    "union with out": lambda s, a: s.union(drawn(1, a), em.EMSet(None, [a, 9]), out=em.EMSet()),
    "intersection": lambda s, a: s.intersection([1, a], drawn(1, a)),
    "intersection of sets": lambda s, a: s.intersection(em.EMSet(None, [1, a, Value(7)])),
    "difference": lambda s, a: s.difference(drawn(1, a), [a]),
    "difference of sets": lambda s, a: s.difference(em.EMSet(None, [1, a, 9]), out=em.EMSet()),
    "symmetric difference": lambda s, a: s.symmetric_difference(drawn(1, a, 9)),
    "is disjoint": lambda s, a: s.isdisjoint(drawn(8, a)),
    "is subset": lambda s, a: s.issubset(drawn(*range(9), a)),
    "is superset": lambda s, a: s.issuperset(drawn(1, a)),
    "equal": lambda s, a: s == {1, a, "text", 9, 10},
    "less": lambda s, a: s < {a, *range(9)},
    "and": lambda s, a: s & {1, a},
    "taken from": lambda s, a: {1, a} - s,
    "xor in place": lambda s, a: s.__ixor__({1, a, 9}),
    "copy": lambda s, a: s.copy(),
    "repr": lambda s, a: repr(s),
    "walk": lambda s, a: walk(s),
    "reversed": lambda s, a: walk(reversed(s)),
    "iterator's list": lambda s, a: iter(s).__reduce__(),
    "compact": lambda s, a: s.compact(progress=told),
}
TYPED = {
    **DICT,
    "set default": lambda d, a: d.setdefault(a, a),
    "add many": lambda d, a: d.add_many([1, a], [a, 1]),
    "add many drawn": lambda d, a: d.add_many(drawn(1, a), drawn(a, 1)),
    "keys array": lambda d, a: d.keys_array(),
    "get many array": lambda d, a: d.get_many(np.array([1, 2]), default=a),
}
TYPED_SET = {
    **SET,
    "add many": lambda s, a: s.add_many([7, a, 9]),
    "add many drawn": lambda s, a: s.add_many(drawn(7, a, 9)),
    "discard many": lambda s, a: s.discard_many([1, a]),
    "discard many drawn": lambda s, a: s.discard_many(drawn(1, a)),
    "to array": lambda s, a: s.to_array(),
    "union of arrays": lambda s, a: s.union(np.array([7, 8]), drawn(a)),
    "sets of one type": lambda s, a: s.intersection(em.EMSet(None, [1, 2], dtype=s.dtype), drawn(a)),
}
ARRAY = {
    "get item": lambda v, a: v[a],
    "get slice": lambda v, a: v[a : Argument(9)],
    "set index": lambda v, a: v.__setitem__(a, 1),
    "set value": lambda v, a: v.__setitem__(0, a),
    "set both": lambda v, a: v.__setitem__(a, Argument(7)),
    "set slice": lambda v, a: v.__setitem__(slice(a, Argument(5)), [1, 2]),
    "set slice of objects": lambda v, a: v.__setitem__(slice(0, 2), [a, a]),
    "get fancy": lambda v, a: v[[0, a]],
    "set fancy": lambda v, a: v.__setitem__([0, a], a),
    "delete": lambda v, a: v.__delitem__(a),
    "append": lambda v, a: v.append(a),
    "extend": lambda v, a: v.extend([1, a, 2]),
    "extend drawn": lambda v, a: v.extend(drawn(1, a, 2)),
    "resize": lambda v, a: v.resize(a),
    "index": lambda v, a: v.index(a),
    "count": lambda v, a: v.count(a),
    "contains": lambda v, a: a in v,
    "equal": lambda v, a: v == [a] * len(v),
    "walk": lambda v, a: walk(v),
    "reversed": lambda v, a: walk(reversed(v)),
    "view": lambda v, a: (v.view(), meddle()),
    "compact": lambda v, a: v.compact(progress=told),
}
SHADOW = {
    "get item": lambda s, a: s[a],
    "get slice": lambda s, a: s[a : Argument(9)],
    "set item": lambda s, a: s.__setitem__(a, 1),
    "set value": lambda s, a: s.__setitem__(1, a),
    "set slice": lambda s, a: s.__setitem__(slice(a, Argument(9)), a),
    "mark": lambda s, a: s.mark(a, Argument(9), Argument(1)),
    "unmark": lambda s, a: s.unmark(a, Argument(9), a),
    "assign": lambda s, a: s.assign(a, Argument(9), Argument(1)),
    "is marked": lambda s, a: s.is_marked(a, Argument(9), a),
    "count": lambda s, a: s.count(a, Argument(9), a),
    "add range": lambda s, a: s.add_range(Argument(1000), Argument(2000)),
    "add ranges": lambda s, a: s.add_ranges(drawn((1000, 2000), (Argument(3000), 4000))),
    "next marked": lambda s, a: s.next_marked(a),
    "find": lambda s, a: s.find(a),
    "ranges": lambda s, a: walk(s.ranges()),
    "compact": lambda s, a: s.compact(progress=told),
}
GRAPH = {
    "add node": lambda g, a: g.add_node(a, weight=a),
    "add nodes": lambda g, a: g.add_nodes_from(drawn(1, a, (a, {"x": 1}))),
    "add edge": lambda g, a: g.add_edge(a, Argument(2), weight=a),
    "add edges": lambda g, a: g.add_edges_from(drawn((1, a), (a, 2, {"x": a}))),
    "has node": lambda g, a: a in g,
    "has edge": lambda g, a: g.has_edge(a, Argument(2)),
    "remove node": lambda g, a: g.remove_node(a),
    "remove edge": lambda g, a: g.remove_edge(a, Argument(2)),
    "neighbours": lambda g, a: walk(g[a]),
    "attributes": lambda g, a: g.nodes[a].update(x=a),
    "edge attributes": lambda g, a: g.edges[1, 2].update(x=a),
    "graph attributes": lambda g, a: g.graph.update(x=a),
    "walk": lambda g, a: walk(g),
    "reversed": lambda g, a: walk(reversed(g._adj)),
    "walk nodes": lambda g, a: walk(g.nodes(data=True)),
    "walk edges": lambda g, a: walk(g.edges(data=True)),
    "iterator's list": lambda g, a: iter(g._adj).__reduce__(),
    "copy": lambda g, a: g.copy().close(),
    "compact": lambda g, a: g.compact(progress=told),
}


def filled_dict(d):
    d.update({n: Value(n) for n in range(5)})


def filled_typed(d):
    d.update({n: n for n in range(5)} if d.value_dtype.kind == "u" else {n: str(n) for n in range(5)})


def filled_list(v):
    v.extend([3, Value(2), "text of some length", Value(1), 5, Value(7)])


def filled_set(s):
    s.update([1, Value(2), "text of some length", 5, Value(7)])


def filled_typed_set(s):
    s.update(range(5) if s.dtype.kind in "uf" else [str(n).encode() for n in range(5)])


def filled_array(v):
    v.extend(range(8))


def filled_shadow(s):
    s.add_range(0, 100)
    s.mark(3, 9, 1)


def filled_graph(g):
    g.add_edges_from([(0, 1), (1, 2), (2, 3), (0, 3)], weight=1)
    g.nodes[3]["value"] = Value(1)


# Each kind: its calls, how it is filled, and how `c` becomes one of that kind, or of another, at a path.
KINDS = {
    "dict": (DICT, filled_dict, em.EMDict, {}, {"key": lambda key: (meddle(), str(key))[1]}),
    "dict, writeback": (DICT, filled_dict, em.EMDict, {"writeback": True}, {}),
    "dict, cache": (DICT, filled_dict, em.EMDict, {"cache": 3}, {"writeback": True}),
    "dict, rebuilt keys": (
        DICT,
        filled_dict,
        em.EMDict,
        {"key": (str, rebuilt)},
        {},
    ),
    "typed dict": (
        TYPED,
        filled_typed,
        em.EMTypedDict,
        {"key": "u8", "value": "u8"},
        {"key": "U9", "value": "S900"},
    ),
    "typed dict, wide": (
        TYPED,
        filled_typed,
        em.EMTypedDict,
        {"key": "f4", "value": "U200"},
        {"key": [("a", "u8"), ("b", "f8")], "value": "u1"},
    ),
    "list": (LIST, filled_list, em.EMList, {}, {"writeback": True}),
    "list, writeback": (LIST, filled_list, em.EMList, {"writeback": True}, {"cache": 3}),
    "list, cache": (LIST, filled_list, em.EMList, {"cache": 3}, {}),
    "set": (SET, filled_set, em.EMSet, {}, {"key": lambda element: (meddle(), str(element))[1]}),
    "set, rebuilt elements": (SET, filled_set, em.EMSet, {"key": (str, rebuilt)}, {}),
    "typed set": (TYPED_SET, filled_typed_set, em.EMTypedSet, {"dtype": "u8"}, {"dtype": "S900"}),
    "typed set, wide": (TYPED_SET, filled_typed_set, em.EMTypedSet, {"dtype": "f4"}, {"dtype": "u8"}),
    "deque": (DEQUE, filled_list, em.EMDeque, {}, {"writeback": True}),
    "deque, bounded": (DEQUE, filled_list, em.EMDeque, {"maxlen": 6, "cache": 3}, {"maxlen": 7}),
    "deque, writeback": (DEQUE, filled_list, em.EMDeque, {"writeback": True}, {"cache": 3}),
    "array": (ARRAY, filled_array, em.EMArray, {"dtype": "u8"}, {"dtype": "u1"}),
    "array, small": (ARRAY, filled_array, em.EMArray, {"dtype": "u1"}, {"dtype": "f8", "shape_tail": (200,)}),
    "shadow memory": (SHADOW, filled_shadow, em.EMShadowMemory, {"width": 1}, {"width": 8}),
    "graph": (GRAPH, filled_graph, em.EMGraph, {}, {"key": str}),
    "digraph": (GRAPH, filled_graph, em.EMDiGraph, {}, {}),
    "multigraph": (GRAPH, filled_graph, em.EMMultiGraph, {}, {}),
}


def churn():
    """Memory that was given up is written over."""
    gc.collect(0)
    churned = [b"\xff" * size for size in range(32, 1200, 24)]
    del churned


# What the caller's code does with the subject of a test.


def close(subject):
    subject.container.close()


def reopen(subject):
    subject.container.close()
    subject.make("first")


def other(subject):
    subject.make(None, 1)
    churn()


def refill(subject):
    c = subject.container
    c.clear() if hasattr(c, "clear") else c.unmark(0, 50, 255)
    subject.fill(c)


def grow(subject):
    for _ in range(3):
        subject.fill(subject.container)
    churn()


def roll_back(subject):
    with subject.container.transaction():
        subject.fill(subject.container)
        raise ZeroDivisionError


ACTS = (close, reopen, other, refill, grow, roll_back)
CALLS = [(kind, call) for kind, (calls, *_) in KINDS.items() for call in calls]


class Subject:
    """A container of a kind that can be made anew, in place: a temporary one, or at a path."""

    def __init__(self, kind):
        self.calls, self.fill, self.cls, *self.options = KINDS[kind]
        self.folder = tempfile.mkdtemp()
        unopened = issubclass(self.cls, (em.EMDict, em.EMSet))  # some of them want types
        self.container = self.cls.__new__(self.cls) if unopened else self.cls()

    def make(self, name, options=0):
        path = name and f"{self.folder}/{name}"
        self.container.__init__(path, **self.options[options])

    def begin(self, act):
        if act is reopen:
            self.container.close()
            shutil.rmtree(f"{self.folder}/first", ignore_errors=True)
        self.make("first" if act is reopen else None)
        self.fill(self.container)

    def end(self):
        """What is left is sound."""
        if not self.container.closed:
            assert self.container.verify() == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.close()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    """Nor is it synced, where there is a place for that."""
    if os.path.isdir("/dev/shm"):
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    yield
    _act[:] = [None, 0]


# What a call may raise: what the builtin raises, and what says that the container is another one.
RAISED = (
    *(TypeError, ValueError, KeyError, IndexError, RuntimeError, OverflowError, BufferError),
    *(ZeroDivisionError, nx.NetworkXError),
)


@pytest.mark.parametrize(("kind", "call"), CALLS, ids=lambda name: name)
def test_whatever_the_callers_code_does(kind, call):
    with Subject(kind) as subject:
        for act, delay in (*((act, 0) for act in ACTS), (other, 2)):
            subject.begin(act)
            due = itertools.count()
            _act[:] = [lambda: act(subject) if next(due) == delay else None, delay + 1]  # noqa: B023
            try:
                subject.calls[call](subject.container, Argument(2))
            except RAISED:
                pass
            finally:
                _act[:] = [None, 0]
            subject.end()


@pytest.mark.parametrize("kind", KINDS, ids=lambda name: name)
def test_whatever_another_thread_does(kind):
    """The same, by another thread whenever it is let in: all calls, one after the other."""
    over = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def disturb():
        for act in itertools.cycle((other, grow, close, reopen, refill)):
            if over.is_set():
                return
            try:
                act(subject)
            except (*RAISED, em.LockedError):
                pass

    with Subject(kind) as subject:
        subject.begin(close)
        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for call in [*subject.calls] * 3:
                try:
                    subject.calls[call](subject.container, Argument(2))
                except (*RAISED, AttributeError, em.LockedError):
                    pass
        finally:
            sys.setswitchinterval(interval)
            over.set()
            thread.join(60)
        assert not thread.is_alive()
        subject.end()
