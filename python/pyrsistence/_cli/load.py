"""The command that puts the items of a dump into a store: load."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from .._base.new_directory import is_empty_directory, new_directory
from .._stores.kinds import KINDS, kind_of
from .._stores.store import Store
from . import json_form
from .json_form import NotJson
from .progress import Progress
from .shown import shown
from .stores import DISK, FINDINGS, FINE, FORMAT, USAGE, CommandError, items_of, opened, with_items
from .text import complain

Arguments = argparse.Namespace


def load(arguments: Arguments) -> int:
    """JSON lines into a container: all of them, or (with --batch) whole batches."""
    if arguments.batch is not None and arguments.batch < 1:
        raise CommandError(USAGE, f"--batch {arguments.batch}: expected 1 or more")
    with _input(arguments.file) as file:
        lines = _Lines(file, arguments)
        if os.path.lexists(arguments.path) and not is_empty_directory(arguments.path):
            count = _load_into_existing(lines, arguments)
        else:
            count = _load_into_new(lines, arguments)
    complain(f"{arguments.path}: {count:,} items loaded")
    return FINE


@contextlib.contextmanager
def _input(path: str | None) -> Iterator[IO[bytes]]:
    if path is None or path == "-":
        if sys.stdin is None:
            raise CommandError(DISK, "standard input is closed; name a FILE")
        yield sys.stdin.buffer
    else:
        with open(path, "rb") as file:
            yield file


class _Lines:
    """The items of an input, one after the other; and whether it came to its end."""

    def __init__(self, file: IO[bytes], arguments: Arguments) -> None:
        self._file = file
        self._name = arguments.file or "standard input"
        self._pickle = arguments.pickle
        self._needs_end = not arguments.no_end
        self._kind: str | None = None
        self.number = 0
        self.count = 0
        self._ended = False
        try:
            self._size = os.fstat(file.fileno()).st_size
        except OSError:
            self._size = 0
        self._read = 0
        self._pending: list[tuple[Any, Any]] = []

    def kind(self) -> str:
        """Whether these are items of a "dict" or of a "list": what the first one is. None at all: a dict."""
        if self._kind is None:
            self._pending = list(self._items(1))
        return self._kind or "dict"

    def batch(self, size: int | None, progress: Progress) -> Iterator[tuple[Any, Any]]:
        """Up to ``size`` items; all of them if it is None."""
        pending, self._pending = self._pending, []
        yield from pending
        for item in self._items(None if size is None else size - len(pending)):
            if self.count % 1024 == 0:
                progress(self._read, self._size)
            yield item

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left."""
        return self._ended

    def _items(self, size: int | None) -> Iterator[tuple[Any, Any]]:
        while size is None or size > 0:
            line = self._file.readline()
            self._read += len(line)
            if not line:
                self._finish()
                return
            self.number += 1
            if not line.strip():
                continue
            item = self._item(line)
            if item is None:
                continue
            self.count += 1
            size = None if size is None else size - 1
            yield item

    def _finish(self) -> None:
        if self._needs_end and not self._ended:
            raise self._error(
                'the input ends without its last line {"end": COUNT}: it may be cut off; --no-end takes it'
            )
        self._ended = True

    def _item(self, line: bytes) -> tuple[Any, Any] | None:
        try:
            form = json_form.parse(line)
            if self._ended:
                raise NotJson('found a line after {"end": COUNT}')
            if isinstance(form, dict) and set(form) == {"end"}:
                self._end(form["end"])
                return None
            if not isinstance(form, dict) or set(form) not in ({"key", "value"}, {"value"}):
                raise NotJson('expected {"key": KEY, "value": VALUE}, or of a list {"value": VALUE}')
            kind = "dict" if "key" in form else "list"
            if self._kind not in (None, kind):
                raise NotJson(f"expected an item of a {self._kind}, found one of a {kind}")
            self._kind = kind
            key = json_form.decode(form["key"], pickle=self._pickle) if kind == "dict" else None
            return key, json_form.decode(form["value"], pickle=self._pickle)
        except (NotJson, RecursionError) as error:
            raise self._error(str(error)) from None

    def _end(self, count: Any) -> None:
        if self._needs_end and count != self.count:
            raise self._error(
                f"the last line says {shown(count)} items, found {self.count}; --no-end takes them"
            )
        self._ended = True

    def _error(self, text: str) -> CommandError:
        return CommandError(
            FORMAT,
            f"{self._name}, line {self.number}: {text}; nothing since the last commit was stored",
        )


def _load_into_new(lines: _Lines, arguments: Arguments) -> int:
    """Into a directory beside the place, moved there when whole: no transaction, so no limit to its size."""
    kind = arguments.kind or lines.kind()
    with new_directory(arguments.path, "loading", arguments.permissions) as work:
        with _create(work, kind, arguments) as container:
            with Progress("load", not arguments.no_progress) as progress:
                _store_items(container, lines, None, progress)
    return lines.count


@contextlib.contextmanager
def _create(path: str, kind: str, arguments: Arguments) -> Iterator[Any]:
    options = {"commit_interval": None, "memory": arguments.memory, "permissions": arguments.permissions}
    if arguments.member is not None:
        with Store(path, mode="x", **options) as store:
            yield store._member(kind, arguments.member, {})
    else:
        with KINDS[kind].cls(path, mode="x", **options) as container:
            yield container


def _load_into_existing(lines: _Lines, arguments: Arguments) -> int:
    """In one transaction, or in one a batch."""
    with opened(arguments.path, "r+", arguments.timeout, memory=arguments.memory) as found:
        container: Any = None
        with Progress("load", not arguments.no_progress) as progress:
            while container is None or not lines.exhausted:
                with _transaction(found, arguments):
                    container = container or _target(found, lines, arguments)
                    _store_items(container, lines, arguments.batch, progress)
    return lines.count


@contextlib.contextmanager
def _transaction(found: Any, arguments: Arguments) -> Iterator[None]:
    try:
        with found.transaction():
            yield
    except MemoryError as error:
        raise CommandError(
            FINDINGS,
            f"{error}; here: give --batch 100000 to commit in parts, or a larger --memory",
        ) from None


def _target(found: Any, lines: _Lines, arguments: Arguments) -> Any:
    kind = arguments.kind or lines.kind()
    if isinstance(found, Store) and arguments.member is not None and arguments.member not in found:
        return found._member(kind, arguments.member, {})
    container = with_items(found, arguments.member)
    there = kind_of(container)
    if lines.count and there.has_keys != KINDS[kind].has_keys:
        raise CommandError(USAGE, f"{arguments.path}: is {there.called}, but the input is of a {kind}")
    return container


def _store_items(container: Any, lines: _Lines, size: int | None, progress: Progress) -> None:
    put = items_of(container).put
    for key, value in lines.batch(size, progress):
        try:
            put(container, key, value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise lines._error(f"cannot be stored: {error}") from None
