"""Interrupts every call of every kind of container at random moments, and looks at what is there then.

    python tests/python/support/interrupter.py --interrupts 10000 --seed 1 [--kind dict] [--threads]

A signal's handler raises at a random moment of a call: what Ctrl-C does. Afterwards, whatever the call was,
the container holds what it held before the call, or what it holds after it; no transaction and no snapshot is
on; the next call works; a copy that was not finished is gone; and what is there is found again when the store
is opened anew. With ``--threads`` asyncio.to_thread makes the calls; the handler raises in the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import copy
import gc
import importlib
import os
import pathlib
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pyrsistence as em


class Interrupt(KeyboardInterrupt):
    """What the handler raises: nothing else does."""


class Failure(AssertionError):
    """What was found: with what repeats it."""


_armed = False
_in_loop = False


def _handler(_, frame):
    global _armed
    if not _armed:
        return
    # Not tried: asyncio, but while it waits; what Python calls on its own, whose errors it can only report.
    if (_in_loop and frame.f_code.co_name != "select") or _called_by_the_interpreter(frame):
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        return
    _armed = False
    raise Interrupt


_OF_WEAK_REFERENCES = ("_remove", "remove", "forget")


def _called_by_the_interpreter(frame):
    """Whether a finalizer is at work, or a callback of a weak reference or of the collector."""
    of_the_collector = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        name = frame.f_code.co_name
        if name == "__del__" or name in _OF_WEAK_REFERENCES or frame.f_code in of_the_collector:
            return True
        frame = frame.f_back
    return False


def _arm(delay):
    global _armed
    _armed = True
    signal.setitimer(signal.ITIMER_REAL, delay)


def _disarm():
    global _armed
    _armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted(call, delay):
    """Make the call, and interrupt it after so many seconds, unless it is faster; return whether it was."""
    try:
        try:
            _arm(delay)
            call()
        finally:
            _disarm()
    except Interrupt:
        return True
    return False


# ---- Kinds: how one is opened, what it holds, calls that change it and the same on a model


class Dict:
    model = dict
    values = ("x", 1, 2.5, None, b"bytes", (1, "two"), [3, {"k": 4}], 2**70)

    def open(self, path, **how):
        return em.EMDict(path, commit_interval=None, **how)

    def content(self, c):
        return copy.deepcopy(dict(c.items()))

    def key(self, rng):
        return rng.choice((rng.randrange(50), f"k{rng.randrange(50)}", (rng.randrange(9), "t")))

    def change(self, rng):
        """A change as a function of a container or a model, and whether it may stop halfway."""
        key, value = self.key(rng), rng.choice(self.values)
        many = {self.key(rng): rng.choice(self.values) for _ in range(rng.randrange(200))}
        return rng.choice(
            (
                (lambda c: c.__setitem__(key, value), False),
                (lambda c: c.pop(key, None), False),
                (lambda c: c.setdefault(key, value), False),
                (lambda c: c.popitem() if len(c) else None, False),
                (lambda c: c.update(many), True),
                (lambda c: c.clear() if rng_like(key) else None, False),
            )
        )

    def read(self, rng):
        key = self.key(rng)
        return rng.choice(
            (
                lambda c: c.get(key),
                lambda c: list(c),
                lambda c: list(c.items()),
                lambda c: repr(c),
                lambda c: c == {},
                lambda c: c.copy(),
                lambda c: key in c,
                lambda c: c.get_many([key, key]),
                lambda c: c | {},
            )
        )


def rng_like(key):
    """Whether a rare thing is done: the same for a container and its model."""
    return hash(str(key)) % 7 == 0 if isinstance(key, int) else False


class WriteBack(Dict):
    values = ([1], {"k": []}, [[2]])

    def open(self, path, **how):
        return em.EMDict(
            path, commit_interval=None, **how, **({} if how.get("mode") == "r" else {"writeback": True})
        )

    def change(self, rng):
        key, value = self.key(rng), rng.choice(self.values)

        def in_place(c):
            found = c.get(key)
            if type(found) is list:
                found.append(5)

        return rng.choice(
            (
                (lambda c: c.__setitem__(key, copy.deepcopy(value)), False),
                (in_place, False),
                (lambda c: c.pop(key, None), False),
            )
        )


class Typed(Dict):
    def open(self, path, **how):
        return em.EMDict(path, key="u8", value="i8", commit_interval=None, **how)

    def key(self, rng):
        return rng.randrange(300)

    def change(self, rng):
        key, value = self.key(rng), rng.randrange(-9, 9)
        many = {rng.randrange(2000): rng.randrange(99) for _ in range(rng.randrange(300))}
        return rng.choice(
            (
                (lambda c: c.__setitem__(key, value), False),
                (lambda c: c.pop(key, None), False),
                (lambda c: c.update(many), True),
            )
        )

    def read(self, rng):
        return rng.choice(
            (list, repr, lambda c: c.keys_array(), lambda c: c.get_many([1, 2, 3]), lambda c: c.copy())
        )


class List:
    model = list

    def open(self, path, **how):
        return em.EMList(path, commit_interval=None, **how)

    def content(self, c):
        return list(c)

    def change(self, rng):
        value = rng.choice((1, "long enough to need a block of its own", 2.5, None, (1, 2)))
        at, many = rng.randrange(30), [rng.randrange(100) for _ in range(rng.randrange(300))]
        return rng.choice(
            (
                (lambda c: c.append(value), False),
                (lambda c: c.insert(at, value), False),
                (lambda c: c.pop() if len(c) else None, False),
                (lambda c: c.extend(many), True),
                (lambda c: c.reverse(), False),
                (lambda c: c.sort(key=str), False),
                (lambda c: c.__setitem__(slice(at, at + 5), many[:9]), False),
                (lambda c: c.__delitem__(slice(at, None)), False),
            )
        )

    def read(self, rng):
        return rng.choice(
            (list, repr, lambda c: c == [], lambda c: c.copy(), lambda c: c[:7], lambda c: 3 in c, reversed)
        )


class Deque(List):
    model = collections.deque

    def open(self, path, **how):
        return em.EMDeque(path, commit_interval=None, **how)

    def change(self, rng):
        value = rng.choice((1, "long enough to need a block of its own", 2.5, None, (1, 2)))
        at, many = rng.randrange(30), [rng.randrange(100) for _ in range(rng.randrange(300))]
        return rng.choice(
            (
                (lambda c: c.append(value), False),
                (lambda c: c.appendleft(value), False),
                (lambda c: c.insert(at, value), False),
                (lambda c: c.pop() if len(c) else None, False),
                (lambda c: c.popleft() if len(c) else None, False),
                (lambda c: c.extend(many), True),
                (lambda c: c.extendleft(many), True),
                (lambda c: c.rotate(at), False),
                (lambda c: c.reverse(), False),
                (lambda c: c.__delitem__(at) if at < len(c) else None, False),
                (lambda c: c.clear() if value is None and at == 0 else None, False),
            )
        )

    def read(self, rng):
        return rng.choice(
            (
                list,
                repr,
                lambda c: c == [],
                lambda c: c.copy(),
                lambda c: c.count(3),
                lambda c: 3 in c,
                reversed,
            )
        )


class Set:
    model = set

    def open(self, path, **how):
        return em.EMSet(path, commit_interval=None, **how)

    def content(self, c):
        return set(c)

    def element(self, rng):
        return rng.choice((rng.randrange(50), f"k{rng.randrange(50)}", (rng.randrange(9), "t")))

    def typed(self, elements):
        """Another one of the same type."""
        return ()

    def change(self, rng):
        element = self.element(rng)
        many = {self.element(rng) for _ in range(rng.randrange(200))}
        other = rng.choice((many, em.EMSet(None, many), *self.typed(many)))
        return rng.choice(
            (
                (lambda c: c.add(element), False),
                (lambda c: c.discard(element), False),
                (lambda c: c.remove(element) if element in c else None, False),
                (lambda c: c.update(other), True),
                (lambda c: c.intersection_update(other), True),
                (lambda c: c.difference_update(other), True),
                (lambda c: c.symmetric_difference_update(other), True),
                (lambda c: c.clear() if rng_like(element) else None, False),
            )
        )

    def read(self, rng):
        element = self.element(rng)
        other = em.EMSet(None, (self.element(rng) for _ in range(rng.randrange(200))))
        return rng.choice(
            (
                lambda c: element in c,
                lambda c: list(c),
                lambda c: repr(c),
                lambda c: c == other,
                lambda c: c.copy(),
                lambda c: c & other,
                lambda c: other - c,
                lambda c: c.isdisjoint(other),
                lambda c: c.union(other, out=em.EMSet()).close(),
                lambda c: c.contains_many([element, element]),
            )
        )


class TypedSet(Set):
    def open(self, path, **how):
        return em.EMSet(path, dtype="i8", commit_interval=None, **how)

    def element(self, rng):
        return rng.randrange(400)

    def typed(self, elements):
        return (em.EMSet(None, elements, dtype="i8"),)


class Array(List):
    def open(self, path, **how):
        return em.EMArray(path, "i8", commit_interval=None, **how)

    def content(self, c):
        return c[:].tolist() if isinstance(c, em.EMArray) else list(c)

    def change(self, rng):
        value, many = rng.randrange(99), [rng.randrange(100) for _ in range(rng.randrange(1, 3000))]
        return rng.choice(
            (
                (lambda c: c.append(value), False),
                (lambda c: c.extend(many), True),
                (lambda c: c.__setitem__(slice(0, len(many)), many) if len(c) >= len(many) else None, False),
                (lambda c: c.clear() if value < 20 else None, False),
            )
        )

    def read(self, rng):
        return rng.choice((list, repr, lambda c: c[:], lambda c: 3 in c))


class Graph:
    def model(self, content=((), ())):
        import networkx as nx

        made = nx.DiGraph()
        made.add_nodes_from((n, copy.deepcopy(d)) for n, d in content[0])
        made.add_edges_from((u, v, copy.deepcopy(d)) for u, v, d in content[1])
        return made

    def open(self, path, **how):
        return em.EMDiGraph(path, commit_interval=None, **how)

    def content(self, c):
        nodes = [(n, dict(d)) for n, d in c.nodes(data=True)]
        return copy.deepcopy((nodes, sorted(((u, v, dict(d)) for u, v, d in c.edges(data=True)), key=repr)))

    def change(self, rng):
        u, v = rng.randrange(20), rng.randrange(20)
        edges = [(rng.randrange(40), rng.randrange(40)) for _ in range(rng.randrange(60))]

        def in_place(c):
            if u in c:
                c.nodes[u].setdefault("list", []).append(v)

        return rng.choice(
            (
                (lambda c: c.add_edge(u, v, w=u), False),
                (lambda c: c.add_node(u, name=str(v)), True),  # the node, then its attributes
                (lambda c: c.remove_node(u) if u in c else None, False),
                (lambda c: c.remove_edge(u, v) if c.has_edge(u, v) else None, False),
                (lambda c: c.add_edges_from(edges), True),
                (in_place, True),
            )
        )

    def read(self, rng):
        return rng.choice(
            (
                list,
                repr,
                lambda c: list(c.edges(data=True)),
                lambda c: list(c.adj),
                lambda c: c.copy().close(),
            )
        )


class Shadow:
    class model(bytearray):
        pass

    size = 1 << 14

    def open(self, path, **how):
        made = em.EMShadowMemory(path, commit_interval=None, **how)
        if how.get("mode") != "r" and not made.is_backed(0, self.size):
            made.add_range(0, self.size)
        return made

    def content(self, c):
        return bytes(c[0 : self.size]).ljust(self.size, b"\0")

    def change(self, rng):
        begin = rng.randrange(self.size - 1)
        end, flag = rng.randrange(begin + 1, self.size), 1 << rng.randrange(8)

        def mark(c):
            if isinstance(c, bytearray):
                c.extend(bytes(self.size - len(c)))
                c[begin:end] = bytes(b | flag for b in c[begin:end])
            else:
                c.mark(begin, end - begin, flag)

        return mark, False

    def read(self, rng):
        return repr


KINDS = {
    "dict": Dict,
    "writeback": WriteBack,
    "typed": Typed,
    "list": List,
    "deque": Deque,
    "set": Set,
    "typed set": TypedSet,
    "array": Array,
    "graph": Graph,
    "shadow": Shadow,
}


# ---- A run


class Run:
    """One container, its model, and calls on both."""

    def __init__(self, kind, rng, folder, call):
        self.kind, self.rng, self.folder, self.call = KINDS[kind](), rng, folder, call
        self.path = folder / "store"
        self.container = self.kind.open(self.path)
        self.model = self.fresh_model()
        self.interrupts = 0

    def fresh_model(self):
        return self.kind.model()

    def model_of(self, content):
        if isinstance(self.kind, Graph):
            return self.kind.model(content)
        return self.kind.model(content)

    def delay(self):
        return 10 ** self.rng.uniform(-5.5, -2.3)

    def step(self):
        name = self.rng.choice(("change",) * 5 + ("read",) * 2 + ("transaction",) * 3 + self.MAINTENANCE)
        before = self.kind.content(self.model)
        states = getattr(self, "_" + name)()
        came = self.call(self.act, self.delay())
        self.interrupts += came
        self.look(name, before, states, came)
        return came

    MAINTENANCE = ("commit", "compact", "backup", "verify", "pickle", "reopen", "temporary")

    def look(self, name, before, after, came):
        """What is there: as before or as after the call, or, where it may stop halfway, in between."""
        c = self.container
        handle = getattr(c, "_storage", c)._handle
        if handle is not None and handle.in_transaction:
            raise Failure(f"{name}: a transaction is left on")
        if c.closed:
            c = self.container = self.kind.open(self.path)
        found = self.kind.content(c)
        if not came and found != after:
            raise Failure(f"{name}: expected {after!r:.200}, found {found!r:.200}")
        if (
            came
            and found not in (before, after)
            and not (self.halfway and self.between(before, found, after))
        ):
            raise Failure(
                f"{name}: interrupted: expected {before!r:.200}\nor {after!r:.200},\nfound {found!r:.200}"
            )
        self.model = self.model_of(found)
        left = [p.name for p in self.folder.iterdir() if p.name not in ("store", "tmp")]
        if left or any((self.folder / "tmp").iterdir()):
            raise Failure(f"{name}: left behind: {left or list((self.folder / 'tmp').iterdir())}")

    @staticmethod
    def between(before, found, after):
        """Whether some of a batch is there."""
        if isinstance(after, dict):
            return all(found.get(k, before.get(k)) in (before.get(k), after.get(k)) for k in (*after, *found))
        if isinstance(after, set):
            return before & after <= found <= before | after
        if isinstance(after, list):
            at_end = found == after[: len(found)] and found[: len(before)] == before
            more = len(found) - len(before)  # of a deque also in front
            return at_end or (found == after[len(after) - len(found) :] and found[more:] == before)
        return True  # a graph's edges: each is one call

    # What `act` does, and what is there then.

    def _change(self):
        change, self.halfway = self.kind.change(self.rng)
        self.act = lambda: change(self.container)
        model = self.model_of(self.kind.content(self.model))
        change(model)
        return self.kind.content(model)

    def _read(self):
        read, self.halfway = self.kind.read(self.rng), False
        self.act = lambda: read(self.container)
        return self.kind.content(self.model)

    def _transaction(self):
        changes = [self.kind.change(self.rng)[0] for _ in range(self.rng.randrange(4))]
        gives_up, self.halfway = self.rng.random() < 0.3, False

        def act():
            try:
                with self.container.transaction():
                    for change in changes:
                        change(self.container)
                    if gives_up:
                        raise LookupError
            except LookupError:
                pass

        self.act = act
        model = self.model_of(self.kind.content(self.model))
        for change in () if gives_up else changes:
            change(model)
        return self.kind.content(model)

    def _same(self, act):
        self.act, self.halfway = act, False
        return self.kind.content(self.model)

    def _commit(self):
        return self._same(lambda: self.container.commit())

    def _compact(self):
        return self._same(lambda: self.container.compact())

    def _verify(self):
        def act():
            found = self.container.verify()
            if found:
                raise Failure(f"verify: {found}")

        return self._same(act)

    def _backup(self):
        target = self.folder / "copy"

        def act():
            try:
                self.container.backup(target)
            except Interrupt:
                if target.exists():  # it had just been made
                    with self.kind.open(target, mode="r") as c:
                        if c.verify() or self.kind.content(c) != self.kind.content(self.container):
                            raise Failure("backup: interrupted, and a part of it is left") from None
                raise
            finally:
                _disarm()
                shutil.rmtree(target, ignore_errors=True)

        return self._same(act)

    def _pickle(self):
        return self._same(lambda: pickle.loads(pickle.dumps(self.container)))

    def _temporary(self):
        return self._same(lambda: self.kind.open(None).close())

    def _reopen(self):
        def act():
            self.container.close()
            self.container = self.kind.open(self.path)

        return self._same(act)

    def close(self):
        self.container.close()

    def end(self):
        content = self.kind.content(self.model)
        self.container.close()
        with self.kind.open(self.path, mode="r") as c:
            if self.kind.content(c) != content or c.verify():
                raise Failure("another is there when it is opened again")


class ReaderRun:
    """A reader beside a writer in another process: what an interrupted call holds would stop the writer."""

    WRITER = """if True:
        import sys, pyrsistence as em
        d = em.EMDict(sys.argv[1], commit_interval=None, snapshot_timeout=60)
        for line in sys.stdin:
            d["n"] = int(line)
            d.commit()
            print(line.strip(), flush=True)
    """

    def __init__(self, kind, rng, folder, call):
        self.rng, self.call, self.interrupts, self.n = rng, call, 0, 0
        with em.EMDict(folder / "store", {i: str(i) for i in range(200)}) as d:
            d["n"] = 0
        self.writer = subprocess.Popen(
            [sys.executable, "-c", self.WRITER, folder / "store"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.write()
        self.reader = em.EMDict(folder / "store", mode="r")

    def write(self):
        self.n += 1
        self.writer.stdin.write(f"{self.n}\n")
        self.writer.stdin.flush()
        if self.writer.stdout.readline().strip() != str(self.n):
            raise Failure("the writer has ended")

    def step(self):
        def in_snapshot():
            with self.reader.snapshot():
                list(self.reader)

        r = self.reader
        call = self.rng.choice(
            (in_snapshot, lambda: repr(r), lambda: r.copy(), lambda: r == {}, r.verify, lambda: r["n"])
        )
        came = self.call(call, 10 ** self.rng.uniform(-5.5, -3.0))
        self.interrupts += came
        began = time.monotonic()
        self.write()
        if time.monotonic() - began > 50:
            raise Failure("the writer had to wait for a snapshot that nobody holds")
        if r["n"] != self.n:
            raise Failure(f"expected {self.n}, found {r['n']}")
        return came

    def end(self):
        pass

    def close(self):
        self.reader.close()
        self.writer.stdin.close()
        self.writer.wait()
        self.writer.stdout.close()


def in_a_thread(call, delay):
    """The call in a thread of an event loop, which is interrupted, and waits for the thread."""

    async def main():
        work = asyncio.to_thread(call)
        try:
            _arm(delay)
            await work
        finally:
            _disarm()

    global _in_loop
    _in_loop = True
    try:
        asyncio.run(main())
    except Interrupt:
        return True
    finally:
        _in_loop = False
    return False


def run(kind, seed, interrupts, in_threads=False, steps_at_most=None):
    """Until so many interrupts have come; returns how many steps that took. Errors: Failure."""
    if kind in ("typed", "typed set", "array", "graph"):
        importlib.import_module("numpy")  # once interrupted, it cannot be imported again
    rng = random.Random(f"{seed}:{kind}")
    old = signal.signal(signal.SIGALRM, _handler)
    old_folder, steps = tempfile.tempdir, 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="interrupter-"))
    made = None
    try:
        (folder / "tmp").mkdir()
        tempfile.tempdir = str(folder / "tmp")
        made = (ReaderRun if kind == "reader" else Run)(
            kind, rng, folder, in_a_thread if in_threads else interrupted
        )
        while made.interrupts < interrupts and steps != steps_at_most:
            made.step()
            steps += 1
        made.end()
    except Failure as failure:
        command = f"interrupter.py --kind {kind} --seed {seed} --interrupts {interrupts}"
        raise Failure(f"{kind}, step {steps}: {failure}\nabout the same again: {command}") from failure
    finally:
        if made is not None:
            made.close()
        tempfile.tempdir = old_folder
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        shutil.rmtree(folder, ignore_errors=True)
    return steps


ALL = (*KINDS, "reader")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interrupts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--kind", choices=ALL)
    parser.add_argument("--threads", action="store_true")
    options = parser.parse_args()
    kinds = [options.kind] if options.kind else ALL
    open_files = len(os.listdir("/proc/self/fd"))
    for kind in kinds:
        share = -(-options.interrupts // len(kinds))
        steps = run(kind, options.seed, share, options.threads)
        print(f"{kind}: {share} interrupts in {steps} calls, seed {options.seed}", flush=True)
    if len(os.listdir("/proc/self/fd")) > open_files:
        raise Failure(f"descriptors are left open: {open_files}, then {len(os.listdir('/proc/self/fd'))}")


if __name__ == "__main__":
    main()
