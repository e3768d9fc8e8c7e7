"""The kinds of containers: which class each has, and how the command line shows it.

This is the one place that knows all of them: Store, open() and the command look them up here. A new kind is
an entry of KINDS (HACKING.md, "A new kind in Python").
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .._containers.array import EMArray
from .._containers.deque import EMDeque
from .._containers.dict import EMDict
from .._containers.list import EMList
from .._containers.set import EMSet
from .._containers.shadow import EMShadowMemory
from .._containers.typed_dict import EMTypedDict
from .._containers.typed_set import EMTypedSet
from .._core import FormatError


class Items(NamedTuple):
    """What items are to the commands that show them, dump and load them."""

    has_keys: bool  # a line of a dump is {"key": KEY, "value": VALUE}; without keys {"value": VALUE}
    pairs: Callable[[Any], Iterable[tuple[Any, Any]]]  # keys, or indices, and values
    put: Callable[[Any, Any, Any], object]  # (container, key, value)
    chosen: bool = True  # whether one can be chosen, by its key or index


def _set(container: Any, key: Any, value: Any) -> None:
    container[key] = value


KEYED = Items(True, lambda container: container.items(), _set)
IN_ORDER = Items(False, enumerate, lambda container, _, value: container.append(value))
ELEMENTS = Items(False, enumerate, lambda container, _, value: container.add(value), chosen=False)


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def _no_key(_: Any, __: Any) -> Iterator[Any]:
    return iter(())


def _itself(container: Any) -> Any:
    return container


class Kind(NamedTuple):
    """A kind of container."""

    name: str  # as the store tells it (src/structures/kinds.h), and Store.members()
    find: Callable[[], type[Any]]  # the class, imported when it is first wanted
    called: str
    items: Items | None = None  # None: none that a command could show
    instead: str = ""  # what to do then
    typed: bool = False  # items come as NumPy has them
    loaded: bool = False  # `load` can make a new one
    size: Callable[[Any], int] = len
    facts: Callable[[Any], dict[str, Any]] = _nothing  # more lines of `info`
    key_of: Callable[[Any, Any], Iterator[Any]] = _no_key  # what else a KEY of the command line may mean
    shown_as: Callable[[Any], Any] = _itself  # what users get for it

    @property
    def cls(self) -> type[Any]:
        """The class that is attached to the store."""
        return self.find()

    @property
    def opened_by(self) -> str:
        """What opens one that stands alone: its class, if users know that."""
        return self.cls.__name__ if self.shown_as is _itself else "open()"

    @property
    def has_keys(self) -> bool:
        """Whether its items have keys."""
        return self.items is not None and self.items.has_keys


def _types_of_array(array: Any) -> dict[str, Any]:
    text, _, tail = array._type()
    return {"dtype": text, "shape_tail": list(tail)}


def _types_of_dict(found: Any) -> dict[str, Any]:
    return {"key_dtype": found._types[0].text, "value_dtype": found._types[1].text}


def _type_of_set(found: Any) -> dict[str, Any]:
    return {"dtype": found._types[0].text}


def _bound_of_deque(found: Any) -> dict[str, Any]:
    return {} if found.maxlen is None else {"maxlen": found.maxlen}


def _typed_key(found: Any, key: Any) -> Iterator[Any]:
    """A key as it is printed: times and structures are no texts and tuples."""
    if found.key_dtype.kind in "MmV":
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            import numpy

            yield numpy.array(key, found.key_dtype)[()]


def _graph_storage() -> type[Any]:
    from .._graphs.storage import GraphStorage

    return GraphStorage


def _graph(storage: Any) -> Any:
    """Errors: ModuleNotFoundError without NetworkX."""
    from .._graphs.stored import Stored

    return Stored._of_storage(storage)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("dict", lambda: EMDict, "a dict", KEYED, loaded=True),
        Kind(
            "typed dict",
            lambda: EMTypedDict,
            "a typed dict",
            KEYED,
            typed=True,
            facts=_types_of_dict,
            key_of=_typed_key,
        ),
        Kind("list", lambda: EMList, "a list", IN_ORDER, loaded=True),
        Kind("set", lambda: EMSet, "a set", ELEMENTS, loaded=True),
        Kind("typed set", lambda: EMTypedSet, "a typed set", ELEMENTS, typed=True, facts=_type_of_set),
        Kind("deque", lambda: EMDeque, "a deque", IN_ORDER, loaded=True, facts=_bound_of_deque),
        Kind("array", lambda: EMArray, "an array", IN_ORDER, typed=True, facts=_types_of_array),
        Kind(
            "graph",
            _graph_storage,
            "a graph",
            instead="use it from Python, by NetworkX",
            shown_as=_graph,
        ),
        Kind(
            "shadow memory",
            lambda: EMShadowMemory,
            "shadow memory",
            instead="see it with info and stats, or from Python",
            size=lambda shadow: sum(end - begin for begin, end in shadow.backed),
        ),
    )
}


def named(name: str) -> Kind:
    """Return the kind that the store calls so. Errors: FormatError for one of a later version."""
    try:
        return KINDS[name]
    except KeyError:
        raise FormatError(f"a {name}: it was made by a later version of pyrsistence") from None


def kind_of(container: Any) -> Kind:
    """Return the kind of a container, as users get it."""
    return KINDS[container._kind_name]
