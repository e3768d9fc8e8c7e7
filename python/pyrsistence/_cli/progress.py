"""A progress bar on stderr: tqdm's where it is installed, else a plain one; none into a file or pipe."""

from __future__ import annotations

import sys
from typing import Any

_WIDTH = 30


class Progress:
    """Called as progress(done, total); a context manager that leaves the line clean, also after an exception.

    It only shows: what it cannot show (a closed stderr) is left out.
    """

    def __init__(self, label: str, wanted: bool) -> None:
        self._label = label
        self._bar: Any = None
        self._shown = -1
        self._on = wanted and sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        if self._on:
            try:
                import tqdm  # type: ignore[import-untyped]

                self._bar = tqdm.tqdm(desc=self._label, unit="", leave=False, file=sys.stderr)
            except ImportError:
                pass
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._on and self._shown >= 0:
            self._write("\r\x1b[K")

    def __call__(self, done: int, total: int) -> None:
        """Show that so many of so many are done; a total of 0 is not known."""
        if self._bar is not None:
            self._bar.total = total or None
            self._bar.update(done - self._bar.n)
        elif self._on:
            self._plain(done, total)

    def _plain(self, done: int, total: int) -> None:
        share = done * 1000 // total if total else done // 10_000
        if share == self._shown:
            return
        self._shown = share
        if not total:
            self._write(f"\r{self._label} {done:,}")
            return
        filled = min(done * _WIDTH // total, _WIDTH)
        self._write(f"\r{self._label} [{'#' * filled:<{_WIDTH}}] {share / 10:5.1f} %")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._on = False
