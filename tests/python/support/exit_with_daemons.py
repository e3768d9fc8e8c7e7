"""The interpreter ends while daemon threads are at work.

    python tests/python/support/exit_with_daemons.py [--exits 20] [--work sort]

Each time a fresh process commits something, has two daemon threads work on the store, and ends at a random
moment. Its status must be 0, and what was committed must be there. Each kind of work spends its time in other
calls of the library: without the GIL, taking it back, or in Python code that the library calls.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time


def _numbers():
    n = 0
    while True:
        n += 1
        yield n % 5000, n


class Slow:
    """A key and an item whose comparison runs Python code."""

    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        return self.value < other.value


def works(em, path):
    """The kinds of work: each a function that prepares, and returns what is done again and again."""

    def a_dict(**options):
        d = em.EMDict(path, commit_interval=None, **options)
        d.update((i, "x" * 100) for i in range(20_000))
        d.commit()
        return d

    def a_list():
        made = em.EMList(path, commit_interval=None)
        made.extend((i * 7919) % 20_011 for i in range(20_000))
        made.commit()
        return made

    def verify():
        return a_dict().verify

    def sort():
        return a_list().sort

    def sort_by_key():
        made = a_list()
        return lambda: made.sort(key=Slow)

    def commit():
        d = a_dict()

        def work():
            d[0] = time.monotonic()
            d.commit()

        return work

    def append():
        made = a_list()
        return lambda: [made.append(i) for i in range(100)]

    def update():
        d = a_dict()
        return lambda: d.update(_numbers())

    def batches():
        d = em.EMDict(path, key="u8", value="u8", commit_interval=None)
        d.update((i, i) for i in range(20_000))
        d.commit()
        keys = list(range(20_000))
        return lambda: (d.get_many(keys), d.set_many(keys, keys))

    def algebra():
        made = em.EMSet(path, range(20_000), commit_interval=None)
        made.commit()
        other = em.EMSet(None, range(10_000, 30_000))
        return lambda: (made & other, other - made, made <= other, made.update(other), made.commit())

    def typed_algebra():
        made = em.EMSet(path, range(20_000), dtype="u8", commit_interval=None)
        made.commit()
        other = em.EMSet(None, range(10_000, 30_000), dtype="u8")
        return lambda: (made & other, made <= other, made.union(other, out=em.EMSet(dtype="u8")))

    def queue():
        made = em.EMDeque(path, range(20_000), maxlen=30_000, commit_interval=None)
        made.commit()
        return lambda: (
            [(made.append(f"task {n}"), made.popleft()) for n in range(100)],
            made.extendleft(range(1000)),
            made.rotate(7),
            3 in made,
            made.commit(),
        )

    def iterate():
        d = a_dict()
        return lambda: list(d.items())

    def graph():
        made = em.EMDiGraph(path, commit_interval=None)
        made.add_edges_from((i, i + 1) for i in range(2000))
        made.commit()
        return lambda: (
            [made.add_edge(i, 2 * i, w=[i]) for i in range(50)],
            list(made.edges(data=True)),
            made.commit(),
        )

    def compact():
        return a_dict().compact

    def backup():
        d = a_dict()

        def work():
            with tempfile.TemporaryDirectory() as folder:
                d.backup(folder, progress=lambda done, total: None)

        return work

    def array():
        made = em.EMArray(path, "f8", commit_interval=None)
        made.extend([1.0] * 100_000)
        made.commit()
        return lambda: (
            made.__setitem__(slice(None), 2.0),
            made.extend([1.0] * 1000),
            list(made[:100]),
            made.commit(),
        )

    def transaction():
        d = a_dict()

        def work():
            with d.transaction():
                d["t"] = list(range(100))

        return work

    def temporary():
        d = a_dict()
        return lambda: (em.EMDict(None, d.items()).close(), em.EMList(None, range(100)))

    return {
        f.__name__: f
        for f in (
            verify,
            sort,
            sort_by_key,
            commit,
            append,
            update,
            batches,
            algebra,
            queue,
            typed_algebra,
            iterate,
            graph,
            compact,
            backup,
            array,
        )
        + (transaction, temporary)
    }


NAMES = tuple(works(None, None))


def _work(name, path, seconds):
    import pyrsistence as em

    work = works(em, path)[name]()
    done = threading.Event()

    def again():
        try:
            while True:
                work()
                done.set()
        except (ValueError, RuntimeError) as error:  # the end has closed it, or the other thread works on it
            time.sleep(3600 if "closed" in str(error) else 0)
            again()

    for _ in range(2):
        threading.Thread(target=again, daemon=True).start()
    if name != "update":  # which never ends
        done.wait(60)
    time.sleep(seconds)


def run(name, exits, rng):
    """End so many processes at this work; returns what was wrong, as texts."""
    wrong = []
    for _ in range(exits):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "store"
            command = [sys.executable, __file__, "--child", name, str(path), str(rng.uniform(0, 0.05))]
            result = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if result.returncode != 0:
                wrong.append(f"{name}: exit status {result.returncode}: {result.stderr[-500:]}")
                continue
            import pyrsistence as em

            with em.open(path, mode="r") as c:
                if c.verify() or len(c) < (2000 if name == "graph" else 20_000):
                    wrong.append(f"{name}: {len(c)} entries, {c.verify()}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exits", type=int, default=20)
    parser.add_argument("--work", choices=NAMES)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _work(options.child[0], options.child[1], float(options.child[2]))
        return
    wrong = []
    for name in [options.work] if options.work else NAMES:
        found = run(name, options.exits, random.Random(options.seed))
        print(f"{name}: {options.exits} exits, {len(found)} of them wrong", *found[:1], flush=True)
        wrong += found
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
