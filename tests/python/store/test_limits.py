"""Many, large and long: descriptors, memory, space on disk, processes. Each test that measures its process
runs in a process of its own.
"""

import os
import subprocess
import sys

import pytest

from helpers import LIMIT
from pyrsistence import EMDict

# What the subprocesses share: `anonymous()` is the anonymous memory of the process, in bytes.
PRELUDE = """
import gc, os, pathlib, random, resource, sys
import pyrsistence
from pyrsistence import EMDict, EMList, Store

def anonymous():
    gc.collect()
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10

def disk(path):
    return sum(f.stat().st_blocks * 512 for f in pathlib.Path(path).rglob("*") if f.is_file())

path = sys.argv[1]
"""


@pytest.fixture
def run(run_python, path):
    """Runs the source behind PRELUDE, with `path` as its argument."""

    def run_source(source, *arguments, **options):
        return run_python(PRELUDE + source, path, *arguments, **options)

    return run_source


# --- many ---


def test_1000_members_under_1024_descriptors(run):
    run("""
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
with Store(path) as store:
    held = [store.dict(f"d{n}") if n % 2 else store.list(f"l{n}") for n in range(1000)]
    for n, container in enumerate(held):
        if n % 2: container[n] = str(n)
        else: container.append(n)
    store.commit()
    for n, container in enumerate(held):
        if n % 2: assert container[n] == str(n)
        else: assert container[-1] == n
    assert len(os.listdir("/proc/self/fd")) < 1000
with Store(path, mode="r") as store:
    assert [store.dict(f"d{n}")[n] for n in range(1, 1000, 2)] == [str(n) for n in range(1, 1000, 2)]
    assert [store.list(f"l{n}")[0] for n in range(0, 1000, 2)] == list(range(0, 1000, 2))
""")


def test_200_stores_at_once_and_none_after_close(run):
    run("""
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
os.mkdir(path)
def descriptors(): return len(os.listdir("/proc/self/fd"))
def mappings(): return len(open("/proc/self/maps").readlines())
EMDict(path + "/first").close()
before, maps = descriptors(), mappings()
held = [EMDict(f"{path}/{n}", {n: n}) for n in range(200)]
assert all(d[n] == n for n, d in enumerate(held))
for d in held: d.close()
assert descriptors() <= before, (descriptors(), before)
assert mappings() < maps + 50, (mappings(), maps)
for turn in range(20):  # and again, so that what is closed costs nothing
    held = [EMDict(f"{path}/{n}") for n in range(50)]
    for d in held: d.close()
assert mappings() < maps + 50, (mappings(), maps)
""")


def test_empty_dict_is_small(run):
    run("""
for kind in (EMDict, EMList):
    where = f"{path}-{kind.__name__}"
    with kind(where) as container:
        container.commit()
    assert disk(where) < 128 << 10, (kind, disk(where))
""")


def test_int_entry_takes_at_most_32_bytes(run):
    run("""
with EMDict(path) as d:
    d.update((n, n) for n in range(300_000))
assert disk(path) <= 32 * 300_000, disk(path) / 300_000
with EMList(path + "-list", range(300_000)):
    pass
assert disk(path + "-list") <= 10 * 300_000, disk(path + "-list") / 300_000
""")


def test_opening_reads_a_fixed_amount(run):
    """O(1): what the kernel reads for an opening does not grow with the number of entries."""
    run("""
def read_by_opening(where):
    before = int(open("/proc/self/io").readline().split()[1])
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    d = EMDict(where)
    read = int(open("/proc/self/io").readline().split()[1]) - before
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    d.close()
    return read, faults
for name, count in (("small", 1000), ("large", 400_000)):
    with EMDict(path + name) as d:
        d.update((n, n) for n in range(count))
read_by_opening(path + "small")
small, large = read_by_opening(path + "small"), read_by_opening(path + "large")
assert large[0] <= small[0] + 65536, (small, large)
assert large[1] <= small[1] + 100, (small, large)
""")


# --- large ---


def test_list_operations_on_four_times_the_budget(run):
    run("""
BUDGET = 4 << 20
pyrsistence.set_memory_budget(BUDGET)
with EMList(path) as items:
    items.extend(range(4 * BUDGET // 8))
    n = len(items)
    assert n * 8 >= 4 * BUDGET
    base = anonymous()
    def bounded(what):
        assert anonymous() - base < BUDGET + (3 << 20), (what, anonymous() - base)
    for turn in range(5):
        items.insert(0, -1 - turn)
        bounded("insert")
    assert items[:6] == [-5, -4, -3, -2, -1, 0] and len(items) == n + 5
    items.reverse()
    bounded("reverse")
    assert items[0] == n - 1 and items[-1] == -5
    del items[1000:n // 2]
    bounded("slice deletion")
    assert len(items) == n + 5 - (n // 2 - 1000) and items[1000] == n - 1 - n // 2
    del items[::2]
    bounded("strided deletion")
    items[5:5] = items[:3]
    bounded("slice assignment")
    assert items.verify() == []
with EMList(path) as items:
    assert items.verify() == []
""")


def test_sort_on_four_times_the_budget(run):
    """The sort's own memory comes out of the budget too; a second budget is allowed for it."""
    run("""
BUDGET = 8 << 20
pyrsistence.set_memory_budget(BUDGET)
with EMList(path) as items:
    n = 4 * BUDGET // 8
    items.extend((i * 2654435761) % 1000003 for i in range(n))
    items.commit()
    base = anonymous()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    items.sort()
    assert anonymous() - base < 2 * BUDGET, anonymous() - base
    previous = -1
    for value in items:
        assert previous <= value
        previous = value
    assert len(items) == n and items.verify() == []
""")


def test_dict_is_built_under_a_small_budget(run):
    run("""
BUDGET = 8 << 20
pyrsistence.set_memory_budget(BUDGET)
base = anonymous()
with EMDict(path) as d:
    high = 0
    for start in range(0, 600_000, 20_000):
        for n in range(start, start + 20_000):
            d[n * 7919 % 1_000_003] = n
        high = max(high, anonymous() - base)
    assert high < BUDGET + (6 << 20), high
    assert len(d) == 600_000
    assert disk(path) > 2 * BUDGET
    assert all(d[n * 7919 % 1_000_003] == n for n in range(0, 600_000, 997))
with EMDict(path) as d:
    assert len(d) == 600_000 and d.verify() == []
""")


def test_transaction_beyond_the_budget_rolls_back(path, memory_budget):
    with EMDict(path) as d:
        d.update((n, n) for n in range(200_000))
        d.commit()
        memory_budget(1 << 20)
        with pytest.raises(MemoryError):
            with d.transaction():
                for n in range(200_000):
                    d[n * 7919 % 200_000] = -1
        assert all(d[n] == n for n in range(0, 200_000, 111))
        d["after"] = 1
        assert d.verify() == []
    with EMDict(path) as d:
        assert d["after"] == 1
        assert d[5] == 5


QUEUE = """
STEPS, KEPT = int(sys.argv[2]), 1000
with EMDict(path) as d:
    for n in range(KEPT):
        d[n] = n
    sizes = []
    for n in range(KEPT, KEPT + STEPS):
        d[n] = n
        oldest = next(iter(d))
        assert oldest == n - KEPT
        del d[oldest]
        if n % 100_000 == 0:
            d.commit()
            sizes.append(disk(path))
    assert len(d) == KEPT and list(d) == list(range(STEPS, STEPS + KEPT))
    assert d.verify() == []
    print(sizes)
    # Ten million records are 160 MB. What is kept: the live ones, what died since the last checkpoint, and
    # the room that a growing file gets ahead of its need, a quarter of what it holds.
    assert max(sizes) < 40 << 20, sizes
with EMDict(path) as d:
    assert list(d) == list(range(STEPS, STEPS + KEPT))
assert disk(path) < 4 << 20, disk(path)
"""


def test_dict_as_a_queue_for_ten_million_steps(run):
    run(QUEUE, 10_000_000)


def test_space_of_replaced_values_is_used_again(path):
    with EMDict(path) as d:
        for turn in range(300):
            for key in range(20):
                d[key] = bytes([turn % 256]) * (1000 + (turn * 37 + key * 101) % 9000)
            if turn % 50 == 0:
                d.commit()
        assert d.verify() == []
        d.commit()
    size = sum(file.stat().st_blocks * 512 for file in path.iterdir())
    assert size < 8 << 20, f"{size} bytes for 20 values of at most 10,000 bytes"


def test_large_key_and_value(path):
    key, value = "k" * 5_000_000, b"v" * 80_000_000
    with EMDict(path) as d:
        d[key] = value
        d["number"] = 7**500_000
    with EMDict(path, mode="r") as d:
        assert d[key] == value
        assert d["number"] == 7**500_000
        assert list(d) == [key, "number"]


# --- processes ---

RACER = """
import sys, pyrsistence
sys.stdin.readline()
try:
    with pyrsistence.EMDict(sys.argv[1], timeout=float(sys.argv[2])) as d:
        d[sys.argv[3]] = 1
        print("won")
except pyrsistence.LockedError:
    print("locked")
"""


@pytest.mark.parametrize("timeout", [0, LIMIT])
def test_two_processes_race_to_create_a_store(tmp_path, timeout):
    """One wins, the other waits or gets LockedError; the store is sound and holds what the winners wrote."""
    for turn in range(10):
        path = tmp_path / f"{timeout}-{turn}"
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(path), str(timeout), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in ("left", "right")
        ]
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        results = [racer.communicate() for racer in racers]
        said = [out.strip() for out, _ in results]
        assert set(said) <= {"won", "locked"}, results
        assert "won" in said
        if timeout:
            assert said == ["won", "won"]
        with EMDict(path, mode="r+") as d:
            winners = [name for name, word in zip(("left", "right"), said, strict=True) if word == "won"]
            assert sorted(d) == sorted(winners)
            assert d.verify() == []


def test_fork(run):
    """The child's every use raises; the parent goes on; the child's exit, of either kind, harms nothing."""
    run("""
d = EMDict(path, {"a": 1})
items = EMList(path + "-list", [1, 2])
for leave in ("exit", "_exit", "collect"):
    d["pending"] = leave
    iterator = iter(d)
    child = os.fork()
    if child == 0:
        calls = [lambda: d["a"], lambda: d.__setitem__("b", 2), lambda: len(d), lambda: items.append(1),
                 lambda: d.commit(), lambda: list(items), lambda: next(iterator), lambda: d.verify()]
        for number, call in enumerate(calls):
            try: call()
            except RuntimeError: pass
            else: os._exit(10 + number)
        try:
            EMDict(path)
        except pyrsistence.LockedError as error:
            if str(os.getppid()) not in str(error): os._exit(30)
        else:
            os._exit(31)
        if leave == "_exit": os._exit(0)
        if leave == "collect": del d, items, iterator; gc.collect(); os._exit(0)
        try: d.close()
        except RuntimeError: pass
        sys.exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, (leave, status)
    assert d["pending"] == leave and items == [1, 2]
    d["after " + leave] = 1
d.close(); items.close()
with EMDict(path) as d:
    assert set(d) == {"a", "pending", "after exit", "after _exit", "after collect"}
    assert d.verify() == []
""")


def test_child_can_take_over_after_the_parent_closed(run):
    run("""
d = EMDict(path, {"a": 1})
d.close()
child = os.fork()
if child == 0:
    with EMDict(path) as mine:
        mine["b"] = 2
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
with EMDict(path) as d:
    assert dict(d) == {"a": 1, "b": 2}
""")


def test_interpreter_exit_commits(path, run_python):
    run_python("import sys, pyrsistence\nd = pyrsistence.EMDict(sys.argv[1])\nd['left'] = 'open'", path)
    with EMDict(path) as d:
        assert dict(d) == {"left": "open"}


def test_interpreter_exit_by_exception_commits(path, run_python):
    source = "import sys, pyrsistence\nd = pyrsistence.EMDict(sys.argv[1])\nd['left'] = 'open'\n1 / 0"
    run_python(source, path, expect=1)
    with EMDict(path) as d:
        assert dict(d) == {"left": "open"}


def test_interpreter_exit_inside_a_transaction_rolls_back(path, run_python):
    source = """
import sys, pyrsistence
d = pyrsistence.EMDict(sys.argv[1], {"before": 1})
t = d.transaction()
t.__enter__()
d["half"] = 1
"""
    run_python(source, path)
    with EMDict(path) as d:
        assert dict(d) == {"before": 1}


@pytest.mark.parametrize("cycle", [False, True])
def test_garbage_collection_commits_and_closes(run, cycle):
    run(f"""
class Holder: pass
d = EMDict(path)
d["kept"] = [1]
if {cycle}:
    holder = Holder(); holder.me = holder; holder.d = d; del holder
del d
gc.collect()
with EMDict(path) as again:
    assert dict(again) == {{"kept": [1]}}
""")


def test_members_keep_their_store_alive(run):
    run("""
names = Store(path).dict("names")
gc.collect()
names["a"] = 1
names = None
gc.collect()
with Store(path) as store:
    assert dict(store.dict("names")) == {"a": 1}
""")


def test_temporary_containers_leave_nothing(run, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    run(
        """
d, items = EMDict(None, {1: 2}), EMList()
items.append(1)
assert dict(d) == {1: 2} and d.path and items.path and os.listdir(os.environ["TMPDIR"])
d.close()
del items
gc.collect()
assert os.listdir(os.environ["TMPDIR"]) == []
d = EMDict(None, {1: 2})  # and nothing of what others have put there
os.makedirs(d.path + "/of/others")
d.close()
assert os.listdir(os.environ["TMPDIR"]) == []
left_open = EMDict(None, {1: 2})
assert left_open.path
""",
        env={"TMPDIR": str(folder)},
    )
    assert os.listdir(folder) == []
