"""EMTypedSet: elements of a type, many at a time, and the algebra of sets of one type and of others."""

import itertools
import operator
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyrsistence as em

np = pytest.importorskip("numpy")

OPERATORS = [operator.and_, operator.or_, operator.sub, operator.xor]
NAMES = ["intersection", "union", "difference", "symmetric_difference"]
TYPES = {
    "u1": range(40),
    "i4": range(-40, 40),
    "u8": [0, 1, 2**63, 2**64 - 1, *range(100, 130)],
    "f4": [0.0, 0.5, -1.5, *range(20)],
    "f8": [0.0, 1e300, -1.5, *range(20)],
    "?": [False, True],
    "S3": [b"", b"a", b"ab", b"abc"],
    "S20": [b"%d" % n for n in range(40)],
    "U5": ["", "a", "äö", "\U0001f600", *map(str, range(30))],
    "M8[s]": [np.datetime64(n, "s") for n in range(0, 400, 7)],
}


@pytest.fixture(params=TYPES)
def dtype(request):
    return request.param


def test_what_a_type_keeps_comes_back(dtype, tmp_path):
    elements = list(dict.fromkeys(TYPES[dtype]))
    with em.EMSet(tmp_path / "s", elements, dtype=dtype) as s:
        assert type(s) is em.EMTypedSet and isinstance(s, em.EMSet)
        assert s.dtype == np.dtype(dtype)
        assert list(s) == elements and list(reversed(s)) == elements[::-1]
        assert all(element in s for element in elements)
        s.update(elements)
        assert len(s) == len(elements)
        assert s == set(elements) and s.to_array().tolist() == np.array(elements, dtype).tolist()
        assert s.to_array(copy=False).tolist() == s.to_array().tolist()
    with em.EMSet(tmp_path / "s") as s:
        assert type(s) is em.EMTypedSet and list(s) == elements
        s.remove(elements[0])
        assert s.verify() == [] and list(s) == elements[1:]
    with em.open(tmp_path / "s", mode="r") as s:
        assert list(s) == elements[1:]


def test_another_type_is_refused(tmp_path):
    em.EMSet(tmp_path / "s", [1], dtype="u8").close()
    with pytest.raises(em.FormatError, match="elements of type <u8, not <u4"):
        em.EMSet(tmp_path / "s", dtype="u4")
    with pytest.raises(em.FormatError, match="a single typed set"):
        em.EMSet(tmp_path / "s", key=str)
    with pytest.raises(em.FormatError, match="typed set"):
        em.EMDict(tmp_path / "s")
    with pytest.raises(em.FormatError, match="typed set"):
        em.EMDict(tmp_path / "s", key="u8", value="u8")
    em.EMDict(tmp_path / "d", {1: 1}, key="u8", value="u8").close()
    with pytest.raises(em.FormatError, match="typed dict"):
        em.EMSet(tmp_path / "d", dtype="u8")
    em.EMSet(tmp_path / "a", [1]).close()
    with pytest.raises(em.FormatError, match="set"):
        em.EMSet(tmp_path / "a", dtype="u8")
    with pytest.raises(TypeError, match="dtype="):
        em.EMTypedSet(tmp_path / "new")
    with em.Store(tmp_path / "m") as store:
        assert type(store.set("s", dtype="u8")) is em.EMTypedSet
        assert store.set("s") is store.set("s", dtype="u8")
        with pytest.raises(em.FormatError, match="not <i8"):
            store.set("s", dtype="i8")

    class Mine(em.EMSet):
        pass

    with pytest.raises(TypeError, match="EMTypedSet"):
        Mine(tmp_path / "s", dtype="u8")
    with pytest.raises(em.FormatError, match="not one Mine"):
        Mine(tmp_path / "s")


def test_what_cannot_be_an_element():
    with em.EMSet(None, [1, 2], dtype="u1") as s:
        for strange in (300, -1, "a", None, 1.5, (1,)):
            assert strange not in s
            s.discard(strange)
            with pytest.raises(KeyError):
                s.remove(strange)
            with pytest.raises((OverflowError, TypeError)):
                s.add(strange)
        with pytest.raises(TypeError, match="unhashable"):
            [] in s  # noqa: B015
        with pytest.raises(OverflowError):
            s.add_many([5, 300])
        with pytest.raises((OverflowError, ValueError)):
            s.add_many(np.array([5, 300]))
        assert s.contains_many([1, 300, "a"]) == [True, False, False]
        assert s.contains_many(np.array([1, 300])).tolist() == [True, False]
        s.discard_many([300, "a", 1])
        s.discard_many(np.array([300, 7]))
        with pytest.raises(ValueError, match="shape"):
            s.add_many(np.zeros((2, 2), "u1"))
        assert s == {2} and 2.0 in s and True not in s
        assert s & {300, "a", 2} == {2} and s | {300} == {2, 300} and s <= {2, "a"}
        with pytest.raises(OverflowError):
            s |= {300}


def test_zeros_and_nans_are_one():
    with em.EMSet(dtype="f8") as s:
        s.add_many(np.array([0.0, -0.0, np.nan, -np.nan, 1.0]))
        assert len(s) == 3 and float("nan") in s and -0.0 in s


def test_adding_what_is_there_changes_nothing(tmp_path):
    with em.EMSet(tmp_path / "s", range(5000), dtype="u8", commit_interval=None) as s:
        s.commit()
        iterator = iter(s)
        s.add_many(range(5000))
        s.update(np.arange(5000))
        s.add(7)
        assert s.stats()["dirty_bytes"] == 0
        assert len(list(iterator)) == 5000
        iterator = iter(s)
        s.discard(7)
        with pytest.raises(RuntimeError, match="Set changed size"):
            next(iterator)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_model(data):
    numbers = st.integers(0, 60)
    model, knobs = {}, data.draw(st.sampled_from([(512, 64, 2**64 - 1), (2, 64, 0), (512, 1, 0), (2, 64, 3)]))
    with em.EMTypedSet(dtype=data.draw(st.sampled_from(["u1", "i4", "u8", "f8"])), _layout=knobs) as s:
        for _ in range(data.draw(st.integers(1, 12))):
            what = data.draw(st.sampled_from(["add", "discard", "add_many", "discard_many", "pop", "clear"]))
            if what in ("add", "discard"):
                one = data.draw(numbers)
                getattr(s, what)(one)
                model.setdefault(one) if what == "add" else model.pop(one, None)
            elif what in ("add_many", "discard_many"):
                many = data.draw(st.lists(numbers, max_size=40))
                getattr(s, what)(np.array(many, "u1") if data.draw(st.booleans()) else many)
                for one in many:
                    model.setdefault(one) if what == "add_many" else model.pop(one, None)
            elif what == "pop" and model:
                assert s.pop() == model.popitem()[0]
            elif what == "clear" and data.draw(st.integers(0, 5)) == 0:
                s.clear(), model.clear()
            assert list(s) == list(model) and len(s) == len(model)
        assert s.contains_many(range(61)) == [n in model for n in range(61)]
        assert s.verify() == []
    with pytest.raises(ValueError, match="closed"):
        s.add(1)


def others(rng):
    """Operands of every kind: (what is handed over, its elements)."""
    numbers = [rng.randrange(3000) for _ in range(rng.choice([0, 3, 2000, 12_000]))]
    yield set(numbers), set(numbers)
    yield numbers, set(numbers)
    yield np.array(numbers, "u8"), set(numbers)
    yield np.array(numbers, "i2"), set(numbers)
    yield dict.fromkeys(numbers), set(numbers)
    yield iter(numbers), set(numbers)
    yield [*numbers, "text", -1, 2.5], {*numbers, "text", -1, 2.5}
    yield em.EMSet(None, numbers), set(numbers)
    yield em.EMSet(None, numbers, key=str), set(numbers)
    yield em.EMSet(None, numbers, dtype="u8"), set(numbers)
    yield em.EMSet(None, numbers, dtype="f8"), set(numbers)


@pytest.mark.parametrize("seed", range(3))
def test_algebra_with_everything(seed):
    rng = random.Random(seed)
    mine = {rng.randrange(3000) for _ in range(rng.choice([2, 500, 2500]))}
    for name in [*NAMES, "isdisjoint", "issubset", "issuperset"]:
        for operand, elements in others(rng):
            with em.EMSet(None, mine, dtype="u8") as s:
                assert getattr(s, name)(operand) == getattr(mine, name)(elements), (name, type(operand))
    for name in ["update", *(f"{one}_update" for one in NAMES if one != "union")]:
        for operand, elements in others(rng):
            if "text" in elements and name in ("update", "symmetric_difference_update"):
                continue
            model = set(mine)
            getattr(model, name)(elements)
            with em.EMSet(None, mine, dtype="u8") as s:
                getattr(s, name)(operand)
                assert s == model and s.verify() == [], (name, type(operand))


@pytest.mark.parametrize("memory", ["1M", None])
@pytest.mark.parametrize("dtype", ["u4", "u8", "S20"])
def test_algebra_of_two_into_a_third(dtype, memory, tmp_path):
    """Of one type: by walks along both, and blocks of bytes."""
    one, other = range(40_000), range(30_000, 90_000, 2)
    of = (lambda n: b"%d" % n) if dtype == "S20" else (lambda n: n)
    first, second = (np.array([of(n) for n in numbers], dtype) for numbers in (one, other))
    with (
        em.EMSet(tmp_path / "a", first, dtype=dtype, memory=memory) as a,
        em.EMSet(tmp_path / "b", second, dtype=dtype, memory=memory) as b,
    ):
        for name, operate in zip(NAMES, OPERATORS, strict=True):
            expected = {of(n) for n in operate(set(one), set(other))}
            with em.EMSet(dtype=dtype) as out:
                assert getattr(a, name)(b, out=out) is out
                assert out == expected and out.verify() == []
            assert operate(a, b) == expected
        assert not a.isdisjoint(b) and not a <= b and a >= em.EMSet(None, first[:5], dtype=dtype)
        with pytest.raises(ValueError, match="empty"):
            a.union(b, out=b.__class__(None, first[:1], dtype=dtype))
        with em.EMSet(None, dtype="U30") as out, pytest.raises((TypeError, OverflowError)):
            a.union(b, out=out)


def test_blocks_refuse_what_is_no_set_of_the_type():
    with em.EMSet(None, [1], dtype="u8") as s, em.EMSet(None, [1], dtype="u4") as other:
        for wrong in (other, em.EMSet(None, [1]), {1}):
            with pytest.raises(TypeError, match="expected"):
                s._blocks(wrong, True)


def test_blocks_end_where_the_set_changes():
    with em.EMSet(None, range(30_000), dtype="u8") as s:
        for change in (lambda: s.add(-1 + 2**40), lambda: s.discard(5), s.clear):
            blocks = s._blocks(None, True)
            assert len(next(blocks)) == 8 * 8192
            change()
            with pytest.raises(RuntimeError, match="Set changed size"):
                next(blocks)
    with pytest.raises(ValueError, match="closed"):
        next(blocks)


def test_beside_a_writer(path, run_python):
    """A reader's algebra is of one state."""
    with em.EMSet(path, range(1000), dtype="u8") as s:
        s.commit()
        read = """
import sys, pyrsistence as em
with em.EMSet(sys.argv[1], mode="r") as s, em.EMSet(None, range(500, 1500), dtype="u8") as other:
    print(type(s).__name__, len(s & other), len(s), s.contains_many([1, 5000]), s.to_array().sum())
    try:
        s.add(1)
    except OSError as error:
        print(type(error).__name__)
"""
        assert run_python(read, path) == ("EMTypedSet 500 1000 [True, False] 499500\nUnsupportedOperation\n")


def test_views_keep_their_elements():
    with em.EMSet(None, range(10), dtype="u8") as s:
        view = s.to_array(copy=False)
        s.add_many(range(10, 5000))
        assert view.tolist() == list(range(10))
        s.discard(3)
        with pytest.raises(RuntimeError, match="removed rows"):
            s.to_array(copy=False)
        del view
        s.compact()
        assert s.to_array(copy=False).tolist() == [n for n in range(5000) if n != 3]


def test_structures_are_elements():
    pair = np.dtype([("a", "u4"), ("b", "S3")])
    elements = np.array([(1, b"x"), (2, b"y"), (1, b"x")], pair)
    with em.EMSet(None, elements, dtype=pair) as s, em.EMSet(None, elements[:1], dtype=pair) as other:
        assert len(s) == 2 and elements[0] in s
        with em.EMSet(dtype=pair) as out:
            assert s.difference(other, out=out).to_array().tolist() == [(2, b"y")]


def test_in_every_order(tmp_path):
    """Sets of any sizes: whichever is walked along."""
    sizes = (0, 1, 200, 20_000)
    for n, m in itertools.product(sizes, sizes):
        x, y = set(range(n)), set(range(n // 2, n // 2 + m))
        with em.EMSet(None, x, dtype="i8") as a, em.EMSet(None, y, dtype="i8") as b:
            assert a & b == x & y and a - b == x - y and a ^ b == x ^ y and (a <= b) == (x <= y)
            assert a.isdisjoint(b) == x.isdisjoint(y)
