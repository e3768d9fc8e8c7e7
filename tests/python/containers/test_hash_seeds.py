"""A key is found again by another process, whatever its PYTHONHASHSEED; and by any key equal to it.

The project's ancestor stored `hash(key)`, which is salted per process for str: every str key was lost on
reopening.
"""

import decimal
import fractions

import pytest

import pyrsistence

WRITE = """
import sys, pyrsistence, seed_keys
with pyrsistence.EMDict(sys.argv[1]) as d:
    for key, value in seed_keys.keys():
        d[key] = value
    print(hash("salted"), len(d))
"""

READ = """
import sys, pyrsistence, seed_keys
with pyrsistence.EMDict(sys.argv[1], mode="r") as d:
    wrong = [key for key, value in seed_keys.keys() if d.get(key) != value]
    order = list(d) == [key for key, _ in seed_keys.keys()]
    absent = ("name-x" in d, b"bytes-x" in d, seed_keys.Address(".data", 1) in d)
    print(hash("salted"), len(d), len(wrong), order, any(absent))
"""


def test_100_000_keys_under_four_hash_seeds(path, run_python):
    salted, count = run_python(WRITE, path, env={"PYTHONHASHSEED": "1"}).split()
    assert count == "100000"
    hashes = {salted}
    for seed in ("2", "3", "random"):
        salted, *found = run_python(READ, path, env={"PYTHONHASHSEED": seed}).split()
        assert found == ["100000", "0", "True", "False"]
        hashes.add(salted)
    assert len(hashes) == 4, "PYTHONHASHSEED did not change hash(str): the test showed nothing"


@pytest.mark.parametrize("first", [1, 1.0, True, decimal.Decimal(1), fractions.Fraction(1), 1 + 0j])
def test_equal_numbers_are_one_key(path, first):
    equal = [1, 1.0, True, decimal.Decimal(1), fractions.Fraction(1), 1 + 0j]
    with pyrsistence.EMDict(path) as d:
        d[first] = "first"
        for key in equal:
            assert key in d
            d[key] = type(key).__name__
            assert len(d) == 1
            assert all(d[other] == type(key).__name__ for other in equal)
    with pyrsistence.EMDict(path) as d:
        (kept,) = d
        assert kept == 1
        assert type(kept) is type(first), "the key first stored is the one returned"


def test_equal_but_not_identical_keys_in_tuples(path):
    """pickle.dumps memoizes by identity: (a, a) and (a, b) with a == b give different bytes."""

    def fresh(text):
        return "".join(text)  # a new object each time

    a, b = fresh("shared"), fresh("shared")
    assert a is not b
    with pyrsistence.EMDict(path) as d:
        d[(a, a)] = 1
        d[(fresh("x"), (a, (b, 2**70)))] = 2
        d[frozenset({fresh("p"), fresh("q")})] = 3
    with pyrsistence.EMDict(path) as d:
        assert d[(a, b)] == d[(b, b)] == 1
        assert d[(fresh("x"), (b, (b, 2**70)))] == 2
        assert d[(fresh("x"), (a, (a, float(2**70))))] == 2
        assert d[frozenset({fresh("q"), fresh("p")})] == 3
        assert (a, fresh("other")) not in d


def test_zeros_and_nan(path):
    nan = float("nan")
    with pyrsistence.EMDict(path) as d:
        d[0.0] = "zero"
        assert d[-0.0] == d[0] == d[False] == "zero"
        d[nan] = "nan"
        assert d[float("nan")] == "nan", "a NaN is found by its bits"
        assert len(d) == 2


def test_str_and_bytes_differ(path):
    with pyrsistence.EMDict(path) as d:
        d["a"] = 1
        assert b"a" not in d
        assert ("a",) not in d
        d[b"a"] = 2
        assert (d["a"], d[b"a"], len(d)) == (1, 2, 2)
