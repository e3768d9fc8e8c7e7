"""What the state machines of test_model_dict and test_model_list share: transactions, commits, reopening.

A machine holds the container under test, `subject`, and its model, a builtin. Each rule does the same to
both; `same_outcome` compares results and exceptions alike. At the end, and whenever hypothesis likes,
all is compared.
"""

import contextlib
import pathlib
import shutil
import tempfile

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

# Values of every native kind, and a pickled one; no NaN, which does not equal itself.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.complex_numbers(allow_nan=False, max_magnitude=1e6),
)
VALUES = st.one_of(
    SCALARS,
    st.text(min_size=200, max_size=400),
    st.integers(0, 20_000).map(lambda n: b"v" * n),
    st.lists(SCALARS, max_size=4),
    st.lists(SCALARS, max_size=3).map(tuple),
    st.dictionaries(st.text(max_size=3), SCALARS, max_size=3),
    st.sets(st.integers(), max_size=3),
    st.fractions(),
)


class Undo(Exception):
    """Raised inside a transaction to roll it back."""


def outcome(call):
    """("value", what the call returned) or ("error", the exception's type)."""
    try:
        return "value", call()
    except (KeyError, IndexError, ValueError, TypeError, RuntimeError) as error:
        return "error", type(error)


class ContainerMachine(RuleBasedStateMachine):
    """Subclasses define `open`, `fresh_model`, `copy_model`, `restore`, `compare` and the rules."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pyrsistence-model-"))
        self.subject = None
        self.model = self.fresh_model()
        self.stack = contextlib.ExitStack()
        self.before = None  # the model at the start of the running transaction

    @initialize()
    def create(self):
        self.subject = self.open(self.folder / "store")

    def teardown(self):
        try:
            if self.subject is not None:
                if self.before is not None:
                    self.roll_back()
                self.compare()
                assert self.subject.verify() == []
                self.close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self):
        self.subject.close()

    def same_outcome(self, operation):
        """Does `operation` to subject and model; both return the same or raise the same."""
        expected = outcome(lambda: operation(self.model))
        found = outcome(lambda: operation(self.subject))
        assert found == expected, f"found {found!r}, expected {expected!r}"
        assert len(self.subject) == len(self.model)

    @rule()
    @precondition(lambda self: self.before is None)
    def commit(self):
        self.subject.commit()

    @rule()
    @precondition(lambda self: self.before is None)
    def reopen(self):
        self.close()
        self.subject = self.open(self.folder / "store")
        self.compare()

    @rule()
    @precondition(lambda self: self.before is None)
    def begin(self):
        self.before = self.copy_model(self.model)
        self.stack.enter_context(self.subject.transaction())

    @rule()
    @precondition(lambda self: self.before is not None)
    def end_transaction(self):
        self.stack.close()
        self.before = None

    @rule()
    @precondition(lambda self: self.before is not None)
    def roll_back(self):
        self.restore(self.before)
        self.before = None
        try:
            with self.stack:
                raise Undo
        except Undo:
            pass
        self.compare()

    @rule()
    def compare_all(self):
        self.compare()

    @rule()
    def verify(self):
        assert self.subject.verify() == []

    @invariant()
    def sizes_agree(self):
        if self.subject is not None:
            assert len(self.subject) == len(self.model)
