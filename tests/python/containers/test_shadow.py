"""EMShadowMemory: flags, runs and ranges beside NumPy arrays; bad input, damage, stores, readers."""

import contextlib
import io
import json
import pathlib
import pickle
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, rule

import pyrsistence as em
from model_machine import ContainerMachine

BEGIN, END = 0x401000, 0x500000
USUAL = {
    "analyzed": 1,
    "code": 2,
    "data": 4,
    "head": 8,
    "basic_block_leader": 16,
    "function": 32,
    "relocated": 64,
    "relocated_leaf": 128,
}
WIDTHS = range(1, 9)


def dtype_of(width):
    return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if size >= width)}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.fixture
def shadow():
    with em.EMShadowMemory(None, [(BEGIN, END)]) as opened:
        yield opened


# ---- Flags


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_flags_have_names(shadow, name):
    flag = USUAL[name]
    assert getattr(em.EMShadowMemory, name.upper()) == flag
    mark, unmark, count = (
        getattr(shadow, f"{form}_as_{name}") for form in ("mark", "unmark", "count_marked")
    )
    assert count(BEGIN, 100) == 0
    mark(BEGIN + 10, 5)
    mark(BEGIN + 20)
    assert count(BEGIN, 100) == 6 and count(BEGIN + 20) == 1
    alias = getattr(shadow, f"is_marked_as_{name}")  # the older name
    assert alias(BEGIN, 100) == 6 and alias(BEGIN + 20) == 1
    with pytest.raises(IndexError):
        alias(END)
    assert shadow[BEGIN + 10] == flag and shadow[BEGIN + 15] == 0
    unmark(BEGIN + 11, 2)
    unmark(BEGIN + 20)
    assert list(shadow.ranges(flag)) == [(BEGIN + 10, BEGIN + 11), (BEGIN + 13, BEGIN + 15)]


def test_flags_are_added_and_taken_away(shadow):
    shadow.mark(BEGIN, 10, shadow.CODE | shadow.HEAD)
    shadow.mark(BEGIN + 5, 10, shadow.DATA)
    assert shadow[BEGIN + 5] == shadow.CODE | shadow.HEAD | shadow.DATA
    assert shadow.is_marked(BEGIN, 10, shadow.CODE | shadow.HEAD)
    assert not shadow.is_marked(BEGIN, 11, shadow.CODE)
    assert shadow.count(BEGIN, 100, shadow.CODE | shadow.DATA) == 5
    assert shadow.run_length(BEGIN + 2, shadow.CODE) == 8 and shadow.run_length(BEGIN + 50, shadow.CODE) == 0
    shadow.unmark(BEGIN, 100, shadow.CODE)
    shadow.assign(BEGIN + 6, 1, shadow.FUNCTION)
    assert shadow[BEGIN : BEGIN + 8].tolist() == [8, 8, 8, 8, 8, 12, 32, 12]
    assert (
        shadow.mark(BEGIN, 0, 1) is None and shadow.is_marked(BEGIN, 0, 1) and not shadow.count(BEGIN, 0, 1)
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width(path, width):
    flags = [1, 2 ** (8 * width) - 1, 1 << (8 * width - 1)]
    with em.EMShadowMemory(path, [(BEGIN, END)], width=width) as s:
        for i, value in enumerate(flags):
            s[BEGIN + i] = value
        s.mark(BEGIN + 5000, 20000, flags[2])
        with pytest.raises(ValueError, match="do not fit in the|at most 8 bytes"):
            s.mark(BEGIN, 1, 1 << (8 * width))
    with em.EMShadowMemory(path) as s:
        assert s.width == width and s.backed == [(BEGIN, END)]
        assert [s[BEGIN + i] for i in range(3)] == flags
        found = s[BEGIN : BEGIN + 5001]
        assert found.dtype == dtype_of(width) and found[:3].tolist() == flags and found[-1] == flags[2]
        assert s.run_length(BEGIN + 5000, flags[2]) == 20000
        assert s.verify() == []
    with pytest.raises(em.FormatError, match=f"has {width} bytes of flags"):
        em.EMShadowMemory(path, width=width % 8 + 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_slices_are_numpys_arrays(width):
    rng = np.random.default_rng(7)
    with em.EMShadowMemory(None, [(BEGIN, END)], width=width) as s:
        values = rng.integers(0, 2**7, 40000).astype(dtype_of(width))
        s[BEGIN + 100 : BEGIN + 40100] = values
        np.testing.assert_array_equal(s[BEGIN + 100 : BEGIN + 40100], values)
        s[BEGIN : BEGIN + 30000] = 5
        s[BEGIN + 4 : BEGIN + 7] = [1, 2, 3]
        assert s[BEGIN + 3 : BEGIN + 9].tolist() == [5, 1, 2, 3, 5, 5]
        assert s.find(0xFF, 3) == BEGIN + 6
        copy = s[BEGIN : BEGIN + 10]
        copy[:] = 0
        assert s[BEGIN] == 5 and len(s[BEGIN:BEGIN]) == 0
        assert s[END - 1 : END].tolist() == [0]


@pytest.mark.parametrize("width", [3, 5, 6, 7])
def test_flags_beyond_the_width_are_refused(width):
    beyond = 1 << (8 * width)
    with em.EMShadowMemory(None, [(0, 100)], width=width) as s:
        with pytest.raises(ValueError, match=f"{width} bytes"):
            s[0:2] = np.array([1, beyond], dtype_of(width))
        with pytest.raises(ValueError, match=f"{width} bytes"):
            s[0:2] = beyond
        with pytest.raises(ValueError, match=f"{width} bytes"):
            s[0] = beyond
        with pytest.raises(ValueError, match=f"{width} bytes"), s.edit(0, 50) as flags:
            flags[7:9] = 1, beyond
        s[0:2] = np.array([1, beyond - 1], dtype_of(width))
        with s.edit(0, 50) as flags:
            flags[7] = beyond - 1
        assert list(s.ranges(beyond - 1)) == [(1, 2), (7, 8)] and s.verify() == []


@pytest.mark.parametrize("width", [3, 5])
def test_bytes_above_the_width_on_disk_are_found_and_passed_over(path, width):
    with em.EMShadowMemory(path, [(BEGIN, END)], width=width) as s:
        s[BEGIN : BEGIN + 64] = np.arange(1, 65)  # a page, not a record
    size = dtype_of(width).itemsize
    for file in path.glob("region-*"):
        pages = bytearray(file.read_bytes())
        at = pages.find(np.array([1, 2, 3, 4], dtype_of(width)).tobytes())
        if at >= 0:
            pages[at + 2 * size - 1] = 0xEE
            file.write_bytes(pages)
    with em.EMShadowMemory(path, mode="r") as s:
        assert s[BEGIN + 1] == 2 and s[BEGIN : BEGIN + 64].tolist() == [*range(1, 65)]
        assert s.find(0xFF, 2) == BEGIN + 1
        assert any("more than" in finding for finding in s.verify())


# ---- Edited in place


@pytest.mark.parametrize("width", WIDTHS)
def test_an_edited_range_is_assigned(path, width):
    with em.EMShadowMemory(path, [(BEGIN, END)], width=width) as s:
        s.mark_as_data(BEGIN, 200_000)
        with s.edit(BEGIN + 3, BEGIN + 150_000) as flags:
            assert flags.dtype == dtype_of(width) and flags.shape == (149_997,) and (flags == s.DATA).all()
            flags[::1000] |= s.CODE
            flags[-1] = 0
            assert s.next_marked(BEGIN, s.CODE) is None
        assert s.count(BEGIN, END - BEGIN, s.CODE) == 150
        assert s.next_unmarked(BEGIN, s.DATA) == BEGIN + 149_999
    with em.EMShadowMemory(path) as s:
        assert s.count(BEGIN, END - BEGIN, s.CODE) == 150 and s.verify() == []


def test_nothing_is_assigned_if_the_block_raises(shadow):
    with pytest.raises(KeyError), shadow.edit(BEGIN, BEGIN + 10) as flags:
        flags[:] = 1
        raise KeyError
    assert shadow.next_marked(0, 1) is None


def test_only_what_the_block_changed_is_assigned(shadow):
    shadow[BEGIN : BEGIN + 8] = [1, 1, 1, 1, 1, 1, 1, 1]
    with shadow.edit(BEGIN, BEGIN + 8) as flags:
        shadow[BEGIN : BEGIN + 4] = 2
        flags[2:6] = 4
        flags[7] = 1  # as it was
        shadow[BEGIN + 7] = 8
    assert shadow[BEGIN : BEGIN + 8].tolist() == [2, 2, 4, 4, 4, 4, 1, 8]
    with shadow.edit(BEGIN, BEGIN + 4) as outer:
        with shadow.edit(BEGIN + 2, BEGIN + 6) as inner:
            inner[:] = 16
        outer[:2] = 32
    assert shadow[BEGIN : BEGIN + 8].tolist() == [32, 32, 16, 16, 16, 16, 1, 8]


def test_an_edit_is_a_transaction_or_part_of_one(path):
    with em.EMShadowMemory(path, [(BEGIN, END)], commit_interval=None) as s:
        with pytest.raises(KeyError), s.transaction():
            with s.edit(BEGIN, BEGIN + 10) as flags:
                flags[:] = 1
            assert s.is_marked(BEGIN, 10, 1)
            raise KeyError
        assert s.next_marked(0, 1) is None
        commits = s.stats()["commits"]
        with s.edit(BEGIN, BEGIN + 10) as flags:
            flags[:] = 1
        assert s.stats()["commits"] == commits + 1
        s[BEGIN] = 2
        with s.edit(BEGIN, BEGIN + 10) as flags:
            flags[3] = 1  # as it was
        assert s.stats()["commits"] == commits + 1


def test_what_the_block_does_to_the_array_itself_is_harmless(shadow):
    with shadow.edit(BEGIN, BEGIN + 8) as flags:
        flags.shape = (2, 4)
        flags[1] = 3
        with pytest.raises(ValueError, match="resize"):
            flags.resize(100)
    assert shadow[BEGIN : BEGIN + 8].tolist() == [0, 0, 0, 0, 3, 3, 3, 3]
    with shadow.edit(BEGIN, BEGIN) as flags:
        assert len(flags) == 0


def test_an_edit_is_refused_before_the_block_runs(path, monkeypatch):
    def refused(shadow, error, begin, end, match):
        with pytest.raises(error, match=match), shadow.edit(begin, end):
            pytest.fail("the block ran")

    with em.EMShadowMemory(path, [(BEGIN, END)]) as s:
        refused(s, IndexError, END - 5, END + 1, "0x500000 is not backed")
        refused(s, IndexError, BEGIN, 2**64, "0x500000 is not backed")
        refused(s, TypeError, BEGIN, None, "integer")
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "numpy", None)
            refused(s, ImportError, BEGIN, BEGIN + 1, "NumPy")
    refused(s, ValueError, BEGIN, BEGIN + 1, "closed")
    with em.EMShadowMemory(path, mode="r") as s:
        refused(s, io.UnsupportedOperation, BEGIN, BEGIN + 1, "r")
        refused(s, io.UnsupportedOperation, BEGIN, BEGIN, "r")


# ---- Searching


def test_searching(shadow):
    assert shadow.next_marked(0, shadow.CODE) is None
    assert shadow.next_unmarked(0, shadow.CODE) == BEGIN
    shadow.mark_as_code(BEGIN + 5, 10)
    shadow.mark_as_code(BEGIN + 100000, 70000)
    shadow.mark_as_data(BEGIN + 8)
    assert shadow.next_marked(0, shadow.CODE) == BEGIN + 5
    assert shadow.next_marked(BEGIN + 15, shadow.CODE) == BEGIN + 100000
    assert shadow.next_marked(BEGIN + 15, shadow.CODE | shadow.DATA) is None
    assert shadow.next_unmarked(BEGIN + 100000, shadow.CODE) == BEGIN + 170000
    assert shadow.find(shadow.CODE, length=11) == BEGIN + 100000
    assert shadow.find(shadow.CODE, length=70001) is None
    assert shadow.find(shadow.CODE, 0, start=BEGIN + 5) == BEGIN + 15
    assert shadow.find(shadow.CODE | shadow.DATA, shadow.CODE, start=BEGIN + 8) == BEGIN + 9
    assert shadow.find(shadow.CODE, start=BEGIN + 15, stop=BEGIN + 100000) is None
    assert (
        shadow.find(shadow.CODE, start=5, stop=5) is None and shadow.find(shadow.CODE, start=-7) == BEGIN + 5
    )
    assert shadow.find(shadow.CODE, stop=2**70) == BEGIN + 5
    assert list(shadow.ranges(shadow.CODE)) == [(BEGIN + 5, BEGIN + 15), (BEGIN + 100000, BEGIN + 170000)]
    assert list(shadow.ranges(shadow.CODE, start=BEGIN + 9, stop=BEGIN + 100001)) == [
        (BEGIN + 9, BEGIN + 15),
        (BEGIN + 100000, BEGIN + 100001),
    ]
    gaps = list(shadow.ranges(shadow.CODE, 0))
    assert gaps == [(BEGIN, BEGIN + 5), (BEGIN + 15, BEGIN + 100000), (BEGIN + 170000, END)]
    assert list(shadow.ranges(shadow.CODE, start=5, stop=5)) == []


def test_many_runs_come_in_order(shadow):
    places = range(BEGIN, BEGIN + 60000, 3)
    for place in places:
        shadow.mark_as_head(place)
    assert [begin for begin, end in shadow.ranges(shadow.HEAD)] == list(places)
    assert shadow.count_marked_as_head(BEGIN, END - BEGIN) == len(places)


# ---- Ranges


def test_ranges_merge():
    with em.EMShadowMemory(None, [(0x3000, 0x4000), range(0x1000, 0x2000)]) as s:
        assert s.backed == [(0x1000, 0x2000), (0x3000, 0x4000)]
        s.mark(0x1000, 0x1000, 1)
        assert 0x1FFF in s and 0x2000 not in s and "x" not in s and -1 not in s and 2**64 not in s
        s.add_range(0x2000, 0x2800)
        s.add_ranges([(0x2700, 0x3001), (2**64 - 1, 2**64)])
        assert s.backed == [(0x1000, 0x4000), (2**64 - 1, 2**64)]
        assert s.run_length(0x1000, 1) == 0x1000
        s.mark(2**64 - 1, 1, 2)
        assert list(s.ranges(2)) == [(2**64 - 1, 2**64)]
        assert s.is_backed(0x1000, 0x3000) and not s.is_backed(0x1000, 0x3001)
        assert "0x1000 to 0x4000" in repr(s)
    assert "closed" in repr(s)


def test_pages_are_given_back(path):
    """What is marked here and there and unmarked again takes no pages, whichever way it is unmarked."""
    with em.EMShadowMemory(path, [(0, 2**48)]) as s:
        places = np.random.default_rng(5).integers(0, 2**48, 2000).astype("u8")
        for undo in (
            lambda: [s.unmark(int(place), 1, 3) for place in places],
            lambda: [s.unmark(max(0, int(place) - 2), 5, 3) for place in places],
            lambda: s.unmark_many(places, 3),
            lambda: s.assign_many(places, 0),
            lambda: [s.__setitem__(int(place), 0) for place in places],
            lambda: [s.__setitem__(slice(int(place), int(place) + 1), np.array([0])) for place in places],
        ):
            s.mark_many(places, 3)
            used = s.stats()
            assert used["records"] > 400 and used["pages"] == 0
            undo()
            found = s.stats()
            assert (found["nodes"], found["records"], found["pages"]) == (0, 0, 0), found
            assert s.count_any(0, 2**48, 255) == 0 and s.verify() == []
        # A page of which each address has come to have the same flags, in any order.
        for address in [*range(0, 4096, 2), *range(4095, 0, -2)]:
            s.mark(address, 1, 4)
        assert s.stats()["pages"] == 0 and list(s.ranges(4)) == [(0, 4096)]


@pytest.mark.parametrize("space", [2**47, 100 << 20])
def test_marks_far_apart_take_some_hundred_bytes(path, space):
    places = np.unique(np.random.default_rng(9).integers(0, space, 20_000).astype("u8"))
    with em.EMShadowMemory(path, [(0, space)], commit_interval=None) as s:
        s.commit()
        before = s.stats()["disk_bytes"]
        s.mark_many(places, s.FUNCTION)
        s.commit()
        marked = s.stats()
        assert marked["disk_bytes"] - before < 400 * len(places)
        assert marked["records"] > 10_000 and marked["regions"]["nodes"]["live_bytes"] < 250 * len(places)
        assert s.count(0, space, s.FUNCTION) == len(places)
        assert [begin for begin, _ in s.ranges(s.FUNCTION)][:1000] == places[:1000].tolist()
        # Unmarked in another order, they leave nothing, and others take what they took.
        s.unmark_many(np.random.default_rng(10).permutation(places), s.FUNCTION)
        empty = s.stats()
        assert (empty["nodes"], empty["records"], empty["pages"]) == (0, 0, 0)
        s.commit()
        s.mark_many(np.random.default_rng(11).integers(0, space, 20_000).astype("u8"), s.HEAD)
        s.commit()
        assert s.stats()["region_bytes"] < marked["region_bytes"] * 1.05
        assert s.verify() == []


def random_shadow(seed, width, count=20_000):
    """A shadow memory, and its backed addresses and flags as arrays."""
    numbers = np.random.default_rng(seed)
    s = em.EMShadowMemory(None, width=width)
    backed, flags = np.zeros(count, bool), np.zeros(count, "u2")
    for _ in range(6):
        begin, length = int(numbers.integers(count - 1)), int(numbers.integers(1, 9000))
        end = min(begin + length, count)
        s.add_range(begin, end)
        backed[begin:end] = True
        if numbers.random() < 0.5:
            flags[begin:end] = numbers.integers(0, 256**width, end - begin)
            s[begin:end] = flags[begin:end]
        else:
            s.mark(begin, end - begin, 5)
            flags[begin:end] |= 5
    return s, backed, flags


def contents(s, count=20_000):
    backed, flags = np.zeros(count, bool), np.zeros(count, "u2")
    for begin, end in s.backed:
        backed[begin:end], flags[begin:end] = True, s[begin:end]
    return backed, flags


@pytest.mark.parametrize("seed", range(4))
def test_unions_intersections_differences(seed, path):
    a, backed, flags = random_shadow(seed, 2)
    b, other_backed, other_flags = random_shadow(seed + 100, 1 + seed % 2)
    expected = {
        "union": (backed | other_backed, flags | other_flags),
        "intersection": (backed, flags & other_flags),
        "difference": (backed, flags & ~other_flags),
    }
    operators = {"union": "__or__", "intersection": "__and__", "difference": "__sub__"}
    in_place = {"union": "__ior__", "intersection": "__iand__", "difference": "__isub__"}
    path.mkdir()
    for name, content in expected.items():
        made = [getattr(a, name)(b), getattr(a, operators[name])(b), getattr(a, name)(b, path / name)]
        changed = em.EMShadowMemory(None, width=2)
        changed.update(a)
        assert getattr(changed, in_place[name])(b) is changed
        for found in (*made, changed):
            for mine, yours in zip(contents(found), content, strict=True):
                np.testing.assert_array_equal(mine, yours)
            assert found.verify() == []
            found.close()
    a |= a
    a &= a
    np.testing.assert_array_equal(contents(a)[1], flags)
    a -= a
    assert not contents(a)[1].any()


def test_unions_are_all_or_nothing(shadow):
    wide = em.EMShadowMemory(None, [(0, 100)], width=2)
    wide.mark(3, 1, 7)
    wide.mark(4, 1, 256)
    with pytest.raises(ValueError, match="do not fit"):
        shadow.update(wide)
    assert shadow.backed == [(BEGIN, END)]
    wide &= shadow
    assert wide.count_any(0, 100, 0xFFFF) == 0
    for wrong in ({}, None, [(0, 1)]):
        with pytest.raises(TypeError):
            shadow | wrong
        with pytest.raises(TypeError):
            shadow.update(wrong)


def test_many_addresses_and_counters(path):
    with em.EMShadowMemory(path, [(0, 2**40)], width=4) as s:
        places = np.random.default_rng(1).integers(0, 2**20, 50_000)
        hits = s.counter(8, 24)
        hits.add_many(places)
        s.mark_many(np.unique(places), s.CODE)
        expected = np.bincount(places, minlength=2**20)
        np.testing.assert_array_equal(hits[0 : 2**20], expected)
        assert s.count(0, 2**20, s.CODE) == (expected != 0).sum()
        hits.add(0, 2**40, by=2**30)
        assert hits[2**39] == hits.highest == 2**24 - 1 and s.count(0, 2**40, hits.mask) == 2**40
        s.unmark(0, 2**40, hits.mask)
        assert hits[int(places[0])] == 0 and s.get_many([int(places[0])]).tolist() == [s.CODE]
        for wrong in ([2**40], [-1], [2**64], np.array([1, 2**40])):
            with pytest.raises(IndexError):
                s.mark_many(wrong, 1)
            with pytest.raises(IndexError):
                hits.add_many(wrong)
            with pytest.raises(IndexError):
                s.get_many(wrong)
        for wrong in ([1.5], ["x"], [None]):
            with pytest.raises((TypeError, ValueError)):
                s.mark_many(wrong, 1)
        for flags in (2**32, -1, [1, 2, 3]):
            with pytest.raises(ValueError):
                s.mark_many([1, 2], flags)
        for shift, bits in ((0, 0), (-1, 3), (8, 25), (32, 1)):
            with pytest.raises(ValueError, match="counter"):
                s.counter(shift, bits)
        with pytest.raises(ValueError):
            hits.add(0, by=-1)
        s.mark_many([], 1)
        assert s.get_many(np.zeros((2, 3), int)).shape == (2, 3)


def test_half_of_all_addresses():
    with em.EMShadowMemory(None, [(2**63, 2**64), (0, 1)]) as s:
        s.mark_as_data(2**63, 2**63)
        assert s.count_marked_as_data(2**63, 2**63) == 2**63 == s.run_length(2**63, s.DATA)
        assert list(s.ranges(s.DATA)) == [(2**63, 2**64)]
        s.unmark_as_data(2**63 + 12345)
        assert s.next_unmarked(2**63, s.DATA) == 2**63 + 12345
        assert (s.stats()["pages"], s.stats()["records"]) == (0, 1) and s.verify() == []
        with pytest.raises(ValueError, match="fewer than"):
            s.add_range(0, 2**64)


def test_what_is_uniform_takes_no_pages(path):
    with em.EMShadowMemory(path, [(2**32, 2**32 + 2**30)]) as s:
        s.mark_as_analyzed(2**32, 2**30)
        s.mark_as_code(2**32 + 4096, 100 << 20)
        assert s.stats()["pages"] == 0
        s.mark_as_code(2**32 + 2**29)
        assert s.stats()["pages"] == 0  # a few runs take none either
        s[2**32 : 2**32 + 64] = np.arange(64) % 2
        assert s.stats()["pages"] == 1
        s.commit()
        files = sum(file.stat().st_blocks * 512 for file in path.glob("region-*"))
        assert files < 1 << 20


# ---- Bad input


@pytest.mark.parametrize(
    ("work", "named"),
    [
        (lambda s: s.mark(BEGIN - 1, 5, 1), "0x400fff"),
        (lambda s: s.mark(END - 5, 6, 1), "0x500000"),
        (lambda s: s.unmark(0, 1, 1), "0x0"),
        (lambda s: s.assign(END, 1, 1), "0x500000"),
        (lambda s: s.mark_as_code(END), "0x500000"),
        (lambda s: s.count_marked_as_code(END - 1, 2), "0x500000"),
        (lambda s: s.is_marked(END - 1, 2, 1), "0x500000"),
        (lambda s: s.count(BEGIN, 2**64, 1), "0x500000|0x10000000000000000"),
        (lambda s: s.count(BEGIN, 2**70, 1), "0x10000000000000000"),
        (lambda s: s.run_length(END, 1), "0x500000"),
        (lambda s: s[END], "0x500000"),
        (lambda s: s[-1], "-1"),
        (lambda s: s[2**64], str(2**64)),
        (lambda s: s.__setitem__(END, 1), "0x500000"),
        (lambda s: s[END - 5 : END + 1], "0x500000"),
        (lambda s: s[BEGIN : 2**50], "0x500000"),
        (lambda s: s.__setitem__(slice(END - 1, END + 1), [1, 2]), "0x500000"),
        (lambda s: s.__setitem__(slice(END - 1, END + 1), 1), "0x500000"),
    ],
)
def test_an_unbacked_address_is_named(shadow, work, named):
    with pytest.raises(IndexError, match=f"address ({named}) is not backed") as caught:
        work(shadow)
    assert "0x401000 to 0x4fffff" in str(caught.value) or "2**64 - 1" in str(caught.value)
    assert list(shadow.ranges(1)) == [] and shadow.verify() == []


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda s: s.mark(BEGIN, -1, 1), ValueError),
        (lambda s: s.mark(BEGIN, 1, -1), ValueError),
        (lambda s: s.mark(BEGIN, 1, 256), ValueError),
        (lambda s: s.mark(BEGIN, 1, 2**64), ValueError),
        (lambda s: s.mark(BEGIN, 1), TypeError),
        (lambda s: s.mark("x", 1, 1), TypeError),
        (lambda s: s.mark(1.5, 1, 1), TypeError),
        (lambda s: s.mark_as_code(), TypeError),
        (lambda s: s.next_marked(BEGIN, 0), ValueError),
        (lambda s: s.is_marked(BEGIN, 1, 0), ValueError),
        (lambda s: s.find(0), ValueError),
        (lambda s: s.find(1, 2), ValueError),
        (lambda s: s.find(1, length=0), ValueError),
        (lambda s: s.ranges(256), ValueError),
        (lambda s: s[BEGIN : BEGIN + 4 : 2], ValueError),
        (lambda s: s[:BEGIN], ValueError),
        (lambda s: s.__setitem__(slice(BEGIN, BEGIN + 4), [1, 2]), ValueError),
        (lambda s: s.__setitem__(slice(BEGIN, BEGIN + 2), [1, 256]), ValueError),
        (lambda s: s.__setitem__(slice(BEGIN, BEGIN + 2), [1, -1]), ValueError),
        (lambda s: s.__setitem__(slice(BEGIN, BEGIN + 2), [0.5, 1]), ValueError),
        (lambda s: s.__delitem__(BEGIN), TypeError),
        (lambda s: s.add_range(5, 5), ValueError),
        (lambda s: s.add_range(-5, 5), ValueError),
        (lambda s: s.add_ranges([(1, 2), (7, 2**64 + 1)]), ValueError),
        (lambda s: s.add_ranges([5]), TypeError),
        (lambda s: s.add_ranges([range(0, 10, 2)]), ValueError),
        (iter, TypeError),
        (len, TypeError),
        (hash, TypeError),
        (lambda s: s.copy(), TypeError),
        (lambda s: em.EMShadowMemory(None, width=0), ValueError),
        (lambda s: em.EMShadowMemory(None, width=9), ValueError),
        (lambda s: em.EMShadowMemory(None, [(5, 4)]), ValueError),
    ],
)
def test_bad_input_is_refused(shadow, work, error):
    with pytest.raises(error):
        work(shadow)
    assert shadow.backed == [(BEGIN, END)] and shadow.next_marked(0, 1) is None


def test_closed(path):
    s = em.EMShadowMemory(path, [(0, 10)])
    s.close()
    s.close()
    with pytest.raises(ValueError, match="closed"):
        s.mark(0, 1, 1)
    s.open(path)
    assert s.backed == [(0, 10)]
    s.close()


# ---- Stores, readers, other kinds


def test_member_of_a_store(path):
    with em.Store(path) as store:
        s = store.shadow_memory("flags", [(0, 100)], width=2)
        with pytest.raises(KeyError), store.transaction():
            s.mark(0, 100, 256)
            store.dict("names")["x"] = 1
            raise KeyError
        assert s.next_marked(0, 256) is None
        s.mark(5, 5, 256)
        assert store.shadow_memory("flags", [(100, 120)]) is s and s.backed == [(0, 120)]
        with pytest.raises(em.FormatError):
            store.shadow_memory("flags", width=1)
        with pytest.raises(em.FormatError):
            store.dict("flags")
        assert store.members()["flags"] == "shadow memory"
        store.compact()
        assert list(s.ranges(256)) == [(5, 10)]
    with em.open(path, "r") as store:
        assert list(store.shadow_memory("flags").ranges(256)) == [(5, 10)]


def test_alone(path, tmp_path):
    with em.EMShadowMemory(path, [(BEGIN, END)]) as s:
        s.mark_as_code(BEGIN, 1000)
        with pytest.raises(RuntimeError):
            s.open(path)
        s.backup(tmp_path / "copy")
        with em.open(tmp_path / "copy") as copy:
            assert isinstance(copy, em.EMShadowMemory) and copy.count_marked_as_code(BEGIN, 2000) == 1000
        again = pickle.loads(pickle.dumps(s))
        assert again is s
    with pytest.raises(em.FormatError):
        em.EMDict(path)
    with em.EMDict(None) as d, pytest.raises(TypeError, match="backup"), em.EMShadowMemory(None) as s:
        d["x"] = s


READER = """
import sys
import pyrsistence as em
with em.EMShadowMemory(sys.argv[1], mode="r") as s:
    for line in sys.stdin:
        begin, end = map(int, line.split())
        with s.snapshot():
            found = s[begin + 4 : begin + 7].tolist()
        print([s.count_marked_as_code(begin, 80000), s.next_unmarked(begin, s.CODE), list(s.ranges(s.CODE)),
               s.backed, found], flush=True)
    try:
        s.mark_as_code(begin)
    except OSError as error:
        print([str(error).endswith("r+")], flush=True)
"""


def test_a_reader_follows_its_writer(path):
    with (
        em.EMShadowMemory(path, [(BEGIN, END)]) as writer,
        subprocess.Popen(
            [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader,
    ):

        def seen():
            reader.stdin.write(f"{BEGIN} {END}\n")
            reader.stdin.flush()
            return eval(reader.stdout.readline())

        writer.mark_as_code(BEGIN, 70000)
        writer.commit()
        before = [70000, BEGIN + 70000, [(BEGIN, BEGIN + 70000)], [(BEGIN, END)], [2, 2, 2]]
        assert seen() == before
        writer.unmark_as_code(BEGIN + 5)
        writer.add_range(END, END + 100)
        assert seen() == before
        writer.commit()
        runs = [(BEGIN, BEGIN + 5), (BEGIN + 6, BEGIN + 70000)]
        assert seen() == [69999, BEGIN + 5, runs, [(BEGIN, END + 100)], [2, 0, 2]]
        reader.stdin.close()
        assert len(eval(reader.stdout.readline())) == 1
        assert reader.wait() == 0


# ---- Damage


def test_damage_is_found(path):
    def made():
        with em.EMShadowMemory(path, [(BEGIN, END)]) as s:
            for place in range(BEGIN, BEGIN + 50000, 100):
                s.mark_as_head(place)
        return sorted(path.glob("region-*"))

    files = made()
    assert len(files) >= 4
    noticed = 0
    for file in files:
        original = file.read_bytes()
        for at in range(0, min(len(original), 256), 8):
            file.write_bytes(original[:at] + b"\x37" * 8 + original[at + 8 :])
            try:
                with em.EMShadowMemory(path, mode="r") as s:
                    noticed += s.verify() != []
                    list(s.ranges(s.HEAD))
            except (em.DamagedError, em.FormatError):
                noticed += 1
        file.write_bytes(original)
    assert noticed > 20
    with em.EMShadowMemory(path) as s:
        assert s.verify() == [] and s.count_marked_as_head(BEGIN, 50000) == 500


# ---- Beside NumPy arrays

FIRST, COUNT = 0x400000 - 3 * 4096 - 7, 6 * 4096
PLACES = st.one_of(
    st.integers(0, COUNT - 1), st.integers(0, 6).map(lambda n: max(0, min(COUNT - 1, n * 4096 + 7)))
)
FLAGS = st.integers(1, 255)


class ShadowMachine(ContainerMachine):
    """The model: which addresses are backed, and their flags, from FIRST on."""

    width = 1

    def fresh_model(self):
        return np.zeros(COUNT, bool), np.zeros(COUNT, dtype_of(self.width))

    def copy_model(self, model):
        return tuple(part.copy() for part in model)

    def restore(self, model):
        self.model = model

    def open(self, path):
        return em.EMShadowMemory(path, width=self.width, commit_interval=None)

    @initialize()
    def create(self):
        super().create()
        self.add(4000, 9000)

    @invariant()
    def sizes_agree(self):
        pass

    def compare(self):
        backed, flags = self.model
        edges = np.flatnonzero(np.diff(np.concatenate([[0], backed.view("i1"), [0]]))) + FIRST
        assert self.subject.backed == list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        for begin, end in self.subject.backed:
            np.testing.assert_array_equal(self.subject[begin:end], flags[begin - FIRST : end - FIRST])

    def add(self, begin, length):
        end = min(COUNT, begin + length)
        self.subject.add_range(FIRST + begin, FIRST + end)
        self.model[0][begin:end] = True

    @rule(begin=PLACES, length=st.integers(1, 5000))
    def add_range(self, begin, length):
        self.add(begin, length)

    @rule(begin=PLACES, end=PLACES, flags=FLAGS, how=st.sampled_from(["mark", "unmark", "assign", "write"]))
    def change(self, begin, end, flags, how):
        begin, end = min(begin, end), max(begin, end) + 1
        backed, model = self.model
        values = np.arange(begin, end) % flags
        try:
            if how == "write":
                self.subject[FIRST + begin : FIRST + end] = values
            else:
                getattr(self.subject, how)(FIRST + begin, end - begin, flags)
        except IndexError as error:
            first = begin + int(np.argmin(backed[begin:end]))
            assert not backed[begin:end].all() and f"{FIRST + first:#x} is not" in str(error)
            return
        assert backed[begin:end].all()
        if how == "mark":
            model[begin:end] |= model.dtype.type(flags)
        elif how == "unmark":
            model[begin:end] &= ~model.dtype.type(flags)
        else:
            model[begin:end] = values if how == "write" else flags

    @rule(begin=PLACES, flags=FLAGS, value=st.integers(0, 255), length=st.integers(1, 30))
    def ask(self, begin, flags, value, length):
        backed, model = self.model
        value &= flags
        equal = backed & ((model & flags) == value)
        places = np.flatnonzero(equal[begin:])
        expected = FIRST + begin + int(places[0]) if len(places) else None
        assert self.subject.find(flags, value, start=FIRST + begin) == expected
        windows = np.convolve(equal, np.ones(length, int))[length - 1 :] == length
        places = np.flatnonzero(windows[begin:])
        expected = FIRST + begin + int(places[0]) if len(places) else None
        assert self.subject.find(flags, value, start=FIRST + begin, length=length) == expected
        runs = np.flatnonzero(np.diff(np.concatenate([[0], equal.view("i1"), [0]]))) + FIRST
        expected = list(zip(runs[::2].tolist(), runs[1::2].tolist(), strict=True))
        assert list(self.subject.ranges(flags, value)) == expected
        if backed[begin]:
            marked = (model[begin:] & flags) == flags
            end = np.argmin(np.append(marked & backed[begin:], False))
            assert self.subject.run_length(FIRST + begin, flags) == end
            end = np.argmin(np.append(backed[begin:], False))
            assert self.subject.count(FIRST + begin, int(end), flags) == marked[:end].sum()
            assert self.subject.is_marked(FIRST + begin, int(end), flags) == marked[:end].all()

    @rule(begin=PLACES, length=st.integers(0, 9000), flags=FLAGS, ok=st.booleans())
    def edit(self, begin, length, flags, ok):
        backed, model = self.model
        if not backed[begin : begin + length].all():
            return
        part = model[begin : begin + length]
        with (
            contextlib.suppress(KeyError),
            self.subject.edit(FIRST + begin, FIRST + begin + len(part)) as array,
        ):
            np.testing.assert_array_equal(array, part)
            array[::3] |= array.dtype.type(flags)
            array[length // 2 :] = flags
            if not ok:
                raise KeyError
            part[:] = array

    @rule(begin=PLACES, end=PLACES, flags=FLAGS)
    def ask_for_runs(self, begin, end, flags):
        backed, model = self.model
        begin, end = min(begin, end), max(begin, end) + 1
        found = list(self.subject.runs(FIRST + begin, FIRST + end))
        shown = np.full(end - begin, -1)
        for first, last, value in found:
            assert (shown[first - FIRST - begin : last - FIRST - begin] == -1).all() and first < last
            shown[first - FIRST - begin : last - FIRST - begin] = value
        part = np.where(backed[begin:end], model[begin:end].astype(int), -1)
        np.testing.assert_array_equal(shown, part)
        assert len(found) == ((np.diff(part, prepend=-1) != 0) & (part != -1)).sum()
        equal = backed & ((model & flags) != 0)
        places = np.flatnonzero(equal[begin:])
        expected = FIRST + begin + int(places[0]) if len(places) else None
        assert self.subject.next_any(FIRST + begin, flags) == expected
        assert self.subject.find(flags, any=True, start=FIRST + begin) == expected
        edges = np.flatnonzero(np.diff(np.concatenate([[0], equal.view("i1"), [0]]))) + FIRST
        expected = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        assert list(self.subject.ranges(flags, any=True)) == expected
        if backed[begin:end].all():
            assert self.subject.count_any(FIRST + begin, end - begin, flags) == equal[begin:end].sum()

    @rule(
        places=st.lists(PLACES, max_size=30),
        flags=FLAGS,
        how=st.sampled_from(["mark", "unmark", "assign", "each", "count"]),
    )
    def change_many(self, places, flags, how):
        backed, model = self.model
        where = np.array([*places, *range(min(places, default=0), min(places, default=0) + 3)])
        where = where[where < COUNT]
        each = (np.arange(len(where)) * 7 % flags).astype(model.dtype)
        counter = self.subject.counter(4, 4)
        try:
            if how == "each":
                self.subject.assign_many(FIRST + where, each)
            elif how == "count":
                counter.add_many(FIRST + where, 5)
            else:
                getattr(self.subject, f"{how}_many")(FIRST + where, flags)
        except IndexError as error:
            assert f"{FIRST + where[np.argmin(backed[where])]:#x} is not" in str(error)
            return
        assert backed[where].all()
        for place, value in zip(where, each, strict=True):
            before = int(model[place])
            model[place] = {
                "mark": before | flags,
                "unmark": before & ~flags,
                "assign": flags,
                "each": value,
                "count": before & ~0xF0 | min(15, (before >> 4 & 15) + 5) << 4,
            }[how]
        np.testing.assert_array_equal(self.subject.get_many(FIRST + where), model[where])
        np.testing.assert_array_equal(counter.get_many(FIRST + where), model[where] >> 4 & 15)

    @rule(begin=PLACES, length=st.integers(1, 9000), by=st.sampled_from([0, 1, 4, 2**40]))
    def count_up(self, begin, length, by):
        backed, model = self.model
        part = model[begin : begin + length]
        if backed[begin : begin + length].all():
            self.subject.counter(4, 4).add(FIRST + begin, len(part), by)
            counted = np.minimum(15, (part.astype("u8") >> 4 & 15) + min(by, 15)) << 4
            part[:] = (part.astype("u8") & ~np.uint64(0xF0) | counted).astype(part.dtype)

    @rule(begin=PLACES, length=st.integers(1, 9000))
    def remove_range(self, begin, length):
        self.subject.remove_range(FIRST + begin, FIRST + min(COUNT, begin + length))
        self.model[0][begin : begin + length] = False
        self.model[1][begin : begin + length] = 0

    @rule()
    def compact(self):
        if self.before is None:
            self.subject.compact()


class WideShadowMachine(ShadowMachine):
    width = 4


class PaddedShadowMachine(ShadowMachine):
    width = 3


TestShadow = ShadowMachine.TestCase
TestShadow.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestWideShadow = WideShadowMachine.TestCase
TestWideShadow.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
TestPaddedShadow = PaddedShadowMachine.TestCase
TestPaddedShadow.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)


# ---- The command line


def test_on_the_command_line(path):
    def command(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "pyrsistence", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    with em.EMShadowMemory(path, [(BEGIN, END)]) as s:
        s.mark_as_code(BEGIN, 5)
    facts = json.loads(command("info", "--json", path))
    assert facts["kind"] == "shadow memory" and facts["entries"] == END - BEGIN
    assert "width" in command("stats", path) and "sound" in command("verify", path)
    for name in ("head", "keys", "dump"):
        assert "shadow memory" in command(name, path, code=2)
    assert "shadow memory" in command("load", "--kind", "list", path, code=2)
    command("compact", path)
    assert pathlib.Path(path).is_dir()
    with em.EMShadowMemory(path) as s:
        assert s.count_marked_as_code(BEGIN, 10) == 5
