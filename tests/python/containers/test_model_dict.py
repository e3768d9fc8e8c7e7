"""EMDict against dict: the same random operations on both, with commit, reopen, rollback among them.

Three variants: as it is; with tiny index segments and few hash bits, so that segments split, collide and
chain within a few keys; and in a store beside another member.
"""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import rule

import pyrsistence
from model_machine import VALUES, ContainerMachine

# Few distinct keys, so that operations meet; among them equal ones of different types.
KEYS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([True, 1.0, 2.0, 0.0, -0.0, 2**64, 2.0**64, "", "a", "b", b"", b"a", None, (), (1, "a")]),
    st.text(max_size=2),
    st.tuples(st.integers(0, 2), st.text(max_size=1)),
    st.integers(2000, 2010).map(lambda n: "long" * n),
)


class DictMachine(ContainerMachine):
    fresh_keys = 0

    def open(self, path):
        return pyrsistence.EMDict(path)

    def fresh_model(self):
        return {}

    def copy_model(self, model):
        return dict(model)

    def restore(self, before):
        self.model = before

    def compare(self):
        assert [(type(key), key) for key in self.subject] == [(type(key), key) for key in self.model]
        assert list(self.subject.items()) == list(self.model.items())
        assert list(reversed(self.subject)) == list(reversed(self.model))
        assert list(self.subject.values()) == list(self.model.values())
        assert self.subject == self.model
        assert self.model == self.subject

    @rule(key=KEYS, value=VALUES)
    def set(self, key, value):
        self.same_outcome(lambda d: d.__setitem__(key, value))

    @rule(key=KEYS)
    def delete(self, key):
        self.same_outcome(lambda d: d.__delitem__(key))

    @rule(key=KEYS)
    def get(self, key):
        self.same_outcome(lambda d: (d.get(key), d.get(key, 5), key in d))
        self.same_outcome(lambda d: d[key])

    @rule(key=KEYS, default=VALUES)
    def pop(self, key, default):
        self.same_outcome(lambda d: d.pop(key, default))

    @rule(key=KEYS)
    def pop_without_default(self, key):
        self.same_outcome(lambda d: d.pop(key))

    @rule()
    def popitem(self):
        self.same_outcome(lambda d: d.popitem())

    @rule()
    def pop_oldest(self):
        self.same_outcome(lambda d: d.pop(next(iter(d), "none"), None))

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key, value):
        self.same_outcome(lambda d: d.setdefault(key, value))

    @rule(items=st.dictionaries(KEYS, VALUES, max_size=12), how=st.integers(0, 2))
    def update(self, items, how):
        def operation(d):
            if how == 0:
                d.update(items)
            elif how == 1:
                d.update(list(items.items()), extra=1)
            else:
                d |= items

        self.same_outcome(operation)

    @rule(first=st.integers(0, 50), count=st.integers(20, 120))
    def fill(self, first, count):
        self.same_outcome(lambda d: d.update((n * 7, str(n) * 9) for n in range(first, first + count)))

    @rule(keys=st.lists(KEYS, max_size=12), value=VALUES)
    def batches(self, keys, value):
        """A batch does what the loop does."""
        present = [*self.model][::3]
        keys = [*keys, *present, *keys[::2]]
        values = [[value, n] for n in range(len(keys))]
        assert self.subject.get_many(keys, value) == [self.model.get(key, value) for key in keys]
        assert self.subject.contains_many(keys) == [key in self.model for key in keys]
        assert self.subject.pop_many(keys[::2]) == [self.model.pop(key, None) for key in keys[::2]]
        self.subject.set_many(keys, values)
        for key, item in zip(keys, values, strict=True):
            self.model[key] = item
        self.subject.update(zip(present, values, strict=False))
        self.model.update(zip(present, values, strict=False))

    @rule(every=st.integers(2, 4))
    def thin_out(self, every):
        for key in list(self.model)[::every]:
            self.same_outcome(lambda d, key=key: d.__delitem__(key))

    @rule()
    def clear(self):
        self.same_outcome(lambda d: d.clear())

    @rule(key=KEYS)
    def edit(self, key):
        self.same_outcome(lambda d: d.__setitem__(key, ["edited"]))
        self.model[key] = [*self.model[key], key]
        with self.subject.edit(key) as value:
            value.append(key)

    @rule(other=st.dictionaries(KEYS, VALUES, max_size=4))
    def operators(self, other):
        self.same_outcome(lambda d: d | other)
        self.same_outcome(lambda d: other | d)
        self.same_outcome(lambda d: d.keys() & other.keys())
        self.same_outcome(lambda d: d.keys() - other.keys())
        self.same_outcome(lambda d: d.keys() ^ other.keys())
        self.same_outcome(lambda d: d.keys() <= other.keys())
        self.same_outcome(lambda d: d.keys().isdisjoint(other))

    @rule()
    def grow_while_iterating(self):
        self.fresh_keys += 1

        def operation(d):
            for _ in d:
                d["fresh", self.fresh_keys] = 1

        self.same_outcome(operation)


class TinyDictMachine(DictMachine):
    """Segments of two buckets, and hashes of six bits: everything that is rare becomes frequent."""

    def open(self, path):
        return pyrsistence.EMDict(path, _layout=(2, 6, 0))


class BufferedDictMachine(DictMachine):
    """New entries gather in the delta index, and are merged all the time."""

    def open(self, path):
        return pyrsistence.EMDict(path, _layout=(2, 64, 3))


class MemberDictMachine(DictMachine):
    """A member of a store. Another member changes with it, and follows each commit and rollback."""

    def open(self, path):
        self.store = pyrsistence.Store(path)
        self.other = self.store.list("other")
        return self.store.dict("subject")

    def close(self):
        self.store.close()

    def fresh_model(self):
        self.other_model = []
        return {}

    def copy_model(self, model):
        return dict(model), list(self.other_model)

    def restore(self, before):
        self.model, self.other_model = before

    def compare(self):
        super().compare()
        assert list(self.other) == self.other_model

    @rule(value=VALUES)
    def append_to_other(self, value):
        self.other.append(value)
        self.other_model.append(value)


# The budget of examples keeps each variant to some twenty seconds.
LIMITS = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDict = DictMachine.TestCase
TestDict.settings = LIMITS
TestTinyDict = TinyDictMachine.TestCase
TestTinyDict.settings = LIMITS
TestBufferedDict = BufferedDictMachine.TestCase

TestMemberDict = MemberDictMachine.TestCase
TestMemberDict.settings = LIMITS
