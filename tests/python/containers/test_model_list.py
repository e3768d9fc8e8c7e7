"""EMList against list: the same random operations on both, with commit, reopen, rollback among them.

Three variants: as it is; in a store beside a dict; and long lists under a budget so small that commits
happen of themselves and large changes rewrite instead of changing in place.
"""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import precondition, rule

import pyrsistence
from model_machine import SCALARS, VALUES, ContainerMachine, outcome

INDICES = st.integers(-30, 30)
BOUNDS = st.one_of(st.none(), INDICES)
SLICES = st.builds(slice, BOUNDS, BOUNDS, st.one_of(st.none(), st.sampled_from([-3, -2, -1, 1, 2, 3, 100])))
ELEMENTS = st.lists(VALUES, max_size=6)


class ListMachine(ContainerMachine):
    def open(self, path):
        return pyrsistence.EMList(path)

    def fresh_model(self):
        return []

    def copy_model(self, model):
        return list(model)

    def restore(self, before):
        self.model = before

    def compare(self):
        assert list(self.subject) == self.model
        assert list(map(type, self.subject)) == list(map(type, self.model))
        assert list(reversed(self.subject)) == self.model[::-1]
        assert self.subject[:] == self.model
        assert self.subject == self.model
        assert self.model == self.subject
        assert not self.subject != self.model  # noqa: SIM202  # != has a slot of its own

    @rule(value=VALUES)
    def append(self, value):
        self.same_outcome(lambda items: items.append(value))

    @rule(values=ELEMENTS, how=st.integers(0, 3))
    def extend(self, values, how):
        def operation(items):
            if how == 0:
                items.extend(values)
            elif how == 1:
                items.extend(iter(values))
            elif how == 2:
                items += tuple(values)
            else:
                items.extend(items)

        if how < 3 or len(self.model) < 1000:
            self.same_outcome(operation)

    @rule(first=st.integers(-(2**50), 2**50), count=st.integers(1, 300))
    def extend_by_range(self, first, count):
        self.same_outcome(lambda items: items.extend(range(first, first + count)))

    @rule(index=INDICES, value=VALUES)
    def insert(self, index, value):
        self.same_outcome(lambda items: items.insert(index, value))

    @rule(index=INDICES, value=VALUES)
    def set(self, index, value):
        self.same_outcome(lambda items: items.__setitem__(index, value))

    @rule(index=INDICES)
    def get(self, index):
        self.same_outcome(lambda items: items[index])

    @rule(indices=st.lists(INDICES, max_size=8), value=VALUES)
    def batches(self, indices, value):
        """A batch does what the loop does, up to the first index that is refused."""
        indices = [*indices, *range(0, len(self.model), 3)]

        def take(items):
            return items.take(indices) if items is self.subject else [items[index] for index in indices]

        def set_many(items):
            if items is self.subject:
                return items.set_many(indices, [[value, n] for n in range(len(indices))])
            for n, index in enumerate(indices):
                items[index] = [value, n]

        self.same_outcome(take)
        self.same_outcome(set_many)

    @rule(index=INDICES)
    def delete(self, index):
        self.same_outcome(lambda items: items.__delitem__(index))

    @rule(index=INDICES)
    def pop(self, index):
        self.same_outcome(lambda items: items.pop(index))

    @rule()
    def pop_last(self):
        self.same_outcome(lambda items: items.pop())

    @rule(where=SLICES)
    def get_slice(self, where):
        self.same_outcome(lambda items: items[where])

    @rule(where=SLICES, values=ELEMENTS)
    def set_slice(self, where, values):
        self.same_outcome(lambda items: items.__setitem__(where, values))

    @rule(where=SLICES)
    def set_extended_slice_of_same_length(self, where):
        self.same_outcome(lambda items: items.__setitem__(where, items[where][::-1]))

    @rule(where=SLICES)
    def set_slice_to_itself(self, where):
        if len(self.model) < 1000:
            self.same_outcome(lambda items: items.__setitem__(where, items))

    @rule(where=SLICES)
    def delete_slice(self, where):
        self.same_outcome(lambda items: items.__delitem__(where))

    @rule(value=SCALARS, data=st.data())
    def search(self, value, data):
        if self.model and data.draw(st.booleans()):
            value = data.draw(st.sampled_from(self.model))
        start = data.draw(INDICES)
        self.same_outcome(lambda items: (items.count(value), value in items))
        self.same_outcome(lambda items: items.index(value))
        self.same_outcome(lambda items: items.index(value, start, start + 10))

    @rule(data=st.data())
    def remove(self, data):
        value = data.draw(st.sampled_from(self.model) if self.model else SCALARS)
        self.same_outcome(lambda items: items.remove(value))

    @rule()
    def reverse(self):
        self.same_outcome(lambda items: items.reverse())

    @rule(backwards=st.booleans())
    def sort(self, backwards):
        """Mixed types do not compare; the names of their types do, and equal names keep their order."""
        self.same_outcome(lambda items: items.sort(key=lambda x: type(x).__name__, reverse=backwards))

    @rule(numbers=st.lists(st.one_of(st.integers(), st.floats(allow_nan=False)), max_size=80))
    def sort_numbers(self, numbers):
        def operation(items):
            items[:] = numbers
            items.sort()

        self.same_outcome(operation)

    @rule(numbers=st.lists(st.integers(0, 3), min_size=3, max_size=30))
    def sort_what_does_not_compare(self, numbers):
        """list.sort leaves a list that it could not sort in some order; EMList leaves it as it was."""
        mixed = [*numbers, "x", *numbers]
        self.model = mixed
        self.subject[:] = mixed
        assert outcome(self.subject.sort) == ("error", TypeError)
        assert self.subject[:] == mixed

    @rule()
    def clear(self):
        self.same_outcome(lambda items: items.clear())

    @rule(times=st.integers(-1, 3))
    def repeat(self, times):
        def operation(items):
            items *= times

        if len(self.model) < 1000:
            self.same_outcome(lambda items: items * times)
            self.same_outcome(operation)

    @rule(other=st.lists(SCALARS, max_size=4))
    def operators(self, other):
        self.same_outcome(lambda items: items + other)
        self.same_outcome(lambda items: other + (items if isinstance(items, list) else items[:]))
        self.same_outcome(lambda items: (items == other, items != other))

    @rule(other=st.lists(st.integers(0, 5), max_size=4), mine=st.lists(st.integers(0, 5), max_size=4))
    def order(self, other, mine):
        self.same_outcome(lambda items: items.__setitem__(slice(None), mine))
        self.same_outcome(lambda items: (items < other, items <= other, items > other, items >= other))

    @rule(index=INDICES)
    def edit(self, index):
        self.same_outcome(lambda items: items.__setitem__(index, ["edited"]))
        if -len(self.model) <= index < len(self.model):
            self.model[index] = ["edited", index]
            with self.subject.edit(index) as value:
                value.append(index)


class MemberListMachine(ListMachine):
    """A member of a store beside a dict, which changes with it and follows each commit and rollback."""

    def open(self, path):
        self.store = pyrsistence.Store(path)
        self.other = self.store.dict("other")
        return self.store.list("subject")

    def close(self):
        self.store.close()

    def fresh_model(self):
        self.other_model = {}
        return []

    def copy_model(self, model):
        return list(model), dict(self.other_model)

    def restore(self, before):
        self.model, self.other_model = before

    def compare(self):
        super().compare()
        assert list(self.other.items()) == list(self.other_model.items())

    @rule(key=st.integers(0, 9), value=VALUES)
    def set_other(self, key, value):
        self.other[key] = value
        self.other_model[key] = value


class LongListMachine(ListMachine):
    """Lists long enough to be rewritten, under a budget so small that it fills within a few operations."""

    BUDGET = 2 << 20

    def __init__(self):
        super().__init__()
        self.usual_budget = pyrsistence.memory_budget()
        pyrsistence.set_memory_budget(self.BUDGET)

    def teardown(self):
        try:
            super().teardown()
        finally:
            pyrsistence.set_memory_budget(self.usual_budget)

    @rule(first=st.integers(0, 100))
    @precondition(lambda self: len(self.model) < 1_000_000)
    def extend_by_much(self, first):
        self.same_outcome(lambda items: items.extend(range(first, first + 300_000)))

    @rule(index=st.integers(0, 400_000))
    def delete_far(self, index):
        self.same_outcome(lambda items: items.__delitem__(slice(index, index + 5)))
        self.same_outcome(lambda items: items.insert(index, "here"))


LIMITS = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestList = ListMachine.TestCase
TestList.settings = LIMITS
TestMemberList = MemberListMachine.TestCase
TestMemberList.settings = settings(LIMITS, max_examples=30)
TestLongList = LongListMachine.TestCase
TestLongList.settings = settings(LIMITS, max_examples=8, stateful_step_count=25)
