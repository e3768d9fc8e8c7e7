"""Values as the command prints them."""

from __future__ import annotations

from typing import Any

from . import json_form


def print_json(form: Any) -> None:
    """One line of JSON on stdout."""
    print(json_form.text_of(form))


def shown(value: Any) -> str:
    """A value for a reader: printable text as it is, all else as JSON."""
    if type(value) is str and value.isprintable():
        return value
    return json_form.dumps(value, pickle=True)


def plain(value: Any) -> Any:
    """An item of an array or a typed dict as JSON can say it: times, structures and blocks are NumPy's.

    A date and time is its ISO text, a span of time the number of its units.
    """
    if type(value).__module__.partition(".")[0] != "numpy":
        return value
    if value.dtype.kind in "Mm" and value.ndim == 0:
        return int(value.astype("i8")) if value.dtype.kind == "m" and value == value else str(value)
    if value.dtype.names is None and value.dtype.kind not in "Mm":
        return value.tolist()
    if value.ndim == 0:
        return tuple(plain(value[name]) for name in value.dtype.names)
    return [plain(part) for part in value]
