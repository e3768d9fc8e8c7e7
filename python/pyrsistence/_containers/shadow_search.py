"""Searching a shadow memory: the next addresses with some flags, and runs of addresses with equal ones."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _core
from .._base import container

_HIGHEST = 2**64 - 1
# So many runs are taken from the store at a time.
_RUNS = 4096


class ShadowSearch(_core.ShadowBase, container.Container):
    """What EMShadowMemory finds."""

    if not TYPE_CHECKING:
        __slots__ = ()

    def find(
        self,
        flags: int,
        value: int | None = None,
        *,
        length: int = 1,
        start: int = 0,
        stop: int | None = None,
        any: bool = False,
    ) -> int | None:
        """Return the first address from which on ``length`` addresses have all of the flags, or None.

        With ``value``, those whose flags among ``flags`` are ``value``: ``find(s.CODE | s.DATA, 0)`` finds an
        address that has neither. With ``any``, those that have any of the flags. Only backed addresses from
        start up to, but not including, stop count; a run of them does not go beyond its range.

        **Cost**: O(1) for each run of equal flags in whole pages that is passed, else a pass over the pages.

        >>> s = EMShadowMemory(None, [(0x1000, 0x2000)])
        >>> s.mark_as_code(0x1000, 16)
        >>> hex(s.find(s.CODE | s.DATA, 0)), s.find(s.CODE, length=17)
        ('0x1010', None)
        """
        last = _HIGHEST if stop is None else min(operator.index(stop) - 1, _HIGHEST)
        start = max(operator.index(start), 0)
        if start > last:
            return None
        mask, wanted = _wanted(flags, value, any)
        return self._find(start, last, mask, wanted, length, any)

    def ranges(
        self,
        flags: int,
        value: int | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
        any: bool = False,
    ) -> Iterator[tuple[int, int]]:
        """Iterate over the longest runs of addresses that have all of the flags, as (begin, end).

        ``value``, ``start``, ``stop`` and ``any`` are those of find(). What is changed meanwhile may be seen
        or not.

        **Cost**: as find(), of all addresses.

        >>> s = EMShadowMemory(None, [(0, 2**32)])
        >>> s.mark_as_data(100, 2**20); s.mark_as_data(2**30)
        >>> list(s.ranges(s.DATA))
        [(100, 1048676), (1073741824, 1073741825)]
        """
        last = _HIGHEST if stop is None else min(operator.index(stop) - 1, _HIGHEST)
        start = max(operator.index(start), 0)
        mask, wanted = _wanted(flags, value, any)
        if start > last:
            return iter(())
        self._find(start, start, mask, wanted, 1, any)  # errors come at the call, not at the first step
        return self._all_runs(_core.opening(self), start, last, mask, wanted, any)

    def runs(self, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
        """Iterate over the runs of backed addresses of equal flags, as (begin, end, flags).

        They are cut to begin and end. Runs without flags come as well. What is changed meanwhile may be seen
        or not.

        **Cost**: O(1) for each run in whole pages, else a pass over the pages.

        >>> s = EMShadowMemory(None, [(0, 2**32), (2**40, 2**40 + 8)])
        >>> s.mark_as_data(100, 2**20); s.mark_as_code(120)
        >>> list(s.runs(110, 130))
        [(110, 120, 4), (120, 121, 6), (121, 130, 4)]
        >>> [flags for _, _, flags in s.runs()]
        [0, 4, 6, 4, 0, 0]
        """
        last = _HIGHEST if end is None else min(operator.index(end) - 1, _HIGHEST)
        start = max(operator.index(begin), 0)
        return self._all_flag_runs(_core.opening(self), start, last)

    def _all_flag_runs(self, opening: int, start: int, last: int) -> Iterator[tuple[int, int, int]]:
        while start <= last:
            found = self._flag_runs(start, last, _RUNS)
            yield from found
            self._require_opening(opening)
            if len(found) < _RUNS:
                return
            start = found[-1][1]

    def _all_runs(
        self, opening: int, start: int, last: int, mask: int, value: int, negated: bool
    ) -> Iterator[tuple[int, int]]:
        while start <= last:
            found = self._runs(start, last, mask, value, _RUNS, negated)
            yield from found
            self._require_opening(opening)
            if len(found) < _RUNS:
                return
            start = found[-1][1]


def _wanted(flags: int, value: int | None, any: bool) -> tuple[int, int]:
    """The flags that are looked at, and what they are to be, or (``any``) not to be."""
    if any and value is not None:
        raise ValueError("expected a value, or any of the flags, not both")
    return operator.index(flags), 0 if any else operator.index(flags if value is None else value)
