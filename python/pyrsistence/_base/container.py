"""What EMDict and EMList share beyond their slots."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .. import _core
from . import handles, open_stores
from .options import Codec, Opening, OpeningOptions, takes_opening
from .owner import Owner, Unopened, closed_repr

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Self = TypeVar("_Self", bound="Container")

# The knobs of tests: buckets a segment may reach, bits of the hash that count, and new entries that gather
# before they are merged into the index (0: none ever, 2^64 - 1: as many as the memory budget suggests).
Layout = tuple[int, int, int]
DEFAULT_LAYOUT: Layout = (512, 64, 2**64 - 1)

# What each class of containers has slots for.
SLOTS = ("_codec", "_handle", "_mode", "_name", "_owner", "_wanted")


class Container(Owner):
    """A member of an open store: alone in its store, or one of a Store's."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _kind_name: ClassVar[str]  # as the store tells it, and _stores/kinds.py
    _codec: Codec
    _wanted: tuple[Any, ...]  # of the structure: what the C++ class's want() parses
    _owner: Any  # the Store of a member; None: it stands alone
    _name: str

    # ---- Opening and closing

    def _configure(self, codec: Codec, wanted: tuple[Any, ...] = ()) -> None:
        self._handle = None
        self._owner = None
        self._name = ""
        self._codec = codec
        self._wanted = wanted

    def _attach(self, handle: _core.StoreHandle, name: str) -> None:
        _core.attach(self, handle, name, self._codec, self._wanted)

    def _open_alone(self, opening: Opening) -> None:
        self._open_store(opening)
        try:
            self._attach_alone()
        except BaseException:
            self._close_store()
            self._handle = None
            raise

    def _open_with(self, opening: Opening, add: Callable[[Any], object], data: Any) -> None:
        """Open it, and add what the constructor was given besides; it is closed if that raises."""
        self._open_alone(opening)
        if data is not None:
            try:
                add(data)
            except BaseException:
                self.close()
                raise

    @takes_opening
    def open(self, path: Any, **opening: Unpack[OpeningOptions]) -> None:
        """Open again after close(), at this path, with all else that the constructor was given.

        The options are those of the constructor.

        **Cost**: O(1); recovery, if the last writer was cut off. Errors: RuntimeError if it is open; else as
        the constructor.

        >>> d = EMDict()
        >>> d.close()
        >>> d.open(None)
        >>> d.close()
        """
        if _core.attached(self):
            raise RuntimeError(f"{type(self).__name__} '{self._open_handle().path}' is open")
        self._configure(self._codec, self._wanted)
        self._open_alone(Opening(path, **opening))

    def _attach_alone(self) -> None:
        handle = self._open_handle()
        members = handle.members()
        if any(name for name, _ in members):
            raise _core.FormatError(
                f"'{handle.path}' holds {len(members)} named members, not one {type(self).__name__}: "
                "open it with Store"
            )
        self._attach(handle, "")
        if not members and not handle.temporary:
            handle.commit()

    @classmethod
    def _member_of(cls: type[_Self], store: Any, name: str, **options: Any) -> _Self:
        self = cls.__new__(cls)
        self._set_options(**options)
        handle = store._open_handle()
        self._owner = store
        self._handle = handle
        self._name = name
        self._mode = store.mode
        self._attach(handle, name)
        return self

    @classmethod
    def _adopt(cls: type[_Self], handle: _core.StoreHandle, mode: str, **options: Any) -> _Self:
        self = cls.__new__(cls)
        self._set_options(**options)
        self._handle = handle
        self._mode = mode
        open_stores.register(self)
        self._attach(handle, "")
        return self

    def _set_options(self, **options: Any) -> None:
        raise NotImplementedError

    # ---- Pickling: as the place of the store, not as what is in it

    def _option_names(self) -> dict[str, Any]:
        raise NotImplementedError

    def _as_builtin(self) -> Any:
        """What is in it, as an object of another class, whatever the copy() of a subclass gives."""
        raise NotImplementedError

    def __reduce__(self) -> Any:
        if _core.is_storing():  # as part of a value: its items, which the value then owns
            items = self._as_builtin()
            return type(items), (items,)
        handle = self._open_handle()
        if self.closed and not handle.lost:
            raise ValueError(f"{self._closed_repr()} cannot be pickled")
        path, options = handles.committed_path(handle, self._mode == "r"), self._option_names()
        if self._owner is not None:
            return self._owner._reduce_member(path, type(self), self._name, options)
        return type(self)._restore, (path, options, getattr(self, "__dict__", None))

    @classmethod
    def _restore(
        cls: type[_Self], path: str, options: dict[str, Any], state: dict[str, Any] | None = None
    ) -> _Self:
        """Return what was pickled: what is open here already, or a reader, or what says why not."""
        try:
            with open_stores.lock():
                owner = open_stores.owner_of(path)
                if isinstance(owner, cls):
                    return owner
                self = cls._with_options(options, state)
                self._open_alone(Opening(path, "r", commit_interval=None, snapshot_timeout=0.0))
                return self
        except Exception as error:
            return cls._unopened(path, options, state, error)

    @classmethod
    def _unopened(
        cls: type[_Self], path: str, options: dict[str, Any], state: dict[str, Any] | None, error: Exception
    ) -> _Self:
        """Return one that raises this error when it is used."""
        self = cls._with_options(options, state)
        self._handle = Unopened(path, error)
        self._mode = "r"
        return self

    @classmethod
    def _with_options(cls: type[_Self], options: dict[str, Any], state: dict[str, Any] | None) -> _Self:
        self = cls.__new__(cls)
        self._set_options(**options)
        if state:
            self.__dict__.update(state)
        return self

    def close(self) -> None:
        """Commit and close; a member of a Store is only let go, and committed with its store.

        **Cost**: what is dirty is written. Closing twice is harmless. Errors: NotStoredError for values
        changed in place that cannot be stored: all else is committed, and it is closed.
        """
        handle = getattr(self, "_handle", None)
        if handle is None:
            return
        if self._owner is None:
            self._close_store()
        elif _core.attached(self):
            try:
                if not handle.lost:
                    handles.flush_member(self)
            except Exception:
                _core.detach(self)
                raise
            # Where an interrupt has come here, it is still open: nothing is lost.
            _core.detach(self)

    def __del__(self) -> None:
        try:
            self.close()
        except BaseException:
            self.close()  # an interrupt may have left it open
            raise

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- State

    @property
    def closed(self) -> bool:
        """Whether it is closed, dropped, or never was opened."""
        return not _core.attached(self)

    @property
    def path(self) -> str:
        """The directory of the store; a temporary one is made then, if it was small enough to need none."""
        return handles.located(self._open_handle())

    @property
    def name(self) -> str:
        """The name in the store: empty for a container that stands alone."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode it was opened with."""
        return self._mode

    def _require_opening(self, opening: int) -> None:
        """Raise RuntimeError unless it is open since an iterator over it began."""
        if _core.opening(self) != opening:
            raise RuntimeError(f"{type(self).__name__} was closed, and opened again, during iteration")

    def _closed_repr(self) -> str:
        return closed_repr(self)

    # ---- Durability

    def commit(self) -> None:
        """Make all changes of the store durable.

        **Cost**: the changed bytes, and one write and one sync of the journal. Errors: OSError: nothing was
        committed; NotStoredError for values changed in place that cannot be stored: neither; RuntimeError
        inside a transaction; ValueError if closed.
        """
        handles.commit(self._open_handle())

    sync = commit

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All or nothing: ``with d.transaction():`` commits at its end, or rolls back if the block raises.

        It spans the whole store, and belongs to the thread that began it.

        **Cost**: a commit at its beginning, if something is pending, and one at its end. Errors:
        RuntimeError if one is on already; MemoryError if its dirty bytes exceed the budget (then it was
        rolled back).
        """
        return handles.transaction(self._open_handle())

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """One state over many reads: ``with d.snapshot():`` keeps a reader at what is committed now.

        For ``mode="r"``. It spans the whole store. The writer's commits wait until it ends, but at most for
        the writer's ``snapshot_timeout`` seconds; then it expires, and what is read raises SnapshotError.

        **Cost**: a few microseconds. Errors: RuntimeError if the store is open for writing; SnapshotError.
        """
        return handles.snapshot(self._open_handle())

    # ---- Space and copies

    def compact(self, dst: Any = None, *, progress: handles.Progress | None = None) -> None:
        """Write it anew without dead space; with ``dst``, its store into that new directory instead.

        ``progress(done, total)`` is told of entries; what it raises cancels, and so does Ctrl-C: then nothing
        has changed. It may not use the store. Elements that a list with ``writeback=True`` handed out before
        are copies from then on.

        **Cost**: one insertion an entry, and the live bytes once more on disk until the next checkpoint.
        Errors: RuntimeError inside a transaction, or beside a writer that did not wait (SnapshotError);
        OSError: no space, ``dst`` is not empty; io.UnsupportedOperation in place with ``mode="r"``.

        >>> d = EMDict(None, {i: "x" * 100 for i in range(100)})
        >>> for i in range(99):
        ...     del d[i]
        >>> d.compact()
        >>> d.stats()["record_bytes"] == d.stats()["live_record_bytes"]
        True
        """
        if dst is not None and self._name:
            raise ValueError(f"{self._name!r} is a member of a Store: compact(dst) is the Store's method")
        handles.compact(self._open_handle(), None if dst is not None else self._name, dst, progress)

    def backup(self, dst: Any, *, progress: handles.Progress | None = None) -> None:
        """Copy the store, as it is committed, into the directory ``dst``, which is new or empty.

        Other threads, and writers in other processes, go on meanwhile; the copy is one committed state, and
        opens like any store. A writer commits first. Blocks are shared with the copy where the filesystem can
        (btrfs, XFS). ``progress(done, total)`` is told of bytes; what it raises cancels.

        **Cost**: reads the store once; the writer's journal grows until it has ended. Errors: RuntimeError
        inside a transaction; OSError; SnapshotError if a writer's journal grew past 4 GiB. Nothing is left of
        the copy then.
        """
        handles.backup(self._open_handle(), dst, progress)

    def _consistent(self) -> contextlib.AbstractContextManager[None]:
        return handles.consistent(self._open_handle())

    # ---- Inspection

    def verify(self) -> list[str]:
        """Return what is wrong with the store; an empty list for a sound one.

        Ctrl-C ends it. **Cost**: reads all of it, but for holes.
        """
        return self._open_handle().verify()

    def check(self) -> None:
        """Raise DamagedError if verify() finds anything.

        **Cost**: reads all of it.
        """
        handles.raise_findings(self._open_handle().path, self.verify())

    def stats(self) -> dict[str, Any]:
        """Return figures of the container and of its store.

        ``resident_bytes`` of ``mapped_bytes`` are in the page cache; ``private_bytes`` are copies of pages in
        anonymous memory, of which ``dirty_bytes`` wait for a commit: also of each region by itself.
        ``memory`` holds the budget and what is used of it. docs/performance.md explains all.

        **Cost**: a look at the store's files, and 8 ms for each GiB that is mapped.
        """
        return {**self._open_handle().stats(), **_core.container_stats(self)}


def consistent(other: Any) -> contextlib.AbstractContextManager[None]:
    """Return the scope in which the other operand is read: one of ours may need a snapshot."""
    return other._consistent() if isinstance(other, Container) else contextlib.nullcontext()


@contextlib.contextmanager
def edit(container: Any, key: Any) -> Iterator[Any]:
    """Hand out the value of a key or index, and write it back if the block changed it and did not raise."""
    value = container._decoded_anew(key) if container._codec.cache else container[key]
    before = _core.encoded(container, value)
    yield value
    if _core.encoded(container, value) != before:
        container[key] = value
