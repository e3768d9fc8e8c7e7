"""Threads: operations of several at once, long ones that release the GIL, and a transaction's own thread."""

import concurrent.futures
import sys
import threading
from itertools import chain, count

import pytest

from helpers import LIMIT
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
        return [future.result(timeout=LIMIT) for future in [pool.submit(run, call) for call in calls]]


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
            for n in count(first):
                shared[n] = n
        except ValueError as error:
            assert "closed" in str(error)
            return True

    def close():
        while len(shared) < 2000:
            pass
        shared.close()

    late = together(lambda: write(0), lambda: write(1_000_000), close)
    assert late[:2] == [True, True]
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


def test_pop_and_setdefault_are_one_step(path):
    """What several take at once, one gets; what several put at once, all see."""
    with EMDict(path, {n: [n] if n % 2 else n for n in range(2000)}, commit_interval=0.01) as d:

        def take():
            return [n for n in range(2000) if d.pop(n, None) is not None]

        def take_last():
            taken = []
            while d:
                try:
                    taken.append(d.popitem()[0])
                except KeyError:
                    break
            return taken

        taken = together(take, take, take_last, take_last)
        assert sorted(chain.from_iterable(taken)) == list(range(2000))

        def put(name):
            return [d.setdefault(n, [name, n]) for n in range(500)]

        assert len({repr(seen) for seen in together(*(lambda name=name: put(name) for name in "abcd"))}) == 1
        assert d.verify() == []


def test_pop_and_remove_of_a_list(path):
    with EMList(path, commit_interval=0.01) as items:
        items.extend([n, str(n) * 5] for n in range(500))
        items.extend(range(500))

        def take_ends():
            taken = []
            while True:
                try:
                    taken.append(items.pop(0))
                    taken.append(items.pop())
                except IndexError:
                    return taken

        def remove():
            removed = []
            for n in range(500):
                try:
                    items.remove(n)
                    removed.append(n)
                except ValueError:
                    pass
            return removed

        taken = list(chain.from_iterable(together(take_ends, take_ends, remove, remove)))
        expected = [[n, str(n) * 5] for n in range(500)] + list(range(500))
        assert sorted(map(str, taken)) == sorted(map(str, expected))
        assert items.verify() == []


def test_slices_are_one_step(path):
    """A slice is of one moment, whatever is assigned to the list meanwhile."""
    with EMList(path, [0] * 3000) as items:

        def write():
            for n in range(1, 60):
                value = n if n % 3 else f"a text of {n} that lies in a block"
                items[:] = [value] * (3000 + n)

        def look():
            for _ in range(60):
                seen = items[:]
                assert len(set(seen)) == 1 and len(seen) in range(3000, 3060)

        together(write, look, look)


def test_one_iterator_for_several_threads(path):
    with EMDict(path, {n: str(n) for n in range(4000)}) as d, EMList(None, range(4000)) as items:
        for iterator in (iter(d), iter(items), reversed(d), reversed(items)):
            given = together(*(lambda iterator=iterator: list(iterator) for _ in range(4)))
            assert sorted(chain.from_iterable(given)) == list(range(4000))
            assert next(iterator, None) is None


def test_writeback_in_threads(path):
    """What one thread has replaced, another's older copy does not come back for."""
    with EMDict(path, {n: [0] for n in range(50)}, writeback=True) as d:

        def write(name):
            for turn in range(40):
                for n in range(50):
                    d[n] = [name, turn]
                    assert d[n][0] in "ab"

        def commit():
            for _ in range(30):
                d.commit()

        def read():
            for _ in range(40):
                assert all(len(value) in (1, 2) for value in d.values())

        together(lambda: write("a"), lambda: write("b"), commit, read)
        last = d.copy()
        assert all(value[1] == 39 for value in last.values())
    with EMDict(path, mode="r") as d:
        assert d == last


def test_transactions_take_turns(path):
    """A transaction of another thread is refused, not waited for: who tries again gets its turn."""
    with EMDict(path, {"n": 0}) as d:

        def add():
            done = refused = 0
            while done < 50:
                try:
                    with d.transaction():
                        d["n"] = d["n"] + 1
                    done += 1
                except RuntimeError as error:
                    assert "transaction" in str(error)
                    refused += 1
            return refused

        together(add, add, add)
        assert d["n"] == 150


def test_open_and_close_of_one_container(path):
    """close(), open() and use of one object by several threads: an error or an answer."""
    d = EMDict(path, {"a": 1})
    stop = threading.Event()

    def reopen():
        try:
            for _ in range(60):
                d.close()
                d.open(path)
        finally:
            stop.set()

    def use():
        while not stop.is_set():
            try:
                assert d["a"] == 1
                assert list(d) == ["a"]
                d["a"] = 1
                d.commit()
            except ValueError as error:
                assert "closed" in str(error) or "not open" in str(error)

    together(reopen, use, use)
    d.close()


def test_members_dropped_while_others_use_them(path):
    with Store(path) as store:
        stop = threading.Event()

        def drop():
            try:
                for _ in range(50):
                    store.dict("names")["a"] = 1
                    store.drop("names")
            finally:
                stop.set()

        def use():
            while not stop.is_set():
                try:
                    store.dict("names").get("a")
                except (ValueError, KeyError):
                    pass

        together(drop, use, use)
        assert store.verify() == []
