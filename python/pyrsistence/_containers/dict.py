"""EMDict: a dict in a directory."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Mapping, MutableMapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container, short_repr
from .._base.options import Opening, OpeningOptions, codec, takes_opening
from .._base.public import public
from . import typed_columns
from .by_content import ByContent, refuse_typed
from .dict_views import Items, Keys, Values

if TYPE_CHECKING:
    from typing_extensions import Unpack

_REPR_ITEMS = 5


@public
class EMDict(_core.DictBase, container.Container, metaclass=ByContent):
    """A dict whose items live in memory-mapped files: larger than RAM, and there again when it is reopened.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close); ``data`` is what
    to put into it: a mapping or pairs. Values handed out are copies, as shelve's are: change them with
    ``edit()``, by assignment, or with ``writeback=True``. With types, ``EMDict(path, key="u8", value="f8")``,
    it is an EMTypedDict; so is ``EMDict(path)`` of a directory that holds one.

    ``memory`` bounds the changed pages and buffers of its store: bytes, or text like "512M"; None: only the
    budget of the process does (``set_memory_budget()``). With ``cache=N`` the last N values that were dear to
    decode are handed out again as the very same objects: treat them as read-only, and change them with
    ``edit()``.

    Times are in seconds: after ``commit_interval`` the next change commits first (None: never); ``timeout``
    is how long to wait for another writer to close the store, ``snapshot_timeout`` how long a commit waits
    for a reader's snapshot, and ``read_timeout`` how long a reader waits for a writer that stands still
    within a commit.

    ``permissions``, as 0o600, are those of the files of a new store, whatever the umask is; who may read them
    may also enter its directory. Files that are made later, by whatever process, get the same, and the
    owner and group of the store.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it, or this one has it open (then the error's ``holder`` is that object); FormatError if it is no
    dict; DamagedError.

    >>> with EMDict(None, {"a": 1}) as d:
    ...     d["b"] = [2]
    ...     list(d.items())
    [('a', 1), ('b', [2])]
    """

    __slots__ = container.SLOTS

    _kind_name = "dict"

    __hash__ = None  # type: ignore[assignment]

    _views: tuple[Any, Any, Any] = (Keys, Values, Items)

    def __new__(cls, *arguments: Any, key: Any = None, value: Any = None, **options: Any) -> Any:
        """Make an EMTypedDict where types are given."""
        if cls is EMDict and (value is not None or typed_columns.names_a_type(key)):
            from .typed_dict import EMTypedDict

            return EMTypedDict(*arguments, key=key, value=value, **options)
        return super().__new__(cls)

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        data: Any = None,
        *,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        value: Any = None,
        writeback: bool = False,
        cache: int = 0,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        if value is not None or typed_columns.names_a_type(key):
            raise TypeError("a class for keys and values of given types is made from EMTypedDict")
        self.close()
        self._configure(codec(pickler, unpickler, pickle, key, writeback, cache), _layout)
        self._open_with(Opening(path, **opening), self.update, data)

    def _set_options(
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        writeback: bool = False,
        cache: int = 0,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
    ) -> None:
        self._configure(codec(pickler, unpickler, pickle, key, writeback, cache), _layout)

    @classmethod
    def _typed_form(cls) -> Any:
        """Return the class of what has types; None for a subclass, which stays what it is."""
        from .typed_dict import EMTypedDict

        return EMTypedDict if cls is EMDict else None

    def _attach_alone(self) -> None:
        refuse_typed(self, "typed dict", "EMTypedDict")
        super()._attach_alone()

    # ---- The mapping interface that needs no speed

    def keys(self) -> Any:
        """Return a set-like view of the keys.

        **Cost**: O(1); walking it reads the records one after the other.

        >>> EMDict(None, {1: 2, 3: 4}).keys() & {3, 5}
        {3}
        """
        return Keys(self)

    def values(self) -> Any:
        """Return a view of the values.

        **Cost**: O(1); walking it reads the records one after the other.

        >>> list(EMDict(None, {1: 2}).values())
        [2]
        """
        return Values(self)

    def items(self) -> Any:
        """Return a set-like view of the pairs.

        **Cost**: O(1); walking it reads the records one after the other.

        >>> (1, 2) in EMDict(None, {1: 2}).items()
        True
        """
        return Items(self)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set all pairs of a mapping or of an iterable of pairs, and then those given by keyword.

        **Cost**: one insertion each; in groups, as ``set_many()``, unless they come from code that may look
        at the dict meanwhile: a generator, a mapping of your own.

        >>> d = EMDict()
        >>> d.update({"a": 1}, b=2)
        >>> d.copy()
        {'a': 1, 'b': 2}
        """
        # Of the items one is read after the other, by the keys each would be looked up.
        self._update(iter(other.items()) if type(other) is EMDict and other is not self else other)
        if more:
            self._update(more)

    def copy(self) -> dict[Any, Any]:
        """Return a builtin dict of all items, in memory.

        Beside a writer in another process it is of one state. **Cost**: O(n) time and memory. Errors: there,
        SnapshotError if it takes longer than the writer's ``snapshot_timeout``.
        """
        return self._as_builtin()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return copy.deepcopy(self._as_builtin(), memo)

    def _as_builtin(self) -> dict[Any, Any]:
        with self._consistent():
            return dict(self._views[2](self))

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None) -> Any:
        """Return a builtin dict with these keys and one value; a subclass gives one of its own, temporary.

        **Cost**: one insertion a key.

        >>> EMDict.fromkeys("ab", 0)
        {'a': 0, 'b': 0}
        """
        if cls is EMDict:
            return dict.fromkeys(iterable, value)
        result = cls()
        for key in iterable:
            result[key] = value
        return result

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        if self is other:
            return True
        with self._consistent(), container.consistent(other):
            if len(self) != len(other):
                return False
            absent = object()
            for key, value in self.items():
                found = other.get(key, absent)
                if found is absent or not (found is value or found == value):
                    return False
            return True

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        result = dict(other)
        result.update(self.copy())
        return result

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __repr__(self) -> str:
        if self.closed:
            return self._closed_repr()
        with self._consistent():
            keys, values = (short_repr.texts(iter(view(self)), _REPR_ITEMS) for view in self._views[:2])
            shown = [f"{key}: {value}" for key, value in zip(keys, values, strict=False)]
            rest = len(self) - len(shown)
        if rest > 0:
            shown.append(f"... {rest} more")
        return f"{type(self).__name__}({{{', '.join(shown)}}}, path={self._open_handle().path!r})"

    def _option_names(self) -> dict[str, Any]:
        return self._codec._asdict()

    # ---- Beyond dict

    def edit(self, key: Any) -> contextlib.AbstractContextManager[Any]:
        """Hand out the value of a key, and write it back if the block does not raise.

        **Cost**: one look-up and one assignment. Errors: KeyError.

        >>> d = EMDict(None, {"k": [1]})
        >>> with d.edit("k") as value:
        ...     value.append(2)
        >>> d["k"]
        [1, 2]
        """
        return container.edit(self, key)

    __class_getitem__ = classmethod(GenericAlias)


MutableMapping.register(EMDict)
