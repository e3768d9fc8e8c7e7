"""The processes that test_kill kills: each changes a store at random, commit after commit, until it is
gone.

    python -m kill_writers KIND PATH SEED START

What commit number n holds is a function of (KIND, SEED, n) alone: the parent computes it by replaying
the same random operations on builtins. Before a commit the writer says "n?", after it "n!", each by one
write to the pipe, so that the parent knows which commits may and which must be there. START is the
number of the commit that the store holds; the writer goes on from there.
"""

import collections
import os
import random
import sys

import pyrsistence


def dict_step(d, rng, number):
    """The changes of commit `number`; the key "commit" holds the number itself."""
    d["commit"] = number
    for _ in range(rng.randrange(1, 60)):
        key = rng.randrange(400)
        what = rng.randrange(10)
        if what < 6:
            d[key] = rng.randbytes(rng.choice((1, 20, 300, 6000)))
        elif what < 8:
            d.pop(key, None)
        elif what == 8:
            d.update((f"{number}-{n}", n) for n in range(rng.randrange(80)))
        elif len(d) > 600:
            for old in list(d)[1:300]:
                del d[old]


def list_step(items, rng, number):
    """The changes of commit `number`; the last element is the number itself."""
    if items:
        items.pop()
    for _ in range(rng.randrange(1, 30)):
        where = rng.randrange(len(items) + 1)
        what = rng.randrange(10)
        if what < 3:
            items.extend(rng.randbytes(rng.randrange(30)) for _ in range(rng.randrange(40)))
        elif what < 5:
            items.insert(where, rng.random())
        elif what < 7:
            del items[where : where + rng.randrange(40)]
        elif what == 7:
            items.reverse()
        elif what == 8:
            items[where : where + 3] = [None, "text", 2**80]
        elif len(items) > 5000:
            del items[: len(items) // 2]
    items.append(number)


def set_step(s, rng, number):
    """The changes of commit `number`; the element ("commit", n) holds the number itself."""
    s.discard(("commit", number - 1))
    s.add(("commit", number))
    for _ in range(rng.randrange(1, 40)):
        element = rng.randrange(400)
        what = rng.randrange(10)
        if what < 5:
            s.add(element if what < 3 else rng.randbytes(rng.choice((1, 20, 300))))
        elif what < 7:
            s.discard(element)
        elif what == 7:
            s.update(f"{number}-{n}" for n in range(rng.randrange(80)))
        elif what == 8:
            s.symmetric_difference_update(range(element, element + 50))
        elif len(s) > 600:
            s.intersection_update([("commit", number), *range(element)])


def deque_step(d, rng, number):
    """The changes of commit `number`; the first element is the number itself."""
    if d:
        d.popleft()
    for _ in range(rng.randrange(1, 40)):
        what = rng.randrange(10)
        if what < 4:
            d.extend(rng.randbytes(rng.randrange(30)) for _ in range(rng.randrange(40)))
        elif what == 4:
            d.extendleft(range(rng.randrange(60)))
        elif what < 7:
            for _ in range(min(len(d), rng.randrange(60))):
                d.popleft()
        elif what == 7:
            for _ in range(min(len(d), rng.randrange(40))):
                d.pop()
        elif what == 8:
            d.rotate(rng.randrange(-99, 99))
        elif d:
            d[rng.randrange(len(d))] = "text of some length"
    d.appendleft(number)


def store_step(members, rng, number):
    """One transaction over members of all kinds: a half of it would show in one and not in another."""
    dict_step(members["names"], rng, number)
    list_step(members["lines"], rng, number)
    set_step(members["seen"], rng, number)
    deque_step(members["tasks"], rng, number)
    members["count"]["commit"] = number


def empty(kind):
    if kind == "store":
        return {"names": {}, "lines": [], "seen": set(), "tasks": collections.deque(), "count": {}}
    return {"dict": dict, "list": list, "set": set, "deque": collections.deque}[kind]()


STEPS = {
    "dict": dict_step,
    "list": list_step,
    "set": set_step,
    "deque": deque_step,
    "store": store_step,
}


def rng_of(kind, seed, number):
    return random.Random(f"{kind}-{seed}-{number}")


def states(kind, seed, number):
    """The state of commit `number`, then those of the commits behind it; one object, changed in between."""
    state = empty(kind)
    for n in range(1, number + 1):
        STEPS[kind](state, rng_of(kind, seed, n), n)
    while True:
        yield state
        number += 1
        STEPS[kind](state, rng_of(kind, seed, number), number)


def commit_number(kind, state):
    """The number of the commit whose state this is, 0 for the empty one."""
    if kind == "list":
        return state[-1] if len(state) else 0
    if kind == "deque":
        return state[0] if len(state) else 0
    if kind == "set":
        return next((e[1] for e in state if isinstance(e, tuple)), 0)
    return (state if kind == "dict" else state["count"]).get("commit", 0)


def say(number, mark):
    os.write(1, b"%d%c\n" % (number, mark))


def write_for_ever(kind, path, seed, start):
    if kind == "store":
        store = pyrsistence.Store(path)
        target = {
            "names": store.dict("names"),
            "lines": store.list("lines"),
            "seen": store.set("seen"),
            "tasks": store.deque("tasks"),
            "count": store.dict("count"),
        }
    else:
        opener = {"dict": "EMDict", "list": "EMList", "set": "EMSet", "deque": "EMDeque"}[kind]
        store = target = getattr(pyrsistence, opener)(path, commit_interval=None)
    number = start
    say(number, ord("!"))
    while True:
        number += 1
        if kind == "store":
            with store.transaction():
                STEPS[kind](target, rng_of(kind, seed, number), number)
                say(number, ord("?"))
        else:
            STEPS[kind](target, rng_of(kind, seed, number), number)
            say(number, ord("?"))
            store.commit()
        say(number, ord("!"))


if __name__ == "__main__":
    write_for_ever(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
