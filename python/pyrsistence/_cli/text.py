"""Text for people: what the command prints, without anything that a terminal obeys and in its encoding.

Names, keys, findings and errors may say what a stranger's files say. Output for programs (``--json``, dump)
is UTF-8 wherever it goes; json_form escapes in it what is not to be printed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys


def printable(text: str) -> str:
    """Return the text with an escape for each character that is not printable, but for line ends."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(text: str) -> None:
    """Print a line, or lines, for people on stdout."""
    print(printable(text))


def complain(text: str) -> None:
    """Print a line, or lines, on stderr; what cannot be said is left out."""
    if sys.stderr is not None:  # print() would take stdout for it
        with contextlib.suppress(OSError):
            print(printable(text), file=sys.stderr, flush=True)


def set_output(for_programs: bool) -> None:
    """Prepare stdout: UTF-8 for programs; for people an escape where the encoding lacks a character."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = "utf-8" if for_programs else None
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def settle_output() -> None:
    """Write what is left in stdout; if that fails too, forget it: the interpreter's end would complain."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
