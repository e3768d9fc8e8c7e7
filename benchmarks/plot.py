#!/usr/bin/env python3
"""Draws result files, as far as they have what a picture shows, into a folder.

python benchmarks/plot.py benchmarks/results/<time>.json [...] docs

performance-int-int.svg      time an operation against the number of entries, a panel an operation
performance-operations.svg   time an operation at the largest number of entries, a bar a peer
performance-inserts.svg      inserts a second beyond RAM against the number of entries, a panel a kind of keys
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import svg
from report import Cell
from saved import Results

_PHASES = ("insert", "get", "missing", "iterate", "delete")
_KIND = "int-int"
_BAR, _BAR_GAP = 14, 22
_INSERTS_WIDTH = 400

# peer -> [(x, y)], ascending in x.
Series = dict[str, list[tuple[float, float]]]


def _values(panels: dict[str, Series], axis: int) -> list[float]:
    return [point[axis] for lines in panels.values() for points in lines.values() for point in points]


def _peers_in(panels: dict[str, Series]) -> list[str]:
    return [peer for peer in svg.COLOURS if any(peer in lines for lines in panels.values())]


def _sizes_series(cells: list[Cell], phase: str) -> Series:
    """A phase that was stopped counts: its time an operation is as good."""
    found: Series = {}
    for cell in cells:
        time = cell.nanoseconds(phase)
        if cell.kind == _KIND and cell.state == "warm" and cell.peer in svg.COLOURS and time:
            found.setdefault(cell.peer, []).append((cell.size, time))
    return {peer: sorted(points) for peer, points in found.items()}


def draw_sizes(results: Results) -> str | None:
    """Cost over size."""
    panels = {phase: _sizes_series(results.cells, phase) for phase in _PHASES if phase != "missing"}
    if not _values(panels, 0):
        return None
    sizes, ticks = sorted(set(_values(panels, 0))), svg.decades(_values(panels, 1))
    x = svg.logarithmic(sizes[0], sizes[-1], 14, svg.WIDTH - 14)
    y = svg.logarithmic(ticks[0], ticks[-1], svg.HEIGHT, 0)
    drawn = []
    for number, (phase, lines) in enumerate(panels.items()):
        parts = [svg.grid(ticks, y, svg.WIDTH, svg.time_label if number == 0 else None)]
        parts += [svg.text(x(size), svg.HEIGHT + 18, svg.count_label(size), "middle") for size in sizes]
        for peer, points in lines.items():
            parts.append(svg.line(peer, [(x(size), y(time)) for size, time in points], dots=True))
        drawn.append(svg.panel(svg.LEFT + number * (svg.WIDTH + svg.GAP), phase, "".join(parts)))
    return svg.picture(svg.LEFT + len(panels) * (svg.WIDTH + svg.GAP), drawn, _peers_in(panels))


def draw_operations(results: Results) -> str | None:
    """Bars at the largest size; the axis is logarithmic, since the peers differ by a hundredfold."""
    tables = {size: cells for (kind, size), cells in results.tables("warm").items() if kind == _KIND}
    if not tables:
        return None
    size = max(tables)
    times = {
        phase: {
            cell.peer: time
            for cell in tables[size]
            if cell.peer in svg.COLOURS and (time := cell.nanoseconds(phase))
        }
        for phase in _PHASES
    }
    peers = [peer for peer in svg.COLOURS if any(peer in by_peer for by_peer in times.values())]
    ticks = svg.decades([time for by_peer in times.values() for time in by_peer.values()])
    y = svg.logarithmic(ticks[0], ticks[-1], svg.HEIGHT, 0)
    step = len(peers) * _BAR + _BAR_GAP
    parts = [svg.grid(ticks, y, step * len(_PHASES), svg.time_label)]
    for number, (phase, by_peer) in enumerate(times.items()):
        left = number * step + _BAR_GAP / 2
        parts.append(svg.text(left + (step - _BAR_GAP) / 2, svg.HEIGHT + 18, phase, "middle"))
        for place, peer in enumerate(peers):
            if peer in by_peer:
                top = y(by_peer[peer])
                parts.append(
                    f'<rect x="{left + place * _BAR:.1f}" y="{top:.1f}" width="{_BAR - 2}" '
                    f'height="{svg.HEIGHT - top:.1f}" fill="{svg.COLOURS[peer]}"><title>{peer}: '
                    f"{by_peer[peer]:,.0f} ns</title></rect>"
                )
    drawn = svg.panel(svg.LEFT, f"{_KIND}, {size:,} entries", "".join(parts))
    return svg.picture(svg.LEFT + step * len(_PHASES) + svg.GAP, [drawn], peers)


def _insert_series(figures: dict[str, Any]) -> Series:
    """Entries a second between the points of each peer's curve, at the later of them."""
    found: Series = {}
    for peer, run in figures["runs"].items():
        points = [(0, 0.0), *map(tuple, run.get("curve", []))]
        rates = [
            (after, (after - before) / (end - start))
            for (before, start), (after, end) in itertools.pairwise(points)
            if end > start
        ]
        if rates:
            found[peer] = rates
    return found


def draw_inserts(results: Results) -> str | None:
    """Rates while the index outgrows the limit of memory. A line that ends was stopped by time."""
    panels = {}
    for figures in results.figures("kind"):
        title = f"{figures['kind']} keys, limit {figures['limit_bytes'] / (1 << 30):g} GiB: inserts a second"
        panels[title] = _insert_series(figures)
    if not panels or not _values(panels, 0):
        return None
    most, ticks = max(_values(panels, 0)), svg.decades(_values(panels, 1))
    x = svg.linear(0, most, 0, _INSERTS_WIDTH)
    y = svg.logarithmic(ticks[0], ticks[-1], svg.HEIGHT, 0)
    drawn = []
    for number, (title, lines) in enumerate(panels.items()):
        parts = [svg.grid(ticks, y, _INSERTS_WIDTH, svg.count_label if number == 0 else None)]
        for part in range(5):
            count = most * part / 4
            parts.append(svg.text(x(count), svg.HEIGHT + 18, svg.count_label(round(count)), "middle"))
        for peer, points in lines.items():
            parts.append(svg.line(peer, [(x(count), y(rate)) for count, rate in points], dots=False))
        drawn.append(svg.panel(svg.LEFT + number * (_INSERTS_WIDTH + svg.GAP), title, "".join(parts)))
    return svg.picture(svg.LEFT + len(panels) * (_INSERTS_WIDTH + svg.GAP), drawn, _peers_in(panels))


# File, what draws it, and what it shows.
PICTURES = (
    ("performance-int-int.svg", draw_sizes, "int-int, time an operation over size"),
    ("performance-operations.svg", draw_operations, "int-int, time an operation at the largest size"),
    (
        "performance-inserts.svg",
        draw_inserts,
        "inserts a second while the index outgrows its limit of memory",
    ),
)


def draw_all(results: Results, folder: Path) -> dict[str, str]:
    """Writes the pictures for which there are figures; what each file shows."""
    written = {}
    for name, draw, caption in PICTURES:
        if (content := draw(results)) is not None:
            (folder / name).write_text(content)
            written[name] = caption
    return written


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: plot.py RESULT.json [RESULT.json ...] FOLDER")
    *sources, folder = map(Path, sys.argv[1:])
    try:
        written = draw_all(Results(sources), folder)
    except (OSError, ValueError) as error:
        sys.exit(f"plot: {error}")
    print(f"{folder}: {', '.join(written) or 'nothing to draw'}")


if __name__ == "__main__":
    main()
