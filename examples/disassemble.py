#!/usr/bin/env python3
"""Recovers the program in an ELF file into a store, and asks it questions from a second process.

    python examples/disassemble.py --file /usr/lib/x86_64-linux-gnu/libz3.so.4 --memory 512M --address 0x1234

Instructions, flags of each address, references, basic blocks and the call graph are kept in one
pyrsistence.Store; NetworkX's algorithms work on its graphs as they are. At the end the same is done with
Python's own containers, the answers are compared, and the memory of both is drawn. `make demo` runs it; the
options' defaults are FILE, MEMORY, ADDRESS, STORE, COMPARE and FIGURE of the environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    import capstone  # noqa: F401
    import elftools  # noqa: F401
    import networkx  # noqa: F401
    import numpy  # noqa: F401
    import tqdm  # noqa: F401
except ImportError as missing:
    sys.exit(f"{missing.name} is not installed: run `make demo`, or pip install 'pyrsistence[demo]'")
try:
    import pyrsistence  # noqa: F401
except ImportError as missing:
    sys.exit(f"pyrsistence cannot be imported ({missing}): run `make build`, and use .venv/bin/python")

from disassembly import figure
from disassembly.census import differences
from disassembly.image import Image, ImageError
from disassembly.libraries import default_file
from disassembly.memory import available
from disassembly.steps import StepError, build_step, compare_step, query_step, run

_SUFFIXES = {"K": 10, "M": 20, "G": 30, "T": 40}
# What Python's containers take for a byte of code at most; to judge if a comparison fits in memory.
_MOST_PYTHON_BYTES = 240
# Small enough for the default file's store to be larger, and to show that it may be.
_DEFAULT_MEMORY = "256M"
_EM_COLOUR, _PYTHON_COLOUR = "#d9480f", "#868e96"
_MIB = 1 << 20


def size_in_bytes(text: str) -> int:
    """Reads "512M" as 536870912."""
    digits, shift = (text[:-1], _SUFFIXES[text[-1].upper()]) if text[-1:].upper() in _SUFFIXES else (text, 0)
    try:
        size = int(digits) << shift
    except ValueError:
        size = 0
    if size <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write it as 512M or 2G")
    return size


def address_of(text: str) -> int:
    """Reads "0x4010" or "16400"; hexadecimal digits without 0x are taken as such."""
    for base in (0, 16):
        try:
            return int(text, base)
        except ValueError:
            continue
    raise argparse.ArgumentTypeError(f"{text!r} is not an address: write it as 0x4010")


def compared_size(text: str) -> int:
    """Reads "16M" as size_in_bytes(); "all" and "none"."""
    return {"all": 1 << 64, "none": 0}.get(text) if text in ("all", "none") else size_in_bytes(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])

    def option(name: str, default: str | None, **rest: Any) -> None:
        given = os.environ.get(name.upper()) or default
        parser.add_argument(f"--{name}", default=given, **rest)

    option("file", None, metavar="F", help="the ELF file (default: a large library of this machine)")
    option("memory", _DEFAULT_MEMORY, metavar="SIZE", type=size_in_bytes, help="the budget (default: 256M)")
    option(
        "address",
        None,
        metavar="A",
        type=address_of,
        help="ask about the function there (default: the largest)",
    )
    option("store", None, metavar="DIR", type=Path, help="keep the store here; if it exists, only ask it")
    option(
        "compare",
        "all",
        metavar="SIZE",
        type=compared_size,
        help="code to recover with Python's containers, too",
    )
    option(
        "figure",
        "demo.svg",
        metavar="F",
        type=Path,
        help="where to draw the memory of both (default: demo.svg)",
    )
    return parser.parse_args()


def choose_file(name: str | None, address: int | None) -> tuple[Path, int]:
    """The file to take apart, in which `address` must be, and its bytes of code; says which file it is."""
    if name:
        path, why = Path(name), ""
    else:
        print("No FILE given: looking for a library ...")
        path, why = default_file()
        why = f" ({why})"
    with Image(path) as image:
        print(f"{path}{why}")
        if address is not None and not image.contains(address):
            raise ImageError(f"{address:#x} is in no executable section of {path}: name another ADDRESS")
        code = f"{image.code_bytes / _MIB:,.1f} MiB of code in {len(image.sections)} sections"
        print(f"{image.machine.name}, {code}\n", flush=True)
        return path, image.code_bytes


def show_build(facts: dict[str, Any], budget: int) -> None:
    counts, history = facts["counts"], facts["history"]
    print(f"First process: {counts['instructions']:,} instructions with {counts['references']:,} references,")
    print(f"{counts['blocks']:,} basic blocks with {counts['edges of the flow']:,} edges,", end=" ")
    print(f"{facts['switches']:,} switches,")
    print(f"{counts['functions']:,} functions with {counts['edges of the call graph']:,} edges of calls")
    if not facts["reads_calls"]:
        print(f"  not read of {facts['machine']} code: jumps and calls, so that each function is one block")
    if facts["not understood"]:
        told = ", ".join(f"{count:,} {what}" for what, count in facts["not understood"].items())
        print(f"  not understood: {told}")
    lasted = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in history.lasted().items())
    print(f"  {history.seconds:.1f} s: {lasted}")
    each = facts["disk_bytes"] / counts["instructions"]
    print(f"  {mib(facts['disk_bytes'])} on disk, {each:.0f} bytes an instruction")
    print(
        f"  {mib(history.peak)} of anonymous memory, {mib(facts['before'])} before the first instruction;",
        end=" ",
    )
    print(f"the store's budget was {mib(budget)}", flush=True)


def show_check(facts: dict[str, Any]) -> bool:
    """Says whether the second process found what the first one counted."""
    history = facts["history"]
    print(f"\nSecond process: opened the store in {1000 * facts['opening_seconds']:.1f} ms,", end=" ")
    print(f"took {history.seconds:.1f} s and {mib(history.peak)} of anonymous memory.")
    if not facts["differences"]:
        print("Counted again: all as the first process counted, and the store is sound.", flush=True)
        return True
    print("NOT as the first process counted:")
    for difference in facts["differences"]:
        print(f"  {difference}")
    return False


def compared_bytes(wanted: int, code_bytes: int) -> int:
    """As much code as wanted, as long as what is made of it fits in three quarters of the memory there is."""
    return min(wanted, code_bytes, available() * 3 // 4 // _MOST_PYTHON_BYTES)


def compare(
    arguments: argparse.Namespace, file: Path, scratch: Path, part: int | None, ours: tuple[Any, Any]
) -> bool:
    """Does the same with Python's containers, of a part of the code if one is given; whether both agree."""
    if part is None:
        built, asked = ours
    else:
        print(f"\nComparing the first {mib(part)} of code: the rest does not fit, or was not asked for.")
        built = run(build_step, str(file), str(scratch / "part"), arguments.memory, part)
        asked = run(query_step, str(scratch / "part"), None, arguments.memory, False)
    plain = run(compare_step, str(file), arguments.address if part is None else None, part)
    lines = differences(built["counts"], plain["counts"])
    if asked["findings"] != plain["findings"]:
        lines.append("the queries have other answers")
    show_comparison(built, asked, plain, lines)
    title = f"Recovering {file.name}" + ("" if part is None else f", the first {mib(part)} of its code")
    draw(arguments.figure, title, built, asked, plain)
    return not lines


def show_comparison(built: Any, asked: Any, plain: Any, lines: list[str]) -> None:
    ours, theirs = (built["history"], asked["history"]), plain["history"]
    peak, seconds = max(history.peak for history in ours), sum(history.seconds for history in ours)
    print("\nThe same with dict, list, bytearray and networkx.DiGraph, in a process of its own:")
    print(
        f"  {mib(theirs.peak)} of anonymous memory, {theirs.peak / peak:.1f} times the store's {mib(peak)};"
    )
    print(f"  {theirs.seconds:.1f} s, {theirs.seconds / seconds:.2f} times the store's {seconds:.1f} s,")
    print("  and lost at the end: the next process would begin anew.")
    for line in lines:
        print(f"  NOT the same: {line}")
    if not lines:
        print("  All counts, all calls and all answers are the same.", flush=True)


def draw(path: Path, title: str, built: Any, asked: Any, plain: Any) -> None:
    counts = built["counts"]
    subtitle = (
        f"{counts['instructions']:,} instructions, {counts['blocks']:,} blocks, {counts['functions']:,} "
        "functions; MiB of anonymous memory over time"
    )
    curves = [
        figure.Curve("dict and networkx.DiGraph", _PYTHON_COLOUR, [plain["history"]]),
        figure.Curve("pyrsistence", _EM_COLOUR, [built["history"], asked["history"]]),
    ]
    figure.write(path, title, subtitle, curves)
    print(f"\nDrawn: {path}")


def mib(count: float) -> str:
    return f"{count / _MIB:,.0f} MiB"


def demonstrate(arguments: argparse.Namespace, scratch: Path) -> bool:
    """All steps; whether all processes agreed."""
    folder = arguments.store or scratch / "store"
    if folder.is_dir() and any(folder.iterdir()):
        print(f"{folder} exists: asking what it holds")
        return show_check(run(query_step, str(folder), arguments.address, arguments.memory, True))
    file, code_bytes = choose_file(arguments.file, arguments.address)
    built = run(build_step, str(file), str(folder), arguments.memory, None)
    show_build(built, arguments.memory)
    asked = run(query_step, str(folder), arguments.address, arguments.memory, True)
    agreed = show_check(asked)
    part = compared_bytes(arguments.compare, code_bytes)
    if part == 0:
        return agreed
    return compare(arguments, file, scratch, None if part == code_bytes else part, (built, asked)) and agreed


def main() -> int:
    arguments = parse_arguments()
    # /tmp is in memory on many machines; /var/tmp is not.
    scratch = Path(tempfile.mkdtemp(prefix="pyrsistence-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        return 0 if demonstrate(arguments, scratch) else 1
    except (ImageError, StepError, OSError) as error:
        print(f"disassemble: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    # As Ctrl-C: the step ends, and the scratch folder is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
