"""Keys of sorted containers: their bytes compare as the objects do, and the objects come back."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import math
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyrsistence._core import (
    DamagedError,
    _comparable,
    _decode_ordered_key,
    _encode_ordered_key,
)

UTC = dt.timezone.utc
ZONES = [UTC, dt.timezone(dt.timedelta(hours=5, minutes=45)), dt.timezone(-dt.timedelta(hours=7))]


def order(key: Any) -> bytes:
    return _encode_ordered_key(key)[0]


def again(key: Any) -> Any:
    return _decode_ordered_key(*_encode_ordered_key(key))


NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.integers(-300, 300),
    st.floats(allow_nan=False),
    st.floats(-4, 4),
    st.booleans(),
    st.decimals(allow_nan=False, min_value=-(10**30), max_value=10**30),
    st.decimals(places=3, min_value=-5, max_value=5),
    st.fractions(),
    st.fractions(-2, 2, max_denominator=60),
    st.floats(-100, 100).map(Fraction).map(lambda f: f + Fraction(1, 10**40)),
)
TEXTS = st.one_of(st.text(), st.text("a\0\x01\xffé\U0001f600\ud800"))
BYTES = st.one_of(st.binary(), st.lists(st.sampled_from([0, 1, 254, 255])).map(bytes))
CLASSES = [
    NUMBERS,
    TEXTS,
    BYTES,
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from(ZONES)),
    st.times(),
    st.times(timezones=st.sampled_from(ZONES)),
    st.timedeltas(),
    st.uuids(),
]


def tuples(items: Any) -> Any:
    return st.lists(items, max_size=4).map(tuple)


def sign(less: bool, more: bool) -> int:
    return int(more) - int(less)


def compare_bytes(a: Any, b: Any) -> int:
    return sign(order(a) < order(b), order(a) > order(b))


@pytest.mark.parametrize("objects", CLASSES, ids=range(len(CLASSES)))
def test_bytes_compare_as_objects(objects: Any) -> None:
    @given(st.tuples(objects, objects))
    @settings(max_examples=150, deadline=None)
    def check(pair: Any) -> None:
        a, b = pair
        assert compare_bytes(a, b) == sign(a < b, a > b)
        assert _comparable(order(a), order(b))

    check()


@given(st.lists(NUMBERS, min_size=2, max_size=30))
@example([0, -0.0, False, Decimal(0), Fraction(0)])
@example([-0.1, Decimal("-0.1"), Fraction(-1, 10), 0.1, Decimal("0.1"), Fraction(1, 10)])
@example([1e300, 10**300, -1e300, -(10**300), math.inf, -math.inf, Decimal("Infinity")])
@example([5e-324, -5e-324, Fraction(1, 10**400), Fraction(-1, 10**400), Decimal("1e-400"), 0])
@example([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, -(2**64), 2.0**63, -(2.0**64)])
@example([Fraction(1, 3), Fraction(2, 3), Fraction(-1, 3), 1 / 3, -1 / 3, 2 / 3, Fraction(3, 10), 0.3])
@settings(max_examples=150, deadline=None)
def test_numbers_of_all_kinds_are_in_one_order(numbers: list[Any]) -> None:
    by_bytes = sorted(numbers, key=order)
    for a, b in itertools.pairwise(by_bytes):
        assert a <= b
    for a, b in itertools.combinations(numbers, 2):
        assert (order(a) == order(b)) == (a == b)


MIXED = st.recursive(st.one_of(*CLASSES), tuples, max_leaves=6)


def compare_objects(a: Any, b: Any) -> int | None:
    """Compare as Python does; None if it raises TypeError."""
    try:
        return sign(a < b, a > b)
    except TypeError:
        return None


@given(tuples(MIXED), tuples(MIXED), tuples(MIXED))
@settings(max_examples=200, deadline=None)
def test_tuples_compare_as_python_does(common: Any, a: Any, b: Any) -> None:
    for one, other in ((a, b), (common + a, common + b), ((common, *a), (common, *b))):
        expected = compare_objects(one, other)
        assert _comparable(order(one), order(other)) == (expected is not None)
        if expected is not None:
            assert compare_bytes(one, other) == expected


@given(MIXED, MIXED)
@settings(max_examples=150, deadline=None)
def test_what_python_does_not_compare_is_told(a: Any, b: Any) -> None:
    expected = compare_objects(a, b)
    assert _comparable(order(a), order(b)) == (expected is not None)
    assert expected is None or compare_bytes(a, b) == expected


@given(MIXED)
@settings(max_examples=200, deadline=None)
def test_objects_come_back(key: Any) -> None:
    found = again(key)
    assert found == key
    assert type(found) is type(key)
    assert repr(found) == repr(key)


def test_none_in_tuples_comes_first() -> None:
    keys = [(), (None,), (None, None), (None, 1), (-math.inf,), (1, None), (1, 0), (1, "a")]
    assert [again(key) for key in keys] == keys
    assert sorted(map(order, keys)) == list(map(order, keys))
    assert all(_comparable(order(keys[1]), order(key)) for key in keys)
    assert not _comparable(order((1, 0)), order((1, "a")))
    with pytest.raises(TypeError, match="has no place in the order"):
        order(None)


class Colour(enum.IntEnum):
    RED = 3


class Point(NamedTuple):
    x: int
    y: float


class Word(str):
    __slots__ = ()


class Backwards(str):
    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return str(self) > str(other)


@pytest.mark.parametrize(
    "key",
    [
        True,
        1.0,
        -0.0,
        1e30,
        Decimal("1.50"),
        Fraction(1, 2),
        Colour.RED,
        Point(1, 2.5),
        np.int16(-3),
        np.float32(0.1),
    ]
    + [
        np.float64(2.0),
        np.str_("x"),
        np.bytes_(b"x"),
        dt.datetime(2020, 1, 1, tzinfo=UTC),
        (True, (1.0, None)),
    ]
    + [dt.datetime(2020, 1, 1, fold=1), dt.time(1, 2, tzinfo=UTC), uuid.UUID(int=5), Decimal("-Infinity")],
    ids=repr,
)
def test_an_annex_gives_the_object_back(key: Any) -> None:
    found = again(key)
    assert type(found) is type(key)
    assert repr(found) == repr(key)


def test_a_subclass_has_the_order_of_its_base_or_none() -> None:
    assert order(Word("a")) == order("a")
    assert order(Point(1, 2)) == order((1, 2))
    with pytest.raises(TypeError, match="has no place in the order"):
        order(Backwards("a"))


@pytest.mark.parametrize(
    "key",
    [
        1j,
        [1],
        {},
        set(),
        frozenset(),
        object(),
        None,
        bytearray(),
        range(3),
        np.datetime64(1, "s"),
        (1, [2]),
        len,
    ]
    + [np.complex64(1)],
    ids=lambda key: type(key).__name__,
)
def test_what_has_no_order_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="has no place in the order"):
        order(key)


@pytest.mark.parametrize(
    "nan", [math.nan, -math.nan, Decimal("nan"), Decimal("snan"), np.float32("nan"), (1, math.nan)], ids=repr
)
def test_nan_is_refused_with_a_reason(nan: Any) -> None:
    with pytest.raises(ValueError, match="neither less nor more than any number"):
        order(nan)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(OverflowError, match="exponent beyond"):
        order(Decimal("1e99999"))
    deep: Any = 1
    for _ in range(250):
        deep = (deep,)
    with pytest.raises(ValueError, match="nested more than"):
        order(deep)


def test_a_repeated_hour_has_no_place() -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    try:
        berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("there are no time zones here")
    with pytest.raises(ValueError, match="repeated hour"):
        order(dt.datetime(2020, 10, 25, 2, 30, tzinfo=berlin))
    summer = dt.datetime(2020, 7, 1, 12, tzinfo=berlin)
    assert order(summer) == order(summer.astimezone(UTC))
    assert again(summer) == summer
    assert again(summer).tzinfo is berlin


def test_sizes() -> None:
    assert [len(order(key)) for key in (0, 5, 300, -5, 2**40, 0.5, "abc", b"abc", (1, "a"))] == [
        1,
        2,
        3,
        3,
        7,
        10,
        4,
        4,
        7,
    ]


def test_key_functions() -> None:
    canonical, annex = _encode_ordered_key("ab", key=len)
    assert (canonical, _decode_ordered_key(canonical, annex, key=len)) == (order(2), "ab")
    both = (int, str)
    canonical, annex = _encode_ordered_key("12", key=both)
    assert (canonical, annex) == (order(12), b"")
    assert _decode_ordered_key(canonical, annex, key=both) == "12"


@given(st.one_of(st.binary(max_size=30), MIXED.map(order)), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_give_an_object_or_the_error(key: bytes, data: Any) -> None:
    spoiled = bytearray(key)
    for _ in range(data.draw(st.integers(0, 3))):
        if spoiled:
            spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = _decode_ordered_key(bytes(spoiled), b"")
    except DamagedError:
        return
    _comparable(bytes(spoiled), key)
    if found == found:  # of NaN's bytes no key is made
        assert isinstance(order(found), bytes)
