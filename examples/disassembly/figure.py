"""The figure: the anonymous memory of both ways over time, as an SVG file. It needs no package.

Colours read on a light and on a dark page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from .memory import History

_WIDTH = 800
_LEFT, _TOP = 64, 64
_PLOT_WIDTH, _PLOT_HEIGHT = 708, 240
_BELOW, _LEGEND_STEP = 44, 20
_MOST_TICKS = 7
# Phases that are shorter are not told, and shorter times are told with a decimal.
_LEAST_TOLD, _LEAST_ROUND = 0.1, 10
_MIB = 1 << 20
# More points than a line has pixels show nothing.
_POINTS = 500
_STYLE = (
    "text{font:12px sans-serif;fill:#495057}.title{font:bold 15px sans-serif}"
    ".grid{stroke:#868e96;stroke-opacity:.3}.line{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ced4da}}"
)


@dataclass(frozen=True)
class Curve:
    """The memory of one way, of a process or of several, one after the other."""

    title: str
    colour: str
    histories: list[History]

    @property
    def seconds(self) -> float:
        return sum(history.seconds for history in self.histories)

    @property
    def peak(self) -> int:
        return max(history.peak for history in self.histories)

    def points(self) -> list[tuple[float, int]]:
        """Of each stretch of time the most that was held in it."""
        joined, begin = [], 0.0
        for history in self.histories:
            joined += [(begin + when, size) for when, size in history.anonymous]
            begin += history.seconds
        step = max(len(joined) // _POINTS, 1)
        return [max(joined[i : i + step], key=lambda point: point[1]) for i in range(0, len(joined), step)]

    def phases(self) -> list[tuple[float, str]]:
        found, begin = [], 0.0
        for history in self.histories:
            found += [(begin + when, name) for when, name in history.phases]
            begin += history.seconds
        return found


def write(path: Path, title: str, subtitle: str, curves: list[Curve]) -> None:
    """Draws the curves, a dot where a phase begins, and a line of text for each. Errors: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_picture(title, subtitle, curves), encoding="utf-8")


class _Plane:
    """Where seconds and bytes are in the picture."""

    def __init__(self, curves: list[Curve]) -> None:
        self.seconds = _ticks(max(curve.seconds for curve in curves) or 1.0)
        self.mib = _ticks(max(curve.peak for curve in curves) / _MIB or 1.0)

    def x(self, seconds: float) -> float:
        return _LEFT + _PLOT_WIDTH * seconds / self.seconds[-1]

    def y(self, mib: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - mib / self.mib[-1])


def _picture(title: str, subtitle: str, curves: list[Curve]) -> str:
    plane = _Plane(curves)
    height = _TOP + _PLOT_HEIGHT + _BELOW + _LEGEND_STEP * len(curves)
    parts = [_text(_LEFT, 22, title, kind="title"), _text(_LEFT, 42, subtitle), *_axes(plane)]
    for number, curve in enumerate(curves):
        parts += _line(curve, plane)
        parts += _legend(curve, _TOP + _PLOT_HEIGHT + _BELOW + _LEGEND_STEP * number)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}">\n'
        f"<style>{_STYLE}</style>\n" + "\n".join([*parts, "</svg>"]) + "\n"
    )


def _ticks(most: float) -> list[float]:
    """From 0 to at least `most`, at most seven, of round numbers."""
    step = 10.0 ** math.floor(math.log10(most))
    step *= next(factor for factor in (0.2, 0.5, 1, 2) if most / (step * factor) <= _MOST_TICKS)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _axes(plane: _Plane) -> list[str]:
    parts = []
    for mib in plane.mib:
        y = plane.y(mib)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{mib:,.0f}", "end"))
    for seconds in plane.seconds:
        parts.append(_text(plane.x(seconds), _TOP + _PLOT_HEIGHT + 18, f"{seconds:g} s", "middle"))
    return parts


def _line(curve: Curve, plane: _Plane) -> list[str]:
    points = curve.points()
    path = " ".join(f"{plane.x(when):.1f},{plane.y(size / _MIB):.1f}" for when, size in points)
    parts = [f'<polyline class="line" points="{path}" stroke="{curve.colour}"/>']
    for begin, name in curve.phases():
        size = next((size for when, size in points if when >= begin), points[-1][1] if points else 0)
        parts.append(
            f'<circle cx="{plane.x(begin):.1f}" cy="{plane.y(size / _MIB):.1f}" r="3.5" '
            f'fill="{curve.colour}"><title>{escape(name)}</title></circle>'
        )
    return parts


def _legend(curve: Curve, y: float) -> list[str]:
    phases: dict[str, float] = {}
    for history in curve.histories:
        phases.update(history.lasted())
    told = ", ".join(f"{name} {_number(lasted)}" for name, lasted in phases.items() if lasted >= _LEAST_TOLD)
    text = f"{curve.title}: at most {curve.peak / _MIB:,.0f} MiB, {_number(curve.seconds)} s ({told})"
    return [
        f'<rect x="{_LEFT}" y="{y - 8}" width="14" height="4" fill="{curve.colour}"/>',
        _text(_LEFT + 22, y, text),
    ]


def _number(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= _LEAST_ROUND else f"{seconds:.1f}"


def _text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
