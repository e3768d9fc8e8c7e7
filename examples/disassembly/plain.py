"""Python's own containers, with the methods that the demonstration uses of pyrsistence's: for comparison.

They are what one would write by hand: a dict, a list, a bytearray, an array of flags for each range, a
networkx.DiGraph. They get the same arrays in the same order, and make Python's objects of them where those
need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray


class PlainDict(dict[Any, Any]):
    def set_many(self, keys: NDArray[Any], values: NDArray[Any]) -> None:
        self.update(zip(keys.tolist(), values.tolist(), strict=True))


class PlainArray:
    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // self._dtype.itemsize

    def __getitem__(self, key: slice) -> NDArray[Any]:
        return self.view()[key].copy()

    def extend(self, items: NDArray[Any]) -> None:
        self._bytes += memoryview(items).cast("B") if items.size else b""

    def view(self) -> NDArray[Any]:
        """Nothing may be appended while it is there."""
        return np.frombuffer(self._bytes, self._dtype)


class PlainShadow:
    """Flags for each address of some ranges that do not overlap."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, NDArray[np.uint8]]] = []

    def add_ranges(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._parts += [(begin, np.zeros(end - begin, "u1")) for begin, end in ranges]

    def _part(self, address: int, length: int = 1) -> tuple[NDArray[np.uint8], int]:
        for begin, flags in self._parts:
            if begin <= address and address + length <= begin + flags.size:
                return flags, address - begin
        raise IndexError(f"{address:#x} is not backed")

    def is_backed(self, address: int) -> bool:
        return any(begin <= address < begin + flags.size for begin, flags in self._parts)

    def mark(self, address: int, length: int, flags: int) -> None:
        part, place = self._part(address, length)
        part[place : place + length] |= flags

    def count(self, address: int, length: int, flags: int) -> int:
        return int(np.count_nonzero((self[address : address + length] & flags) == flags))

    def find(self, flags: int, *, start: int, stop: int) -> int | None:
        for begin, part in self._parts:
            first, last = max(start - begin, 0), min(stop - begin, part.size)
            if first < last:
                found = (part[first:last] & flags) == flags
                if found.any():
                    return begin + first + int(found.argmax())
        return None

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, slice):
            part, place = self._part(key)
            return int(part[place])
        part, place = self._part(key.start, key.stop - key.start)
        return part[place : place + key.stop - key.start].copy()

    def __setitem__(self, key: slice, value: NDArray[np.uint8]) -> None:
        part, place = self._part(key.start, key.stop - key.start)
        part[place : place + key.stop - key.start] = value


class PlainDiGraph(nx.DiGraph):
    def add_edges_from(self, edges: Any, **attributes: Any) -> None:
        """An array of pairs, or one whose first two fields are the ends; or what NetworkX takes."""
        if isinstance(edges, np.ndarray):
            names, rows = (edges.dtype.names or ())[2:], edges.tolist()
            edges = ((u, v, dict(zip(names, rest, strict=True))) for u, v, *rest in rows)
        super().add_edges_from(edges, **attributes)


class InMemory:
    """Named containers, made when first asked for."""

    def __init__(self) -> None:
        self._members: dict[str, Any] = {}

    def dict(self, name: str, **_: Any) -> PlainDict:
        return self._members.setdefault(name, PlainDict())

    def list(self, name: str) -> list[Any]:
        return self._members.setdefault(name, [])

    def array(self, name: str, dtype: Any) -> PlainArray:
        return self._members.setdefault(name, PlainArray(dtype))

    def shadow_memory(self, name: str) -> PlainShadow:
        return self._members.setdefault(name, PlainShadow())

    def digraph(self, name: str, **_: Any) -> PlainDiGraph:
        return self._members.setdefault(name, PlainDiGraph())
