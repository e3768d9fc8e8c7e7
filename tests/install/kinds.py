"""Read what kinds.cpp has written, or write the same: ``kinds.py read STORE``, ``kinds.py write STORE``."""

import sys

import numpy as np

import pyrsistence as em

POINT = [("x", "f8"), ("y", "f8")]
ELEMENTS = [None, True, 5, 1 << 60, -0.5, b"bytes", "text"]


def write(store):
    store.dict("dict").update({b"bytes": b"\0\1", "text": "täxt", "tuple": (1, 2)})
    store.set("set").add(b"element")
    store.list("list").extend(ELEMENTS)
    store.deque("deque", maxlen=2).extend([b"first", b"a longer one", b"last"])
    store.array("points", POINT).extend(np.array([(1, 2)], POINT))
    store.dict("typed", key="f8", value=POINT)[0.0] = (3, 4)
    graph = store.digraph("graph")
    graph.add_edge(b"a", b"b", data=b"of both")
    graph.add_node(b"a", data=b"of a")
    shadow = store.shadow_memory("shadow", [(0x1000, 0x2000)], width=2)
    shadow.mark(0x1100, 0x100, 0x101)


def read(store):
    assert dict(store.dict("dict")) == {b"bytes": b"\0\1", "text": "täxt"}
    assert set(store.set("set")) == {b"element"}
    assert list(store.list("list")) == ELEMENTS
    assert list(store.deque("deque", maxlen=2)) == [b"a longer one", b"last"]
    assert [tuple(point) for point in store.array("points")] == [(1, 2)]
    assert tuple(store.dict("typed", key="f8", value=POINT)[0.0]) == (3, 4)
    graph = store.digraph("graph")
    assert list(graph.edges(data=True)) == [(b"a", b"b", {"data": b"of both"})]
    assert dict(graph.nodes[b"a"]) == {"data": b"of a"}
    assert store.shadow_memory("shadow").count(0x1000, 0x1000, 0x101) == 0x100
    assert store.verify() == []


with em.Store(sys.argv[2], mode="r" if sys.argv[1] == "read" else "a") as opened:
    (read if sys.argv[1] == "read" else write)(opened)
