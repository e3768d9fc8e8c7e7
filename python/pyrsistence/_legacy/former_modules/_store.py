"""Where Store was: pickles name it."""

from pyrsistence._stores.store import Store as Store


def _restore(cls: type[Store], path: str) -> Store:
    return cls._restore(path)
