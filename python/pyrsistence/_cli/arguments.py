"""The arguments of the command ``pyrsistence``, and which function does what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from .._base.memory import parse_memory
from .._base.options import parse_permissions
from .._stores.kinds import KINDS
from . import copies, inspect, items, load
from .text import printable

_EPILOG = """\
exit status:
  0    fine
  1    findings: verify found damage, migrate lost items, there is no such key, an item has no JSON form
  2    the arguments do not fit, or do not fit the store
  3    not what was expected: no store, a list for a dict, a line that is no item
  4    damaged
  5    locked: another process has the store open (--timeout waits)
  6    an error of the system: no such file, no permission, disk full, standard output closed
  70   a fault of this program (--debug shows where)
  130  interrupted by Ctrl-C: the store is as it was
  141  the reader of the output went away

Commands that read open the store read-only and run no code from it. docs/cli.md has examples of all.
"""

_LOAD = """\
Reads JSON lines as dump writes them: {"key": KEY, "value": VALUE} of a dict, {"value": VALUE} of a list, and
a last line {"end": COUNT}. A dict is updated, a list extended; if there is nothing at PATH, it is created.

It is all or nothing: an error or Ctrl-C leaves the store as it was. With --batch N it commits after every N
items, for loads into an existing store that are too large for one transaction; then whole batches stay.

A pickle in the input is refused unless --pickle is given: unpickling runs whatever code it names.
"""

_MIGRATE = """\
Reads the directory SRC, written by pyrsistence 1.1, and makes a new store of it at DST. SRC is not changed.

What is damaged is left out (in a list: None) and counted. By default only pickles of plain data are read:
builtins, dates and times, Decimal, Fraction, UUID, OrderedDict, deque, NumPy's arrays. --pickle reads all,
and runs whatever code they name: for stores that you trust.
"""

_GET = """\
KEY is text. If the dict has no such key and KEY looks like an int (digits, with or without a minus), the int
is looked up. With --json-key KEY is JSON, as dump writes it: 5, "5", null, {"$tuple": [1, "a"]}. Of a list
KEY is an index.
"""

_Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As argparse; arguments may be names that a stranger gave to files."""
        super().error(printable(message))


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: _Command,
    text: str,
    more: str = "",
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\n{more}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_store(parser: argparse.ArgumentParser, *options: str) -> None:
    parser.add_argument("path", metavar="PATH", help="the directory of the store")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for a locked store (default: 0)",
    )
    if "member" in options:
        parser.add_argument("--member", metavar="NAME", help="the member, of a store with more than one")
    _add_output(parser, *options)


def _add_output(parser: argparse.ArgumentParser, *options: str) -> None:
    if "memory" in options:
        parser.add_argument(
            "--memory",
            type=_memory,
            metavar="BYTES",
            help="changed data held in memory at most, as 512M or 2G (default: a quarter of the memory)",
        )
    if "permissions" in options:
        parser.add_argument(
            "--permissions",
            type=_permissions,
            metavar="OCTAL",
            help="of the files of a new store, as 600 or 640 (default: what the umask leaves)",
        )
    if "json" in options:
        parser.add_argument("--json", action="store_true", help="print JSON")
    if "progress" in options:
        parser.add_argument("--no-progress", action="store_true", help="show no progress bar")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser: argparse.ArgumentParser = _Parser(
        prog="pyrsistence",
        description="Look at, check, copy and convert stores of pyrsistence.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_inspecting(commands)
    _add_changing(commands)
    return parser


def _add_inspecting(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add_store(_add(commands, "info", inspect.info, "say what the directory holds"), "json")
    _add_store(_add(commands, "stats", inspect.stats, "print sizes, load, journal"), "json", "member")
    _add_store(_add(commands, "verify", inspect.verify, "read all of it and list what is wrong"), "json")
    get = _add(commands, "get", items.get, "print the value of a key, or the element at an index", _GET)
    _add_store(get, "json", "member")
    get.add_argument("key", metavar="KEY")
    get.add_argument("--json-key", action="store_true", help="KEY is JSON")
    _add_store(_add(commands, "keys", items.keys, "print the keys of a dict, a line each"), "json", "member")
    head = _add(commands, "head", items.head, "print the first items: key, tab, value")
    _add_store(head, "json", "member")
    head.add_argument("-n", dest="lines", type=_count, default=10, metavar="N", help="so many (default: 10)")
    dump = _add(commands, "dump", items.dump, "write all items as JSON lines")
    _add_store(dump, "member", "progress")
    dump.set_defaults(json=True)
    dump.add_argument("-o", "--output", metavar="FILE", help="a new file (default: standard output)")
    dump.add_argument("--pickle", action="store_true", help="write what has no JSON form as a pickle, unread")


def _add_changing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    loading = _add(commands, "load", load.load, "put the items of a dump into a store", _LOAD)
    _add_store(loading, "member", "progress", "memory", "permissions")
    loading.add_argument("file", metavar="FILE", nargs="?", help="the input (default: standard input)")
    loading.add_argument(
        "--batch", type=_count, metavar="N", help="commit after every N items (existing stores)"
    )
    loading.add_argument(
        "--kind",
        choices=[kind.name for kind in KINDS.values() if kind.loaded],
        help="what to create, if the input is empty",
    )
    loading.add_argument(
        "--no-end", action="store_true", help="take input without its last line, or with a wrong count"
    )
    loading.add_argument(
        "--pickle", action="store_true", help="unpickle, which may run code: for input that you trust"
    )
    compact = _add(commands, "compact", copies.compact, "give dead space back, in place or into a copy")
    _add_store(compact, "json", "progress", "memory")
    compact.add_argument("dst", metavar="DST", nargs="?", help="a new directory for the compacted copy")
    backup = _add(commands, "backup", copies.backup, "copy the store, consistent while a writer works")
    _add_store(backup, "json", "progress")
    backup.add_argument("dst", metavar="DST", help="a new directory")
    migrate = _add(commands, "migrate", copies.migrate, "make a store of one of pyrsistence 1.1", _MIGRATE)
    migrate.add_argument("path", metavar="SRC", help="the old directory")
    migrate.add_argument("dst", metavar="DST", help="the new directory")
    _add_output(migrate, "json", "progress", "memory", "permissions")
    trust = migrate.add_mutually_exclusive_group()
    trust.add_argument("--safe", action="store_true", help="read plain data alone (the default)")
    trust.add_argument("--pickle", action="store_true", help="read all pickles, which may run code")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {number}")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {number}")
    return number


def _memory(text: str) -> int:
    try:
        return parse_memory(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _permissions(text: str) -> int | None:
    try:
        return parse_permissions(int(text, 8))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected an octal number from 600 to 777 with which the owner reads and writes, found {text!r}"
        ) from None


_count.__name__ = _seconds.__name__ = "number"  # argparse says: invalid number value
