"""Python's everyday collections in memory-mapped files: larger than RAM, and safe across crashes."""

from typing import TYPE_CHECKING, Any

from ._base.errors import NotStoredError
from ._base.memory import set_memory_budget
from ._containers.array import EMArray
from ._containers.deque import EMDeque
from ._containers.dict import EMDict
from ._containers.list import EMList
from ._containers.set import EMSet
from ._containers.shadow import EMShadowMemory
from ._containers.typed_dict import EMTypedDict
from ._containers.typed_set import EMTypedSet
from ._core import DamagedError, FormatError, LockedError, SnapshotError, memory_budget
from ._legacy.migration import Migration, migrate
from ._stores.store import Store, open

__all__ = [
    "DamagedError",
    "EMArray",
    "EMDeque",
    "EMDict",
    "EMList",
    "EMSet",
    "EMShadowMemory",
    "EMTypedDict",
    "EMTypedSet",
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
    from ._graphs.classes import EMDiGraph as EMDiGraph
    from ._graphs.classes import EMGraph as EMGraph
    from ._graphs.classes import EMMultiDiGraph as EMMultiDiGraph
    from ._graphs.classes import EMMultiGraph as EMMultiGraph

# Pickles of before name modules that have moved: they are found here, under their old names.
__path__.append(f"{__path__[0]}/_legacy/former_modules")

# Subclasses of NetworkX's, which is imported when one of them is first named.
_GRAPHS = ("EMDiGraph", "EMGraph", "EMMultiDiGraph", "EMMultiGraph")


def __getattr__(name: str) -> Any:
    if name in _GRAPHS:
        from ._graphs import classes

        # For good: pickle looks a class up by its name, and takes an interrupt in here for its absence.
        globals().update((graph, getattr(classes, graph)) for graph in _GRAPHS)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_GRAPHS])
