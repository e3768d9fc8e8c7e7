"""How the parallel edges of a pair of nodes are stored, and which of their attributes are live.

Few edges of a pair are one record, a dict from keys to attributes; {0: {}} is none. Where they are more, they
are in a table, in which each is found by its key. The attributes of each edge are a live dict of its own, of
the place (u, v, key).
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from .. import _core
from .attributes import Live, Place, is_fixed

# Of a pair; more are a table.
_MOST_IN_A_RECORD = 8

# Keys of these types are found in a record as in any dict. Others are equal if they are stored as the same.
_PLAIN_KEYS = frozenset((int, str, bytes, bool))


class ParallelRecords(_core.GraphBase):
    """What a GraphStorage does for parallel edges."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _live: Any
    _kept: Any
    _making: Any
    _keep: Any
    _live_at: Any
    _live_known: Any
    _made: Any
    _removed_of: Any

    # ---- What is stored

    def _attributes_in(self, place: Place, stored: Any) -> dict[Any, Any]:
        """What is stored of a place, if it is a dict. Errors: DamagedError."""
        if stored is None:
            return {}
        if isinstance(stored, dict):
            return stored
        found = reprlib.repr(stored)
        raise _core.DamagedError(5, f"expected the attributes of {place!r}, found {found}")

    def _record(self, pair: Place) -> Any:
        """The edges of a pair by their keys; their number where they are in a table.

        Errors: KeyError; DamagedError.
        """
        stored = self._edge_value(*pair)
        if stored is None:
            return {0: {}}
        if type(stored) is int and self._parallel_count(*pair) is not None:
            return stored
        record = self._attributes_in(pair, stored)
        for key, attributes in record.items():
            if not isinstance(attributes, dict):
                self._attributes_in((*pair, key), attributes or 0)
        return record

    def _set_record(self, pair: Place, record: dict[Any, Any]) -> None:
        u, v = pair
        if len(record) > _MOST_IN_A_RECORD:
            self._set_parallel(u, v, [(key, dict(value) or None) for key, value in record.items()])
        elif record == {0: {}} and type(next(iter(record))) is int:
            self._set_edge_value(u, v, None)
        else:
            self._set_edge_value(u, v, record)

    def _key_in(self, record: dict[Any, Any], key: Any) -> Any:
        """The key of a record that is stored as this one is; this one if there is none."""
        if type(key) in _PLAIN_KEYS:
            return key
        wanted = self._key_bytes(key)
        return next((known for known in record if self._key_bytes(known) == wanted), key)

    def _parallel(self, place: Place) -> dict[Any, Any] | None:
        """The attributes that are stored of an edge; None if there is none."""
        u, v, key = place
        if not self._has_edge(u, v):
            return None
        record = self._record((u, v))
        if type(record) is int:
            found: Any = self._parallel_value(u, v, key)
            return None if found is False else self._attributes_in(place, found)
        attributes: dict[Any, Any] | None = record.get(self._key_in(record, key))
        return attributes

    def _set_parallel_value(self, place: Place, attributes: dict[Any, Any]) -> None:
        """Store the attributes of an edge, which is added if it is not there; its pair is."""
        u, v, key = place
        with self._making:
            if self._put_parallel(u, v, key, attributes or None) is None:
                record = self._record((u, v))
                record[self._key_in(record, key)] = attributes
                self._set_record((u, v), record)

    def _take_parallel(self, place: Place) -> bool:
        """Remove an edge; False if it is not there."""
        u, v, key = place
        with self._making:
            if self._remove_parallel(u, v, key):
                return True
            record: Any = self._record((u, v)) if self._has_edge(u, v) else {}
            if type(record) is int or record.pop(self._key_in(record, key), None) is None:
                return False
            self._set_record((u, v), record)
            return True

    def _count_between(self, pair: Place) -> int:
        if not self._has_edge(*pair):
            return 0
        record = self._record(pair)
        return record if type(record) is int else len(record)

    def _items_between(self, pair: Place, start: int, values: bool) -> tuple[list[Any], int]:
        """Some keys and what is stored of each, from a place on, and the next place; -1 is the last one's."""
        return self._stored_between(pair, start, values) if self._has_edge(*pair) else ([], start)

    def _stored_between(self, pair: Place, start: int, values: bool) -> tuple[list[Any], int]:
        """The same of a pair that is there."""
        record = self._record(pair)
        if type(record) is not int:
            return list(record.items()), 0
        u, v = pair
        return self._parallel_items(u, v, start, values)

    def _keys_between(self, pair: Place, start: int) -> tuple[list[Any], int]:
        items, start = self._items_between(pair, start, False)
        return [key for key, _ in items], start

    # ---- What is live

    def _lives_between(self, pair: Place, place: int) -> tuple[list[tuple[Any, Any]], int]:
        """Some keys and the dicts of these edges, from a place on, and the next place."""
        found: list[tuple[Any, Any]] = []
        with self._making:
            ends = self._edge_place(*pair)
            if ends is None:
                return found, place
            stored, place = self._stored_between(pair, place, True)
            for key, content in stored:
                number = ends, self._key_bytes(key)
                live = self._live.get(number)
                if live is None:
                    live = self._kept.get(number)
                    if live is not None:
                        self._live[number] = live
                    else:
                        if type(content) is not dict:
                            content = self._attributes_in((*pair, key), content)
                        live = self._made((*pair, key), number, content)
                found.append((key, live))
        return found, place

    def _known_between(self, pair: Place) -> list[Live]:
        """The dicts of edges of a pair that somebody has, or that are kept."""
        ends = self._edge_place(*pair) if self._live or self._kept else None
        place, found = 0, []
        while ends is not None:
            keys, place = self._keys_between(pair, place)
            known = [self._live_known((ends, self._key_bytes(key))) for key in keys]
            found += [live for live in known if live is not None]
            if len(keys) == 0 or self._parallel_count(*pair) is None:
                break
        return found

    def _hold(self, place: Place, attributes: dict[Any, Any]) -> None:
        """Make these objects the values of an edge, of which they are stored."""
        with self._making:
            live = self._live_at(place)
            if live is not None:
                live._load(attributes)
                self._keep(live)

    def _add_between(self, place: Place, attributes: Any) -> None:
        """Add an edge to a pair."""
        attributes = dict(attributes)
        self._set_parallel_value(place, attributes)
        if not is_fixed(attributes):
            self._hold(place, attributes)

    def _drop_parallel(self, place: Place) -> bool:
        live = None
        if self._live or self._kept:
            ends = self._edge_place(*place[:2])
            live = None if ends is None else self._live_known((ends, self._key_bytes(place[2])))
        if live is None:
            return self._take_parallel(place)
        removed: bool = self._removed_of([live], lambda: self._take_parallel(place))
        return removed

    def _replace_between(self, pair: Place, content: dict[Any, Any]) -> None:
        """Make these the edges of a pair."""
        with self._making:
            by_bytes = {self._key_bytes(key): (key, value) for key, value in content.items()}
            known = self._known_between(pair)
            staying = {live._number[1]: live for live in known if live._number[1] in by_bytes}
            gone = [live for live in known if live._number[1] not in by_bytes]
            for live in staying.values():
                live._suspect()  # an interrupt leaves them as they are, to be written again
            self._removed_of(gone, lambda: self._set_record(pair, dict(by_bytes.values())))
            for number, (key, attributes) in by_bytes.items():
                if number in staying:
                    staying[number]._replace(attributes)
                elif not is_fixed(attributes):
                    self._hold((*pair, key), attributes)
