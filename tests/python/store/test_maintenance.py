"""compact() and backup(): what they keep, what cancels them, and what goes on beside them."""

from __future__ import annotations

import pathlib
import shutil
import signal
import subprocess
import threading

import pytest

import pyrsistence as em


class Cancelled(Exception):
    pass


def cancel(done, total):
    raise Cancelled


@pytest.fixture
def thinned(tmp_path):
    """A dict of which half is dead."""
    with em.EMDict(tmp_path / "d") as d:
        d.update((number, "x" * (number % 300)) for number in range(6000))
        for number in range(0, 6000, 2):
            del d[number]
        d.commit()
        yield d


def test_compaction_keeps_items_and_order_in_less_space(thinned):
    before = list(thinned.items())
    records = thinned.stats()["regions"]["records"]
    assert records["dead_bytes"] > 0
    told = []
    thinned.compact(progress=lambda done, total: told.append((done, total)))
    assert list(thinned.items()) == before
    after = thinned.stats()["regions"]["records"]
    assert after["dead_bytes"] == 0
    assert after["committed_bytes"] < records["committed_bytes"]
    assert told[-1] == (3000, 3000)
    assert thinned.verify() == []
    thinned["after"] = 1
    path = thinned.path
    thinned.close()
    with em.EMDict(path) as again:
        assert list(again.items()) == [*before, ("after", 1)]


def test_iterators_end_when_their_dict_is_compacted(thinned):
    iterator = iter(thinned)
    next(iterator)
    thinned.compact()
    with pytest.raises(RuntimeError):
        next(iterator)


@pytest.mark.parametrize("target", [None, "copy"])
def test_a_cancelled_compaction_changes_nothing(thinned, tmp_path, target):
    before = list(thinned.items())
    dst = None if target is None else tmp_path / target
    with pytest.raises(Cancelled):
        thinned.compact(dst, progress=cancel)
    with pytest.raises(KeyboardInterrupt):
        thinned.compact(dst, progress=lambda done, total: signal.raise_signal(signal.SIGINT))
    assert list(thinned.items()) == before
    assert thinned.verify() == []
    assert dst is None or not dst.exists()


def test_the_callable_that_is_told_may_not_use_the_store(thinned):
    for misuse in (thinned.commit, thinned.close, lambda: thinned.get(1), lambda: thinned.update(a=1)):
        with pytest.raises(RuntimeError, match="told of its progress"):
            thinned.compact(progress=lambda done, total, misuse=misuse: misuse())
    assert len(thinned) == 3000


def test_compaction_into_a_directory(thinned, tmp_path):
    thinned.compact(tmp_path / "copy")
    with em.EMDict(tmp_path / "copy") as copy:
        assert list(copy.items()) == list(thinned.items())
    with pytest.raises(FileExistsError):
        thinned.compact(tmp_path / "copy")


def test_a_reader_compacts_into_a_directory_and_not_in_place(thinned, tmp_path):
    path = thinned.path
    thinned.close()
    with em.EMDict(path, mode="r") as reader:
        reader.compact(tmp_path / "copy")
        with em.EMDict(tmp_path / "copy") as copy:
            assert copy == reader.copy()
        with pytest.raises(OSError):
            reader.compact()


def test_compaction_in_a_transaction_is_refused(thinned):
    with thinned.transaction(), pytest.raises(RuntimeError):
        thinned.compact()


def test_a_list_a_set_a_deque_and_a_store(tmp_path):
    with em.Store(tmp_path / "s") as store:
        lines, names, seen = store.list("lines"), store.dict("names"), store.set("seen")
        seen.update((n, "a text that is kept") for n in range(3000))
        seen.difference_update((n, "a text that is kept") for n in range(0, 3000, 2))
        elements = list(seen)
        tasks = store.deque("tasks", maxlen=40_000)
        tasks.extend(["a task of some length"] * 300 + [*range(30_000)])
        for _ in range(500):
            tasks.popleft()
        left = tasks.copy()
        lines.extend(["a long line " * 3, 1, None, 2.5] * 500)
        del lines[::3]
        names.update(a=[1], b=[2])
        before = lines.copy()
        store.compact()
        assert lines == before
        assert names == {"a": [1], "b": [2]}
        assert list(seen) == elements and len(elements) == 1500
        assert seen.stats()["record_bytes"] == seen.stats()["live_record_bytes"]
        assert tasks == left and tasks.maxlen == 40_000
        assert tasks.stats()["heap_free_bytes"] == 0
        lines.append(1)
        store.compact(tmp_path / "copy")
        with em.Store(tmp_path / "copy") as copy:
            assert copy.members() == store.members()
            assert copy.list("lines") == [*before, 1]
            assert list(copy.set("seen")) == elements
            assert copy.deque("tasks") == left and copy.deque("tasks").maxlen == 40_000
        with pytest.raises(ValueError, match="member"):
            names.compact(tmp_path / "other")


def test_objects_of_a_writeback_list_are_written_before_compaction(tmp_path):
    with em.EMList(tmp_path / "l", [[number] for number in range(100)], writeback=True) as values:
        values[5].append(1)
        values.compact()
        assert values[5] == [5, 1]


def test_backups_while_a_thread_commits(thinned, tmp_path):
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            thinned["number"] = number
            thinned[f"same {number % 50}"] = number
            thinned.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(5):
            thinned.backup(tmp_path / f"b{round_}")
            with em.EMDict(tmp_path / f"b{round_}") as copy:
                assert copy.verify() == []
                number = copy.get("number", 0)
                assert number == 0 or copy[f"same {number % 50}"] == number
    finally:
        stop.set()
        writer.join()


def test_a_backup_commits_first_and_a_cancelled_one_leaves_nothing(thinned, tmp_path):
    thinned["pending"] = 1
    with pytest.raises(Cancelled):
        thinned.backup(tmp_path / "b", progress=cancel)
    assert not (tmp_path / "b").exists()
    thinned.backup(tmp_path / "b")
    with em.open(tmp_path / "b", mode="r") as copy:
        assert copy["pending"] == 1
    with thinned.transaction(), pytest.raises(RuntimeError):
        thinned.backup(tmp_path / "c")


# Ways to write a content anew, and how a member is made whose content is some 4 MiB.
REPLACED = {
    "reverse": (lambda s: s.list("l").extend(range(500_000)), lambda s: s.list("l").reverse()),
    "sort": (lambda s: s.list("l").extend(range(500_000)), lambda s: s.list("l").sort(reverse=True)),
    "insert": (lambda s: s.list("l").extend(range(500_000)), lambda s: s.list("l").insert(0, 1)),
    "delete": (lambda s: s.list("l").extend(range(500_000)), lambda s: s.list("l").pop(0)),
    "compact a list": (lambda s: s.list("l").extend(range(500_000)), lambda s: s.list("l").compact()),
    "compact a dict": (lambda s: s.dict("d").update(dict.fromkeys(range(100_000), 1)), lambda s: s.compact()),
    "compact an array": (
        lambda s: s.array("a", "u8").extend(range(500_000)),
        lambda s: s.array("a").compact(),
    ),
    "clear a list": (
        lambda s: s.list("l"),
        lambda s: (s.list("l").clear(), s.list("l").extend(range(500_000))),
    ),
    "clear a dict": (
        lambda s: s.dict("d"),
        lambda s: (s.dict("d").clear(), s.dict("d").update({1: "x" * (4 << 20)})),
    ),
    "drop": (
        lambda s: s.list("l"),
        lambda s: (s.drop("l"), s.list("l").extend(range(500_000))),
    ),
}


@pytest.mark.parametrize("how", REPLACED)
def test_what_was_replaced_does_not_pile_up_while_the_store_is_open(how, tmp_path):
    make, replace = REPLACED[how]
    with em.Store(tmp_path / "s", commit_interval=None) as store:
        make(store)
        for _ in range(14):
            replace(store)
            store.commit()
        stats = store.stats()
        assert stats["disk_bytes"] < stats["region_bytes"] + (36 << 20)
        assert len(list((tmp_path / "s").iterdir())) < 70
        assert store.verify() == []


def mounted(tmp_path: pathlib.Path, make: str, *options: str) -> pathlib.Path:
    """A file system of its own in a file, or a skip."""
    if shutil.which(make) is None:
        pytest.skip(f"{make} is not installed")
    image, place = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    place.mkdir()
    for command in ([make, "-q", *options, image], ["mount", "-o", "loop", image, place]):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{command[0]}: {done.stderr.strip()}")
    return place


def test_a_backup_shares_blocks_where_the_file_system_can(tmp_path):
    place = mounted(tmp_path, "mkfs.xfs", "-m", "reflink=1")
    try:
        with em.EMDict(place / "d") as d:
            d.update((number, "x" * 1000) for number in range(50_000))
            d.commit()
            before = shutil.disk_usage(place).used
            d.backup(place / "copy")
            grown = shutil.disk_usage(place).used - before
            assert grown < d.stats()["region_bytes"] / 10
            with em.EMDict(place / "copy") as copy:
                assert len(copy) == 50_000
                assert copy.verify() == []
    finally:
        subprocess.run(["umount", place], check=True)
