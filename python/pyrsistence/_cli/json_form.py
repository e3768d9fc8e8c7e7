"""Values as JSON, and back: the form that `dump` writes and `load` reads (docs/cli.md, "Values as JSON").

What JSON has is written as such: null, booleans, text, lists, numbers as far as JSON keeps them, dicts whose
keys are text. All else is an object with one key, a tag that begins with "$". Decoding runs no code but that
of ``$pickle``, which is refused unless it is asked for.
"""

from __future__ import annotations

import base64
import binascii
import collections
import datetime
import decimal
import fractions
import json
import math
import pickle as pickles
import re
import struct
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

_EXACT = 1 << 53  # beyond it other readers of JSON lose digits
_LONG = 4000  # decimal digits beyond which CPython refuses to read an int, roughly
MOST_NESTED = 200  # containers in containers, as the store itself nests them
# Control characters and the like that JSON lets through, and that a terminal might obey; and half characters.
_UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class NotJson(ValueError):
    """A value without a JSON form, or a JSON form without a value."""


class Pickled:
    """A pickle that was not unpickled, since that might run code."""

    __slots__ = ("data", "reason")

    def __init__(self, data: bytes, reason: str) -> None:
        self.data = data
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pickled) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)


def dumps(value: Any, *, pickle: bool = False) -> str:
    """Return the value's form as a line of JSON. Errors: NotJson."""
    return text_of(encode(value, pickle=pickle))


def text_of(form: Any) -> str:
    """Return a form as a line of JSON, without characters that a terminal might obey."""
    text = json.dumps(form, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def loads(text: str | bytes, *, pickle: bool = False) -> Any:
    """Return the value of a line of JSON. Errors: NotJson."""
    return decode(parse(text), pickle=pickle)


def parse(text: str | bytes) -> Any:
    """Return what a line of JSON says, tags not yet looked at. Errors: NotJson."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise NotJson("nested too deep") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are such
        raise NotJson(f"not JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise NotJson(f'{name} is no JSON; write {{"$float": "nan"}}, "inf" or "-inf"')


# ---- Encoding


def encode(value: Any, *, pickle: bool = False) -> Any:
    """Return what json.dumps() takes for the value; ``pickle`` lets a Pickled be written as it is.

    **Cost**: O(parts), written out. Errors: NotJson.
    """
    return _Encoder(pickle).encode(value)


def has_form(value: Any) -> bool:
    """Whether encode() knows the type of the value; what the value holds is another question."""
    return type(value) in _WRITERS or (_is_numpy(value) and not value.dtype.hasobject)


def _is_numpy(value: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return bool(numpy) and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))


class _Encoder:
    """One value's encoding, which ends also for one that contains itself."""

    def __init__(self, pickle: bool) -> None:
        self._pickle = pickle
        self._depth = 0

    def encode(self, value: Any) -> Any:
        if self._depth > MOST_NESTED + 1:  # the last is an atom, and may have parts itself: a datetime's zone
            raise NotJson(f"nested more than {MOST_NESTED} deep")
        self._depth += 1
        try:
            writer = _WRITERS.get(type(value))
            return writer(self, value) if writer else self._foreign(value)
        finally:
            self._depth -= 1

    def all(self, values: Any) -> list[Any]:
        return list(map(self.encode, values))

    def _foreign(self, value: Any) -> Any:
        if _is_numpy(value):
            return _from_numpy(value)
        if isinstance(value, Pickled):
            if not self._pickle:
                raise NotJson(f"it is pickled, and {value.reason}; --pickle writes the pickle as it is")
            return {"$pickle": _base64(value.data)}
        raise NotJson(f"{type(value).__module__}.{type(value).__qualname__} has no form of its own")


def _plain(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_int(_: _Encoder, value: int) -> Any:
    if -_EXACT <= value <= _EXACT:
        return value
    return {"$int": str(value) if value.bit_length() < 3 * _LONG else hex(value)}


def _from_float(_: _Encoder, value: float) -> Any:
    if math.isfinite(value):
        return value
    if math.isinf(value):
        return {"$float": "inf" if value > 0 else "-inf"}
    bits = struct.pack(">d", value)
    return {"$float": "nan" if bits == _NAN else "0x" + bits.hex()}


_NAN = struct.pack(">d", math.nan)


def _from_dict(coder: _Encoder, value: dict[Any, Any]) -> Any:
    if all(type(key) is str and not key.startswith("$") and _plain(key) for key in value):
        form = {}
        for key, item in value.items():
            form[key] = coder.encode(item)
        return form
    return {"$dict": _from_pairs(coder, value)}


def _from_pairs(coder: _Encoder, value: dict[Any, Any]) -> list[Any]:
    # A loop, not a comprehension: as deep as values may be nested, frames are dear.
    pairs = []
    for key, item in value.items():
        pairs.append([coder.encode(key), coder.encode(item)])
    return pairs


def _from_str(_: _Encoder, value: str) -> Any:
    return value if _plain(value) else {"$str": _base64(value.encode("utf-8", "surrogatepass"))}


def _from_complex(coder: _Encoder, value: complex) -> Any:
    return {"$complex": [_from_float(coder, value.real), _from_float(coder, value.imag)]}


def _from_timezone(_: _Encoder, value: datetime.timezone) -> Any:
    offset, name = value.utcoffset(None), value.tzname(None)
    named = name != datetime.timezone(offset).tzname(None)
    return {"$timezone": [*_timedelta(offset), *([name] if named else [])]}


def _timedelta(value: datetime.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _clock(tag: str) -> Callable[[_Encoder, Any], Any]:
    def write(coder: _Encoder, value: Any) -> Any:
        naive = value.replace(tzinfo=None, fold=0).isoformat()
        if value.tzinfo is None and not value.fold:
            return {tag: naive}
        return {tag: [naive, coder.encode(value.tzinfo), value.fold]}

    return write


def _from_numpy(value: Any) -> Any:
    if value.dtype.hasobject:
        raise NotJson("a NumPy array of objects has no form of its own")
    dtype = value.dtype.descr if value.dtype.fields else value.dtype.str
    form = {"dtype": dtype, "data": _base64(value.tobytes())}
    if type(value).__name__ == "ndarray":
        form["shape"] = list(value.shape)
    return {"$numpy": form}


def _tagged(tag: str, write: Callable[[Any], Any]) -> Callable[[_Encoder, Any], Any]:
    return lambda _, value: {tag: write(value)}


def _items(tag: str) -> Callable[[_Encoder, Any], Any]:
    return lambda coder, value: {tag: coder.all(value)}


_WRITERS: dict[type, Callable[[_Encoder, Any], Any]] = {
    type(None): lambda _, value: value,
    bool: lambda _, value: value,
    int: _from_int,
    float: _from_float,
    str: _from_str,
    complex: _from_complex,
    bytes: _tagged("$bytes", _base64),
    bytearray: _tagged("$bytearray", _base64),
    list: lambda coder, value: coder.all(value),
    tuple: _items("$tuple"),
    set: _items("$set"),
    frozenset: _items("$frozenset"),
    dict: _from_dict,
    range: lambda coder, value: {"$range": coder.all([value.start, value.stop, value.step])},
    type(...): _tagged("$ellipsis", lambda _: None),
    datetime.date: _tagged("$date", datetime.date.isoformat),
    datetime.time: _clock("$time"),
    datetime.datetime: _clock("$datetime"),
    datetime.timedelta: _tagged("$timedelta", _timedelta),
    datetime.timezone: _from_timezone,
    decimal.Decimal: _tagged("$decimal", str),
    fractions.Fraction: lambda coder, value: {"$fraction": coder.all([value.numerator, value.denominator])},
    uuid.UUID: _tagged("$uuid", str),
    collections.OrderedDict: lambda coder, value: {"$ordereddict": _from_pairs(coder, value)},
    collections.deque: lambda coder, value: {"$deque": [coder.all(value), value.maxlen]},
}


def _from_zone(_: _Encoder, value: zoneinfo.ZoneInfo) -> Any:
    if value.key is None:
        raise NotJson("a time zone without a name has no form of its own")
    return {"$zone": value.key}


_WRITERS[zoneinfo.ZoneInfo] = _from_zone

# ---- Decoding


def decode(form: Any, *, pickle: bool = False) -> Any:
    """Return the value of a form that parse() returned. ``pickle`` lets ``$pickle`` through, which may run
    code.

    Errors: NotJson, which names the tag.
    """
    try:
        return _Decoder(pickle).decode(form)
    except RecursionError:
        raise NotJson("nested too deep") from None


class _Decoder:
    def __init__(self, pickle: bool) -> None:
        self._pickle = pickle

    def decode(self, form: Any) -> Any:
        if isinstance(form, list):
            return list(map(self.decode, form))
        if not isinstance(form, dict):
            return form
        tag = next((key for key in form if key.startswith("$")), None)
        if tag is None:
            value = {}
            for key, item in form.items():
                value[key] = self.decode(item)
            return value
        if len(form) != 1 or (tag not in _READERS and tag != "$pickle"):
            raise NotJson(
                f'{tag!r} is no tag, or not alone; a dict with such a key is {{"$dict": [[key, value]]}}'
            )
        if tag == "$pickle":
            return _unpickle(form[tag], self._pickle)
        try:
            return _READERS[tag](form[tag], self.decode)
        except (NotJson, RecursionError):
            raise
        except Exception as error:  # whatever a constructor says about its arguments
            raise NotJson(f"{tag}: {error}") from None


def _unpickle(text: Any, allowed: bool) -> Any:
    if not allowed:
        raise NotJson(
            "$pickle: unpickling may run code and is refused; --pickle allows it, for input that you trust"
        )
    try:
        return pickles.loads(_bytes(text))
    except Exception as error:
        raise NotJson(f"$pickle: {type(error).__name__}: {error}") from None


_Decode = Callable[[Any], Any]


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise NotJson(f"expected base64 text, found a {type(text).__name__}")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise NotJson(f"not base64: {error}") from None


def _to_int(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"-?(0x[0-9a-fA-F]+|[0-9]+)", text):
        raise NotJson("$int: expected decimal digits or 0x and hexadecimal digits")
    return int(text, 16) if "x" in text else int(text)


def _to_float(text: Any) -> float:
    if text in ("nan", "inf", "-inf"):
        return float(text)
    if not isinstance(text, str) or not re.fullmatch("0x[0-9a-fA-F]{16}", text):
        raise NotJson('$float: expected "nan", "inf", "-inf" or the 16 hexadecimal digits of a NaN')
    return float(struct.unpack(">d", bytes.fromhex(text[2:]))[0])


def _to_clock(make: Callable[[str], Any]) -> Callable[[Any, _Decode], Any]:
    def read(form: Any, decode: _Decode) -> Any:
        if isinstance(form, str):
            return make(form)
        text, zone, fold = form
        return make(text).replace(tzinfo=decode(zone), fold=fold)

    return read


def _to_timezone(form: Any, _: _Decode) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(*form[:3]), *form[3:])


def _to_pairs(form: Any, decode: _Decode) -> list[tuple[Any, Any]]:
    pairs = []
    for key, value in form:
        pairs.append((decode(key), decode(value)))
    return pairs


def _to_numpy(form: Any, _: _Decode) -> Any:
    import numpy

    spec = form["dtype"]
    dtype = numpy.dtype(spec if isinstance(spec, str) else _descr(spec))
    if dtype.hasobject:
        raise NotJson("$numpy: arrays of objects are not read")
    flat = numpy.frombuffer(_bytes(form["data"]), dtype)
    return flat.reshape(form["shape"]).copy() if "shape" in form else flat[0]


def _descr(fields: Any) -> list[Any]:
    return [
        tuple(_descr(f) if isinstance(f, list) and f and isinstance(f[0], list) else _shape(f) for f in field)
        for field in fields
    ]


def _shape(part: Any) -> Any:
    return tuple(part) if isinstance(part, list) else part


_READERS: dict[str, Callable[[Any, _Decode], Any]] = {
    "$int": lambda form, _: _to_int(form),
    "$float": lambda form, _: _to_float(form),
    "$str": lambda form, _: _bytes(form).decode("utf-8", "surrogatepass"),
    "$complex": lambda form, decode: complex(*map(decode, form)),
    "$bytes": lambda form, _: _bytes(form),
    "$bytearray": lambda form, _: bytearray(_bytes(form)),
    "$tuple": lambda form, decode: tuple(map(decode, form)),
    "$set": lambda form, decode: set(map(decode, form)),
    "$frozenset": lambda form, decode: frozenset(map(decode, form)),
    "$dict": lambda form, decode: dict(_to_pairs(form, decode)),
    "$ordereddict": lambda form, decode: collections.OrderedDict(_to_pairs(form, decode)),
    "$deque": lambda form, decode: collections.deque(map(decode, form[0]), form[1]),
    "$range": lambda form, decode: range(*map(decode, form)),
    "$ellipsis": lambda form, _: ...,
    "$date": lambda form, _: datetime.date.fromisoformat(form),
    "$time": _to_clock(datetime.time.fromisoformat),
    "$datetime": _to_clock(datetime.datetime.fromisoformat),
    "$timedelta": lambda form, _: datetime.timedelta(*form),
    "$timezone": _to_timezone,
    "$zone": lambda form, _: zoneinfo.ZoneInfo(form),
    "$decimal": lambda form, _: decimal.Decimal(form),
    "$fraction": lambda form, decode: fractions.Fraction(decode(form[0]), decode(form[1])),
    "$uuid": lambda form, _: uuid.UUID(form),
    "$numpy": _to_numpy,
}
