"""The options that constructors share: told once, and shown by each of them."""

import inspect
import typing

import pytest

import pyrsistence as em
from pyrsistence._base.options import (
    CODEC_OPTIONS,
    OPENING_DOCUMENTATION,
    OPENING_NAMES,
    Opening,
    OpeningOptions,
    codec,
)

CLASSES = [
    em.EMArray,
    em.EMDeque,
    em.EMDict,
    em.EMList,
    em.EMSet,
    em.EMShadowMemory,
    em.EMTypedDict,
    em.EMTypedSet,
]
TAKING = [cls.__init__ for cls in [*CLASSES, em.Store]] + [cls.open for cls in CLASSES]
NAMES = [function.__qualname__ for function in TAKING]
DEFAULTS = {name: Opening._field_defaults[name] for name in OPENING_NAMES}


def shown(function):
    return inspect.signature(function).parameters


def test_type_checkers_see_what_is_there():
    told, taken = typing.get_type_hints(OpeningOptions), typing.get_type_hints(Opening)
    del taken["path"]
    assert told == taken and tuple(taken) == OPENING_NAMES


@pytest.mark.parametrize("function", TAKING, ids=NAMES)
def test_signatures_show_the_options(function):
    found = shown(function)
    assert "opening" not in found
    for name, default in DEFAULTS.items():
        assert found[name].default == default and found[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert typing.get_type_hints(function)["snapshot_timeout"] is float
    assert typing.get_type_hints(function)["path"] is typing.Any
    assert function.__module__.startswith("pyrsistence.") and function.__doc__


def test_constructors_tell_of_them():
    for cls in [*CLASSES, em.Store]:
        assert cls.__init__.__doc__ == OPENING_DOCUMENTATION


def test_open_shows_them():
    assert {name: shown(em.open)[name].default for name in DEFAULTS} == DEFAULTS


def test_the_dict_tells_of_them():
    """Where users look first; and word by word as the constructors do."""
    told = " ".join(em.EMDict.__doc__.split())
    for paragraph in OPENING_DOCUMENTATION.split("\n\n"):
        assert " ".join(paragraph.split()) in told
    assert all(f"``{name}``" in told for name in DEFAULTS if name != "mode")


@pytest.mark.parametrize("cls", [*CLASSES, em.Store])
def test_other_options_are_refused(cls, path):
    refused = r"^\w+\.(__init__|open)\(\) got an unexpected keyword argument 'nonsense'"
    needed = {em.EMTypedDict: {"key": "u8", "value": "u8"}, em.EMTypedSet: {"dtype": "u8"}}.get(cls, {})
    with pytest.raises(TypeError, match=refused):
        cls(path, nonsense=1, **needed)
    assert not path.exists()
    with cls(path, **needed) as made:
        pass
    if cls is not em.Store:
        with pytest.raises(TypeError, match=refused):
            made.open(path, nonsense=1)
        assert made.closed


def test_options_are_taken_from_among_others():
    pytest.importorskip("networkx")
    named = {"mode": "r", "name": "a graph", "timeout": 2.0}
    assert Opening.taken_from("p", named) == Opening("p", mode="r", timeout=2.0)
    assert named == {"name": "a graph"}
    with em.EMGraph(None, commit_interval=None, name="a graph") as graph:
        assert graph.graph == {"name": "a graph"}


def test_codecs_are_what_was_asked_for():
    made = codec(pickle=0, writeback=[], cache=3)
    assert made == (None, None, False, None, False, 3)
    assert made.options("pickle", "cache") == {"pickle": False, "cache": 3}
    assert CODEC_OPTIONS | {"key"} == set(made._fields) == set(inspect.signature(codec).parameters)
    with pytest.raises(AttributeError):
        made.cache = 4


@pytest.mark.parametrize("change", [{}, {"pickle": False}, {"cache": 5}, {"writeback": True}])
def test_codecs_outlive_closing(change, path):
    for cls in (em.EMDict, em.EMList):
        with cls(None, **change) as made:
            before = made._codec
        made.open(None)
        assert made._codec == before == codec(**change)
        made.close()
