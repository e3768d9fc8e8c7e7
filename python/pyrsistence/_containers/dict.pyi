from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar, overload

from .._base.argument_types import (
    CommitInterval,
    KeyFunction,
    Memory,
    Path,
    Pickler,
    TypeOfFixedSize,
    Unpickler,
)
from .._base.container import Container

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")

class EMDict(Container, MutableMapping[_K, _V], Generic[_K, _V]):
    def __init__(
        self,
        path: Path | None = None,
        data: Mapping[_K, _V] | Iterable[tuple[_K, _V]] | None = None,
        *,
        mode: str = "a",
        pickler: Pickler | None = None,
        unpickler: Unpickler | None = None,
        pickle: bool = True,
        key: KeyFunction | TypeOfFixedSize | None = None,
        value: TypeOfFixedSize | None = None,
        writeback: bool = False,
        cache: int = 0,
        commit_interval: CommitInterval = 5.0,
        timeout: float = 0.0,
        snapshot_timeout: float = 1.0,
        memory: Memory = None,
        permissions: int | None = None,
        read_timeout: float = 30.0,
        _layout: tuple[int, int, int] = ...,
    ) -> None: ...
    def open(
        self,
        path: Path | None,
        *,
        mode: str = "a",
        commit_interval: CommitInterval = 5.0,
        timeout: float = 0.0,
        snapshot_timeout: float = 1.0,
        memory: Memory = None,
        permissions: int | None = None,
        read_timeout: float = 30.0,
    ) -> None: ...
    def __getitem__(self, key: _K, /) -> _V: ...
    def __setitem__(self, key: _K, value: _V, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[_K]: ...
    def __len__(self) -> int: ...
    def __reversed__(self) -> Iterator[_K]: ...
    def __or__(self, other: Mapping[_K, _V]) -> dict[_K, _V]: ...
    def __ror__(self, other: Mapping[_K, _V]) -> dict[_K, _V]: ...
    def __ior__(self: _Self, other: Mapping[_K, _V] | Iterable[tuple[_K, _V]]) -> _Self: ...
    def copy(self) -> dict[_K, _V]: ...
    def __copy__(self) -> dict[_K, _V]: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> dict[_K, _V]: ...
    @overload
    @classmethod
    def fromkeys(cls, iterable: Iterable[_T], value: None = None) -> dict[_T, Any | None]: ...
    @overload
    @classmethod
    def fromkeys(cls, iterable: Iterable[_K], value: _V) -> dict[_K, _V]: ...
    @overload
    def get_many(self, keys: Iterable[_K], /) -> list[_V | None]: ...
    @overload
    def get_many(self, keys: Iterable[_K], /, default: _T) -> list[_V | _T]: ...
    def contains_many(self, keys: Iterable[object], /) -> list[bool]: ...
    def set_many(self, keys: Iterable[_K], values: Iterable[_V], /) -> None: ...
    @overload
    def pop_many(self, keys: Iterable[_K], /) -> list[_V | None]: ...
    @overload
    def pop_many(self, keys: Iterable[_K], /, default: _T) -> list[_V | _T]: ...
    def edit(self, key: _K) -> AbstractContextManager[_V]: ...

_Self = TypeVar("_Self", bound=EMDict[Any, Any])
