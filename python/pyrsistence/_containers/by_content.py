"""How ``EMDict(path)`` and ``EMSet(path)`` become what the directory holds, where its content has types."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from .. import _core
from .._base.options import CODEC_OPTIONS


class HoldsTyped(_core.FormatError):
    """Raised while a container is opened: what is there is the typed form of it."""


def refuse_typed(container: Any, typed_kind: str, typed_class: str) -> None:
    """Raise HoldsTyped if the store holds a single one of the typed kind."""
    handle = container._open_handle()
    if ("", typed_kind) in handle.members():
        raise HoldsTyped(
            f"'{handle.path}' holds a single {typed_kind}, not one {type(container).__name__}: open it with "
            f"{typed_class}, without a key function"
        )


class ByContent(ABCMeta):
    """Makes a class's object one of ``_typed_form()`` where that is what the directory holds."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        try:
            return super().__call__(*arguments, **options)
        except HoldsTyped:
            typed: Any = cls._typed_form()  # type: ignore[attr-defined]
            if typed is None or options.get("key") is not None:
                raise
        # Opened once more, as what it is; how objects would be pickled and kept says nothing to numbers.
        return typed(*arguments, **{name: options[name] for name in options if name not in CODEC_OPTIONS})
