"""Containers of every kind, alone and as members, empty and full, under names that a terminal would obey."""

import contextlib
import datetime
import io
import json
import sys
import uuid
import zoneinfo

import numpy
import pytest

import pyrsistence as em
from pyrsistence import _cli

# An escape sequence, a letter that ASCII lacks, a mark that turns the text around.
HOSTILE = "é\x1b]0;title\x07\u202e"
PAIR = numpy.dtype([("a", "i4"), ("b", "S3")])


class Foreign:
    """Has no form as JSON; equal to any other."""

    def __eq__(self, other):
        return isinstance(other, Foreign)

    __hash__ = None


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def containing_itself():
    value = []
    value.append(value)
    return value


def shared(times):
    value = ["x"]
    for _ in range(times):
        value = [value, value]
    return value


# What has a form as JSON, and what has none.
PLAIN = [
    *(1, -(2**70), 1.5, float("nan"), None, True, b"\xff", "text", HOSTILE, "\udcff", (1, [2]), {3: {"x"}}),
    *(datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), zoneinfo.ZoneInfo("UTC")),
    *(uuid.UUID(int=5), [numpy.arange(3), numpy.arange(9)[::2]], {"a": numpy.float32(1)}, numpy.arange(3)),
    *([numpy.zeros(2, PAIR), numpy.datetime64("NaT")], nested(200), {1: {2: uuid.UUID(int=6)}}, shared(3)),
]
ELEMENTS = [
    *(1, -(2**70), 1.5, None, b"\xff", "text", HOSTILE, "\udcff", (1, (2,)), frozenset([1])),
    *(datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), uuid.UUID(int=5)),
    numpy.dtype("f8"),
]
PICKLED = [Foreign(), nested(201), containing_itself(), shared(40), [slice(1)], numpy.dtype("f8")]


def fill_dict(d):
    d.update(enumerate(PLAIN))
    d.update({HOSTILE: HOSTILE, "\udcff": 1, (1, "a"): 2, "self": 3, frozenset([1]): 4, 1.5: 5})
    d.update({f"p{n}": value for n, value in enumerate(PICKLED)})


def fill_list(found):
    found.extend([*PLAIN, *PICKLED])


def fill_set(found):
    found.update(ELEMENTS)


def fill_graph(graph):
    graph.add_edge(HOSTILE, ("\udcff", 1), w=1.5)
    graph.add_node(1)


def fill_shadow(shadow):
    shadow.add_ranges([(16, 32)])


def of_array(dtype, *values, **options):
    def fill(array):
        array.extend(numpy.array(list(values), dtype))

    return (
        lambda path: em.EMArray(path, dtype=dtype, **options),
        lambda store, name: store.array(name, dtype, **options),
        fill,
        "list",
    )


def of_typed(key, value, keys, values):
    return (
        lambda path: em.EMDict(path, key=key, value=value),
        lambda store, name: store.dict(name, key=key, value=value),
        lambda d: d.set_many(numpy.array(keys, key), numpy.array(values, value)),
        "dict",
    )


def of_typed_set(dtype, *elements):
    return (
        lambda path: em.EMSet(path, dtype=dtype),
        lambda store, name: store.set(name, dtype=dtype),
        lambda s: s.add_many(numpy.array(elements, dtype).reshape(-1)),
        "set",
    )


def of_graph(cls, method, **options):
    return (
        lambda path: getattr(em, cls)(path, **options),
        lambda store, name: getattr(store, method)(name, **options),
        fill_graph,
        None,
    )


TIMES = ["2026-01-02T03:04:05", "NaT"]
# By name: how to open it alone, as a member, how to fill it, and what its items are to the command.
KINDS = {
    "dict": (em.EMDict, lambda store, name: store.dict(name), fill_dict, "dict"),
    "list": (em.EMList, lambda store, name: store.list(name), fill_list, "list"),
    "set": (em.EMSet, lambda store, name: store.set(name), fill_set, "set"),
    "set of u8": of_typed_set("u8", [1, 2**63]),
    "set of texts": of_typed_set("U6", HOSTILE[:6]),
    "set of times": of_typed_set("M8[s]", TIMES),
    "deque": (em.EMDeque, lambda store, name: store.deque(name), fill_list, "list"),
    "bounded deque": (
        lambda path, **options: em.EMDeque(path, maxlen=7, **options),
        lambda store, name: store.deque(name, maxlen=7),
        lambda found: found.extend(PLAIN),
        "list",
    ),
    "array of i8": of_array("i8", 1, -(2**60)),
    "array of f4": of_array("f4", 0.5, numpy.nan),
    "array of blocks": of_array("u2", [1, 2], [3, 4], shape_tail=(2,)),
    "array of times": of_array("M8[s]", *TIMES),
    "array of spans": of_array("m8[ns]", 5, "NaT"),
    "array of bytes": of_array("S4", b"a\xff", b""),
    "array of texts": of_array("U6", HOSTILE[:6], "\udcff"),
    "array of structures": of_array(PAIR, (1, b"x"), (-1, b"")),
    "typed u8 f8": of_typed("u8", "f8", [1, 2**63], [0.5, numpy.inf]),
    "typed bytes texts": of_typed("S4", "U6", [b"a\xff", b""], [HOSTILE[:6], "\udcff"]),
    "typed times structures": of_typed("M8[s]", PAIR, TIMES, [(1, b"x"), (2, b"y")]),
    "typed structures spans": of_typed(PAIR, "m8[ns]", [(1, b"x"), (2, b"y")], [5, "NaT"]),
    "typed f2 bool": of_typed("f2", "?", [0.5, numpy.nan], [True, False]),
    "graph": of_graph("EMGraph", "graph"),
    "digraph": of_graph("EMDiGraph", "digraph"),
    "multigraph": of_graph("EMMultiGraph", "multigraph"),
    "multidigraph": of_graph("EMMultiDiGraph", "multidigraph"),
    "graph with typed edges": of_graph("EMGraph", "graph", edge_dtype=[("w", "f8")]),
    "shadow memory": (
        em.EMShadowMemory,
        lambda store, name: store.shadow_memory(name),
        fill_shadow,
        None,
    ),
}


class Made:
    """A container on disk, and the arguments by which the command finds it."""

    def __init__(self, path, kind, place, full):
        self.kind = kind
        self.alone, self.as_member, fill, self.items = KINDS[kind]
        self.full = full
        self.path = path / f"store {HOSTILE}"
        self.member = f"member {HOSTILE}" if place == "member" else None
        with self.opened(self.path) as found:
            if full:
                fill(found)
        self.has_pickles = full and kind in ("dict", "list", "set", "deque")

    @contextlib.contextmanager
    def opened(self, path, **options):
        if self.member is None:
            with self.alone(path, **options) as found:
                yield found
        else:
            with em.Store(path, **options) as store:
                yield self.as_member(store, self.member)

    @property
    def chosen(self):
        return [] if self.member is None else ["--member", self.member]


# One of each: these in all combinations, the others empty alone and full as members.
REPRESENTATIVE = (
    "dict",
    "list",
    "set",
    "deque",
    "array of i8",
    "typed u8 f8",
    "graph",
    "graph with typed edges",
    "shadow memory",
)


def combinations():
    """(kind, place, full) of all that is tried, with readable names."""
    for kind in KINDS:
        for place, full in (("alone", False), ("member", True), ("alone", True), ("member", False)):
            if kind in REPRESENTATIVE or full == (place == "member"):
                name = f"{kind}-{place}-{'full' if full else 'empty'}"
                yield pytest.param((kind, place, full), id=name)


@pytest.fixture(params=combinations())
def made(request, tmp_path):
    return Made(tmp_path, *request.param)


class Output:
    """What a command returned and wrote."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


OWN = object()


def run_here(monkeypatch, *arguments, stdin=b"", encoding="utf-8", stdout=OWN):
    """The command in this process, with streams of its own, which have this encoding."""
    out = io.BytesIO()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin)),
        "stdout": io.TextIOWrapper(out, encoding=encoding) if stdout is OWN else stdout,
        "stderr": io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace"),
    }
    with monkeypatch.context() as patched:
        for name, stream in streams.items():
            patched.setattr(sys, name, stream)
        try:
            status = _cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        sys.stderr.flush()
        if stdout is OWN:
            sys.stdout.flush()
        err = sys.stderr.buffer.getvalue().decode(encoding)
    return Output(status, out.getvalue(), err)


def require_sound(done, expected, what):
    """Its status is as documented, errors are a line, and nothing is printed that a terminal obeys."""
    allowed = expected if isinstance(expected, tuple) else (expected,)
    assert done.status in allowed, f"{what}: {done.status}, expected {expected}\n{done.out[:500]}\n{done.err}"
    assert "Traceback" not in done.err
    assert done.err.replace("\n", "").isprintable(), f"{what}: {done.err!r}"
    if done.status not in (0, 141):  # what becomes of the output is no news to who went away
        assert done.err.count("\n") == 1, f"{what}: {done.err!r}"
        assert done.err.startswith("pyrsistence: ")


def require_text(out, encoding, what):
    text = out.decode(encoding)
    assert text.replace("\n", "").replace("\t", "").isprintable(), f"{what}: {text!r}"


def require_json(out, what):
    for line in out.decode("utf-8").splitlines():
        json.loads(line)
        assert line.isprintable(), f"{what}: {line!r}"
