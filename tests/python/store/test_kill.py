"""`kill -9` at random moments, fifty times: what is found afterwards is a committed state, whole.

A writer (kill_writers.py) is started on a store, killed after a random time, and the store opened: it
must hold exactly the last commit that returned, or the one that was in flight. Then the next writer goes
on with that store, so that recovery is itself followed by work, by further kills, and now and then cut
off.
"""

import time

import pytest

import kill_writers
import pyrsistence
from helpers import Process

# rounds of each kind; fifty together
ROUNDS = {"dict": 14, "list": 13, "set": 9, "deque": 9, "store": 14}
OPEN = {
    "dict": pyrsistence.EMDict,
    "list": pyrsistence.EMList,
    "set": pyrsistence.EMSet,
    "deque": pyrsistence.EMDeque,
    "store": pyrsistence.Store,
}


OPENER = """
import sys, pyrsistence
print("opening", flush=True)
pyrsistence.EMDict(sys.argv[1])
sys.stdin.read()
"""


def run_and_kill(kind, path, seed, start, rng):
    """Returns the last commit that returned, and the last one that was begun."""
    with Process("-m", "kill_writers", kind, path, seed, start) as writer:
        # It is killed somewhere behind one of its next lines: two of them are a commit.
        lines = [writer.line() for _ in range(rng.randrange(6, 80))]
        time.sleep(rng.uniform(0.0, 0.01))
        lines += writer.kill().split()
    returned = max(int(line[:-1]) for line in lines if line.endswith("!"))
    begun = max(int(line[:-1]) for line in lines)
    return returned, begun


def open_and_read(kind, path):
    """The whole content as builtins, after verify() has found nothing."""
    with OPEN[kind](path) as found:
        assert found.verify() == []
        if kind == "dict":
            return dict(found.items()), list(found)
        if kind == "list":
            return list(found), None
        if kind == "deque":
            return found.copy(), None
        if kind == "set":
            return set(found), None
        names, lines, count = found.dict("names"), found.list("lines"), found.dict("count")
        content = {"names": dict(names.items()), "lines": list(lines), "count": dict(count.items())}
        content["seen"] = set(found.set("seen"))
        content["tasks"] = found.deque("tasks").copy()
        return content, list(names)


@pytest.mark.parametrize("kind", ROUNDS)
def test_killed_writer_leaves_a_committed_state(kind, path, rng):
    seed = rng.randrange(1 << 32)
    held = 0
    expected_states = kill_writers.states(kind, seed, 0)
    expected = next(expected_states)
    in_flight_found = 0
    for round_number in range(ROUNDS[kind]):
        returned, begun = run_and_kill(kind, path, seed, held, rng)
        content, order = open_and_read(kind, path)
        found = kill_writers.commit_number(kind, content)
        where = f"round {round_number}: found commit {found}, returned {returned}, begun {begun}"
        assert returned <= found <= begun, where
        assert begun <= returned + 1, where
        for _ in range(held, found):
            expected = next(expected_states)
        assert content == expected, f"{where}: the content is not that of the commit"
        if order is not None:
            assert order == list(expected if kind == "dict" else expected["names"]), f"{where}: another order"
        in_flight_found += found == begun > returned
        held = found
    assert held > ROUNDS[kind], "the writers hardly committed: the test showed nothing"
    print(f"{kind}: {held} commits, {in_flight_found} of {ROUNDS[kind]} kills left the one in flight")


def test_writer_killed_during_recovery(path, rng):
    """Opening is killed too: recovery that is cut off anywhere is repeated by the next opening."""
    seed = rng.randrange(1 << 32)
    returned, begun = run_and_kill("dict", path, seed, 0, rng)
    for _ in range(8):
        with Process("-c", OPENER, path) as opener:
            opener.line()
            time.sleep(rng.uniform(0.0, 0.02))
            opener.kill()
    content, _ = open_and_read("dict", path)
    found = kill_writers.commit_number("dict", content)
    assert returned <= found <= begun
    assert content == next(kill_writers.states("dict", seed, found))
