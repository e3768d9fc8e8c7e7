"""Opens damaged copies of a store and uses everything in them; test_hostile_files runs it in a process of
its own.

    python -m hostile_reader ORIGINAL SCRATCH SEED ROUNDS

Each round changes some bytes of one file and then reads, writes, verifies and closes. An exception that
a damaged file may raise is fine; another one, a crash (the process dies) or an endless loop (an alarm)
is not. The number of the round is printed before it starts, so that the last line names the one to
repeat.
"""

import contextlib
import itertools
import pathlib
import pickle
import random
import shutil
import signal
import sys

import pyrsistence

# What a user expects of damage. KeyError, IndexError: an entry that cannot be found any more.
# RecursionError: values nested deeper than the reader goes. MemoryError: a length that no machine can hold.
# UnpicklingError: bytes that now say they are a pickle, which pickle=False refuses.
ALLOWED = (OSError, ValueError, KeyError, IndexError, MemoryError, RecursionError, pickle.UnpicklingError)


def make_original(path, closed):
    """A store with some of everything: inline and heap values, dead records, segments, nested values.

    Not closed: its journal holds frames that the next opening has to recover.
    """
    with pyrsistence.Store(f"{path}-open") as store:
        names, lines = store.dict("names"), store.list("lines")
        names.update((n, n) for n in range(700))
        names.update((f"key {n}", "v" * (n % 90)) for n in range(300))
        names.update({("t", 1.5): [1, {"a": (None, b"x")}], b"k": 2**200, "long" * 300: "w" * 9000})
        store.commit()
        for n in range(0, 700, 3):
            del names[n]
        for n in range(1, 700, 6):
            names[n] = b"moved to the heap" * 20
        flags = store.shadow_memory("flags", [(0x1000, 0x900000), (2**40, 2**50)])
        for n in range(0x1000, 0x9000, 700):
            flags.mark(n, 9, n % 200 + 1)
        flags.mark(0x2000, 2**22, 4)
        flags.mark(2**40 + 5, 2**49, 2)
        lines.extend([1, 2.5, None, True, "abc", "a longer text", b"bytes" * 500, [1, [2]]] * 150)
        store.commit()
        lines[10:50] = []
        names.update((n, "last") for n in range(20))
        store.commit()
        if not closed:
            shutil.copytree(f"{path}-open", path)
    if closed:
        shutil.copytree(f"{path}-open", path)


def damage(path, rng):
    """Overwrites, flips, swaps or cuts something in one of the files; returns what it did."""
    file = rng.choice(sorted(f for f in pathlib.Path(path).iterdir() if f.is_file() and f.stat().st_size))
    data = bytearray(file.read_bytes())
    used = len(data.rstrip(b"\0")) or 1
    how = rng.randrange(6)
    for _ in range(rng.choice((1, 1, 3, 30))):
        where = rng.randrange(min(used + 64, len(data)))
        if how == 0:
            data[where] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[where] = rng.randrange(256)
        elif how == 2:
            word = rng.choice((b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", rng.randbytes(8)))
            start = where & ~7
            data[start : start + 8] = word[: len(data) - start]
        elif how == 3:
            length = rng.randrange(1, 200)
            other = rng.randrange(len(data))
            data[where : where + length] = data[other : other + len(data[where : where + length])]
        elif how == 4:
            data[where : where + 4096] = bytes(len(data[where : where + 4096]))
    size = len(data)
    file.write_bytes(data)
    if how == 5:
        size = rng.randrange(len(data))
        with file.open("r+b") as handle:
            handle.truncate(size)
    return f"{file.name} how={how} size={size}"


def attempt(call):
    with contextlib.suppress(*ALLOWED):
        call()


def use_dict(d, rng):
    for _ in range(20):
        attempt(lambda: d[rng.randrange(700)])
        attempt(lambda: d.__setitem__(rng.randrange(900), "n" * rng.randrange(300)))
        attempt(lambda: d.pop(rng.randrange(700), None))
        attempt(lambda: d.get(f"key {rng.randrange(300)}"))
    attempt(lambda: d.get_many(range(800)))
    attempt(lambda: d.contains_many([f"key {n}" for n in range(300)]))
    attempt(lambda: d.pop_many(range(0, 700, 50)))
    attempt(lambda: d.set_many(range(600, 800), ["n" * n for n in range(200)]))
    attempt(lambda: [None for _ in d.items()])
    attempt(lambda: [None for _ in reversed(d)])
    attempt(lambda: d.update((n, n) for n in range(5000, 5200)))
    attempt(lambda: d.popitem())
    attempt(lambda: d.clear())


def use_list(items, rng):
    for _ in range(20):
        attempt(lambda: items[rng.randrange(1100)])
        attempt(lambda: items.__setitem__(rng.randrange(1100), b"n" * rng.randrange(300)))
        attempt(lambda: items.append("appended"))
    attempt(lambda: items.take(range(0, 1100, 3)))
    attempt(lambda: items.take(range(700)))
    attempt(lambda: items.set_many(range(0, 900, 7), [b"m" * n for n in range(129)]))
    attempt(lambda: list(items))
    attempt(lambda: items.count("abc"))
    attempt(lambda: items.__delitem__(slice(5, 60)))
    attempt(lambda: items.reverse())
    attempt(lambda: items.insert(3, "x" * 50))
    attempt(lambda: items.sort(key=str))


def use_shadow(flags, rng):
    for _ in range(10):
        place = rng.choice((rng.randrange(0x900000), 2**40 + rng.randrange(2**30)))
        attempt(lambda place=place: flags.mark(place, rng.randrange(5000), 1))
        attempt(lambda place=place: flags.next_marked(place, 2))
        attempt(lambda place=place: flags[place : place + 100])
        attempt(lambda place=place: flags.assign(place, 2**21, 0))
        attempt(lambda place=place: flags.add_range(place, place + 4096))
    attempt(lambda: list(itertools.islice(flags.ranges(4, 0), 10000)))
    attempt(lambda: flags.is_marked_as_code(2**40, 2**49))


def use(path, rng):
    with pyrsistence.Store(path, mode=rng.choice(("r+", "r+", "r"))) as store:
        attempt(lambda: list(store))
        with contextlib.suppress(*ALLOWED):
            use_dict(store.dict("names", pickle=False), rng)
        with contextlib.suppress(*ALLOWED):
            use_list(store.list("lines", pickle=False), rng)
        with contextlib.suppress(*ALLOWED):
            use_shadow(store.shadow_memory("flags"), rng)
        attempt(store.verify)
        attempt(store.commit)


def main(original, scratch, seed, rounds):
    refused = 0
    for number in range(int(rounds)):
        rng = random.Random(f"{seed}-{number}")
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(original, scratch)
        print(f"round {number}:", damage(scratch, rng), flush=True)
        signal.setitimer(signal.ITIMER_PROF, 20)  # of the processor: a busy machine has time
        try:
            use(scratch, rng)
        except ALLOWED as error:
            refused += 1
            print("   ", type(error).__name__, error, flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
    print("refused", refused)


if __name__ == "__main__":
    main(*sys.argv[1:])
