"""The parts of a plot: axes, panels, lines, a legend, as SVG text. It needs no package.

Colours read on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from xml.sax.saxutils import escape

COLOURS = {
    "pyrsistence": "#d9480f",
    "dict": "#868e96",
    "lmdb": "#1c7ed6",
    "rocksdict": "#2f9e44",
    "sqlite3": "#9c36b5",
    "diskcache": "#0c8599",
    "shelve": "#b08900",
}
WIDTH, HEIGHT = 220, 260
LEFT, TOP, GAP = 56, 34, 26
_LEGEND_STEP = 110
_STYLE = (
    "text{font:12px sans-serif;fill:#495057}.title{font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#ced4da}}"
    ".grid{stroke:#868e96;stroke-opacity:.3}polyline{fill:none;stroke-width:2}"
)

# From a value to a coordinate.
Axis = Callable[[float], float]


def logarithmic(low: float, high: float, start: float, end: float) -> Axis:
    span = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / span


def linear(low: float, high: float, start: float, end: float) -> Axis:
    span = high - low or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def decades(values: list[float]) -> list[float]:
    """The powers of ten around the values: the ticks of a logarithmic axis."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def count_label(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:g}{unit}"
    return f"{number:g}"


def time_label(nanoseconds: float) -> str:
    for limit, unit in ((1e9, " s"), (1e6, " ms"), (1e3, " µs")):
        if nanoseconds >= limit:
            return f"{nanoseconds / limit:g}{unit}"
    return f"{nanoseconds:g} ns"


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def grid(ticks: list[float], y: Axis, width: float, label: Callable[[float], str] | None) -> str:
    """Horizontal lines, with labels to the left of them where there is a function for them."""
    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="0" x2="{width:g}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        if label:
            parts.append(text(-8, y(tick) + 4, label(tick), "end"))
    return "".join(parts)


def line(peer: str, points: list[tuple[float, float]], *, dots: bool) -> str:
    """A line through points that are coordinates already."""
    colour = COLOURS[peer]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" stroke="{colour}"><title>{peer}</title></polyline>']
    if dots:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return "".join(parts)


def panel(left: float, title: str, content: str) -> str:
    return f'<g transform="translate({left:g} {TOP})">{text(0, -12, title, kind="title")}{content}</g>'


def picture(width: float, panels: list[str], peers: list[str]) -> str:
    """The whole file, with a legend of the peers below."""
    width = max(width, LEFT + _LEGEND_STEP * len(peers))
    height = TOP + HEIGHT + 60
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}">\n'
        f"<style>{_STYLE}</style>\n" + "\n".join([*panels, _legend(peers, height - 8), "</svg>"]) + "\n"
    )


def _legend(peers: list[str], top: float) -> str:
    parts = []
    for number, peer in enumerate(peers):
        left = LEFT + number * _LEGEND_STEP
        parts.append(f'<rect x="{left}" y="{top - 9}" width="14" height="4" fill="{COLOURS[peer]}"/>')
        parts.append(text(left + 20, top - 2, peer))
    return "".join(parts)
