"""Python's everyday collections in memory-mapped files: larger than RAM, and safe across crashes."""

from typing import TYPE_CHECKING, Any

from ._array import EMArray
from ._core import DamagedError, FormatError, LockedError, SnapshotError, memory_budget
from ._dict import EMDict
from ._errors import NotStoredError
from ._list import EMList
from ._memory import set_memory_budget
from ._migration import Migration, migrate
from ._shadow import EMShadowMemory
from ._store import Store, open
from ._typed import EMTypedDict

__all__ = [
    "DamagedError",
    "EMArray",
    "EMDict",
    "EMList",
    "EMShadowMemory",
    "EMTypedDict",
    "FormatError",
    "LockedError",
    "Migration",
    "NotStoredError",
    "SnapshotError",
    "Store",
    "memory_budget",
    "migrate",
    "open",
    "set_memory_budget",
]

if TYPE_CHECKING:
    from ._graph import EMDiGraph as EMDiGraph
    from ._graph import EMGraph as EMGraph
    from ._graph import EMMultiDiGraph as EMMultiDiGraph
    from ._graph import EMMultiGraph as EMMultiGraph

# Subclasses of NetworkX's, which is imported when one of them is first named.
_GRAPHS = ("EMDiGraph", "EMGraph", "EMMultiDiGraph", "EMMultiGraph")


def __getattr__(name: str) -> Any:
    if name in _GRAPHS:
        from . import _graph

        return getattr(_graph, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_GRAPHS])
