"""Values as bytes and back (docs/format.md): every type, hostile bytes, no leaks."""

import collections
import datetime
import decimal
import gc
import math
import pickle
import random
import resource
import struct
import sys
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyrsistence import DamagedError
from pyrsistence._core import _decode_key, _decode_value, _encode_key, _encode_value

numpy = pytest.importorskip("numpy")

PICKLE, USER_PICKLE = 0x40, 0x41


def round_trip(value, **options):
    return _decode_value(_encode_value(value, **options), **options)


def same(a, b):
    """Equal, of the same types all the way down, floats by their bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return a == b


# Any code point, surrogates too.
texts = st.text(st.characters(codec=None))
atoms = (
    st.none()
    | st.booleans()
    | st.just(...)
    | st.integers()
    | st.integers(-(2**600), 2**600)
    | st.floats()
    | st.complex_numbers()
    | texts
    | st.binary()
)
frozen = st.recursive(atoms, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=10)
hashable = st.recursive(
    st.integers() | texts | st.binary() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
flat = (
    frozen
    | st.lists(frozen)
    | st.dictionaries(hashable, frozen)
    | st.sets(hashable)
    | st.frozensets(hashable)
    | st.binary().map(bytearray)
)
trees = st.recursive(
    flat, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4)
)


@given(flat)
@example("\ud800")
@example("\udfff\ud800\U0001f600")
@example(-0.0)
@example(struct.unpack("<d", bytes.fromhex("010000000000f47f"))[0])
def test_natural_values_come_back_without_pickle(value):
    encoded = _encode_value(value)
    # Only what holds the same tuple twice may be a pickle.
    if encoded[0] != PICKLE:
        assert same(_decode_value(encoded, pickle=False), value)
    assert same(_decode_value(encoded), value)


@given(trees)
def test_nested_values_come_back(value):
    assert same(round_trip(value), value)
    assert same(round_trip(value, pickle=False), value)


@pytest.mark.parametrize("power", range(80))
def test_ints_at_every_length(power):
    for number in (256**power, 2 ** (8 * power + 7)):
        for value in (number - 1, number, number + 1, -number - 1, -number, -number + 1):
            encoded = _encode_value(value)
            assert _decode_value(encoded) == value
            shortest = 0 if value == 0 else (value if value >= 0 else ~value).bit_length() // 8 + 1
            assert len(encoded) <= 1 + shortest + (0 if shortest <= 8 else 2)
            assert _decode_value(_encode_value((value, 1))) == (value, 1)


def test_huge_int():
    value = -(7**200_000)
    assert round_trip(value) == value


@pytest.mark.parametrize(
    "value",
    [
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        5e-324,
        complex(-0.0, -0.0),
        complex(math.nan, -math.inf),
        range(10**40),
        range(5, 0, -2),
    ],
    ids=repr,
)
def test_special_atoms(value):
    assert repr(round_trip(value, pickle=False)) == repr(value)
    assert repr(round_trip([value], pickle=False)) == repr([value])


@pytest.mark.parametrize("bits", ["000000000000f87f", "010000000000f07f", "efcdab896745f3ff"])
def test_payload_of_nan_is_kept(bits):
    value = struct.unpack("<d", bytes.fromhex(bits))[0]
    assert struct.pack("<d", round_trip(value)) == bytes.fromhex(bits)


@pytest.mark.parametrize(
    "value, size",
    [
        (None, 1),
        (0, 1),
        (127, 2),
        (2**31, 6),
        (1.5, 9),
        ("abc", 4),
        ("é", 3),
        (b"abc", 4),
        ((1, "a"), 7),
        ([0] * 10, 12),
    ],
)
def test_sizes(value, size):
    assert len(_encode_value(value)) == size


class Text(str):
    pass


class Items(list):
    pass


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        Text("a"),
        Items([1]),
        Point(1, 2),
        decimal.Decimal("1.10"),
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        True,
    ],
    ids=repr,
)
def test_subclasses_come_back_as_themselves(value):
    for holder in (value, (value,), [value], {"a": value}):
        found = round_trip(holder)
        assert found == holder and type(found) is type(holder)
    assert type(round_trip((value,))[0]) is type(value)


def test_identity_within_a_value_is_kept():
    inner = []
    first, second = round_trip([inner, inner])
    assert first is second
    cycle = []
    cycle.append(cycle)
    found = round_trip(cycle)
    assert found[0] is found
    shared = (1, 2, 3)
    first, second = round_trip([shared, shared])
    assert first is second


def test_doubling_tuples_stay_small():
    value = ()
    value = (value, 1)
    for _ in range(100):
        value = (value, value)
    assert len(_encode_value(value)) < 10_000


def test_without_pickle_a_shared_list_or_a_cycle_is_refused():
    inner = [1]
    assert round_trip([inner, [2]], pickle=False) == [[1], [2]]
    cycle = []
    cycle.append(cycle)
    for value in ([inner, inner], cycle, {"a": inner, "b": inner}, Point(1, 2), object()):
        with pytest.raises(TypeError, match="pickle=False"):
            _encode_value(value, pickle=False)


def test_without_pickle_a_pickle_is_not_read():
    with pytest.raises(pickle.UnpicklingError, match="pickle=False"):
        _decode_value(_encode_value(Point(1, 2)), pickle=False)


def test_deep_nesting():
    for depth in (1, 199, 200, 201, 400):
        value = ()
        for _ in range(depth):
            value = (value,)
        encoded = _encode_value(value)
        assert (encoded[0] == PICKLE) == (depth >= 200)
        assert _decode_value(encoded) == value


def test_what_cannot_be_pickled_raises_what_pickle_raises():
    with pytest.raises((AttributeError, pickle.PicklingError)):
        _encode_value(lambda: 0)


class Reversing:
    """A pickler that is not pickle."""

    def pickle(self, value):
        return pickle.dumps(value)[::-1]

    def unpickle(self, data):
        assert type(data) is bytes
        return pickle.loads(data[::-1])


def test_users_pickler_replaces_pickle():
    user = Reversing()
    encoded = _encode_value(Point(1, 2), pickler=user)
    assert encoded[0] == USER_PICKLE and encoded[1:] == user.pickle(Point(1, 2))
    assert _decode_value(encoded, unpickler=user) == Point(1, 2)
    assert _decode_value(encoded, unpickler=user, pickle=False) == Point(1, 2)
    assert _encode_value(12, pickler=user) == _encode_value(12)
    with pytest.raises(pickle.UnpicklingError, match="unpickler="):
        _decode_value(encoded)


def test_bad_picklers():
    class Wrong:
        def pickle(self, value):
            return "text"

    with pytest.raises(TypeError, match="must return bytes"):
        _encode_value(Point(1, 2), pickler=Wrong())
    with pytest.raises(TypeError, match="pickler="):
        _encode_value(1, pickler=object())
    with pytest.raises(TypeError, match="unpickler="):
        _decode_value(_encode_value(1), unpickler=object())
    with pytest.raises(TypeError, match="key="):
        _encode_key(1, key=1)


ARRAYS = [
    numpy.arange(12),
    numpy.arange(12.0).reshape(3, 4),
    numpy.asfortranarray(numpy.arange(12).reshape(3, 4)),
    numpy.arange(24).reshape(4, 6)[::2, 1::2],
    numpy.zeros((0, 3), "f4"),
    numpy.array(5),
    numpy.array([True, False]),
    numpy.array(["a", "bcd\u1234"]),
    numpy.array([b"a", b"bcd"]),
    numpy.array([1, 2], ">i4"),
    numpy.array(["2020-01-01T01:02"], "M8[m]"),
    numpy.array([1, 2], "m8[25s]"),
    numpy.array([1 + 2j], "c8"),
    numpy.array([1.5], "f2"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_arrays_come_back_without_pickle(array):
    found = round_trip(array, pickle=False)
    assert type(found) is numpy.ndarray and found.dtype == array.dtype and found.shape == array.shape
    assert found.tobytes() == array.tobytes() and found.flags.writeable
    assert found.flags.owndata


@pytest.mark.parametrize(
    "array",
    [
        numpy.array([None, "a"], object),
        numpy.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        numpy.ma.array([1, 2]),
        numpy.array([1.5], numpy.longdouble),
        numpy.array([1], numpy.dtype("i8", metadata={"a": 1})),
    ],
    ids=lambda a: str(a.dtype),
)
def test_other_arrays_are_pickled(array):
    assert _encode_value(array)[0] == PICKLE
    found = round_trip(array)
    assert type(found) is type(array) and found.dtype == array.dtype and (found == array).all()


@pytest.mark.parametrize(
    "name",
    ["bool_", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64", "complex64", "complex128"],
)
def test_numpy_scalars(name):
    value = getattr(numpy, name)(1)
    found = round_trip(value, pickle=False)
    assert type(found) is type(value) and found == value


PLAIN = [
    *(
        numpy.dtype(text).type(1)
        for text in [
            "|b1",
            "|i1",
            "|u1",
            "<i2",
            "<u2",
            "<i4",
            "<u4",
            "<i8",
            "<u8",
            "<f2",
            "<f4",
            "<f8",
            "<c8",
            "<c16",
        ]
    ),
    *(
        datetime.date(9999, 12, 31),
        datetime.datetime(1, 1, 1),
        datetime.datetime(2020, 2, 29, 23, 59, 59, 999999),
    ),
    *(datetime.time(23, 59, 59, 999999), datetime.timedelta.min, datetime.timedelta.max),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_numbers_of_numpy_and_naive_times_are_native_within_containers(value):
    for nested in ({"w": value}, (value, value), [value, 1], {1: (value,)}, frozenset([value])):
        found = round_trip(nested, pickle=False)
        assert found == nested and repr(found) == repr(nested)
    assert _encode_value({"w": value})[0] == 0x22, "a dict, not a pickle"
    encoded = _encode_value([value])
    for end in range(len(encoded)):
        with pytest.raises(DamagedError):
            _decode_value(encoded[:end])


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2020, 1, 1, fold=1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        datetime.time(1, fold=1),
        datetime.time(1, tzinfo=datetime.timezone.utc),
        numpy.longdouble(1),
        numpy.datetime64("2020-01-01"),
    ],
    ids=repr,
)
def test_other_times_and_numbers_within_containers_are_pickled(value):
    assert _encode_value({"w": value})[0] == PICKLE
    with pytest.raises(TypeError, match="pickle=False"):
        _encode_value({"w": value}, pickle=False)


@pytest.mark.parametrize("wrap", ["list", "dict.fromkeys", "set"])
@pytest.mark.parametrize("first", ["numpy.float64(1.0)", "numpy.int16(1)"])
def test_what_a_walk_goes_over_does_not_change_under_it(run_python, wrap, first):
    """The first number of NumPy's in a process has it asked for its types, which may run any code."""
    source = f"""
import gc, numpy
from pyrsistence._core import _decode_value, _encode_value
made = {wrap}([{first}, *range(100_000)])
real = numpy.dtype
def dtype(*arguments):
    made.clear()
    gc.collect()
    return real(*arguments)
numpy.dtype = dtype
encoded = _encode_value(made)
numpy.dtype = real
print(len(_decode_value(encoded)), len(made))
"""
    assert run_python(source).split() == ["0", "0"]


def test_times_need_no_numpy(run_python):
    source = """
import sys
sys.modules["numpy"] = None
import datetime
from pyrsistence._core import _decode_value, _encode_value
value = {"day": datetime.date(2020, 1, 2), 1: [datetime.timedelta(3)]}
print(_decode_value(_encode_value(value, pickle=False), pickle=False) == value)
"""
    assert run_python(source).split() == ["True"]


@pytest.mark.parametrize("text", [b"|O8", b"<f9", b"|V4", b"<M8", b"<U1", b">f8"])
def test_a_nested_scalar_of_another_type_is_damage(text):
    with pytest.raises(DamagedError):
        _decode_value(b"\x21\x01\x31\x0a" + bytes([len(text)]) + text + bytes(16))


@pytest.mark.parametrize(
    "value", [numpy.datetime64("2020-01-01"), numpy.timedelta64(5, "h"), numpy.str_("a"), numpy.bytes_(b"a")]
)
def test_other_numpy_scalars(value):
    found = round_trip(value)
    assert type(found) is type(value) and found == value and found.dtype == value.dtype


# Hostile bytes.


def test_truncated_and_extended_encodings():
    for value in (
        2**70,
        1.5,
        1j,
        (1, "ab"),
        [b"abc"],
        {"a": 2**90},
        {1},
        range(3),
        ARRAYS[1],
        numpy.float32(1),
    ):
        encoded = _encode_value(value)
        for size in range(len(encoded)):
            with pytest.raises(DamagedError):
                _decode_value(encoded[:size])
        with pytest.raises(DamagedError):
            _decode_value(encoded + b"\0")
    with pytest.raises(DamagedError):
        _decode_value(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\xff",
        b"\x0aab\x80",  # ASCII that is not
        b"\x0b\xff",
        b"\x0b\xed\xa0",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # counts beyond the bytes
        b"\x21\x02\x01",
        b"\x22\x01\x01",
        b"\x20\x80" + b"\x80" * 10,
        b"\x22\x01\x21\x00\x01",  # a list as a key
        b"\x22\x02\x10\x01\x11\x00\x01",  # 0 twice
        b"\x23\x02\x01\x01",
        b"\x23\x01\x21\x00",
        b"\x20\x01" * 201 + b"\x20\x00",
        b"\x21\x01" * 100_000 + b"\x01",
        b"\x21\x01\x40abc",  # a pickle inside
        b"\x0e\x10\x10\x10",  # a range of step 0
        b"\x0e\x01\x01\x01",
        b"\x30\x0a\x02|O\x00\x01\x01" + bytes(8),  # an array of pointers
        b"\x30\x0a\x03O,O\x00\x01\x01" + bytes(16),
        b"\x30\x0a\x06(2,)f8\x00\x01\x01" + bytes(16),
        b"\x30\x0a\x03|V8\x00\x01\x01" + bytes(8),
        b"\x30\x0a\x03<f8\x02\x01\x01" + bytes(8),
        b"\x30\x0a\x03<f8\x00\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x30\x0a\x03|S0\x00\x01\xff\xff\xff\x7f",
        b"\x30\x0a\x03<f8\x00\x41" + b"\x01" * 65 + bytes(8),
        b"\x30\x0a\x0c<M8[999Y/99]\x00\x01\x01" + bytes(8),
        b"\x31\x0a\x02|O" + bytes(8),
        b"\x31\x0a\x03<f8" + bytes(7),
        b"\x89" + bytes(16),  # a key's tag
        b"\x82\xe4\x07\x0d\x02",  # a month 13
    ],
    ids=lambda data: data[:12].hex(),
)
def test_bytes_that_no_encoder_wrote(data):
    with pytest.raises(DamagedError):
        _decode_value(data)


SAMPLES = [
    None,
    -(2**100),
    1.5,
    "text é \ud800",
    b"bytes",
    (1, ("a", (None, 2.5))),
    [1, "b", (2,)],
    {"a": 1, (1, 2): b"x"},
    {1, "c"},
    frozenset([1, (2,)]),
    range(5),
    ARRAYS[1],
    ARRAYS[10],
    numpy.int16(7),
]


def mutations(samples, count, rng):
    """Changed, cut, joined encodings; no pickles, since unpickling garbage may do anything."""
    for _ in range(count):
        data = bytearray(rng.choice(samples))
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(4)
            at = rng.randrange(len(data) + 1)
            if kind == 0 and at < len(data):
                data[at] = rng.choice([rng.randrange(256), 0xFF, 0x80, 0x20, 0x22])
            elif kind == 1:
                del data[at : at + rng.randrange(1, 4)]
            elif kind == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 4))
            else:
                data[at:at] = rng.choice(samples)
        if data[:1] not in (b"\x40", b"\x41"):
            yield bytes(data)


def test_fuzzed_values(rng):
    samples = [_encode_value(value) for value in SAMPLES]
    outcomes = collections.Counter()
    for data in mutations(samples, 60_000, rng):
        try:
            value = _decode_value(data, pickle=False)
        except DamagedError:
            outcomes["damaged"] += 1
        else:
            outcomes["value"] += 1
            _encode_value(value)
    assert outcomes["damaged"] > 1000 and outcomes["value"] > 1000


def test_random_bytes(rng):
    for _ in range(60_000):
        data = rng.randbytes(rng.randrange(1, 24))
        for decode in (lambda d: _decode_value(d, pickle=False), lambda d: _decode_key(d, b"")):
            try:
                decode(data)
            except (DamagedError, pickle.UnpicklingError):
                pass


# Python code may run in a finalizer or a __reduce__, never in the native path.


def test_a_reduce_that_changes_the_container():
    class Changing:
        def __init__(self, target):
            self.target = target

        def __reduce__(self):
            self.target.clear()
            return (int, ())

    value = [1, "a"] * 100
    value.insert(50, Changing(value))
    try:
        _encode_value(value)
    except (RuntimeError, pickle.PicklingError):
        pass
    assert value == []


def test_a_value_that_fails_halfway_leaves_no_trace():
    class Failing:
        def __reduce__(self):
            raise ZeroDivisionError

    for value in ([1, Failing()], (Failing(),), {"a": Failing()}):
        with pytest.raises(ZeroDivisionError):
            _encode_value(value)
        assert _encode_value((1, 2)) == _encode_value((1, 2))


# Leaks: neither references nor memory.

# Not arrays: NumPy keeps freed blocks, and tells tracemalloc that they are in use.
LEAK_SAMPLES = [value for value in SAMPLES if not isinstance(value, numpy.ndarray)] + [
    Point(1, 2),
    decimal.Decimal(1),
    True,
    1.0,
]


@pytest.mark.parametrize("value", LEAK_SAMPLES, ids=lambda v: repr(v)[:20])
def test_no_leaks_of_values(value):
    assert_no_growth(lambda: round_trip(value))


def test_no_leaks_of_arrays():
    array = numpy.zeros(1 << 17)  # one MiB
    peak = None
    for i in range(600):
        assert round_trip(array).nbytes == array.nbytes
        if i == 50:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100 << 10  # KiB


def test_no_leaks_on_errors():
    class Failing:
        def __reduce__(self):
            raise ZeroDivisionError

    objects = [[1, Failing()], [1, 2, (lambda: 0)]]

    def fail():
        for value in objects:
            try:
                _encode_value(value)
            except Exception:
                pass
            try:
                _encode_value(value, pickle=False)
            except TypeError:
                pass

    assert_no_growth(fail)


def test_no_leaks_on_damage():
    rng = random.Random(5)
    damaged = list(mutations([_encode_value(value) for value in SAMPLES], 200, rng))

    def decode():
        for data in damaged:
            try:
                _decode_value(data, pickle=False)
            except DamagedError:
                pass

    assert_no_growth(decode, times=500)


def assert_no_growth(function, times=20_000):
    """Runs it often; fails if objects or traced bytes grow with the number of runs."""
    references = [None, True, ..., 1, Point, "text"]
    for _ in range(100):
        function()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        counts = [sys.getrefcount(r) for r in references]
        for _ in range(times):
            function()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        more = [sys.getrefcount(r) - c for r, c in zip(references, counts, strict=True)]
    finally:
        tracemalloc.stop()
    assert grown < times // 2 + 32_000 and max(map(abs, more)) < times // 2
