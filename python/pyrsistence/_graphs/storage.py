"""GraphStorage: what the graph classes keep nodes, edges and attributes in. It knows nothing of NetworkX."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._base import container
from .._base.options import Opening, codec
from .attributes import is_fixed
from .edge_type import EdgeType, edge_type
from .live import LiveAttributes


class GraphStorage(LiveAttributes, container.Container):
    """A graph in a store. Its methods take nodes as they are; edges as pairs, from source to target."""

    __slots__ = (
        *container.SLOTS,
        "_apart",
        "_directed",
        "_edge_type",
        "_facade",
        "_kept",
        "_late",
        "_live",
        "_making",
        "_most_kept",
        "_multi",
        "_own",
        "_removed",
        "_unplaced",
    )

    _kind_name = "graph"

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, directed: bool = False, multi: bool = False, explicit: bool = False, **codec: Any
    ) -> None:
        self._set_options(directed=directed, multi=multi, explicit=explicit, **codec)

    def _set_options(  # type: ignore[override]
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        directed: bool = False,
        multi: bool = False,
        explicit: bool = False,
        edge_dtype: Any = None,
        cache: int = 0,
    ) -> None:
        if edge_dtype is not None and multi:
            raise TypeError(
                "edges that may be parallel have no type: edge_dtype= is of EMGraph and EMDiGraph"
            )
        self._configure(codec(pickler, unpickler, pickle, key), (directed, multi, explicit))
        # What was asked for, and then what the files say.
        self._edge_type: EdgeType | None = None if edge_dtype is None else edge_type(edge_dtype)
        self._late: Opening | None = None
        self._begin_live()
        self._facade: Any = None
        self._removed: tuple[Any, Any, bool] | None = None

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "key")

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        wanted = self._edge_type
        layout = (0, "") if wanted is None else (wanted.size, wanted.text)
        _core.attach(self, handle, name, self._codec, (*self._wanted, *layout))
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
                self._open_alone(self._late)
                self._late = None

    def _as_builtin(self) -> Any:
        """Not of a storage: its graph has it."""
        raise TypeError("a mapping of a graph cannot be part of a value that is stored: make it a dict")

    def close(self) -> None:
        """Write what was changed in place; commit and close."""
        self._late = None
        super().close()

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
        if self._live:
            live = self._live_known(self._edge_place(u, v))
            if live is not None:
                live._load(self._stored((u, v)))

    def _add_arrays(self, sources: Any, targets: Any, fields: dict[str, Any]) -> None:
        """Add edges between integers, with these fields: arrays, or values that all of them get."""
        records: tuple[Any, bytes] = b"", b""
        if fields and self._edge_type is not None:
            records = self._edge_type.records(fields, len(sources))
        self._current()
        try:
            self._add_edges(sources, targets, *records)
        finally:
            for live in list(self._live.values()) if records[1] else ():
                if len(live._place) == 2:
                    live._load(self._stored(live._place))

    # ---- Removing

    def _drop_edge(self, u: Any, v: Any, forward: bool = True) -> bool:
        """Remove an edge; True also if it was removed a moment ago, as seen from its other end."""
        removed, self._removed = self._removed, None
        live = self._live_known(self._edge_place(u, v)) if self._live or self._apart else None
        lives = [] if live is None else [live]
        if self._multi:
            lives += self._known_between((u, v))
        if self._removed_of(lives, lambda: self._remove_edge(u, v)):
            self._removed = (u, v, forward)
            return True
        if removed is None:
            return False
        twin = (u, v, not forward) if self._directed else (v, u, forward)
        return removed == twin and (self._directed or u != v)

    def _drop_node(self, node: Any) -> bool:
        self._removed = None
        number = self._vertex_place(node)
        if number is None:
            return False
        vertex = ~number
        own = self._live_known(number)
        lives = [] if own is None else [own]
        lives += self._lives(lambda n: n >= 0 and vertex in (n >> 32, n & 0xFFFFFFFF))
        found: bool = self._removed_of(lives, lambda: self._remove_vertex(node))
        return found

    def _drop_edges(self) -> None:
        self._current()
        self._removed_of(self._lives(lambda n: n >= 0), lambda: self._clear(True))

    def _drop_all(self) -> None:
        self._current()
        self._removed_of(self._lives(lambda n: True), lambda: self._clear(False))
        if self._own is not None:
            self._own._empty()
