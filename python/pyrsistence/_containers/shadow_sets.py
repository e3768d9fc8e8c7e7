"""Unions, intersections and differences of shadow memories: of the flags of each address."""

from __future__ import annotations

import contextlib
from typing import Any


class ShadowSets:
    """What EMShadowMemory has of a set's interface. An address that is not backed has no flags."""

    __slots__ = ()

    def union(self: Any, other: Any, path: Any = None) -> Any:
        """Return a new shadow memory, at path or temporary, with the ranges and the flags of both.

        ``a | b`` is a temporary one. Its width is the larger of both.

        **Cost**: O(runs of equal flags in both). Errors: TypeError unless other is an EMShadowMemory; as the
        constructor.

        >>> a, b = EMShadowMemory(None, [(0, 16)]), EMShadowMemory(None, [(8, 32)])
        >>> a.mark_as_code(0, 10); b.mark_as_data(8, 4)
        >>> list((a | b).runs())
        [(0, 8, 2), (8, 10, 6), (10, 12, 4), (12, 32, 0)]
        """
        return self._combined(other, path, "update")

    def intersection(self: Any, other: Any, path: Any = None) -> Any:
        """Return a new shadow memory with the ranges of this one, and of its flags those that other has too.

        ``a & b`` is a temporary one. **Cost**, errors: as union().
        """
        return self._combined(other, path, "intersection_update")

    def difference(self: Any, other: Any, path: Any = None) -> Any:
        """Return a new shadow memory with the ranges of this one, and of its flags those that other lacks.

        ``a - b`` is a temporary one. **Cost**, errors: as union().
        """
        return self._combined(other, path, "difference_update")

    def update(self: Any, other: Any) -> None:
        """Back the ranges of other as well, and add its flags, in one transaction; also as ``a |= b``.

        **Cost**: as union(), of other. Errors: TypeError unless other is an EMShadowMemory; ValueError for
        flags beyond the width: nothing has changed then; what transaction() raises.
        """
        with self._changing(other):
            if other is self:
                return
            self.add_ranges(other.backed)
            for begin, end, flags in other.runs():
                if flags:
                    self.mark(begin, end - begin, flags)

    def intersection_update(self: Any, other: Any) -> None:
        """Keep the flags that other has too, in one transaction; also as ``a &= b``. Ranges stay.

        **Cost**, errors: as update().
        """
        with self._changing(other):
            if other is self:
                return
            every = self._every_flag()
            for first, last in self.backed:
                reached = first
                for begin, end, flags in other.runs(first, last):
                    if begin > reached:
                        self.assign(reached, begin - reached, 0)
                    if every & ~flags:
                        self.unmark(begin, end - begin, every & ~flags)
                    reached = end
                if last > reached:
                    self.assign(reached, last - reached, 0)

    def difference_update(self: Any, other: Any) -> None:
        """Remove the flags that other has, in one transaction; also as ``a -= b``. Ranges stay.

        **Cost**, errors: as update().
        """
        with self._changing(other):
            every = self._every_flag()
            for first, last in self.backed:
                if other is self:
                    self.assign(first, last - first, 0)
                    continue
                for begin, end, flags in other.runs(first, last):
                    if flags & every:
                        self.unmark(begin, end - begin, flags & every)

    def __or__(self: Any, other: Any) -> Any:
        return self.union(other) if isinstance(other, ShadowSets) else NotImplemented

    def __and__(self: Any, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, ShadowSets) else NotImplemented

    def __sub__(self: Any, other: Any) -> Any:
        return self.difference(other) if isinstance(other, ShadowSets) else NotImplemented

    def __ior__(self: Any, other: Any) -> Any:
        self.update(other)
        return self

    def __iand__(self: Any, other: Any) -> Any:
        self.intersection_update(other)
        return self

    def __isub__(self: Any, other: Any) -> Any:
        self.difference_update(other)
        return self

    # ---- Inside

    def _every_flag(self: Any) -> int:
        return int((1 << (8 * self.width)) - 1)

    @contextlib.contextmanager
    def _changing(self: Any, other: Any) -> Any:
        """All of a change or nothing, by one state of the other."""
        _require_shadow(other)
        joined = self._open_handle().in_transaction
        with contextlib.nullcontext() if joined else self.transaction(), other._consistent():
            yield

    def _combined(self: Any, other: Any, path: Any, how: str) -> Any:
        _require_shadow(other)
        width = max(self.width, other.width) if how == "update" else self.width
        made = type(self)(path, width=width, mode="x")
        try:
            with self._consistent(), other._consistent():
                made.update(self)
                getattr(made, how)(other)
        except BaseException:
            made.close()
            raise
        return made


def _require_shadow(other: Any) -> None:
    if not isinstance(other, ShadowSets):
        raise TypeError(f"expected an EMShadowMemory, found {type(other).__name__}")
