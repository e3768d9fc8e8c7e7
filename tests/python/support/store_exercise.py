"""Uses all that the container of a kind can do, in small; what a damaged file may raise is passed over.

Each operation answers, or raises what a user expects of damage (ALLOWED). Anything else comes out of
exercise().
"""

import collections
import copy
import itertools
import pickle
import shutil

import networkx as nx

import pyrsistence

# KeyError, IndexError: an entry that cannot be found any more. RecursionError: values nested deeper than the
# reader goes. UnpicklingError: bytes that now say they are a pickle, which pickle=False refuses.
# NetworkXError: a vertex that is not there. ValueError, OSError: the library's own, and what one opened for
# reading says of writing.
ALLOWED = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    RecursionError,
    pickle.UnpicklingError,
    nx.NetworkXError,
    pyrsistence.SnapshotError,
)


class Attempts:
    """Runs operations, each by itself. strict: only what is missing may raise."""

    def __init__(self, strict=False):
        self.strict = strict

    def __call__(self, call, *also):
        try:
            return call()
        except also:
            return None
        except ALLOWED as error:
            if self.strict and not isinstance(error, (KeyError, IndexError, nx.NetworkXError)):
                raise
            return None


def some(iterable, most=5000):
    return list(itertools.islice(iterable, most))


# ---- what fills a container of each kind, and what uses one


# Values need no pickle: with pickle=False all of them are read.


def fill_dict(d, rng):
    d.update((n, n) for n in range(120))
    d.update((f"key {n}", "v" * (n % 90)) for n in range(60))
    d.update({("t", 1.5): [1, ("a", None, b"x")], b"k": 2**200, "long" * 80: "w" * 3000, 2.0: {3}})
    for n in range(0, 120, 3):
        del d[n]
    for n in range(1, 120, 6):
        d[n] = b"moved to the heap" * (n % 7 + 8)
    for n in range(7, 120, 24):
        d[n] = "small again"


def use_dict(d, rng, attempt):
    attempt(lambda: len(d))
    attempt(lambda: repr(d))
    for _ in range(4):
        n = rng.randrange(130)
        attempt(lambda n=n: d.get(n))
        attempt(lambda n=n: n in d)
        attempt(lambda n=n: d.get(f"key {n}"))
    attempt(lambda: d.get_many(range(130)))
    attempt(lambda: d.contains_many([f"key {n}" for n in range(70)]))
    attempt(lambda: some(d.items()))
    attempt(lambda: some(reversed(d)))
    attempt(lambda: some(d.values()))
    attempt(lambda: dict(d))
    attempt(lambda: d == {1: 2})
    attempt(d.copy)
    if d.mode == "r":
        return
    for _ in range(4):
        attempt(lambda: d.__setitem__(rng.randrange(150), "n" * rng.randrange(300)))
        attempt(lambda: d.pop(rng.randrange(120), None))
        attempt(lambda: d.setdefault(rng.randrange(150), None))
    attempt(lambda: d.set_many(range(90, 150), ["n" * n for n in range(60)]))
    attempt(lambda: d.pop_many(range(0, 120, 5)))
    attempt(lambda: d.update((n, n) for n in range(500, 560)))
    attempt(lambda: len(d) and d.popitem())
    attempt(d.commit)


def fill_list(items, rng):
    items.extend([1, 2.5, None, True, "abc", "a longer text", b"bytes" * 50, [1, (2,)]] * 30)
    items[10:20] = []
    items[5] = "w" * 3000


def use_list(items, rng, attempt):
    attempt(lambda: len(items))
    attempt(lambda: repr(items))
    attempt(lambda: items[rng.randrange(200)])
    attempt(lambda: items.take(range(0, 200, 3)))
    attempt(lambda: some(items))
    attempt(lambda: some(reversed(items)))
    attempt(lambda: items[3:200:7])
    attempt(lambda: items.count("abc"))
    attempt(lambda: items.index("abc"))
    attempt(lambda: items == [1])
    if items.mode == "r":
        return
    for _ in range(4):
        attempt(lambda: items.__setitem__(rng.randrange(200), b"n" * rng.randrange(300)))
        attempt(lambda: items.append("appended, and long"))
    attempt(lambda: items.set_many(range(0, 200, 7), [b"m" * n for n in range(29)]))
    attempt(lambda: items.__delitem__(slice(5, 20)))
    attempt(lambda: items.insert(3, "x" * 50))
    attempt(items.reverse)
    attempt(lambda: items.pop())
    attempt(lambda: items.sort(key=str))
    attempt(lambda: items.extend(["y" * 20] * 30))
    attempt(items.commit)


def fill_deque(d, rng):
    d.extend([1, 2.5, None, True, "abc", "a longer text", b"bytes" * 50, [1, (2,)]] * 30)
    d.extendleft(range(40))
    for _ in range(30):
        d.pop()
        d.popleft()


def use_deque(d, rng, attempt):
    attempt(lambda: (len(d), d.maxlen))
    attempt(lambda: repr(d))
    attempt(lambda: d[rng.randrange(200)])
    attempt(lambda: some(d))
    attempt(lambda: some(reversed(d)))
    attempt(lambda: d.count("abc"))
    attempt(lambda: d.index("abc"))
    attempt(lambda: d == collections.deque([1]))
    attempt(d.copy)
    if d.mode == "r":
        return
    for _ in range(4):
        attempt(lambda: d.__setitem__(rng.randrange(200), b"n" * rng.randrange(300)))
        attempt(lambda: d.append("appended, and long"))
        attempt(lambda: d.appendleft("put in front, and long"))
        attempt(lambda: len(d) and d.popleft())
        attempt(lambda: len(d) and d.pop())
    attempt(lambda: d.__delitem__(rng.randrange(200)))
    attempt(lambda: d.insert(3, "x" * 50))
    attempt(lambda: d.insert(150, "x" * 50))
    attempt(lambda: d.rotate(rng.randrange(-100, 100)))
    attempt(d.reverse)
    attempt(lambda: d.extend(["y" * 20] * 30))
    attempt(lambda: d.extendleft(range(600)))
    attempt(d.commit)


def fill_set(s, rng):
    s.update(range(120))
    s.update(f"element {n}" for n in range(60))
    s.update([("t", 1.5, None), b"k", 2**200, "long" * 80, 2.5, frozenset([1, "x"])])
    for n in range(0, 120, 3):
        s.remove(n)


def use_set(s, rng, attempt):
    attempt(lambda: len(s))
    attempt(lambda: repr(s))
    for _ in range(4):
        n = rng.randrange(130)
        attempt(lambda n=n: n in s)
        attempt(lambda n=n: f"element {n}" in s)
    attempt(lambda: s.contains_many([f"element {n}" for n in range(70)]))
    attempt(lambda: some(s))
    attempt(lambda: some(reversed(s)))
    attempt(lambda: set(s))
    attempt(lambda: s == {1, 2})
    attempt(s.copy)
    with pyrsistence.EMSet(None, range(1, 200)) as other:
        use_algebra(s, other, rng, attempt)
    if s.mode == "r":
        return
    for _ in range(4):
        attempt(lambda: s.add(rng.randrange(150)))
        attempt(lambda: s.discard(rng.randrange(120)))
        attempt(lambda: s.remove(rng.randrange(120)))
    attempt(lambda: s.update(n for n in range(500, 560)))
    attempt(lambda: s.intersection_update(range(90, 540)))
    attempt(lambda: len(s) and s.pop())
    attempt(s.commit)


def use_algebra(s, other, rng, attempt):
    attempt(lambda: s & other)
    attempt(lambda: other - s)
    attempt(lambda: s ^ other)
    attempt(lambda: (s <= other, s >= other, s.isdisjoint(other)))
    attempt(lambda: s.union(other, out=pyrsistence.EMSet()))
    if s.mode == "r":
        return
    attempt(lambda: s.difference_update(other if rng.randrange(2) else range(0, 130, 7)))
    attempt(lambda: s.update(other))
    attempt(lambda: s.symmetric_difference_update(other))


def fill_typed_set(s, rng):
    s.update(range(200))
    for n in range(0, 200, 3):
        s.remove(n)


def use_typed_set(s, rng, attempt):
    attempt(lambda: len(s))
    attempt(lambda: repr(s))
    attempt(lambda: s.dtype)
    attempt(lambda: [rng.randrange(250) in s for _ in range(4)])
    attempt(lambda: s.contains_many(range(250)))
    attempt(lambda: some(s))
    attempt(lambda: some(reversed(s)))
    attempt(s.copy)
    attempt(s.to_array)
    with pyrsistence.EMSet(None, range(1, 300), dtype="u8") as other:
        use_algebra(s, other, rng, attempt)
        attempt(lambda: s.intersection(other, out=pyrsistence.EMSet(dtype="u8")))
    if s.mode == "r":
        return
    attempt(lambda: s.add_many(range(150, 350)))
    attempt(lambda: s.discard_many(range(0, 350, 3)))
    attempt(lambda: s.add(rng.randrange(1000)))
    attempt(lambda: s.discard(rng.randrange(300)))
    attempt(lambda: len(s) and s.pop())
    attempt(s.commit)


def fill_array(a, rng):
    a.extend(range(700))


def view_sum(a):
    if a.mode != "r":
        return a.view().sum()
    with a.snapshot():
        return a.view().sum()


def use_array(a, rng, attempt):
    attempt(lambda: (len(a), a.dtype, a.shape, a.nbytes))
    attempt(lambda: repr(a))
    attempt(lambda: a[rng.randrange(700)])
    attempt(lambda: a[3:600:7])
    attempt(lambda: a[[1, 5, 699]])
    attempt(lambda: view_sum(a), TypeError)  # a type that has been made one of texts has no sum
    attempt(lambda: some(a))
    attempt(lambda: a.tolist() if len(a) < 100000 else None)
    attempt(lambda: 5 in a)
    attempt(lambda: a.count(5))
    if a.mode == "r":
        return
    attempt(lambda: a.__setitem__(rng.randrange(700), a[0]))
    attempt(lambda: a.append(a[0]))
    attempt(lambda: a.extend(a[:50]))
    attempt(lambda: a.__setitem__(slice(5, 50), a[0:45]))
    attempt(lambda: a.__delitem__(slice(600, None)))
    attempt(lambda: a.resize(900))
    attempt(a.commit)


def fill_typed(d, rng):
    d.update((n, n / 2) for n in range(300))
    for n in range(5, 250, 6):
        del d[n]


def use_typed(d, rng, attempt):
    attempt(lambda: (len(d), d.key_dtype, d.value_dtype))
    attempt(lambda: repr(d))
    keys = list(range(0, 320, 3))
    for n in keys[:4]:
        attempt(lambda n=n: (d.get(n), n in d))
    attempt(lambda: d.get_many(keys, default=0))
    attempt(lambda: d.contains_many(keys))
    attempt(lambda: some(d.items()))
    attempt(lambda: some(reversed(d)))
    attempt(lambda: d.keys_array())
    attempt(lambda: d.values_array())
    attempt(lambda: d.values_array(copy=False), RuntimeError)  # which is refused where rows are dead
    attempt(lambda: d == {1: 2})
    if d.mode == "r":
        return
    for n in range(4):
        attempt(lambda: d.__setitem__(rng.randrange(350), 1))
        attempt(lambda n=n: d.pop(n, None))
        attempt(lambda n=n: d.setdefault(n, 2))
    attempt(lambda: d.set_many(range(200, 420), range(220)))
    attempt(lambda: d.add_many(range(100, 220), range(120)))
    attempt(lambda: d.pop_many(range(0, 300, 9), default=0))
    attempt(lambda: d.update((n, n) for n in range(500, 560)))
    attempt(lambda: len(d) and d.popitem())
    attempt(d.commit)


def fill_graph(g, rng):
    for n in range(40):
        g.add_edge(n % 13, f"vertex {n}", weight=n)
        g.add_edge(n, n * 7 % 41, weight=n)
    g.add_node("a vertex of a long name", colour="red", size=(1, 2))
    g.add_node((1, "tuple"), x=1)
    g.graph["name"] = "graph"
    g.remove_node("vertex 5")
    g.remove_node(7)
    g.remove_edge(8, "vertex 8")
    if g.is_multigraph():
        g.add_edges_from((1, 2, f"parallel {n}", {"weight": n}) for n in range(20))
        g.remove_edges_from((1, 2, f"parallel {n}") for n in range(5, 9))


def fill_typed_edges(g, rng):
    for n in range(60):
        g.add_edge(n % 13, n, weight=n, count=n)
    g.remove_node(5)


def use_graph(g, rng, attempt):
    attempt(lambda: (len(g), g.number_of_edges(), g.number_of_nodes(), g.size()))
    attempt(lambda: repr(g))
    attempt(lambda: dict(g.graph))
    attempt(lambda: some(g.nodes(data=True)))
    attempt(lambda: some(g.edges(data=True)))
    attempt(lambda: g.is_multigraph() and (g.number_of_edges(1, 2), g[1][2]["parallel 4"], dict(g[1][2])))
    attempt(lambda: some(g.adjacency()))
    attempt(lambda: {n: dict(g.nodes[n]) for n in some(g, 100)})
    attempt(lambda: [some(g.adj[n].items()) for n in some(g, 100)])
    attempt(lambda: some(g.degree()))
    if g.is_directed():
        attempt(lambda: [some(g.pred[n].items()) for n in some(g, 100)])
        attempt(lambda: some(g.in_edges(data=True)))
    for n in range(4):
        attempt(lambda n=n: g.has_edge(n, n * 7 % 41))
        attempt(lambda n=n: g.get_edge_data(n, n * 7 % 41))
        attempt(lambda n=n: some(g.neighbors(n)))
    attempt(lambda: g.subgraph([1, 2, 3, 8]).size())
    if g.mode == "r":
        return
    for n in range(6):
        attempt(lambda n=n: g.add_edge(n, n + 3, weight=1))
        attempt(lambda n=n: g.add_node(f"new {n}", x="y" * 30) if g.edge_dtype is None else g.add_node(n))
        attempt(lambda n=n: g.nodes[n].update(z=n))
        attempt(lambda n=n: g.remove_edge(n, n * 7 % 41))
    attempt(lambda: g.add_edges_from([(n, n + 1) for n in range(30, 60)]))
    attempt(lambda: g.remove_node(3))
    attempt(lambda: g.remove_nodes_from(["vertex 9", 11]))
    attempt(lambda: g.graph.update(more=1))
    attempt(g.commit)


def fill_shadow(flags, rng):
    flags.add_ranges([(0x1000, 0x90000), (2**40, 2**50)])
    for n in range(0x1000, 0x9000, 700):
        flags.mark(n, 9, n % 200 + 1)
    flags.mark(0x2000, 2**16, 4)
    flags.mark(2**40 + 5, 2**49, 2)
    flags.unmark(0x3000, 4096, 255)
    # Marks far apart, in records of each size, and pages beside them.
    flags.mark_many([2**40 + 7919 * n**3 for n in range(90)], 1)
    flags.mark_many([2**41 + n * 1000 for n in range(300)], 1)
    flags.mark_many([0x40000 + n * 5000 for n in range(40)] + [0x60000 + n * 9 for n in range(30)], 8)
    flags.mark_many(range(0x70000, 0x70100, 2), 16)


def use_shadow(flags, rng, attempt):
    attempt(lambda: (flags.width, flags.backed))
    attempt(lambda: repr(flags))
    for _ in range(4):
        place = rng.choice(
            (rng.randrange(0x90000), 2**40 + rng.randrange(2**30), 2**41 + 1000 * rng.randrange(300))
        )
        attempt(lambda place=place: flags[place])
        attempt(lambda place=place: flags.next_marked(place, 2))
        attempt(lambda place=place: flags.run_length(place, 2))
        attempt(lambda place=place: flags[place : place + 100])
        attempt(lambda place=place: flags.count(place, 5000, 4))
    attempt(lambda: some(flags.ranges(4, 0)))
    attempt(lambda: some(flags.ranges(2, 2)))
    attempt(lambda: flags.count_marked_as_code(2**40, 2**49))
    if flags.mode == "r":
        return
    for _ in range(4):
        place = rng.choice(
            (rng.randrange(0x90000), 2**40 + rng.randrange(2**30), 2**41 + 1000 * rng.randrange(300))
        )
        attempt(lambda place=place: flags.mark(place, rng.randrange(5000), 1))
        attempt(lambda place=place: flags.assign(place, 2**14, 0))
        attempt(lambda place=place: flags.add_range(place, place + 4096))
        attempt(lambda place=place: flags.__setitem__(place, 3))
    attempt(flags.commit)


USES = {
    "dict": use_dict,
    "list": use_list,
    "deque": use_deque,
    "set": use_set,
    "typed set": use_typed_set,
    "array": use_array,
    "typed dict": use_typed,
    "graph": use_graph,
    "shadow memory": use_shadow,
}


def kind_of(container):
    if isinstance(container, pyrsistence.EMTypedDict):
        return "typed dict"
    if isinstance(container, nx.Graph):
        return "graph"
    return type(container)._kind_name


def member_of(store, name, kind):
    if kind == "graph":
        for get in (store.graph, store.digraph, store.multigraph, store.multidigraph):
            try:
                return get(name, pickle=False)
            except pyrsistence.FormatError:
                continue
        raise ValueError("no kind of graph")
    if kind in ("array", "shadow memory"):
        return (store.array if kind == "array" else store.shadow_memory)(name)
    return getattr(store, kind.split()[-1])(name, pickle=False)


def exercise(path, mode, rng, strict=False):
    """Opens what is at a path, uses all of it, and closes it. Returns whether it could be opened."""
    attempt = Attempts(strict)
    options = {} if strict else {"pickle": False}
    found = attempt(lambda: pyrsistence.open(path, mode, commit_interval=None, **options))
    if found is None:
        return False
    try:
        if isinstance(found, pyrsistence.Store):
            for name, kind in (attempt(found.members) or {}).items():
                member = attempt(lambda name=name, kind=kind: member_of(found, name, kind))
                if member is not None:
                    USES[kind](member, rng, attempt)
        else:
            USES[kind_of(found)](found, rng, attempt)
        use_store(found, path, rng, attempt)
    finally:
        attempt(found.close)
    return True


def use_store(found, path, rng, attempt):
    attempt(found.verify)
    attempt(found.stats)
    for call in (found.backup, found.compact):
        copied = f"{path}-copy"
        attempt(lambda call=call, copied=copied: call(copied))
        shutil.rmtree(copied, ignore_errors=True)
    if found.mode != "r":

        def roll_back():
            with found.transaction():
                for member in [found] if not isinstance(found, pyrsistence.Store) else []:
                    if kind_of(member) == "dict":
                        member["rolled back"] = copy.copy("x" * 100)
                raise KeyError

        if not attempt.strict:
            attempt(roll_back)
        attempt(found.compact)
        attempt(found.commit)
        attempt(found.verify)
    if not isinstance(found, pyrsistence.Store) and found.mode != "r" and rng.random() < 0.5:
        attempt(found.clear if hasattr(found, "clear") else found.commit)
