"""Threads: operations of several at once, long ones that release the GIL, and a transaction's own thread."""

import concurrent.futures
import sys
import threading

import pytest

from pyrsistence import EMDict, EMList, Store


@pytest.fixture(autouse=True)
def switch_often():
    """The interpreter changes threads as often as it can, so that what may interleave does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*calls):
    """Runs the calls in threads of their own, started at one moment; raises what one of them raised."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=120) for future in [pool.submit(run, call) for call in calls]]


def test_writers_of_one_dict(path):
    def write(first):
        for n in range(first, first + 3000):
            d[n] = str(n)
            d[n, "list"] = [n]
            assert d[n] == str(n)
            if n % 3 == 0:
                del d[n, "list"]

    with EMDict(path) as d:
        together(*(lambda first=first: write(first) for first in (0, 10_000, 20_000, 30_000)))
        assert len(d) == 4 * 3000 + 4 * 2000
        assert d.verify() == []
    with EMDict(path) as d:
        assert all(d[n] == str(n) for n in range(20_000, 23_000))


def test_long_operations_beside_short_ones(path):
    """sort, verify and commit may release the GIL; nobody sees a list half sorted."""
    with EMList(path, range(100_000, 0, -1)) as items:

        def work():
            for _ in range(5):
                items.sort()
                items.reverse()
                items.commit()
                assert items.verify() == []

        def look():
            for _ in range(3000):
                assert (items[0], items[-1]) in ((1, 100_000), (100_000, 1)) or len(items) == 100_000

        together(work, look, look)
        assert len(items) == 100_000
        assert sorted(items) == list(range(1, 100_001))


def test_iterating_while_another_thread_writes(path):
    """An iterator either ends or raises RuntimeError; it never gives what was not there."""
    with EMDict(path, ((n, n) for n in range(1000))) as d:

        def write():
            for n in range(2000):
                d[1000 + n % 500] = n
                d.pop(1000 + n % 500)

        def walk():
            for _ in range(60):
                try:
                    for key, value in d.items():
                        assert key == value or key >= 1000
                except RuntimeError:
                    pass

        together(write, walk, walk)
        assert list(d) == list(range(1000))


def test_transaction_belongs_to_its_thread(path):
    with Store(path) as store:
        names, lines = store.dict("names"), store.list("lines")
        names["before"] = 1
        outcomes = []

        def intrude():
            for call in (
                lambda: names.__setitem__("intruder", 1),
                lambda: lines.append(1),
                lambda: names["before"],
                lambda: store.commit(),
                lambda: store.transaction().__enter__(),
            ):
                try:
                    call()
                except RuntimeError as error:
                    outcomes.append(str(error))
                else:
                    outcomes.append(None)

        with store.transaction():
            names["mine"] = 1
            thread = threading.Thread(target=intrude)
            thread.start()
            thread.join()
            lines.append("mine")
        assert all(text and "thread" in text for text in outcomes), outcomes
        assert dict(names) == {"before": 1, "mine": 1}
        assert lines == ["mine"]
        names["after"] = 1


def test_close_while_others_work(path):
    """Those who come late get ValueError; the store is sound."""
    shared = EMDict(path)

    def write(first):
        try:
            for n in range(first, first + 100_000):
                shared[n] = n
        except ValueError as error:
            assert "closed" in str(error)
            return True
        return False

    def close():
        while len(shared) < 2000:
            pass
        shared.close()

    late = together(lambda: write(0), lambda: write(1_000_000), close)
    assert any(late)
    with EMDict(path) as d:
        assert len(d) >= 2000
        assert all(key == value for key, value in d.items())
        assert d.verify() == []


def test_stores_of_their_own_in_each_thread(tmp_path):
    def work(name):
        for turn in range(5):
            with EMDict(tmp_path / name) as d:
                for n in range(500):
                    d[turn, n] = n
                d.commit()
        with EMDict(tmp_path / name, mode="r") as d:
            return len(d)

    assert together(*(lambda name=name: work(name) for name in "abcd")) == [2500] * 4
