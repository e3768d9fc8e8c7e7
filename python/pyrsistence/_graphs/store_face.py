"""The store's face of a stored graph: what containers have beside their content. The GraphStorage does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._base import handles
from .storage import GraphStorage

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class StoreFace:
    """What the four classes have of a Container."""

    _kind_name = "graph"

    if TYPE_CHECKING:
        _storage: GraphStorage

    @property
    def edge_dtype(self) -> Any:
        """The NumPy type of the fields of each edge; None if edges have attributes of any name and kind.

        **Cost**: O(1).
        """
        kind = self._opened()._edge_type
        return None if kind is None else kind.dtype_of()

    def _opened(self) -> GraphStorage:
        storage = self._storage
        storage._open_late()
        return storage

    @property
    def path(self) -> str:
        """The directory of the store.

        **Cost**: O(1).
        """
        return self._opened().path

    @property
    def mode(self) -> str:
        """The mode it was opened with.

        **Cost**: O(1).
        """
        return self._opened().mode

    @property
    def closed(self) -> bool:
        """Whether it is closed, or was dropped.

        **Cost**: O(1).
        """
        return self._storage._late is None and self._storage.closed

    def commit(self) -> None:
        """Make all changes of the store durable. As EMDict.commit().

        **Cost**: the changed bytes, and one write and one sync of the journal.
        """
        self._opened().commit()

    sync = commit

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. As EMDict.transaction().

        **Cost**: a commit at its beginning, if something is pending, and one at its end.
        """
        return self._opened().transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """One state over many reads, for ``mode="r"``. As EMDict.snapshot().

        **Cost**: a few microseconds.
        """
        return self._opened().snapshot()

    def close(self) -> None:
        """Commit and close. Closing twice is harmless.

        **Cost**: what is dirty is written.
        """
        self._storage.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(self) -> list[str]:
        """Return what is wrong with the store; an empty list for a sound one.

        Ctrl-C ends it. **Cost**: reads all of it, but for holes.
        """
        return self._opened().verify()

    def check(self) -> None:
        """Raise DamagedError if verify() finds anything.

        **Cost**: reads all of it.
        """
        self._opened().check()

    def stats(self) -> dict[str, Any]:
        """Return figures of the graph and of its store. As EMDict.stats().

        **Cost**: a look at the store's files, and 8 ms for each GiB that is mapped.
        """
        return self._opened().stats()

    def compact(self, dst: Any = None, *, progress: handles.Progress | None = None) -> None:
        """Write it anew without dead space, or into the new directory ``dst``. As EMDict.compact().

        **Cost**: an insertion a node, and the bytes of the edges.
        """
        self._opened().compact(dst, progress=progress)

    def backup(self, dst: Any, *, progress: handles.Progress | None = None) -> None:
        """Copy the store, as it is committed, into the directory ``dst``. As EMDict.backup().

        **Cost**: reads the store once.
        """
        self._opened().backup(dst, progress=progress)
