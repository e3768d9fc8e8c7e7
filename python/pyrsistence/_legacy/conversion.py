"""The work of migrate(): what a directory of pyrsistence 1.1 holds, into a new store.

A dict's items are taken in the order of their keys' positions: 1.1 appended keys, so this is about the order
in which they were inserted, it reads both files from front to end, and of two equal keys (1.1 lost str keys
at reopening, and then took them again) the later is the newer. The order is made by an EMList on disk, so
memory does not grow with the store.

The new store is made in a directory beside its place and moved there when it is whole: an error or an
interruption leaves nothing behind, a kill only a directory whose name says what it was.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from .._base.new_directory import new_directory
from .._containers.dict import EMDict
from .._containers.list import EMList
from .files import HEADER_BYTES, WORD, LegacyFile, LegacyStore, LostItem
from .migration import Migration, Progress
from .pickle_walk import UnpicklingError
from .safe_pickle import load_safely, load_trusted

_BATCH = 4096


class _Reader:
    """Positions to objects."""

    def __init__(self, unpickler: Any, pickle: bool) -> None:
        self._whole_chunk = unpickler is not None
        self._loads = getattr(unpickler, "unpickle", unpickler) or (load_trusted if pickle else load_safely)
        if not callable(self._loads):
            raise TypeError(f"unpickler= has a method unpickle(bytes) or is a function, not {unpickler!r}")

    def read(self, file: LegacyFile, position: int) -> Any:
        """The object at a position. Errors: LostItem."""
        data = file.pickle_at(position, whole_chunk=self._whole_chunk)
        try:
            return self._loads(data)
        except UnpicklingError as error:
            raise LostItem(str(error)) from None
        except Exception as error:  # whatever an unpickler of the user's own, or a lack of memory, may raise
            raise LostItem(f"{type(error).__name__}: {error}") from None


def run(
    src: str,
    dst: str,
    progress: Progress | None,
    unpickler: Any,
    pickle: bool,
    memory: int | None,
    permissions: int | None,
) -> Migration:
    """As migrate()."""
    reader = _Reader(unpickler, pickle)
    opening: dict[str, Any] = {"commit_interval": None, "memory": memory}
    with LegacyStore(src) as old, new_directory(dst, "migrating", permissions) as made:
        result = Migration(old.kind, list(old.notes))
        maker: Any = EMDict if old.kind == "dict" else EMList
        with maker(made, mode="x", permissions=permissions, **opening) as new:
            if old.kind == "list":
                _migrate_list(old, reader, new, result, progress)
                return result
            parent, name = os.path.split(made)
            with tempfile.TemporaryDirectory(prefix=f"{name}-order-", dir=parent) as work:
                with EMList[int](os.path.join(work, "order"), **opening) as order:
                    _order_slots(old, order, result)
                    _migrate_dict(old, reader, order, new, result, progress)
    return result


def _stored(new: Any, result: Migration, slot: int, store: Callable[..., None], *arguments: Any) -> bool:
    """Store an item; count it as lost if it is one that cannot be stored. Errors: those of the store
    itself."""
    try:
        store(*arguments)
    except OSError:
        raise
    except Exception as error:  # of the key or the value: unhashable, too deep, code of its class
        new._open_handle().require_usable()
        result.lose(slot, "not storable", f"{type(error).__name__}: {error}")
        return False
    return True


def _lose_block(old: LegacyStore, result: Migration) -> Callable[[int, int, str], None]:
    def lose(offset: int, size: int, reason: str) -> None:
        slot, count = (offset - HEADER_BYTES) // old.slot_bytes, size // old.slot_bytes
        result.lose(slot, "index unreadable", f"{count} slots: {reason}", count)

    return lose


# ---- A dict


def _migrate_dict(
    old: LegacyStore,
    reader: _Reader,
    order: EMList[int],
    new: EMDict[Any, Any],
    result: Migration,
    progress: Progress | None,
) -> None:
    count = len(order)
    for done, packed in enumerate(order):
        if progress and done % _BATCH == 0:
            progress(done, count)
        _save_item(old, reader, packed % old.slots, new, result)
    result.saved = len(new)
    if progress:
        progress(count, count)
    if old.used < count:  # deleted entries stay counted there, so more is no news
        result.notes.append(f"index.bin says that {old.used} entries are used; {count} are")


def _order_slots(old: LegacyStore, order: EMList[int], result: Migration) -> None:
    """Fill ``order`` with one number an entry, key position / 8 * slots + slot, and sort it."""
    keys_size = old.files["keys.bin"].size
    for offset, words in old.index.blocks(_lose_block(old, result)):
        first = (offset - HEADER_BYTES) // old.slot_bytes
        found = []
        for index in range(0, len(words) - 2, 3):
            position = words[index + 1]
            if position or words[index] or words[index + 2]:
                slot = first + index // 3
                if position < keys_size and position % WORD == 0:
                    found.append(position // WORD * old.slots + slot)
                else:
                    result.lose(
                        slot, "key", f"position {position} is not in keys.bin, which has {keys_size} bytes"
                    )
        order.extend(found)
    order.sort()


def _save_item(
    old: LegacyStore, reader: _Reader, slot: int, new: EMDict[Any, Any], result: Migration
) -> None:
    what = "key"
    key_position, value_position = old.index.entry(slot)
    try:
        key = reader.read(old.files["keys.bin"], key_position)
        what = "value"
        value = reader.read(old.files["values.bin"], value_position)
    except LostItem as lost:
        result.lose(slot, what, lost)
        return
    before = len(new)
    if _stored(new, result, slot, new.__setitem__, key, value) and len(new) == before:
        result.lose(slot, "equal keys", "an older value of the same key was replaced by this one's")


# ---- A list


def _migrate_list(
    old: LegacyStore,
    reader: _Reader,
    new: EMList[Any],
    result: Migration,
    progress: Progress | None,
) -> None:
    values = old.files["values.bin"]
    for offset, words in old.index.blocks(_lose_block(old, result)):
        first = (offset - HEADER_BYTES) // WORD
        for start in range(0, len(words), _BATCH):
            if progress:
                progress(first + start, old.slots)
            batch = words[start : start + _BATCH]
            if any(batch):
                _save_elements(reader, values, first + start, batch, new, result)
    _fill(new, min(old.used, old.slots))
    if progress:
        progress(old.slots, old.slots)
    result.saved = max(len(new) - result.lost, 0)
    if old.used != len(new):
        result.notes.append(f"index.bin says that {old.used} elements are used; {len(new)} are")


def _save_elements(
    reader: _Reader,
    values: LegacyFile,
    first: int,
    positions: memoryview,
    new: EMList[Any],
    result: Migration,
) -> None:
    """Append the elements at these positions; behind the last that is not zero no more are known to exist."""
    for index, position in enumerate(positions, first):
        if not position:
            continue
        _fill(new, index)
        try:
            _stored(new, result, index, new.append, reader.read(values, position))
        except LostItem as lost:
            result.lose(index, "value", lost)
        _fill(new, index + 1)


def _fill(new: EMList[Any], length: int) -> None:
    """Append None until the list has this length."""
    while len(new) < length:
        new.extend([None] * min(length - len(new), 1 << 16))
