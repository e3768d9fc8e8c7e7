"""The registry of kinds: it fits the classes, the names of the package, and what stores say."""

import inspect

import pytest

import pyrsistence as em
from pyrsistence._stores.kinds import KINDS, kind_of

# Made as members of a Store, by its methods.
MAKERS = {
    "dict": lambda store: store.dict("m"),
    "typed dict": lambda store: store.dict("m", key="u8", value="u8"),
    "list": lambda store: store.list("m"),
    "set": lambda store: store.set("m"),
    "typed set": lambda store: store.set("m", dtype="u8"),
    "deque": lambda store: store.deque("m"),
    "array": lambda store: store.array("m"),
    "shadow memory": lambda store: store.shadow_memory("m", [(0, 9)]),
    "graph": lambda store: store.graph("m"),
}


def test_every_kind_is_tested():
    assert MAKERS.keys() == KINDS.keys()


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param == "graph":
        pytest.importorskip("networkx")
    return KINDS[request.param]


def test_a_kind_is_what_its_class_says(kind):
    assert kind.cls._kind_name == kind.name
    assert kind.called and (kind.items is None) == bool(kind.instead)


def test_a_member_is_of_its_kind(kind, path):
    with em.Store(path) as store:
        made = MAKERS[kind.name](store)
        assert store.members() == {"m": kind.name}
        assert kind_of(made) is kind
        assert kind.shown_as(getattr(made, "_storage", made)) is made
        assert type(made).__module__ == "pyrsistence" and getattr(em, type(made).__name__) is type(made)
        if kind.items is not None:
            assert list(kind.items.pairs(made)) == []
    with em.Store(path, mode="r") as store:
        assert type(store._existing("m")) is type(made)


def test_open_finds_a_single_one_of_each_kind(kind, path):
    with em.Store(None) as store:
        cls = type(MAKERS[kind.name](store))
    needed = {"typed dict": {"key": "u8", "value": "u8"}, "typed set": {"dtype": "u8"}}.get(kind.name, {})
    cls(path, **needed).close()
    opener = r"open\(\)" if kind.name == "graph" else cls.__name__
    with em.open(path, mode="r", pickle=False) as found:
        assert type(found) is cls and kind_of(found) is kind
    with pytest.raises(em.FormatError, match=f"single {kind.name}: open it with {opener}$"):
        em.Store(path)


def test_public_names_are_those_of_the_package():
    """So say repr(), errors and pickles, wherever the classes lie."""
    graphs = ["EMGraph", "EMDiGraph", "EMMultiGraph", "EMMultiDiGraph"]
    try:
        import networkx  # noqa: F401
    except ImportError:
        graphs = []
    for name in [*em.__all__, *graphs]:
        thing = getattr(em, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert (thing.__module__, thing.__qualname__) == ("pyrsistence", name)


def test_networkx_is_imported_when_it_is_wanted(run_python, path):
    em.Store(path).close()
    run_python(
        "import sys, pyrsistence as em\n"
        "with em.Store(sys.argv[1]) as store:\n"
        "    store.dict('d')[1] = 2; store.array('a'); list(store.members())\n"
        "with em.EMList() as items: items.append(1)\n"
        "assert not {'networkx', 'numpy', 'inspect', 'pyrsistence._graphs.storage'} & set(sys.modules)",
        path,
    )


def test_kinds_of_later_versions(path, monkeypatch):
    path.mkdir()
    with em.Store(path / "s") as store, em.EMList(path / "l"):
        store.list("lines")
        store.dict("names")
    monkeypatch.delitem(KINDS, "list")
    with pytest.raises(em.FormatError, match="a list: it was made by a later version"):
        em.open(path / "l")
    with em.open(path / "s") as store:
        assert store.members() == {"lines": "list", "names": "dict"}
        assert store._existing("names") == {}
        with pytest.raises(em.FormatError, match="a list: it was made by a later version"):
            store._existing("lines")
