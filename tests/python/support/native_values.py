"""One value of each kind that has a JSON form, and what it means that one came back the same."""

import collections
import datetime
import decimal
import fractions
import uuid
import zoneinfo

import numpy

UTC = datetime.timezone.utc
NATIVE = [
    *(None, True, False, 0, -1, 2**53, 2**53 + 1, -(2**64), 7**500, 7**9000, -(7**9000)),
    *(
        0.0,
        -0.0,
        1.5,
        1e300,
        5e-324,
        0.1,
        float("inf"),
        float("-inf"),
        1 + 2j,
        complex("inf-infj"),
        complex(-0.0, 0.0),
    ),
    *("", "a", "ä\n\t", "\U0001f600", "\ud800", "\ud83d\ude00", "\x00\x9b\u2028", "$x"),
    *(b"", b"\0\xff" * 10, bytearray(b"x"), (), (1, (2, ())), [], [1, [2, []]], {}, {"a": {"b": [1]}}),
    *(
        {"$a": 1},
        {"a": 1, "$pickle": "x"},
        {"end": 5},
        {"key": 1, "value": 2},
        {1: 2, None: 3},
        {(1, "a"): b"b"},
        {"\ud800": 1},
    ),
    *(set(), {1, 2}, frozenset(), frozenset([1, (2,)]), range(3, 9, 2), range(2**70), ...),
    *(
        datetime.date(1, 1, 1),
        datetime.time(1, 2, 3, 4),
        datetime.time(1, tzinfo=UTC),
        datetime.time(1, fold=1),
    ),
    *(
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2020, 1, 2, tzinfo=UTC),
        datetime.timedelta(-1, 2, 3),
    ),
    datetime.datetime(
        2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, microseconds=5), "X")
    ),
    datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    *(decimal.Decimal("1.50"), decimal.Decimal("-Infinity"), fractions.Fraction(-1, 3), uuid.UUID(int=5)),
    *(collections.OrderedDict([(2, 1), (1, 2)]), collections.deque([1, 2], 5)),
    *(
        numpy.float32(1.5),
        numpy.int64(-5),
        numpy.bool_(True),
        numpy.datetime64("2020-01-02"),
        numpy.str_("ä"),
    ),
    *(
        numpy.arange(6, dtype="i2").reshape(2, 3),
        numpy.zeros((0, 3)),
        numpy.array(3.5),
        numpy.array(["ab", "c"]),
    ),
    numpy.array([(1, [2.0, 3.0])], dtype=[("a", ">i4"), ("b", "f8", (2,))]),
]


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, (numpy.ndarray, numpy.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, int):
        return a == b
    return repr(a) == repr(b) and (not isinstance(a, datetime.datetime) or a.fold == b.fold)
