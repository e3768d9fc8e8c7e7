"""A writer that is killed, again and again, and readers that must never see what was not committed.

As a script, `python -m kill_readers PATH [KILLS [READERS]]` starts the readers and one writer after the
other, and kills each writer at a random moment. It fails if a reader has seen anything that was not
committed, or has died.

Every state that is committed says what it is. Commit n sets the key "commit" to n, each of the numbered
keys to n and a text whose length changes with n, and makes the list n, n, n, ... of a length that n
gives. So a reader can tell a mixture of two states, and a value of none, from what it reads alone:

 - under snapshot(), all of it carries one number;
 - without, each value by itself is whole, and numbers never go back;
 - and what it reads was begun: a writer says each number before it begins.
"""

import contextlib
import os
import pathlib
import random
import subprocess
import sys
import time

import pyrsistence
from helpers import LIMIT, python_path, wait_for

KEYS = 40


def text_of(number, key):
    """The text of a key in commit `number`: in its record, in a block, or far larger than a page."""
    return f"{number}.{key}." * (1, 3, 60, 700)[(number + key) % 4]


def length_of(number):
    return 20 + number * 7 % 300


# ---- The writer


def write(path):
    with pyrsistence.Store(path, commit_interval=None, timeout=LIMIT) as store:
        names, lines = store.dict("names"), store.list("lines")
        number = names.get("commit", 0)
        while True:
            number += 1
            os.write(1, b"%d\n" % number)
            with store.transaction():
                change(names, lines, number)


def change(names, lines, number):
    """What commit `number` does: replacing, growing, deleting, emptying, rewriting."""
    if number % 97 == 0:
        names.clear()
    names["commit"] = number
    for key in range(KEYS):
        if (number + key) % 11 == 0:
            names.pop(key, None)  # and again at the end, in another order
        names[key] = (number, text_of(number, key))
    names[f"only {number}"] = number
    names.pop(f"only {number - 1}", None)
    if number % 3 == 0:
        lines[:] = [number] * length_of(number)
    else:
        lines.clear()
        lines.extend(number for _ in range(length_of(number)))
    lines.append(f"the text of {number}, too long for a word")


# ---- A reader


def check_value(key, value):
    number, text = value
    assert text == text_of(number, key), f"{key}: a value of no commit: {value!r:.80}"
    return number


def check_state(names, lines):
    """Of one commit, as a whole. Returns its number."""
    number = names["commit"]
    content = dict(names.items())
    assert set(content) == {"commit", f"only {number}", *range(KEYS)}, (
        f"{number}: {sorted(map(str, content))}"
    )
    for key in range(KEYS):
        assert check_value(key, content[key]) == number, f"{number}: {key} is of {content[key][0]}"
    elements = lines[:]
    assert elements == [number] * length_of(number) + [f"the text of {number}, too long for a word"], (
        f"{number}: {elements[:2]!r} ... {elements[-1]!r}, {len(elements)} elements"
    )
    assert len(names) == KEYS + 2 and len(lines) == length_of(number) + 1
    return number


def check_singly(names, lines, rng, newest):
    """Reads of their own, each of a committed state not older than what was seen before."""
    key = rng.randrange(KEYS)
    number = check_value(key, names[key])
    assert number >= newest, f"commit {number} after {newest}"
    elements = lines[:]
    assert len(set(elements[:-1])) == 1, f"a mixture: {elements!r:.100}"
    assert elements[0] >= number and len(elements) == length_of(elements[0]) + 1
    copied = names.copy()
    assert {check_value(key, copied[key]) for key in range(KEYS)} == {copied["commit"]}
    return copied["commit"]


def read(path, seed, parent):
    rng = random.Random(seed)
    counts = {"states": 0, "single": 0, "expired": 0}
    newest = 0
    store = pyrsistence.Store(path, mode="r")
    while os.getppid() == parent:
        if rng.random() < 0.02:  # one that opens while the writer is dead, or is recovering
            store.close()
            store = pyrsistence.Store(path, mode="r")
        names, lines = store.dict("names"), store.list("lines")
        try:
            if rng.random() < 0.5:
                with store.snapshot():
                    number = check_state(names, lines)
                counts["states"] += 1
            else:
                number = check_singly(names, lines, rng, newest)
                counts["single"] += 1
        except pyrsistence.SnapshotError:
            counts["expired"] += 1
            continue
        assert number >= newest, f"commit {number} after {newest}"
        newest = number
        os.write(1, b"%d %d %d %d\n" % (number, *counts.values()))


# ---- The one that kills


def start(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": python_path()}
    command = [sys.executable, "-X", "faulthandler", "-m", "kill_readers", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **options)


def last_line(file):
    lines = pathlib.Path(file).read_bytes().split(b"\n")
    return lines[-2].decode() if len(lines) > 1 else ""


@contextlib.contextmanager
def readers_of(path, folder, count, seed):
    files = [pathlib.Path(folder) / f"reader-{number}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        processes = []
        for number, file in enumerate(files):
            out, errors = (stack.enter_context(open(f"{file}{end}", "wb")) for end in ("", ".errors"))
            processes.append(start("read", path, f"{seed}-{number}", os.getpid(), stdout=out, stderr=errors))
        try:
            yield processes, files
        finally:
            for process in processes:
                process.kill()
                process.wait()


def kill_writers(path, folder, kills, readers, seed):
    """Returns how many commits there were, and what each reader counted: (states, single reads, expired)."""
    rng = random.Random(seed)
    with pyrsistence.Store(path) as store:
        change(store.dict("names"), store.list("lines"), 1)
    begun = pathlib.Path(folder) / "begun"
    with readers_of(path, folder, readers, seed) as (processes, files):
        for round_number in range(kills):
            with open(begun, "wb") as out:
                writer = start("write", path, stdout=out)
            more = rng.randrange(2, 60)
            wait_for(lambda: begun.read_bytes().count(b"\n") >= more, f"{more} commits")  # noqa: B023
            time.sleep(rng.uniform(0, 0.01))
            writer.kill()
            assert writer.wait() == -9, f"round {round_number}: the writer ended by itself, seed {seed}"
            for process, file in zip(processes, files, strict=True):
                errors = pathlib.Path(f"{file}.errors").read_text()
                assert process.poll() is None, (
                    f"round {round_number}, seed {seed}: {process.returncode}\n{errors}"
                )
                seen = int((last_line(file) or "0").split()[0])
                assert seen <= int(last_line(begun)), f"{seen} was read, {last_line(begun)} begun last"
        wait_for(lambda: all(map(last_line, files)), "each reader to have read something")
        counts = [tuple(map(int, last_line(file).split()[1:])) for file in files]
    with pyrsistence.Store(path) as store:
        assert store.verify() == []
        return check_state(store.dict("names"), store.list("lines")), counts


def main(arguments):
    if arguments[0] == "write":
        write(arguments[1])
    elif arguments[0] == "read":
        read(arguments[1], arguments[2], int(arguments[3]))
    else:
        folder = pathlib.Path(arguments[0])
        folder.mkdir(parents=True)
        kills, readers = (int(number) for number in (*arguments[1:], 500, 4)[:2])
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        commits, counts = kill_writers(folder / "store", folder, kills, readers, seed)
        print(f"{kills} writers killed, {commits} commits")
        for number, (states, single, expired) in enumerate(counts):
            print(
                f"reader {number}: {states} whole states, {single} single reads, {expired} snapshots expired"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
