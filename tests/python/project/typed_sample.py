"""A typed use of the package. test_stubs runs mypy and pyright over it; nobody runs it."""

from __future__ import annotations

import collections
from collections.abc import MutableMapping, MutableSequence, MutableSet
from pathlib import Path

import pyrsistence as em


def count(words: list[str], path: Path) -> dict[str, int]:
    with em.EMDict[str, int](path, mode="a", commit_interval=None) as d:
        for word in words:
            d[word] = d.get(word, 0) + 1
        with d.transaction():
            d.update({"total": len(words)})
        total: int = d["total"]
        total += d.pop("total")
        keys: list[str] = list(d.keys())
        pairs: list[tuple[str, int]] = list(d.items())
        assert len(pairs) == len(keys)
        return d.copy()


def order(path: str) -> list[float]:
    items: em.EMList[float] = em.EMList(path, [3.0, 1.0, 2.0])
    items.sort(reverse=True)
    items += [0.5]
    first: float = items[0]
    some: list[float] = items[1:]
    some.append(first)
    items.close()
    return some


def queue(path: str) -> float:
    tasks: em.EMDeque[float] = em.EMDeque(path, [3.0, 1.0], maxlen=5)
    tasks.appendleft(2.0)
    tasks.extendleft([0.5])
    tasks.rotate(-1)
    tasks += [0.5]
    copied: collections.deque[float] = tasks.copy()
    joined: collections.deque[float] = tasks + copied
    bound: int | None = tasks.maxlen
    assert bound is not None and joined
    return tasks.popleft()


def algebra(path: str, words: em.EMSet[str]) -> set[str]:
    with em.EMSet(path, ["a", "b"]) as letters:
        letters |= {"c"}
        common: set[str] = letters & words
        all_of_them: em.EMSet[str] = letters.union(words, out=em.EMSet[str]())
        mixed: set[str | int] = letters.union([1, 2])
        assert common <= all_of_them and len(mixed) == 5
        return letters - words | {"d"}


def members(path: str) -> None:
    with em.Store(path) as store:
        names = store.dict("names")
        lines = store.list("lines")
        seen = store.set("seen")
        last = store.deque("last", maxlen=9)
        last.append(1)
        with store.transaction():
            names["a"] = len(lines)
            lines.append("text")
            seen.add("text")
        findings = store.verify()
        assert not findings


def abstract(
    d: em.EMDict[str, int], items: em.EMList[int], s: em.EMSet[int]
) -> tuple[MutableMapping[str, int], MutableSequence[int], MutableSet[int]]:
    return d, items, s


def errors(path: str) -> str | None:
    try:
        em.EMDict[str, str](path, mode="r").close()
    except em.LockedError as error:
        return str(error.filename)
    except (em.DamagedError, em.FormatError) as error:
        return str(error)
    return None
