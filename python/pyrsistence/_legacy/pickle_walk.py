"""Where a pickle ends, found without doing what it says: the first guard of safe_pickle.py.

It refuses what would make the unpickler take memory out of proportion (a memo index of 4 billion is 64 GB),
or read beyond the end.
"""

from __future__ import annotations

import pickle

UnpicklingError = pickle.UnpicklingError

# What follows an opcode, besides a count of bytes (0 and up).
_INVALID, _LINE, _TWO_LINES, _STOP, _PUT_LINE, _PUT_4 = -1, -2, -3, -4, -5, -6
# A length of 1, 4 or 8 bytes, then so many bytes: -10 - width.
_COUNTED = -10


class ShortPickle(UnpicklingError):
    """The bytes end before the pickle does; ``needed`` is the least number of bytes that it takes."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"the pickle is cut off: it has at least {needed} bytes")
        self.needed = needed


_table: list[int] = []


def _layouts() -> list[int]:
    """What follows each of the 256 opcodes. pickletools, which knows them, is imported when first needed."""
    global _table
    _table = _table or _make_layouts()
    return _table


def _make_layouts() -> list[int]:
    import pickletools

    counted = {
        pickletools.TAKEN_FROM_ARGUMENT1: _COUNTED - 1,
        pickletools.TAKEN_FROM_ARGUMENT4: _COUNTED - 4,
        pickletools.TAKEN_FROM_ARGUMENT4U: _COUNTED - 4,
        pickletools.TAKEN_FROM_ARGUMENT8U: _COUNTED - 8,
    }
    table = [_INVALID] * 256
    for opcode in pickletools.opcodes:
        size = 0 if opcode.arg is None else opcode.arg.n
        if size == pickletools.UP_TO_NEWLINE:
            assert opcode.arg is not None
            table[ord(opcode.code)] = _TWO_LINES if opcode.arg.name == "stringnl_noescape_pair" else _LINE
        else:
            table[ord(opcode.code)] = counted.get(size, size)
    table[ord(".")] = _STOP
    table[ord("p")] = _PUT_LINE
    table[ord("r")] = _PUT_4
    table[ord("2")] = (
        _INVALID  # DUP: no pickler writes it, and nested it makes a tuple that takes forever to hash
    )
    return table


def pickle_end(data: bytes) -> int:
    """Return where the pickle at the beginning of ``data`` ends; what follows is not looked at.

    **Cost**: O(opcodes). Errors: ShortPickle if the data end first; UnpicklingError for what no pickler
    writes.
    """
    table = _layouts()
    position, size = 0, len(data)
    while position < size:
        layout = table[data[position]]
        position += 1
        if layout >= 0:
            position += layout
        elif layout == _STOP:
            return position
        else:
            position = _skip(data, position, layout)
    raise ShortPickle(position + 1)


def _skip(data: bytes, position: int, layout: int) -> int:
    """Return where the argument at ``position`` ends."""
    if layout == _INVALID:
        raise UnpicklingError(f"byte {position - 1} of the pickle, {data[position - 1]:#04x}, is no opcode")
    if layout < _COUNTED:
        width = _COUNTED - layout
        if position + width > len(data):
            raise ShortPickle(position + width)
        return position + width + int.from_bytes(data[position : position + width], "little")
    if layout == _PUT_4:
        _check_memo(int.from_bytes(data[position : position + 4], "little"), position)
        return position + 4
    end = _line_end(data, position)
    if layout == _TWO_LINES:
        end = _line_end(data, end)
    elif layout == _PUT_LINE:
        digits = data[position : end - 1]
        _check_memo(int(digits) if digits.isdigit() and len(digits) < 20 else len(data) + 1, position)
    return end


def _line_end(data: bytes, position: int) -> int:
    end = data.find(b"\n", position)
    if end < 0:
        raise ShortPickle(len(data) + 1)
    return end + 1


def _check_memo(index: int, position: int) -> None:
    # A pickler counts what it memoizes, so an index is less than the number of bytes written before it.
    if index > position:
        raise UnpicklingError(f"byte {position} of the pickle: memo index {index} is out of proportion")
