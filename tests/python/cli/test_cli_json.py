"""Values as JSON and back (docs/cli.md): every kind comes back the same, and what is no form is refused."""

import struct

import hypothesis
import pytest
from hypothesis import strategies

from native_values import NATIVE, same
from pyrsistence._cli import json_form


@pytest.mark.parametrize("value", NATIVE, ids=lambda value: type(value).__name__)
def test_every_native_value_has_a_json_form(value):
    line = json_form.dumps(value)
    assert "\n" not in line
    assert same(json_form.loads(line), value), line
    assert same(json_form.loads(line.encode()), value), line


def test_nan_keeps_its_bits():
    for bits in ("7ff8000000000000", "7ff8000000000123", "fff8000000000001"):
        value = struct.unpack(">d", bytes.fromhex(bits))[0]
        assert struct.pack(">d", json_form.loads(json_form.dumps(value))).hex() == bits


LEAVES = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text(strategies.characters(exclude_categories=()))
    | strategies.binary()
    | strategies.datetimes()
)
HASHABLE = strategies.recursive(
    LEAVES, lambda inner: strategies.lists(inner, max_size=3).map(tuple), max_leaves=5
)
VALUES = strategies.recursive(
    LEAVES | strategies.frozensets(HASHABLE, max_size=3),
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.lists(inner, max_size=4).map(tuple)
        | strategies.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=12,
)


@hypothesis.given(VALUES)
def test_any_value_comes_back(value):
    again = json_form.loads(json_form.dumps(value))
    assert again == value
    assert list(again) == list(value) if isinstance(value, dict) else True


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "nan", "NaN", "Infinity", '{"$nonsense": 1}', '{"$tuple": 5}', b"\xff"),
        *('{"$bytes": "?"}', '{"$bytes": 5}', '{"$str": "//8="}', '{"$set": [[1]]}', '{"$date": 5}'),
        *('{"$int": "5x"}', '{"$int": 5}', '{"$float": "0x12"}', '{"$float": "5"}', '{"$dict": [1]}'),
        *('{"$tuple": [], "$set": []}', '{"$dict": {"a": 1}}', '{"$zone": "../../etc/passwd"}'),
        *('{"$numpy": {"dtype": "O", "data": ""}}', '{"$numpy": {"dtype": "<f8", "data": "AA=="}}'),
        '{"$numpy": {"dtype": "<f8", "data": "", "shape": [1000000000000]}}',
        *('{"$numpy": {"dtype": "<i4", "data": ""}}', '{"$fraction": [1, 0]}', '{"$pickle": "gARLAS4="}'),
        *("[" * 100_000, '{"$tuple": [' * 50_000, '{"$range": [1, 2, 0]}', '{"$deque": [[1], -1]}'),
        *('{"$decimal": [1]}', '{"$complex": ["a"]}', '{"$timezone": [400, 0, 0]}'),
    ],
)  # fmt: skip
def test_forms_that_are_none(line):
    with pytest.raises(json_form.NotJson):
        json_form.loads(line)
