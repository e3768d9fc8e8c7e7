"""CPython's own tests of dict and list, run on EMDict and EMList.

The classes of `test.mapping_tests`, `test.list_tests` and `test.seq_tests` construct `type2test(data)`
and expect copies to be of the same type. The adapters below bridge that and nothing else;
docs/compatibility.md lists what they do (ADAPTED) and which methods are left out (LEFT_OUT), and a test
compares both with the tables there.
"""

import pathlib
import pickle

import pytest
from test import list_tests, mapping_tests, seq_tests

import pyrsistence

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs" / "compatibility.md"


class ProcessPickler:
    """pickle, and for what pickle refuses (instances of classes local to a test) a table of this process.

    What a user does with cloudpickle or dill, but without a dependency.
    """

    refused: list = []  # noqa: RUF012  # one table for the process

    def pickle(self, value):
        try:
            return b"p" + pickle.dumps(value, protocol=5)
        except (AttributeError, TypeError, pickle.PicklingError):
            self.refused.append(value)
            return b"t%d" % (len(self.refused) - 1)

    def unpickle(self, data):
        data = bytes(data)
        return pickle.loads(data[1:]) if data[:1] == b"p" else self.refused[int(data[1:])]


PROCESS_PICKLER = ProcessPickler()


class TemporaryDict(pyrsistence.EMDict):
    """EMDict with the signature of dict: temporary, first argument the data."""

    def __init__(self, data=(), /, **items):
        super().__init__(None, pickler=PROCESS_PICKLER, unpickler=PROCESS_PICKLER)
        self.update(data, **items)

    def copy(self, *arguments):
        return type(self)(super().copy(*arguments))

    @classmethod
    def fromkeys(cls, *arguments):
        result = cls()
        for key, value in super().fromkeys(*arguments).items():
            result[key] = value
        return result


class WritebackDict(pyrsistence.EMDict):
    """The same with writeback=True, which the tests of changing a value in place need."""

    def __init__(self):
        super().__init__(None, writeback=True)


class TemporaryList(pyrsistence.EMList):
    """EMList with the signature of list: temporary, first argument the data."""

    def __init__(self, data=()):
        super().__init__(None, pickler=PROCESS_PICKLER, unpickler=PROCESS_PICKLER)
        self[:] = data


# What the adapters do; the second table of docs/compatibility.md.
ADAPTED = {
    "type2test",
    "copy",
    "fromkeys",
    "pickler",
}

IDENTITY = "identity"
SELF = "a container inside itself"
LOCAL_KEY = "keys of a class local to a function"
PLACE = "pickled as its place"

# The first table of docs/compatibility.md: class, method, ground.
LEFT_OUT = {
    ("TestMappingProtocol", "test_setdefault"): IDENTITY,
    ("TestHashMappingProtocol", "test_getitem"): LOCAL_KEY,
    ("TestHashMappingProtocol", "test_pop"): LOCAL_KEY,
    ("TestHashMappingProtocol", "test_setdefault"): LOCAL_KEY,
    ("TestHashMappingProtocol", "test_eq"): LOCAL_KEY,
    ("TestHashMappingProtocol", "test_repr"): SELF,
    ("TestHashMappingProtocol", "test_repr_deep"): IDENTITY,
    ("seq_tests.CommonTest", "test_pickle"): PLACE,
    ("list_tests.CommonTest", "test_pickle"): PLACE,
    ("list_tests.CommonTest", "test_copy"): IDENTITY,
    ("list_tests.CommonTest", "test_repr"): SELF,
    ("list_tests.CommonTest", "test_repr_deep"): IDENTITY,
}


def without_left_out(name):
    """A class decorator: the methods that LEFT_OUT names for `name` are not run."""

    def decorate(test_class):
        for owner, method in LEFT_OUT:
            if owner == name:
                assert hasattr(test_class, method), f"CPython's {name} has no {method}: take it off the list"
                setattr(test_class, method, None)
        return test_class

    return decorate


@without_left_out("BasicTestMappingProtocol")
class TestDictBasicMapping(mapping_tests.BasicTestMappingProtocol):
    type2test = TemporaryDict


@without_left_out("TestMappingProtocol")
class TestDictMapping(mapping_tests.TestMappingProtocol):
    type2test = TemporaryDict


@without_left_out("TestHashMappingProtocol")
class TestDictHashMapping(mapping_tests.TestHashMappingProtocol):
    type2test = TemporaryDict


@without_left_out("seq_tests.CommonTest")
class TestListSequence(seq_tests.CommonTest):
    type2test = TemporaryList


@without_left_out("list_tests.CommonTest")
class TestListList(list_tests.CommonTest):
    type2test = TemporaryList


class TestDictWriteback(mapping_tests.BasicTestMappingProtocol):
    """With writeback=True the method left out of TestMappingProtocol for identity passes as well."""

    type2test = WritebackDict
    test_setdefault_of_mutable = mapping_tests.TestMappingProtocol.test_setdefault


def _tables():
    """The rows of the tables of docs/compatibility.md that begin with a name in backquotes."""
    rows = []
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `"):
            rows.append(cells)
    return rows


def test_document_lists_what_is_left_out():
    documented = {
        (cells[0].strip("`"), cells[1].strip("`")): cells[2] for cells in _tables() if len(cells) == 4
    }
    assert documented == LEFT_OUT
    assert len(LEFT_OUT) <= 14


def test_document_lists_what_is_adapted():
    documented = {cells[0].strip("`") for cells in _tables() if len(cells) == 2}
    assert documented == ADAPTED


# What Python puts into every class by itself, and the constructor.
OF_EVERY_CLASS = {"__abstractmethods__", "_abc_impl", "__init__", *vars(type("Empty", (), {"__slots__": ()}))}
OF_EVERY_CLASS |= {"__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__parameters__"}


@pytest.mark.parametrize("adapter", [TemporaryDict, TemporaryList, WritebackDict])
def test_adapters_override_nothing_else(adapter):
    """What an adapter defines, beyond its construction, is in the table: nothing is quietly mended."""
    assert set(vars(adapter)) - OF_EVERY_CLASS <= ADAPTED
