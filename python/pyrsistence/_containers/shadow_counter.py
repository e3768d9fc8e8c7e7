"""Counters beside flags: numbers in some bits of a shadow memory's flags."""

from __future__ import annotations

import operator
from typing import Any


class ShadowCounter:
    """A number for each address, in some bits of its flags; it stays at the highest that they can hold.

    Made by ``EMShadowMemory.counter()``. ``unmark(address, length, c.mask)`` makes it 0.
    """

    __slots__ = ("_bits", "_shadow", "_shift")

    def __init__(self, shadow: Any, shift: int, bits: int) -> None:
        self._shadow, self._shift, self._bits = shadow, operator.index(shift), operator.index(bits)
        every = 8 * shadow.width
        if self._bits < 1 or self._shift < 0 or self._shift + self._bits > every:
            raise ValueError(
                f"expected a counter within the {every} bits of flags that an address has, found {bits} bits "
                f"from bit {shift} on: width= of a new shadow memory says how many there are"
            )

    @property
    def highest(self) -> int:
        """The value at which it stays."""
        return (1 << self._bits) - 1

    @property
    def mask(self) -> int:
        """The flags that it is."""
        return self.highest << self._shift

    def add(self, address: int, length: int = 1, by: int = 1) -> None:
        """Count up at so many addresses.

        **Cost**: O(1) for each run of equal flags in whole pages; else a pass over the pages. Errors:
        IndexError naming the first address that is not backed: nothing has changed then; ValueError for a
        negative number.

        >>> s = EMShadowMemory(None, [(0, 100)], width=2)
        >>> hits = s.counter(8, 8)
        >>> hits.add(10, 5); hits.add(12, by=300)
        >>> hits[10], hits[12], hits[20]
        (1, 255, 0)
        """
        self._shadow._count_up(address, length, self._shift, self._bits, by)

    def add_many(self, addresses: Any, by: int = 1) -> None:
        """Count up at each of many addresses; at one that comes twice, twice.

        **Cost**: as mark_many(). Errors: as mark_many(); ValueError for a negative number.
        """
        self._shadow._count_up_at(self._shadow._addresses(addresses), self._shift, self._bits, by)

    def get_many(self, addresses: Any) -> Any:
        """Return the numbers of many addresses, as an array. **Cost**, errors: as of their flags."""
        return self._of(self._shadow.get_many(addresses))

    def __getitem__(self, key: Any) -> Any:
        return self._of(self._shadow[key])

    def _of(self, flags: Any) -> Any:
        kind = type(flags) if isinstance(flags, int) else flags.dtype.type
        return (flags >> kind(self._shift)) & kind(self.highest)

    def __repr__(self) -> str:
        return f"<counter of {self._bits} bits from bit {self._shift} on in {self._shadow!r}>"
