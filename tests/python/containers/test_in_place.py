"""Values changed in place: copies by default; written back by edit(), assignment, or writeback=True."""

import pytest

from pyrsistence import EMDict, EMList, Store


def test_values_are_copies(path):
    value = [1]
    with EMDict(path) as d:
        d["k"] = value
        value.append(2)
        d["k"].append(3)
        assert d["k"] == [1]
        assert d["k"] is not d["k"]


def test_edit_writes_a_changed_value_back(path):
    with EMDict(path, {"k": [1], "n": {"a": {}}}) as d:
        with d.edit("k") as value:
            value.append(2)
            assert d["k"] == [1], "not before the end"
        assert d["k"] == [1, 2]
        with d.edit("n") as value:
            value["a"]["b"] = 1
    with EMDict(path) as d:
        assert dict(d) == {"k": [1, 2], "n": {"a": {"b": 1}}}


def test_edit_of_an_unchanged_value_writes_nothing(path):
    with EMDict(path, {"k": [1]}) as d:
        d.commit()
        with d.edit("k") as value:
            assert value == [1]
        assert d.stats()["dirty_bytes"] == 0


def test_edit_that_raises_writes_nothing(path):
    with EMDict(path, {"k": [1]}) as d:
        with pytest.raises(ZeroDivisionError):
            with d.edit("k") as value:
                value.append(2)
                1 / 0
        assert d["k"] == [1]


def test_edit_of_a_missing_key(path):
    with EMDict(path) as d:
        with pytest.raises(KeyError, match="k"):
            with d.edit("k"):
                pass
        assert not d


def test_edit_of_a_list_element(path):
    with EMList(path, [[1], "x"]) as items:
        with items.edit(0) as value:
            value.append(2)
        with items.edit(-2) as value:
            value.append(3)
        with pytest.raises(IndexError):
            with items.edit(5):
                pass
        assert items == [[1, 2, 3], "x"]


@pytest.mark.parametrize("end", ["commit", "close", "collect", "with"])
def test_writeback(path, end):
    d = EMDict(path, {"k": [1], "n": {}}, writeback=True)
    d["k"].append(2)
    d["n"]["x"] = [d["k"]]
    d.setdefault("new", []).append(7)
    d.get("k").append(3)
    for value in d.values():
        if isinstance(value, list):
            value.append("all")
    if end == "commit":
        d.commit()
        d.close()
    elif end == "close":
        d.close()
    elif end == "with":
        with d:
            pass
    else:
        del d
    with EMDict(path) as d:
        assert d["k"] == [1, 2, 3, "all"]
        assert d["new"] == [7, "all"]
        assert d["n"]["x"] == [[1, 2, 3, "all"]]


def test_writeback_of_replaced_and_deleted_keys(path):
    with EMDict(path, writeback=True) as d:
        d["a"], d["b"], d["c"] = [1], [2], [3]
        old = d["a"]
        d["a"] = [10]
        old.append("lost")
        d["b"].append(20)
        del d["b"]
        assert d.pop("c") == [3]
    with EMDict(path) as d:
        assert dict(d) == {"a": [10]}


def test_writeback_and_rollback(path):
    with EMDict(path, {"k": [1]}, writeback=True) as d:
        d["k"].append(2)
        with pytest.raises(ZeroDivisionError):
            with d.transaction():
                d["k"].append(3)
                d["other"] = []
                1 / 0
        assert d["k"] == [1, 2]
        assert list(d) == ["k"]
    with EMDict(path) as d:
        assert dict(d) == {"k": [1, 2]}


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_what_was_handed_out_before_a_rollback_is_a_copy(path, kind):
    """And is not written, whoever asks first."""
    with Store(path) as s:
        values = s.dict("v", writeback=True) if kind == "dict" else s.list("v", writeback=True)
        values.update({0: [1]}) if kind == "dict" else values.append([1])
        s.commit()
        old = values[0]
        with pytest.raises(ZeroDivisionError), s.transaction():
            old.append(2)
            1 / 0
        old.append(3)
        s.commit()
        values[0].append(4)
    with Store(path) as s:
        assert (s.dict("v") if kind == "dict" else s.list("v"))[0] == [1, 4]


def test_writeback_of_a_list(path):
    with EMList(path, [[1], [2]], writeback=True) as items:
        items[0].append(10)
        items.insert(0, ["first"])
        items[1].append(100)
        items[-1].append(20)
    with EMList(path) as items:
        assert items == [["first"], [1, 10, 100], [2, 20]]


def test_writeback_after_a_compaction(path):
    """Elements have other places then; also where it is cut off, however late."""

    class CutOff(BaseException):
        pass

    def until(last):
        def progress(done, total):
            nonlocal last
            last -= 1
            if last < 0:
                raise CutOff

        return progress

    for last in range(6):
        with EMList(None, [[i] for i in range(9000)], writeback=True) as items:
            handed_out = items[:]
            del items[:100]
            for value in handed_out:
                value.append("before")
            try:
                items.compact(progress=until(last))
            except CutOff:
                pass
            else:
                last = None
            for index in (0, 1, 5000, -1):
                items[index].append("after")
            items.commit()
            expected = [[i, "before"] for i in range(100, 9000)]
            for index in (0, 1, 5000, -1):
                expected[index].append("after")
            assert list(items) == expected
            items.sort(key=lambda value: value[0])  # of what is stored
            assert list(items) == expected
        if last is None:
            break


def test_subclasses_of_the_values_builtins_come_back_as_they_were(path):
    """A subclass is no list: it is pickled, so that its class and attributes are kept."""
    with EMDict(path) as d:
        d["v"] = Tagged([1, 2], "tag")
    with EMDict(path) as d:
        value = d["v"]
        assert type(value) is Tagged
        assert (list(value), value.tag) == ([1, 2], "tag")


class Tagged(list):
    def __init__(self, items=(), tag=None):
        super().__init__(items)
        self.tag = tag


def test_containers_as_values_are_copied(path):
    with Store(path) as store:
        names, lines = store.dict("names"), store.list("lines")
        lines.extend([1, 2])
        names["lines"] = lines
        lines.append(3)
        assert names["lines"] == [1, 2]
