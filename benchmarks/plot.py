#!/usr/bin/env python3
"""Draws a result file: time an operation against the number of entries, a panel an operation.

    python benchmarks/plot.py benchmarks/results/<time>.json docs/performance.svg

An SVG written by hand: it needs no package, and reads on a light and on a dark page.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PHASES = ("insert", "get", "iterate", "delete")
_KIND = "int-int"
_COLOURS = {
    "pyrsistence": "#d9480f",
    "dict": "#868e96",
    "lmdb": "#1c7ed6",
    "rocksdict": "#2f9e44",
    "sqlite3": "#9c36b5",
    "shelve": "#b08900",
}
_WIDTH, _HEIGHT = 220, 260
_LEFT, _TOP, _GAP = 56, 34, 26
_STYLE = (
    "text{font:12px sans-serif;fill:#495057}.title{font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#ced4da}}"
    ".grid{stroke:#868e96;stroke-opacity:.3}polyline{fill:none;stroke-width:2}"
)

# peer -> [(entries, nanoseconds)], ascending.
Series = dict[str, list[tuple[int, float]]]


def series(result: dict[str, Any], phase: str) -> Series:
    """The medians of one operation. A phase that was stopped counts: its time an operation is as good."""
    found: Series = {}
    for cell in result["cells"]:
        times = [run["nanoseconds"][phase] for run in cell["runs"] if phase in run["nanoseconds"]]
        if cell["kind"] == _KIND and cell["peer"] in _COLOURS and times:
            found.setdefault(cell["peer"], []).append((cell["size"], statistics.median(times)))
    return {peer: sorted(points) for peer, points in found.items()}


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A logarithmic axis."""
    span = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / span


def _short(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:g}{unit}"
    return f"{number:g}"


def _time(nanoseconds: float) -> str:
    for limit, unit in ((1e9, " s"), (1e6, " ms"), (1e3, " µs")):
        if nanoseconds >= limit:
            return f"{nanoseconds / limit:g}{unit}"
    return f"{nanoseconds:g} ns"


def _panel(
    number: int, phase: str, lines: Series, x: Any, y: Any, sizes: list[int], ticks: list[float]
) -> str:
    left = _LEFT + number * (_WIDTH + _GAP)
    parts = [f'<g transform="translate({left} {_TOP})"><text class="title" x="0" y="-12">{phase}</text>']
    for tick in ticks:
        parts.append(f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        if number == 0:
            parts.append(f'<text x="-8" y="{y(tick) + 4:.1f}" text-anchor="end">{_time(tick)}</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{_HEIGHT + 18}" text-anchor="middle">{_short(size)}</text>')
    for peer, points in lines.items():
        colour = _COLOURS[peer]
        path = " ".join(f"{x(size):.1f},{y(time):.1f}" for size, time in points)
        parts.append(f'<polyline points="{path}" stroke="{colour}"><title>{peer}</title></polyline>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(t):.1f}" r="3" fill="{colour}"/>' for n, t in points]
    return "".join(parts) + "</g>"


def _legend(peers: list[str], top: int) -> str:
    parts = []
    for number, peer in enumerate(peers):
        left = _LEFT + number * 120
        parts.append(f'<rect x="{left}" y="{top - 9}" width="14" height="4" fill="{_COLOURS[peer]}"/>')
        parts.append(f'<text x="{left + 20}" y="{top - 2}">{peer}</text>')
    return "".join(parts)


def draw(result: dict[str, Any]) -> str:
    """The SVG. Errors: ValueError if the result has no int-int cells."""
    panels = {phase: series(result, phase) for phase in _PHASES}
    points = [point for lines in panels.values() for line in lines.values() for point in line]
    if not points:
        raise ValueError(f"no cells of kind {_KIND} in it")
    sizes = sorted({size for size, _ in points})
    low = 10.0 ** math.floor(math.log10(min(time for _, time in points)))
    high = 10.0 ** math.ceil(math.log10(max(time for _, time in points)))
    ticks = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    x, y = _scale(sizes[0], sizes[-1], 14, _WIDTH - 14), _scale(low, high, _HEIGHT, 0)
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
        f"<style>{_STYLE}</style>",
        *(_panel(at, *panel, x, y, sizes, ticks) for at, panel in enumerate(panels.items())),
        _legend([peer for peer in _COLOURS if any(peer in lines for lines in panels.values())], height - 8),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: plot.py RESULT.json OUTPUT.svg")
    source, target = map(Path, sys.argv[1:])
    try:
        target.write_text(draw(json.loads(source.read_text())))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"plot: {source} cannot be drawn: {error}")


if __name__ == "__main__":
    main()
