"""Where containers were opened again: pickles name it."""

from typing import Any

from pyrsistence._stores.store import Store


def _restore(cls: Any, path: str, name: str, options: dict[str, Any], state: Any = None) -> Any:
    if name:
        return Store._restore_member(path, cls, name, options)
    return cls._restore(path, options, state)
