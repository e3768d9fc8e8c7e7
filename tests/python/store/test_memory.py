"""memory=: budgets of stores, and the figures of stats() about memory."""

import itertools
import os
import pathlib
import random
import shutil
from typing import Any, ClassVar

import numpy
import pytest

import pyrsistence as em
from pyrsistence._base.memory import parse_memory

MIB = 1 << 20
PAGE = 4096


# ---- What memory= may be


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0),
        (MIB, MIB),
        (numpy.int64(3 * MIB), 3 * MIB),
        ("1048576", MIB),
        ("2048K", 2 * MIB),
        ("512M", 512 * MIB),
        ("512m", 512 * MIB),
        (" 512 MiB ", 512 * MIB),
        ("1.5G", 1536 * MIB),
        ("2GB", 2048 * MIB),
        ("1T", 1 << 40),
    ],
)
def test_memory_as_number_or_text(value, expected):
    assert parse_memory(value) == expected


@pytest.mark.parametrize(
    "value", [0, -1, MIB - 1, 1 << 63, "0", "1K", "-1G", "5X", "", "M", "1 G B", "1e9", "٣G"]
)
def test_memory_that_is_no_amount(value):
    with pytest.raises(ValueError, match=r"memory must be .*1"):
        parse_memory(value)


@pytest.mark.parametrize("value", [True, False, 2.0e9, [1], b"512M"])
def test_memory_of_another_type(value):
    with pytest.raises(TypeError, match="memory must be None, a number of bytes, or a text"):
        parse_memory(value)


@pytest.mark.parametrize("make", [em.EMDict, em.EMList, em.Store])
def test_wrong_memory_opens_nothing(path, make):
    with pytest.raises(ValueError, match="5X"):
        make(path, memory="5X")
    assert not path.exists()
    with pytest.raises(ValueError, match="at least 1 MiB"):
        make(None, memory=0)


# ---- What it bounds


def used(container):
    return container.stats()["memory"]["used_bytes"]


def make_scattered(path, **options):
    """A dict of 16 MiB whose records are changed in random places."""
    d = em.EMDict(path, commit_interval=None, **options)
    d.update((i, "x" * 1000) for i in range(16_000))
    d.commit()
    return d


def test_a_stores_own_budget_holds(path, rng):
    with make_scattered(path, memory=2 * MIB) as d:
        commits, most = d.stats()["commits"], 0
        for _ in range(6_000):
            d[rng.randrange(16_000)] = "y" * 1000
            most = max(most, used(d))
        assert MIB < most <= 2 * MIB
        assert d.stats()["commits"] > commits
        assert d.stats()["memory"]["budget_bytes"] == 2 * MIB


def test_without_one_of_its_own_the_process_counts(path, rng):
    with make_scattered(path) as d:
        commits = d.stats()["commits"]
        for _ in range(6_000):
            d[rng.randrange(16_000)] = "y" * 1000
        assert used(d) > 8 * MIB
        assert d.stats()["commits"] == commits
        assert d.stats()["memory"]["budget_bytes"] == em.memory_budget()


def test_one_stores_budget_leaves_others_alone(path, tmp_path, rng):
    with make_scattered(path) as free, make_scattered(tmp_path / "small", memory="1M") as small:
        for _ in range(3_000):
            free[rng.randrange(16_000)] = "y" * 1000
        held, commits = used(free), free.stats()["commits"]
        for _ in range(3_000):
            small[rng.randrange(16_000)] = "y" * 1000
            assert used(small) <= MIB
        assert used(free) == held > MIB
        assert free.stats()["commits"] == commits
        memory = free.stats()["memory"]
        assert memory["process_used_bytes"] >= held + used(small)
        assert memory["process_budget_bytes"] == em.memory_budget()


def test_the_smaller_budget_counts(path, memory_budget):
    memory_budget(4 * MIB)
    with em.EMDict(path, memory="1G") as d:
        assert d.stats()["memory"]["budget_bytes"] == 4 * MIB


def test_members_share_their_stores(path, rng):
    with em.Store(path, memory="2M", commit_interval=None) as s:
        d, li = s.dict("d"), s.list("li")
        d.update((i, "x" * 1000) for i in range(8_000))
        li.extend("x" * 1000 for _ in range(8_000))
        s.commit()
        for _ in range(3_000):
            d[rng.randrange(8_000)] = "y" * 1000
            li[rng.randrange(8_000)] = "y" * 1000
            assert used(s) <= 2 * MIB
        with pytest.raises(TypeError, match="memory"):
            s.dict("other", memory="1M")


def test_a_transaction_beyond_it_names_the_budget(path, rng):
    with make_scattered(path, memory=2 * MIB) as d:
        with pytest.raises(
            MemoryError, match=r"memory budget of this store, 2097152 bytes.*rolled back.*larger memory="
        ):
            with d.transaction():
                for i in rng.sample(range(16_000), 6_000):
                    d[i] = "z" * 1000
        assert all(value[0] == "x" for value in d.values())
        d[0] = "after"
    with em.EMDict(path) as d:
        assert d[0] == "after"


def test_a_transaction_beyond_the_processs_names_that(path, rng, memory_budget):
    with make_scattered(path, memory="1G") as d:
        memory_budget(2 * MIB)
        with pytest.raises(MemoryError, match=r"budget of the process, 2097152 bytes.*set_memory_budget"):
            with d.transaction():
                for i in rng.sample(range(16_000), 6_000):
                    d[i] = "z" * 1000


def test_sorting_stays_within_it(path, rng):
    numbers = [rng.getrandbits(40) for _ in range(200_000)]
    with em.EMList(path, numbers, memory="1M") as li:
        li.sort()
        assert li[:] == sorted(numbers)
        li.sort(key=lambda number: number % 1000)
        assert li[:] == sorted(sorted(numbers), key=lambda number: number % 1000)
        assert used(li) <= MIB


def test_reopening_and_open_take_it(path):
    em.EMDict(path, memory="2M").close()
    d = em.EMDict(path, memory="3M")
    d.close()
    d.open(path, memory="4M")
    assert d.stats()["memory"]["budget_bytes"] == 4 * MIB
    d.close()
    for mode in "a", "r":
        with em.open(path, mode, memory="5M") as d:
            assert d.stats()["memory"]["budget_bytes"] == 5 * MIB


# ---- The command


def test_the_command_takes_memory(cli, tmp_path):
    lines = "".join(f'{{"key": {i}, "value": "{"x" * 500}"}}\n' for i in range(8_000)) + '{"end": 8000}\n'
    (tmp_path / "lines").write_text(lines)
    cli("load", "new", "lines", "--memory", "1M")
    cli("load", "new", "lines", "--memory", "1M", "--batch", "500")
    cli("compact", "new", "--memory", "1M")
    for wrong in "5X", "0":
        assert "memory must be" in cli("compact", "new", "--memory", wrong, expect=2).stderr
    with em.EMDict(tmp_path / "new", mode="r") as d:
        assert len(d) == 8_000 and d.verify() == []


def test_a_load_beyond_it_says_what_to_do(cli, tmp_path, path):
    make_scattered(tmp_path / "d").close()
    lines = "".join(f'{{"key": {i}, "value": "{"y" * 1000}"}}\n' for i in range(0, 16_000, 4))
    (tmp_path / "lines").write_text(lines + '{"end": 4000}\n')
    done = cli("load", "d", "lines", "--memory", "1M", expect=1)
    assert "budget of this store" in done.stderr and "--batch" in done.stderr and "--memory" in done.stderr


def on_memory_file_system(path):
    """Whether the files of this directory are in memory anyway."""
    best = ("", "")
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, place, kind, *_ = line.split()
            if os.path.realpath(path).startswith(place) and len(place) > len(best[0]):
                best = (place, kind)
    return best[1] in ("tmpfs", "ramfs")


@pytest.fixture
def on_disk(path):
    """For tests of the page cache: a file system that has files elsewhere too."""
    if on_memory_file_system(path.parent):
        pytest.skip("this filesystem keeps its files in memory")


# ---- Figures


def regions(container):
    return container.stats()["regions"].values()


def test_totals_are_those_of_the_regions(path):
    with em.EMDict(path, dict.fromkeys(range(5000), "x" * 1000)) as d:
        d.commit()
        for i in range(0, 5_000, 50):
            d[i] = "y" * 1000
        stats = d.stats()
        # The store's two tables are its own, a page or two each.
        for name in "dirty_bytes", "private_bytes", "mapped_bytes", "resident_bytes":
            own = sum(region[name] for region in stats["regions"].values())
            assert own <= stats[name] <= own + 8 * PAGE, name
        assert stats["private_bytes"] >= stats["dirty_bytes"] >= 100 * PAGE
        assert stats["memory"]["used_bytes"] == stats["private_bytes"]


def test_private_copies_are_told_apart_from_resident_pages(path):
    with em.EMDict(path, dict.fromkeys(range(5000), "x" * 1000), commit_interval=None) as d:
        d.commit()
        for i in range(5_000):
            d[i] = "y" * 1000
        records = d.stats()["regions"]["records"]
        assert records["dirty_bytes"] >= 1_200 * PAGE
        assert records["private_bytes"] >= records["dirty_bytes"]
        assert records["resident_bytes"] + records["private_bytes"] <= records["mapped_bytes"]


def sync_files(path):
    for file in path.iterdir():
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())


def drop_cache(path):
    """Have the kernel forget the store's files."""
    sync_files(path)
    for file in path.iterdir():
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_resident_bytes_grow_with_what_is_read(path, on_disk):
    with em.EMDict(path) as d:
        d.update((i, bytes([i % 256]) * 4000) for i in range(5_000))
    drop_cache(path)
    with em.EMDict(path, mode="r") as d:
        before = d.stats()["regions"]["records"]["resident_bytes"]
        assert d[2_500][0] == 2_500 % 256
        after_one = d.stats()["regions"]["records"]["resident_bytes"]
        assert before < after_one < 10 * MIB
        assert sum(1 for _ in d.items()) == 5_000
        assert d.stats()["regions"]["records"]["resident_bytes"] >= 19 * MIB


# So that pages that are missing are read one by one: a region of more than twice the budget is.
SMALL = "16M"


@pytest.mark.parametrize("mode", ["r+", "r"])
def test_a_large_batch_finds_what_is_not_in_memory(path, on_disk, mode):
    keys = numpy.random.default_rng(1).permutation(20_000).astype("u8") * 0x9E3779B97F4A7C15
    values = numpy.arange(len(keys)).astype("S2000")
    with em.EMDict(path, key="u8", value="S2000") as d:
        d.set_many(keys, values)
    drop_cache(path)
    with em.open(path, mode=mode, memory=SMALL) as d:
        assert (d.get_many(keys[::-1]) == values[::-1]).all()
        drop_cache(path)
        there = keys[::3]
        others = numpy.arange(3_000, dtype="u8") * 0x9E3779B97F4A7C15 + 1
        others = others[~numpy.isin(others, keys)]
        found = d.get_many(numpy.concatenate([there, others, there]), b"none")
        assert (found[: len(there)] == values[::3]).all() and (found[-len(there) :] == values[::3]).all()
        assert (found[len(there) : -len(there)] == b"none").all() and len(others) > 2_000
        drop_cache(path)
        with pytest.raises(KeyError):
            d.get_many(numpy.append(keys, others[0]))


class Noted:
    """Notes when it is unpickled, and may do something then."""

    order: ClassVar[list[int]] = []
    act: ClassVar[Any] = None

    def __init__(self, number):
        self.number = number
        self.padding = b"-" * 2_000

    def __setstate__(self, state):
        self.__dict__.update(state)
        Noted.order.append(self.number)
        if Noted.act is not None:
            Noted.act()


@pytest.fixture
def notes():
    Noted.order, Noted.act = [], None
    yield Noted
    Noted.order, Noted.act = [], None


def make_noted(path, count):
    with em.EMDict(path) as d:
        d.update((f"key {i}", Noted(i)) for i in range(count))
    drop_cache(path)


@pytest.mark.parametrize("mode", ["r+", "r"])
def test_a_large_batch_of_objects_goes_in_the_order_of_the_disk(path, on_disk, notes, mode):
    numbers = list(range(-5_000, 30_000))
    random.Random(1).shuffle(numbers)
    make_noted(path, 30_000)
    with em.EMDict(path, mode=mode, memory=SMALL) as d:
        found = d.get_many([f"key {i}" for i in numbers], "none")
    assert [one if one == "none" else one.number for one in found] == [
        i if i >= 0 else "none" for i in numbers
    ]
    asked = [i for i in numbers if i >= 0]
    assert sorted(notes.order) == sorted(asked) and notes.order != asked
    assert sum(a < b for a, b in itertools.pairwise(notes.order)) > 25_000


def test_a_large_batch_sees_what_is_changed_meanwhile(path, on_disk, notes):
    numbers = list(range(30_000))
    random.Random(2).shuffle(numbers)
    make_noted(path, 30_000)
    with em.EMDict(path, memory=SMALL) as d:

        def act():
            """Once, when the order is that of the disk and half of it is done."""
            last = notes.order[-50:]
            if 10_000 < last[-1] < 20_000 and last == sorted(last) and f"key {28_000}" in d:
                d.update((f"key {i}", -i) for i in range(29_000, 30_000))
                for i in range(28_000, 29_000):
                    del d[f"key {i}"]

        notes.act = act
        found = d.get_many(
            [f"key {i}" for i in numbers[5_000:]] + [f"key {i}" for i in range(28_000, 30_000)], None
        )
        for i, one in zip(numbers[5_000:], found, strict=False):
            if i < 28_000:
                assert one.number == i
            else:
                assert one in (None, -i) or one.number == i
        # A few were read before: those that the index had taken for others.
        before = sum(isinstance(one, Noted) for one in found[-2_000:])
        assert before < 100
        assert found[-2_000:-1_000].count(None) + sum(
            one in range(-30_000, -28_999) for one in found[-1_000:]
        ) == (2_000 - before)
        notes.act = d.close
        with pytest.raises(ValueError, match="closed"):
            d.get_many([f"key {i}" for i in numbers])


# ---- Scans beyond memory


def make_large(path, kind):
    if kind == "dict":
        with em.EMDict(path) as d:
            d.update((i, bytes([i % 256]) * 4000) for i in range(10_000))
    elif kind == "blocks":
        with em.EMList(path) as li:
            li.extend(bytes([i % 256]) * 4000 for i in range(10_000))
    else:
        with em.EMList(path) as li:
            li.extend(range(5_000_000))


def walk(container, kind):
    if kind == "dict":
        for i, (key, value) in enumerate(container.items()):
            assert key == i and value[0] == i % 256
    elif kind == "blocks":
        for i, value in enumerate(container):
            assert value[0] == i % 256
    else:
        assert sum(container) == 5_000_000 * 4_999_999 // 2


ROLES = {"dict": "records", "blocks": "heap", "words": "words"}


@pytest.mark.parametrize("mode", ["r", "a"])
@pytest.mark.parametrize("kind", ROLES)
def test_a_scan_beyond_memory_gives_its_pages_back(path, kind, mode, on_disk):
    make_large(path, kind)
    drop_cache(path)
    with em.open(path, mode, memory="4M") as found:
        walk(found, kind)
        # A window of it; what was read is near 40 MiB.
        assert found.stats()["regions"][ROLES[kind]]["resident_bytes"] <= 32 * MIB


def test_a_scan_keeps_what_was_in_memory_before(path):
    make_large(path, "dict")
    with em.EMDict(path, mode="r", memory="4M") as d:
        for i in range(10_000):
            d[i]
        before = d.stats()["regions"]["records"]["resident_bytes"]
        walk(d, "dict")
        assert d.stats()["regions"]["records"]["resident_bytes"] >= before > 38 * MIB


def test_a_scan_keeps_changes_that_are_not_committed(path):
    make_large(path, "dict")
    drop_cache(path)
    with em.EMDict(path, memory="8M", commit_interval=None) as d:
        with d.transaction():
            for i in range(0, 10_000, 20):
                d[i] = b"changed" * 571
            for _ in range(2):
                for i, value in enumerate(d.values()):
                    assert value[:7] == (b"changed" if i % 20 == 0 else bytes([i % 256]) * 7)
            for i, value in zip(range(9_999, -1, -1), reversed(d.values()), strict=True):
                assert value[:7] == (b"changed" if i % 20 == 0 else bytes([i % 256]) * 7)
    with em.EMDict(path, mode="r") as d:
        assert d[20][:7] == b"changed" and d[11][:2] == b"\x0b\x0b"
        assert d.verify() == []


def test_a_scan_of_what_only_the_journal_has(path, tmp_path, run_python):
    """A reader lays it over the files in private pages that no bitmap knows: they may not be given back."""
    make_large(path, "dict")
    before = tmp_path / "before"
    shutil.copytree(path, before)
    run_python(
        "import os, sys, pyrsistence as em\n"
        "d = em.EMDict(sys.argv[1], commit_interval=None)\n"
        "for i in range(0, 10_000, 100): d[i] = b'!' + d[i][1:]\n"
        "d.commit()\n"
        "os._exit(0)",
        path,
    )
    for file in before.glob("region-*"):  # as if the commit had not been applied
        shutil.copy(file, path / file.name)
    (path / "readers").unlink()  # then no writer can come, and the state is not followed
    drop_cache(path)
    with em.EMDict(path, mode="r", memory="4M") as d:
        for _ in range(2):
            for i, value in enumerate(d.values()):
                assert value[0] == (ord("!") if i % 100 == 0 else i % 256)


def test_verify_compact_and_backup_of_more_than_memory(path, tmp_path):
    make_large(path, "dict")
    with em.EMDict(path, memory="4M") as d:
        del d[5]
        assert d.verify() == []
        d.backup(tmp_path / "copy")
        d.compact()
        assert d.verify() == []
        d.compact(tmp_path / "compacted")
        assert len(d) == 9_999
    for name in "copy", "compacted":
        with em.EMDict(tmp_path / name, mode="r") as d:
            assert len(d) == 9_999 and d.verify() == []


def test_bulk_growth_lets_what_is_committed_go(path, on_disk):
    with em.EMDict(path, memory="4M", commit_interval=None) as d:
        for part in range(20):
            if part in (18, 19):
                # What is on its way to the disk stays: a busy disk shall not decide what is found.
                sync_files(path)
            d.update((i, bytes([i % 256]) * 4000) for i in range(part * 1_000, (part + 1) * 1_000))
            d.commit()
        records = d.stats()["regions"]["records"]
        assert records["mapped_bytes"] > 76 * MIB
        assert records["resident_bytes"] < 48 * MIB
        assert [d[i][0] for i in (0, 9_999, 19_999)] == [0, 9_999 % 256, 19_999 % 256]
        assert d.verify() == []


def test_what_has_grown_large_is_read_page_by_page(path, on_disk):
    """As it would be after opening: what lies around a page would push out what is needed."""
    with em.EMDict(path, memory="1M") as d:
        d.update((i, bytes(1_000)) for i in range(10_000))
        d.commit()
        file = str(path / d.stats()["regions"]["records"]["file"])
        mappings = pathlib.Path("/proc/self/smaps").read_text().split("VmFlags:")
        flags = [
            after.split("\n")[0].split() for before, after in itertools.pairwise(mappings) if file in before
        ]
        assert any("rr" in each for each in flags), flags
