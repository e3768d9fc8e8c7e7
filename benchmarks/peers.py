"""The peers, each used as someone who knows it would use it, one operation a call.

Every loop that is measured is written out here, peer by peer, with nothing between the loop and the peer: a
common interface of single operations would add the cost of a Python call to each. `Loop` does nothing, and so
shows what the loops themselves cost.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sqlite3
import struct
import sys
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from kinds import Kind

# SQLite's default cache of 2 MB is far too small for millions of rows in random order.
_SQLITE_CACHE_KIB = 256 << 10
# LMDB's map must be larger than all that will ever be in it; it costs addresses only.
_LMDB_MAP_BYTES = 1 << 38


class Peer:
    """What a workload does with a peer. A peer is opened once before the first operation."""

    name = ""
    module = ""
    persistent = True
    # Keys are made for so many operations at a time, outside the measured time: each operation gets a new
    # object, as in use, and not the very object that is stored. The limit of time is looked at as often.
    chunk = 10_000
    # Whether what is inserted can be found again.
    stores = True

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.folder = folder
        self.kind = kind

    @classmethod
    def version(cls) -> str:
        """Errors: ImportError if it is not installed."""
        importlib.import_module(cls.module)
        try:
            return importlib.metadata.version(cls.module)
        except importlib.metadata.PackageNotFoundError:
            return "not installed, but found"

    def open(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Closes it; all that was committed is durable."""

    def commit(self) -> None:
        """Makes the changes durable."""

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        raise NotImplementedError

    def get(self, keys: list[Any]) -> None:
        """Looks up keys that are there."""
        raise NotImplementedError

    def missing(self, keys: list[Any]) -> int:
        """Looks up keys that are not there; how many were found all the same."""
        raise NotImplementedError

    def items(self) -> Iterator[Any]:
        """What walk() takes."""
        raise NotImplementedError

    def walk(self, items: Iterator[Any], count: int) -> int:
        """Visits at most `count` keys and values as Python objects; how many."""
        visited = 0
        for _key, _value in islice(items, count):
            visited += 1
        return visited

    def delete(self, keys: list[Any]) -> None:
        raise NotImplementedError

    def value(self, key: Any) -> Any:
        """The value of one key, to check the peer; None if it is missing."""
        raise NotImplementedError


class Mapping(Peer):
    """A peer that is used as a dict is."""

    mapping: Any

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        mapping = self.mapping
        for key, value in zip(keys, values, strict=True):
            mapping[key] = value

    def get(self, keys: list[Any]) -> None:
        mapping = self.mapping
        for key in keys:
            mapping[key]

    def missing(self, keys: list[Any]) -> int:
        mapping = self.mapping
        found = 0
        for key in keys:
            if key in mapping:
                found += 1
        return found

    def items(self) -> Iterator[Any]:
        return iter(self.mapping.items())

    def delete(self, keys: list[Any]) -> None:
        mapping = self.mapping
        for key in keys:
            del mapping[key]

    def value(self, key: Any) -> Any:
        return self.mapping.get(key)


class Dict(Mapping):
    """The builtin."""

    name = "dict"
    persistent = False

    @classmethod
    def version(cls) -> str:
        return sys.version.split()[0]

    def open(self) -> None:
        self.mapping = {}


class Pyrsistence(Mapping):
    """EMDict with its defaults."""

    name = module = "pyrsistence"

    def open(self) -> None:
        import pyrsistence

        self.mapping = pyrsistence.EMDict(str(self.folder / "store"))

    def commit(self) -> None:
        self.mapping.commit()

    def close(self) -> None:
        self.mapping.close()


class Rocksdict(Mapping):
    """RocksDB with its defaults; rocksdict's own encoding of ints, strs and bytes."""

    name = module = "rocksdict"

    def open(self) -> None:
        from rocksdict import Rdict

        self.mapping = Rdict(str(self.folder / "store"))

    def commit(self) -> None:
        self.mapping.flush()

    def close(self) -> None:
        self.mapping.close()


class Diskcache(Mapping):
    """diskcache's Index, which evicts nothing, a transaction each chunk of changes."""

    name = module = "diskcache"
    # It works in Python, row by row: the limit of time is looked at more often.
    chunk = 1_000

    def open(self) -> None:
        import diskcache

        self.mapping = diskcache.Index(str(self.folder / "store"))

    def close(self) -> None:
        self.mapping.cache.close()

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        with self.mapping.transact():
            super().insert(keys, values)

    def delete(self, keys: list[Any]) -> None:
        with self.mapping.transact():
            super().delete(keys)


class Shelve(Mapping):
    """shelve over the dbm that this Python has; its keys are strs."""

    name = "shelve"
    # Deleting from dbm.dumb writes the whole index again: seconds for as few as this.
    chunk = 10

    @classmethod
    def version(cls) -> str:
        import dbm

        for backend in ("dbm.sqlite3", "dbm.gnu", "dbm.ndbm"):
            try:
                importlib.import_module(backend)
            except ImportError:
                continue
            return backend
        return dbm.__name__ + ".dumb"

    def open(self) -> None:
        import shelve

        self.mapping = shelve.open(str(self.folder / "store"))  # noqa: SIM115 (closed by close())

    def commit(self) -> None:
        self.mapping.sync()

    def close(self) -> None:
        self.mapping.close()


class ShelveOfIntegers(Shelve):
    """The same where the keys are ints, and have to be made strs."""

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        mapping = self.mapping
        for key, value in zip(keys, values, strict=True):
            mapping[str(key)] = value

    def get(self, keys: list[Any]) -> None:
        mapping = self.mapping
        for key in keys:
            mapping[str(key)]

    def missing(self, keys: list[Any]) -> int:
        mapping = self.mapping
        found = 0
        for key in keys:
            if str(key) in mapping:
                found += 1
        return found

    def delete(self, keys: list[Any]) -> None:
        mapping = self.mapping
        for key in keys:
            del mapping[str(key)]

    def value(self, key: Any) -> Any:
        return self.mapping.get(str(key))


_INTEGER = struct.Struct(">q")


class Lmdb(Peer):
    """py-lmdb: one write transaction, a big map, integers packed with struct."""

    name = module = "lmdb"

    def open(self) -> None:
        import lmdb

        self._environment = lmdb.open(str(self.folder), map_size=_LMDB_MAP_BYTES)
        self._transaction: Any = None
        self._writing = False
        self._encode = _INTEGER.pack if self.kind.key_type is int else str.encode
        self._encode_value = _INTEGER.pack if self.kind.value_type is int else bytes

    def _begin(self, *, write: bool) -> Any:
        if self._transaction is None or self._writing != write:
            self.commit()
            self._transaction = self._environment.begin(write=write)
            self._writing = write
        return self._transaction

    def commit(self) -> None:
        if self._transaction is not None:
            self._transaction.commit()
            self._transaction = None

    def close(self) -> None:
        self.commit()
        self._environment.close()

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        put, encode, encode_value = self._begin(write=True).put, self._encode, self._encode_value
        for key, value in zip(keys, values, strict=True):
            put(encode(key), encode_value(value))

    def get(self, keys: list[Any]) -> None:
        get, encode = self._begin(write=False).get, self._encode
        decode = _INTEGER.unpack if self.kind.value_type is int else bytes
        for key in keys:
            decode(get(encode(key)))

    def missing(self, keys: list[Any]) -> int:
        get, encode = self._begin(write=False).get, self._encode
        found = 0
        for key in keys:
            if get(encode(key)) is not None:
                found += 1
        return found

    def items(self) -> Iterator[Any]:
        return iter(self._begin(write=False).cursor())

    def walk(self, items: Iterator[Any], count: int) -> int:
        decode = _INTEGER.unpack if self.kind.key_type is int else bytes.decode
        decode_value = _INTEGER.unpack if self.kind.value_type is int else bytes
        visited = 0
        for key, value in islice(items, count):
            decode(key)
            decode_value(value)
            visited += 1
        return visited

    def delete(self, keys: list[Any]) -> None:
        delete, encode = self._begin(write=True).delete, self._encode
        for key in keys:
            delete(encode(key))

    def value(self, key: Any) -> Any:
        found = self._begin(write=False).get(self._encode(key))
        if found is None or self.kind.value_type is bytes:
            return found
        return _INTEGER.unpack(found)[0]


class Sqlite(Peer):
    """sqlite3: a table with the key as its primary key, one transaction, a large page cache."""

    name = "sqlite3"

    @classmethod
    def version(cls) -> str:
        return sqlite3.sqlite_version

    def open(self) -> None:
        self._connection = sqlite3.connect(self.folder / "store", isolation_level=None)
        self._execute = self._connection.execute
        self._execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
        if self.kind.key_type is int:
            self._execute("CREATE TABLE IF NOT EXISTS entries (k INTEGER PRIMARY KEY, v)")
        else:
            self._execute("CREATE TABLE IF NOT EXISTS entries (k TEXT PRIMARY KEY, v) WITHOUT ROWID")

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._execute("BEGIN")

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self.commit()
        self._connection.close()

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        self._begin()
        execute = self._execute
        for key, value in zip(keys, values, strict=True):
            execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, value))

    def get(self, keys: list[Any]) -> None:
        self._begin()  # else every SELECT takes and gives back the file's lock
        execute = self._execute
        for key in keys:
            execute("SELECT v FROM entries WHERE k = ?", (key,)).fetchone()[0]

    def missing(self, keys: list[Any]) -> int:
        self._begin()
        execute = self._execute
        found = 0
        for key in keys:
            if execute("SELECT v FROM entries WHERE k = ?", (key,)).fetchone() is not None:
                found += 1
        return found

    def items(self) -> Iterator[Any]:
        return iter(self._execute("SELECT k, v FROM entries"))

    def delete(self, keys: list[Any]) -> None:
        self._begin()
        execute = self._execute
        for key in keys:
            execute("DELETE FROM entries WHERE k = ?", (key,))

    def value(self, key: Any) -> Any:
        row = self._execute("SELECT v FROM entries WHERE k = ?", (key,)).fetchone()
        return row and row[0]


class Loop(Peer):
    """No peer: what the measured loops cost by themselves."""

    name = "loop"
    persistent = stores = False

    @classmethod
    def version(cls) -> str:
        return "-"

    def open(self) -> None:
        self._count = 0

    def insert(self, keys: list[Any], values: list[Any]) -> None:
        for _key, _value in zip(keys, values, strict=True):
            pass
        self._count += len(keys)

    def get(self, keys: list[Any]) -> None:
        for _key in keys:
            pass

    def missing(self, keys: list[Any]) -> int:
        self.get(keys)
        return 0

    def items(self) -> Iterator[Any]:
        return repeat((0, 0), self._count)

    def delete(self, keys: list[Any]) -> None:
        self.get(keys)


PEERS: tuple[type[Peer], ...] = (Pyrsistence, Dict, Lmdb, Rocksdict, Sqlite, Diskcache, Shelve, Loop)


def peer_for(name: str, kind: Kind, folder: Path) -> Peer:
    """The peer of that name, for entries of that kind."""
    peer = next(peer for peer in PEERS if peer.name == name)
    if peer is Shelve and kind.key_type is int:
        return ShelveOfIntegers(folder, kind)
    return peer(folder, kind)


def installed() -> dict[str, str]:
    """The versions of the peers that can be used, by name."""
    versions = {}
    for peer in PEERS:
        try:
            versions[peer.name] = peer.version()
        except ImportError:
            continue
    return versions
