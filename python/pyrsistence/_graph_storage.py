"""GraphStorage: what the graph classes keep nodes, edges and attributes in. It knows nothing of NetworkX."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any

from . import _container, _core
from ._graph_attributes import Attributes, Live, ParallelEdges, Place, is_fixed
from ._graph_typed import EdgeType, TypedAttributes, edge_type

# Attribute dicts with values that can be changed in place, kept until a commit; beyond so many, the oldest
# are written and let go.
_MOST_KEPT = 4096


class GraphStorage(_core.GraphBase, _container.Container):
    """A graph in a store. Its methods take nodes as they are; edges as pairs, from source to target."""

    __slots__ = (
        "_directed",
        "_edge_type",
        "_edges",
        "_facade",
        "_handle",
        "_kept",
        "_late",
        "_layout",
        "_making",
        "_mode",
        "_multi",
        "_name",
        "_nodes",
        "_options",
        "_own",
        "_owner",
        "_removed",
        "_seen",
        "_wanted",
    )

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, directed: bool = False, multi: bool = False, said: bool = False, **codec: Any) -> None:
        self._set_options(directed=directed, multi=multi, said=said, **codec)

    def _set_options(  # type: ignore[override]
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        directed: bool = False,
        multi: bool = False,
        said: bool = False,
        edge_dtype: Any = None,
        cache: int = 0,
    ) -> None:
        if edge_dtype is not None and multi:
            raise TypeError(
                "edges that may be parallel have no type: edge_dtype= is of EMGraph and EMDiGraph"
            )
        self._configure(pickler, unpickler, pickle, key, False, _container.DEFAULT_LAYOUT, 0)
        # What was asked for, and then what the files say.
        self._edge_type: EdgeType | None = None if edge_dtype is None else edge_type(edge_dtype)
        self._wanted = (directed, multi, said)
        self._late: Any = None
        # Held by who makes what exists once: two threads may want the same.
        self._making = threading.RLock()
        # Of a reader: the state that the live dicts show.
        self._seen = 0
        self._facade: Any = None
        self._own: Attributes | None = None
        self._nodes: weakref.WeakValueDictionary[int, Attributes] = weakref.WeakValueDictionary()
        self._edges: weakref.WeakValueDictionary[int, Live] = weakref.WeakValueDictionary()
        self._kept: dict[int, Live] = {}
        self._removed: tuple[Any, Any, bool] | None = None

    def _option_names(self) -> dict[str, Any]:
        pickler, unpickler, pickle, key, _, _ = self._options
        return {"pickler": pickler, "unpickler": unpickler, "pickle": pickle, "key": key}

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        wanted = self._edge_type
        layout = (0, "") if wanted is None else (wanted.size, wanted.text)
        _core.attach_graph(self, handle, name, self._options, *self._wanted, *layout)
        self._directed, self._multi = self._kind()
        size, text = self._edge_layout()
        if size and wanted is None:
            try:
                self._edge_type = EdgeType(text, size, handle.path)
            except BaseException:
                _core.detach(self)
                raise

    def _require_edge_type(self, dtype: Any) -> None:
        """Raise FormatError unless this type, if any, is that of the edges."""
        if dtype is not None and edge_type(dtype) != self._edge_type:
            found = "none" if self._edge_type is None else self._edge_type.text
            raise _core.FormatError(
                f"expected edges of the type {edge_type(dtype).text}, found {found}: "
                "open it without edge_dtype="
            )

    def _open_late(self) -> None:
        """Called by whatever finds it closed: a temporary graph is made when it is first used."""
        with self._making:
            if self._late is not None:
                self._open_alone(*self._late)
                self._late = None

    def copy(self) -> Any:
        """Not of a storage: its graph has it."""
        raise TypeError("a mapping of a graph cannot be part of a value that is stored: make it a dict")

    def close(self) -> None:
        """Write what was changed in place; commit and close."""
        self._late = None
        if _core.attached(self) and self._handle is not None and not self._handle.lost:
            with contextlib.suppress(RuntimeError):
                self._flush()
        super().close()

    # ---- Live attributes

    def _graph_attributes(self) -> Attributes:
        live = self._own
        if live is None:
            live = self._own = Attributes(self)
            if self._late is None:  # else there are none yet
                self._show(live, self._value())
        elif self._mode == "r":
            self._show(live, self._value())
        return live

    def _node_attributes(self, node: Any) -> Attributes:
        place = self._vertex_place(node)
        live = None if place is None or self._mode == "r" else self._nodes.get(place)
        if live is None:
            with self._making:
                self._follow()
                place = self._vertex_place(node)
                if place is None:
                    raise KeyError(node)
                live = self._nodes.get(place)
                if live is None:
                    live = Attributes(self, (node,))
                    self._show(live, self._vertex_value(node))
                    self._nodes[place] = live
        return live

    def _edge_attributes(self, u: Any, v: Any) -> Any:
        """The attributes of an edge, or of all parallel ones by their keys; None if there is none."""
        place = self._edge_place(u, v)
        if place is None:
            return None
        live = None if self._mode == "r" else self._edges.get(place)
        if live is None:
            with self._making:
                self._follow()
                place = self._edge_place(u, v)
                if place is None:
                    return None
                live = self._edges.get(place)
                if live is None:
                    live = self._kind_of_edges()(self, (u, v))
                    self._show(live, self._edge_content(u, v))
                    self._edges[place] = live
        return live

    def _edges_of(self, node: Any, edges: list[tuple[Any, int, Any]], forward: bool) -> list[tuple[Any, Any]]:
        """The other ends of edges, and their attributes, from what is stored of each."""
        found = []
        known = {} if self._mode == "r" else self._edges  # a writer may have given nodes other numbers
        with self._making:
            for other, place, content in edges:
                live = known.get(place)
                if live is None:
                    live = self._kind_of_edges()(self, (node, other) if forward else (other, node))
                    self._show(live, content if self._edge_type is None else self._edge_type.unpack(content))
                    known[place] = live
                found.append((other, live))
        return found

    def _follow(self) -> None:
        """Of a reader: show what a writer has committed since."""
        if self._mode == "r" and self._seen != (changes := self._changes()):
            self._seen = changes
            self._forget()

    def _kind_of_edges(self) -> type[Live]:
        if self._edge_type is not None:
            return TypedAttributes
        return ParallelEdges if self._multi else Attributes

    def _edge_content(self, u: Any, v: Any) -> Any:
        if self._edge_type is not None:
            return self._edge_type.unpack(self._edge_record(u, v))
        return self._edge_value(u, v)

    def _add_node_with(self, node: Any, attributes: dict[str, Any], is_new: bool) -> None:
        """Add to the attributes of a node that was just found or added."""
        if is_new and is_fixed(attributes):
            self._set_vertex_value(node, attributes)
        else:
            self._node_attributes(node).update(attributes)

    def _add_with(self, u: Any, v: Any, attributes: dict[str, Any]) -> None:
        """Add an edge, and to its attributes these."""
        kind = self._edge_type
        if kind is None:
            fixed = is_fixed(attributes)
            if self._add_edge(u, v, attributes if fixed else None) and fixed:
                return
            self._edge_attributes(u, v).update(attributes)
            return
        self._add_typed_edge(u, v, *kind.partial(attributes))
        if self._edges:
            live = self._edges.get(self._edge_place(u, v) or 0)
            if live is not None:
                live._load(self._edge_content(u, v))

    def _add_arrays(self, sources: Any, targets: Any, fields: dict[str, Any]) -> None:
        """Add edges between integers, with these fields: arrays, or values that all of them get."""
        records: tuple[Any, bytes] = b"", b""
        if fields and self._edge_type is not None:
            records = self._edge_type.records(fields, len(sources))
        try:
            self._add_edges(sources, targets, *records)
        finally:
            for live in list(self._edges.values()) if records[1] else ():
                self._show(live, self._edge_content(*live._place))

    def _show(self, live: Live, value: Any) -> None:
        live._load(({0: {}} if isinstance(live, ParallelEdges) else {}) if value is None else value)
        self._keep(live)

    def _keep(self, live: Live) -> None:
        if not live._in_place or live is self._own or self._mode == "r":
            return
        self._kept[id(live)] = live
        if len(self._kept) > _MOST_KEPT:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._store(oldest)

    def _store(self, live: Live) -> bool:
        place: Place = live._place
        if len(place) == 2 and self._edge_type is not None:
            return self._set_edge_record(*place, self._edge_type.pack(live))
        if len(place) == 2:
            return self._set_edge_value(*place, live._plain())
        return self._set_vertex_value(place[0], live._plain()) if place else self._set_value(live._plain())

    def _write(self, live: Live) -> None:
        self._keep(live)
        self._store(live)

    def _write_last(self, live: Live) -> None:
        if _core.attached(self) and self._mode != "r" and live is not self._own:
            self._store(live)

    def _flush(self) -> None:
        """Write what was changed in place."""
        if self._mode == "r":
            return
        if self._own is not None and self._own._in_place:
            self._store(self._own)
        for live in [*self._nodes.values(), *self._edges.values()]:
            if live._in_place:
                self._store(live)
        self._kept.clear()

    def _forget(self) -> None:
        """Show what is stored: after a rollback, or a compaction, which gives vertices other numbers."""
        self._kept.clear()
        nodes, edges = list(self._nodes.values()), list(self._edges.values())
        self._nodes.clear()
        self._edges.clear()
        attached = _core.attached(self)
        if self._own is not None and attached:
            self._show(self._own, self._value())
        for live in nodes:
            place = self._vertex_place(*live._place) if attached else None
            if self._show_again(live, place, self._vertex_value):
                self._nodes[place or 0] = live
        for edge in edges:
            place = self._edge_place(*edge._place) if attached else None
            if self._show_again(edge, place, self._edge_content):
                self._edges[place or 0] = edge

    def _show_again(self, live: Live, place: int | None, value: Any) -> bool:
        if place is None:
            live._owner = None
            return False
        self._show(live, value(*live._place))
        return True

    def _detach_live(self, live: Live | None) -> None:
        if live is not None:
            live._owner = None
            self._kept.pop(id(live), None)

    # ---- Removing: what was live is on its own then

    def _drop_edge(self, u: Any, v: Any, forward: bool = True) -> bool:
        """Remove an edge; True also if it was removed a moment ago, as seen from its other end."""
        removed, self._removed = self._removed, None
        place = self._edge_place(u, v) if self._edges else None
        live = None if place is None else self._edges.pop(place, None)
        if self._remove_edge(u, v):
            self._detach_live(live)
            self._removed = (u, v, forward)
            return True
        if removed is None:
            return False
        twin = (u, v, not forward) if self._directed else (v, u, forward)
        return removed == twin and (self._directed or u != v)

    def _drop_node(self, node: Any) -> bool:
        self._removed = None
        place = self._vertex_place(node)
        if place is None:
            return False
        self._detach_live(self._nodes.pop(place, None))
        for number in [n for n in self._edges if place in (n >> 32, n & 0xFFFFFFFF)]:
            self._detach_live(self._edges.pop(number, None))
        return self._remove_vertex(node)

    def _drop_edges(self) -> None:
        for edge in list(self._edges.values()):
            self._detach_live(edge)
        self._edges.clear()
        self._clear(True)

    def _drop_all(self) -> None:
        for live in [*self._nodes.values(), *self._edges.values()]:
            self._detach_live(live)
        self._nodes.clear()
        self._edges.clear()
        self._clear(False)
        if self._own is not None:
            self._own._load({})
