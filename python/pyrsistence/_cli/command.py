"""The command ``pyrsistence``: it runs, and what becomes of errors (docs/cli.md).

One line on stderr says what was expected, what was found and what to do; --debug shows the traceback instead.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from .._core import DamagedError, FormatError, LockedError
from .arguments import build_parser
from .stores import DAMAGED, DISK, FORMAT, INTERNAL, INTERRUPTED, LOCKED, PIPE, CommandError
from .text import complain, set_output, settle_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status. Errors: none but SystemExit for wrong usage."""
    parsed = build_parser().parse_args(arguments)
    if sys.stdout is None:
        return _complain(parsed, DISK, "standard output is closed")
    set_output(for_programs=getattr(parsed, "json", False))
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return PIPE
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would show a traceback
        return _complain(parsed, INTERRUPTED, "interrupted")
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return _complain(parsed, *_explain(error))
    finally:
        settle_output()


def _explain(error: BaseException) -> tuple[int, str]:
    """The exit status and the line for an error."""
    if isinstance(error, CommandError):
        return error.code, str(error)
    for kind, code, advice in (
        (LockedError, LOCKED, "; or wait with --timeout SECONDS"),
        (DamagedError, DAMAGED, "; pyrsistence verify lists what is wrong"),
        (FormatError, FORMAT, ""),
        (OSError, DISK, ""),
        (MemoryError, DISK, ""),
    ):
        if isinstance(error, kind):
            return code, _text_of(error) + advice
    return INTERNAL, f"unexpected {type(error).__name__}: {_text_of(error)}; --debug shows where"


def _text_of(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror is not None:
        name = None if error.filename is None else os.fsdecode(error.filename)
        known = name is None or error.strerror.startswith(f"{name}: ")
        return error.strerror if known else f"{name}: {error.strerror}"
    return str(error) or type(error).__name__


def _complain(parsed: argparse.Namespace, code: int, text: str) -> int:
    if parsed.debug:
        complain(traceback.format_exc())
    complain(f"pyrsistence: {' '.join(text.split())}")
    return code
