"""EMSet: a set in a directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from itertools import islice
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container
from .._base.options import Opening, OpeningOptions, codec, require_known, takes_opening
from .._base.public import public
from .by_content import ByContent, refuse_typed
from .set_algebra import AT_ONCE, SetAlgebra

if TYPE_CHECKING:
    from typing_extensions import Unpack


@public
class EMSet(_core.SetBase, SetAlgebra, metaclass=ByContent):
    """A set whose elements live in memory-mapped files: larger than RAM, and there again when reopened.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close); ``data`` is an
    iterable to add. Elements are what EMDict's keys are, and come in the order in which they were added.
    ``memory`` and ``key`` are those of EMDict. With a type, ``EMSet(path, dtype="u8")``, it is an EMTypedSet;
    so is ``EMSet(path)`` of a directory that holds one.

    The algebra is that of set, with any iterable for its methods, and sets for its operators. It returns a
    builtin set, in memory; the methods put the result, of any size, into an empty EMSet with ``out=``. Two
    EMSets of whatever size are compared by walks along both.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no set; TypeError for what cannot be an element; DamagedError.

    >>> with EMSet(None, "hello") as s:
    ...     s.add("!")
    ...     list(s), s & {"l", "o", "x"} == {"l", "o"}
    (['h', 'e', 'l', 'o', '!'], True)
    """

    __slots__ = container.SLOTS

    _kind_name = "set"

    __hash__ = None  # type: ignore[assignment]

    def __new__(cls, *arguments: Any, dtype: Any = None, **options: Any) -> Any:
        """Make an EMTypedSet where a type is given."""
        if cls is EMSet and dtype is not None:
            from .typed_set import EMTypedSet

            return EMTypedSet(*arguments, dtype=dtype, **options)
        return super().__new__(cls)

    @classmethod
    def _typed_form(cls) -> Any:
        """Return the class of what has types; None for a subclass, which stays what it is."""
        from .typed_set import EMTypedSet

        return EMTypedSet if cls is EMSet else None

    def _attach_alone(self) -> None:
        refuse_typed(self, "typed set", "EMTypedSet")
        super()._attach_alone()

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
        dtype: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        if dtype is not None:
            raise TypeError("a class for elements of a given type is made from EMTypedSet")
        self.close()
        self._configure(codec(pickler, unpickler, pickle, key), _layout)
        self._open_with(Opening(path, **opening), self.update, data)

    def _set_options(
        self,
        pickler: Any = None,
        unpickler: Any = None,
        pickle: bool = True,
        key: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **kept: Any,
    ) -> None:
        """How elements are encoded; what open() also hands on, what to keep of objects, says nothing here."""
        require_known(type(self), kept)
        self._configure(codec(pickler, unpickler, pickle, key), _layout)

    def _option_names(self) -> dict[str, Any]:
        return self._codec.options("pickler", "unpickler", "pickle", "key")

    def _operand(self, other: Any) -> Any:
        """Return a set that finds its elements quickly, as this one finds them. Errors: TypeError."""
        if isinstance(other, EMSet) and other._codec.key == self._codec.key:
            return other
        if self._codec.key is None and (isinstance(other, (set, frozenset)) or type(other) is dict):
            return other
        return self._noted(other)

    def _noted(self, elements: Iterable[Any]) -> Any:
        """Return a set of the elements: in memory, or in a file where they are many."""
        rest = iter(elements)
        some = list(islice(rest, AT_ONCE))
        if len(some) < AT_ONCE and self._codec.key is None:
            return set(some)
        noted = EMSet(None, some, key=self._codec.key)
        noted.update(rest)
        return noted

    def _joins(self, other: Any) -> bool:
        return isinstance(other, _core.SetBase) and other._codec.key == self._codec.key

    def _elements(self) -> Iterator[Any]:
        return _core.SetBase.__iter__(self)

    __class_getitem__ = classmethod(GenericAlias)


MutableSet.register(EMSet)
