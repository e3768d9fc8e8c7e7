"""Python's everyday collections in memory-mapped files: larger than RAM, and safe across crashes."""

from ._array import EMArray
from ._core import DamagedError, FormatError, LockedError, SnapshotError, memory_budget, set_memory_budget
from ._dict import EMDict
from ._list import EMList
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
    "SnapshotError",
    "Store",
    "memory_budget",
    "migrate",
    "open",
    "set_memory_budget",
]
