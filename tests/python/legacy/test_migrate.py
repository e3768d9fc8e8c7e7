"""migrate(): stores of pyrsistence 1.1, sound, damaged and hostile. What can be read is saved, the rest is
counted."""

import collections
import datetime
import json
import os
import pathlib
import pickle
import tarfile

import pytest

import pyrsistence as em
from helpers import files_of
from legacy_writer import set_word, write_dict, write_list

SAMPLE = pathlib.Path(__file__).parents[4] / "shared" / "legacy-1.1-sample.tar.gz"
ITEMS = [(f"name-{n}", {"addr": n, "ops": ["mov", "eax"], "t": (n, None, 1.5)}) for n in range(200)]


class Custom:
    """What plain data is not."""

    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return isinstance(other, Custom) and self.n == other.n

    __hash__ = None


def contents(path):
    with em.open(path, mode="r") as found:
        return list(found.items()) if isinstance(found, em.EMDict) else list(found)


# ---- Sound stores


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of 1.1 is not beside the repository")
@pytest.mark.parametrize("kind", ["dict", "list"])
def test_sample_written_by_1_1(tmp_path, kind):
    with tarfile.open(SAMPLE) as archive:
        # Python 3.12 wants to be told a filter, early 3.10 knows none.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "old", **safe)
    expected = json.loads((tmp_path / "old" / "expected.json").read_text())[kind]
    result = em.migrate(tmp_path / "old" / kind, tmp_path / "new")
    assert (result.kind, result.saved, result.lost) == (kind, len(expected), 0)
    found = contents(tmp_path / "new")
    if kind == "list":
        assert [repr(element) for element in found] == expected
    else:
        assert sorted([repr(key), repr(value)] for key, value in found) == sorted(expected)


def test_dict_in_the_order_of_insertion(tmp_path):
    write_dict(tmp_path / "old", ITEMS)
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.saved, result.lost, result.notes) == (200, 0, [])
    assert contents(tmp_path / "new") == ITEMS
    with em.EMDict(tmp_path / "new", mode="r") as d:
        assert d.verify() == []
        assert d["name-7"] == ITEMS[7][1]


def test_list_with_none_and_room_behind_it(tmp_path):
    elements = [None, 1, "x" * 5000, None, [2, {"a": b"b"}], None]
    write_list(tmp_path / "old", elements, capacity=64)
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.kind, result.saved, result.lost, result.notes) == ("list", 6, 0, [])
    assert contents(tmp_path / "new") == elements


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path, protocol):
    utc = datetime.timezone.utc
    values = [
        *(
            None,
            True,
            -1,
            2**70,
            -1.5,
            1 + 2j,
            "ä\ud800",
            b"\0\xff",
            bytearray(b"ab"),
            (),
            (1, (2,)),
            [1, [2]],
            {"a": {1: 2}},
        ),
        *(
            {1, 2},
            frozenset([3]),
            range(5),
            ...,
            datetime.date(2020, 1, 2),
            datetime.datetime(2020, 1, 2, tzinfo=utc),
        ),
        *(
            datetime.timedelta(1, 2, 3),
            collections.OrderedDict([(2, 1), (1, 2)]),
            collections.deque([1, 2], 3),
        ),
    ]
    write_list(tmp_path / "old", values, dumps=lambda value: pickle.dumps(value, protocol))
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert [loss.reason for loss in result.losses] == []
    assert contents(tmp_path / "new") == values


@pytest.mark.parametrize("write", [write_dict, write_list])
def test_empty(tmp_path, write):
    write(tmp_path / "old", [])
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.saved, result.lost) == (0, 0)
    assert contents(tmp_path / "new") == []


def test_large_values_and_many_items(tmp_path):
    items = [(n, bytes([n % 256]) * (n * 37 % 4000)) for n in range(3000)] + [("big", b"z" * 5_000_000)]
    write_dict(tmp_path / "old", items)
    calls = []
    result = em.migrate(
        tmp_path / "old", tmp_path / "new", progress=lambda done, total: calls.append((done, total))
    )
    assert (result.saved, result.lost) == (3001, 0)
    assert contents(tmp_path / "new") == items
    assert calls[0] == (0, 3001) and calls[-1] == (3001, 3001)


def test_stored_hashes_and_used_are_ignored(tmp_path):
    write_dict(tmp_path / "old", ITEMS, hashes=[7] * 200, used=1)
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.saved, result.lost) == (200, 0)
    assert result.notes == ["index.bin says that 1 entries are used; 200 are"]


def test_list_elements_behind_used_are_saved(tmp_path):
    write_list(tmp_path / "old", [1, 2, 3], capacity=4, used=1)
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert contents(tmp_path / "new") == [1, 2, 3]
    assert result.notes


def test_source_is_not_changed(tmp_path):
    write_dict(tmp_path / "old", ITEMS)
    before = files_of(tmp_path / "old")
    em.migrate(tmp_path / "old", tmp_path / "new")
    assert files_of(tmp_path / "old") == before
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


# ---- Keys and values that cannot be kept


def test_of_equal_keys_the_newer_wins(tmp_path):
    write_dict(tmp_path / "old", [("a", 1), ("b", 2), ("a", 3), (1, "int"), (True, "bool")])
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.saved, result.lost) == (3, 2)
    assert contents(tmp_path / "new") == [("a", 3), ("b", 2), (1, "bool")]
    assert result.reasons == {"equal keys": 2}


def test_unhashable_key(tmp_path):
    write_dict(tmp_path / "old", [("a", 1), ([], 2)])
    result = em.migrate(tmp_path / "old", tmp_path / "new")
    assert (result.saved, result.reasons) == (1, {"not storable": 1})
    assert "unhashable" in result.losses[0].reason


def test_objects_of_classes_need_pickle(tmp_path):
    write_dict(tmp_path / "old", [("a", 1), ("b", Custom(2))])
    result = em.migrate(tmp_path / "old", tmp_path / "safe")
    assert (result.saved, result.reasons) == (1, {"value": 1})
    assert "Custom" in result.losses[0].reason
    result = em.migrate(tmp_path / "old", tmp_path / "full", pickle=True)
    assert (result.saved, result.lost) == (2, 0)
    assert contents(tmp_path / "full") == [("a", 1), ("b", Custom(2))]


class Bomb:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("ran"),)


def test_no_code_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_list("old", [Bomb(), 1])
    result = em.migrate("old", "new")
    assert (result.saved, result.lost) == (1, 1)
    assert contents("new") == [None, 1]
    assert not os.path.exists("ran")
    em.migrate("old", "full", pickle=True)
    assert os.path.exists("ran"), "the bomb is none: the test showed nothing"


class Reversed:
    """A pickler whose bytes are no pickle, so that the padding is its own matter."""

    def unpickle(self, data):
        size = data[0]
        return data[1 : 1 + size][::-1].decode()


@pytest.mark.parametrize("unpickler", [Reversed(), Reversed().unpickle])
def test_unpickler_of_the_users_own(tmp_path, unpickler):
    write_list(tmp_path / "old", ["abc", "de"], dumps=lambda text: bytes([len(text)]) + text[::-1].encode())
    em.migrate(tmp_path / "old", tmp_path / "new", unpickler=unpickler)
    assert contents(tmp_path / "new") == ["abc", "de"]


def test_unpickler_that_is_none(tmp_path):
    write_list(tmp_path / "old", [1])
    with pytest.raises(TypeError, match="unpickle"):
        em.migrate(tmp_path / "old", tmp_path / "new", unpickler=5)


# ---- Where it goes, and interruption


def test_destination_that_exists(tmp_path):
    write_list(tmp_path / "old", [1])
    (tmp_path / "new").mkdir()
    em.migrate(tmp_path / "old", tmp_path / "new")  # an empty directory is taken
    before = files_of(tmp_path / "new")
    with pytest.raises(FileExistsError):
        em.migrate(tmp_path / "old", tmp_path / "new")
    assert files_of(tmp_path / "new") == before


def test_source_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        em.migrate(tmp_path / "missing", tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(em.FormatError, match=r"index\.bin"):
        em.migrate(tmp_path / "empty", tmp_path / "new")
    files = write_list(tmp_path / "old", [1])
    for file in files.values():
        set_word(file, 0, 0)
    with pytest.raises(em.FormatError, match="magic"):
        em.migrate(tmp_path / "old", tmp_path / "new")
    with em.EMDict(tmp_path / "today") as d:
        d[1] = 1
    with pytest.raises(em.FormatError):
        em.migrate(tmp_path / "today", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_dict_without_its_keys_is_no_list(tmp_path):
    write_dict(tmp_path / "old", ITEMS)["keys"].unlink()
    with pytest.raises(em.FormatError, match=r"keys\.bin"):
        em.migrate(tmp_path / "old", tmp_path / "new")


@pytest.mark.parametrize("write", [write_dict, write_list])
def test_interruption_leaves_nothing_behind(tmp_path, write):
    write(tmp_path / "old", ITEMS)

    def progress(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        em.migrate(tmp_path / "old", tmp_path / "new", progress=progress)
    assert os.listdir(tmp_path) == ["old"]
