"""The live attributes of a graph: which dicts somebody has, and what they show.

They are kept by numbers of the vertices, which _vertex_place() and _edge_place() tell; those of a parallel
edge by the pair's number and the bytes of its key. Before these tell one of another state than the table is
of, they call _show_anew(), which puts another table in its place: so nothing depends on being told of a
rollback, a compaction, or a writer's commit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from .attributes import Attributes, Live, Place, TypedAttributes, restored
from .parallel_edges import ParallelEdges
from .write_back import MOST_KEPT, WriteBack

# What _note_removal() returns, and _begin_showing() of the transaction of the last removal.
_NO_TRANSACTION, _SAME_TRANSACTION = 0, 2
_ON, _UNDONE = 1, 2
# A state that never is.
_NEVER = 2**64 - 1


class LiveAttributes(WriteBack):
    """What a GraphStorage does for the dicts of attributes that it hands out."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _late: Any
    _multi: bool

    def _begin_live(self) -> None:
        # Held by who makes what exists once: two threads may want the same.
        self._making = threading.RLock()
        self._own: Attributes | None = None
        # The dicts of attributes that somebody has, by the numbers of nodes (negative) and edges.
        self._live: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
        # Those of them in which something may be changed in place.
        self._kept: dict[Any, Live] = {}
        self._most_kept = MOST_KEPT
        # Those that were removed in the transaction that is on, and those that _show_anew() has still to
        # place.
        self._apart: list[Live] = []
        self._unplaced: list[Live] = []

    def _graph_attributes(self) -> Attributes:
        if self._own is None:
            with self._making:
                if self._own is None:
                    live = Attributes(self)
                    if self._late is None:  # else there are none yet
                        live._load(self._stored(()))
                    self._own = live
        else:
            self._current()
        return self._own

    def _node_attributes(self, node: Any) -> Any:
        table = self._live
        number = self._vertex_place(node)
        live: Any = None if number is None else table.get(number)
        if live is None or table is not self._live:
            live = self._live_at((node,))
            if live is None:
                raise KeyError(node)
        return live

    def _edge_attributes(self, u: Any, v: Any) -> Any:
        """The attributes of an edge, or of all parallel ones by their keys; None if there is none."""
        table = self._live
        number = self._edge_place(u, v)
        if number is None:
            return None
        live = table.get(number)
        if live is None or table is not self._live:
            live = self._live_at((u, v))
        return live

    def _live_at(self, place: Place) -> Any:
        """The dict of this place, made if nobody has it; None if there is no such node or edge."""
        with self._making:
            number: Any = self._vertex_place(*place) if len(place) == 1 else self._edge_place(*place[:2])
            if number is None:
                return None
            if len(place) == 3:
                number = number, self._key_bytes(place[2])
            live = self._live.get(number)
            if live is None:
                live = self._kept.get(number)
                if live is None:
                    content = self._parallel(place) if len(place) == 3 else self._stored(place)
                    return None if content is None else self._made(place, number, content)
                self._live[number] = live
            return live

    def _made(self, place: Place, number: Any, content: Any) -> Any:
        live: Any = self._kind_of_edges()(self, place) if len(place) == 2 else Attributes(self, place)
        live._load(content)
        self._place(live, number)
        return live

    def _place(self, live: Live, number: Any) -> None:
        live._number = number
        self._live[number] = live
        self._keep(live)

    def _edges_of(self, neighbours: Any) -> list[tuple[Any, Any]] | None:
        """Neighbours and the attributes of the edges, from what is stored of each; None if they are many."""
        node, forward = neighbours._vertex, neighbours._forward
        found = []
        with self._making:
            edges = neighbours._edges()
            if edges is None:
                return None
            for other, number, content in edges:
                live = self._live.get(number)
                if live is None:
                    live = self._kept.get(number)
                    if live is not None:
                        self._live[number] = live
                    else:
                        place = (node, other) if forward else (other, node)
                        live = self._made(place, number, self._content(place, content))
                found.append((other, live))
        return found

    def _stored(self, place: Place) -> dict[Any, Any]:
        """What is stored of a place; nothing of a pair with parallel edges, of which each has a place."""
        if len(place) == 3:
            attributes = self._parallel(place)
            if attributes is None:
                raise KeyError(place[2])
            return attributes
        if len(place) == 2:
            if self._multi:
                return {}
            typed = self._edge_type is not None
            return self._content(place, self._edge_record(*place) if typed else self._edge_value(*place))
        return self._attributes_in(place, self._vertex_value(*place) if place else self._value())

    def _content(self, place: Place, stored: Any) -> dict[Any, Any]:
        """The attributes of an edge of what is stored of it; as _stored()."""
        if self._multi:
            return {}
        if self._edge_type is not None:
            return self._edge_type.unpack(stored)
        return self._attributes_in(place, stored)

    def _show_anew(self) -> None:
        """Place the live dicts anew: vertices may have other numbers, or what is stored is another.

        Called by whatever finds that a transaction was rolled back or the graph compacted, or of a reader
        that a writer has committed; again, if it was interrupted.
        """
        with self._making:
            *seen, undone, removal = self._begin_showing()
            reload = undone or self._mode == "r"
            present = [*self._kept.values(), *self._live.values()]
            # The last one is first: those placed before an interrupt, then those that had the places before.
            self._unplaced += present
            if removal == _UNDONE:
                self._unplaced += reversed(self._apart)
            if removal != _ON:
                self._apart = []
            self._live, self._kept = weakref.WeakValueDictionary(), {}
            while self._unplaced:
                self._place_anew(self._unplaced[-1], reload)
                self._unplaced.pop()
            if self._own is not None and reload:
                self._show_stored(self._own)
            self._end_showing(*seen)

    def _place_anew(self, live: Live, reload: bool) -> None:
        place = live._place
        number: Any = self._vertex_at(*place) if len(place) == 1 else self._edge_at(*place[:2])
        if number is not None and len(place) == 3:
            number = self._parallel_at(number, place)
        if number is None:
            if reload and self._mode != "r":
                live._lose()
            else:
                self._set_apart(live)
            return
        known = self._live.get(number)
        if known is not None and known is not live:
            live._lose()
            return
        live._owner = self
        if reload:
            try:
                self._show_stored(live)
            except Exception:  # it cannot be decoded, if the store can be read
                self._vertex_at(*place) if len(place) == 1 else self._edge_at(*place[:2])
                live._lose()
                return
        self._place(live, number)

    def _parallel_at(self, ends: int, place: Place) -> Any:
        """The number of a parallel edge; None if it is not there, or cannot be decoded."""
        try:
            return None if self._parallel(place) is None else (ends, self._key_bytes(place[2]))
        except Exception:
            self._edge_at(*place[:2])  # raises if the store cannot be read
            return None

    def _show_stored(self, live: Live) -> None:
        content = self._stored(live._place)
        if self._mode == "r":
            live._load(content)
        else:
            live._reload(content, self._restored)

    def _restored(self, before: Any, stored: Any) -> Any:
        """The object that was a value before, if it can be what is stored."""
        try:
            if _core.encoded(self, before) == _core.encoded(self, stored):
                return before
        except Exception:  # what cannot be stored has been put into it
            pass
        return restored(before, stored)

    def _kind_of_edges(self) -> Any:
        if self._edge_type is not None:
            return TypedAttributes
        return ParallelEdges if self._multi else Attributes

    # ---- Removing: what was live is on its own then, until a rollback brings it back

    def _set_apart(self, live: Live) -> None:
        for table in (self._kept, self._live):
            if table.get(live._number) is live:
                del table[live._number]
        live._owner = None
        noted = self._note_removal()
        if noted != _SAME_TRANSACTION:
            self._apart = []
        if noted != _NO_TRANSACTION:
            self._apart.append(live)

    def _removed_of(self, lives: list[Live], remove: Callable[[], Any]) -> Any:
        """Remove what these dicts are of. After an error the graph is asked which are of something."""
        try:
            result = remove()
            for live in lives:
                self._set_apart(live)
            return result
        except BaseException:
            self._unplaced += lives
            _, rollbacks, *_ = self._begin_showing()
            self._end_showing(_NEVER, rollbacks)
            raise

    def _live_known(self, number: Any) -> Any:
        live = self._live.get(number)
        return self._kept.get(number) if live is None else live

    def _lives(self, wanted: Callable[[int], bool]) -> list[Live]:
        """Those of which the number, of parallel edges that of their pair, is wanted."""
        found = list(self._live.items())
        return [live for number, live in found if wanted(number[0] if type(number) is tuple else number)]
