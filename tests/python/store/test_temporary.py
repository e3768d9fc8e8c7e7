"""Temporary containers: in memory as long as they are small, then in files; only what they take tells."""

import multiprocessing
import os
import pathlib
import pickle
import random
import resource
import threading

import pytest

import pyrsistence as em

networkx = pytest.importorskip("networkx")
numpy = pytest.importorskip("numpy")


def fill_dict(made, numbers):
    made.update((i, f"value {i}" * 8) for i in numbers)


def fill_typed(made, numbers):
    made.update((i, b"value %d" % i) for i in numbers)


def fill_list(made, numbers):
    made.extend([i, f"value {i}" * 8] for i in numbers)


def fill_set(made, numbers):
    made.update((i, f"value {i}" * 8) for i in numbers)


def fill_typed_set(made, numbers):
    made.update(b"element %d" % i for i in numbers)


def fill_array(made, numbers):
    made.extend([float(i)] * 8 for i in numbers)


def fill_shadow(made, numbers):
    for i in numbers:
        made.add_ranges([(4096 * i, 4096 * i + 16)])
        made[4096 * i] = i % 255 + 1


def fill_graph(made, numbers):
    for i in numbers:
        made.add_node(i, label=f"vertex {i}" * 8)
        made.add_edge(i, i // 2, weight=i)


def fill_store(made, numbers):
    fill_dict(made.dict("names"), numbers)
    fill_list(made.list("lines"), numbers)
    fill_set(made.set("seen"), numbers)
    fill_list(made.deque("tasks"), numbers)


def of_dict(made):
    return dict(made)


def of_list(made):
    return list(made)


def of_array(made):
    return made[:].tolist()


def of_shadow(made):
    return made.backed, list(made.ranges(1))


def of_graph(made):
    return dict(made.nodes(data=True)), list(made.edges(data=True))


def of_store(made):
    parts = made.list("lines"), made.set("seen"), made.deque("tasks")
    return of_dict(made.dict("names")), *map(of_list, parts)


KINDS = {
    "dict": (em.EMDict, fill_dict, of_dict),
    "typed dict": (lambda: em.EMDict(key="i8", value="S64"), fill_typed, of_dict),
    "list": (em.EMList, fill_list, of_list),
    "set": (em.EMSet, fill_set, of_list),
    "typed set": (lambda: em.EMSet(dtype="S64"), fill_typed_set, of_list),
    "deque": (em.EMDeque, fill_list, of_list),
    "array": (lambda: em.EMArray(shape_tail=(8,)), fill_array, of_array),
    "shadow memory": (em.EMShadowMemory, fill_shadow, of_shadow),
    "graph": (em.EMGraph, fill_graph, of_graph),
    "directed graph": (em.EMDiGraph, fill_graph, of_graph),
    "multigraph": (em.EMMultiDiGraph, fill_graph, of_graph),
    "store": (em.Store, fill_store, of_store),
}


def mappings_now():
    return pathlib.Path("/proc/self/maps").read_text().count("\n")


SMALL, LARGE = range(40), range(40, 2500)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_small_ones_take_no_files_descriptors_or_mappings(kind, folder):
    make, fill, content = kind
    fill(make(), SMALL)  # whatever is made once
    descriptors, mappings = len(os.listdir("/proc/self/fd")), mappings_now()
    made = [make() for _ in range(50)]
    for one in made:
        fill(one, SMALL)
        one.commit()
    assert os.listdir(folder) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert mappings_now() < mappings + 20  # memory that malloc asks for
    assert all(content(one) == content(made[0]) for one in made)
    assert made[0].verify() == [] and made[0].stats()["disk_bytes"] == 0


def test_large_ones_move_to_files(kind, folder):
    make, fill, content = kind
    with make() as made, make() as small:
        fill(made, SMALL)
        fill(small, SMALL)
        assert content(made) == content(small)
        fill(made, LARGE)
        made.commit()
        assert len(os.listdir(folder)) == 1 and made.stats()["disk_bytes"] > 0
        assert made.verify() == []
        before = content(made)
        with pytest.raises(KeyError), made.transaction():
            fill(made, range(9000, 9100))
            raise KeyError
        assert content(made) == before
    assert os.listdir(folder) == []


def test_a_path_is_one_of_a_store(kind, folder, tmp_path):
    make, fill, content = kind
    with make() as made:
        fill(made, SMALL)
        assert os.listdir(folder) == []
        path = made.path
        assert os.listdir(folder) == [os.path.basename(path)] and "superblock" in os.listdir(path)
        assert os.stat(path).st_mode & 0o777 == 0o700
        fill(made, range(40, 60))
        made.commit()
        before = content(made)
        with pytest.raises(em.LockedError):
            em.open(path)
        made.backup(tmp_path / "copy")
        with em.open(tmp_path / "copy") as copy:
            assert content(copy) == before
    assert not os.path.exists(path)


def read(sent):
    made, name = sent
    return KINDS[name][2](made)


@pytest.mark.parametrize("name", KINDS)
def test_they_are_sent_by_pickle(name, folder):
    make, fill, content = KINDS[name]
    with make() as made:
        fill(made, SMALL)
        assert pickle.loads(pickle.dumps(made)) is made or "graph" in name
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(read, ((made, name),)) == content(made)


def test_they_are_compacted_and_backed_up(kind, folder, tmp_path):
    make, fill, content = kind
    with make() as made:
        fill(made, SMALL)
        before = content(made)
        made.compact()
        assert content(made) == before and made.verify() == []
        made.compact(tmp_path / "compact")
        made.backup(tmp_path / "backup")
        for copy in ("compact", "backup"):
            with em.open(tmp_path / copy) as one:
                assert content(one) == before


@pytest.mark.parametrize("more", [range(40, 80), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("before", [range(0), SMALL], ids=["empty", "small"])
def test_transactions(kind, folder, before, more):
    make, fill, content = kind
    with make() as made, make() as other:
        for one in (made, other):
            if one is not made or before:
                fill(one, before)
        held = content(made)
        with pytest.raises(KeyError), made.transaction():
            fill(made, more)
            raise KeyError
        assert content(made) == held and made.verify() == []
        with made.transaction():
            fill(made, more)
        fill(other, more)
        assert content(made) == content(other)
        fill(made, range(2500, 2510))
        fill(other, range(2500, 2510))
        assert content(made) == content(other) and made.verify() == []


def test_random_steps(kind, folder):
    """Filling, transactions, commits and paths in any order: as of one that has files from the beginning."""
    make, fill, content = kind
    for seed in range(2):
        chance = random.Random(seed)
        with make() as made, make() as model:
            model.path  # gives it files
            end = 0
            for _ in range(20):
                numbers = range(end, end + chance.choice([1, 10, 100]))
                step = chance.randrange(8)
                for one in (made, model):
                    if step < 4:
                        fill(one, numbers)
                    elif step == 4:
                        with one.transaction():
                            fill(one, numbers)
                    elif step == 5:
                        with pytest.raises(KeyError), one.transaction():
                            fill(one, numbers)
                            raise KeyError
                    elif step == 6:
                        one.commit()
                    elif chance.randrange(4) == 0:
                        one.compact()
                end = numbers.stop
                assert content(made) == content(model)
            assert made.verify() == []


@pytest.mark.parametrize("rolled_back", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_views_of_an_array(folder, inside, rolled_back):
    with em.EMArray(None, "f8", [1.0, 2.0, 3.0]) as a:
        view = None if inside else a.view(writable=True)
        try:
            with a.transaction():
                if inside:
                    view = a.view(writable=True)
                view[1] = 20.0
                a.append(4.0)
                if rolled_back:
                    raise KeyError
        except KeyError:
            pass
        expected = [1.0, 2.0, 3.0] if rolled_back else [1.0, 20.0, 3.0, 4.0]
        assert a[:].tolist() == expected
        assert view.tolist() == expected[:3]
        view[0] = 10.0
        a.append(5.0)
        assert a[:].tolist() == [10.0, *expected[1:], 5.0]
        assert a.verify() == []
    assert view[0] == 10.0


def test_one_does_not_wait_for_another(kind, folder):
    """A transaction of one thread says nothing to the temporary containers of others."""
    make, fill, content = kind
    with make() as mine, make() as other:
        fill(mine, SMALL)
        done = []

        def work():
            with other.transaction():
                fill(other, SMALL)
            other.commit()
            done.append(content(other))

        with mine.transaction():
            fill(mine, range(40, 50))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(60)
        assert len(done) == 1
        fill(other, range(40, 50))
        assert content(mine) == content(other)


def test_a_child_makes_its_own(kind, folder):
    make, fill, content = kind
    with make() as made:
        fill(made, SMALL)
        before = content(made)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with pytest.raises(RuntimeError, match="fork"):
                    content(made)
                with make() as own:
                    fill(own, SMALL)
                    status = 0 if content(own) == before else 2
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert content(made) == before
        fill(made, LARGE)
        assert made.verify() == []


def test_many_at_once_under_a_limit_of_descriptors(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        graph = em.EMGraph(None, [(2 * i, 2 * i + 1) for i in range(1500)])
        parts = [graph.subgraph(part).copy() for part in networkx.connected_components(graph)]
        dicts = [em.EMDict(None, {i: i}) for i in range(1500)]
        assert sum(part.number_of_edges() for part in parts) == 1500
        assert all(d[i] == i for i, d in enumerate(dicts))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_those_that_memory_has_no_room_for_move_to_files(folder):
    budget = em.memory_budget()
    em.set_memory_budget(1 << 20)
    try:
        made = [em.EMDict(None, {i: "x" * 1000}) for i in range(60)]
        for i, d in enumerate(made):
            d[i + 1] = "y"
        assert len(os.listdir(folder)) > 0
        assert all(dict(d) == {i: "x" * 1000, i + 1: "y"} for i, d in enumerate(made))
    finally:
        em.set_memory_budget(budget)


def test_a_full_disk_leaves_it_in_memory(folder, monkeypatch):
    with em.EMDict(None, {1: 2}) as d:
        folder.rmdir()
        with pytest.raises(OSError):
            d.path
        d[3] = 4
        assert dict(d) == {1: 2, 3: 4}
        folder.mkdir()
        assert os.path.isdir(d.path) and dict(d) == {1: 2, 3: 4}
