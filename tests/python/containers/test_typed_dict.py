"""The typed dict: against dict, batches against loops, types of all kinds, readers, and what is refused."""

import collections.abc
import copy
import gc
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyrsistence as em
from test_readers import Remote

TINY = {"_layout": (4, 64, 0)}


def typed(data=None, key="u8", value="u8", **options):
    return em.EMTypedDict(None, data, key=key, value=value, **options)


# ---- Opening -------------------------------------------------------------------------------------------


def test_emdict_with_types_is_a_typed_dict():
    d = em.EMDict(None, {1: 2.5}, key="u8", value="f8")
    assert type(d) is em.EMTypedDict
    assert isinstance(d, em.EMDict)
    assert isinstance(d, collections.abc.MutableMapping)
    assert d == {1: 2.5}
    assert d.key_dtype == np.dtype("u8")
    assert d.value_dtype == np.dtype("f8")


def test_a_key_function_is_no_type():
    d = em.EMDict(None, key=str.lower)
    d["A"] = 1
    assert "a" in d
    assert type(d) is em.EMDict
    absolute = em.EMDict(None, {-3: 1}, key=np.abs)
    assert 3 in absolute


def test_a_class_of_its_own():
    class Counts(em.EMTypedDict):
        pass

    with Counts(None, {1: 2}, key="u8", value="u8") as d:
        assert d == {1: 2}

    class Other(em.EMDict):
        pass

    with pytest.raises(TypeError, match="EMTypedDict"):
        Other(key="u8", value="u8")


@pytest.mark.parametrize("key", ["u8", np.dtype("u8"), "<u8", "uint64"])
def test_types_are_given_as_numpy_takes_them(key):
    assert typed(key=key).key_dtype == np.uint64


def test_reopening_takes_the_types_from_the_files(tmp_path):
    with em.EMDict(tmp_path / "d", {1: 2.5}, key="u4", value="f8") as d:
        assert d[1] == 2.5
    for opening, mode in ((em.open, "a"), (em.EMTypedDict, "r")):
        with opening(tmp_path / "d", mode=mode) as d:
            assert type(d) is em.EMTypedDict
            assert d == {1: 2.5}
            assert d.key_dtype == np.uint32
            assert d.verify() == []


def test_other_types_are_refused_with_both_named(tmp_path):
    em.EMDict(tmp_path / "d", key="u4", value="f8").close()
    with pytest.raises(em.FormatError, match="<u4 and values of type <f8, not <u8 and <f8"):
        em.EMDict(tmp_path / "d", key="u8", value="f8")
    with em.open(tmp_path / "d") as d:
        assert d == {}


def test_a_new_one_needs_types(tmp_path):
    with pytest.raises(TypeError, match="give the types"):
        em.EMTypedDict(tmp_path / "d")
    with pytest.raises(TypeError, match="both"):
        em.EMDict(tmp_path / "e", key="u8")
    with pytest.raises(TypeError, match="both"):
        em.EMDict(tmp_path / "e", value="u8")


def test_another_kind_is_refused(tmp_path):
    em.EMDict(tmp_path / "d", {1: 2}).close()
    with pytest.raises(em.FormatError, match="holds a dict"):
        em.EMDict(tmp_path / "d", key="u8", value="u8")
    em.EMDict(tmp_path / "t", key="u8", value="u8").close()
    with pytest.raises(em.FormatError, match="typed dict"):
        em.EMList(tmp_path / "t")


def test_in_a_store(tmp_path):
    with em.Store(tmp_path / "s") as s:
        counts = s.dict("counts", key="U4", value="u8")
        counts["a"] = 1
        assert s.dict("counts") is counts
        assert s.members() == {"counts": "typed dict"}
        with pytest.raises(em.FormatError, match="not <u8 and <u8"):
            s.dict("counts", key="u8", value="u8")
        with pytest.raises(RuntimeError), s.transaction():
            counts["b"] = 2
            raise RuntimeError
        assert counts == {"a": 1}
        s.compact()
        assert counts == {"a": 1}
    with em.Store(tmp_path / "s", mode="r") as s:
        assert s.dict("counts") == {"a": 1}


OBJECTS = ["O", object, "V0", "S0", "U", [("a", "O")], "g", "nonsense", "f3"]


@pytest.mark.parametrize("bad", OBJECTS)
def test_types_without_a_fixed_size_are_refused(bad):
    with pytest.raises(TypeError):
        em.EMTypedDict(None, key=bad, value="u8")
    with pytest.raises(TypeError):
        em.EMTypedDict(None, key="u8", value=bad)


# ---- As dict -------------------------------------------------------------------------------------------

keys = st.integers(0, 60)
values = st.integers(0, 2**64 - 1)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, values),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("pop"), keys),
        st.tuples(st.just("popitem")),
        st.tuples(st.just("setdefault"), keys, values),
        st.tuples(st.just("update"), st.dictionaries(keys, values, max_size=8)),
        st.tuples(st.just("set_many"), st.lists(st.tuples(keys, values), max_size=30)),
        st.tuples(st.just("pop_many"), st.lists(keys, max_size=10)),
        st.tuples(st.just("compact")),
        st.tuples(st.just("clear")),
    ),
    max_size=40,
)


def apply(d, operation):
    name, *arguments = operation
    if name == "set":
        d[arguments[0]] = arguments[1]
        return None
    if name == "delete":
        return d.__delitem__(arguments[0])
    if name == "set_many":
        pairs = arguments[0]
        if isinstance(d, dict):
            return d.update(pairs)
        return d.set_many(np.array([k for k, _ in pairs], "u8"), np.array([v for _, v in pairs], "u8"))
    if name == "pop_many":
        if isinstance(d, dict):
            return [d.pop(key, None) for key in arguments[0]]
        return d.pop_many(arguments[0])
    if name == "compact":
        return None if isinstance(d, dict) else d.compact()
    return getattr(d, name)(*arguments)


def outcome(d, operation):
    try:
        return apply(d, operation)
    except KeyError as error:
        return KeyError, str(error)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_behaves_as_dict(steps):
    model = {}
    d = typed(**TINY)
    for step in steps:
        assert outcome(d, step) == outcome(model, step)
        assert len(d) == len(model)
    assert list(d.items()) == list(model.items())
    assert list(reversed(d)) == list(reversed(model))
    assert d == model
    assert d.keys_array().tolist() == list(model)
    assert d.values_array().tolist() == list(model.values())
    assert d.verify() == []
    d.close()


def test_views_and_operators():
    d = typed({1: 10, 2: 20})
    assert d.keys() & {2, 3} == {2}
    assert (1, 10) in d.items()
    assert (1, 11) not in d.items()
    assert 20 in d.values()
    assert list(reversed(d.values())) == [20, 10]
    assert list(reversed(d.items())) == [(2, 20), (1, 10)]
    assert d | {3: 30} == {1: 10, 2: 20, 3: 30}
    assert {0: 0} | d == {0: 0, 1: 10, 2: 20}
    d |= {3: 30}
    assert d.copy() == {1: 10, 2: 20, 3: 30}
    assert type(copy.copy(d)) is dict
    assert copy.deepcopy(d) == d
    assert d != {1: 10}
    assert "EMTypedDict({1: 10, 2: 20, 3: 30}" in repr(d)
    assert d.keys().mapping is d
    with pytest.raises(TypeError):
        hash(d)


def test_iterators_notice_changes():
    d = typed({1: 1, 2: 2})
    for key in d:
        d[key] = 5  # allowed
    iterator = iter(d)
    next(iterator)
    d[3] = 3
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)
    iterator = iter(d.items())
    with pytest.raises(ZeroDivisionError), d.transaction():
        raise ZeroDivisionError
    with pytest.raises(RuntimeError):
        next(iterator)
    iterator = iter(d)
    assert iterator.__length_hint__() == 3
    assert list(copy.copy(iterator)) == [1, 2, 3]
    assert list(pickle.loads(pickle.dumps(iterator))) == [1, 2, 3]


def test_errors_of_dict():
    d = typed()
    with pytest.raises(KeyError, match="7"):
        d[7]
    with pytest.raises(KeyError, match="7"):
        del d[7]
    with pytest.raises(KeyError):
        d.pop(7)
    with pytest.raises(KeyError, match="empty"):
        d.popitem()
    assert d.get(7) is None
    assert d.get(7, "x") == "x"
    assert d.pop(7, "x") == "x"
    with pytest.raises(TypeError):
        d.setdefault(7)
    d.close()
    for use in (
        lambda: d[1],
        lambda: 1 in d,
        lambda: len(d),
        lambda: list(d),
        lambda: d.get_many([1]),
        d.keys_array,
    ):
        with pytest.raises(ValueError):
            use()


def test_edit_writes_back():
    d = typed({1: (1, 2)}, value=[("a", "i4"), ("b", "i4")])
    with d.edit(1) as record:
        record["a"] = 7
    assert d[1]["a"] == 7


# ---- Types ---------------------------------------------------------------------------------------------

SCALARS = [
    ("u1", [0, 255]),
    ("i1", [-128, 127]),
    ("u2", [65535]),
    ("i4", [-(2**31), 2**31 - 1]),
    ("u8", [0, 2**63, 2**64 - 1]),
    ("i8", [-(2**63), 2**63 - 1]),
    ("f8", [0.5, -1e300, math.inf]),
    ("f4", [0.5, -math.inf]),
    ("f2", [0.5, 2.0]),
    ("?", [True, False]),
    ("S4", [b"", b"abcd", b"a\0b"]),
    ("U3", ["", "äöü", "\U0001f600"]),
    ("c16", [1 + 2j]),
    ("M8[s]", [np.datetime64("2020-01-01T00:00:00")]),
    ("m8[D]", [np.timedelta64(3, "D")]),
]


@pytest.mark.parametrize(("dtype", "objects"), SCALARS)
def test_scalars_come_back_as_keys_and_as_values(dtype, objects, tmp_path):
    with em.EMDict(tmp_path / "d", key=dtype, value=dtype) as d:
        for thing in objects:
            d[thing] = thing
    with em.open(tmp_path / "d") as d:
        assert list(d) == objects
        for thing in objects:
            assert d[thing] == thing
            assert type(d[thing]) is type(thing)
        array = np.array(objects, dtype)
        assert d.keys_array().tolist() == array.tolist()
        assert d.get_many(array).tolist() == array.tolist()
        assert d.pop_many(array).tolist() == array.tolist()
        assert d == {}


POINT = np.dtype([("x", "f8"), ("tag", "S3"), ("n", "i2", (2,))])


@pytest.mark.parametrize("align", [False, True])
def test_structures_as_values(align, tmp_path):
    dtype = np.dtype(POINT.descr, align=align)
    with em.EMDict(tmp_path / "d", key="u4", value=dtype) as d:
        d[1] = (0.5, b"ab", (1, 2))
        d[2] = d[1]
        assert d[2] == np.array((0.5, b"ab", (1, 2)), dtype)
        d[1]["x"] = 7  # a copy
        assert d[1]["x"] == 0.5
    with em.open(tmp_path / "d") as d:
        assert d.value_dtype == dtype
        assert d.values_array()["n"].tolist() == [[1, 2], [1, 2]]
        got = d.get_many(np.array([2, 9], "u4"), default=(1.5, b"", (0, 0)))
        assert got["x"].tolist() == [0.5, 1.5]


def test_structures_as_keys_ignore_their_gaps():
    dtype = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    d = typed(key=dtype, value="u4")
    keys = np.zeros(2, dtype)
    keys.view("u1")[1:8] = 77  # the first key's gap
    keys["a"], keys["b"] = 3, [0.0, -0.0]
    d.set_many(keys, np.array([1, 2], "u4"))
    assert len(d) == 1
    assert d[(3, 0.0)] == 2
    assert (3, -0.0) in d


def test_subarrays_as_values():
    d = typed(value=np.dtype(("f4", (2, 2))))
    d[1] = [[1, 2], [3, 4]]
    assert d[1].tolist() == [[1, 2], [3, 4]]
    d.set_many(np.arange(3, dtype="u8"), np.ones((3, 2, 2), "f4"))
    assert d.get_many(np.array([2, 0], "u8")).shape == (2, 2, 2)
    assert d.get_many(np.array([2, 9], "u8"), np.zeros((2, 2)))[1].tolist() == [[0, 0], [0, 0]]
    with pytest.raises(TypeError, match="shape"):
        d[1] = [1, 2]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "c16"])
def test_zeros_and_nans_are_one_key(dtype):
    d = typed(key=dtype)
    d[0.0] = 1
    assert d[-0.0] == 1
    d[math.nan] = 2
    assert d[-math.nan] == 2
    nans = np.array([np.nan, -np.nan, -0.0], dtype)
    assert d.get_many(nans).tolist() == [2, 2, 1]
    d.set_many(nans, np.array([5, 6, 7], "u8"))
    assert list(d.values()) == [7, 6]


def test_what_cannot_be_a_key_is_not_there():
    d = typed({0: 1, 1: 2}, key="u1")
    for key in (300, -1, 2**70, 0.5, "x", None, math.nan, (1,)):
        assert key not in d
        assert d.get(key, 5) == 5
        assert d.pop(key, 5) == 5
        with pytest.raises(KeyError):
            d[key]
        with pytest.raises(KeyError):
            del d[key]
    assert d[1.0] == d[True] == d[np.int64(1)] == 2
    for use in (lambda: [] in d, lambda: d.get([]), lambda: d[[]]):
        with pytest.raises(TypeError, match="unhashable"):
            use()


def test_storing_what_does_not_fit_is_an_error():
    d = typed(key="u1", value="i2")
    with pytest.raises(OverflowError, match="300 is out of the range of a key of type"):
        d[300] = 1
    with pytest.raises(OverflowError, match="value of type <i2"):
        d[1] = 2**15
    with pytest.raises(TypeError, match="expected an int"):
        d["x"] = 1
    with pytest.raises(TypeError, match="expected an int"):
        d[1] = 1.0
    assert len(d) == 0
    s = typed(key="S3", value="U2")
    with pytest.raises(ValueError, match="4 bytes do not fit"):
        s[b"abcd"] = ""
    with pytest.raises(ValueError, match="end with a zero"):
        s[b"a\0"] = ""
    with pytest.raises(ValueError, match="3 characters"):
        s[b"a"] = "abc"
    with pytest.raises(TypeError, match="expected bytes"):
        s["a"] = ""
    assert b"a\0" not in s
    f = typed(value="f4")
    with pytest.raises(OverflowError):
        f[1] = 1e300
    b = typed(value="?")
    b[1] = np.bool_(True)
    assert b[1] is True
    with pytest.raises(OverflowError):
        b[1] = 2


# ---- Batches -------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(keys, values), max_size=200),
    st.lists(keys, max_size=200),
    st.lists(st.tuples(keys, values), max_size=200),
)
def test_batches_do_what_loops_do(pairs, wanted, deltas):
    model = {}
    d = typed(**TINY)
    d.set_many(np.array([k for k, _ in pairs], "u8"), np.array([v for _, v in pairs], "u8"))
    for key, value in pairs:
        model[key] = value
    assert list(d.items()) == list(model.items())
    array = np.array(wanted, "u8")
    assert d.get_many(array, 9).tolist() == [model.get(key, 9) for key in wanted] == d.get_many(wanted, 9)
    assert d.get_many(wanted) == [model.get(key) for key in wanted]
    assert d.contains_many(array).tolist() == [key in model for key in wanted] == d.contains_many(wanted)
    d.add_many(np.array([k for k, _ in deltas], "u8"), np.array([v for _, v in deltas], "u8"))
    for key, delta in deltas:
        model[key] = (model.get(key, 0) + delta) % 2**64
    assert list(d.items()) == list(model.items())
    assert d.pop_many(array, 9).tolist() == [model.pop(key, 9) for key in wanted]
    assert list(d.items()) == list(model.items())
    assert d.verify() == []
    d.close()


def test_large_batches_with_threads_of_chunks():
    rng = np.random.default_rng(3)
    keys = rng.permutation(200_000).astype("u8") * 7
    d = typed(value="f8")
    d.set_many(keys, keys / 2)
    assert (d.keys_array() == keys).all()
    assert (d.values_array() == keys / 2).all()
    shuffled = rng.permutation(keys)
    assert (d.get_many(shuffled) == shuffled / 2).all()
    assert not d.contains_many(shuffled + 1).any()
    half = shuffled[::2]
    assert (d.pop_many(half) == half / 2).all()
    assert len(d) == 100_000
    left = keys[~np.isin(keys, half)]
    assert (d.keys_array() == left).all()
    assert d.verify() == []
    d.compact()
    assert (d.keys_array() == left).all()


def test_adding_floats_and_one_number_for_all():
    d = typed(key="U3", value="f8")
    d.add_many(["a", "b", "a"], 0.5)
    d.add_many(["b"], [2])
    assert d == {"a": 1.0, "b": 2.5}
    with pytest.raises(TypeError, match="cannot be added"):
        typed(value="S2").add_many([1], [b"x"])


def test_a_missing_key_without_a_default():
    d = typed({1: 10})
    assert d.get_many([1, 2]) == [10, None]
    with pytest.raises(KeyError, match="2"):
        d.get_many(np.array([1, 2], "u8"))
    with pytest.raises(KeyError, match="2"):
        d.pop_many(np.array([1, 2], "u8"))
    assert d == {1: 10}


def test_arrays_of_other_types():
    d = typed({0: 5, 200: 7}, key="u1", value="i4")
    assert d.get_many(np.array([0, 200, 300, -1]), 9).tolist() == [5, 7, 9, 9]
    assert d.contains_many(np.array([0, 256])).tolist() == [True, False]
    assert d.pop_many(np.array([256, 200]), 9).tolist() == [9, 7]
    assert d.pop_many([300, 0], 9) == [9, 5]
    with pytest.raises(OverflowError, match="item 1, .*300"):
        d.set_many(np.array([1, 300]), np.array([1, 2]))
    with pytest.raises(OverflowError):
        d.set_many(np.array([1]), np.array([2**40]))
    with pytest.raises(TypeError):
        d.set_many(np.array([1]), np.array([1.5]))
    with pytest.raises(TypeError):
        d.get_many(np.array([1, "x"], object))
    assert d == {}
    s = typed(key="S2", value="u1")
    s.set_many(np.array([b"a", b"bc"]), np.array([1, 2], "u1"))
    assert s.get_many(np.array([b"bc", b"bcd"]), 0).tolist() == [2, 0]
    with pytest.raises(ValueError, match="does not fit"):
        s.set_many(np.array([b"abc"]), np.array([1], "u1"))


def test_strided_and_foreign_arrays():
    d = typed(key="i8", value="f4")
    keys = np.arange(20, dtype=">i8")[::2]
    d.set_many(keys, np.arange(20, dtype="f8")[1::2])
    assert d == {2 * i: 2 * i + 1 for i in range(10)}
    assert d.get_many(keys[::-1]).tolist() == [float(2 * i + 1) for i in reversed(range(10))]


def test_bad_shapes_and_lengths():
    d = typed()
    with pytest.raises(ValueError, match="shape"):
        d.get_many(np.zeros((2, 2), "u8"))
    with pytest.raises(ValueError, match="shape"):
        d.set_many(np.uint64(1), np.array([1], "u8"))
    with pytest.raises(ValueError, match="as many values as keys, found 1 for 2"):
        d.set_many(np.array([1, 2], "u8"), np.array([1], "u8"))
    with pytest.raises(ValueError, match="as many values"):
        d.add_many([1, 2], [1])
    assert d == {}
    assert d.get_many([]) == []
    assert d.get_many(np.array([], "u8")).tolist() == []
    d.set_many([], [])


def test_update_of_all_kinds():
    d = typed(key="U2", value="u1")
    d.update({"a": 1})
    d.update([("b", 2)], c=3)
    d.update(em.EMDict(None, {"d": 4}))
    assert d == {"a": 1, "b": 2, "c": 3, "d": 4}
    with pytest.raises(ValueError):
        d.update([("e",)])


# ---- Beside others -------------------------------------------------------------------------------------


def test_read_only(tmp_path):
    with em.EMDict(tmp_path / "d", {1: 2}, key="u8", value="u8"):
        pass
    with em.open(tmp_path / "d", mode="r") as d:
        assert d == {1: 2}
        for change in (
            lambda: d.__setitem__(1, 3),
            lambda: d.__delitem__(1),
            lambda: d.set_many([1], [3]),
            lambda: d.add_many([1], 3),
            lambda: d.pop_many([1]),
            d.clear,
        ):
            with pytest.raises(OSError):
                change()
        assert d == {1: 2}


def test_a_reader_follows_its_writer(tmp_path):
    with em.EMDict(tmp_path / "d", key="u8", value="u8") as writer:
        writer.commit()
        with Remote(tmp_path / "d", "import numpy as np; d = open(path, mode='r')") as reader:
            assert reader.run("len(d)") == 0
            numbers = np.arange(50_000, dtype="u8")
            writer.set_many(numbers, numbers)
            assert reader.run("len(d)") == 0
            writer.commit()
            reader.run("numbers = np.arange(50_000, dtype='u8')")
            assert reader.run("len(d)") == 50_000
            assert reader.run("bool((d.get_many(numbers) == numbers).all())")
            assert reader.run("bool((d.keys_array() == numbers).all())")
            reader.run("iterator = iter(d)")
            assert reader.run("next(iterator)") == 0
            del writer[7]
            writer.commit()
            assert "snapshot" in reader.error("next(iterator)")
            assert reader.run("d.contains_many([7, 8])") == [False, True]
            writer.compact()
            assert reader.run("len(d)") == 49_999
            assert reader.run("bool((np.delete(d.get_many(numbers, 9), 7) == np.delete(numbers, 7)).all())")
            assert reader.run("d.verify()") == []


def test_pickled_by_its_place(tmp_path):
    with em.EMDict(tmp_path / "d", {1: 2}, key="u8", value="u8") as d:
        assert pickle.loads(pickle.dumps(d)) is d
        data = pickle.dumps(d)
    reader = pickle.loads(data)
    assert reader.mode == "r"
    assert reader == {1: 2}
    reader.close()
    assert em.EMDict(None, {"t": typed({1: 2})})["t"] == {1: 2}


def test_open_again_and_backup(tmp_path):
    d = em.EMDict(tmp_path / "d", {1: 2}, key="u8", value="u8")
    d.backup(tmp_path / "b")
    d.close()
    d.open(tmp_path / "d")
    assert d == {1: 2}
    d.close()
    with em.open(tmp_path / "b") as copy_:
        assert copy_ == {1: 2}
    stats = em.open(tmp_path / "b").stats()
    assert stats["entries"] == 1
    assert stats["row_bytes"] == 16
    assert set(stats["regions"]) == {"index", "rows", "dead", "delta"}


def test_columns_without_a_copy(tmp_path):
    with em.EMDict(tmp_path / "d", key="u4", value=[("x", "f8"), ("n", "i2", (2,))]) as d:
        assert d.keys_array(copy=False).tolist() == []
        d.set_many(np.arange(1000, dtype="u4"), np.zeros(1000, [("x", "f8"), ("n", "i2", (2,))]))
        keys, values = d.keys_array(copy=False), d.values_array(copy=False)
        assert keys.tolist() == list(range(1000))
        assert not keys.flags.writeable and not values.flags.owndata
        d[7] = (0.5, (3, 4))
        assert values["x"][7] == 0.5 and values["n"][7].tolist() == [3, 4]
        for key in range(1000, 50_000):  # the region grows under the views
            d[key] = (key, (0, 0))
        assert keys.tolist() == list(range(1000)) and values["x"][7] == 0.5
        assert d.values_array(copy=False)["x"][49_999] == 49_999
        with pytest.raises(BufferError, match="clear"):
            d.clear()
        with pytest.raises(BufferError, match="compact"):
            d.compact()
        del d[5]
        with pytest.raises(RuntimeError, match=r"1 removed rows.*compact"):
            d.keys_array(copy=False)
        del keys, values
        gc.collect()
        d.compact()
        assert d.keys_array(copy=False)[5] == 6
        shaped = em.EMDict(None, {1: [[1, 2], [3, 4]]}, key="u8", value=("f4", (2, 2)))
        assert shaped.values_array(copy=False).tolist() == [[[1, 2], [3, 4]]]
        last = d.values_array(copy=False)
    assert last["x"][-1] == 49_999  # after close()


# ---- EMDict(path) opens what is there


@pytest.mark.parametrize("mode", ["r", "r+", "a"])
@pytest.mark.parametrize("options", [{}, {"pickle": False, "cache": 3}, {"writeback": True}], ids=str)
def test_emdict_opens_what_is_there(path, mode, options):
    """As open() and the graphs do: the types are in the files, and codecs say nothing to numbers."""
    em.EMDict(path, {1: 0.5}, key="u8", value="f8").close()
    with em.EMDict(path, mode=mode, **options) as d:
        assert type(d) is em.EMTypedDict and dict(d) == {1: 0.5} and d.mode == mode
    with em.EMDict(path, {2: 1.5}) as d:
        assert dict(d) == {1: 0.5, 2: 1.5}


def test_what_emdict_cannot_open(path):
    """Classes and functions that a typed dict cannot have: the error says so, and leaves nothing open."""
    em.EMDict(path, {1: 0.5}, key="u8", value="f8").close()

    class Own(em.EMDict):
        pass

    for opening in (lambda: em.EMDict(path, key=str.lower), lambda: Own(path)):
        with pytest.raises(em.FormatError, match="EMTypedDict"):
            opening()
    untyped = em.EMDict()
    untyped.close()
    with pytest.raises(em.FormatError, match="EMTypedDict"):
        untyped.open(path)
    with pytest.raises(FileExistsError):
        em.EMDict(path, mode="x")
    with em.EMTypedDict(path) as d:
        assert dict(d) == {1: 0.5}
