"""EMArray's buffer: what NumPy's own arrays of the same dtype export, for every dtype and kind of request."""

import ctypes
import hashlib
import itertools

import numpy as np
import pytest

import pyrsistence as em

DTYPES = [
    *[
        "?",
        "i1",
        "u1",
        "i2",
        "u2",
        "i4",
        "u4",
        "i8",
        "u8",
        "f2",
        "f4",
        "f8",
        "c8",
        "c16",
        "S5",
        "U3",
        "V4",
        "M8[s]",
        "m8[D]",
        ">i2",
        ">u4",
        ">i8",
        ">f8",
        ">c8",
        ">U2",
    ],
    [("id", "u8"), ("flag", "u1")],
    [("flag", "u1"), ("id", "u8")],
    [("a", "i4"), ("b", "f4")],
    [("a", ">i8"), ("b", "u1"), ("c", "S3")],
    [("a", "u1"), ("b", "f8", (2, 3)), ("c", [("d", "i2"), ("e", "U2")])],
    [("a", "M8[s]"), ("b", "i4")],
    np.dtype([("a", "u1"), ("b", "i8")], align=True),
    np.dtype([("a", "u8"), ("b", "u1")], align=True),
    np.dtype([("a", ">i8"), ("b", "u1")], align=True),
    np.dtype({"names": ["a"], "formats": ["<f8"], "offsets": [0], "itemsize": 12}),
    np.dtype({"names": ["a", "b"], "formats": ["<f8", "u1"], "offsets": [3, 16], "itemsize": 32}),
]
SHAPES = [(), (4,), (1,), (1, 1), (3, 2), (1, 3)]
# What consumers ask for: names of Include/cpython/object.h.
PARTS = {"SIMPLE": 0, "ND": 0x8, "STRIDES": 0x18, "C": 0x38, "F": 0x58, "ANY": 0x98, "INDIRECT": 0x118}
REQUESTS = {
    f"{name}{'+WRITABLE' * writable}{'+FORMAT' * with_format}": flags | writable | with_format * 4
    for (name, flags), writable, with_format in itertools.product(PARTS.items(), (0, 1), (0, 1))
}


class Buffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    ]


GET, RELEASE = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
GET.argtypes, RELEASE.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int], [ctypes.c_void_p]


def answer(exporter, flags):
    """What it says to such a request; None: that it does not export so."""
    buffer = Buffer()
    try:
        GET(exporter, ctypes.byref(buffer), flags)
    except (BufferError, ValueError):
        assert not buffer.obj
        return None
    try:
        shape = [buffer.shape[i] for i in range(buffer.ndim)] if buffer.shape else None
        # Of a dimension of length 1 the stride means nothing.
        strides = (
            [buffer.strides[i] if shape[i] > 1 else 0 for i in range(buffer.ndim)] if buffer.strides else None
        )
        data = ctypes.string_at(buffer.buf, buffer.len) if buffer.len else b""
        said = (buffer.len, buffer.itemsize, buffer.readonly, buffer.ndim, buffer.format)
        return said, shape, strides, bool(buffer.suboffsets), data
    finally:
        RELEASE(ctypes.byref(buffer))


def example(dtype, shape):
    """Items of a dtype, and the array of them."""
    dtype = np.dtype(dtype)
    size = 3 * int(np.prod(shape)) * dtype.itemsize
    raw = np.arange(size, dtype="u4").astype("u1") % 2 if dtype.kind != "U" else np.zeros(size, "u1")
    values = np.frombuffer(raw.tobytes(), dtype).reshape(3, *shape)
    return values, em.EMArray(None, dtype, values, shape_tail=shape)


def reads_back(values):
    """Whether NumPy reads its own export as what it was."""
    try:
        return np.asarray(memoryview(values)).dtype == values.dtype
    except (ValueError, RuntimeError):
        return False


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_buffer_is_numpys(dtype, shape):
    values, a = example(dtype, shape)
    whole = reads_back(values)
    for name, flags in REQUESTS.items():
        expected = answer(values, flags) if whole else None
        assert answer(a, flags) == expected, name
        if whole and "WRITABLE" not in name:
            assert answer(a._view(False), flags & ~4) is not None or "F" in name
    taken = np.asarray(a)
    assert taken.dtype == values.dtype and taken.tobytes() == values.tobytes() and taken.shape == values.shape
    assert taken.dtype.char == values.dtype.char and type(taken.flat[0]) is type(values.flat[0])
    assert taken.ctypes.data == a.view().ctypes.data
    if whole and a.ndim == 1:
        assert memoryview(a).format == memoryview(values).format


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_few_items(dtype, count):
    dtype = np.dtype(dtype)
    a = em.EMArray(None, dtype, np.zeros(count, dtype))
    assert np.asarray(a).dtype == dtype and np.asarray(a).shape == (count,)
    assert np.concatenate([a, a]).shape == (2 * count,)


def test_consumers():
    values, a = example("u1", (4,))
    assert hashlib.sha256(a).digest() == hashlib.sha256(values).digest()
    assert bytes(a) == values.tobytes() and bytearray(a) == values.tobytes()
    # CPython's own consumer, which looks at what it is not to look at.
    testbuffer = pytest.importorskip("_testbuffer")
    for flags in (testbuffer.PyBUF_SIMPLE, testbuffer.PyBUF_ND, testbuffer.PyBUF_STRIDES):
        taken = testbuffer.ndarray(a, getbuf=flags)
        assert taken.c_contiguous
        taken.f_contiguous
    pandas = pytest.importorskip("pandas")
    numbers = em.EMArray(None, "u8", np.arange(7000) % 12)
    frame = pandas.DataFrame({"a": numbers})
    assert len(frame.merge(frame.drop_duplicates(), on="a")) == 7000


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
def test_numbers_go_to_arrow(dtype):
    pyarrow = pytest.importorskip("pyarrow")
    values, a = example(dtype, ())
    taken = pyarrow.array(a)
    taken.validate(full=True)
    assert taken.type == pyarrow.from_numpy_dtype(dtype) and taken.to_pylist() == values.tolist()
    assert taken.buffers()[1].address == a.view().ctypes.data
    blocks = pyarrow.array(example(dtype, (3, 2))[1])
    blocks.validate(full=True)
    assert blocks.to_pylist() == example(dtype, (3, 2))[0].tolist()
