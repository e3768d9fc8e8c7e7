"""All or nothing: transactions, their ends, and what they do to members and handles."""

import pytest

from pyrsistence import EMDict, EMList, LockedError, Store


class Undo(Exception):
    pass


def test_all_or_nothing(path):
    with EMDict(path, {"a": 1}) as d:
        with d.transaction():
            d["b"] = 2
        with pytest.raises(Undo):
            with d.transaction():
                d["c"] = 3
                d["a"] = "changed"
                del d["b"]
                d.clear()
                d["only"] = 1
                raise Undo
        assert list(d.items()) == [("a", 1), ("b", 2)]
        assert d.verify() == []
    with EMDict(path) as d:
        assert list(d.items()) == [("a", 1), ("b", 2)]


def test_what_was_pending_before_survives_the_rollback(path):
    with EMDict(path) as d:
        d["pending"] = 1
        with pytest.raises(Undo):
            with d.transaction():
                d["pending"] = 2
                raise Undo
        assert d["pending"] == 1


def test_large_rollback(path):
    """More than headroom: fresh bytes are zeroed, extents switched back, private pages dropped."""
    with EMList(path, range(200_000)) as items:
        with pytest.raises(Undo):
            with items.transaction():
                items.extend(range(500_000))
                items.insert(0, "first")
                items.reverse()
                items.sort(key=str)
                del items[100:300_000]
                raise Undo
        assert len(items) == 200_000
        assert items[:] == list(range(200_000))
        items.extend(["after"] * 3)
        assert items.verify() == []
    with EMList(path) as items:
        assert items[-4:] == [199_999, "after", "after", "after"]


def test_commit_and_close_inside(path):
    with EMDict(path) as d:
        with d.transaction():
            d["a"] = 1
            with pytest.raises(RuntimeError, match="transaction"):
                d.commit()
            d["b"] = 2
        assert dict(d) == {"a": 1, "b": 2}


def test_transaction_inside_a_transaction(path):
    with EMDict(path) as d:
        with d.transaction():
            d["a"] = 1
            with pytest.raises(RuntimeError, match="transaction"):
                with d.transaction():
                    d["never"] = 1
            d["b"] = 2
        assert dict(d) == {"a": 1, "b": 2}


def test_close_inside_rolls_back(path):
    d = EMDict(path, {"a": 1})
    with pytest.raises((ValueError, RuntimeError)):
        with d.transaction():
            d["b"] = 2
            d.close()
    d.close()
    with EMDict(path) as d:
        assert dict(d) == {"a": 1}


def test_members_follow_together(path):
    with Store(path) as store:
        names, lines = store.dict("names"), store.list("lines")
        with store.transaction():
            names["a"] = 0
            lines.append("first")
        with pytest.raises(Undo):
            with store.transaction():
                names["b"] = 1
                lines[0] = "changed"
                lines.append("second")
                raise Undo
        assert dict(names) == {"a": 0}
        assert lines == ["first"]
        with pytest.raises(Undo):
            with names.transaction():  # a member's transaction is the store's
                lines.clear()
                raise Undo
        assert lines == ["first"]


def test_created_member_is_rolled_back(path):
    with Store(path) as store:
        with pytest.raises(Undo):
            with store.transaction():
                created = store.dict("created")
                created["a"] = 1
                raise Undo
        assert "created" not in store
        with pytest.raises(ValueError):
            created["a"]
        assert len(store.dict("created")) == 0
        assert store.verify() == []


def test_dropped_member_is_brought_back(path):
    with Store(path) as store:
        store.dict("names").update(a=1, b=[2])
        with pytest.raises(Undo):
            with store.transaction():
                store.drop("names")
                assert "names" not in store
                raise Undo
        assert dict(store.dict("names")) == {"a": 1, "b": [2]}
        assert store.verify() == []
        with store.transaction():
            store.drop("names")
        assert "names" not in store
        assert dict(store.dict("names")) == {}


def test_store_lists_its_members(path):
    with Store(path) as store:
        store.dict("names")
        store.list("lines")
        store.dict("Größe")
        assert sorted(store) == ["Größe", "lines", "names"]
        assert "lines" in store
        assert len(store) == 3
        assert store.dict("names") is store.dict("names")
    with Store(path, mode="r") as store:
        assert sorted(store) == ["Größe", "lines", "names"]
        with pytest.raises((KeyError, ValueError)):
            store.dict("missing")


def test_hundreds_of_members_created_and_dropped(path):
    with Store(path) as store:
        for turn in range(3):
            for n in range(150):
                store.list(f"l{n}").extend([turn, n])
            assert len(store) == 150
            for n in range(150):
                assert store.list(f"l{n}") == [turn, n]
                store.drop(f"l{n}")
        assert len(store) == 0
        assert store.verify() == []
    size = sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())
    assert size < 4 << 20


def test_interval_commits_by_itself(path, tmp_path):
    """What an interval has made durable is seen by a reader; a copy of the files is as good as one."""
    import shutil
    import time

    d = EMDict(path, commit_interval=0.01)
    d["a"] = 1
    time.sleep(0.05)
    d["b"] = 2  # commits "a" first
    shutil.copytree(path, tmp_path / "copy")
    d.close()
    with EMDict(tmp_path / "copy") as copy:
        assert copy["a"] == 1
        assert copy.verify() == []


def test_without_interval_nothing_is_committed_by_itself(path, tmp_path):
    import shutil
    import time

    d = EMDict(path, commit_interval=None)
    d.commit()
    d["a"] = 1
    time.sleep(0.05)
    d["b"] = 2
    shutil.copytree(path, tmp_path / "copy")
    d.close()
    with EMDict(tmp_path / "copy") as copy:
        assert dict(copy) == {}


def test_readers_and_a_writer_of_one_process(path, run_python):
    read = "import sys, pyrsistence; print(dict(pyrsistence.EMDict(sys.argv[1], mode='r')))"
    EMDict(path, {"a": 1}).close()
    with EMDict(path, mode="r") as reader, EMDict(path, mode="r") as another:
        assert reader == another == {"a": 1}
        assert run_python(read, path) == "{'a': 1}\n"
        with pytest.raises(LockedError):
            EMDict(path)
    with EMDict(path) as writer:
        writer["b"] = 2
        with pytest.raises(LockedError):
            EMDict(path, mode="r")
