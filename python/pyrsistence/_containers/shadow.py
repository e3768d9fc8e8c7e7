"""EMShadowMemory: flags for each address of some ranges, in a directory."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import casting, container, dtypes
from .._base.options import NO_OBJECTS, Opening, OpeningOptions, require_known, takes_opening
from .._base.public import public
from .shadow_counter import ShadowCounter
from .shadow_search import ShadowSearch
from .shadow_sets import ShadowSets

if TYPE_CHECKING:
    from typing_extensions import Unpack

_WIDTHS = range(1, 9)
_EVERY = 2**64 - 1
# So many ranges are shown by repr().
_REPR_RANGES = 4
# So many addresses edit() looks at, at once.
_EDITED = 1 << 16


@public
class EMShadowMemory(ShadowSets, ShadowSearch):
    """Flags for each address of some ranges: of a program's memory, say, of which most is not looked at yet.

    ``path`` is its directory, created if missing (None: a temporary one, removed at close). ``ranges`` are to
    be backed, besides those that are: pairs of the first address and the one behind the last, or ``range``
    objects. ``width`` is the bytes of flags an address: 1 (if it is left out) to 8.

    Long runs of addresses with equal flags are an entry of a tree and take no pages: ranges may be of
    nearly 2**64 addresses, and marking a run takes the same time whatever its length is.
    ``s[address]`` are the flags of one address, ``s[begin:end]`` those of many, as a NumPy array, a copy;
    both can be assigned to. ``memory`` is that of EMDict.

    Errors: OSError for a missing parent, a file in the way, no permission; LockedError if another process
    writes it; FormatError if it is no shadow memory, or of another width; ValueError; DamagedError. Every
    method that takes a run of addresses raises IndexError where one is not backed, naming it.

    >>> with EMShadowMemory(None, [(0x401000, 0x500000)]) as s:
    ...     s.mark_as_code(0x401000, 5)
    ...     s.mark_as_head(0x401000)
    ...     s.count_marked_as_code(0x401000, 10), s[0x401000], s.next_unmarked(0x401000, s.CODE) - 0x401000
    (5, 10, 5)
    """

    __slots__ = container.SLOTS

    _kind_name = "shadow memory"

    __hash__ = None  # type: ignore[assignment]
    __iter__ = None

    ANALYZED = 1
    CODE = 2
    DATA = 4
    HEAD = 8
    BASIC_BLOCK_LEADER = 16
    FUNCTION = 32
    RELOCATED = 64
    RELOCATED_LEAF = 128

    @takes_opening
    def __init__(
        self,
        path: Any = None,
        ranges: Iterable[Any] = (),
        *,
        width: int | None = None,
        **opening: Unpack[OpeningOptions],
    ) -> None:
        self.close()
        self._set_options(width)
        more = [_ends(item) for item in ranges]
        self._open_with(Opening(path, **opening), self._add_ranges, more or None)

    def _set_options(self, width: Any = None, **codec: Any) -> None:
        """What to hold; codecs, which open() hands to whatever is there, say nothing to flags."""
        require_known(type(self), codec)
        if width is not None and operator.index(width) not in _WIDTHS:
            raise ValueError(f"expected a width of 1 to 8 bytes of flags an address, found {width}")
        self._configure(NO_OBJECTS, (1 if width is None else operator.index(width), width is not None))

    def _require(self, width: Any) -> None:
        """Of one that is open already. Errors: FormatError."""
        if width is not None and operator.index(width) != self.width:
            raise _core.FormatError(f"{self._name!r} has a width of {self.width} bytes, not {width}")

    def _option_names(self) -> dict[str, Any]:
        return {}

    def copy(self) -> Any:
        """Raise TypeError: there is no builtin for it; backup() copies it on disk. **Cost**: none."""
        raise TypeError(f"{type(self).__name__} has no copy in memory: use backup(), or s[begin:end]")

    def _as_builtin(self) -> Any:
        return EMShadowMemory.copy(self)  # which says why not

    # ---- What is backed

    @property
    def width(self) -> int:
        """The bytes of flags an address."""
        return self._width()

    @property
    def backed(self) -> list[tuple[int, int]]:
        """The ranges, sorted and merged: pairs of the first address and the one behind the last."""
        return self._ranges()

    def add_range(self, begin: int, end: int) -> None:
        """Back the addresses from begin up to, but not including, end. Flags that are there are kept.

        **Cost**: O(ranges). Errors: ValueError if there is no address between them.

        >>> s = EMShadowMemory(None, [(0, 16)])
        >>> s.add_range(16, 32)
        >>> s.backed
        [(0, 32)]
        """
        self._add_ranges([_ends((begin, end))])

    def add_ranges(self, ranges: Iterable[Any]) -> None:
        """Back these as well, all or nothing: pairs as the constructor takes, or range objects.

        **Cost**: O(ranges). Errors: ValueError for one that is empty, or if all 2**64 addresses were backed.

        >>> s = EMShadowMemory(None, [(0, 16)])
        >>> s.add_ranges([(100, 110), range(8, 20)])
        >>> s.backed
        [(0, 20), (100, 110)]
        """
        self._add_ranges([_ends(item) for item in ranges])

    def remove_range(self, begin: int, end: int) -> None:
        """Back the addresses from begin up to, but not including, end no more: their flags are lost.

        Those that are not backed do not matter. Of very many pages it is made of several operations: in a
        transaction all or nothing.

        **Cost**: O(ranges), and as unmarking them. Errors: ValueError if there is no address between them.

        >>> s = EMShadowMemory(None, [(0, 32)])
        >>> s.remove_range(8, 16)
        >>> s.backed
        [(0, 8), (16, 32)]
        """
        self._remove_range(*_ends((begin, end)))

    # ---- Many addresses

    def get_many(self, addresses: Any) -> Any:
        """Return the flags of many addresses, given as an array or a sequence of integers, as an array.

        **Cost**: a look each, some thousand together, without the GIL. Errors: IndexError naming the first
        that is not backed; TypeError, ValueError for what are no addresses; ImportError without NumPy.

        >>> s = EMShadowMemory(None, [(0, 100)])
        >>> s.mark_as_code(10, 5)
        >>> s.get_many([9, 10, 14, 15]).tolist()
        [0, 2, 2, 0]
        """
        where = self._addresses(addresses)
        found = dtypes.numpy("flags of many addresses").empty(where.shape, f"u{self._stored_width()}")
        if found.size:
            self._gather(where, found.reshape(-1).view("u1"))
        return found

    def mark_many(self, addresses: Any, flags: Any) -> None:
        """Add flags to those of many addresses: the same for all, or an array of as many.

        **Cost**: as mark(), some thousand addresses an operation, without the GIL. Errors: as get_many(), and
        ValueError for flags beyond the width: nothing has changed then; OSError: the first part is marked.

        >>> s = EMShadowMemory(None, [(0, 100)])
        >>> s.mark_many([3, 5, 8], s.HEAD)
        >>> s.count(0, 100, s.HEAD)
        3
        """
        self._scatter(self._addresses(addresses), _EVERY, self._flags(flags))

    def unmark_many(self, addresses: Any, flags: int) -> None:
        """Take flags from those of many addresses. **Cost**, errors: as mark_many()."""
        self._scatter(self._addresses(addresses), _EVERY & ~operator.index(flags), self._flags(0))

    def assign_many(self, addresses: Any, flags: Any) -> None:
        """Make these the flags of many addresses. **Cost**, errors: as mark_many()."""
        self._scatter(self._addresses(addresses), 0, self._flags(flags))

    def counter(self, shift: int, bits: int) -> ShadowCounter:
        """Return a counter in so many bits of the flags from bit ``shift`` on, which no flags may use.

        It is a name for these bits, and keeps nothing of its own.

        **Cost**: O(1). Errors: ValueError beyond the width.

        >>> s = EMShadowMemory(None, [(0, 100)], width=4)
        >>> hits = s.counter(8, 24)
        >>> hits.add_many([7, 7, 9])
        >>> hits[7], hits[6:10].tolist()
        (2, [0, 2, 0, 1])
        """
        return ShadowCounter(self, shift, bits)

    def _addresses(self, addresses: Any) -> Any:
        """As contiguous numbers of 8 bytes, of their own."""
        module = dtypes.numpy("arrays of addresses")
        try:
            found = casting.of_values(addresses, module.dtype("u8"))
        except OverflowError as error:
            raise IndexError(f"an address is not backed: {error}") from None
        return module.ascontiguousarray(found)

    def _flags(self, flags: Any) -> Any:
        module = dtypes.numpy("arrays of flags")
        try:
            return module.ascontiguousarray(casting.of_values(flags, module.dtype("u8"))).reshape(-1)
        except OverflowError as error:
            raise ValueError(f"flags do not fit: {error}") from None

    # ---- Flags of many addresses, as NumPy arrays

    def _bounds(self, key: slice) -> tuple[int, int]:
        if key.step not in (None, 1):
            raise ValueError(f"expected a slice of step 1, found {key.step}")
        if key.start is None or key.stop is None:
            raise ValueError("expected a slice with a first address and one behind the last: s[begin:end]")
        begin, end = operator.index(key.start), operator.index(key.stop)
        return begin, max(begin, end)

    def _get_slice(self, key: slice) -> Any:
        module = dtypes.numpy("a slice of flags")
        begin, end = self._bounds(key)
        self.is_marked(begin, end - begin, 1)  # raises what is to be raised before memory is asked for
        found = module.empty(end - begin, f"u{self._stored_width()}")
        self._read(begin, found.view("u1"))
        return found

    def _set_slice(self, key: slice, value: Any) -> None:
        begin, end = self._bounds(key)
        if not hasattr(value, "__len__"):
            self.assign(begin, end - begin, value)
            return
        module = dtypes.numpy("assigning flags to a slice")
        values = casting.present(value)
        if values.shape != (end - begin,):
            raise ValueError(f"expected {end - begin} flags, found an array of shape {values.shape}")
        if values.size == 0:
            return
        if values.dtype.kind not in "bui" or values.min() < 0 or int(values.max()) >> (8 * self.width):
            raise ValueError(f"expected integers of {self.width} bytes, not negative, as flags")
        self._write(begin, module.ascontiguousarray(values, f"<u{self._stored_width()}").view("u1"))

    def _stored_width(self) -> int:
        """The bytes of an item of such an array."""
        return 1 << (self.width - 1).bit_length()

    @contextlib.contextmanager
    def edit(self, begin: int, end: int) -> Iterator[Any]:
        """Hand out the flags from begin up to, but not including, end as an array to change in place.

        It is a copy. When the block ends, what it made of it is assigned in one transaction (in the one that
        is on, if one is); if the block raises, nothing is. Only addresses whose flags the block changed are
        assigned: others keep what other code gave them meanwhile.

        **Cost**: three times the array in memory at its end, at most; a pass over it; and, if something has
        changed, the pages that did, and a transaction. Errors: IndexError naming the first address that is
        not backed, io.UnsupportedOperation with ``mode="r"``, ImportError without NumPy, all before the block
        runs; ValueError if flags are beyond the width, and what transaction() raises, after it: then nothing
        has changed.

        >>> s = EMShadowMemory(None, [(0x1000, 0x2000)])
        >>> with s.edit(0x1000, 0x1100) as flags:
        ...     flags[::16] |= s.CODE | s.HEAD
        >>> s.count(0x1000, 0x1000, s.HEAD)
        16
        """
        dtypes.numpy("editing flags")
        begin, end = operator.index(begin), operator.index(end)
        self._open_handle().require_writable()
        before = self[begin:end]
        flags = before.copy()
        yield flags.view()  # whatever becomes of its shape and dtype, `flags` keep theirs
        differs = before != flags
        if not differs.any():
            return
        if int(flags.max()) >> (8 * self.width):
            raise ValueError(f"expected flags of {self.width} bytes, found {int(flags.max())}")
        joined = self._open_handle().in_transaction
        with contextlib.nullcontext() if joined else self.transaction():
            for at in range(0, len(flags), _EDITED):
                self._merge(begin + at, flags[at : at + _EDITED], differs[at : at + _EDITED])

    def _merge(self, begin: int, flags: Any, wanted: Any) -> None:
        """Assign those that are wanted."""
        if wanted.any():
            now = self[begin : begin + len(flags)]
            now[wanted] = flags[wanted]
            self._write(begin, now.view("u1"))

    def is_backed(self, address: int, length: int = 1) -> bool:
        """Return whether all of so many addresses are backed.

        **Cost**: O(log ranges).

        >>> EMShadowMemory(None, [(0, 16)]).is_backed(8, 9)
        False
        """
        try:
            self.is_marked(address, length, 1)
        except IndexError:
            return False
        return True

    # ---- State

    def __repr__(self) -> str:
        if self.closed:
            return self._closed_repr()
        backed = self.backed
        shown = ", ".join(f"{begin:#x} to {end:#x}" for begin, end in backed[:_REPR_RANGES])
        more = f", and {len(backed) - _REPR_RANGES} more" if len(backed) > _REPR_RANGES else ""
        path = self._open_handle().path
        return f"<{type(self).__name__} {path!r} of [{shown}{more}], {self.width} bytes an address>"


def _ends(item: Any) -> tuple[int, int]:
    """The first and the last address of a range. Errors: ValueError, TypeError."""
    if isinstance(item, range):
        if item.step != 1:
            raise ValueError(f"expected a range of step 1, found {item!r}")
        begin, end = item.start, item.stop
    else:
        try:
            begin, end = map(operator.index, item)
        except (TypeError, ValueError):
            raise TypeError(
                f"expected a range as a pair of its first address and the one behind its last, found {item!r}"
            ) from None
    if not 0 <= begin < end <= 2**64:
        raise ValueError(
            f"expected a range within 0 to 2**64 that is not empty, found {begin:#x} to {end:#x}"
        )
    return begin, end - 1
