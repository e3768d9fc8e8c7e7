"""A container changed by a call whose arguments show it: they are taken as they were before the call.

One list of sources and one of calls a kind, each pair compared with what NumPy's arrays, lists and dicts make
of a copy.
"""

import collections
import operator

import numpy as np
import pytest

import pyrsistence as em
from pyrsistence._containers import array_values
from pyrsistence._containers.set_algebra import AT_ONCE

SIZE = 700

# ---- Arrays. A source shows `count` items of the array, in some order.

ARRAY_SOURCES = {
    "view": lambda a, count: a.view()[:count],
    "end of a view": lambda a, count: a.view()[len(a) - count :],
    "view turned": lambda a, count: a.view()[::-1][:count],
    "view turned, its end": lambda a, count: a.view()[::-1][len(a) - count :],
    "writable view": lambda a, count: a.view(writable=True)[:count],
    "one, again and again": lambda a, count: np.lib.stride_tricks.as_strided(a.view(), (count,), (0,)),
    "asarray": lambda a, count: np.asarray(a)[len(a) - count :],
    "memoryview": lambda a, count: memoryview(a)[:count],
    "dlpack": lambda a, count: np.from_dlpack(a)[len(a) - count :],
    "another dtype": lambda a, count: a.view().view("u8")[:count],
    "a list": lambda a, count: list(a)[:count],
}


def permutation(size):
    return np.random.default_rng(7).permutation(size)


# (the key, how many items it means)
ARRAY_KEYS = {
    "all": (slice(None), SIZE),
    "dots": (..., SIZE),
    "behind": (slice(1, None), SIZE - 1),
    "before": (slice(None, -1), SIZE - 1),
    "far behind": (slice(300, None), SIZE - 300),
    "turned": (slice(None, None, -1), SIZE),
    "every second": (slice(None, None, 2), SIZE // 2),
    "shuffled": (permutation(SIZE), SIZE),
    "mask": (permutation(SIZE) % 3 == 0, int((permutation(SIZE) % 3 == 0).sum())),
}


@pytest.mark.parametrize("chunk", [16, 1 << 16])
@pytest.mark.parametrize("key", ARRAY_KEYS)
@pytest.mark.parametrize("source", ARRAY_SOURCES)
def test_an_array_assigned_from_itself(source, key, chunk, monkeypatch):
    monkeypatch.setattr(array_values, "CHUNK", chunk)
    values = permutation(SIZE).astype("i8")
    a = em.EMArray(None, "i8", values)
    where, count = ARRAY_KEYS[key]
    shown = ARRAY_SOURCES[source](a, count)
    values[where] = np.array(shown)
    a[where] = shown
    np.testing.assert_array_equal(a[:], values)


@pytest.mark.parametrize("source", ARRAY_SOURCES)
def test_an_array_extended_by_itself(source, monkeypatch):
    monkeypatch.setattr(array_values, "CHUNK", 2)
    values = permutation(SIZE).astype("i8")
    a = em.EMArray(None, "i8", values)
    shown = ARRAY_SOURCES[source](a, SIZE - 3)
    values = np.concatenate([values, np.array(shown)])
    a.extend(shown)
    a.extend(a)
    np.testing.assert_array_equal(a[:], np.concatenate([values, values]))


@pytest.mark.parametrize("by", [1, 5_000_000, -1, -5_000_000])
def test_an_array_moved_by_more_than_one_operation(by):
    values = np.arange(70 << 20, dtype="u4").astype("u1")
    a = em.EMArray(None, "u1", values, commit_interval=None)
    to, of = (slice(by, None), slice(None, -by)) if by > 0 else (slice(None, by), slice(-by, None))
    a[to] = a.view()[of]
    values[to] = values[of].copy()
    assert np.array_equal(a.view(), values)


def test_an_array_indexed_by_itself():
    values = permutation(SIZE).astype("i8")
    a = em.EMArray(None, "i8", values)
    a[a.view()] = a.view()
    values[values.copy()] = values.copy()
    np.testing.assert_array_equal(a[:], values)
    a[a] = 3
    assert set(a) == {3}


def test_blocks_and_fields_assigned_from_each_other(monkeypatch):
    monkeypatch.setattr(array_values, "CHUNK", 2)
    values = np.arange(60).reshape(20, 3)
    a = em.EMArray(None, "i8", values, shape_tail=3)
    for key, of in (
        ((..., 0), (slice(None), 2)),
        ((slice(None), slice(1, 3)), (slice(None, None, -1), slice(2))),
    ):
        a[key] = a.view()[of]
        values[key] = values[of].copy()
        np.testing.assert_array_equal(a[:], values)
    a[:] = a.view()[7]
    values[:] = values[7].copy()
    np.testing.assert_array_equal(a[:], values)
    kind = [("x", "i4"), ("y", "i4")]
    rows = np.array([(i, -i) for i in range(20)], kind)
    a = em.EMArray(None, kind, rows)
    a["x"] = a.view()["y"][::-1]
    rows["x"] = rows["y"][::-1].copy()
    a[["x", "y"]] = a.view()[["y", "x"]][::-1]
    rows[["x", "y"]] = rows[["y", "x"]][::-1].copy()
    np.testing.assert_array_equal(a[:], rows)


def test_views_of_growth_that_was_rolled_back():
    a = em.EMArray(None, "i8", range(4))
    with pytest.raises(KeyError), a.transaction():
        a.extend(range(1000))
        view = a.view()
        raise KeyError
    shown = view[5:300].copy()
    a.extend(view[5:300])
    assert a.tolist() == [0, 1, 2, 3, *shown.tolist()]


def test_members_of_one_store(tmp_path):
    with em.Store(tmp_path / "s") as store:
        a, d, s = store.array("a", "u1"), store.dict("d", key="u8", value="u8"), store.shadow_memory("s")
        a.extend(np.arange(200, dtype="u1"))
        s.add_range(0, 400)
        s[0:200] = a
        s[100:300] = s[0:200]
        d.set_many(np.asarray(a), np.asarray(a)[::-1])
        a[:] = d.values_array(copy=False)
        g = store.digraph("g")
        g.add_edges_from(em.EMArray(None, "i8", np.arange(8).reshape(4, 2), shape_tail=2).view())
        assert s[0:300].tolist() == [*range(100), *range(200)]
        assert a.tolist() == list(range(199, -1, -1))
        assert sorted(g.edges) == [(0, 1), (2, 3), (4, 5), (6, 7)]
        assert store.verify() == []


# ---- Lists and dicts

LIST_SOURCES = {
    "itself": lambda own: own,
    "iterator": iter,
    "reversed": reversed,
    "slice": lambda own: own[:],
}


@pytest.mark.parametrize("source", LIST_SOURCES)
@pytest.mark.parametrize("call", ["set_many", "indices", "slice", "turned", "extend", "add", "start", "take"])
def test_a_list_and_itself(source, call):
    of = LIST_SOURCES[source]
    size = 5000  # some groups
    model = permutation(size).tolist()
    own = em.EMList(None, model)
    indices = permutation(size)[::-1].tolist()
    before = list(of(model))
    if call == "set_many":
        own.set_many(indices, of(own))
        for index, value in zip(indices, before, strict=True):
            model[index] = value
    elif call == "indices":
        own.set_many(of(own), range(size))
        for index, value in zip(before, range(size), strict=True):
            model[index] = value
    elif call == "slice":
        own[7:9] = of(own)
        model[7:9] = before
    elif call == "turned":
        own[::-1] = of(own)
        model[::-1] = before
    elif call == "extend" and source != "iterator":  # which never ends, as a list's
        own.extend(of(own))
        model.extend(before)
    elif call == "add":
        own += own
        model += model
    elif call == "start":
        own[:0] = of(own)
        model[:0] = before
    elif call == "take":
        assert own.take(of(own)) == [model[i] for i in before]
    assert own == model and own.verify() == []


DEQUE_SOURCES = {
    "itself": lambda own: own,
    "copy": lambda own: own.copy(),
    "list": list,
    "product": lambda own: own * 1,
}


@pytest.mark.parametrize("maxlen", [None, 7000, 5000])
@pytest.mark.parametrize("source", DEQUE_SOURCES)
@pytest.mark.parametrize("call", ["extend", "extendleft", "add", "repeat", "sum", "compare"])
def test_a_deque_and_itself(source, call, maxlen):
    of = DEQUE_SOURCES[source]
    model = collections.deque(permutation(5000).tolist(), maxlen)
    own = em.EMDeque(None, model, maxlen=maxlen)
    if call == "extend":
        own.extend(of(own))
        model.extend(of(model))
    elif call == "extendleft":
        own.extendleft(of(own))
        model.extendleft(of(model))
    elif call == "add":
        own += of(own)
        model += of(model)
    elif call == "repeat":
        own *= 3
        model *= 3
    elif call == "sum" and source != "list":
        assert own + of(own) == model + of(model)
        assert of(own) + own == of(model) + model
    elif call == "compare":
        assert (own == of(own)) == (source != "list")
    assert own == model and own.maxlen == maxlen and own.verify() == []


@pytest.mark.parametrize("walk", [iter, reversed])
@pytest.mark.parametrize("call", ["extend", "extendleft"])
def test_a_deque_extended_by_what_walks_it(walk, call):
    own, model = em.EMDeque(None, range(500)), collections.deque(range(500))
    for one in (own, model):
        with pytest.raises(RuntimeError, match="mutated during iteration"):
            getattr(one, call)(walk(one))
    assert own == model


DICT_SOURCES = {
    "itself": lambda own: own,
    "iterator": iter,
    "reversed": reversed,
    "keys": lambda own: own.keys(),
    "values": lambda own: own.values(),
    "iterator of values": lambda own: iter(own.values()),
    "reversed values": lambda own: reversed(own.values()),
}


@pytest.mark.parametrize("types", [{}, {"key": "i8", "value": "i8"}], ids=["any", "typed"])
@pytest.mark.parametrize("keys", DICT_SOURCES)
@pytest.mark.parametrize("values", DICT_SOURCES)
def test_a_dict_and_itself(types, keys, values):
    size = 3000
    model = {i: int(n) for i, n in enumerate(permutation(size))}
    own = em.EMDict(None, model, **types)
    before = dict(zip(DICT_SOURCES[keys](model), DICT_SOURCES[values](model), strict=True))
    own.set_many(DICT_SOURCES[keys](own), DICT_SOURCES[values](own))
    model.update(before)
    own.update(own)
    own.update(own.items())
    assert own == model


SET_SOURCES = {
    "itself": lambda own: own,
    "iterator": iter,
    "list": list,
    "generator": lambda own: (element for element in own),
    "zip": lambda own: zip(own, own, strict=True),
    "reversed": lambda own: reversed(own) if isinstance(own, em.EMSet) else iter(own),
}
SET_CALLS = ["union", "intersection", "difference", "symmetric_difference"]
SET_CALLS += ["update", *(f"{name}_update" for name in SET_CALLS[1:])]
SET_CALLS += ["isdisjoint", "issubset", "issuperset"]


@pytest.mark.parametrize("source", SET_SOURCES)
@pytest.mark.parametrize("call", SET_CALLS)
@pytest.mark.parametrize("types", [{}, {"dtype": "i8"}], ids=["any", "typed"])
def test_a_set_and_itself(types, source, call):
    """Or an error, where a builtin set's iterator finds that out; a typed one takes thousands first."""
    size = 30_000 if types else 3000
    model = set(permutation(size).tolist())
    own = em.EMSet(None, model, **types)
    of = SET_SOURCES[source]
    if types and source == "zip" and call in ("update", "symmetric_difference_update"):
        with pytest.raises(TypeError, match="not 'tuple'"):
            getattr(own, call)(of(own))
        return
    try:
        expected = getattr(model, call)(of(model))
    except RuntimeError:
        with pytest.raises(RuntimeError, match="changed size"):
            getattr(own, call)(of(own))
        assert len(own) == (size - AT_ONCE if types else len(model))
    else:
        assert getattr(own, call)(of(own)) == expected
        assert own == model
    assert own.verify() == []


@pytest.mark.parametrize("operate", [operator.ior, operator.iand, operator.isub, operator.ixor])
@pytest.mark.parametrize("types", [{}, {"dtype": "i8"}], ids=["any", "typed"])
def test_a_set_and_itself_by_operators(types, operate):
    model = set(permutation(3000).tolist())
    same = own = em.EMSet(None, model, **types)
    own = operate(own, own)
    assert own is same and own == operate(model, model)


@pytest.mark.parametrize("types", [{}, {"dtype": "i8"}], ids=["any", "typed"])
def test_results_go_into_no_operand(types):
    empty, other = em.EMSet(**types), em.EMSet(None, [1], **types)
    for call in SET_CALLS[:4]:
        for own, operand, out in ((empty, other, empty), (other, empty, empty), (empty, empty, empty)):
            with pytest.raises(ValueError, match="another EMSet"):
                getattr(own, call)(operand, out=out)
        with pytest.raises(ValueError, match="empty"):
            getattr(empty, call)([1], out=other)
        with pytest.raises(TypeError, match="EMSet"):
            getattr(empty, call)([1], out=set())
    assert not empty and other == {1}


COLUMN_CALLS = {
    "set_many": lambda d, k, v: d.set_many(k, v),
    "set values as keys": lambda d, k, v: d.set_many(v, k),
    "add_many": lambda d, k, v: d.add_many(k, v),
    "pop_many": lambda d, k, v: d.pop_many(k[: len(k) // 2 + 1]),
    "get_many": lambda d, k, v: d.get_many(v, 0),
}


@pytest.mark.parametrize("size", [1, 2, 3000])
@pytest.mark.parametrize("call", COLUMN_CALLS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_typed_dict_and_its_columns(call, size, turned):
    step = -1 if turned else 1
    own, model = (
        em.EMDict(None, zip(range(size), permutation(size).tolist(), strict=True), key="i8", value="i8")
        for _ in range(2)
    )
    keys, values = (column[::step] for column in (own.keys_array(copy=False), own.values_array(copy=False)))
    expected = COLUMN_CALLS[call](model, keys.copy(), values.copy())
    found = COLUMN_CALLS[call](own, keys, values)
    np.testing.assert_array_equal(found, expected)
    assert own == model
