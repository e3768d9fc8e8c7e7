"""The list beside the builtin list, in the process that is measured."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from order import Order
from process import anonymous_bytes, disk_bytes
from workloads import PROBES, Measured, WrongAnswer, single_times

_CHUNK = 10_000

LISTS = ("EMList", "list", "loop")


def run_list(name: str, order_file: str, folder: str) -> dict[str, Any]:
    """append, extend(range(n)), get at random places, iterate, reopen; all are quick and need no limit.

    Errors: WrongAnswer.
    """
    gc.disable()
    order = Order(Path(order_file), _CHUNK)
    figures = Measured(before_bytes=anonymous_bytes(), entries=len(order))
    if name == "loop":
        _loops(order, figures)
    elif name == "list":
        _measure([], [], order, figures)
    else:
        _measure_persistent(order, figures, Path(folder))
    return vars(figures)


def _measure_persistent(order: Order, figures: Measured, folder: Path) -> None:
    import pyrsistence

    appended: pyrsistence.EMList[int] = pyrsistence.EMList(str(folder / "appended"))
    extended: pyrsistence.EMList[int] = pyrsistence.EMList(str(folder / "extended"))
    _measure(appended, extended, order, figures)
    figures.nanoseconds["commit"] = _seconds(appended.commit) * 1e9 / len(order)
    appended.close()
    extended.close()
    figures.disk_bytes = disk_bytes(folder) // 2
    begin = time.perf_counter()
    reopened: pyrsistence.EMList[int] = pyrsistence.EMList(str(folder / "appended"))
    last = reopened[-1]
    figures.reopen_seconds = time.perf_counter() - begin
    if last != len(order) - 1 or len(reopened) != len(order):
        raise WrongAnswer("the list has changed by reopening it")
    reopened.close()


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _measure(appended: Any, extended: Any, order: Order, figures: Measured) -> None:
    """All phases, on two empty lists."""
    count = len(order)

    def append() -> None:
        for number in range(count):
            appended.append(number)

    def iterate() -> None:
        for _number in appended:
            pass

    figures.nanoseconds["append"] = _seconds(append) * 1e9 / count
    figures.nanoseconds["extend"] = _seconds(lambda: extended.extend(range(count))) * 1e9 / count
    figures.nanoseconds["get"] = _get(appended, order)
    figures.nanoseconds["iterate"] = _seconds(iterate) * 1e9 / count
    _one_by_one(appended, order, figures)
    if len(appended) != count or appended[count // 2] != count // 2 or extended[-1] != count - 1:
        raise WrongAnswer("a list does not hold what was put in")


def _one_by_one(appended: Any, order: Order, figures: Measured) -> None:
    """Median and p99 of single look-ups and appends; what was appended for it is taken away again."""
    places = next(order.inserted())
    if times := single_times(lambda index: appended[index], places):
        figures.single["get"] = times
    if times := single_times(appended.append, places):
        figures.single["append"] = times
    del appended[len(order) :]


def _get(values: Any, order: Order) -> float:
    """Nanoseconds a look-up at a random place."""
    seconds, done = 0.0, 0
    for chunk in order.inserted():
        begin = time.perf_counter()
        for index in chunk:
            values[index]
        seconds += time.perf_counter() - begin
        done += len(chunk)
        if done >= PROBES:
            break
    return seconds * 1e9 / done


def _loops(order: Order, figures: Measured) -> None:
    """What the loops cost by themselves."""
    count = len(order)

    def loop() -> None:
        for _number in range(count):
            pass

    each = _seconds(loop) * 1e9 / count
    figures.nanoseconds.update(append=each, get=each, iterate=each)
