"""Result files read back: one run, or several that complement each other."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from report import Cell


class Results:
    """What one or more result files say. Of a cell or a claim that is in several files the last counts.

    Errors: ValueError for a file that is not a result.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.runs: list[tuple[Path, dict[str, Any]]] = []
        cells: dict[tuple[Any, ...], Cell] = {}
        claims: dict[str, dict[str, Any]] = {}
        known = {field.name for field in fields(Cell)}
        for path in paths:
            try:
                run = json.loads(path.read_text())
                for each in run["cells"]:
                    cell = Cell(**{name: value for name, value in each.items() if name in known})
                    cells[cell.kind, cell.size, cell.state, cell.peer] = cell
                for claim in run["claims"]:
                    claims[f"{claim['name']} ({claim['target']})"] = claim
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path} is no result file of run.py: {error!r}") from None
            self.runs.append((path, run))
        self.cells = [*cells.values()]
        self.claims = [*claims.values()]

    def tables(self, state: str) -> dict[tuple[str, int], list[Cell]]:
        """The cells of each kind and size, in the order in which they were run."""
        found: dict[tuple[str, int], list[Cell]] = {}
        for cell in self.cells:
            if cell.state == state:
                found.setdefault((cell.kind, cell.size), []).append(cell)
        return found

    def figures(self, part: str) -> list[dict[str, Any]]:
        """The figures of the claims that have that part."""
        return [figures for claim in self.claims if part in (figures := claim.get("figures", {}))]
