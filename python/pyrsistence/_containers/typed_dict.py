"""EMTypedDict: a dict in a directory whose keys and values have types of fixed sizes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import container
from .._base.options import Opening, OpeningOptions, require_known, takes_opening
from .._base.public import public
from . import typed_columns
from .dict import EMDict
from .typed_batches import TypedBatches
from .typed_views import TypedItems, TypedKeys, TypedValues

if TYPE_CHECKING:
    from typing_extensions import Unpack

# So many pairs are taken from an iterable at a time.
_PAIRS = 4096


@public
class EMTypedDict(TypedBatches):
    """A dict of numbers, short bytes or texts, times, or structures: ``EMDict(path, key="u8", value="f8")``.

    ``key`` and ``value`` are type texts ("u8", "i4", "f8", "?", "S16", "U8") or whatever numpy.dtype takes
    that has a fixed size. They are kept in the files: without them, those of the files count. An entry takes
    the bytes of both and some 12 bytes of the index, and keys in arrays are looked up many at a time.

    What cannot be a key (300 where keys are "u1") is not in the dict; storing it is an error. Keys that are
    equal as NumPy has it are one key: 0.0 and -0.0; all NaNs are one too.

    Errors: as EMDict; TypeError for types without a fixed size, and where a new dict is given none;
    FormatError if the files have other types.

    >>> d = EMDict(key="u8", value="f8")
    >>> d[1] = 0.5
    >>> d.set_many([2, 3], [1, 2])
    >>> d.get_many([3, 1])
    [2.0, 0.5]
    >>> list(d.items())
    [(1, 0.5), (2, 1.0), (3, 2.0)]
    """

    __slots__ = (*container.SLOTS, "_given", "_types")

    _kind_name = "typed dict"
    _type_options = "the types, key= and value="

    __hash__ = None  # type: ignore[assignment]

    _views: tuple[Any, Any, Any] = (TypedKeys, TypedValues, TypedItems)

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        data: Any = None,
        *,
        key: Any = None,
        value: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(key, value, _layout)
        self._open_with(Opening(path, **opening), self.update, data)

    def _set_options(
        self,
        key: Any = None,
        value: Any = None,
        _layout: container.Layout = container.DEFAULT_LAYOUT,
        **codec: Any,
    ) -> None:
        """The types; codecs, which open() hands to whatever is there, say nothing to numbers."""
        require_known(type(self), codec)
        if (key is None) != (value is None):
            raise TypeError(
                "a typed dict has a type of keys and one of values: give both key= and value=, or none"
            )
        if (
            key is not None
            and callable(key)
            and not typed_columns.names_a_type(key)
            and not isinstance(key, type)
        ):
            raise TypeError("a typed dict has no key function: key= is the type of the keys")
        given = None
        if key is not None:
            given = typed_columns.column(key, "key"), typed_columns.column(value, "value")
        self._set_rows(given, _layout)

    def _require_types(self, key: Any, value: Any) -> None:
        """Raise FormatError unless these types, if any, are those of this dict."""
        if key is None and value is None:
            return
        wanted = typed_columns.column(key, "key"), typed_columns.column(value, "value")
        if wanted != self._types:
            raise self._other_types(self._open_handle().path, wanted, self._types)

    @staticmethod
    def _other_types(path: str, wanted: Any, found: Any) -> Exception:
        return _core.FormatError(
            f"'{path}' holds keys of type {found[0].text} and values of type {found[1].text}, "
            f"not {wanted[0].text} and {wanted[1].text}"
        )

    # ---- Types

    @property
    def key_dtype(self) -> Any:
        """The NumPy type of the keys."""
        return self._types[0].dtype

    @property
    def value_dtype(self) -> Any:
        """The NumPy type of the values."""
        return self._types[1].dtype

    # ---- The mapping interface that needs no speed; what needs the slots only is EMDict's

    def keys(self) -> Any:
        """Return a set-like view of the keys.

        **Cost**: O(1); walking it reads the rows one after the other.
        """
        return TypedKeys(self)

    def values(self) -> Any:
        """Return a view of the values.

        **Cost**: O(1); walking it reads the rows one after the other.
        """
        return TypedValues(self)

    def items(self) -> Any:
        """Return a set-like view of the pairs.

        **Cost**: O(1); walking it reads the rows one after the other.
        """
        return TypedItems(self)

    copy = EMDict.copy
    _as_builtin = EMDict._as_builtin
    __copy__ = copy
    __deepcopy__ = EMDict.__deepcopy__
    __eq__ = EMDict.__eq__
    __ne__ = EMDict.__ne__
    __or__ = EMDict.__or__
    __ror__ = EMDict.__ror__
    __ior__ = EMDict.__ior__
    __repr__ = EMDict.__repr__
    edit = EMDict.edit

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set all pairs of a mapping or of an iterable of pairs, and then those given by keyword.

        **Cost**: as set_many(), some thousands of pairs at a time; if a pair is refused, those of the times
        before stay.

        >>> d = EMDict(key="U1", value="u1")
        >>> d.update({"a": 1}, b=2)
        >>> d.copy()
        {'a': 1, 'b': 2}
        """
        if isinstance(other, Mapping):
            pairs: Any = other.items()
        elif hasattr(other, "keys"):
            pairs = ((key, other[key]) for key in other.keys())  # noqa: SIM118  (all that dict.update asks for)
        else:
            pairs = other
        for some in (pairs, more.items()):
            source = iter(some)
            while chunk := list(islice(source, _PAIRS)):
                keys, values = zip(*map(_pair, chunk), strict=True)
                self._put(*self._packed(True, keys), *self._packed(False, values))


def _pair(pair: Any) -> tuple[Any, Any]:
    key, value = pair
    return key, value


MutableMapping.register(EMTypedDict)
EMDict.register(EMTypedDict)
