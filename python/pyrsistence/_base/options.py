"""The options that constructors share: how a store is opened, and how objects become bytes.

Each is spelled out here, and nowhere else: a constructor takes the first as ``**opening``, and
``takes_opening()`` makes keywords of them.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict, TypeVar

from .memory import parse_memory

_F = TypeVar("_F", bound=Callable[..., Any])


# ---- How a store is opened


class Opening(NamedTuple):
    """Where a store is, and how it is opened: what a constructor was told."""

    path: Any = None  # None: a temporary store
    mode: str = "a"
    commit_interval: float | None = 5.0
    timeout: float = 0.0
    snapshot_timeout: float = 1.0
    memory: int | str | None = None
    permissions: int | None = None
    read_timeout: float = 30.0

    @classmethod
    def taken_from(cls, path: Any, named: dict[str, Any]) -> Opening:
        """Return that of a call, and take its options from among other keywords."""
        return cls(path, **{name: named.pop(name) for name in OPENING_NAMES if name in named})

    def for_core(self, temporary: bool) -> tuple[Any, ...]:
        """Return it as ``_core.StoreHandle`` takes it. Errors: TypeError, ValueError, OverflowError."""
        if self.mode not in ("a", "r", "r+", "x"):
            kind_of_error = ValueError if isinstance(self.mode, str) else TypeError
            raise kind_of_error(f"mode must be 'a', 'r', 'r+' or 'x', not {self.mode!r}")
        interval = self.commit_interval
        return (
            os.fsencode(self.path),
            self.mode,
            None if interval is None else _seconds("commit_interval", interval),
            _seconds("timeout", self.timeout),
            _seconds("snapshot_timeout", self.snapshot_timeout),
            parse_memory(self.memory),
            temporary,
            parse_permissions(self.permissions),
            _seconds("read_timeout", self.read_timeout),
        )


class OpeningOptions(TypedDict, total=False):
    """The same for type checkers: a constructor that takes ``**opening: Unpack[OpeningOptions]``."""

    mode: str
    commit_interval: float | None
    timeout: float
    snapshot_timeout: float
    memory: int | str | None
    permissions: int | None
    read_timeout: float


OPENING_NAMES = Opening._fields[1:]

# What each constructor says of them; the docstring of EMDict, where users look first, says the same.
OPENING_DOCUMENTATION = """\
``memory`` bounds the changed pages and buffers of its store: bytes, or text like "512M"; None: only the
budget of the process does (``set_memory_budget()``).

Times are in seconds: after ``commit_interval`` the next change commits first (None: never); ``timeout``
is how long to wait for another writer to close the store, ``snapshot_timeout`` how long a commit waits
for a reader's snapshot, and ``read_timeout`` how long a reader waits for a writer that stands still
within a commit.

``permissions``, as 0o600, are those of the files of a new store, whatever the umask is; who may read them
may also enter its directory. Files that are made later, by whatever process, get the same, and the
owner and group of the store."""


def takes_opening(function: _F) -> _F:
    """Give a function that takes ``**opening`` its options as keywords, and a docstring if it has none.

    A function is made that has them, and hands them on. (A signature that only shows them would need inspect,
    whose import takes half as long as that of this package.)
    """
    code, name = function.__code__, function.__name__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    positional, named = own[: code.co_argcount], own[code.co_argcount :]
    public = [one for one in named if not one.startswith("_")]
    keywords = [*public, *OPENING_NAMES, *(one for one in named if one not in public)]
    handed_on = [*positional, *(f"{one}={one}" for one in keywords)]
    taken = [*positional, "*", *keywords]
    source = f"""
def make(function):
    def {name}({", ".join(taken)}):
        return function({", ".join(handed_on)})
    return {name}
"""
    scope: dict[str, Any] = {}
    exec(source, function.__globals__, scope)
    made: Any = scope["make"](function)
    made.__defaults__ = function.__defaults__
    made.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **Opening._field_defaults}
    del made.__kwdefaults__["path"]
    types = {one: kind.__forward_arg__ for one, kind in OpeningOptions.__annotations__.items()}
    made.__annotations__ = {**function.__annotations__, **types}
    del made.__annotations__["opening"]
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    made.__doc__ = function.__doc__ or OPENING_DOCUMENTATION
    return made  # type: ignore[no-any-return]


def _seconds(name: str, value: Any) -> float:
    """Return a number of seconds. Errors: TypeError for what is no number, OverflowError."""
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    return float(value)


def parse_permissions(permissions: int | None) -> int | None:
    """Return the bits of ``permissions=``. Errors: TypeError; ValueError if the owner could not use it."""
    if permissions is None:
        return None
    bits = operator.index(permissions)
    if bits & ~0o777 or bits & 0o600 != 0o600:
        raise ValueError(
            f"expected permissions from 0o600 to 0o777 with which the owner may read and write, not {bits:#o}"
        )
    return bits


# ---- How objects become bytes


class Codec(NamedTuple):
    """How a container's objects become bytes and are found again, and which are kept: for _core.attach()."""

    pickler: Any = None
    unpickler: Any = None
    pickle: bool = True
    key: Any = None
    writeback: bool = False
    cache: int = 0  # entries

    def options(self, *names: str) -> dict[str, Any]:
        """Return these of its options by name."""
        return {name: getattr(self, name) for name in names}


# That of containers of plain bytes.
NO_OBJECTS = Codec()

# What open() hands to whatever is there, and what says nothing where no objects are stored. A key function is
# not among them: where keys have a type, key= is that.
CODEC_OPTIONS = frozenset(Codec._fields) - {"key"}


def codec(
    pickler: Any = None,
    unpickler: Any = None,
    pickle: bool = True,
    key: Any = None,
    writeback: bool = False,
    cache: int = 0,
) -> Codec:
    """Return what a constructor was told. Errors: TypeError, ValueError."""
    return Codec(pickler, unpickler, bool(pickle), key, bool(writeback), _entries(cache, writeback))


def _entries(cache: Any, writeback: bool) -> int:
    """Return the number that cache= gives."""
    if isinstance(cache, bool):
        raise TypeError(f"cache must be a number of entries, not {cache!r}")
    count = operator.index(cache)
    if not 0 <= count < 1 << 31:
        raise ValueError(f"cache must be a number of entries from 0 to 2**31 - 1, not {count}")
    if count and writeback:
        raise ValueError(
            "cache= and writeback=True exclude each other: writeback=True keeps all that it hands out already"
        )
    return count


def require_known(cls: type, named: dict[str, Any]) -> None:
    """Raise TypeError unless all of these are options of codecs, which a container of plain bytes ignores."""
    unknown = named.keys() - CODEC_OPTIONS
    if unknown:
        raise TypeError(f"{cls.__name__} got an unexpected keyword argument {min(unknown)!r}")
