"""Fills the filesystem of a directory with a container, for test_full_disk.py: what must go on working then.

python full_disk_user.py dict|list|set|deque|store DIRECTORY
"""

import contextlib
import errno
import os
import pathlib
import random
import sys

import pyrsistence as em

# Deletions of so many items fit the journal's reserve.
FEW = 100


class DictUser:
    """A dict and its model."""

    def __init__(self, container):
        self.container = container
        self.model = {}

    def add(self, number, value):
        self.container[number] = value
        self.model[number] = value

    def delete(self, count):
        for key in list(self.model)[:count]:
            del self.container[key]
            del self.model[key]

    def contents(self):
        return dict(self.container.items())


class ListUser:
    """A list and its model."""

    def __init__(self, container):
        self.container = container
        self.model = []

    def add(self, number, value):
        self.container.append(value)
        self.model.append(value)

    def delete(self, count):
        del self.container[len(self.model) - count :]
        del self.model[len(self.model) - count :]

    def contents(self):
        return list(self.container)


class DequeUser(ListUser):
    """A deque and its model: a queue."""

    def delete(self, count):
        for _ in range(count):
            self.container.popleft()
        del self.model[:count]


class SetUser:
    """A set and its model, which has the order of insertion."""

    def __init__(self, container):
        self.container = container
        self.model = []

    def add(self, number, value):
        self.container.add((number, value))
        self.model.append((number, value))

    def delete(self, count):
        self.container.difference_update(self.model[:count])
        del self.model[:count]

    def contents(self):
        return list(self.container)


class StoreUser:
    """A store with one of both; its model is the pair of theirs."""

    def __init__(self, store):
        self.parts = DictUser(store.dict("d")), ListUser(store.list("l"))

    def add(self, number, value):
        self.parts[number % 2].add(number, value)

    def delete(self, count):
        for part in self.parts:
            part.delete(count // 2)

    def contents(self):
        return [part.contents() for part in self.parts]

    @property
    def model(self):
        return [part.model for part in self.parts]

    @model.setter
    def model(self, models):
        for part, model in zip(self.parts, models, strict=True):
            part.model = model


OPEN = {"dict": em.EMDict, "list": em.EMList, "set": em.EMSet, "deque": em.EMDeque, "store": em.Store}
USER = {"dict": DictUser, "list": ListUser, "set": SetUser, "deque": DequeUser, "store": StoreUser}


def is_full(error):
    """The error of a full disk: with its number, and a path."""
    assert error.errno == errno.ENOSPC, error
    assert error.filename, error
    return True


def fill(user, container, rng):
    """Add and commit until the disk is full; what could not be added is not there."""
    number = 0
    while True:
        try:
            user.add(number, rng.randbytes(2000))
            if number % 50 == 0:
                container.commit()
        except OSError as error:
            assert is_full(error)
            assert user.contents() == user.model
            return
        number += 1


def fill_rest(directory):
    """Take every last block."""
    with open(directory / "rest", "wb", buffering=0) as rest:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    rest.write(b"x" * size)


def require_contents(user):
    assert user.contents() == user.model, "not what was committed"


def use(kind, directory):
    rng = random.Random(1)
    path = directory / "container"
    container = OPEN[kind](path, commit_interval=None)
    user = USER[kind](container)
    fill(user, container, rng)
    fill_rest(directory)

    # Rolling back needs no space.
    try:
        user.delete(FEW)
        container.commit()
    except OSError as error:
        raise AssertionError("deleting does not work on a full disk") from error
    before = user.contents()
    with contextlib.suppress(KeyError), container.transaction():
        user.delete(FEW)
        raise KeyError
    user.model = before
    require_contents(user)

    # Closing and reopening neither.
    container.close()
    container = OPEN[kind](path, commit_interval=None)
    model, user = user.model, USER[kind](container)
    user.model = model
    require_contents(user)
    assert container.verify() == []

    # Deleting makes room: for others, once the container is closed, and for itself.
    free = os.statvfs(directory).f_bavail
    while len(user.contents() if kind != "store" else user.contents()[1]) > FEW:
        user.delete(FEW)
        container.commit()
    if kind in ("list", "deque"):  # the blocks of deleted elements are kept for others, until there are none
        container.clear()
        user.model = []
    container.close()
    assert os.statvfs(directory).f_bavail > free, "deleting gave no blocks back"
    container = OPEN[kind](path, commit_interval=None)
    model, user = user.model, USER[kind](container)
    user.model = model
    require_contents(user)
    for number in range(10**6, 10**6 + 3 * FEW):
        user.add(number, rng.randbytes(2000))
    container.commit()
    require_contents(user)
    assert container.verify() == []
    container.close()
    print("sound")


if __name__ == "__main__":
    use(sys.argv[1], pathlib.Path(sys.argv[2]))
