"""CPython's own tests of dict, list, set and deque, run on EMDict, EMList, EMSet and EMDeque.

The classes of `test.mapping_tests`, `test.list_tests` and `test.seq_tests` construct `type2test(data)`
and expect copies to be of the same type; those of `test.test_set` and `test.test_deque` say `set` and
`deque`, which are other classes in the copies of these modules here. The adapters below bridge that and
nothing else; docs/compatibility.md lists what they do (ADAPTED) and which methods are left out (LEFT_OUT),
and a test compares both with the tables there.
"""

import importlib.util
import pathlib
import pickle
import reprlib
import sys
import unittest

import pytest
from test import list_tests, mapping_tests, seq_tests, test_deque, test_set

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


ALGEBRA = [
    "copy",
    "union",
    "intersection",
    "difference",
    "symmetric_difference",
    *(f"__{side}{name}__" for name in ("or", "and", "sub", "xor") for side in ("", "r")),
]


def of_own_type(name):
    """The method of EMSet, with an EMSet like this one for the builtin set that it gives."""
    method = getattr(pyrsistence.EMSet, name)

    def call(self, *arguments):
        result = method(self, *arguments)
        own_type = KeyedSet if isinstance(self, KeyedSet) else TemporarySet
        return own_type(result) if type(result) is set else result

    return call


class TemporarySet(pyrsistence.EMSet):
    """EMSet with the signature of set: temporary, first argument the data."""

    __slots__ = ()

    def __init__(self, data=(), /):
        super().__init__(None, pickler=PROCESS_PICKLER, unpickler=PROCESS_PICKLER)
        self.update(data)

    def __repr__(self):
        return super().__repr__().partition("(")[2].rpartition(", path=")[0]

    locals().update((name, of_own_type(name)) for name in ALGEBRA)


class LocalObjects:
    """Elements of classes local to a test, by their identity: a table of this process."""

    objects: dict = {}  # noqa: RUF012  # one table for the process

    @classmethod
    def form(cls, element):
        if "<locals>" not in type(element).__qualname__:
            return element
        cls.objects[id(element)] = element
        return "local", id(element)

    @classmethod
    def element(cls, form):
        return cls.objects[form[1]] if isinstance(form, tuple) and form[0] == "local" else form


class KeyedSet(TemporarySet):
    """The same with key=, which elements of local classes need."""

    __slots__ = ()

    def __init__(self, data=(), /):
        pyrsistence.EMSet.__init__(self, None, key=LOCAL_KEY_FUNCTIONS)
        self.update(data)


LOCAL_KEY_FUNCTIONS = (LocalObjects.form, LocalObjects.element)


class OwnObjects:
    """A pickler of one container that keeps what is no plain value: it stays the object that it was."""

    def __init__(self):
        self.objects = []

    def pickle(self, value):
        self.objects.append(value)
        return b"%d" % (len(self.objects) - 1)

    def unpickle(self, data):
        return self.objects[int(bytes(data))]


class TemporaryDeque(pyrsistence.EMDeque):
    """EMDeque with the signature of deque: temporary, the data and maxlen."""

    __slots__ = ()

    def __init__(self, iterable=(), maxlen=None):
        objects = OwnObjects()
        super().__init__(None, maxlen=maxlen, pickler=objects, unpickler=objects)
        self.extend(iterable)

    @reprlib.recursive_repr("[...]")
    def __repr__(self):
        return f"deque({list(self)}" + (")" if self.maxlen is None else f", maxlen={self.maxlen})")


# What the adapters do; the second table of docs/compatibility.md.
ADAPTED = {
    "type2test",
    "copy",
    "fromkeys",
    "pickler",
    "set",
    "deque",
    "union",
    "__repr__",
    "key",
}

IDENTITY = "identity"
SELF = "a container inside itself"
LOCAL_KEY = "keys of a class local to a function"
PLACE = "pickled as its place"
BYTES = "equality of bytes"
HASHED = "a hash of its own"
CHANGED = "iterators notice every change"
RESULTS = "results are builtins"
INSIDE = "the inside of deque"

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
LEFT_OUT_OF_SET = {
    ("TestJointOps", "test_badcmp"): BYTES,
    ("TestJointOps", "test_container_iterator"): LOCAL_KEY,
    ("TestJointOps", "test_cyclical_repr"): SELF,
    ("TestJointOps", "test_do_not_rehash_dict_keys"): HASHED,
    ("TestCopying", "test_copy"): IDENTITY,
    ("TestWeirdBugs", "test_iter_and_mutate"): CHANGED,
}
LEFT_OUT_OF_DEQUE = {
    ("TestBasic", "test_copy"): IDENTITY,
    ("TestBasic", "test_deepcopy"): IDENTITY,
    ("TestBasic", "test_pickle"): PLACE,
    ("TestBasic", "test_pickle_recursive"): PLACE,
    ("TestBasic", "test_iterator_pickle"): PLACE,
    ("TestBasic", "test_reversed_new"): INSIDE,
    ("TestBasic", "test_sizeof"): INSIDE,
    ("TestSubclass", "test_copy_pickle"): PLACE,
    ("TestSubclass", "test_pickle_recursive"): PLACE,
    ("TestSubclass", "test_bug_31608"): RESULTS,
    ("TestSequence", "test_pickle"): PLACE,
}
# Methods, or all of a class's, that run on a KeyedSet alone, for their elements of local classes.
OF_LOCAL_CLASSES = {
    ("TestJointOps", "test_deepcopy"),
    ("TestJointOps", "test_gc"),
    ("TestJointOps", "test_subclass_with_custom_hash"),
    ("TestOperationsMutating", ""),
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


def cpythons_tests_of_set(replaced, name):
    """A copy of the module test.test_set, in which `set` is another class."""
    spec = importlib.util.spec_from_file_location(name, test_set.__file__)
    module = importlib.util.module_from_spec(spec)
    module.set = replaced
    sys.modules[name] = module  # where instances of its classes are unpickled
    spec.loader.exec_module(module)
    leave_out(module, LEFT_OUT_OF_SET)
    return module


def leave_out(module, methods):
    for owner, method in methods:
        assert hasattr(getattr(module, owner), method), f"CPython's {owner} has no {method}: take it off"
        setattr(getattr(module, owner), method, None)


def add_tests_of_deque(replaced, name):
    """Give this module the test classes of a copy of test.test_deque, in which `deque` is another class."""
    spec = importlib.util.spec_from_file_location(name, test_deque.__file__)
    module = importlib.util.module_from_spec(spec)
    own_import = "from collections import deque\n"
    source = pathlib.Path(test_deque.__file__).read_text()
    assert source.startswith(own_import)
    module.deque = replaced
    sys.modules[name] = module  # where instances of its classes are unpickled
    exec(compile(source[len(own_import) :], test_deque.__file__, "exec"), vars(module))
    leave_out(module, LEFT_OUT_OF_DEQUE)
    for owner, test_class in list(vars(module).items()):
        if isinstance(test_class, type) and issubclass(test_class, unittest.TestCase):
            globals()[f"{owner}OnDeque"] = type(owner, (test_class,), {"__module__": __name__})


def of_local_classes(module, test_class):
    """The methods of a test class of that module that need a KeyedSet."""
    owned = [method for owner, method in OF_LOCAL_CLASSES if issubclass(test_class, getattr(module, owner))]
    return {name for name in dir(test_class) if name.startswith("test_") and ("" in owned or name in owned)}


def add_tests_of_set(replaced, keyed):
    """Give this module the test classes of set: without, or only with those that need a KeyedSet."""
    module = cpythons_tests_of_set(replaced, f"test_set_of_{replaced.__name__}")
    for name, test_class in list(vars(module).items()):
        if not (isinstance(test_class, type) and issubclass(test_class, unittest.TestCase)):
            continue
        if issubclass(getattr(test_class, "thetype", object), frozenset):
            continue
        needy = of_local_classes(module, test_class)
        unwanted = {name for name in dir(test_class) if name.startswith("test_") and (name in needy) != keyed}
        globals()[f"{name}On{replaced.__name__}"] = type(
            name, (test_class,), dict.fromkeys(unwanted) | {"__module__": __name__}
        )


add_tests_of_set(TemporarySet, False)
add_tests_of_set(KeyedSet, True)
add_tests_of_deque(TemporaryDeque, "test_deque_of_ours")


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
    assert documented == {**LEFT_OUT, **LEFT_OUT_OF_SET, **LEFT_OUT_OF_DEQUE}
    assert len(LEFT_OUT) <= 14
    assert len(LEFT_OUT_OF_SET) <= 8
    assert len(LEFT_OUT_OF_DEQUE) <= 12


def test_document_lists_what_is_adapted():
    documented = {cells[0].strip("`") for cells in _tables() if len(cells) == 2}
    assert documented == ADAPTED


# What Python puts into every class by itself, and the constructor.
OF_EVERY_CLASS = {"__abstractmethods__", "_abc_impl", "__init__", *vars(type("Empty", (), {"__slots__": ()}))}
OF_EVERY_CLASS |= {"__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__parameters__"}


@pytest.mark.parametrize(
    "adapter", [TemporaryDict, TemporaryList, WritebackDict, TemporarySet, KeyedSet, TemporaryDeque]
)
def test_adapters_override_nothing_else(adapter):
    """What an adapter defines, beyond its construction, is in the table: nothing is quietly mended."""
    of_the_algebra = set(ALGEBRA) if issubclass(adapter, TemporarySet) else set()  # the row of union
    assert set(vars(adapter)) - OF_EVERY_CLASS <= ADAPTED | of_the_algebra
