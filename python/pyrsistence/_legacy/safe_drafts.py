"""Plain objects that a pickle makes in two steps, and sets state on: UUIDs, NumPy's arrays, scalars, types.

The C unpickler would hand the state to the object's own ``__setstate__``, and NumPy's trusts it. Here the
first step makes a Draft. The second, the opcode BUILD, puts into its place what the draft makes of the state
by calls that check their arguments; on anything but a draft it is refused. That needs pickle's
implementation in Python, so only the pickles that name these types are read by it.
"""

from __future__ import annotations

import pickle
import re
import uuid
from collections.abc import Callable
from typing import IO, Any, ClassVar

_Find = Callable[[str, str], Any]
_Finish = Callable[[Any], Any]


class Draft:
    """An object without its state yet."""

    __slots__ = ("finish", "made")

    def __init__(self, finish: _Finish) -> None:
        self.finish = finish
        self.made: Any = None

    def __reduce__(self) -> str:
        raise pickle.UnpicklingError("the pickle leaves an object without its state")


class _Memo(dict[int, Any]):
    """What the pickle refers back to: of a finished draft the object."""

    def __getitem__(self, index: int) -> Any:
        found = super().__getitem__(index)
        return found.made if type(found) is Draft and found.made is not None else found


_Base: Any = pickle._Unpickler  # documented to mypy as what its C twin is, without the parts used here


class DraftUnpickler(_Base):  # type: ignore[misc]
    """Unpickles with makers in place of classes, and with drafts."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_Base.dispatch)

    def __init__(self, file: IO[bytes], find: _Find) -> None:
        super().__init__(file)
        self.memo = _Memo()
        self._find = find

    def find_class(self, module: str, name: str, /) -> Any:
        return self._find(module, name)

    def load_newobj(self) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        self.append(maker(*arguments))

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self) -> None:
        state, draft = self.stack.pop(), self.stack[-1]
        if type(draft) is not Draft or draft.made is not None:
            raise pickle.UnpicklingError(f"the pickle sets state on a {type(draft).__name__}")
        self.stack[-1] = draft.made = draft.finish(state)

    dispatch[pickle.BUILD[0]] = load_build


# ---- What makes drafts, or what drafts are arguments of


def _uuid() -> Draft:
    def finish(state: Any) -> uuid.UUID:
        return uuid.UUID(int=state["int"], is_safe=uuid.SafeUUID(state.get("is_safe")))

    return Draft(finish)


_CODE = re.compile(r"[biufcSUV][0-9]{1,9}|[Mm]8")


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise pickle.UnpicklingError("it is NumPy's, which is not installed") from None
    return numpy


def _dtype(code: Any, align: Any = False, copy: Any = False) -> Draft:
    """A type: its text says most, its state the byte order, the unit of times, or what a structure holds."""
    if type(code) is not str or not _CODE.fullmatch(code):
        raise pickle.UnpicklingError(f"NumPy's type {code!r} is not plain data")
    return Draft(lambda state: _finished_dtype(code, *state))


def _finished_dtype(
    code: str,
    _version: Any,
    order: Any,
    part: Any,
    names: Any,
    fields: Any,
    size: Any,
    _alignment: Any = None,
    flags: int = 0,
    unit: Any = None,
) -> Any:
    np = _numpy()
    if part is not None:
        return np.dtype((_real_dtype(part[0]), part[1]))
    if names is not None:
        columns = [fields[name] for name in names]
        layout = {
            "names": list(names),
            "formats": [_real_dtype(column[0]) for column in columns],
            "offsets": [column[1] for column in columns],
            "itemsize": size,
        }
        return np.dtype(layout, align=bool(flags & 0x80))
    if order not in ("<", ">", "|", "="):
        raise pickle.UnpicklingError(f"byte order {order!r}")
    if code[0] in "Mm" and unit is not None:
        name, number, denominator, _ = unit[1]
        unit_name = name.decode("ascii") if isinstance(name, bytes) else str(name)
        if denominator != 1 or not re.fullmatch("[a-zA-Zμ]{1,7}", unit_name):
            raise pickle.UnpicklingError(f"the unit {unit[1]!r}")
        code += "" if unit_name == "generic" else f"[{int(number)}{unit_name}]"
    return np.dtype(order + code)


def _real_dtype(thing: Any) -> Any:
    if not isinstance(thing, _numpy().dtype) or thing.hasobject:
        raise pickle.UnpicklingError(f"expected a type of NumPy's, found a {type(thing).__name__}")
    return thing


def _array_of(data: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
    if type(data) not in (bytes, bytearray):
        raise pickle.UnpicklingError(f"an array's bytes are a {type(data).__name__}")
    return _numpy().frombuffer(data, _real_dtype(dtype)).reshape(shape, order=order)


def _reconstruct(_class: Any, _shape: Any, _code: Any) -> Draft:
    def finish(state: Any) -> Any:
        _version, shape, dtype, fortran, data = state
        return _array_of(data, dtype, shape, "F" if fortran else "C")

    return Draft(finish)


def _scalar(dtype: Any, data: Any) -> Any:
    (value,) = _array_of(data, dtype, (1,))
    return value


def _no_array(*_: Any) -> Any:
    raise pickle.UnpicklingError("an array without its content")


def makers() -> dict[tuple[str, str], Callable[..., Any]]:
    """What such pickles name, by module and name: of NumPy 1 and 2."""
    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("uuid", "UUID"): _uuid,
        ("numpy", "dtype"): _dtype,
        ("numpy", "ndarray"): _no_array,
    }
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray", "_reconstruct"] = _reconstruct
        found[f"{core}.multiarray", "scalar"] = _scalar
        found[f"{core}.numeric", "_frombuffer"] = _array_of
    return found
