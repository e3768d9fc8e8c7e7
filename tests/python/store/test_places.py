"""Where a store is: what is open stays what is used, whatever its path leads to now; and a copy is at its
place whole, or not at all, and takes nothing of others with it.
"""

from __future__ import annotations

import os
import pathlib
import pickle
import shutil
import sys

import pytest

import pyrsistence as em
from pyrsistence._base.new_directory import new_directory


def _store(path, mark, **options):
    store = em.Store(path, **options)
    if options.get("mode") != "r":
        store.dict("of")["mark"] = mark
    return store


def _graph(path, mark, **options):
    graph = em.EMDiGraph(path, **options)
    if options.get("mode") != "r":
        graph.add_node(mark)
    return graph


# Makes a container with a mark in it, or opens it with mode="r"; and says what the mark is.
KINDS = {
    "dict": (
        lambda path, mark, **o: em.EMDict(path, None if o else {"mark": mark}, **o),
        lambda d: d["mark"],
    ),
    "typed dict": (
        lambda path, mark, **o: em.EMDict(path, None if o else {0: mark}, key="u8", value="u8", **o),
        lambda d: d[0],
    ),
    "list": (lambda path, mark, **o: em.EMList(path, None if o else [mark], **o), lambda values: values[0]),
    "set": (lambda path, mark, **o: em.EMSet(path, None if o else [mark], **o), lambda s: next(iter(s))),
    "typed set": (
        lambda path, mark, **o: em.EMSet(path, None if o else [mark], dtype="u8", **o),
        lambda s: next(iter(s)),
    ),
    "deque": (lambda path, mark, **o: em.EMDeque(path, None if o else [mark], **o), lambda d: d[0]),
    "array": (
        lambda path, mark, **o: em.EMArray(path, "u8", data=None if o else [mark], **o),
        lambda a: int(a[0]),
    ),
    "graph": (_graph, lambda g: next(iter(g))),
    "store": (_store, lambda s: s.dict("of")["mark"]),
}
MINE, OTHER = 1, 2


@pytest.fixture(autouse=True)
def _stay(monkeypatch):
    monkeypatch.chdir(os.getcwd())  # whatever a test does


def _chdir(tmp_path, make):
    """The path is relative, and leads elsewhere after os.chdir()."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    os.chdir(tmp_path / "b")
    make("cache", OTHER).close()
    os.chdir(tmp_path / "a")
    mine = make("cache", MINE)
    os.chdir(tmp_path / "b")
    return mine


def _renamed(tmp_path, make):
    """The directory is renamed, and another one put into its place."""
    mine = make(tmp_path / "cache", MINE)
    os.rename(tmp_path / "cache", tmp_path / "moved")
    make(tmp_path / "cache", OTHER).close()
    return mine


def _parent_renamed(tmp_path, make):
    """The same of a directory above it, and the path is relative."""
    (tmp_path / "above").mkdir()
    os.chdir(tmp_path)
    mine = make("above/cache", MINE)
    os.rename(tmp_path / "above", tmp_path / "moved")
    (tmp_path / "above").mkdir()
    make("above/cache", OTHER).close()
    return mine


def _linked(tmp_path, make):
    """The path is a link, which leads elsewhere now."""
    (tmp_path / "first").mkdir()
    (tmp_path / "cache").symlink_to("first")
    mine = make(tmp_path / "cache", MINE)
    (tmp_path / "cache").unlink()
    make(tmp_path / "cache", OTHER).close()
    return mine


def _copied_by(method):
    def copy(container, make, mark_of, tmp_path, run_python):
        getattr(container, method)(tmp_path / "copy")
        found = make(tmp_path / "copy", None, mode="r")
        mark = mark_of(found)
        found.close()
        os.chdir(tmp_path)
        getattr(container, method)("relative")
        assert (tmp_path / "relative" / "superblock").exists()
        return mark

    return copy


def _unpickled_here(container, make, mark_of, tmp_path, run_python):
    again = pickle.loads(pickle.dumps(container))
    assert again is container
    return mark_of(again)


def _unpickled_elsewhere(container, make, mark_of, tmp_path, run_python):
    code = (
        "import pickle, sys, test_places\n"
        "make, mark_of = test_places.KINDS[sys.argv[2]]\n"
        "print(mark_of(pickle.loads(bytes.fromhex(sys.argv[1]))))"
    )
    kind = next(kind for kind, (maker, _) in KINDS.items() if maker is make)
    return int(run_python(code, pickle.dumps(container).hex(), kind))


def _inspected(container, make, mark_of, tmp_path, run_python):
    assert container.verify() == []
    assert container.stats()["disk_bytes"] > 0
    container.compact()
    container.commit()
    return mark_of(container)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [_chdir, _renamed, _parent_renamed, _linked])
@pytest.mark.parametrize(
    "use",
    [_copied_by("backup"), _copied_by("compact"), _unpickled_here, _unpickled_elsewhere, _inspected],
    ids=["backup", "compact", "unpickled", "unpickled elsewhere", "inspected"],
)
def test_what_is_open_is_what_is_used(kind, how, use, tmp_path, run_python):
    if use is _unpickled_elsewhere and kind not in ("dict", "graph", "store"):
        pytest.skip("a process for each way of pickling is enough")
    make, mark_of = KINDS[kind]
    container = how(tmp_path, make)
    try:
        assert use(container, make, mark_of, tmp_path, run_python) == MINE
    finally:
        container.close()


def test_a_directory_that_was_removed_has_no_path(tmp_path):
    with em.EMDict(tmp_path / "d", {"a": 1}) as d:
        os.rename(tmp_path / "d", tmp_path / "e")
        assert pickle.loads(pickle.dumps(d)) is d
        for name in os.listdir(tmp_path / "e"):
            os.unlink(tmp_path / "e" / name)
        os.rmdir(tmp_path / "e")
        em.EMDict(tmp_path / "d", {"a": 2}).close()
        with pytest.raises(FileNotFoundError, match="removed"):
            pickle.dumps(d)
        with pytest.raises(OSError, match="superblock"):
            d.backup(tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


# ---- Copies


@pytest.fixture
def source(tmp_path):
    (tmp_path / "at").mkdir()
    with em.EMDict(tmp_path / "s") as d:
        d.update((number, "x" * 1000) for number in range(5000))
        d.commit()
        yield d


def _by_method(name):
    def copy(source, target, meanwhile):
        getattr(source, name)(target, progress=lambda done, total: meanwhile())

    return copy


def _by_block(source, target, meanwhile):
    """As load and migrate make a store."""
    with new_directory(target, "loading") as made:
        with em.EMDict(made, mode="x") as copy:
            copy.update(source)
            meanwhile()


COPIES = {"backup": _by_method("backup"), "compact": _by_method("compact"), "load": _by_block}


class Cancelled(Exception):
    pass


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("fails", [True, False], ids=["cancelled", "at its end"])
@pytest.mark.parametrize("there", [True, False], ids=["into an empty directory", "into none"])
def test_what_others_put_there_meanwhile_stays(source, tmp_path, copy, fails, there):
    target = tmp_path / "at" / "dst"
    if there:
        target.mkdir()

    def meanwhile():
        target.mkdir(exist_ok=True)
        (target / "region-1").write_text("of another")
        if fails:
            raise Cancelled

    with pytest.raises(Cancelled if fails else FileExistsError):
        copy(source, target, meanwhile)
    assert (target / "region-1").read_text() == "of another"
    assert os.listdir(target.parent) == ["dst"]
    assert os.listdir(target) == ["region-1"]


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_of_two_copies_to_one_place_one_fails(source, tmp_path, copy):
    target = tmp_path / "at" / "dst"
    done = []

    def meanwhile():
        if not done:
            done.append(1)
            em.EMDict(tmp_path / "s2", {"a": 1}).backup(target)

    with pytest.raises(FileExistsError):
        copy(source, target, meanwhile)
    with em.EMDict(target, mode="r") as found:
        assert found == {"a": 1}
        assert found.verify() == []
    assert os.listdir(target.parent) == ["dst"]


@pytest.mark.parametrize("name", COPIES)
def test_a_killed_copy_is_not_there(source, tmp_path, run_python, name):
    target = tmp_path / "at" / "dst"
    source.close()
    code = (
        "import os, signal, sys, test_places, pyrsistence as em\n"
        "source = em.EMDict(sys.argv[1], mode='r')\n"
        "def end(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "test_places.COPIES[sys.argv[3]](source, sys.argv[2], end)\n"
    )
    run_python(code, tmp_path / "s", target, name, expect=-9)
    assert not target.exists()
    left = os.listdir(target.parent)
    assert len(left) == 1 and left[0].startswith(f".dst.{name if name != 'load' else 'loading'}-")
    assert (target.parent / left[0]).stat().st_mode & 0o077 == 0
    with em.EMDict(tmp_path / "s", mode="r") as again:
        COPIES[name](again, target, lambda: None)
        with em.EMDict(target, mode="r") as found:
            assert found == again.copy()


def test_places_that_are_none(source, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "of").mkdir()
    for name, error in {
        "file": FileExistsError,
        "nowhere": FileExistsError,
        "full": FileExistsError,
        "s": FileExistsError,
        "missing/copy": FileNotFoundError,
        "file/copy": NotADirectoryError,
    }.items():
        for copy in COPIES.values():
            with pytest.raises(error):
                copy(source, tmp_path / name, lambda: None)
    for copy in COPIES.values():
        with pytest.raises(FileNotFoundError):
            copy(source, "", lambda: None)
    assert sorted(os.listdir(tmp_path)) == ["at", "file", "full", "nowhere", "s"]


def test_places_that_are_named_in_other_ways(source, tmp_path):
    os.chdir(tmp_path / "at")
    for place in ("a", "b/", "./c//", "../at/d", "e" * 255, b"f\xff"):
        source.backup(place)
        with em.open(place, mode="r") as found:
            assert len(found) == 5000
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    source.backup(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "superblock").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts")
def test_a_mount_point_is_refused_before_the_work(source, tmp_path):
    place = tmp_path / "mounted"
    place.mkdir()
    if shutil.which("mount") is None or os.system(f"mount -t tmpfs none {place} 2>/dev/null") != 0:
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(OSError, match="mounted"):
            source.backup(place)
        source.backup(place / "copy")
    finally:
        os.system(f"umount {place}")


# ---- A second opening in one process


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_opening_is_given_the_object_that_is_there(kind, tmp_path):
    make, _ = KINDS[kind]
    with make(tmp_path / "s", MINE) as first:
        os.chdir(tmp_path)
        for again in (lambda: make("s", MINE), lambda: make("s", MINE, mode="r"), lambda: em.open(b"s")):
            with pytest.raises(em.LockedError) as raised:
                again()
            assert raised.value.holder is first
            assert raised.value.errno == 11
            assert f"{type(first).__name__}, opened at {__file__}:" in str(raised.value)


def test_the_place_of_the_first_opening_is_named(tmp_path):
    first = em.EMList(tmp_path / "s")
    line = sys._getframe().f_lineno - 1
    with pytest.raises(em.LockedError, match=f"EMList, opened at .*{pathlib.Path(__file__).name}:{line};"):
        em.EMList(tmp_path / "s")
    first.close()
    assert em.LockedError.holder is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_can_reach_is_collected_first(kind, tmp_path):
    make, mark_of = KINDS[kind]
    cycle = [make(tmp_path / "s", MINE)]
    cycle.append(cycle)
    del cycle
    again = make(tmp_path / "s", None, mode="r")
    assert mark_of(again) == MINE
    again.close()
