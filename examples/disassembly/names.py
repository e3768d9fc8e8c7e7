"""Names for people to read: what c++filt makes of a symbol, if the machine has it."""

from __future__ import annotations

import re
import shutil
import subprocess

_LONGEST = 64


def readable(names: list[str]) -> list[str]:
    """The names as in the source, and none longer than a line has room for."""
    program = shutil.which("c++filt")
    if program is not None and names:
        made = subprocess.run(
            [program, "--no-params"], input="\n".join(names), capture_output=True, text=True, check=False
        )
        lines = made.stdout.splitlines()
        if made.returncode == 0 and len(lines) == len(names):
            names = lines
    return [_shortened(_without_arguments(name)) for name in names]


def _without_arguments(name: str) -> str:
    """Templates' arguments, which may be pages long, as "<...>"; not of operators, which have such signs."""
    if "operator" in name:
        return name
    previous = None
    while previous != name:
        previous, name = name, re.sub(r"<[^<>]+>", "\0", name)
    return name.replace("\0", "<...>")


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST // 2]}...{name[-(_LONGEST // 2 - 3) :]}"
