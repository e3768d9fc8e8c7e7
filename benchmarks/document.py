#!/usr/bin/env python3
"""Puts result files into the documents: every table of figures, the list of losses, and the pictures.

    python benchmarks/document.py benchmarks/results/<time>.json [...]

What stands between two markers of docs/performance.md and README.md is written anew; all other text is
by hand. Of several files, the last one that has a figure counts.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from plot import draw_all
from report import Cell, notes_of, number, rows_of, title_of
from saved import Results

_ROOT = Path(__file__).resolve().parent.parent
_PERFORMANCE = _ROOT / "docs" / "performance.md"
_README = _ROOT / "README.md"
_README_PEERS = ("pyrsistence", "dict", "lmdb", "rocksdict", "sqlite3")
_README_ROWS = ("insert, ns", "get, ns", "iterate, ns", "disk, bytes an entry")
_STATES = ("warm", "cold", "quarter", "eighth")
# A peer that is faster by less is as fast.
_FASTER = 1.05
_MACHINE = "{processor}, {cores} cores, {memory_gib:.0f} GiB, {kernel}, {file_system}; Python {python}"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def runs(made: list[tuple[Path, dict[str, Any]]]) -> str:
    """Which run was made when, on what, with which command."""
    lines = []
    for path, run in made:
        machine = run["machine"]
        versions = ", ".join(
            f"{name} {version}" for name, version in run["versions"].items() if version != "-"
        )
        command = " ".join(["python", *run["command"]])
        minutes = f", {run['seconds'] / 60:.0f} minutes" if "seconds" in run else ""
        lines.append(
            f"- [{path.name}](../benchmarks/results/{path.name}): `{command}`, "
            f"{machine['time'][:10]}{minutes}. {_MACHINE.format(**machine)}; {versions}."
        )
    return "\n".join(lines)


def _table(cells: list[Cell]) -> str:
    rows = [
        [title.strip(), *(number(each, digits) for each in figures)]
        for title, figures, digits in rows_of(cells)
    ]
    notes = "".join(f"\n- {note}" for note in notes_of(cells))
    return _markdown([title_of(cells), *(cell.peer for cell in cells)], rows) + (
        "\n" + notes if notes else ""
    )


def tables(results: Results) -> str:
    """Each kind at its largest size, in every state; figures of other sizes are in the file."""
    found = []
    for state in _STATES:
        of_state = results.tables(state)
        for kind in dict.fromkeys(kind for kind, _ in of_state):
            found.append(_table(of_state[kind, max(size for other, size in of_state if other == kind)]))
    return "\n\n".join(found) or "None was measured."


def claims(results: Results) -> str:
    """Every target, and what was measured."""
    words = {True: "reached", False: "**missed**", None: "not measured"}
    rows = [
        [claim["name"], claim["measured"], claim["target"], words[claim["reached"]]]
        for claim in results.claims
    ]
    return _markdown(
        ["what", "measured", "to reach", ""], [[cell.replace("|", "\\|") for cell in row] for row in rows]
    )


def losses(results: Results) -> str:
    """Every row at a kind's largest size in which somebody is faster or smaller than pyrsistence."""
    rows = []
    for state in _STATES:
        of_state = results.tables(state)
        for kind in dict.fromkeys(kind for kind, _ in of_state):
            cells = of_state[kind, max(size for other, size in of_state if other == kind)]
            rows += _losses_of(cells, "EMList" if kind == "list" else "pyrsistence")
    return _markdown(["what", "pyrsistence", "less is needed by"], rows)


def _losses_of(cells: list[Cell], ours: str) -> list[list[str]]:
    names, rows = [cell.peer for cell in cells], []
    for title, figures, digits in rows_of(cells):
        by_name = {name: each for name, each in zip(names, figures, strict=True) if each and name != "loop"}
        mine = by_name.get(ours)
        less = {name: each for name, each in by_name.items() if mine and each * _FASTER < mine}
        if mine and less:
            shown = ", ".join(
                f"{name} {number(each, digits)} ({mine / each:.2f}x)" for name, each in less.items()
            )
            rows.append([f"{title_of(cells)}: {title.strip()}", number(mine, digits), shown])
    return rows


def readme(results: Results) -> str:
    """The one table of the README."""
    of_kind = {size: cells for (kind, size), cells in results.tables("warm").items() if kind == "int-int"}
    if not of_kind:
        return "Not measured."
    cells = [cell for cell in of_kind[max(of_kind)] if cell.peer in _README_PEERS]
    rows = [
        [title, *(number(each, digits) for each in figures)]
        for title, figures, digits in rows_of(cells)
        if title in _README_ROWS
    ]
    return _markdown([title_of(cells), *(cell.peer for cell in cells)], rows)


def instructions(counts: list[tuple[Path, dict[str, Any]]]) -> str:
    """What instructions.py counted, from the last file that has it."""
    if not counts:
        return "None were counted."
    counted = counts[-1][1]["instructions"]
    names = [*next(iter(counted["operations"].values()))]
    rows = [
        [operation, *(number(each[name], 1 if each[name] < 100 else 0) for name in names)]
        for operation, each in counted["operations"].items()
    ]
    return f"{counted['about']}\n\n" + _markdown(["an operation", *names], rows)


def read(paths: list[Path]) -> tuple[list[tuple[Path, dict[str, Any]]], Results]:
    """The files of instructions.py, and those of run.py. Errors: OSError; ValueError."""
    counts = []
    for path in paths:
        if path.resolve().parent != _ROOT / "benchmarks" / "results":
            raise ValueError(
                f"{path} is not in benchmarks/results, where files that documents link to are kept"
            )
        run = json.loads(path.read_text())
        if "instructions" in run:
            counts.append((path, run))
    of_counts = [path for path, _ in counts]
    return counts, Results([path for path in paths if path not in of_counts])


def parts(counts: list[tuple[Path, dict[str, Any]]], results: Results) -> dict[str, str]:
    """What stands between the markers of docs/performance.md, but for the pictures."""
    return {
        "runs": runs([*results.runs, *counts]),
        "claims": claims(results),
        "tables": tables(results),
        "losses": losses(results),
        "instructions": instructions(counts),
    }


def put(path: Path, texts: dict[str, str]) -> None:
    """Replaces what stands between the markers of each part. Errors: ValueError if a marker is missing."""
    content = path.read_text()
    for name, part in texts.items():
        begin, end = f"<!-- {name}: written by benchmarks/document.py -->", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        written = f"{begin}\n{part}\n{end}"
        content, count = pattern.subn(lambda _, written=written: written, content)
        if count != 1:
            raise ValueError(f"{path}: {begin} ... {end} was expected once, and is there {count} times")
    path.write_text(content)


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]]
    if not paths:
        sys.exit("usage: document.py RESULT.json [RESULT.json ...]")
    try:
        counts, results = read(paths)
        written = draw_all(results, _ROOT / "docs")
        pictures = "\n\n".join(f"![{caption}]({name})" for name, caption in written.items())
        put(_PERFORMANCE, {**parts(counts, results), "pictures": pictures})
        put(_README, {"table": readme(results)})
    except (OSError, ValueError) as error:
        sys.exit(f"document: {error}")
    print(f"written: {_PERFORMANCE.name}, {_README.name}, {', '.join(written)}")


if __name__ == "__main__":
    main()
