"""The peers where they are used in batches: pyrsistence, py-lmdb and rocksdict, each by its call for many
keys.

A batch is prepared outside the measured time, in the form that the peer takes: an array, a list of strs, or
bytes. Kind "u8" has 64-bit keys, kind "str" their 16 hexadecimal digits; the value of key number n is n.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy
import spread

_LMDB_MAP_BYTES = 1 << 38


class Batched:
    """A peer, opened in a folder; made there if there is none."""

    name = ""
    module = ""
    ours = False

    def __init__(self, folder: Path, kind: str) -> None:
        self._kind = kind
        folder.mkdir(exist_ok=True)
        self._open(str(folder))

    @classmethod
    def installed(cls) -> bool:
        return importlib.util.find_spec(cls.module) is not None

    def _open(self, folder: str) -> None:
        raise NotImplementedError

    def prepare(self, keys: numpy.ndarray, numbers: numpy.ndarray) -> Any:
        """What insert() takes."""
        raise NotImplementedError

    def prepare_keys(self, keys: numpy.ndarray) -> Any:
        """What get() takes."""
        raise NotImplementedError

    def insert(self, batch: Any) -> None:
        raise NotImplementedError

    def append(self, batch: Any) -> None:
        """insert() of keys that follow all that are there."""
        self.insert(batch)

    def settle(self) -> None:
        """Whatever the peer does to be at its best for reading."""

    def get(self, asked: Any) -> Any:
        raise NotImplementedError

    def numbers(self, found: Any) -> numpy.ndarray:
        """What get() gave, as numbers. Errors: ValueError or TypeError if a key was not found."""
        raise NotImplementedError

    def close(self) -> None:
        """All that was inserted is durable."""
        raise NotImplementedError

    def _bytes(self, keys: numpy.ndarray) -> list[bytes]:
        """Keys for a peer that has only bytes, whose order is that of the numbers."""
        if self._kind == "u8":
            return spread.words(keys, ">")
        return [key.encode() for key in spread.strings(keys)]


class Pyrsistence(Batched):
    """EMDict: with columns of u8, or with strs and ints."""

    name = module = "pyrsistence"
    ours = True

    def _open(self, folder: str) -> None:
        import pyrsistence

        columns = {"key": "u8", "value": "u8"} if self._kind == "u8" else {}
        self.container: Any = pyrsistence.EMDict(folder + "/store", **columns)

    def prepare(self, keys: numpy.ndarray, numbers: numpy.ndarray) -> Any:
        return (keys, numbers) if self._kind == "u8" else (spread.strings(keys), numbers.tolist())

    def prepare_keys(self, keys: numpy.ndarray) -> Any:
        return keys if self._kind == "u8" else spread.strings(keys)

    def insert(self, batch: Any) -> None:
        self.container.set_many(*batch)

    def get(self, asked: Any) -> Any:
        return self.container.get_many(asked)

    def numbers(self, found: Any) -> numpy.ndarray:
        return numpy.asarray(found, numpy.uint64)

    def close(self) -> None:
        self.container.close()


class Lmdb(Batched):
    """A transaction a batch, its items sorted beforehand.

    It need not wait for the disk (sync=False), and reads nothing ahead, as its manual advises beyond memory.
    """

    name = module = "lmdb"

    def _open(self, folder: str) -> None:
        import lmdb

        self._environment = lmdb.open(folder, map_size=_LMDB_MAP_BYTES, sync=False, readahead=False)
        self._reading: Any = None

    def prepare(self, keys: numpy.ndarray, numbers: numpy.ndarray) -> Any:
        order = numpy.argsort(keys)
        return list(zip(self._bytes(keys[order]), spread.words(numbers[order]), strict=True))

    def prepare_keys(self, keys: numpy.ndarray) -> Any:
        return self._bytes(keys)

    def insert(self, batch: Any) -> None:
        with self._environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(batch)

    def append(self, batch: Any) -> None:
        with self._environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(batch, append=True)

    def get(self, asked: Any) -> Any:
        if self._reading is None:
            self._reading = self._environment.begin()
        return self._reading.cursor().getmulti(asked)

    def numbers(self, found: Any) -> numpy.ndarray:
        return numpy.frombuffer(b"".join(value for _key, value in found), "<u8")

    def close(self) -> None:
        if self._reading is not None:
            self._reading.abort()
        self._environment.sync(True)
        self._environment.close()


class Rocksdict(Batched):
    """RocksDB's defaults, with raw bytes; a WriteBatch a batch, and its log is not waited for."""

    name = module = "rocksdict"

    def _open(self, folder: str) -> None:
        from rocksdict import Options, Rdict

        self._store = Rdict(folder + "/store", Options(raw_mode=True))

    def prepare(self, keys: numpy.ndarray, numbers: numpy.ndarray) -> Any:
        return list(zip(self._bytes(keys), spread.words(numbers), strict=True))

    def prepare_keys(self, keys: numpy.ndarray) -> Any:
        return self._bytes(keys)

    def insert(self, batch: Any) -> None:
        from rocksdict import WriteBatch

        writes = WriteBatch(raw_mode=True)
        put = writes.put
        for key, value in batch:
            put(key, value)
        self._store.write(writes)

    def settle(self) -> None:
        self._store.flush()
        self._store.compact_range(None, None)

    def get(self, asked: Any) -> Any:
        return self._store.get(asked)

    def numbers(self, found: Any) -> numpy.ndarray:
        return numpy.frombuffer(b"".join(found), "<u8")

    def close(self) -> None:
        self._store.flush()
        self._store.close()


BATCHED: dict[str, type[Batched]] = {peer.name: peer for peer in (Pyrsistence, Lmdb, Rocksdict)}
