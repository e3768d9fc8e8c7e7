"""What instructions.py counts, in a process that does nothing else: few imports, no clean-up.

    python counted.py dict|EMDict OPERATION ENTRIES KEYS

With the operation "none" it fills the container and ends: what is to be taken off the count of the others.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import sys
import tempfile
from typing import Any


def act(container: Any, operation: str, keys: list[int], others: list[int]) -> None:
    """`keys` are in the container, `others` are not."""
    if operation == "loop":
        for _key in keys:
            pass
    elif operation == "get":
        for key in keys:
            container[key]
    elif operation == "get_many":
        container.get_many(keys)
    elif operation == "missing":
        for key in others:
            _found = key in container
    elif operation == "insert":
        for key in others:
            container[key] = key


def main() -> None:
    name, operation, *counts = sys.argv[1:]
    entries, count = map(int, counts)
    gc.disable()
    shuffle = random.Random(1)
    numbers = shuffle.sample(range(entries), entries)
    keys = [number + 0 for number in shuffle.sample(numbers, count)]
    others = [number + entries for number in keys]
    folder = tempfile.mkdtemp()
    container: Any = {}
    if name == "EMDict":
        import pyrsistence

        container = pyrsistence.EMDict(folder + "/store", commit_interval=None)
    for number in numbers:
        container[number] = number
    act(container, operation, keys, others)
    # Nothing is closed and nothing freed: that would depend on the operation.
    shutil.rmtree(folder)
    os._exit(0)


if __name__ == "__main__":
    main()
