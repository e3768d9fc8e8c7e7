"""Bad input of every kind: the exception that a Python user expects, its path in it, the store as it was."""

import collections
import errno
import io
import os
import pickle
import shutil
import struct
import threading

import pytest

import pyrsistence
from helpers import Process, files_of
from pyrsistence import EMDeque, EMDict, EMList, EMSet, Store

KINDS = [EMDict, EMList, EMSet, EMDeque, Store]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def fill(container):
    """Some content, whatever the kind."""
    if isinstance(container, Store):
        fill(container.dict("names"))
        fill(container.list("lines"))
        fill(container.set("seen"))
        fill(container.deque("tasks"))
    elif isinstance(container, EMDict):
        container.update({"a": 1, "b": [2, 3], 3: b"c" * 5000})
    elif isinstance(container, EMSet):
        container.update(["a", (2, 3), 3, b"c" * 5000])
    else:
        container.extend([1, "two", [3.0, None], b"c" * 5000])


def content(container):
    if isinstance(container, Store):
        return [content(container._existing(name)) for name in ("names", "lines", "seen", "tasks")]
    return dict(container) if isinstance(container, EMDict) else list(container)


@pytest.fixture
def made(kind, path):
    """A closed store of this kind with content, and that content."""
    with kind(path) as container:
        fill(container)
        expected = content(container)
    return path, expected


# --- the path ---


def test_missing_parent_folder(kind, tmp_path):
    path = tmp_path / "missing" / "store"
    with pytest.raises(FileNotFoundError) as caught:
        kind(path)
    assert caught.value.errno == errno.ENOENT
    assert str(tmp_path / "missing") in str(caught.value.filename)
    assert not (tmp_path / "missing").exists()


def test_missing_folder_is_created(kind, path):
    kind(path).close()
    assert path.is_dir()


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_store_that_must_exist(kind, path, mode):
    with pytest.raises(FileNotFoundError) as caught:
        kind(path, mode=mode)
    assert str(path) in str(caught.value.filename)
    assert not path.exists()


def test_store_that_must_not_exist(kind, made):
    path, _ = made
    before = files_of(path)
    with pytest.raises(FileExistsError) as caught:
        kind(path, mode="x")
    assert str(path) in str(caught.value.filename)
    assert files_of(path) == before


def test_unknown_mode(kind, path):
    with pytest.raises(ValueError, match="mode"):
        kind(path, mode="w")
    assert not path.exists()


def test_path_of_the_wrong_type(kind):
    with pytest.raises(TypeError):
        kind(42)


def test_path_with_a_null_byte(kind, tmp_path):
    with pytest.raises(ValueError, match="null"):
        kind(f"{tmp_path}/with\0null")
    assert list(tmp_path.iterdir()) == []


def test_bytes_and_pathlike_paths(kind, path):
    kind(os.fsencode(path)).close()
    with kind(str(path), mode="r+") as container:
        fill(container)
    with kind(path, mode="r") as container:
        assert content(container)


def test_file_where_a_directory_should_be(kind, path):
    path.write_text("mine")
    with pytest.raises((NotADirectoryError, FileExistsError)) as caught:
        kind(path)
    assert str(path) in str(caught.value.filename)
    assert path.read_text() == "mine"


def test_directory_of_something_else(kind, path):
    path.mkdir()
    (path / "thesis.txt").write_text("mine")
    with pytest.raises(pyrsistence.FormatError) as caught:
        kind(path)
    assert isinstance(caught.value, ValueError)
    assert str(path) in str(caught.value)
    assert [file.name for file in path.iterdir()] == ["thesis.txt"]


AS_NOBODY = """
import os, sys
# Import first: the package may lie where nobody may not read.
import pyrsistence
os.setgid(65534); os.setuid(65534)
kind = getattr(pyrsistence, sys.argv[1])
try:
    kind(sys.argv[2], mode=sys.argv[3])
except PermissionError as error:
    assert error.errno in (13, 1) and sys.argv[2] in str(error.filename), (error, error.filename)
    print("denied")
"""


def _run_unprivileged(run_python, *arguments):
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody; without root chmod is tested below")
    return run_python(AS_NOBODY, *arguments).strip()


@pytest.mark.parametrize("mode", ["a", "r"])
def test_no_permission_to_open(kind, made, mode, run_python):
    path, expected = made
    for parent in path.parents[:-1]:
        if parent.stat().st_uid == os.geteuid() and parent.name.startswith(("pytest", "test_")):
            parent.chmod(0o755)
    path.chmod(0o700)
    before = files_of(path)
    assert _run_unprivileged(run_python, kind.__name__, path, mode) == "denied"
    assert files_of(path) == before
    with kind(path) as container:
        assert content(container) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_no_permission_to_create(kind, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError) as caught:
        kind(folder / "store")
    assert str(folder) in str(caught.value.filename)


# --- the files ---


def superblock(path):
    (file,) = [file for file in path.iterdir() if "super" in file.name]
    return file


def refused(kind, path, error, match=None):
    """Opening raises `error` with the path in it, in each mode, and leaves every file as it was."""
    before = files_of(path)
    for mode in ("a", "r+", "r"):
        with pytest.raises(error, match=match) as caught:
            kind(path, mode=mode)
        assert str(path) in str(caught.value)
        assert files_of(path) == before


def test_foreign_superblock(kind, made):
    path, _ = made
    file = superblock(path)
    file.write_bytes(b"SQLite format 3\0" * (file.stat().st_size // 16))
    refused(kind, path, pyrsistence.FormatError)


@pytest.mark.parametrize("size", [0, 1, 7, 100, 511, 4095])
def test_truncated_superblock(kind, made, size):
    path, _ = made
    os.truncate(superblock(path), size)
    refused(kind, path, (pyrsistence.FormatError, pyrsistence.DamagedError))


def patch_slots(path, offset, data):
    """Overwrites the same bytes in both slots of the superblock; docs/format.md has the offsets."""
    file = superblock(path)
    content = bytearray(file.read_bytes())
    magic = bytes(content[:8])
    starts = [start for start in range(0, len(content), 512) if content[start : start + 8] == magic]
    assert len(starts) == 2, "the superblock has two slots"
    for start in starts:
        content[start + offset : start + offset + len(data)] = data
    file.write_bytes(content)


def test_newer_format(kind, made):
    """Told by the version alone: the checksum of a format to come is nothing this one could know."""
    path, _ = made
    patch_slots(path, 12, struct.pack("<I", 999))
    refused(kind, path, pyrsistence.FormatError, match="999|newer")


def test_wrong_endian_store(kind, made):
    path, _ = made
    patch_slots(path, 8, struct.pack(">I", 0x01020304))
    refused(kind, path, pyrsistence.FormatError, match=r"(?i)endian|byte order")


@pytest.mark.parametrize("slot", [0, 1])
def test_one_torn_slot_of_the_superblock_is_survived(kind, made, slot):
    path, expected = made
    file = superblock(path)
    data = bytearray(file.read_bytes())
    start = [start for start in range(0, len(data), 512) if data[start : start + 8] == data[:8]][slot]
    data[start + 20 : start + 60] = b"\xff" * 40
    file.write_bytes(data)
    with kind(path) as container:
        assert content(container) == expected


def test_missing_file_of_a_store(kind, made):
    path, expected = made
    names = sorted(file.name for file in path.iterdir() if file.name != "lock")
    for name in names:
        copy = path.parent / f"without-{name}"
        shutil.copytree(path, copy)
        (copy / name).unlink()
        try:
            with kind(copy, mode="r+") as opened:
                assert content(opened) == expected  # what can be made anew is; then nothing is missing
                assert opened.verify() == []
        except (OSError, ValueError) as error:
            assert str(copy) in str(error)


def test_cut_file_of_a_store(kind, made):
    path, expected = made
    for file in sorted(path.iterdir()):
        size = file.stat().st_size
        for cut in sorted({0, size // 2, max(size - 4096, 0)}):
            copy = path.parent / f"cut-{file.name}-{cut}"
            shutil.copytree(path, copy)
            os.truncate(copy / file.name, cut)
            try:
                with kind(copy, mode="r+") as opened:
                    assert content(opened) == expected
            except (OSError, ValueError) as error:
                assert str(copy) in str(error)


def test_store_of_another_kind(path):
    with EMDict(path) as d:
        fill(d)
    before = files_of(path)
    with pytest.raises(pyrsistence.FormatError, match=r"(?i)dict") as caught:
        EMList(path)
    assert isinstance(caught.value, ValueError)
    assert str(path) in str(caught.value)
    assert files_of(path) == before


def test_member_of_another_kind(path):
    with Store(path) as store:
        fill(store)
        with pytest.raises(pyrsistence.FormatError, match="names"):
            store.list("names")
        assert content(store)


# --- who holds it ---

HOLDER = """
import sys, pyrsistence
held = getattr(pyrsistence, sys.argv[1])(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_second_writer_in_another_process(kind, made):
    path, expected = made
    with Process("-c", HOLDER, kind.__name__, path) as holder:
        assert holder.line() == "held"
        with pytest.raises(pyrsistence.LockedError, match=rf"\b{holder.pid}\b") as caught:
            kind(path)
        assert isinstance(caught.value, BlockingIOError)
        assert str(path) in str(caught.value)
        assert holder.rest() == ""
    with kind(path) as container:
        assert content(container) == expected


MEMBERS = {
    "dict": lambda s, name: s.dict(name),
    "typed dict": lambda s, name: s.dict(name, key="u8", value="u8"),
    "list": lambda s, name: s.list(name),
    "set": lambda s, name: s.set(name),
    "typed set": lambda s, name: s.set(name, dtype="u8"),
    "deque": lambda s, name: s.deque(name),
    "array": lambda s, name: s.array(name, "u8"),
    "shadow memory": lambda s, name: s.shadow_memory(name, [(0, 4096)]),
    "graph": lambda s, name: s.graph(name),
    "digraph": lambda s, name: s.digraph(name),
    "multigraph": lambda s, name: s.multigraph(name),
    "multidigraph": lambda s, name: s.multidigraph(name),
}


@pytest.mark.parametrize("kind", MEMBERS)
@pytest.mark.parametrize("name", ["\0compaction", "\0", "\0anything"])
def test_names_that_are_the_librarys_own_are_refused(path, kind, name):
    with pyrsistence.Store(path) as store:
        store.dict("d")["a"] = 1
        with pytest.raises(pyrsistence.FormatError, match="zero byte"):
            MEMBERS[kind](store, name)
        with store.transaction(), pytest.raises(pyrsistence.FormatError):
            MEMBERS[kind](store, name)
        with pytest.raises(KeyError):
            store.drop(name)
        assert name not in store
        MEMBERS[kind](store, "a\0" + name)  # elsewhere a zero byte is one like others
    with pyrsistence.Store(path) as store:
        assert sorted(store) == ["a\0" + name, "d"]
    with pyrsistence.Store(path, mode="r") as store, pytest.raises(pyrsistence.FormatError):
        MEMBERS[kind](store, name)


def test_second_writer_in_the_same_process(kind, made):
    path, expected = made
    with kind(path) as first:
        with pytest.raises(pyrsistence.LockedError, match="already open in this process") as caught:
            kind(path)
        assert str(path) in str(caught.value)
        assert content(first) == expected
        fill(first)  # the refused attempt has not taken the lock away
        with pytest.raises(pyrsistence.LockedError):
            kind(path)
    kind(path).close()


def test_second_writer_by_another_name_of_the_same_path(made, kind, tmp_path):
    path, _ = made
    link = tmp_path / "link"
    link.symlink_to(path)
    with kind(path):
        with pytest.raises(pyrsistence.LockedError):
            kind(link)


# --- use after close, and of a read-only store ---


DICT_CALLS = {
    "len": len,
    "getitem": lambda d: d["a"],
    "setitem": lambda d: d.__setitem__("a", 1),
    "delitem": lambda d: d.__delitem__("a"),
    "contains": lambda d: "a" in d,
    "iter": lambda d: list(d),
    "reversed": lambda d: list(reversed(d)),
    "items": lambda d: list(d.items()),
    "get": lambda d: d.get("a"),
    "pop": lambda d: d.pop("a", None),
    "popitem": lambda d: d.popitem(),
    "clear": lambda d: d.clear(),
    "update": lambda d: d.update(a=1),
    "setdefault": lambda d: d.setdefault("new", 1),
    "eq": lambda d: d == {},
    "copy": lambda d: d.copy(),
    "or": lambda d: d | {},
}
LIST_CALLS = {
    "len": len,
    "getitem": lambda v: v[0],
    "slice": lambda v: v[:2],
    "setitem": lambda v: v.__setitem__(0, 1),
    "delitem": lambda v: v.__delitem__(0),
    "contains": lambda v: 1 in v,
    "iter": lambda v: list(v),
    "reversed": lambda v: list(reversed(v)),
    "append": lambda v: v.append(1),
    "extend": lambda v: v.extend([1]),
    "insert": lambda v: v.insert(0, 1),
    "pop": lambda v: v.pop(),
    "sort": lambda v: v.sort(key=str),
    "reverse": lambda v: v.reverse(),
    "clear": lambda v: v.clear(),
    "index": lambda v: v.index(1),
    "count": lambda v: v.count(1),
    "eq": lambda v: v == [],
    "concatenate": lambda v: v + [],
    "mul": lambda v: v * 2,
}
SET_CALLS = {
    "len": len,
    "contains": lambda s: "a" in s,
    "iter": lambda s: list(s),
    "reversed": lambda s: list(reversed(s)),
    "contains_many": lambda s: s.contains_many([]),
    "add": lambda s: s.add("a"),
    "discard": lambda s: s.discard("no"),
    "remove": lambda s: s.remove("a"),
    "pop": lambda s: s.pop(),
    "clear": lambda s: s.clear(),
    "update": lambda s: s.update(["new"]),
    "ior": lambda s: s.__ior__({"new"}),
    "intersection_update": lambda s: s.intersection_update(["a"]),
    "difference_update": lambda s: s.difference_update(["a"]),
    "symmetric_difference_update": lambda s: s.symmetric_difference_update(["a"]),
    "eq": lambda s: s == set("abcd"),
    "less": lambda s: s < set("abcdef"),
    "copy": lambda s: s.copy(),
    "union": lambda s: s.union([]),
    "intersection": lambda s: s.intersection([]),
    "sub": lambda s: s - set(),
    "rsub": lambda s: {1} - s,
    "xor": lambda s: s ^ set(),
    "isdisjoint": lambda s: s.isdisjoint([]),
    "issubset": lambda s: s.issubset([]),
    "issuperset": lambda s: s.issuperset([]),
}
DEQUE_CALLS = {
    "len": len,
    "maxlen": lambda d: d.maxlen,
    "getitem": lambda d: d[0],
    "setitem": lambda d: d.__setitem__(0, 1),
    "delitem": lambda d: d.__delitem__(0),
    "contains": lambda d: 1 in d,
    "iter": lambda d: list(d),
    "reversed": lambda d: list(reversed(d)),
    "append": lambda d: d.append(1),
    "appendleft": lambda d: d.appendleft(1),
    "extend": lambda d: d.extend([1]),
    "extendleft": lambda d: d.extendleft([1]),
    "iadd": lambda d: d.__iadd__([1]),
    "imul": lambda d: d.__imul__(2),
    "insert": lambda d: d.insert(0, 1),
    "pop": lambda d: d.pop(),
    "popleft": lambda d: d.popleft(),
    "remove": lambda d: d.remove(1),
    "rotate": lambda d: d.rotate(),
    "reverse": lambda d: d.reverse(),
    "clear": lambda d: d.clear(),
    "index": lambda d: d.index(1),
    "count": lambda d: d.count(1),
    "eq": lambda d: d == collections.deque(),
    "copy": lambda d: d.copy(),
    "concatenate": lambda d: d + collections.deque(),
    "mul": lambda d: d * 2,
}
COMMON_CALLS = {
    "commit": lambda x: x.commit(),
    "verify": lambda x: x.verify(),
    "transaction": lambda x: x.transaction().__enter__(),
}
CALLS = [
    *((EMDict, name, call) for name, call in {**DICT_CALLS, **COMMON_CALLS}.items()),
    *((EMList, name, call) for name, call in {**LIST_CALLS, **COMMON_CALLS}.items()),
    *((EMSet, name, call) for name, call in {**SET_CALLS, **COMMON_CALLS}.items()),
    *((EMDeque, name, call) for name, call in {**DEQUE_CALLS, **COMMON_CALLS}.items()),
    *((Store, name, call) for name, call in COMMON_CALLS.items()),
    (Store, "dict", lambda s: s.dict("names")),
    (Store, "list", lambda s: s.list("new")),
]
READS = {
    "len",
    "getitem",
    "slice",
    "contains",
    "iter",
    "reversed",
    "items",
    "get",
    "eq",
    "copy",
    "or",
}
READS |= {"index", "count", "mul", "verify", "contains_many", "less", "union", "intersection", "sub", "rsub"}
READS |= {"maxlen", "xor", "isdisjoint", "issubset", "issuperset", "concatenate"}


@pytest.mark.parametrize(("kind", "name", "call"), CALLS, ids=lambda x: getattr(x, "__name__", x))
def test_use_after_close(kind, name, call, path):
    container = kind(path)
    fill(container)
    container.close()
    before = files_of(path)
    with pytest.raises(ValueError, match=r"(?i)closed") as caught:
        call(container)
    assert str(path) in str(caught.value)
    assert files_of(path) == before
    assert "closed" in repr(container)
    container.close()  # closing twice is harmless


def test_iterators_and_views_after_close(path):
    d = EMDict(path, {"a": 1, "b": 2})
    view, iterator = d.items(), iter(d)
    next(iterator)
    d.close()
    with pytest.raises(ValueError, match="closed"):
        next(iterator)
    with pytest.raises(ValueError, match="closed"):
        len(view)
    with pytest.raises(ValueError, match="closed"):
        list(view)


def test_members_after_the_store_is_closed(path):
    with Store(path) as store:
        fill(store)
        names, lines = store.dict("names"), store.list("lines")
    for call in (lambda: names["a"], lambda: lines[0], lambda: lines.append(1), lambda: len(names)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_dropped_member(path):
    with Store(path) as store:
        fill(store)
        names = store.dict("names")
        store.drop("names")
        with pytest.raises(ValueError, match="dropped"):
            names["a"]
        with pytest.raises(KeyError):
            store.drop("names")


WRITES = [
    (kind, name, call)
    for kind, name, call in CALLS
    if name not in READS | {"commit", "transaction", "dict", "list"}
]


@pytest.mark.parametrize(("kind", "name", "call"), WRITES, ids=lambda x: getattr(x, "__name__", x))
def test_writing_in_a_read_only_store(kind, name, call, path):
    with kind(path) as container:
        fill(container)
    before = files_of(path)
    with kind(path, mode="r") as container:
        with pytest.raises(io.UnsupportedOperation) as caught:
            call(container)
        assert str(path) in str(caught.value)
    assert files_of(path) == before


# --- values and keys ---


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("this object does not pickle")


class HalfwayList(list):
    """A list that encodes some of itself before it fails."""

    def __reduce_ex__(self, protocol):
        raise RuntimeError("halfway")


BAD_VALUES = {
    "lambda": (lambda: lambda: None, (pickle.PicklingError, AttributeError)),
    "generator": (lambda: (n for n in ()), TypeError),
    "reduce raises": (Unpicklable, RuntimeError),
    "list subclass": (lambda: HalfwayList([1, 2]), RuntimeError),
    "inside a list": (lambda: [b"x" * 100_000, Unpicklable()], RuntimeError),
    "inside a dict": (lambda: {"a": {"b": (1, Unpicklable())}}, RuntimeError),
    "inside a set": (lambda: {1, 2, Unpicklable()}, RuntimeError),
    "lock": (threading.Lock, TypeError),
}


@pytest.fixture(params=BAD_VALUES, ids=str)
def bad_value(request):
    make, error = BAD_VALUES[request.param]
    return make(), error


DICT_STORES = {
    "new key": lambda d, v: d.__setitem__("new", v),
    "old key": lambda d, v: d.__setitem__("a", v),
    "setdefault": lambda d, v: d.setdefault("new", v),
    "edit": lambda d, v: _edit(d, "b", v),
}
LIST_STORES = {
    "setitem": lambda items, v: items.__setitem__(0, v),
    "append": lambda items, v: items.append(v),
    "insert": lambda items, v: items.insert(1, v),
    "slice": lambda items, v: items.__setitem__(slice(0, 2), [b"new" * 3000, v]),
    "extended slice": lambda items, v: items.__setitem__(slice(0, 4, 2), [b"new" * 3000, v]),
    "edit": lambda items, v: _edit(items, 2, v),
}


def _edit(container, key, value):
    with container.edit(key) as old:
        old.append(value)


@pytest.mark.parametrize("how", DICT_STORES)
def test_unencodable_value_in_dict(path, bad_value, how):
    value, error = bad_value
    with EMDict(path) as d:
        fill(d)
        d.commit()
        before, stats = dict(d), d.stats()
        with pytest.raises(error):
            DICT_STORES[how](d, value)
        assert list(d.items()) == list(before.items())
        assert d.verify() == []
        assert d.stats() == stats
    with EMDict(path) as d:
        assert list(d.items()) == list(before.items())


@pytest.mark.parametrize("how", LIST_STORES)
def test_unencodable_value_in_list(path, bad_value, how):
    value, error = bad_value
    with EMList(path) as items:
        fill(items)
        before = list(items)
        with pytest.raises(error):
            LIST_STORES[how](items, value)
        assert list(items) == before
        assert items.verify() == []
    with EMList(path) as items:
        assert list(items) == before


def test_bulk_calls_stop_at_the_bad_element(path, bad_value):
    """As with dict and list: what came before it is in, the bad one and what follows is not."""
    value, error = bad_value
    with EMDict(path) as d:
        with pytest.raises(error):
            d.update([("x", 1), ("y", value), ("z", 3)])
        assert dict(d) == {"x": 1}
        assert d.verify() == []
    with EMList(path.with_name("list")) as items:
        with pytest.raises(error):
            items.extend(iter([1, 2, value, 4]))
        assert items[:] in ([1, 2], [])
        assert items.verify() == []


def test_bad_value_in_a_transaction_rolls_everything_back(path, bad_value):
    value, error = bad_value
    with EMDict(path) as d:
        fill(d)
        before = dict(d)
        with pytest.raises(error):
            with d.transaction():
                d["first"] = 1
                d.update({"second": 2, "third": value})
        assert list(d.items()) == list(before.items())
        assert d.verify() == []


UNHASHABLE = [[], {}, set(), bytearray(b"a"), (1, []), ((), (1, {}))]


@pytest.mark.parametrize("key", UNHASHABLE, ids=repr)
def test_unhashable_key(path, key):
    with EMDict(path) as d:
        fill(d)
        before = dict(d)
        calls = [
            lambda: d.__setitem__(key, 1),
            lambda: d[key],
            lambda: d.__delitem__(key),
            lambda: key in d,
            lambda: d.get(key),
            lambda: d.pop(key, None),
            lambda: d.setdefault(key, 1),
            lambda: d.update([(key, 1)]),
        ]
        for call in calls:
            with pytest.raises(TypeError, match="unhashable"):
                call()
        assert dict(d) == before
        assert d.verify() == []


class BadHash:
    def __hash__(self):
        raise ZeroDivisionError


def test_what_hash_raises_is_raised(path):
    with EMDict(path) as d:
        for call in (
            lambda: d.__setitem__(BadHash(), 1),
            lambda: BadHash() in d,
            lambda: d.get((1, BadHash())),
        ):
            with pytest.raises(ZeroDivisionError):
                call()
        assert not d


class Point:
    """Picklable, and nothing that is stored natively."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Point) and self.x == other.x

    __hash__ = None


def test_pickle_refused_on_writing(path):
    natural = {"a": [1, 2.5, (None, {"b": {3}}), b"x"], "b": 2**100}
    with EMDict(path, pickle=False) as d:
        d.update(natural)
        with pytest.raises((TypeError, pickle.PicklingError)):
            d["point"] = Point(1)
        with pytest.raises((TypeError, pickle.PicklingError)):
            d["deep"] = [1, {"p": Point(1)}]
        assert dict(d) == natural
    with EMList(path.with_name("list"), pickle=False) as items:
        items.extend(natural.values())
        with pytest.raises((TypeError, pickle.PicklingError)):
            items.append(Point(1))
        assert items == list(natural.values())


EXPLODED = []


class Exploding:
    """Its pickle runs code."""

    def __reduce__(self):
        return EXPLODED.append, ("boom",)


def test_pickle_refused_on_reading(path):
    """With pickle=False nothing in the file can run code."""
    with EMDict(path) as d:
        d["plain"] = 1
        d["mine"] = Exploding()
        assert d["plain"] == 1
    EXPLODED.clear()
    with EMDict(path, pickle=False) as d:
        assert d["plain"] == 1
        for call in (
            lambda: d["mine"],
            lambda: d.get("mine"),
            lambda: list(d.values()),
            lambda: d.pop("mine"),
        ):
            with pytest.raises(pickle.UnpicklingError):
                call()
        assert "mine" in d
        assert not EXPLODED
        del d["mine"]  # removing it needs no reading


class BadPickler:
    def pickle(self, value):
        return "not bytes"


def test_pickler_that_misbehaves(path):
    with EMDict(path, pickler=BadPickler()) as d:
        d["natural"] = 1
        with pytest.raises(TypeError):
            d["object"] = Point(1)
        assert dict(d) == {"natural": 1}
    with pytest.raises(TypeError):
        EMDict(path, pickler=object())


def test_value_that_changes_the_container_while_it_is_encoded(path):
    """A __reduce__ may call anything; no operation is half done while it does."""

    class Meddler:
        def __reduce__(self):
            d["meddled"] = len(d)
            d.pop("a", None)
            return int, ()

    with EMDict(path) as d:
        fill(d)
        d["a"] = Meddler()
        assert d["meddled"] == 3
        assert d["a"] == 0
        assert d.verify() == []


def test_value_that_closes_the_container_while_it_is_encoded(path):
    class Closer:
        def __reduce__(self):
            d.close()
            return int, ()

    d = EMDict(path)
    d["before"] = 1
    with pytest.raises(ValueError, match="closed"):
        d["key"] = Closer()
    with EMDict(path) as again:
        assert dict(again) == {"before": 1}
        assert again.verify() == []


def test_errors_can_be_pickled_and_printed():
    """An exception crosses processes (multiprocessing, concurrent.futures) with its path and errno."""
    for error in (
        pyrsistence.LockedError(errno.EAGAIN, "held by 5", "/p"),
        pyrsistence.DamagedError(errno.EIO, "x", "/p"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.args, again.filename) == (type(error), error.args, "/p")
