#!/usr/bin/env python3
"""Disassembles an ELF file into a store, and shows from a second process what is in it.

    python examples/disassemble.py --file /usr/lib/x86_64-linux-gnu/libz3.so.4 --memory 512M --address 0x1234

Every instruction, their order and all code references are kept in one pyrsistence.Store; at the end its
memory is set beside what Python's own dicts and lists take for the same. `make demo` runs it; the
options' defaults are FILE, MEMORY, ADDRESS, STORE and COMPARE of the environment.
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
    import tqdm  # noqa: F401
except ImportError as missing:
    sys.exit(f"{missing.name} is not installed: run `make demo`, or pip install 'pyrsistence[demo]'")
try:
    import pyrsistence  # noqa: F401
except ImportError as missing:
    sys.exit(f"pyrsistence cannot be imported ({missing}): run `make build`, and use .venv/bin/python")

from disassembly.image import Image, ImageError, default_file
from disassembly.steps import StepError, build_step, compare_step, report_step, run

_SUFFIXES = {"K": 10, "M": 20, "G": 30, "T": 40}
# What Python's dicts and lists take for an instruction at most; to judge if a comparison fits in memory.
_MOST_PYTHON_BYTES = 500
# Small enough for the default file's store to be larger, and to show that it may be.
_DEFAULT_MEMORY = "256M"
# Below this a difference of two samples of a process's memory is mostly noise.
_LEAST_COMPARED = 16 << 20
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


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])

    def option(name: str, default: str | None, **rest: Any) -> None:
        given = os.environ.get(name.upper()) or default
        parser.add_argument(f"--{name}", default=given, **rest)

    option("file", None, metavar="F", help="the ELF file (default: a large library of this machine)")
    option("memory", _DEFAULT_MEMORY, metavar="SIZE", type=size_in_bytes, help="the budget (default: 256M)")
    option("address", None, metavar="A", type=address_of, help="the instruction to show (default: the entry)")
    option("store", None, metavar="DIR", type=Path, help="keep the store here; if it exists, only show it")
    option("compare", "2000000", metavar="N", type=int, help="instructions to keep in Python's dicts too")
    return parser.parse_args()


def choose_file(name: str | None, address: int | None) -> Path:
    """The file to disassemble, in which `address` must be; says which file it is."""
    if name:
        path, why = Path(name), ""
    else:
        print("No FILE given: looking for a library ...")
        path, why = default_file()
        why = f" ({why})"
    image = Image(path)
    print(f"{path}{why}")
    if address is not None and not image.contains(address):
        raise ImageError(f"{address:#x} is in no executable section of {path}: name another ADDRESS")
    code = f"{image.code_bytes / _MIB:,.1f} MiB of code in {len(image.sections)} sections"
    print(f"{image.machine.name}, {code}\n", flush=True)
    image.close()
    return path


def show_build(facts: dict[str, Any]) -> None:
    count, seconds = facts["instructions"], facts["seconds"] + facts["closing_seconds"]
    print(f"First process: {count:,} instructions and {facts['references']:,} references in {seconds:.1f} s")
    print(f"  {count / seconds:,.0f} instructions/s, of that storing {facts['storing_seconds']:.1f} s,")
    print(f"  closing (all durable) {facts['closing_seconds']:.1f} s; the rest is capstone and the loop")
    disk = facts["disk_bytes"]
    print(f"  {disk / _MIB:,.0f} MiB on disk, {disk / count:.1f} bytes an instruction\n", flush=True)


def show_check(facts: dict[str, Any]) -> bool:
    """Says whether the second process found what the first one counted."""
    print(f"\nReopened in {1000 * facts['opening_seconds']:.1f} ms.", end=" ")
    if not facts["differences"]:
        print("Counted again: all as the first process counted, and the store is sound.")
        return True
    print("NOT as the first process counted:")
    for difference in facts["differences"]:
        print(f"  {difference}")
    return False


def comparison_limit(wanted: int, instructions: int) -> int:
    """As many instructions as wanted, as long as they fit in half of the memory that is free."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(wanted, instructions, free // 2 // _MOST_PYTHON_BYTES)


def show_memory(built: dict[str, Any], plain: dict[str, Any] | None, budget: int) -> None:
    """Peak memory of the store's process, beside that of Python's dicts and lists."""
    peak, before = built["peak"], built["before"]
    print(f"\nPeak memory of the first process, the store's budget being {mib(budget).strip()}:")
    print(f"  {mib(peak.anonymous)} anonymous, of it {mib(before).strip()} before the first instruction")
    print(f"  {mib(peak.high_water)} with pages of files, which the kernel drops when it needs memory")
    if plain is None:
        return
    taken = plain["peak"].anonymous - plain["before"]
    if taken < _LEAST_COMPARED:
        print("Too small a file to compare that with Python's dicts.")
        return
    each = taken / plain["instructions"]
    python = each * built["instructions"]
    part, scaled = f"the first {plain['instructions']:,}", ", scaled to all"
    if plain["instructions"] == built["instructions"]:
        part, scaled = "all", ""
    print(f"The same in Python's dicts and lists (a process of its own; {part} of the instructions):")
    print(f"  {mib(python)} anonymous, {each:.0f} bytes an instruction{scaled}")
    print(f"  {plain['instructions'] / plain['seconds']:,.0f} instructions/s")
    print(f"That is {python / max(peak.anonymous - before, 1):.1f} times what the store's process took.")


def mib(count: float) -> str:
    return f"{count / _MIB:8,.0f} MiB"


def demonstrate(arguments: argparse.Namespace, folder: Path) -> bool:
    """All steps; whether the second process agreed with the first."""
    if folder.is_dir() and any(folder.iterdir()):
        print(f"{folder} exists: showing what it holds\n")
        return show_check(run(report_step, str(folder), arguments.address, arguments.memory))
    file = choose_file(arguments.file, arguments.address)
    built = run(build_step, str(file), str(folder), arguments.memory)
    show_build(built)
    agreed = show_check(run(report_step, str(folder), arguments.address, arguments.memory))
    limit = comparison_limit(arguments.compare, built["instructions"])
    show_memory(built, run(compare_step, str(file), limit) if limit > 0 else None, arguments.memory)
    return agreed


def main() -> int:
    arguments = parse_arguments()
    # /tmp is in memory on many machines; /var/tmp is not.
    scratch = Path(tempfile.mkdtemp(prefix="pyrsistence-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        return 0 if demonstrate(arguments, arguments.store or scratch / "store") else 1
    except (ImageError, StepError) as error:
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
