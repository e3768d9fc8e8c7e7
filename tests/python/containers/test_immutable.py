"""Which values cannot be changed in place: they are not watched, and not kept in memory."""

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import typing
import uuid
import zoneinfo

import pytest

import pyrsistence as em
from pyrsistence import _core


class Colour(enum.Enum):
    RED = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Pair(typing.NamedTuple):
    left: object
    right: object


class Address(int):
    __slots__ = ()


class Named(str):
    pass


class PairWithState(tuple):
    pass


def a_function():
    pass


UTC = datetime.timezone.utc
FIXED = [
    *(None, True, 1, 2**70, 1.5, 1j, "text", b"bytes", ..., NotImplemented, range(3)),
    *((), (1, ("a", None)), frozenset({1, (2, 3)}), Pair(1, "a"), Address(5)),
    *(decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=5), re.compile("a")),
    *(pathlib.PurePosixPath("/a"), pathlib.Path("/a"), Colour.RED, Flags.A | Flags.B),
    *(datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=UTC)),
    *(datetime.time(1), datetime.time(1, tzinfo=UTC), datetime.timedelta(1), UTC),
    *(int, Colour, len, a_function),
]
CHANGEABLE = [
    *([], {}, set(), bytearray(), (1, []), (1, ({},)), Pair(1, []), Named("a"), PairWithState((1,))),
    *([].append, functools.partial(int), object(), memoryview(b"a")),
    datetime.datetime(2020, 1, 1, tzinfo=type("Zone", (datetime.tzinfo,), {})()),
]


@pytest.mark.parametrize("value", FIXED, ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)))
def test_what_is_fixed(value):
    assert _core.is_fixed({"a": 1, "b": value})
    pytest.importorskip("networkx")
    graph = em.EMDiGraph()
    graph.add_node(1, v=value if value is not NotImplemented else None)
    graph.add_edge(1, 2, v=value if value is not NotImplemented else None)
    assert not graph.nodes[1]._in_place and not graph._storage._kept


@pytest.mark.parametrize("value", CHANGEABLE, ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)))
def test_what_can_be_changed(value):
    assert not _core.is_fixed({"a": 1, "b": value})


def test_scalars_of_numpy_are_fixed():
    numpy = pytest.importorskip("numpy")
    numbers = (numpy.float64(1), numpy.int8(1), numpy.bool_(True), numpy.complex64(1))
    others = (numpy.str_("a"), numpy.bytes_(b"a"), numpy.datetime64("2020-01-01"), numpy.timedelta64(1, "s"))
    for value in numbers + others:
        assert _core.is_fixed({1: value}), value
    record = numpy.zeros(1, [("a", "i4")])[0]
    for value in (record, numpy.zeros(3), numpy.array(1), type("Own", (numpy.float64,), {})(1)):
        assert not _core.is_fixed({1: value})


def test_deep_tuples_are_not_looked_through():
    value = ()
    for _ in range(100_000):
        value = (value,)
    assert not _core.is_fixed({1: value})


def test_zones_are_fixed():
    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zones here")
    assert _core.is_fixed({1: zone, 2: datetime.datetime(2020, 1, 1, tzinfo=zone)})
