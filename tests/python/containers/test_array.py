"""EMArray: as NumPy's arrays where it is like them, views without a copy, and what commits make of them."""

import array
import ctypes
import gc
import itertools
import json
import pickle
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

import pyrsistence as em

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a"


def same(found, expected):
    assert found.shape == np.shape(expected)
    if found.dtype.kind == "V":
        assert found.tobytes() == expected.tobytes()
    else:
        np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.asarray(expected).dtype


# ---- Items


@pytest.mark.parametrize("dtype", [*DTYPES, ">i4", "c16", "f2", "S5", "U3", "V4", "M8[ns]", "m8[s]"])
def test_every_dtype_comes_back(path, dtype):
    values = np.arange(5).astype("U1").astype(dtype) if dtype[0] in "SUV" else np.arange(5).astype(dtype)
    with em.EMArray(path, dtype, values) as a:
        assert a.dtype == np.dtype(dtype)
        same(a[:], values)
    with em.EMArray(path) as a:
        assert a.dtype == np.dtype(dtype)
        same(a[:], values)
        same(a.view(), values)
        same(np.asarray(a)[::-2], values[::-2])
        for mine, yours in zip(a, values, strict=True):
            assert bytes(mine) == bytes(yours) if dtype == "V4" else mine == yours
            assert isinstance(mine, np.generic) == (values.dtype.kind in "VMm")


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_numbers_are_pythons(dtype):
    a = em.EMArray(None, dtype, [0, 1, 1])
    kind = bool if dtype == "?" else float if dtype[0] == "f" else int
    assert [type(item) for item in (a[0], a[-1], *a, *a.tolist(), *reversed(a))] == [kind] * 11
    a[1] = 0
    assert a.tolist() == [0, 0, 1]


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d[0] in "iu"])
def test_integers_are_bounded(dtype):
    a = em.EMArray(None, dtype, [0])
    limits = np.iinfo(dtype)
    for bound in (limits.min, limits.max):
        a[0] = bound
        assert a[0] == bound
    for beyond in (int(limits.min) - 1, int(limits.max) + 1, 10**30):
        with pytest.raises(OverflowError):
            a[0] = beyond
        with pytest.raises(OverflowError):
            a.append(beyond)
        with pytest.raises(OverflowError):
            a.extend([1, beyond])
    with pytest.raises(TypeError, match="integer"):
        a[0] = 1.5
    with pytest.raises(TypeError):
        a.append("x")
    assert a.tolist() == [limits.max]


def test_blocks_and_structures(path):
    kind = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "S3")])], align=True)
    rows = np.zeros(4, kind)
    rows["a"] = range(4)
    rows["c"]["d"] = b"xyz"
    with em.EMArray(path / "s", kind, rows) if path.mkdir() is None else None as a:
        a.append((9, (1.5, 2.5), (b"q",)))
        a[0] = rows[3]
        assert a[-1]["b"].tolist() == [1.5, 2.5]
    with em.open(path / "s", "r") as a:
        assert a.dtype["b"].shape == (2,) and a.dtype.itemsize == kind.itemsize
        assert a[0] == rows[3] and len(a) == 5
    with em.EMArray(path / "b", "f4", shape_tail=(2, 3)) as a:
        a.extend(np.arange(12, dtype="f4").reshape(2, 2, 3))
        a.append(np.ones((2, 3)))
        assert a.shape == (3, 2, 3) and a.nbytes == 72 and a.ndim == 3
        a[1] = 7
        a[0, 1] = [1, 2, 3]
        a[:, 0, 2] = -1
        expected = np.arange(12, dtype="f4").reshape(2, 2, 3)
        expected[1] = 7
        expected[0, 1] = [1, 2, 3]
        expected[:, 0, 2] = -1
        same(a[:2], expected)
        same(a[0, 1], expected[0, 1])
        assert [block.shape for block in a] == [(2, 3)] * 3
        with pytest.raises(ValueError, match="shape"):
            a.extend(np.ones((2, 3)))


def test_a_subarray_dtype_is_a_shape():
    a = em.EMArray(None, ("i2", (3,)), [[1, 2, 3]])
    assert a.shape == (1, 3) and a.dtype == np.dtype("i2")


def test_indexing_is_numpys():
    values = np.arange(100, dtype="i4") * 3
    a = em.EMArray(None, None, values)
    keys = [
        5,
        -1,
        slice(None),
        slice(2, 90, 7),
        slice(None, None, -1),
        slice(80, 3, -11),
        slice(9, 2),
        [1, -1, 1],
    ]
    keys += [np.array([[3, 4], [-5, 6]]), values % 2 == 0, [], np.uint8(7), ()]
    for key in keys:
        np.testing.assert_array_equal(a[key], values[key])
    for key in keys[:-1]:
        expected = values.copy()
        expected[key] = 1
        changed = em.EMArray(None, None, values)
        changed[key] = 1
        same(changed[:], expected)
    a[10:20] = np.arange(10)
    a[20:30:2] = range(5)
    a[[1, 2]] = [8, 9]
    values[10:20], values[20:30:2], values[[1, 2]] = np.arange(10), range(5), [8, 9]
    same(a[:], values)
    for wrong in (100, -101, [100], [-101], np.ones(99, bool)):
        with pytest.raises(IndexError):
            a[wrong]
        with pytest.raises(IndexError):
            a[wrong] = 1
    for wrong in (1.5, "x", [0.5], None):
        with pytest.raises((IndexError, TypeError)):
            a[wrong]
    with pytest.raises(ValueError, match="broadcast"):
        a[0:3] = [1, 2]
    with pytest.raises(TypeError, match="unasked"):
        a[0:3] = np.array([0.5, 1, 2])
    same(a[:], values)


def test_only_the_end_can_be_deleted():
    a = em.EMArray(None, "u1", range(10))
    del a[7:]
    del a[-1]
    del a[99:]
    assert a.tolist() == list(range(6))
    for key in (0, slice(0, 3), slice(None, None, 2)):
        with pytest.raises(TypeError, match="only the end"):
            del a[key]
    del a[:]
    assert len(a) == 0 and not a
    with pytest.raises(IndexError):
        del a[-1]


def test_growth_is_zero():
    a = em.EMArray(None, "f8", [1, 2, 3])
    a.resize(5)
    assert a.tolist() == [1, 2, 3, 0, 0]
    a.resize(1)
    a.resize(3)
    assert a.tolist() == [1, 0, 0]
    a.clear()
    assert len(a) == 0
    for wrong in (-1, 2**62, 2**70):
        with pytest.raises((ValueError, OSError, OverflowError)):
            a.resize(wrong)
    with pytest.raises(TypeError):
        a.resize("x")


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        (1, 2),
        range(200000),
        np.arange(70000, dtype="i8"),
        np.arange(9, dtype="i4")[::-2],
        array.array("q", [4, 5]),
        array.array("i", [4, 5]),
        memoryview(array.array("q", [6])),
        b"bytes",
        {1: 2, 3: 4},
        [],
    ],
    ids=lambda values: type(values).__name__,
)
def test_extending_by(values):
    a = em.EMArray(None, "i8", [7])
    a.extend(values)
    assert a.tolist() == [7, *values]
    a = em.EMArray(None, "i8")
    a.extend(iter(values))
    assert a.tolist() == list(values)


def test_extending_by_arrays_of_ours():
    a = em.EMArray(None, "i4", range(5))
    a.extend(a)
    a.extend(em.EMArray(None, "i2", [9]))
    a.extend(a.view()[:2])
    assert a.tolist() == [*range(5), *range(5), 9, 0, 1]


def test_what_does_not_fit_changes_nothing():
    a = em.EMArray(None, "i4", [1])
    for wrong in (
        np.array([1.5]),
        np.array(["x"]),
        np.zeros((2, 2), "i4"),
        np.array(1),
        [[1, 2]],
        ["x"],
        [1.5],
    ):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            a.extend(wrong)
    with pytest.raises(TypeError):
        a.extend(5)
    assert a.tolist() == [1]

    def raising():
        yield from range(70000)
        raise KeyError("enough")

    with pytest.raises(KeyError):
        a.extend(raising())
    assert a.tolist() == [1, *range(65536)]


def test_searching():
    values = np.array([1.0, 2.5, np.nan, 2.5, -0.0])
    a = em.EMArray(None, None, np.tile(values, 50000))
    assert 2.5 in a and 7 not in a and "x" not in a and 0 in a
    assert a.index(2.5) == 1 and a.index(2.5, 2) == 3 and a.index(2.5, -4) == 249996
    assert a.count(2.5) == 100000 and a.count(float("nan")) == 0
    with pytest.raises(ValueError, match="not in"):
        a.index(2.5, 4, 5)
    assert a != em.EMArray(None, None, values)
    b = em.EMArray(None, "i2", [1, 2])
    assert b == em.EMArray(None, "f8", [1, 2]) and b != em.EMArray(None, "f8", [1, 3])
    assert (b == np.array([1, 3])).tolist() == [True, False]
    assert b != [1, 2]
    with pytest.raises(TypeError):
        hash(b)
    blocks = em.EMArray(None, "i2", [[1, 2], [3, 4]], shape_tail=2)
    assert [3, 4] in blocks and [1, 4] not in blocks and blocks.index([3, 4]) == 1


def test_searching_for_what_is_no_item():
    numbers = em.EMArray(None, "i8", [1, 2])
    blocks = em.EMArray(None, "i2", [[1, 2], [3, 4]], shape_tail=2)
    structures = em.EMArray(None, [("a", "i4"), ("b", "f8")], [(1, 2)])
    texts = em.EMArray(None, "U3", ["abc"])
    assert (1, 2) in structures and "abc" in texts and [1, 2] in blocks and 1 in numbers
    for a in (numbers, blocks, structures, texts):
        for wrong in (
            [1, 2, 3],
            [[1], [2, 3]],
            [],
            (1,),
            {},
            object(),
            None,
            b"abc",
            [[3, 4], [1, 2]],
            10**40,
        ):
            assert wrong not in a and a.count(wrong) == 0
            with pytest.raises(ValueError, match="not in"):
                a.index(wrong)
    assert [1, 2] not in numbers and "x" not in structures


def test_dots_and_fields():
    kind = np.dtype([("a", "i4"), ("b", "f8", (2,)), ("c", "S3")])
    rows = np.zeros(200_000, kind)
    rows["a"] = np.arange(len(rows))
    a = em.EMArray(None, kind, rows)
    for key in (..., (...,), (slice(3), ...), "a", "b", "c", ["c", "a"], ["b"], (..., slice(5))):
        assert a[key].dtype == rows[key].dtype and (a[key] == rows[key]).all()
    a[...] = rows[::-1]
    rows[...] = rows[::-1].copy()
    for key, value in (("a", 7), ("b", [1, 2]), ("b", np.arange(400_000).reshape(-1, 2)), ("c", rows["c"])):
        a[key] = rows[key] = value
        same(a[:], rows)
    a[["c", "a"]] = rows[["c", "a"]] = np.array((b"x", 1), [("c", "S3"), ("a", "i4")])
    same(a[:], rows)
    for wrong, error in (("d", ValueError), (["a", "d"], ValueError), ((0, "a"), IndexError)):
        with pytest.raises(error):
            a[wrong]
        with pytest.raises(error):
            a[wrong] = 0
    values = np.arange(24).reshape(2, 3, 4)
    blocks = em.EMArray(None, None, values)
    for key in (
        (..., 0),
        (0, ...),
        (..., 1, slice(2)),
        (1, ..., 2),
        (slice(None), ..., [1, 2]),
        (0, 1, 2, ...),
    ):
        np.testing.assert_array_equal(blocks[key], values[key])
        blocks[key] = values[key] = -values[key].copy()
        same(blocks[:], values)
    for wrong in ((0, 0, 0, 0), (..., ...), "a", ["a"]):
        with pytest.raises(IndexError):
            blocks[wrong]
        with pytest.raises(IndexError):
            blocks[wrong] = 1
    with pytest.raises(IndexError):
        em.EMArray(None, "i4", [1])[0, 0]


def test_copies_and_repr(path):
    a = em.EMArray(path, "i2", range(12))
    assert type(a.copy()) is np.ndarray and a.copy().flags.owndata
    assert repr(a).startswith("EMArray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 2 more], dtype='<i2', path=")
    a.close()
    assert repr(a) == f"<closed EMArray {str(path)!r}>"
    for use in (
        lambda: a[0],
        lambda: len(a),
        lambda: a.append(1),
        a.view,
        lambda: memoryview(a),
        a.tolist,
    ):
        with pytest.raises(ValueError):
            use()
    a.open(path)
    assert a[11] == 11
    a.close()


# ---- Types


def test_the_dtype_must_agree(path):
    em.EMArray(path, "i4", shape_tail=(2,)).close()
    for dtype, tail in (("i8", None), (">i4", None), ("i4", (3,)), (None, (2, 2)), (("i4", (3,)), None)):
        with pytest.raises(em.FormatError, match=r"<i4.*not of"):
            em.EMArray(path, dtype, shape_tail=tail)
    for dtype, tail in ((None, None), ("int32", None), (np.int32, 2), (None, (2,)), (("i4", (2,)), None)):
        with em.EMArray(path, dtype, shape_tail=tail) as a:
            assert a.dtype == np.int32 and a.shape_tail == (2,)
    with pytest.raises(em.FormatError, match="array"):
        em.EMList(path)


@pytest.mark.parametrize(
    "dtype", ["O", object, [("a", "O")], "V0", "S0", "U", "nonsense", 5, np.dtype([]), ("i4", (0,))]
)
def test_dtypes_that_cannot_be_stored(path, dtype):
    with pytest.raises((TypeError, ValueError)):
        em.EMArray(path, dtype)
    assert not path.exists()


def test_shapes_that_cannot_be(path):
    for tail in ((0,), (-1,), (2**50,), (1,) * 17, (1.5,), "x"):
        with pytest.raises((TypeError, ValueError)):
            em.EMArray(path, "f8", shape_tail=tail)


def test_without_numpy():
    code = """
import sys
sys.modules["numpy"] = None
import array
import pyrsistence as em
a = em.EMArray(None, "u4", [1, 2])
a.append(3)
a.extend(array.array("I", [4]))
a.extend(x for x in (5, 6))
a[0] = 9
assert list(a) == a.tolist() == [9, 2, 3, 4, 5, 6] and a[-1] == 6
assert memoryview(a).tolist() == list(a)
del a[4:]
for use in (a.view, lambda: a[:], lambda: em.EMArray(None, [("x", "f4")])):
    try:
        use()
    except ImportError as error:
        assert "pip install numpy" in str(error)
    else:
        raise AssertionError(use)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- Views


def test_views_stay_valid_while_the_array_grows(path):
    a = em.EMArray(path, "i8", range(1000))
    view = a.view()
    address = view.ctypes.data
    assert not view.flags.writeable and view.flags.aligned and address % 4096 == 0
    for _ in range(10):
        a.extend(np.zeros(1 << 20, "i8"))  # past the 64 MiB that a window begins with
        a.commit()
    assert a.view().ctypes.data == address
    a[3] = 33
    assert view[3] == 33 and len(view) == 1000
    a.close()


def test_a_view_keeps_the_array_from_shrinking():
    a = em.EMArray(None, "i8", range(1000))
    view = a.view()[10:20]
    for shrink in (a.clear, lambda: a.resize(999), a.compact):
        with pytest.raises(BufferError, match="view"):
            shrink()
    assert a.stats()["views"] == 1
    a.append(1)
    a.resize(1000)
    del view
    gc.collect()
    a.clear()
    assert a.stats()["views"] == 0


def test_what_is_stored_through_a_view_is_committed(path):
    a = em.EMArray(path, "f8", np.zeros(100000))
    a.commit()
    view = a.view(writable=True)
    view[::1000] = 1
    a.commit()
    view[5] = 7
    a.close()
    with em.EMArray(path) as a:
        assert a[5] == 7 and a[:].sum() == 107
        assert a.verify() == []


def test_a_rollback_undoes_what_was_stored_through_a_view(path):
    a = em.EMArray(path, "i4", range(50000))
    view = a.view(writable=True)
    view[0] = 5
    with pytest.raises(KeyError), a.transaction():
        view[:] = -1
        a.extend(range(50000))
        longer = a.view(writable=True)
        longer[60000] = -2
        raise KeyError
    assert a[:].tolist() == [5, *range(1, 50000)] == view.tolist()
    longer[60000] = -3  # beyond the end now: it goes nowhere
    view[1] = 6
    a.resize(70000)
    assert a[:].tolist() == [5, 6, *range(2, 50000), *[0] * 20000]
    with a.transaction():
        view[2] = 7
    del view, longer
    a.close()
    with em.EMArray(path) as a:
        assert a[:4].tolist() == [5, 6, 7, 3] and a.verify() == []


def test_a_view_does_not_hurry_commits(path):
    """The commit interval begins when a writable view is made, goes, or is kept by a commit; not in 1970."""
    with em.EMArray(path, "i8", range(10), commit_interval=1000) as a:
        a.commit()
        view = a.view(writable=True)
        a.append(1)
        view[0] = 5
        a.commit()
        before = a.stats()["commits"]
        a.append(2)
        del view
        a.append(3)
        view = a.view(writable=True)
        a.append(4)
        del view
        gc.collect()
        a.append(5)
        assert a.stats()["commits"] == before
    with em.EMArray(path) as a:
        assert a.tolist() == [5, *range(1, 10), 1, 2, 3, 4, 5]


def test_views_outlive_the_array(path):
    with em.EMArray(path, "i4", range(50000)) as a:
        view = a.view(writable=True)
        view[1] = 11
    assert view[1] == 11 and view[49999] == 49999
    view[2] = 22
    with em.EMArray(path) as a:
        assert a[1] == 11 and a[2] == 2
    with em.EMArray(None, "i4", range(50000)) as a:
        view = a.view()
    assert view.sum() == sum(range(50000))


def test_a_view_keeps_an_array_open_that_nobody_else_has(path):
    view = em.EMArray(path, "i4", [1, 2, 3]).view(writable=True)
    gc.collect()
    view[0] = 9
    del view
    gc.collect()
    with em.EMArray(path) as a:
        assert a.tolist() == [9, 2, 3]


def test_the_interpreter_ends_with_views(path):
    code = (
        "import sys, pyrsistence as em\n"
        "a = em.EMArray(sys.argv[1], 'i4', range(50000))\n"
        "v = a.view(writable=True); m = memoryview(a); v[7] = 0"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
    with em.EMArray(path) as a:
        assert a[7] == 0 and a.verify() == []


def test_a_closed_member_lets_its_views_go(path):
    with em.Store(path) as s:
        a = s.array("x", "i4")
        a.extend(range(10))
        view = a.view(writable=True)
        view[0] = 5
        a.close()
        s.commit()
        assert view[0] == 5
        view[1] = 6
        again = s.array("x")
        assert again[0] == 5 and again[1] == 1


def test_buffer_protocol():
    a = em.EMArray(None, "i4", [1, 2, 3])
    with memoryview(a) as m:
        assert (m.format, m.shape, m.itemsize, m.readonly, m.tolist()) == ("i", (3,), 4, True, [1, 2, 3])
        with pytest.raises(BufferError):
            a.clear()
    a.clear()
    with pytest.raises(TypeError):
        (ctypes.c_char * 0).from_buffer(a)
    blocks = em.EMArray(None, "f4", np.ones((2, 3)), shape_tail=3)
    assert memoryview(blocks).shape == (2, 3) and memoryview(blocks).tolist() == [[1, 1, 1]] * 2
    assert bytes(em.EMArray(None, "u1", b"abc")) == b"abc"
    structure = em.EMArray(None, [("a", "i4"), ("b", "f4")], [(1, 2)])
    same(np.asarray(memoryview(structure)), np.array([(1, 2)], [("a", "i4"), ("b", "f4")]))
    with pytest.raises(BufferError, match="view"):
        memoryview(em.EMArray(None, "M8[s]"))


def test_array_protocol():
    a = em.EMArray(None, "i4", [1, 2, 3])
    assert np.asarray(a).base is not None and not np.asarray(a).flags.writeable
    assert np.array(a).flags.owndata and np.array(a, copy=True).flags.writeable
    same(np.asarray(a, "f8"), [1.0, 2.0, 3.0])
    assert np.add(a, 1).tolist() == [2, 3, 4] and np.sum(a) == 6
    with pytest.raises(ValueError, match="copy"):
        a.__array__("f8", copy=False)


def test_dlpack():
    a = em.EMArray(None, "f4", [1, 2, 3])
    taken = np.from_dlpack(a)
    assert taken.tolist() == [1, 2, 3] and not taken.flags.writeable
    assert taken.ctypes.data == a.view().ctypes.data
    with pytest.raises(BufferError):
        a.clear()
    assert a.__dlpack_device__() == (1, 0)


class Schema(ctypes.Structure):
    _fields_ = [("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p)]


class Array(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ]


def pointer(capsule, name, kind):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.cast(get(capsule, name), ctypes.POINTER(kind)).contents


def test_arrow_structures():
    a = em.EMArray(None, "f8", [1, 2, 3])
    schema, values = a.__arrow_c_array__()
    assert pointer(schema, b"arrow_schema", Schema).format == b"g"
    found = pointer(values, b"arrow_array", Array)
    assert (found.length, found.null_count, found.offset, found.n_buffers) == (3, 0, 0, 2)
    assert found.buffers[0] is None and found.buffers[1] == a.view().ctypes.data
    with pytest.raises(BufferError):
        a.clear()
    del schema, values, found
    a.clear()
    for dtype in ("?", "S3", ">i4", "M8[s]"):
        with pytest.raises(TypeError, match="Arrow"):
            em.EMArray(None, dtype).__arrow_c_array__()


def test_pyarrow():
    pyarrow = pytest.importorskip("pyarrow")
    a = em.EMArray(None, "i4", range(1000))
    taken = pyarrow.array(a)
    assert taken.type == pyarrow.int32() and taken.to_pylist() == list(range(1000))
    assert taken.buffers()[1].address == a.view().ctypes.data
    taken.validate(full=True)
    blocks = pyarrow.array(em.EMArray(None, "f4", np.arange(12).reshape(2, 2, 3), shape_tail=(2, 3)))
    blocks.validate(full=True)
    assert blocks.to_pylist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert pyarrow.field("x", pyarrow.schema([("x", pyarrow.int32())]).types[0]).type == taken.type
    with pytest.raises(BufferError):
        a.clear()
    del taken
    a.clear()


# ---- Readers, stores, processes


def test_a_reader_follows_its_writer(path):
    writer = em.EMArray(path, "i8", range(10))
    writer.commit()
    code = """
import sys, numpy, pyrsistence as em
with em.EMArray(sys.argv[1], mode="r") as a:
    for line in sys.stdin:
        print(len(a), a[-1], int(a[:].sum()), sum(a), flush=True)
        try:
            a.view()
        except RuntimeError as error:
            assert "snapshot" in str(error)
        else:
            raise AssertionError
        with a.snapshot():
            assert a.view().sum() == a[:].sum()
        assert len(numpy.asarray(a)) == len(a)
        try:
            a.view(writable=True)
        except OSError:
            pass
        else:
            raise AssertionError
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        for size in (10, 20, 100000, 3_000_000):
            writer.extend(range(len(writer), size))
            writer.commit()
            reader.stdin.write("\n")
            reader.stdin.flush()
            total = str(size * (size - 1) // 2)
            assert reader.stdout.readline().split() == [str(size), str(size - 1), total, total]
        reader.stdin.close()
        assert reader.wait() == 0
    writer.close()


def test_pickled_by_place(path):
    with em.Store(path) as s:
        a = s.array("x", "i4")
        a.extend(range(100))
        code = "import sys, pickle; a = pickle.load(sys.stdin.buffer); print(a.name, a[:].sum())"
        found = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(a), capture_output=True)
        assert found.stdout.split() == [b"x", b"4950"], found.stderr
        assert pickle.loads(pickle.dumps(a)) is a
        s.dict("d")["a"] = a
        same(s.dict("d")["a"], a[:])


def test_members_commit_together(path):
    with em.Store(path) as s:
        with s.transaction():
            s.array("x", "f4", shape_tail=2).extend([[1, 2]])
            s.dict("d")["k"] = 1
        with pytest.raises(KeyError), s.transaction():
            s.array("x").append([3, 4])
            made = s.array("new", "i4")
            raise KeyError
        assert made.closed and s.members() == {"x": "array", "d": "dict"}
        with pytest.raises(em.FormatError, match="not of"):
            s.array("x", "f8")
        with pytest.raises(em.FormatError):
            s.list("x")
        assert s.array("x").tolist() == [[1, 2]]
    with em.open(path) as s:
        assert s.array("x").dtype == "f4" and s.verify() == []
        s.drop("x")
        assert s.members() == {"d": "dict"}


def test_backup_and_compact(path, tmp_path):
    with em.EMArray(path, "i4", range(600_000)) as a:
        a.resize(400_000)
        a.backup(tmp_path / "copy")
        a.compact(tmp_path / "small")
        assert a.stats()["free_bytes"] > 0
        a.compact()
        assert a.stats()["free_bytes"] == 0 and a.stats()["entries"] == 400_000
    for name in ("a", "copy", "small"):
        with em.EMArray(tmp_path / name, mode="r") as a:
            same(a[:], np.arange(400_000, dtype="i4"))
            assert a.verify() == []


def test_a_transaction_of_more_than_the_budget(path):
    budget = em.memory_budget()
    try:
        em.set_memory_budget(8 << 20)
        with em.EMArray(path, "i8", np.zeros(4 << 20, "i8")) as a:
            a.commit()
            a[:] = 1  # 32 MiB: committed on the way
            assert a.view().sum() == 4 << 20
            view = a.view(writable=True)
            view += 1
            a.commit()
            a.append(2)
            assert a[:].sum() == (8 << 20) + 2
    finally:
        em.set_memory_budget(budget)


@pytest.mark.parametrize(
    "text", [b"|O", b"<f4", b"<f9", b"[[[", b'[["a","|O"]]', b"[" * 3000, b"f8,f8", b"\xff", b"8f"]
)
def test_a_hostile_dtype(path, text):
    em.EMArray(path, "f8", [1.0]).close()
    region = max(path.glob("region-*"), key=lambda file: file.read_bytes()[:4] == b"EMDA")
    page = bytearray(region.read_bytes())
    struct.pack_into("<I", page, 28, len(text))
    page[160 : 160 + len(text)] = text
    region.write_bytes(page)
    with em.EMArray(path, mode="r") as a:
        assert a.verify() != []
        with pytest.raises(em.DamagedError):
            a.view()


def test_threads_store_through_views_while_others_commit(path):
    import threading

    with em.EMArray(path, "i8", np.zeros(200_000, "i8")) as a:
        a.commit()
        view = a.view(writable=True)
        done = threading.Event()

        def store():
            for number in itertools.count(1):
                view[:] = number
                if done.is_set():
                    return

        thread = threading.Thread(target=store)
        thread.start()
        for _ in range(20):
            a.append(0)
            a.commit()
        done.set()
        thread.join()
        last = int(view[0])
    with em.EMArray(path) as a:
        assert set(a[:200_000].tolist()) == {last} and a.verify() == []


# ---- Random operations against a NumPy array


class Model:
    """An EMArray and what it should hold, changed alike."""

    def __init__(self, path, draw):
        self.path, self.draw = path, draw
        self.array = em.EMArray(path, "i4", commit_interval=None)
        self.expected = np.zeros(0, "i4")
        self.views = []

    def fresh(self, count):
        return np.array([self.draw.randrange(-99, 99) for _ in range(count)], "i4")

    def extend(self):
        more = self.fresh(self.draw.choice([1, 3, 2000]))
        self.array.extend(self.draw.choice([more, more.tolist(), more.astype("i8"), iter(more.tolist())]))
        self.expected = np.concatenate([self.expected, more])

    def append(self):
        self.array.append(5)
        self.expected = np.append(self.expected, np.int32(5))

    def resize(self):
        size = self.draw.randrange(len(self.expected) * 2 + 3)
        try:
            self.array.resize(size)
        except BufferError:
            assert self.views and size < len(self.expected)
            return
        kept = self.expected[:size]
        self.expected = np.concatenate([kept, np.zeros(size - len(kept), "i4")])

    def assign(self):
        key = slice(*(self.draw.randrange(-3000, 3000) for _ in range(2)), self.draw.choice([1, 2, -3]))
        values = self.fresh(len(self.expected[key]))
        self.array[key] = self.expected[key] = values

    def scatter(self):
        if len(self.expected):
            key = [self.draw.randrange(len(self.expected)) for _ in range(5)]
            self.array[key] = self.expected[key] = self.draw.randrange(99)

    def look(self):
        self.views.append(self.array.view(writable=self.draw.random() < 0.7))

    def unlook(self):
        self.views = self.views[1:]

    def store(self):
        for view in self.views:
            size = min(len(view), len(self.expected))
            if size and view.flags.writeable:
                at = self.draw.randrange(size)
                view[at:size] += 1
                self.expected[at:size] += 1

    def commit(self):
        self.array.commit()

    def transaction(self):
        before = self.expected.copy()
        try:
            with self.array.transaction():
                for _ in range(3):
                    self.draw.choice([self.extend, self.assign, self.store, self.resize])()
                if self.draw.random() < 0.5:
                    raise KeyError
        except KeyError:
            self.expected = before

    def reopen(self):
        self.array.close()
        self.views = []
        self.array = em.EMArray(self.path, commit_interval=None)

    def step(self):
        names = ["extend", "append", "resize", "assign", "scatter", "look", "unlook", "store", "store"]
        getattr(self, self.draw.choice([*names, "commit", "transaction", "reopen"]))()
        np.testing.assert_array_equal(self.array[:], self.expected)
        for view in self.views:
            size = min(len(view), len(self.expected))
            np.testing.assert_array_equal(view[:size], self.expected[:size])


@pytest.mark.parametrize("run", range(6))
def test_it_behaves_as_a_numpy_array(path, run):
    seed = random.randrange(2**32)
    print("seed", seed)
    model = Model(path, random.Random(seed))
    for _ in range(120):
        model.step()
    model.reopen()
    np.testing.assert_array_equal(model.array[:], model.expected)
    assert model.array.verify() == []
    model.array.close()


def test_on_the_command_line(path, tmp_path):
    def command(*arguments, code=0, **options):
        done = subprocess.run(
            [sys.executable, "-m", "pyrsistence", *map(str, arguments)],
            capture_output=True,
            text=True,
            **options,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    em.EMArray(path, "i4", [1, 2, 3]).close()
    assert json.loads(command("info", "--json", path))["kind"] == "array"
    assert "<i4" in command("info", path) and "item_bytes" in command("stats", path)
    assert command("get", path, "-1") == "3\n" and command("head", "-n", "1", path) == "0\t1\n"
    dump = command("dump", path)
    assert dump.splitlines()[0] == '{"value": 1}' and dump.splitlines()[-1] == '{"end": 3}'
    command("load", path, input=dump)
    assert "sound" in command("verify", path)
    command("keys", path, code=2)
    with em.Store(tmp_path / "s") as s:
        s.array("t", "M8[s]").extend(np.array(["2026-01-02"], "M8[s]"))
        s.array("b", [("x", "i2"), ("y", "f4", (2,))]).append((1, (2.5, 3)))
        s.array("n", "f8", shape_tail=2).extend([[1, 2]])
    assert command("get", "--member", "t", tmp_path / "s", "0") == "2026-01-02T00:00:00\n"
    assert '{"value": [1.0, 2.0]}' in command("dump", "--member", "n", tmp_path / "s")
    assert "2.5" in command("dump", "--member", "b", tmp_path / "s")
    with em.EMArray(path) as a:
        assert a.tolist() == [1, 2, 3, 1, 2, 3]
