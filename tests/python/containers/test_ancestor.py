"""The calls of the project's ancestor, and its failures, each of which was measured there."""

import pickle

import pytest

import pyrsistence


class Upper:
    """A pickler of the user's own."""

    def pickle(self, value):
        return b"mine" + pickle.dumps(value)

    def unpickle(self, data):
        data = bytes(data)
        assert data[:4] == b"mine"
        return pickle.loads(data[4:])


class Custom:
    def __init__(self, n):
        self.n = n


def test_dict_calls(tmp_path):
    dirname = str(tmp_path / "dict")
    d = pyrsistence.EMDict(dirname)
    d["key"] = "value"
    d[2] = (3, 4)
    assert "key" in d
    assert sorted(map(str, d.keys())) == ["2", "key"]
    assert list(d.values()) == ["value", (3, 4)]
    assert list(d.items()) == [("key", "value"), (2, (3, 4))]
    del d[2]
    assert 2 not in d
    d.close()
    d.open(dirname)
    assert d["key"] == "value"
    assert len(d) == 1
    d.close()


def test_list_calls(tmp_path):
    dirname = str(tmp_path / "list")
    items = pyrsistence.EMList(dirname)
    for n in range(10):
        items.append(n)
    items.close()
    items.open(dirname)
    assert items[9] == 9
    assert len(items) == 10
    items.close()


def test_pickler_and_unpickler(tmp_path):
    dirname = str(tmp_path / "dict")
    d = pyrsistence.EMDict(dirname, pickler=Upper(), unpickler=Upper())
    d["object"] = Custom(7)
    d.close()
    d.open(dirname)
    assert d["object"].n == 7
    d.close()
    d = pyrsistence.EMDict(dirname, pickler=Upper(), unpickler=Upper())
    assert d["object"].n == 7
    d.close()


def test_open_of_an_open_container(tmp_path):
    with pyrsistence.EMDict(tmp_path / "a") as d:
        with pytest.raises((RuntimeError, ValueError)):
            d.open(str(tmp_path / "b"))
        d[1] = 1
    assert not (tmp_path / "b").exists()


def test_len_does_not_count_deleted_keys(tmp_path):
    with pyrsistence.EMDict(tmp_path / "d") as d:
        d.update((n, n) for n in range(100))
        for n in range(50):
            del d[n]
        assert len(d) == 50
    with pyrsistence.EMDict(tmp_path / "d") as d:
        assert len(d) == 50


def test_deleting_a_key_does_not_hide_those_it_collided_with(tmp_path):
    """999 of 999 keys were hidden there. Hashes of one bit: everything collides."""
    with pyrsistence.EMDict(tmp_path / "d", _layout=(512, 1, 0)) as d:
        d.update((n, n) for n in range(1000))
        for gone in range(999):
            del d[gone]
            assert d.get(999) == 999
            if gone % 100 == 0:
                assert all(n in d for n in range(gone + 1, 1000))
                assert d.verify() == []


def test_free_space_is_known_after_reopening(tmp_path):
    def size():
        return sum(file.stat().st_blocks * 512 for file in (tmp_path / "d").iterdir())

    with pyrsistence.EMDict(tmp_path / "d") as d:
        d.update((n, b"x" * 5000) for n in range(200))
    before = size()
    for turn in range(10):
        with pyrsistence.EMDict(tmp_path / "d") as d:
            for n in range(200):
                d[n] = b"y" * (5000 + turn)
    assert size() < 3 * before
