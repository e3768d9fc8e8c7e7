"""The commands dump and load: what comes back, what is refused, and that a load is all or nothing."""

import base64
import collections
import datetime
import decimal
import json
import os
import pathlib
import pickle
import random
import types

import numpy
import pytest

import pyrsistence as em
from helpers import files_of
from native_values import NATIVE, same


class Bomb:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("ran"),)


def test_round_trip_of_a_dict(cli, tmp_path):
    items = [(f"k{n}", value) for n, value in enumerate(NATIVE)]
    items += [
        (value, n)
        for n, value in enumerate(NATIVE)
        if value.__hash__ and not isinstance(value, numpy.generic)
    ]
    items = list(dict(items).items())
    random.Random(5).shuffle(items)
    with em.EMDict(tmp_path / "a") as d:
        d.update(items)
        expected = list(d.items())
    text = cli("dump", "a", "--pickle").stdout
    assert json.loads(text.splitlines()[-1]) == {"end": len(expected)}
    cli("load", "b", "--pickle", stdin=text)
    with em.EMDict(tmp_path / "b", mode="r") as d:
        found = list(d.items())
    assert len(found) == len(expected)
    for (key, value), (other_key, other) in zip(found, expected, strict=True):
        assert same(key, other_key) and same(value, other), (key, other_key)
    assert cli("dump", "b", "--pickle").stdout == text


def test_round_trip_without_pickle(cli, tmp_path):
    """Nested lists, dates and Decimals are pickled by the store; the dump has forms of their own for them."""
    values = [
        [1, [2, {"a": (3,)}]],
        datetime.datetime(2020, 1, 2),
        decimal.Decimal("1.5"),
        collections.deque([1]),
    ]
    with em.EMList(tmp_path / "a") as found:
        found.extend(values)
    cli("dump", "a", "-o", "file")
    assert "$pickle" not in (tmp_path / "file").read_text()
    cli("load", "b", "file")
    with em.EMList(tmp_path / "b", mode="r") as found:
        assert list(found) == values


def test_pickles_are_written_unread_and_refused(cli, tmp_path):
    with em.EMDict(tmp_path / "a") as d:
        d.update({"c": types.SimpleNamespace(n=5), "bomb": Bomb()})
    assert "--pickle" in cli("dump", "a", expect=1).stderr
    cli("dump", "a", "-o", "half", expect=1)
    assert not (tmp_path / "half").exists()
    text = cli("dump", "a", "--pickle").stdout
    assert pickle.loads(base64.b64decode(json.loads(text.splitlines()[0])["value"]["$pickle"])).n == 5
    for command in (["head", "a"], ["get", "a", "bomb"], ["keys", "a"], ["verify", "a"]):
        cli(*command)
    assert not (tmp_path / "ran").exists(), "a command that reads ran code"
    assert "line 1" in cli("load", "b", stdin=text, expect=3).stderr
    assert not (tmp_path / "b").exists() and not (tmp_path / "ran").exists()
    with em.EMDict(tmp_path / "c") as d:
        d["c"] = types.SimpleNamespace(n=6)
    cli("load", "d", "--pickle", stdin=cli("dump", "c", "--pickle").stdout)
    with em.EMDict(tmp_path / "d", mode="r") as d:
        assert dict(d) == {"c": types.SimpleNamespace(n=6)}


def test_load_updates_and_extends(cli, words, lines, corpus):
    cli("load", "words", stdin='{"key": "be", "value": 9}\n{"key": "new", "value": [1]}\n{"end": 2}\n')
    with em.EMDict(words, mode="r") as d:
        assert d["be"] == 9 and d["new"] == [1] and len(d) == 6
    cli("load", "lines", "--no-end", stdin='{"value": 1}\n\n{"value": 2}\n')
    with em.EMList(lines, mode="r") as found:
        assert found[-2:] == [1, 2] and len(found) == 6
    cli("load", "corpus", "--member", "fresh", stdin='{"value": 1}\n{"end": 1}\n')
    cli("load", "new", "--member", "m", stdin='{"key": 1, "value": 1}\n{"end": 1}\n')
    with em.Store(corpus, mode="r") as store:
        assert store.members() == {"names": "dict", "lines": "list", "fresh": "list"}
    assert cli("info", "new").stdout.count("dict m: 1 entries") == 1
    cli("load", "empty", "--kind", "list", stdin='{"end": 0}\n')
    assert "list" in cli("info", "empty").stdout


BAD_INPUT = [
    '{"key": 1, "value": 1}\n{"key": 2, "value"',
    '{"key": 1, "value": 1}\n',
    '{"key": 1, "value": 1}\n{"end": 2}\n',
    '{"key": 1, "value": 1}\n{"end": 1}\n{"key": 2, "value": 2}\n',
    '{"key": 1, "value": 1}\n{"value": 1}\n{"end": 2}\n',
    '{"key": 1, "value": 1}\n{"key": [], "value": 1}\n{"end": 2}\n',
    '{"key": 1, "value": 1}\n{"key": 1, "value": {"$x": 1}}\n{"end": 2}\n',
    '{"key": 1, "value": 1}\n{"Key": 1, "value": 1}\n{"end": 2}\n',
    '{"key": 1, "value": 1}\n5\n{"end": 2}\n',
]


@pytest.mark.parametrize("text", BAD_INPUT)
def test_bad_input_changes_nothing(cli, words, tmp_path, text):
    before = contents = files_of(words)
    with em.EMDict(words, mode="r") as d:
        contents = list(d.items())
    assert "line" in cli("load", "words", stdin=text, expect=3).stderr
    with em.EMDict(words, mode="r") as d:
        assert list(d.items()) == contents and d.verify() == []
    assert set(files_of(words)) == set(before)
    cli("load", "new", stdin=text, expect=3)
    assert sorted(os.listdir(tmp_path)) == ["words"]


def test_batches_are_kept_whole(cli, words):
    text = "".join(f'{{"key": "n{n}", "value": {n}}}\n' for n in range(25)) + "garbage\n"
    assert "line 26" in cli("load", "words", "--batch", "10", stdin=text, expect=3).stderr
    with em.EMDict(words, mode="r") as d:
        assert [key for key in d if str(key).startswith("n")] == [f"n{n}" for n in range(20)]
    cli("load", "words", "--batch", "0", expect=2)


def test_kinds_do_not_mix(cli, words, lines):
    assert (
        "is a dict, but the input is of a list"
        in cli("load", "words", stdin='{"value": 1}\n{"end": 1}\n', expect=2).stderr
    )
    cli("load", "lines", stdin='{"key": 1, "value": 1}\n{"end": 1}\n', expect=2)


def test_dump_overwrites_nothing(cli, words, tmp_path):
    (tmp_path / "file").write_text("mine")
    cli("dump", "words", "-o", "file", expect=6)
    assert (tmp_path / "file").read_text() == "mine"
