"""Store: named containers in one directory that commit together; and open(), for whatever there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import handles, open_stores
from .._base.options import Opening, OpeningOptions, takes_opening
from .._base.owner import Owner, Unopened, closed_repr
from .._base.public import public
from .._containers.array import EMArray
from .._containers.deque import EMDeque
from .._containers.dict import EMDict
from .._containers.list import EMList
from .._containers.set import EMSet
from .._containers.shadow import EMShadowMemory
from .._containers.typed_columns import names_a_type
from .kinds import KINDS, named

if TYPE_CHECKING:
    from typing_extensions import Unpack


@public
class Store(Owner):
    """Named containers in one directory: created on first use, committed and rolled back together.

    ``memory`` is what its changed pages and buffers may take, for all members together, as of EMDict;
    ``permissions`` are those of a new store's files.

    Errors: as EMDict; FormatError if the directory holds a single EMDict or EMList.

    >>> with Store(None) as s:
    ...     with s.transaction():
    ...         s.dict("names")["a"] = 1
    ...         s.list("lines").append("x")
    ...     sorted(s)
    ['lines', 'names']
    """

    __slots__ = ("__weakref__", "_handle", "_mode")

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._handle = None
        self._open_store(Opening(path, **opening))
        self._refuse_single()

    @classmethod
    def _adopt(cls, handle: _core.StoreHandle, mode: str) -> Store:
        self = cls.__new__(cls)
        self._handle = handle
        self._mode = mode
        open_stores.register(self)
        return self

    def _refuse_single(self) -> None:
        handle = self._open_handle()
        for name, kind in handle.members():
            if not name:
                self._close_store()
                opener = named(kind).opened_by
                raise _core.FormatError(f"'{handle.path}' holds a single {kind}: open it with {opener}")

    def close(self) -> None:
        """Commit and close the store and its members. Closing twice is harmless.

        **Cost**: what is dirty is written.
        """
        if getattr(self, "_handle", None) is not None:
            self._close_store()

    def __del__(self) -> None:
        try:
            self.close()
        except BaseException:
            self.close()  # an interrupt may have left it open
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- Members

    def _member(self, kind: str, name: str, options: dict[str, Any]) -> Any:
        if not isinstance(name, str) or not name or not _is_unicode(name):
            raise ValueError(
                f"a member's name is a text that is not empty and has a UTF-8 form, not {name!r}"
            )
        cls = KINDS[kind].cls
        with open_stores.lock():
            known = self._open_handle().container(name)
            if isinstance(known, cls):
                return known
            return cls._member_of(self, name, **options)

    def dict(self, name: str, **options: Any) -> EMDict[Any, Any]:
        """Return the EMDict of this name; create it if there is none. With types, an EMTypedDict.

        The options are those of EMDict that say how it encodes and what it keeps (pickler, unpickler, pickle,
        key, writeback, cache); they count when the member is opened, not while it is in use. **Cost**: O(1);
        three files are made for a new one, with the next commit. Errors: FormatError if it is a list.

        >>> Store().dict("names") == {}
        True
        """
        typed = options.get("value") is not None or names_a_type(options.get("key"))
        if typed or self._kind_of(name) == "typed dict":
            found = self._member("typed dict", name, options)
            found._require_types(options.get("key"), options.get("value"))
        else:
            found = self._member("dict", name, options)
        known: EMDict[Any, Any] = found
        return known

    def list(self, name: str, **options: Any) -> EMList[Any]:
        """Return the EMList of this name; create it if there is none. As dict().

        **Cost**: O(1); two files are made for a new one, with the next commit.

        >>> Store().list("lines") == []
        True
        """
        found: EMList[Any] = self._member("list", name, options)
        return found

    def set(self, name: str, **options: Any) -> EMSet[Any]:
        """Return the EMSet of this name; create it if there is none. As dict(); with dtype=, an EMTypedSet.

        **Cost**: O(1); two files are made for a new one, with the next commit.

        >>> Store().set("words") == set()
        True
        """
        typed = options.get("dtype") is not None or self._kind_of(name) == "typed set"
        found = self._member("typed set" if typed else "set", name, options)
        if typed:
            found._require_dtype(options.get("dtype"))
        known: EMSet[Any] = found
        return known

    def deque(self, name: str, *, maxlen: int | None = None, **options: Any) -> EMDeque[Any]:
        """Return the EMDeque of this name; create it if there is none. As dict().

        **Cost**: O(1); two files are made for a new one, with the next commit. Errors: FormatError if it is
        something else, or of another ``maxlen``.

        >>> Store().deque("last", maxlen=3).maxlen
        3
        """
        found = self._member("deque", name, {"maxlen": maxlen, **options})
        found._require(maxlen)
        known: EMDeque[Any] = found
        return known

    def array(self, name: str, dtype: Any = None, *, shape_tail: Any = None) -> EMArray:
        """Return the EMArray of this name; create it if there is none, of dtype "f8" if none is given.

        **Cost**: O(1); a file is made for a new one, with the next commit. Errors: FormatError if it is no
        array, or one of another dtype or shape of items.

        >>> Store().array("counts", "u8").dtype.name
        'uint64'
        """
        array: EMArray = self._member("array", name, {"dtype": dtype, "shape_tail": shape_tail})
        array._require(dtype, shape_tail)
        return array

    def shadow_memory(self, name: str, ranges: Any = (), *, width: int | None = None) -> EMShadowMemory:
        """Return the EMShadowMemory of this name; create it if there is none. Ranges are added to its own.

        **Cost**: O(1), and O(ranges) if some are given; four files are made for a new one, with the next
        commit. Errors: FormatError if it is something else, or of another width.

        >>> Store().shadow_memory("flags", [(0x1000, 0x2000)]).backed
        [(4096, 8192)]
        """
        shadow: EMShadowMemory = self._member("shadow memory", name, {"width": width})
        shadow._require(width)
        more = list(ranges)
        if more:
            shadow.add_ranges(more)
        return shadow

    def graph(self, name: str, **options: Any) -> Any:
        """Return the EMGraph of this name; create it if there is none. It needs NetworkX.

        The options are pickler, unpickler, pickle and key, as of EMDict, and edge_dtype.

        **Cost**: O(1); four files are made for a new one, with the next commit. Errors: FormatError if it is
        another container, or a graph of another kind; ModuleNotFoundError.

        >>> Store().graph("links").is_directed()
        False
        """
        return self._graph_member(name, False, False, options)

    def digraph(self, name: str, **options: Any) -> Any:
        """Return the EMDiGraph of this name; create it if there is none. As graph().

        **Cost**: O(1); four files are made for a new one, with the next commit.

        >>> G = Store().digraph("calls")
        >>> G.add_edge("main", "init")
        >>> list(G.edges)
        [('main', 'init')]
        """
        return self._graph_member(name, True, False, options)

    def multigraph(self, name: str, **options: Any) -> Any:
        """Return the EMMultiGraph of this name; create it if there is none. As graph().

        **Cost**: O(1); four files are made for a new one, with the next commit.

        >>> Store().multigraph("roads").is_multigraph()
        True
        """
        return self._graph_member(name, False, True, options)

    def multidigraph(self, name: str, **options: Any) -> Any:
        """Return the EMMultiDiGraph of this name; create it if there is none. As graph().

        **Cost**: O(1); four files are made for a new one, with the next commit.

        >>> Store().multidigraph("references").is_directed()
        True
        """
        return self._graph_member(name, True, True, options)

    def _graph_member(self, name: str, directed: bool, multi: bool, options: dict_of[str, Any]) -> Any:
        kind = KINDS["graph"]
        wanted = {"directed": directed, "multi": multi, "explicit": True}
        storage = self._member(kind.name, name, {**options, **wanted})
        storage._require_edge_type(options.get("edge_dtype"))
        graph = kind.shown_as(storage)
        if (graph.is_directed(), graph.is_multigraph()) != (directed, multi):
            raise _core.FormatError(f"{name!r} is an {type(graph).__name__}, a graph of another kind")
        return graph

    def _existing(self, name: str, **options: Any) -> Any:
        """Return the member of this name, of whatever kind it is. Errors: KeyError if there is none."""
        kind = named(self.members()[name])
        return kind.shown_as(self._member(kind.name, name, options))

    def drop(self, name: str) -> None:
        """Remove a member; its handles raise ValueError from now on. Errors: KeyError if there is none.

        **Cost**: O(1); the space returns to the disk at a checkpoint.
        """
        if name not in self:
            raise KeyError(name)
        self._open_handle().drop(name)

    def _kind_of(self, name: object) -> str | None:
        """Return what the member of this name is, None if there is none. O(1)."""
        return self._open_handle().kind(name) if isinstance(name, str) else None

    def members(self) -> dict_of[str, str]:
        """Return each member's kind ("dict", "typed dict", "graph", "shadow memory", ...) by its name.

        **Cost**: O(members).
        """
        return dict_of(self._open_handle().members())

    def __iter__(self) -> Iterator[str]:
        return iter(self.members())

    def __len__(self) -> int:
        return self._open_handle().member_count

    def __contains__(self, name: object) -> bool:
        return self._kind_of(name) is not None

    def __bool__(self) -> bool:
        return True

    # ---- State

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._handle is None or self._handle.closed

    @property
    def path(self) -> str:
        """The directory of the store; a temporary one is made then, if it was small enough to need none."""
        return handles.located(self._open_handle())

    @property
    def mode(self) -> str:
        """The mode it was opened with."""
        return self._mode

    def __repr__(self) -> str:
        if self.closed:
            return closed_repr(self)
        return f"Store({self._open_handle().path!r}, members={len(self)})"

    # ---- Durability

    def commit(self) -> None:
        """Make all changes of all members durable. As EMDict.commit().

        **Cost**: the changed bytes, and one write and one sync of the journal.
        """
        handles.commit(self._open_handle())

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All or nothing, over all members. As EMDict.transaction().

        **Cost**: a commit at its beginning, if something is pending, and one at its end.
        """
        return handles.transaction(self._open_handle())

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """One state of all members over many reads, for ``mode="r"``. As EMDict.snapshot().

        **Cost**: a few microseconds.
        """
        return handles.snapshot(self._open_handle())

    # ---- Pickling: as the place of the store

    def __reduce__(self) -> Any:
        return type(self)._restore, (handles.committed_path(self._open_handle(), self._mode == "r"),)

    @classmethod
    def _restore(cls, path: str) -> Store:
        """Return the Store that was pickled: the one that is open here already, or a reader."""
        try:
            with open_stores.lock():
                owner = open_stores.owner_of(path)
                return owner if isinstance(owner, cls) else cls(path, mode="r")
        except Exception as error:
            store = cls.__new__(cls)
            store._handle, store._mode = Unopened(path, error), "r"
            return store

    def _reduce_member(self, path: str, kept: type, name: str, options: dict_of[str, Any]) -> Any:
        """What a member of this class is pickled as."""
        return Store._restore_member, (path, kept, name, options)

    @classmethod
    def _restore_member(cls, path: str, kept: Any, name: str, options: dict_of[str, Any]) -> Any:
        """As _restore(), of a member."""
        try:
            with open_stores.lock():
                owner = open_stores.owner_of(path)
                store = owner if isinstance(owner, cls) else cls(path, mode="r")
                kind = KINDS[kept._kind_name]
                member = store._member(kind.name, name, options)
                return member if isinstance(member, kept) else kind.shown_as(member)
        except Exception as error:
            return kept._unopened(path, options, None, error)

    # ---- Space and copies

    def compact(self, dst: Any = None, *, progress: handles.Progress | None = None) -> None:
        """Compact all members, each in place, or the whole store into the new directory ``dst``.

        As EMDict.compact(). In place each member is told of on its own, and committed on its own.
        **Cost**: one insertion an entry.
        """
        handle = self._open_handle()
        if dst is not None:
            handles.compact(handle, None, dst, progress)
            return
        for name in self:
            handles.compact(handle, name, None, progress)

    def backup(self, dst: Any, *, progress: handles.Progress | None = None) -> None:
        """Copy the store, as it is committed, into the directory ``dst``. As EMDict.backup().

        **Cost**: reads the store once.
        """
        handles.backup(self._open_handle(), dst, progress)

    # ---- Inspection

    def verify(self) -> list_of[str]:
        """Return what is wrong with the store and its members; an empty list for a sound store.

        Ctrl-C ends it. **Cost**: reads all of it, but for holes.
        """
        return self._open_handle().verify()

    def check(self) -> None:
        """Raise DamagedError if verify() finds anything.

        **Cost**: reads all of it.
        """
        handles.raise_findings(self._open_handle().path, self.verify())

    def stats(self) -> dict_of[str, Any]:
        """Return figures of the store. As EMDict.stats(), without those of a container.

        **Cost**: a look at its files, and 8 ms for each GiB that is mapped.
        """
        return self._open_handle().stats()


def _is_unicode(text: str) -> bool:
    """Whether it has a UTF-8 form: no lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


# The builtins, whose names are methods of Store.
dict_of = dict
list_of = list


@public
def open(
    path: Any,
    mode: str = "a",
    *,
    commit_interval: float | None = 5.0,
    timeout: float = 0.0,
    snapshot_timeout: float = 1.0,
    memory: int | str | None = None,
    permissions: int | None = None,
    read_timeout: float = 30.0,
    **options: Any,
) -> EMDict[Any, Any] | EMList[Any] | EMSet[Any] | EMDeque[Any] | EMArray | EMShadowMemory | Store:
    """Open what is in the directory: a single container of any kind, or a Store of named members.

    The options are those of EMDict, EMList, EMSet and EMDeque that say how they encode. Errors: as EMDict.
    """
    handle = handles.open_handle(
        Opening(path, mode, commit_interval, timeout, snapshot_timeout, memory, permissions, read_timeout)
    )
    try:
        for name, kind_name in handle.members():
            if not name:
                kind = named(kind_name)
                found: EMDict[Any, Any] | EMList[Any] | EMSet[Any] | EMDeque[Any] | EMArray | EMShadowMemory
                found = kind.shown_as(kind.cls._adopt(handle, mode, **options))
                return found
        return Store._adopt(handle, mode)
    except BaseException:
        handle.close()
        raise
