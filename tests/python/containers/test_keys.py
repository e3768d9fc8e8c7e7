"""Keys as canonical bytes (docs/keys.md): equal keys, equal bytes; the stored key comes back."""

import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import hashlib
import itertools
import math
import os
import pathlib
import pickle
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyrsistence
from pyrsistence import DamagedError, EMDict
from pyrsistence._core import _decode_key, _encode_key, _encode_lookup

D = decimal.Decimal
F = fractions.Fraction
UTC = datetime.timezone.utc


def canonical(key, /, **options):
    return _encode_key(key, **options)[0]


def round_trip(key, /, **options):
    return _decode_key(*_encode_key(key, **options), **options)


class Colour(enum.Enum):
    RED = 1
    ALSO_RED = 1
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class TextEnum(str, enum.Enum):
    A = "a"


class Text(str):
    pass


class OrderedText(str):
    """Redefines an order, and inherits equality all the same."""

    def __lt__(self, other):
        return str.__gt__(self, other)


class CaselessText(str):
    def __eq__(self, other):
        return self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())


class Whole(int):
    pass


class Items(frozenset):
    pass


Pair = collections.namedtuple("Pair", "x y")


@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object = None
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True)
class Point3(Point):
    z: int = 0


class PlainChildOfPoint(Point):
    pass


@dataclasses.dataclass(frozen=True)
class Approximate:
    """A dataclass whose __eq__ is written by hand: its state decides."""

    x: float

    def __eq__(self, other):
        return round(self.x) == round(other.x)

    def __hash__(self):
        return hash(round(self.x))


@dataclasses.dataclass(frozen=True, eq=False)
class ByState:
    x: int


@dataclasses.dataclass(frozen=True)
class Unhashed:
    x: int
    parts: list = dataclasses.field(hash=False)


class Plain:
    def __init__(self, *parts):
        self.parts = parts
        self.table = {"b": [1], "a": {3, 1, 2}}

    def __eq__(self, other):
        return self.parts == other.parts

    def __hash__(self):
        return hash(self.parts)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a

    def __eq__(self, other):
        return self.a == other.a

    def __hash__(self):
        return hash(self.a)


class Tagged(frozenset):
    """A set with a hash of its own, so the general rule holds."""

    def __hash__(self):
        return 5

    def __eq__(self, other):
        return frozenset.__eq__(self, other)


def function():
    pass


NEW_YORK = zoneinfo.ZoneInfo("America/New_York")

# What should be found again in any process; the same list is made in each.
KEYS = [
    None,
    ...,
    0,
    -1,
    2**64,
    True,
    1.5,
    -0.0,
    1e300,
    math.inf,
    1j,
    complex(2, 0),
    "",
    "text",
    "\ud800é\U0001f600",
    b"",
    b"\xff",
    (),
    (1, "a", (2.0, None)),
    frozenset(["a", "b", "c", "d", 1, 2.0]),
    frozenset([frozenset("xyz"), ("p", "q")]),
    range(10),
    range(0),
    D("0.1"),
    D("1e50"),
    F(1, 3),
    Colour.RED,
    Colour.BLUE,
    Number.ONE,
    Permission.READ | Permission.WRITE,
    TextEnum.A,
    Text("a"),
    Whole(7),
    Items("abc"),
    Pair(1, "a"),
    Point(1, frozenset("abcdef")),
    Point3(1, 2, z=3),
    PlainChildOfPoint(1),
    Approximate(1.2),
    ByState(1),
    Unhashed(1, [{"a": 1, "b": {1, 2}}, {"x", "y", "z"}]),
    Plain("a", 1),
    Slotted("s"),
    Tagged("abcdefgh"),
    datetime.date(2020, 2, 29),
    datetime.datetime(2020, 2, 29, 1, 2, 3, 4),
    datetime.datetime(2020, 2, 29, tzinfo=UTC),
    datetime.datetime(2020, 7, 1, 12, tzinfo=NEW_YORK),
    datetime.datetime(2020, 11, 1, 1, 30, tzinfo=NEW_YORK),
    datetime.time(1, 2, 3),
    datetime.time(1, 2, 3, tzinfo=UTC),
    datetime.timedelta(-1, 2, 3),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("/a/b"),
    pathlib.Path("x"),
    pathlib.PureWindowsPath("C:/A"),
    int,
    Point,
    len,
    function,
    Colour,
    re.compile("a+"),
    list[int],
    functools.partial(int, base=2),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda k: type(k).__name__)
def test_the_stored_key_comes_back(key):
    found = round_trip(key)
    assert type(found) is type(key)
    if not isinstance(key, (functools.partial, ByState)):  # these are equal to themselves alone
        assert found == key and hash(found) == hash(key)


@pytest.mark.parametrize("key", KEYS, ids=lambda k: type(k).__name__)
def test_lookups_and_copies_have_the_same_bytes(key):
    assert _encode_lookup(key) == canonical(key)
    assert canonical(copy.deepcopy(key)) == canonical(key)
    assert canonical((key, key)) == canonical((key, copy.deepcopy(key)))


def test_different_keys_have_different_bytes():
    careless = (Approximate, Plain, Slotted)  # their __eq__ takes any other object for one of its own
    for a, b in itertools.combinations([key for key in KEYS if not isinstance(key, careless)], 2):
        assert (canonical(a) == canonical(b)) == (a == b), (a, b)
    for a, b in itertools.combinations([key for key in KEYS if isinstance(key, careless)], 2):
        assert canonical(a) != canonical(b)


def test_keys_under_every_hash_seed():
    # Each digest is made in a process of its own, by the name `test_keys`, which the test runner may not use.
    here = pathlib.Path(__file__).parent
    search = os.pathsep.join([str(here), *filter(None, sys.path)])
    digests = set()
    for seed in "0", "1", "4321", "random":
        found = subprocess.run(
            [sys.executable, "-c", "import test_keys; print(test_keys.digest())"],
            env=dict(os.environ, PYTHONHASHSEED=seed, PYTHONPATH=search),
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(found.stdout)
    assert len(digests) == 1


def digest():
    return hashlib.sha256(b"".join(canonical((key,)) for key in KEYS)).hexdigest()


# Numbers.

numbers = (
    st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.fractions()
    | st.decimals(allow_nan=False, allow_infinity=True).filter(
        lambda d: not d.is_finite() or abs(d.adjusted()) < 5000
    )
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from(
        [0.5, D("0.5"), F(1, 2), D("0.1"), F(1, 10), 0.1, D(0.1), 2**53, 2.0**53, -0.0, 0, D("-0")]
    )
)


@given(numbers, numbers)
def test_numbers_are_one_key_if_equal(a, b):
    assert (canonical(a) == canonical(b)) == (a == b)
    for x, y in ((a, b), (b, a)):
        assert round_trip(x) == x and type(round_trip(x)) is type(x)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_every_form_of_a_number(number):
    forms = [number, F(number), D(number), complex(number) if float(number) == number else number]
    if number == int(number):
        forms += [int(number), Whole(number)]
    assert len({canonical(form) for form in forms}) == 1
    assert len({canonical((form, "a")) for form in forms}) == 1


def test_one():
    ones = [1, 1.0, True, D(1), D("1.00"), F(1), 1 + 0j, Number.ONE, Whole(1)]
    assert len({canonical(one) for one in ones}) == 1
    for one in ones:
        assert type(round_trip(one)) is type(one) and str(round_trip(one)) == str(one)


def test_numpy_numbers():
    np = pytest.importorskip("numpy")
    for name in [
        "int8",
        "uint8",
        "int16",
        "int64",
        "uint64",
        "float16",
        "float32",
        "float64",
        "longdouble",
        "complex64",
        "complex128",
        "bool_",
    ]:
        assert canonical(getattr(np, name)(1)) == canonical(1), name
    assert canonical(np.float64(0.1)) == canonical(0.1)
    assert canonical(np.float32(0.1)) == canonical(float(np.float32(0.1)))
    assert canonical(np.longdouble("inf")) == canonical(math.inf)
    assert canonical(np.complex64(1 + 2j)) == canonical(1 + 2j)
    assert canonical(np.str_("a")) == canonical("a") and canonical(np.bytes_(b"a")) == canonical(b"a")
    assert type(round_trip(np.int8(1))) is np.int8
    assert canonical(np.timedelta64(1, "s")) != canonical(1)
    assert canonical(np.datetime64("2020-01-01")) == canonical(np.datetime64("2020-01-01"))
    with pytest.raises(TypeError, match="unhashable"):
        _encode_key(np.array([1]))


def test_nan_is_found_by_its_bits():
    quiet, other = (
        struct.unpack("<d", bytes.fromhex(h))[0] for h in ("000000000000f87f", "010000000000f87f")
    )
    assert canonical(quiet) == canonical(float("nan")) != canonical(other)
    assert math.isnan(round_trip(quiet))
    assert canonical(D("nan")) == canonical(D("nan")) != canonical(quiet)
    with pytest.raises(TypeError, match="signaling NaN"):
        _encode_key(D("snan"))


def test_decimals_of_great_exponents():
    assert canonical(D("0e999999")) == canonical(0)
    for text in ("1e999999", "1e-999999"):
        with pytest.raises(OverflowError, match="key="):
            _encode_key(D(text))


# Strings, bytes, containers.

simple = (
    st.none()
    | st.integers()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.floats(allow_nan=False)
    | st.booleans()
)
keys = st.recursive(
    simple,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)


@given(keys, keys)
def test_structured_keys(a, b):
    assert (canonical(a) == canonical(b)) == (a == b)
    assert (canonical((a, b)) == canonical((b, a))) == (a == b)
    found = round_trip(a)
    assert found == a and same_types(found, a)


def same_types(a, b):
    if isinstance(a, frozenset):
        types = [collections.Counter(map(type, x)) for x in (a, b)]
        return types[0] == types[1]
    return type(a) is type(b) and (not isinstance(a, tuple) or all(map(same_types, a, b)))


@given(st.lists(keys, max_size=4), st.lists(keys, max_size=4))
def test_tuples_tell_their_elements_apart(a, b):
    assert (canonical(tuple(a)) == canonical(tuple(b))) == (a == b)
    assert (canonical((tuple(a), tuple(b))) == canonical(tuple(a + b))) == (
        (tuple(a), tuple(b)) == tuple(a + b)
    )


def test_subclasses_that_inherit_equality():
    assert canonical(Text("a")) == canonical(OrderedText("a")) == canonical(TextEnum.A) == canonical("a")
    assert canonical(Pair(1, 2)) == canonical((1, 2.0))
    assert canonical(Items("ab")) == canonical(frozenset("ba"))
    assert type(round_trip(OrderedText("a"))) is OrderedText


def test_a_subclass_with_the_hash_of_its_base_is_the_plain_key():
    """Whatever its __eq__ is: a class that says __eq__ alone has no hash, so this one is meant to equal."""
    for plain in (
        "a",
        b"a",
        5,
        2**70,
        0.5,
        (1, "x"),
        2j,
        frozenset("ab"),
        D(5),
        F(1, 3),
        datetime.date(2020, 1, 2),
    ):
        base = type(plain)

        def equal(self, other, base=base):
            return not isinstance(other, type(self)) and base.__eq__(self, other)

        kind = type("Token", (base,), {"__eq__": equal, "__hash__": base.__hash__})
        arguments = (2020, 1, 2) if base is datetime.date else (plain,)
        assert _encode_lookup(kind(*arguments)) == canonical(plain)
        assert _encode_lookup((1, kind(*arguments))) == canonical((1, plain))


class Token(str):
    """As lark's: equal to its text, and to tokens of the same kind and text."""

    __slots__ = ("kind", "start")

    def __new__(cls, kind, text, start=0):
        self = super().__new__(cls, text)
        self.kind, self.start = kind, start
        return self

    def __reduce__(self):
        return Token, (self.kind, str(self), self.start)

    def __eq__(self, other):
        return (not isinstance(other, Token) or self.kind == other.kind) and str.__eq__(self, other)

    __hash__ = str.__hash__


def test_tokens():
    token = Token("NAME", "x", 7)
    assert canonical(token) == canonical("x") == canonical(Token("NAME", "x", 30))
    assert round_trip(token).start == 7
    with EMDict(None, {token: 1}) as d:
        assert d["x"] == d[token] == d[Token("OTHER", "x")] == 1
        d["x"] = 2
        assert [(key.start, value) for key, value in d.items()] == [(7, 2)]


class Moment(datetime.datetime):
    """Equal to the datetime, unless it has more than that: a hash of its own says which."""

    more = 0

    def __eq__(self, other):
        return self.more == getattr(other, "more", 0) and datetime.datetime.__eq__(self, other)

    def __hash__(self):
        return datetime.datetime.__hash__(self) ^ self.more

    def __reduce_ex__(self, protocol):
        return (Moment, (self.year, self.month, self.day), {"more": self.more})


def test_times_with_a_hash_of_their_own():
    plain, same, more = datetime.datetime(2020, 1, 2), Moment(2020, 1, 2), Moment(2020, 1, 2)
    more.more = 1
    assert canonical(same) == canonical(plain) != canonical(more)
    assert canonical(more)[0] == 0x93


def test_times_of_pandas():
    pd = pytest.importorskip("pandas")
    for plain in (
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2020, 1, 2, tzinfo=UTC),
        datetime.datetime(2020, 1, 2, tzinfo=NEW_YORK),
        datetime.datetime(2020, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1),
        datetime.timedelta(days=1, microseconds=3),
    ):
        own = (pd.Timedelta if isinstance(plain, datetime.timedelta) else pd.Timestamp)(plain)
        assert own == plain and hash(own) == hash(plain)
        assert canonical(own) == canonical(plain)
        assert round_trip(own) == own and type(round_trip(own)) is type(own)
    fine = pd.Timestamp("2020-01-02 03:04:05.000006007")
    assert canonical(fine) != canonical(fine.floor("us"))
    assert canonical(pd.NaT) != canonical(None)


def test_objects_that_pickle_as_a_name():
    for key in (NotImplemented, (NotImplemented, 1), ...):
        assert round_trip(key) == key
    assert len({canonical(key) for key in (NotImplemented, ..., None)}) == 3
    with EMDict(None, {NotImplemented: 1}) as d:
        assert d[NotImplemented] == 1 and list(d) == [NotImplemented]


def test_a_subclass_with_its_own_equality_is_another_key():
    assert canonical(CaselessText("a")) != canonical("a")
    assert canonical(CaselessText("a")) != canonical(CaselessText("A"))
    assert canonical(CaselessText("A"), key=str.lower) == canonical("a")


@given(
    st.integers(-20, 20),
    st.integers(-20, 20),
    st.integers(-5, 5).filter(bool),
    st.integers(-20, 20),
    st.integers(-20, 20),
)
def test_ranges_by_their_sequence(start, stop, step, start2, stop2):
    for other in (range(start2, stop2, step), range(start, stop2, step), range(start, stop, -step)):
        assert (canonical(range(start, stop, step)) == canonical(other)) == (
            range(start, stop, step) == other
        )
    assert str(round_trip(range(start, stop, step))) == str(range(start, stop, step))


# Objects.


def test_dataclasses():
    assert canonical(Point(1)) == canonical(Point(1.0)) == canonical(Point(True, note="other"))
    assert canonical(Point(1)) != canonical(PlainChildOfPoint(1)) != canonical(Point3(1))
    assert canonical(Point(1))[0] == 0x92 == canonical(PlainChildOfPoint(1))[0]
    assert canonical(Approximate(1.1))[0] == 0x93 == canonical(ByState(1))[0]
    assert round_trip(Point(1, note="kept")).note == "kept"


def test_enums():
    assert canonical(Colour.RED) == canonical(Colour.ALSO_RED) != canonical(1)
    assert round_trip(Colour.RED) is Colour.RED
    assert canonical(Number.ONE) == canonical(1) and round_trip(Number.ONE) is Number.ONE


def test_a_state_is_canonical():
    a, b = Plain(1, "x"), Plain(1.0, "x")
    b.table = {"a": {2, 3, 1.0}, "b": [True]}
    assert canonical(a) == canonical(b)
    b.table["b"] = (1,)
    assert canonical(a) != canonical(b)


def test_cached_hashes_do_not_matter():
    path = pathlib.PurePosixPath("/a//b/../c")
    before = canonical(path)
    hash(path), str(path), path.parts
    assert canonical(path) == before == canonical(pathlib.Path("/a/b/../c"))
    assert canonical(pathlib.PureWindowsPath("C:/a")) == canonical(pathlib.PureWindowsPath("c:\\A"))
    assert canonical(pathlib.PurePosixPath("a")) != canonical("a")


# Dates and times.

aware = st.datetimes(
    timezones=st.sampled_from(
        [UTC, NEW_YORK, datetime.timezone(datetime.timedelta(hours=-5)), zoneinfo.ZoneInfo("Europe/Paris")]
    )
)
times = (
    st.datetimes()
    | aware
    | st.dates()
    | st.timedeltas()
    | st.times()
    | st.times(timezones=st.sampled_from([UTC, datetime.timezone(datetime.timedelta(hours=1))]))
)


@given(times, times)
def test_times_are_one_key_if_equal(a, b):
    assert (canonical(a) == canonical(b)) == (a == b)
    assert round_trip(a) == a or canonical(a)[0] == 0x85
    assert repr(round_trip(a)) == repr(a)


@given(aware)
def test_an_instant_in_every_zone(moment):
    for zone in (UTC, NEW_YORK, datetime.timezone(datetime.timedelta(minutes=330))):
        try:
            other = moment.astimezone(zone)
        except OverflowError:
            continue
        assert (canonical(other) == canonical(moment)) == (other == moment)


def test_repeated_hours_follow_pep_495():
    first = datetime.datetime(2020, 11, 1, 1, 30, tzinfo=NEW_YORK)
    second = first.replace(fold=1)
    assert first == second and canonical(first) == canonical(second)
    in_utc = second.astimezone(UTC)
    assert second != in_utc and canonical(second) != canonical(in_utc)
    assert round_trip(second).fold == 1


def test_a_datetime_is_no_date():
    assert canonical(datetime.date(2020, 1, 1)) != canonical(datetime.datetime(2020, 1, 1))


def test_natural_keys_need_no_pickle():
    for key in [
        1,
        1.0,
        True,
        "a",
        b"a",
        None,
        (1, 2.0),
        frozenset([1.0]),
        range(3),
        2j,
        uuid.UUID(int=1),
        datetime.date(1, 1, 1),
    ]:
        assert round_trip(key, pickle=False) == key
    with pytest.raises(TypeError, match="pickle=False"):
        _encode_key(D(1), pickle=False)
    assert _encode_lookup(D(1), pickle=False) == canonical(1)


def test_annexes_only_where_needed():
    for key in [
        1,
        1.5,
        "a",
        b"a",
        None,
        ...,
        (1, ("a", 2.5)),
        frozenset([1]),
        1j,
        uuid.UUID(int=1),
        datetime.timedelta(1),
    ]:
        assert _encode_key(key)[1] == b""
    for key in [
        1.0,
        True,
        (1, 2.0),
        D(1),
        range(2),
        Text("a"),
        Pair(1, 2),
        datetime.datetime(2020, 1, 1, tzinfo=UTC),
    ]:
        assert _encode_key(key)[1] != b""


# Errors.


@pytest.mark.parametrize(
    "key", [[], {}, set(), bytearray(), ([],), (1, ({},)), Point([]), collections.deque()], ids=repr
)
def test_unhashable_keys_fail_as_in_a_dict(key):
    with pytest.raises(TypeError) as expected:
        hash(key)
    with pytest.raises(TypeError) as found:
        _encode_key(key)
    assert str(found.value) == str(expected.value)
    with pytest.raises(TypeError):
        _encode_lookup(key)


def test_what_hash_raises_is_raised():
    class Bad:
        def __hash__(self):
            raise ZeroDivisionError("from hash")

    for key in (Bad(), (1, Bad())):
        with pytest.raises(ZeroDivisionError, match="from hash"):
            _encode_key(key)


def test_what_cannot_be_reduced():
    for key in (memoryview(b"a"), (x for x in ()), lambda: 0):
        with pytest.raises(TypeError, match="key="):
            _encode_key(key)


def test_local_classes():
    class Local:
        pass

    for key in (Local(), Local):
        with pytest.raises(TypeError, match="key="):
            _encode_key(key)


def test_cycles():
    a, b = Plain(1), Plain(2)
    a.other, b.other = b, a
    with pytest.raises(TypeError, match="contains itself.*key="):
        _encode_key(a)
    held = []
    held.append(held)
    a = Plain(1)
    a.held = held
    with pytest.raises(TypeError, match="contains itself.*key="):
        _encode_key(a)


class Endless:
    """Reduces to another of its kind, for ever."""

    def __reduce__(self):
        return (Endless, (Endless(),))


def test_deep_keys():
    key = ()
    for _ in range(199):
        key = (key,)
    assert round_trip(key) == key
    for deep in ((key,), Endless()):
        with pytest.raises(TypeError, match="deep.*key="):
            _encode_key(deep)


def test_key_function():
    assert canonical([3, 1], key=tuple) == canonical((3, 1))
    assert round_trip([3, 1], key=tuple) == [3, 1]
    assert _encode_lookup(Approximate(1.3), key=lambda k: round(k.x)) == canonical(1)
    assert round_trip(Approximate(1.3), key=lambda k: round(k.x)).x == 1.3
    assert _encode_key("a", key=lambda k: k) == _encode_key("a")
    with pytest.raises(ZeroDivisionError):
        _encode_key("a", key=lambda k: 1 / 0)


class Project:
    """What a node drags along: it cannot be pickled."""

    def __init__(self):
        self.nodes = {}
        self.lock = threading.Lock()

    def node(self, address):
        return self.nodes.setdefault(address, Node(self, address))


class Node:
    def __init__(self, project, address):
        self.project, self.address = project, address


def address_of(node):
    return node.address


@pytest.mark.parametrize("scale", [1, 0.5, 2**60, "text", (1, "x")], ids=repr)
def test_keys_rebuilt_from_their_forms(scale, path):
    """key=(encode, decode): no original is stored, nothing is pickled; all ways to read a key give it."""
    project = Project()
    how = (address_of, project.node)
    nodes = [project.node(scale * n) for n in range(1, 40)]
    with EMDict(path, key=how, pickle=False) as d:
        d.update((node, n) for n, node in enumerate(nodes))
        d.set_many(nodes[:3], [0, 1, 2])
        assert all(d[node] == n for n, node in enumerate(nodes))
        assert d.get_many(nodes) == [*range(39)]
        for given in (
            list(d),
            list(d.keys()),
            [key for key, _ in d.items()],
            list(reversed(d))[::-1],
            list(d.copy()),
        ):
            assert all(a is b for a, b in zip(given, nodes, strict=True))
        assert d.popitem() == (nodes[-1], 38) and d.pop(nodes[0]) == 0
        assert nodes[1] in d and (nodes[1], 1) in d.items() and nodes[0] not in d
        d.compact()
        assert next(iter(d)) is nodes[1]
    with EMDict(path, key=how, pickle=False, cache=3) as d:
        assert list(d) == nodes[1:-1]
    with EMDict(path, key=how, pickle=False, mode="r") as d:
        assert list(d.items()) == [*zip(nodes[1:-1], range(1, 38), strict=True)]
    with EMDict(path, key=(address_of, None), pickle=False) as d:
        assert list(d) == [node.address for node in nodes[1:-1]] and nodes[1] in d
    with EMDict(path) as d:
        assert list(d) == [node.address for node in nodes[1:-1]]


def test_forms_that_their_bytes_do_not_give_back():
    for form in (True, 1.0, D(5), Text("a")):
        assert _encode_key("x", key=(lambda _, form=form: form, None))[0] == canonical(form)
        assert type(round_trip("x", key=(lambda _, form=form: form, None))) is type(form)


def test_rebuilt_nodes_of_a_graph(path):
    nx = pytest.importorskip("networkx")
    project = Project()
    nodes = [project.node(n) for n in range(600)]
    with pyrsistence.EMDiGraph(path, key=(address_of, project.node), pickle=False) as graph:
        graph.add_edges_from((nodes[0], node) for node in nodes[1:])
        graph.add_edge(nodes[1], nodes[2])
        assert all(a is b for a, b in zip(graph, nodes, strict=True))
        assert set(graph[nodes[0]]) == set(nodes[1:]) and list(graph[nodes[1]]) == [nodes[2]]
        assert set(graph.edges(nodes[1])) == {(nodes[1], nodes[2])}
        assert nx.shortest_path(graph, nodes[0], nodes[2]) == [nodes[0], nodes[2]]


def test_what_key_may_be():
    for wrong in (5, (), (str,), (str, 5), (5, str), (str, str, str), (None, str)):
        with pytest.raises(TypeError, match="key=|type"):
            EMDict(None, key=wrong)
    with EMDict(None, key=(str, lambda form: 1 / 0)) as d:
        d[1] = 2
        assert d[1] == 2 and list(d.values()) == [2]
        with pytest.raises(ZeroDivisionError):
            list(d)
        assert "ZeroDivisionError" in repr(d)


def test_a_class_that_is_not_found_by_its_name():
    hidden = type("Hidden", (), {"__module__": __name__, "__hash__": lambda self: 1})
    with EMDict() as d:
        with pytest.raises(TypeError, match="key=") as caught:
            d[hidden()] = 1
        assert isinstance(caught.value.__cause__, pickle.PicklingError)
        assert len(d) == 0
    with EMDict(None, key=lambda _: 1) as d:
        with pytest.raises(TypeError, match="key="):
            d[lambda: 0] = 1
        local = type("Local", (), {"__qualname__": "f.<locals>.Local"})
        with pytest.raises(TypeError, match="key="):
            d[local()] = 1


class Misfit:
    """Methods that are overridden to give what their callers do not expect."""

    class Clock(datetime.datetime):
        def utcoffset(self):
            return 5

    class Zoned(datetime.time):
        def utcoffset(self):
            return "x"

    class Third(fractions.Fraction):
        class Number(int):
            def __truediv__(self, other):
                return "x"

        numerator = property(lambda self: Misfit.Third.Number(1))

    class Place(pathlib.PureWindowsPath):
        def __str__(self):
            return Misfit.Place.Name("x")

        class Name(str):
            def lower(self):
                return 5


def test_methods_that_give_what_is_not_expected():
    for key in (
        Misfit.Clock(2020, 1, 1, tzinfo=UTC),
        Misfit.Zoned(1, tzinfo=UTC),
        Misfit.Third(1, 3),
        Misfit.Place("a"),
    ):
        with pytest.raises(TypeError):
            _encode_key(key)


# Hostile bytes and leaks.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        b"\x03",
        b"\x0dabc",
        b"\x21\x00",
        b"\x22\x00",
        b"\x23\x00",
        b"\x20\x01\x21\x00",
        b"\x40\x80\x05N.",  # a pickle is no key
        b"\x80\x11\x01\x11\x02",
        b"\x82\x00\x00\x00\x00",
        b"\x82\xe4\x07\x02\x1f",
        b"\x83\xe4\x07\x01\x01\x18\x00\x00\x00\x00\x00\x00\x00",
        b"\x86\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x88\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x89short",
        b"\x93",
    ],
    ids=bytes.hex,
)
def test_bytes_that_no_encoder_wrote(data):
    with pytest.raises(DamagedError):
        _decode_key(data, b"")


def test_truncated_keys():
    for key in KEYS:
        data, annex = _encode_key((key, 1))
        for size in range(len(data)):
            with pytest.raises(DamagedError):
                _decode_key(data[:size], b"")


def test_no_leaks():
    def all_keys():
        for key in KEYS:
            round_trip(key)
        for key in ([], (1, []), memoryview(b"")):
            try:
                _encode_key(key)
            except TypeError:
                pass

    assert_no_growth(all_keys, 1500, allowed=300_000)


def test_types_that_die_are_forgotten():
    def one():
        kind = type("Dead", (str,), {})
        return _encode_lookup(kind("a"))

    assert one() == canonical("a")
    assert_no_growth(one, 20_000, allowed=500_000)


def assert_no_growth(function, times, allowed):
    for _ in range(50):
        function()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            function()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < allowed
