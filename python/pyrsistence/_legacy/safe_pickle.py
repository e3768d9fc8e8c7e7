"""Reading pickles that may be damaged or hostile, without running what they say.

Guards, one before the other. ``pickle_end()`` walks the opcodes without doing them: it finds the pickle's
end, and refuses what would make the unpickler take memory out of proportion (a memo index of 4 billion is 64
GB) or read beyond the end. ``is_heavy()`` refuses what would take forever to hash. ``safe_loads()`` then
unpickles with a list of names that may be called: data types of the standard library, each behind a maker
that checks its arguments, since ``bytearray(10**12)`` needs no malice but a flipped bit. What has state set
on it (a UUID, NumPy's arrays) is made by safe_drafts. Everything else raises UnpicklingError and names what
was asked for.

Called from any thread; keeps no state.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import io
import pickle
import re
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .pickle_walk import UnpicklingError, pickle_end
from .pickle_weight import is_heavy
from .safe_drafts import DraftUnpickler
from .safe_drafts import makers as _drafting_makers

# ---- What a pickle may name

_Make = Callable[..., Any]


class _Maker:
    """A callable without attributes: a pickle's BUILD can set none on it, as it could on a class or
    function."""

    __slots__ = ("_make", "_name")

    if TYPE_CHECKING:
        _make: _Make
        _name: str

    def __init__(self, name: str, make: _Make) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_make", make)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnpicklingError(f"the pickle changes {self._name}")

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._make(*arguments)
        except UnpicklingError:
            raise
        except Exception as error:
            raise UnpicklingError(f"the pickle's arguments of {self._name} do not fit: {error}") from None

    def __reduce__(self) -> str:
        raise UnpicklingError(f"the pickle holds {self._name} itself, not what it makes")


def _of(make: _Make, *allowed: type) -> _Make:
    """Let only these exact types through."""

    def made(*arguments: Any) -> Any:
        for argument in arguments:
            if type(argument) not in allowed:
                raise UnpicklingError(f"an argument is a {type(argument).__name__}")
        return make(*arguments)

    return made


def _fraction(*arguments: Any) -> Any:
    # Fraction("1e999999999") would be written out.
    if any(
        type(a) is not int and not (type(a) is str and re.fullmatch(r"-?\d+(/\d+)?", a)) for a in arguments
    ):
        raise UnpicklingError("not a numerator and a denominator")
    return fractions.Fraction(*arguments)


def _encode(text: str, encoding: str) -> bytes:
    # How bytes are written by protocols 0 to 2.
    if encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin-1")


def _zone(key: str, _from_cache: int = 1) -> Any:
    return zoneinfo.ZoneInfo(key)


def _attribute(owner: Any, name: Any) -> Any:
    # How a class method is named: a ZoneInfo is made by one.
    if owner is not _ZONE_INFO or name != "_unpickle":
        raise UnpicklingError(f"the pickle takes the attribute {name!r} of something")
    return _UNPICKLE_ZONE


def _class_itself(*_: Any) -> Any:
    raise UnpicklingError("expected ZoneInfo's own way to be unpickled")


_ZONE_INFO = _Maker("zoneinfo.ZoneInfo", _class_itself)
_UNPICKLE_ZONE = _Maker("zoneinfo.ZoneInfo._unpickle", _of(_zone, str, int, bool))


def _makers() -> dict[tuple[str, str], Any]:
    collected = (list, tuple, set, dict)
    clock = (int, bytes, str, type(None), datetime.timezone, zoneinfo.ZoneInfo)
    makers: dict[tuple[str, str], _Make] = {
        ("builtins", "bytearray"): _of(bytearray, bytes, str),
        ("builtins", "bytes"): _of(bytes, bytes, list, tuple),
        ("builtins", "complex"): _of(complex, float, int),
        ("builtins", "frozenset"): _of(frozenset, *collected),
        ("builtins", "set"): _of(set, *collected),
        ("builtins", "range"): _of(range, int),
        ("builtins", "xrange"): _of(range, int),
        ("builtins", "slice"): _of(slice, int, type(None)),
        ("_codecs", "encode"): _of(_encode, str),
        ("collections", "OrderedDict"): _of(collections.OrderedDict, *collected),
        ("collections", "deque"): _of(collections.deque, int, type(None), *collected),
        ("datetime", "date"): _of(datetime.date, int, bytes, str),
        ("datetime", "time"): _of(datetime.time, *clock),
        ("datetime", "datetime"): _of(datetime.datetime, *clock),
        ("datetime", "timedelta"): _of(datetime.timedelta, int),
        ("datetime", "timezone"): _of(datetime.timezone, datetime.timedelta, str),
        ("decimal", "Decimal"): _of(decimal.Decimal, str),
        ("fractions", "Fraction"): _fraction,
        ("builtins", "getattr"): _attribute,
    }
    made: dict[tuple[str, str], Any] = {
        names: _Maker(".".join(names), make) for names, make in makers.items()
    }
    made["builtins", "Ellipsis"] = ...
    made["zoneinfo", "ZoneInfo"] = _ZONE_INFO
    made["zoneinfo", "ZoneInfo._unpickle"] = _UNPICKLE_ZONE
    return made


_ALLOWED = _makers()
# What the C unpickler would set state on.
_DRAFTED = {names: _Maker(".".join(names), make) for names, make in _drafting_makers().items()}
# Names that Python 2, or the C accelerators, write for the same things.
_MODULES = {"__builtin__": "builtins", "_decimal": "decimal", "_datetime": "datetime"}


class _NeedsDrafts(UnpicklingError):
    """The pickle names what only DraftUnpickler may make."""


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in _DRAFTED:
            raise _NeedsDrafts
        return _allowed(module, name)


def _allowed(module: str, name: str) -> Any:
    try:
        return _ALLOWED[_MODULES.get(module, module), name]
    except KeyError:
        raise UnpicklingError(
            f"the pickle names {module}.{name}, which is not in the list of safe types"
        ) from None


def _allowed_or_drafted(module: str, name: str) -> Any:
    return _DRAFTED.get((module, name)) or _allowed(module, name)


def _load_restricted(whole: bytes) -> Any:
    try:
        return _Restricted(io.BytesIO(whole)).load()
    except _NeedsDrafts:
        return DraftUnpickler(io.BytesIO(whole), _allowed_or_drafted).load()


def _refuse_heavy(whole: bytes) -> None:
    if is_heavy(whole):
        raise UnpicklingError("the pickle's tuples are a million parts or more when written out")


def safe_loads(data: bytes) -> Any:
    """Return what the pickle at the beginning of ``data`` holds, if it is made of plain data alone.

    **Cost**: O(bytes). Errors: UnpicklingError for anything else, and for damage of any kind.
    """
    return load_safely(data[: pickle_end(data)])


def load_safely(whole: bytes) -> Any:
    """As safe_loads(), of bytes that pickle_end() found to be a pickle and nothing else."""
    _refuse_heavy(whole)
    try:
        return _load_restricted(whole)
    except (UnpicklingError, MemoryError):
        raise
    except Exception as error:  # the C unpickler raises what it likes: KeyError, UnicodeDecodeError, ...
        raise UnpicklingError(f"the pickle is damaged: {type(error).__name__}: {error}") from None


def load_trusted(whole: bytes) -> Any:
    """As load_safely(), but any name is imported and called: for pickles that are trusted.

    Errors: UnpicklingError for damage of any kind, and for whatever the code raises that is run.
    """
    _refuse_heavy(whole)
    try:
        return pickle.loads(whole)
    except (UnpicklingError, MemoryError):
        raise
    except Exception as error:
        raise UnpicklingError(f"{type(error).__name__}: {error}") from None
