"""Which of a graph's live attributes are written when: at once by a dict's methods, in place at a commit.

Errors of single values are told together, after all others have been written.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .. import _core
from .attributes import Attributes, Live, Place
from .edge_type import EdgeType
from .parallel_records import ParallelRecords

# Attribute dicts with values that can be changed in place are kept until a commit; beyond so many they are
# written, and those let go to which nobody else refers.
MOST_KEPT = 4096


class WriteBack(ParallelRecords):
    """What a GraphStorage does to write its live dicts."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _edge_type: EdgeType | None
    _handle: _core.StoreHandle | None
    _mode: str
    _most_kept: int
    _own: Attributes | None
    _stored: Any

    def _keep(self, live: Live) -> None:
        """Keep a dict in which something may be changed in place, or is to be brought back by a rollback."""
        if not (live._in_place or live._before is not None) or live is self._own or self._mode == "r":
            return
        self._kept[live._number] = live
        if len(self._kept) > self._most_kept:
            self._let_some_go()

    def _let_some_go(self) -> None:
        """Write those kept, and let go of what nobody refers to. What cannot be written is tried again."""
        self._most_kept = 2 * len(self._kept)
        with contextlib.suppress(Exception):
            self._flush()
            self._most_kept = max(MOST_KEPT, 2 * len(self._kept))

    def _write(self, live: Live) -> None:
        if live._in_place or live._before is not None:
            with self._making:
                self._keep(live)
        self._store(live._place, live._plain())

    def _suspect(self, live: Live) -> None:
        with self._making:
            self._keep(live)

    def _store(self, place: Place, content: Any) -> None:
        if len(place) == 3:
            self._set_parallel_value(place, content or {})
        elif len(place) == 2 and self._edge_type is not None:
            self._set_edge_record(*place, self._edge_type.pack(content))
        elif len(place) == 2:
            self._set_edge_value(*place, content)
        elif place:
            self._set_vertex_value(place[0], content)
        else:
            self._set_value(content)

    def _flush(self) -> list[tuple[Any, Exception]]:
        """Write what was changed in place; return what cannot be stored, by place and name, and the errors.

        What nobody else refers to is not kept any longer.
        """
        failures: list[tuple[Any, Exception]] = []
        if self._mode == "r" or not _core.attached(self):
            return failures
        with self._making:
            self._current()
            if self._own is not None:
                self._write_back(self._own, failures)
            numbers = list(self._kept)
            # Who asks for one of them waits until it is written, or finds it among those kept.
            for number in numbers:
                self._live.pop(number, None)
            unheld = set(_core.unheld(self._kept, Live))
            for number in numbers:
                live = self._kept.get(number)
                if live is None:  # another thread has removed its node or edge
                    continue
                if self._write_back(live, failures) and number in unheld:
                    del self._kept[number]
                else:
                    self._live[number] = live
                    if not live._in_place and live._before is None:
                        del self._kept[number]
        return failures

    def _write_back(self, live: Live, failures: list[tuple[Any, Exception]]) -> bool:
        """Write one; False if something of it cannot be stored: then the rest is."""
        if self._handle is not None and not self._handle.in_transaction:
            live._before = None
        if not live._in_place:
            return True
        place, content = live._place, live._plain()
        try:
            self._store(place, content)
            return True
        except Exception as error:
            count = len(failures)
            if content is not None:
                content = self._storable(content, self._stored(place), place, failures)
            if len(failures) == count:
                raise error from None  # it is not the values
            self._store(place, content)
            return False

    def _storable(
        self, content: Any, stored: Any, place: Place, failures: list[tuple[Any, Exception]]
    ) -> dict[Any, Any]:
        """The same attributes, as they are stored where they cannot be stored."""
        found = {}
        for name, value in content.items():
            try:
                _core.encoded(self, value)
                found[name] = value
            except Exception as error:
                failures.append(((*place, name), error))
                if name in stored:
                    found[name] = stored[name]
        return found
