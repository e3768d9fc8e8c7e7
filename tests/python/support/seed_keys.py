"""The keys of test_hash_seeds, in a module of their own: several processes import the dataclass from here."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Address:
    segment: str
    offset: int


def keys():
    """100,000 keys, each with its value: six kinds in turn."""
    for number in range(100_000):
        kind, n = number % 6, number // 6
        if kind == 0:
            key = f"name-{n}"
        elif kind == 1:
            key = b"bytes-%d" % n
        elif kind == 2:
            key = ("point", n, (str(n), b"nested"))
        elif kind == 3:
            key = n * 2**61 - 7  # beyond 64 bits, where Python's int hash wraps, as well as within
        elif kind == 4:
            key = n + 0.5
        else:
            key = Address(".text", n)
        yield key, number
