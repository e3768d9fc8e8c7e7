"""The commands that show items, and change nothing: get, keys, head, dump."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from .._stores.kinds import kind_of
from . import json_form
from .json_form import NotJson
from .progress import Progress
from .shown import plain, shown
from .stores import DAMAGED, FINDINGS, FINE, USAGE, CommandError, items_of, reading

Arguments = argparse.Namespace


def get(arguments: Arguments) -> int:
    """The value of one key or index."""
    with reading(arguments.path, arguments.member, arguments.timeout) as found:
        value = _plain_of(found)(_value_of(found, arguments))
    _print_value(value, arguments)
    return FINE


def _print_value(value: Any, arguments: Arguments) -> None:
    print(json_form.dumps(value, pickle=True) if arguments.json else shown(value))


def _value_of(found: Any, arguments: Arguments) -> Any:
    if not items_of(found).chosen:
        raise CommandError(
            USAGE,
            f"{arguments.path}: {kind_of(found).called} has no keys and no indices; see its elements with "
            "head or dump",
        )
    for key in _candidates(found, arguments):
        try:
            return found[key]
        except (KeyError, IndexError):
            continue
        except TypeError as error:
            raise CommandError(USAGE, f"{arguments.key}: {error}") from None
    what = "key" if kind_of(found).has_keys else f"element of {len(found)}"
    raise CommandError(FINDINGS, f"{arguments.path}: there is no {what} {arguments.key}")


def _candidates(found: Any, arguments: Arguments) -> Iterator[Any]:
    """What KEY may mean: with --json-key what it says; else the text, then the int that it looks like."""
    if arguments.json_key:
        try:
            key = json_form.loads(arguments.key)
        except NotJson as error:
            raise CommandError(USAGE, f"--json-key {arguments.key}: {error}") from None
        yield key
        yield from kind_of(found).key_of(found, key)
        return
    looks_like_int = re.fullmatch(r"-?[0-9]{1,4000}", arguments.key) is not None
    if kind_of(found).has_keys:
        yield arguments.key
        yield from kind_of(found).key_of(found, arguments.key)
    elif not looks_like_int:
        raise CommandError(
            USAGE,
            f"{arguments.key}: {arguments.path} is {kind_of(found).called}; expected an index, as 0 or -1",
        )
    if looks_like_int:
        yield int(arguments.key)


def keys(arguments: Arguments) -> int:
    """The keys of a dict, in the order of their insertion."""
    with reading(arguments.path, arguments.member, arguments.timeout) as found:
        if not kind_of(found).has_keys:
            raise CommandError(
                USAGE,
                f"{arguments.path}: {kind_of(found).called} has no keys; see its elements with head or dump",
            )
        for key in map(_plain_of(found), found):
            _print_value(key, arguments)
    return FINE


def head(arguments: Arguments) -> int:
    """The first items."""
    with reading(arguments.path, arguments.member, arguments.timeout) as found:
        for first, second in itertools.islice(_pairs(found), arguments.lines):
            if arguments.json:
                print(_record(found, first, second, pickle=True))
            else:
                print(f"{shown(first)}\t{shown(second)}")
    return FINE


def _pairs(found: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values, or indices and values."""
    as_json = _plain_of(found)
    return ((as_json(key), as_json(value)) for key, value in items_of(found).pairs(found))


def _plain_of(found: Any) -> Callable[[Any], Any]:
    """What makes of its items what JSON can say: those of a given type are not values with a form each."""
    return plain if kind_of(found).typed else lambda value: value


def _record(found: Any, key: Any, value: Any, *, pickle: bool) -> str:
    form = {"key": json_form.encode(key, pickle=pickle)} if kind_of(found).has_keys else {}
    return json_form.text_of({**form, "value": json_form.encode(value, pickle=pickle)})


# ---- dump


def dump(arguments: Arguments) -> int:
    """All items as JSON lines, and a last line with their number."""
    with reading(arguments.path, arguments.member, arguments.timeout) as found:
        if arguments.output is None:
            _dump_to(sys.stdout, found, arguments)
        else:
            with _new_file(arguments.output) as file:
                _dump_to(file, found, arguments)
    return FINE


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[TextIO]:
    """Create a file, and remove it if the block raises; one that exists is not overwritten."""
    with open(path, "x", encoding="utf-8", newline="\n") as file:
        try:
            yield file
        except BaseException:
            os.unlink(path)
            raise


def _dump_to(file: TextIO, found: Any, arguments: Arguments) -> None:
    total = len(found)
    with Progress("dump", not arguments.no_progress and file is not sys.stdout) as progress:
        done = 0
        for done, (key, value) in enumerate(_pairs(found), 1):
            try:
                file.write(_record(found, key, value, pickle=arguments.pickle) + "\n")
            except NotJson as error:
                raise CommandError(
                    FINDINGS, f"{arguments.path}: item {done - 1} ({_named(key)}): {error}"
                ) from None
            if done % 1024 == 0:
                progress(done, total)
    if done != total:
        raise CommandError(
            DAMAGED, f"{arguments.path}: expected {total} items, found {done}; see: pyrsistence verify"
        )
    file.write(json_form.text_of({"end": done}) + "\n")


def _named(key: Any) -> str:
    try:
        text = shown(key)
    except NotJson:
        text = f"a {type(key).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
