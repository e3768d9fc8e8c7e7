"""EMDeque: random operations against collections.deque, maxlen, objects, sizes, readers, threads."""

import collections
import concurrent.futures
import itertools
import operator
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import rule

import pyrsistence
from model_machine import SCALARS, VALUES, ContainerMachine
from pyrsistence import EMDeque, EMList, FormatError, Store
from test_readers import Remote

# ---- Random operations

INDICES = st.integers(-30, 30)
ELEMENTS = st.lists(VALUES, max_size=6)
# How elements come.
SHAPES = st.sampled_from([list, tuple, iter, collections.deque, lambda values: EMDeque(None, values)])
MOST = 1000


class DequeMachine(ContainerMachine):
    maxlen = None
    options: dict = {}  # noqa: RUF012

    def open(self, path):
        return EMDeque(path, maxlen=self.maxlen, **self.options)

    def fresh_model(self):
        return collections.deque(maxlen=self.maxlen)

    def copy_model(self, model):
        return model.copy()

    def restore(self, before):
        self.model = before

    def compare(self):
        assert list(self.subject) == list(self.model)
        assert list(map(type, self.subject)) == list(map(type, self.model))
        assert list(reversed(self.subject)) == list(reversed(self.model))
        copied = self.subject.copy()
        assert copied == self.model and copied.maxlen == self.subject.maxlen == self.maxlen
        assert self.subject == self.model
        assert self.model == self.subject
        assert not self.subject != self.model  # noqa: SIM202  # != has a slot of its own

    @rule(value=VALUES, left=st.booleans())
    def append(self, value, left):
        self.same_outcome(operator.methodcaller("appendleft" if left else "append", value))

    @rule(left=st.booleans(), times=st.integers(1, 12))
    def pop(self, left, times):
        for _ in range(times):
            self.same_outcome(operator.methodcaller("popleft" if left else "pop"))

    @rule(values=ELEMENTS, shape=SHAPES, how=st.sampled_from(["extend", "extendleft", "__iadd__"]))
    def extend(self, values, shape, how):
        self.same_outcome(lambda d: getattr(d, how)(shape(values)) and None)

    @rule(first=st.integers(-(2**50), 2**50), count=st.integers(1, 400), left=st.booleans())
    def extend_by_range(self, first, count, left):
        more = range(first, first + count)
        self.same_outcome(lambda d: (d.extendleft if left else d.extend)(more))

    @rule(how=st.sampled_from(["extend", "extendleft"]))
    def extend_by_itself(self, how):
        if len(self.model) < MOST:
            self.same_outcome(lambda d: getattr(d, how)(d))

    @rule(values=ELEMENTS, left=st.booleans())
    def extend_by_what_raises(self, values, left):
        def some():
            yield from values
            raise KeyError

        self.same_outcome(lambda d: (d.extendleft if left else d.extend)(some()))

    @rule(steps=st.one_of(st.integers(-50, 50), st.integers()))
    def rotate(self, steps):
        if -(2**63) <= steps < 2**63:
            self.same_outcome(lambda d: d.rotate(steps))

    @rule(index=INDICES, value=VALUES)
    def insert(self, index, value):
        self.same_outcome(lambda d: d.insert(index, value))

    @rule(index=INDICES, value=VALUES)
    def set(self, index, value):
        self.same_outcome(lambda d: d.__setitem__(index, value))

    @rule(index=INDICES)
    def get(self, index):
        self.same_outcome(lambda d: d[index])

    @rule(index=INDICES)
    def delete(self, index):
        self.same_outcome(lambda d: d.__delitem__(index))

    @rule(value=SCALARS, data=st.data())
    def search(self, value, data):
        if self.model and data.draw(st.booleans()):
            value = data.draw(st.sampled_from(list(self.model)))
        start = data.draw(INDICES)
        self.same_outcome(lambda d: (d.count(value), value in d))
        self.same_outcome(lambda d: d.index(value))
        self.same_outcome(lambda d: d.index(value, start))
        self.same_outcome(lambda d: d.index(value, start, start + 10))

    @rule(data=st.data())
    def remove(self, data):
        value = data.draw(st.sampled_from(list(self.model)) if self.model else SCALARS)
        self.same_outcome(lambda d: d.remove(value))

    @rule()
    def reverse(self):
        self.same_outcome(lambda d: d.reverse())

    @rule()
    def clear(self):
        self.same_outcome(lambda d: d.clear())

    @rule()
    def compact(self):
        if self.before is None:
            self.subject.compact()

    @rule(times=st.integers(-1, 3))
    def repeat(self, times):
        if len(self.model) < MOST:
            self.same_outcome(lambda d: d * times == times * d)
            self.same_outcome(lambda d: (d * times).maxlen)
            self.same_outcome(lambda d: operator.imul(d, times) is d)

    @rule(other=st.lists(SCALARS, max_size=4), bound=st.sampled_from([None, 3]))
    def operators(self, other, bound):
        other = collections.deque(other, bound)
        self.same_outcome(lambda d: d + other)
        self.same_outcome(lambda d: (d + other).maxlen)
        if isinstance(self.subject, EMDeque):
            assert other + self.subject == other + self.model
        self.same_outcome(lambda d: (d == other, d != other, d == list(d)))
        self.same_outcome(lambda d: d + list(other))

    @rule(other=st.lists(st.integers(0, 5), max_size=4), mine=st.lists(st.integers(0, 5), max_size=4))
    def order(self, other, mine):
        other = collections.deque(other)
        self.same_outcome(lambda d: (d.clear(), d.extend(mine))[0])
        self.same_outcome(lambda d: (d < other, d <= other, d > other, d >= other))

    @rule(index=INDICES)
    def edit(self, index):
        self.same_outcome(lambda d: d.__setitem__(index, ["edited"]))
        if -len(self.model) <= index < len(self.model):
            self.model[index] = ["edited", index]
            with self.subject.edit(index) as value:
                value.append(index)


class BoundedMachine(DequeMachine):
    maxlen = 17


class CachedMachine(DequeMachine):
    options = {"cache": 5}  # noqa: RUF012


class TightMachine(DequeMachine):
    """Under so small a budget commits happen of themselves."""

    options = {"memory": "1M"}  # noqa: RUF012

    @rule(count=st.integers(1000, 60_000), left=st.booleans())
    def extend_by_many(self, count, left):
        if len(self.model) < 200_000:
            self.same_outcome(lambda d: (d.extendleft if left else d.extend)(range(count)))

    @rule(count=st.integers(1000, 60_000), left=st.booleans())
    def pop_many(self, count, left):
        for _ in range(min(count, len(self.model))):
            assert (self.subject.popleft() if left else self.subject.pop()) == (
                self.model.popleft() if left else self.model.pop()
            )


class MemberMachine(DequeMachine):
    """A member of a store beside a list, which follows each commit and rollback."""

    def open(self, path):
        self.store = Store(path)
        self.other = self.store.list("other")
        return self.store.deque("subject")

    def close(self):
        self.store.close()

    def fresh_model(self):
        self.other_model = []
        return collections.deque()

    def copy_model(self, model):
        return model.copy(), list(self.other_model)

    def restore(self, before):
        self.model, self.other_model = before

    def compare(self):
        super().compare()
        assert self.other == self.other_model

    @rule()
    def move_one(self):
        """What is taken out of one and put into the other is never in both."""
        if self.model:
            self.other.append(self.subject.popleft())
            self.other_model.append(self.model.popleft())


USUAL = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestDeque = DequeMachine.TestCase
TestDeque.settings = USUAL
TestBounded = BoundedMachine.TestCase
TestBounded.settings = USUAL
TestCached = CachedMachine.TestCase
TestCached.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
TestMember = MemberMachine.TestCase
TestMember.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
TestTight = TightMachine.TestCase
TestTight.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)


# ---- maxlen


def test_the_bound_is_kept(path):
    with EMDeque(path, range(10), maxlen=4) as d:
        assert d.maxlen == 4 and list(d) == [6, 7, 8, 9]
    for given in ({}, {"maxlen": None}, {"maxlen": 4}):
        with EMDeque(path, **given) as d:
            assert d.maxlen == 4 and list(d) == [6, 7, 8, 9]
    with pyrsistence.open(path, mode="r") as d:
        assert type(d) is EMDeque and d.maxlen == 4
    with EMDeque(path) as d:
        d.appendleft("x")
        assert list(d) == ["x", 6, 7, 8]
        with pytest.raises(AttributeError):
            d.maxlen = 5


@pytest.mark.parametrize("there", [None, 0, 4])
@pytest.mark.parametrize("mode", ["a", "r"])
def test_another_bound_is_refused(path, there, mode):
    EMDeque(path, maxlen=there).close()
    with pytest.raises(FormatError, match=f"maxlen=5, found one with maxlen={there}"):
        EMDeque(path, mode=mode, maxlen=5)
    with EMDeque(path, mode=mode) as d:
        assert d.maxlen == there


def test_the_bound_of_a_member(path):
    with Store(path) as store:
        last = store.deque("last", maxlen=3)
        last.extend(range(9))
        assert store.deque("last") is store.deque("last", maxlen=3) is last
        with pytest.raises(FormatError, match="maxlen=3, not 4"):
            store.deque("last", maxlen=4)
        last.close()
        with pytest.raises(FormatError, match="maxlen=4"):
            store.deque("last", maxlen=4)
        assert store.deque("last").maxlen == 3 and list(store.deque("last")) == [6, 7, 8]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(-1, ValueError), (1.5, TypeError), ("3", TypeError), (2**63, OverflowError), ([], TypeError)],
)
def test_bounds_that_are_none(path, wrong, error):
    with pytest.raises(error, match="maxlen"):
        EMDeque(path, maxlen=wrong)
    assert not path.exists()
    with Store(None) as store, pytest.raises(error, match="maxlen"):
        store.deque("d", maxlen=wrong)


def test_a_bound_of_any_integer(path):
    class Three:
        def __index__(self):
            return 3

    with EMDeque(path, "abcd", maxlen=Three()) as d:
        assert list(d) == ["b", "c", "d"] and d.maxlen == 3
    with EMDeque(None, "abcd", maxlen=True) as d:
        assert list(d) == ["d"] and type(d.maxlen) is int


def test_of_a_long_range_only_the_last_are_stored():
    with EMDeque(None, [1, 2], maxlen=3) as d:
        d.extend(range(10**12))
        assert list(d) == [10**12 - 3, 10**12 - 2, 10**12 - 1]
        d.extendleft(range(10**12))
        assert list(d) == [10**12 - 1, 10**12 - 2, 10**12 - 3]


def test_an_insertion_into_a_full_one():
    with EMDeque(None, "abc", maxlen=3) as d:
        with pytest.raises(IndexError, match="maximum size"):
            d.insert(1, "x")
        assert list(d) == ["a", "b", "c"]


def test_without_room_it_consumes_and_keeps_nothing():
    elements = iter(range(100))
    with EMDeque(None, elements, maxlen=0) as d:
        assert list(elements) == []
        d.append("a text for the heap")
        d.appendleft([1])
        assert list(d) == [] and d.verify() == [] and d.stats()["heap_live_bytes"] == 0
        assert repr(d).startswith("EMDeque([], maxlen=0, path=")


# ---- Errors are those of collections.deque


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.pop(),
        lambda d: d.popleft(),
        lambda d: d[0],
        lambda d: d[-1],
        lambda d: d.__setitem__(0, 1),
        lambda d: d.__delitem__(0),
        lambda d: d["a"],
        lambda d: d[0:1],
        lambda d: d.__setitem__(slice(0, 1), []),
        lambda d: d.pop(0),
        lambda d: d.rotate("x"),
        lambda d: d.rotate(1, 2),
        lambda d: d.rotate(1.5),
        lambda d: d.insert("x", 1),
        lambda d: d.extend(1),
        lambda d: d.extendleft(None),
        lambda d: d.__iadd__(5),
        lambda d: d + [1],
        lambda d: [1] + d,
        lambda d: d * "x",
        lambda d: d * 1.5,
        lambda d: d < [1],
        hash,
        lambda d: d.remove("x"),
        lambda d: d.index("x"),
        lambda d: d.index("x", "y"),
    ],
)
def test_errors(call):
    with pytest.raises((IndexError, TypeError, ValueError, OverflowError)) as expected:
        call(collections.deque())
    with EMDeque() as d:
        with pytest.raises(expected.type):
            call(d)
        assert list(d) == []


# ---- Iterators


CHANGES = {
    "append": lambda d: d.append(1),
    "appendleft": lambda d: d.appendleft(1),
    "pop": lambda d: d.pop(),
    "popleft": lambda d: d.popleft(),
    "rotate": lambda d: d.rotate(),
    "insert": lambda d: d.insert(3, 1),
    "delete": lambda d: d.__delitem__(3),
    "extend": lambda d: d.extend([1]),
    "remove": lambda d: d.remove(5),
    "clear": lambda d: d.clear(),
    "come and go": lambda d: (d.append(1), d.pop()),
}


@pytest.mark.parametrize("walk", [iter, reversed])
@pytest.mark.parametrize("change", CHANGES)
def test_iterators_notice_changes(change, walk):
    for one in (EMDeque(None, range(20)), collections.deque(range(20))):
        iterator = walk(one)
        next(iterator)
        CHANGES[change](one)
        with pytest.raises(RuntimeError, match="deque mutated during iteration"):
            next(iterator)


def test_an_assignment_is_no_such_change():
    for one in (EMDeque(None, range(20)), collections.deque(range(20))):
        iterator = iter(one)
        next(iterator)
        one[1] = "assigned, and long"
        one[19] = None
        assert list(iterator) == ["assigned, and long", *range(2, 19), None]


def test_a_rollback_is_one():
    d = EMDeque(None, range(20))
    iterator = iter(d)
    next(iterator)
    with pytest.raises(KeyError), d.transaction():
        d.append(1)
        raise KeyError
    with pytest.raises(RuntimeError, match="mutated"):
        next(iterator)
    assert list(d) == list(range(20))


# ---- Objects


def test_objects_that_are_written_back(path):
    with EMDeque(path, writeback=True, maxlen=50) as d:
        d.extend([number] for number in range(40))
        d[3].append("three")
        d.rotate(5)
        d.appendleft(["left"])
        d[0].append("again")
        kept = d[20]
        kept.append("kept")
        gone = d[-1]
        d.pop()
        gone.append("nobody sees it")
        expected = list(d)
        d.compact()
    with EMDeque(path) as d:
        assert list(d) == expected
        assert d[0] == ["left", "again"] and d[9] == [3, "three"] and kept in d


def test_what_a_bound_pushes_out_is_not_written_back(path):
    with EMDeque(path, writeback=True, maxlen=3) as d:
        d.extend([[1], [2], [3]])
        first, last = d[0], d[2]
        d.append([4])
        first.append("gone")
        last.append("stays")
        d.extendleft([[5], [6]])
        assert list(d) == [[6], [5], [2]]
        last.append("gone too")
        d.commit()
        assert list(d) == [[6], [5], [2]] and d.verify() == []


def test_decoded_objects_are_handed_out_again():
    with EMDeque(None, [(number, "a text") for number in range(10)], cache=4) as d:
        assert d[1] is d[1]
        held = d[1]
        d.rotate(1)
        assert d[2] is held
        assert d.popleft() == (9, "a text")
        d.extend([(n, "more") for n in range(20)])
        assert list(d) == [*((n, "a text") for n in range(9)), *((n, "more") for n in range(20))]


def test_a_value_holds_its_elements(path):
    with EMDeque(path, [[1]], maxlen=9) as d, EMList(None) as items:
        items.append(d)
        d.append(2)
        assert items[0] == collections.deque([[1]]) and items[0].maxlen == 9


# ---- Sizes


def disk_bytes(d):
    d.commit()
    return d.stats()["disk_bytes"]


def test_a_queue_that_runs_for_long_does_not_grow(path):
    with EMDeque(path, range(20_000), commit_interval=None) as d:
        sizes = []
        for start in range(20_000, 1_200_000, 20_000):
            for number in range(start, start + 20_000):
                d.append(number)
                d.popleft()
            sizes.append(disk_bytes(d))
        assert list(itertools.islice(d, 3)) == [1_180_000, 1_180_001, 1_180_002] and len(d) == 20_000
        half = len(sizes) // 2
        assert max(sizes[half:]) <= 2 * max(sizes[:half])
        assert d.stats()["word_bytes"] < 1 << 20
        assert d.verify() == []


def test_a_queue_of_texts_uses_its_space_again(path):
    with EMDeque(path, commit_interval=None) as d:
        for number in range(200_000):
            d.append(f"task number {number}")
            if number >= 1000:
                assert d.popleft() == f"task number {number - 1000}" or number % 1000
        stats = d.stats()
        assert stats["heap_live_bytes"] + stats["heap_free_bytes"] < 200_000
        assert d.verify() == []


@pytest.mark.parametrize("left", [False, True])
def test_a_stack_gives_its_space_back(path, left):
    with EMDeque(path, commit_interval=None) as d:
        (d.extendleft if left else d.extend)(range(1_000_000))
        full = disk_bytes(d)
        pop = d.popleft if left else d.pop
        for number in range(999_999, 999, -1):
            assert pop() == number
        d.close()
    with EMDeque(path) as d:
        assert d.stats()["disk_bytes"] < full / 4 and len(d) == 1000
        assert d.verify() == []


# ---- Others at work


def test_a_reader_follows_the_writer(path):
    with EMDeque(path, range(100), commit_interval=None, maxlen=5000) as d:
        d.commit()
        with Remote(path, "d = EMDeque(path, mode='r')") as reader:
            assert reader.run("(len(d), d[0], d[-1], d.maxlen, 5 in d)") == (100, 0, 99, 5000, True)
            d.extendleft(range(100, 4000))
            assert reader.run("len(d)") == 100
            d.commit()
            assert reader.run("(len(d), d[0], d[-1], d.index(5), d.count(3))") == (4000, 3999, 99, 3905, 1)
            reader.run("i = iter(d); next(i)")
            d[0] = "assigned"
            d.commit()
            assert reader.run("(next(i), d[0])") == (3998, "assigned")
            d.popleft()
            d.commit()
            assert "by a commit of its writer" in reader.error("next(i)")
            for call in ("append(1)", "popleft()", "pop()", "rotate(1)", "extend([1])", "clear()"):
                assert "UnsupportedOperation" in reader.error(f"d.{call}")
            with d.transaction():
                d.clear()
            assert reader.run("(list(d), list(d.copy()), len(d))") == ([], [], 0)


def test_readers_beside_a_queue(path):
    """Each answer is of one committed state: consecutive numbers."""
    with EMDeque(path, range(3000), commit_interval=None) as d:
        d.commit()
        with Remote(path, "d = EMDeque(path, mode='r')") as reader:
            for start in range(3000, 9000, 60):
                reader.send("(len(d), list(d.copy())[::2999], list(d._elements())[::1000])")
                d.extend(range(start, start + 60))
                for _ in range(60):
                    d.popleft()
                if start % 7 == 0:
                    d.rotate(100)
                    d.rotate(-100)
                d.commit()
                kind, answer = reader.receive()
                if kind == "error":
                    assert "SnapshotError" in answer
                    continue
                size, (first, last), thirds = answer
                assert (size, last - first) == (3000, 2999)
                assert thirds == [thirds[0], thirds[0] + 1000, thirds[0] + 2000]


def test_threads_on_one_queue(path):
    """Each element is given to one of them, in their order, and none is lost."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    elements = [(n, "a text") if n % 3 == 0 else n for n in range(3000)]
    try:
        with EMDeque(path, commit_interval=0.01) as d:

            def take():
                taken = []
                while len(taken) < 750:
                    try:
                        taken.append(d.popleft())
                    except IndexError:
                        pass
                return taken

            with concurrent.futures.ThreadPoolExecutor(5) as pool:
                takers = [pool.submit(take) for _ in range(4)]
                pool.submit(lambda: [d.append(element) for element in elements]).result()
                parts = [taker.result() for taker in takers]
            numbers = [[e if isinstance(e, int) else e[0] for e in part] for part in parts]
            assert all(part == sorted(part) for part in numbers)
            assert sorted(n for part in numbers for n in part) == list(range(3000))
            assert len(d) == 0 and d.verify() == []
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    "call", ["5 in d", "d.count('x')", "d.extend(repeat(0)) ", "d.copy() == d", "list(reversed(d))"]
)
def test_signals_get_in(run_python, call):
    printed = run_python(
        f"""if True:
        import pyrsistence, signal
        from itertools import repeat
        d = pyrsistence.EMDeque(None, (float(n) + 0.5 for n in range(60_000)), memory="1M")
        def stop(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        try:
            while True:
                {call}
        except KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            print("interrupted", len(d) >= 60000, d[59_999])
        """
    )
    assert printed == "interrupted True 59999.5\n"
