"""What comes in as arrays keeps its values, or is refused: one table of conversions for all that takes them.

The rule: NumPy's casting="same_kind" says which types are converted; of those nothing is wrapped, cut, or
made infinite; an item that is missing is an error, or None where the container can hold it.
"""

import datetime
import decimal
import fractions
import warnings

import networkx as nx
import numpy as np
import pytest

import pyrsistence as em

BIG = 2**60 + 7

# (what comes, the type it comes to, what it becomes or the error)
CONVERSIONS = [
    (np.array([1, 2], "i8"), "i4", [1, 2]),
    (np.array([1, 2**31], "i8"), "i4", OverflowError),
    (np.array([1, -(2**31) - 1], "i8"), "i4", OverflowError),
    (np.array([1, 2**32 + 1], "u8"), "u4", OverflowError),
    (np.array([2**63], "u8"), "i8", OverflowError),
    (np.array([-1], "i8"), "u8", OverflowError),
    (np.array([-1], "i1"), "u1", OverflowError),
    (np.array([300], ">i2"), "u1", OverflowError),
    (np.array([5], ">i2"), "u1", [5]),
    (np.array([True]), "i2", [1]),
    (np.array([1.0]), "i8", TypeError),
    (np.array([1.5]), "i8", TypeError),
    (np.array([2]), "?", TypeError),
    (np.array([1 + 2j]), "f8", TypeError),
    (np.array([0.1]), "f4", [np.float32(0.1)]),
    (np.array([1e300]), "f4", OverflowError),
    (np.array([np.inf, -np.inf, 2]), "f4", [np.inf, -np.inf, 2]),
    (np.array([70000]), "f2", OverflowError),
    (np.array([1e300 + 1j]), "c8", OverflowError),
    (np.array(["abc", "de"]), "U2", ValueError),
    (np.array(["ab", "de"]), "U2", ["ab", "de"]),
    (np.array([b"abc"]), "S2", ValueError),
    (np.array([b"ab"]), "U2", ["ab"]),
    (np.array([b"abc"]), "U2", ValueError),
    (np.array([12345]), "S3", ValueError),
    (np.array(["2020-01-01"], "M8[D]"), "M8[s]", [np.datetime64("2020-01-01", "s")]),
    (np.array([10**10], "M8[D]"), "M8[ns]", OverflowError),
    (np.array(["NaT"], "M8[D]"), "M8[ns]", [np.datetime64("NaT", "ns")]),
    (np.array([10**17], "m8[s]"), "m8[ns]", OverflowError),
    (np.ma.array([1, 2], mask=[0, 1]), "i8", ValueError),
    (np.ma.array([1, 2], mask=[0, 0]), "i8", [1, 2]),
    (np.ma.array([1.0, 2.0], mask=[0, 1]), "f8", ValueError),
    # Objects are held to the same.
    ([1, 2**31], "i4", OverflowError),
    ([np.int64(300)], "u1", OverflowError),
    ([1, 2**70], "i8", OverflowError),
    ([2**64 - 1, 0], "u8", [2**64 - 1, 0]),
    ([1e300], "f4", OverflowError),
    ([70000], "f2", OverflowError),
    (["abc"], "U2", ValueError),
    ([b"abc"], "S2", ValueError),
    ([decimal.Decimal("1.5"), 2], "i4", TypeError),
    ([1, None], "i4", TypeError),
    ([1, None], "f2", TypeError),
    ([None], "f2", TypeError),
    ([decimal.Decimal("0.5"), fractions.Fraction(1, 4)], "f2", [0.5, 0.25]),
    ([datetime.datetime(9999, 1, 1)], "M8[ns]", OverflowError),
    ([datetime.datetime(2020, 1, 1)], "M8[ns]", [np.datetime64("2020-01-01", "ns")]),
    (np.array([1, 2], object), "i4", [1, 2]),
    (np.array([1, None], object), "i4", TypeError),
    (np.array([1.5], object), "i4", TypeError),
]


def array_extend(dtype, values):
    a = em.EMArray(None, dtype)
    a.extend(values)
    return list(a)


def array_new(dtype, values):
    return list(em.EMArray(None, dtype, values))


def array_slice(dtype, values):
    a = em.EMArray(None, dtype)
    a.resize(len(values))
    a[:] = values
    return list(a)


def array_turned(dtype, values):
    a = em.EMArray(None, dtype)
    a.resize(len(values))
    a[::-1] = values
    return list(a)[::-1]


def array_places(dtype, values):
    a = em.EMArray(None, dtype)
    a.resize(len(values))
    a[list(range(len(values)))] = values
    return list(a)


def array_block(dtype, values):
    a = em.EMArray(None, dtype, shape_tail=len(values))
    a.append(values)
    return list(a[0]) if dtype[0] in "Mm" else a[0].tolist()


def array_inside(dtype, values):
    a = em.EMArray(None, dtype, shape_tail=len(values))
    a.resize(1)
    a[:, :] = values if isinstance(values, np.ndarray) else [values]
    return list(a[0]) if dtype[0] in "Mm" else a[0].tolist()


def array_field(dtype, values):
    a = em.EMArray(None, [("x", dtype), ("y", "u1")])
    a.resize(len(values))
    a["x"] = values
    return list(a["x"]) if dtype[0] in "Mm" else a["x"].tolist()


def array_structures(dtype, values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, before it is seen that a part has changed
        a = em.EMArray(None, [("x", dtype), ("y", "u1")], [(value, 1) for value in values])
    return list(a["x"]) if dtype[0] in "Mm" else a["x"].tolist()


def dict_values(dtype, values):
    d = em.EMDict(None, key="u8", value=dtype)
    d.set_many(np.arange(len(values)), values)
    return list(d.values())


def dict_keys(dtype, values):
    d = em.EMDict(None, key=dtype, value="u1")
    d.set_many(values, np.arange(len(values)))
    return list(d)


def edge_fields(dtype, values):
    g = em.EMDiGraph(edge_dtype=[("x", dtype), ("y", "u1")])
    g.add_edges_from(np.array([(i, i + 1) for i in range(len(values))]), x=values)
    return [x for _, _, x in g.edges(data="x")]


TAKERS = [
    array_extend,
    array_new,
    array_slice,
    array_turned,
    array_places,
    array_block,
    array_inside,
    array_field,
    array_structures,
    dict_values,
    dict_keys,
    edge_fields,
]


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize(
    ("values", "dtype", "expected"), CONVERSIONS, ids=lambda part: str(getattr(part, "dtype", part))[:30]
)
def test_nothing_is_lost(take, values, dtype, expected):
    if take is dict_keys and (dtype == "?" or getattr(values, "dtype", "") == "O"):
        pytest.skip("a dict's keys are stricter")
    if take is dict_values and getattr(values, "dtype", "") == "O":
        pytest.skip("a dict's values are stricter")
    if take is dict_keys and isinstance(values, list) and isinstance(values[0], decimal.Decimal):
        pytest.skip("a key may be an equal number")
    if take is array_structures and isinstance(values, np.ndarray) and values.tolist() == [1.0]:
        pytest.skip("a part of a tuple may be an equal number")
    if isinstance(expected, type):
        # A missing one may be met as the object that stands for it.
        with pytest.raises((expected, TypeError, ValueError, np.ma.MaskError)):
            take(dtype, values)
    else:
        np.testing.assert_array_equal(np.array(take(dtype, values)), np.array(expected))


def test_a_number_alone():
    a = em.EMArray(None, "f4", [0.0])
    for call in (lambda: a.append(1e300), lambda: a.__setitem__(0, -1e300)):
        with pytest.raises(OverflowError):
            call()
    a[0] = float("inf")
    b = em.EMArray(None, "u1", [[1, 2]], shape_tail=2)
    for wrong in (1.5, 300, -1):
        with pytest.raises((TypeError, OverflowError)):
            b[0, 1] = wrong
    assert a.tolist() == [float("inf")] and b[0].tolist() == [1, 2]


def test_structures_of_other_types():
    rows = np.array([(1, 2.5, "ab"), (-1, 1e300, "abc")], [("a", "i8"), ("b", "f8"), ("c", "U3")])
    same = em.EMArray(None, [("x", "i2"), ("y", "f8"), ("z", "U3")], rows)
    assert same.tolist() == rows.tolist()
    for types in (("u2", "f8", "U3"), ("i2", "f4", "U3"), ("i2", "f8", "U2")):
        with pytest.raises(OverflowError):
            em.EMArray(None, list(zip("xyz", types, strict=True)), rows)
    with pytest.raises(TypeError):
        em.EMArray(None, [("x", "i2"), ("y", "f8")], rows)
    masked = np.ma.array(rows, mask=[(0, 0, 0), (0, 1, 0)])
    with pytest.raises(ValueError, match="item 1 is missing"):
        em.EMArray(None, None, masked)


def test_missing_indices_and_flags():
    a = em.EMArray(None, "i8", range(5))
    masked = np.ma.array([1, 2], mask=[0, 1])
    with pytest.raises(ValueError, match="missing"):
        a[masked]
    with pytest.raises(ValueError, match="missing"):
        a[masked] = 0
    s = em.EMShadowMemory(None, [(0, 16)])
    with pytest.raises(ValueError, match="missing"):
        s[0:2] = masked
    d = em.EMDict(None, {1: 1}, key="i8", value="i8")
    for call in (d.get_many, d.contains_many, d.pop_many):
        with pytest.raises(ValueError, match="missing"):
            call(masked)
    assert s.count(0, 16, 1) == 0 and d == {1: 1} and a.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["i8", "u2", "f8", "f4", "?", "U3"])
def test_masked_items_are_none_in_a_list(dtype):
    masked = np.ma.array(np.array([1, 0, 1]).astype(dtype), mask=[0, 1, 0])
    own = em.EMList(None, [1, 2, 3])
    own.extend(masked)
    assert own[3:] == masked.tolist() and own[4] is None
    own.set_many([0, 1, 2], masked)
    assert own[:3] == masked.tolist()
    with pytest.raises(TypeError):
        own.take(np.ma.array([0, 1], mask=[1, 0]))
    d = em.EMDict()
    d.set_many(["a", "b", "c"], masked)
    assert list(d.values()) == masked.tolist()


# ---- Columns of tables


def tables():
    """(name, a table of edges with an attribute of which one is missing, the same with a missing end)"""
    pandas = pytest.importorskip("pandas")
    columns = {"u": [BIG, 1], "v": [1, BIG + 1], "w": [BIG, None]}
    whole = pandas.DataFrame({name: pandas.array(column, "Int64") for name, column in columns.items()})
    broken = whole.assign(v=pandas.array([BIG, None], "Int64"))
    yield whole, broken
    try:
        import pyarrow
    except ImportError:
        return
    yield pyarrow.table(columns), pyarrow.table({**columns, "v": [BIG, None]})


@pytest.mark.parametrize("kind", ["graph", "digraph", "multigraph", "multidigraph"])
def test_integers_of_tables_stay_integers(kind):
    graph = {
        "graph": em.EMGraph,
        "digraph": em.EMDiGraph,
        "multigraph": em.EMMultiGraph,
        "multidigraph": em.EMMultiDiGraph,
    }
    for whole, broken in tables():
        g = graph[kind]()
        g.add_edges_from(whole)
        assert set(g.nodes) == {BIG, 1, BIG + 1}
        assert [data["w"] for _, _, data in g.edges(data=True)] == [BIG, None]
        before = nx.to_dict_of_dicts(g)
        with pytest.raises(ValueError, match="item 1 of column 'v' is missing"):
            g.add_edges_from(broken)
        assert nx.to_dict_of_dicts(g) == before


def test_missing_ends_of_arrays():
    g = em.EMDiGraph()
    ends = np.ma.array([[1, 2], [3, 4]], mask=[[0, 0], [1, 0]])
    with pytest.raises(ValueError, match="item 1, 0 is missing"):
        g.add_edges_from(ends)
    rows = np.ma.array(
        [(1, 2, 5), (3, 4, 6)], [("u", "i8"), ("v", "i8"), ("w", "i8")], mask=[(0, 0, 0), (0, 0, 1)]
    )
    g.add_edges_from(rows)
    assert list(g.edges(data="w")) == [(1, 2, 5), (3, 4, None)]
    typed = em.EMDiGraph(edge_dtype=[("w", "i4")])
    with pytest.raises(ValueError, match="missing"):
        typed.add_edges_from(rows)
    assert len(typed) == 0


@pytest.mark.parametrize("dtype", ["i8", "f8", "U3"])
def test_columns_that_lack_items(dtype):
    pandas = pytest.importorskip("pandas")
    kind = {"i8": "Int64", "f8": "Float64", "U3": "string"}[dtype]
    items = ["a", None] if dtype == "U3" else [1, None]
    columns = [pandas.array(items, kind), pandas.Series(pandas.array(items, kind))]
    try:
        import pyarrow

        columns.append(pyarrow.array(items))
    except ImportError:
        pass
    for column in columns:
        for take in (array_extend, array_slice, array_places, dict_values, dict_keys, edge_fields):
            with pytest.raises((ValueError, TypeError), match=r"missing|not converted|unasked"):
                take(dtype, column)
    whole = pandas.Series(pandas.array(items[:1], kind))
    for take in (array_extend, array_slice, array_places, edge_fields):
        assert take(dtype, whole) == items[:1]


# ---- Equal keys


NUMBERS = [
    *(
        kind(2)
        for kind in (int, float, np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64)
    ),
    *(kind(2) for kind in (complex, np.complex64, np.complex128, decimal.Decimal, fractions.Fraction)),
    *(True, np.bool_(True), decimal.Decimal("2.0"), 2 + 1j, np.complex64(2 + 1j), fractions.Fraction(5, 2)),
    *(2.5, np.float32(2.5), float("inf"), np.float32("nan"), decimal.Decimal("NaN"), 10**400),
    *(decimal.Decimal("1e999999999"), "2", b"2", None),
]


@pytest.mark.parametrize("dtype", ["i8", "u1", "?", "f8", "f4"])
@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_equal_keys_are_found(dtype, number):
    stored = [0, 1] if dtype == "?" else [1, 2]
    own = em.EMDict(None, dict.fromkeys(stored, 7), key=dtype, value="u1")
    model = dict.fromkeys(stored, 7)
    try:
        expected = number in model
    except TypeError:
        expected = False
    if isinstance(number, decimal.Decimal) and number.is_nan():
        expected = False
    assert (number in own) == expected
    assert own.get(number) == (7 if expected else None)
    assert own.get_many([number], 0) == [7 if expected else 0]
    if expected:
        own[number] = 8
        assert len(own) == 2 and own.pop(number) == 8
