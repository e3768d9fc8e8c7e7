"""Each public method has a docstring: a sentence, its cost, examples that hold. README's hold as well."""

import doctest
import inspect
import pathlib
import re

import pytest

import pyrsistence

REPOSITORY = pathlib.Path(__file__).parents[3]
CLASSES = [
    pyrsistence.EMArray,
    pyrsistence.EMDeque,
    pyrsistence.EMDiGraph,
    pyrsistence.EMDict,
    pyrsistence.EMGraph,
    pyrsistence.EMList,
    pyrsistence.EMSet,
    pyrsistence.EMShadowMemory,
    pyrsistence.EMMultiDiGraph,
    pyrsistence.EMMultiGraph,
    pyrsistence.EMTypedDict,
    pyrsistence.EMTypedSet,
    pyrsistence.Store,
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_members(cls):
    """(name, member) of what a class and its bases in the package define: no underscores, no constants."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        if (
            not name.startswith("_")
            and not isinstance(member, int)
            and any(name in vars(base) for base in cls.__mro__ if base.__module__.startswith("pyrsistence"))
        ):
            yield name, member


MEMBERS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}") for cls in CLASSES for name, _ in public_members(cls)
]


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """Examples name their stores without a folder, and may look at the command line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["example.py"])


def run_examples(text, name):
    names = {
        "pyrsistence": pyrsistence,
        "em": pyrsistence,
        **{n: getattr(pyrsistence, n) for n in dir(pyrsistence) if not n.startswith("_")},
    }
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said = []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    return len(test.examples)


@pytest.mark.parametrize(("cls", "name"), MEMBERS)
def test_docstring(cls, name, in_tmp):
    text = inspect.getdoc(getattr(cls, name))
    assert text, f"{cls.__name__}.{name} has no docstring"
    first = text.split("\n\n")[0]
    assert first.rstrip().endswith("."), f"not a sentence: {first!r}"
    if callable(getattr(cls, name)):
        assert re.search(r"\*\*Cost\*\*|Cost:", text), f"{cls.__name__}.{name} does not tell its cost"
    run_examples(text, f"{cls.__name__}.{name}")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_class_has_examples(cls, in_tmp):
    assert run_examples(inspect.getdoc(cls), cls.__name__) > 0


def test_module(in_tmp):
    run_examples(inspect.getdoc(pyrsistence), "pyrsistence")
    for name in pyrsistence.__all__:
        assert inspect.getdoc(getattr(pyrsistence, name)), f"pyrsistence.{name} has no docstring"


@pytest.mark.parametrize("name", ["README.md", "docs/keys.md"])
def test_document(name, in_tmp):
    """Examples with >>> are run as doctests; README's other blocks marked `python` must at least run."""
    text = (REPOSITORY / name).read_text()
    examples = run_examples(re.sub(r"^```.*$", "", text, flags=re.MULTILINE), name)
    if name == "README.md":
        names = {"__name__": "example", "em": pyrsistence}  # one for all blocks: they read on
        for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            if ">>>" not in block:
                exec(compile(block, name, "exec"), names)
                examples += 1
        assert examples > 0
