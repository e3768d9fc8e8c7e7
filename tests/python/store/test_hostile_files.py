"""A damaged or hostile file raises an error, or gives an answer: it never crashes, hangs, runs code, or takes
memory and disk that the store does not have. structural_mutator.py does the work; here are some hundred,
and what a random one rarely is.
"""

import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import pytest

import pyrsistence
import store_exercise
import structural_mutator
from helpers import LIMIT, python_path
from store_forge import FILE_KINDS, PAGE, Files

MUTANTS = 250
GIB = 1 << 30


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    file = tmp_path_factory.mktemp("images") / "images"
    structural_mutator.images_in(file)
    return file


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(dir=structural_mutator.fast_directory()) as path:
        yield path


def test_mutants_are_refused_or_answer(images, rng):
    seed = rng.randrange(1 << 32)
    command = [sys.executable, structural_mutator.__file__, "--mutants", str(MUTANTS), "--seed", str(seed)]
    command += ["--images", str(images)]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-4000:]}"
    opened = sum(map(int, re.findall(r"opened (\d+) times", result.stdout)))
    assert 0 < opened < 2 * MUTANTS, "every opening refused, or none: the test showed nothing"


def test_stores_that_are_not_mutants_are_sound(images, directory):
    """What uses them raises nothing then, and leaves them sound."""
    for name, files in structural_mutator.images_in(images).items():
        path = f"{directory}/{name}"
        for mode in ("r", "a"):
            files.write(path)
            assert store_exercise.exercise(path, mode, random.Random(1), strict=True), name
            with pyrsistence.open(path, "r") as container:
                assert container.verify() == [], name
            shutil.rmtree(path)


@pytest.mark.parametrize("kind", FILE_KINDS)
@pytest.mark.parametrize("mode", ["r", "a"])
def test_what_is_no_regular_file_is_refused(images, directory, kind, mode):
    """Whichever file it is, nothing waits for it, and nothing is read of it."""
    good = structural_mutator.images_in(images)["dict, recovered"]
    for name in good.bytes:
        path = f"{directory}/store-{name}"
        files = good.copy()
        files.special[name] = kind
        files.write(path)
        signal.alarm(20)
        try:
            with pytest.raises((pyrsistence.DamagedError, pyrsistence.FormatError)):
                with pyrsistence.EMDict(path, mode=mode) as d:
                    for key in d:
                        d[key]
                    if mode == "a":
                        d["new"] = 1
                        d.commit()
                    raise pyrsistence.DamagedError if d.verify() else AssertionError(name)
        finally:
            signal.alarm(0)


def test_other_things_in_the_directory_do_no_harm(path):
    with pyrsistence.EMDict(path, mode="x") as d:
        os.mkfifo(path / "foreign")
        (path / "folder").mkdir()
        d[1] = 1
        assert d.verify() == [] and d.stats()["entries"] == 1
        d.backup(path.with_name("copy"))
    with pyrsistence.EMDict(path) as d:
        assert d == {1: 1}


# ---- sizes that only holes have


def disk_of(path):
    return sum(os.stat(path / name).st_blocks * 512 for name in os.listdir(path))


def grown(path, file, size):
    """Says in the region table that the region of this file is so large, and makes a hole of it."""
    files = Files(path)
    [region] = [r for r in files.regions() if r.file == file]
    files.set_entry(region.entry, size=size)
    files.sizes = {f"region-{file}": size, f"sums-{file}": size // 1024 + PAGE}
    files.seal()
    files.write(path)


@pytest.mark.parametrize("file", [1, 2])
@pytest.mark.parametrize("mode", ["r", "a"])
def test_a_table_that_is_a_hole_is_refused(path, file, mode):
    with pyrsistence.EMDict(path) as d:
        d[1] = 1
    grown(path, file, 2 * GIB + (64 if file == 1 else 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(pyrsistence.DamagedError, match="hole"):
        pyrsistence.EMDict(path, mode=mode)
    with pytest.raises(pyrsistence.DamagedError, match="hole"):
        pyrsistence.open(path, mode=mode)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_journal_that_is_a_hole_is_not_read(path):
    with pyrsistence.EMDict(path) as d:
        d[1] = 1
    os.truncate(path / "journal", 1 << 42)
    with pyrsistence.EMDict(path, mode="r") as d:
        assert d == {1: 1}
        d.backup(path.with_name("copy"))
    with pyrsistence.EMDict(path) as d:
        assert d == {1: 1}


@pytest.mark.parametrize("mode", ["r", "a"])
def test_verify_does_not_read_holes(path, mode):
    """A region of 8 TiB, all of it damaged: one finding for all its pages, at once."""
    with pyrsistence.EMDict(path) as d:
        d[1] = 1
        d[1] = "which needs a block of the heap"
    grown(path, 5, 8 << 40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pyrsistence.EMDict(path, mode=mode) as d:
        found = d.verify()
        assert d.stats()["regions"]["values"]["bytes"] == 8 << 40
    assert any("region-5" in finding and "damaged pages" in finding for finding in found) and len(found) < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert disk_of(path) < 1 << 20


@pytest.mark.parametrize(
    "target, offset", [(7, 2 * GIB), (7, 1 << 34), (6, 2 * GIB), (6, 1 << 63), (7, 2**64 - 4), (0, 0)]
)
@pytest.mark.parametrize("how", ["a", "r", "backup"])
def test_a_journal_takes_no_more_of_the_disk_than_it_has(path, target, offset, how):
    """A frame that is believed names a far offset of a file, its checksums, or a file that cannot be."""
    with pyrsistence.EMDict(path) as d:
        d.update((n, n) for n in range(100))
    files = Files(path)
    files.add_commit([(4, 32, bytes(4)), (target, offset, b"\1\2\3\4")])
    files.write(path)
    os.remove(path / "readers")  # as in a copy: recovery is due
    before = Files(path).bytes["region-2"]
    copy = path.with_name("copy")
    try:
        with pyrsistence.EMDict(path, mode="a" if how == "a" else "r", pickle=False) as d:
            if how == "backup":
                d.backup(copy)
            assert how != "a" and d[5] == 5  # the far bytes are of no page
    except (pyrsistence.DamagedError, pyrsistence.FormatError):
        assert Files(path).bytes["region-2"] == before, "a journal that is refused is refused whole"
    assert disk_of(path) < 1 << 20
    assert not copy.exists() or disk_of(copy) < 1 << 20


# ---- tables that contradict themselves


def forged_member(path, change):
    files = Files(path)
    change(files.bytes["region-2"], files)
    files.seal()
    files.write(path)


TABLES = {
    "two members of one region": lambda table, _: struct.pack_into("<4I", table, 256 + 16, 2, 3, 4, 5),
    "a region twice in one member": lambda table, _: struct.pack_into("<4I", table, 16, 2, 2, 4, 5),
    "a dict of one region": lambda table, _: struct.pack_into("<I", table, 8, 1),
    "a list of four regions": lambda table, _: struct.pack_into("<I", table, 4, 2),
    "the region of a table": lambda table, _: struct.pack_into("<I", table, 16, 1),
    "a region that does not exist": lambda table, _: struct.pack_into("<I", table, 16, 1000),
    "a name that is not UTF-8": lambda table, _: struct.pack_into("<B", table, 56, 0xFF),
    "a name that is too long": lambda table, _: struct.pack_into("<I", table, 12, 201),
    "two members of one name": lambda table, _: struct.pack_into("<B", table, 256 + 56, ord("a")),
    "two regions of one file": lambda _, files: files.set_entry(2, file=files.entries()[3][0]),
    "a region in a table's file": lambda _, files: files.set_entry(2, file=1),
    "a file that was never given out": lambda _, files: files.set_entry(2, file=1000),
    "a region larger than any": lambda _, files: files.set_entry(2, size=2**64 - 1),
    "a kind that is not known": lambda table, _: struct.pack_into("<I", table, 4, 99),
}


@pytest.mark.parametrize("change", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("where", ["in the table", "in the journal"])
def test_tables_are_checked_as_a_whole(path, mode, change, where):
    with pyrsistence.Store(path) as store:
        store.dict("a")[1] = 1
        store.dict("b")[2] = 2
    old = Files(path)
    forged_member(path, change)
    if where == "in the journal":
        new = Files(path)
        ranges = []
        for file in (1, 2):
            ranges += [(2 * file, 0, bytes(new.bytes[f"region-{file}"][:512]))]
            ranges += [(2 * file + 1, 0, bytes(new.bytes[f"sums-{file}"][:4]))]
        old.add_commit(ranges)
        old.write(path)
        os.remove(path / "readers")  # as in a copy: recovery is due
    with pytest.raises((pyrsistence.DamagedError, pyrsistence.FormatError)):
        pyrsistence.Store(path, mode=mode)


def test_signals_are_handled_while_verify_runs(path):
    """A region that is a hole of 8 GiB whose checksums are there, so that each page is looked at."""
    with pyrsistence.EMDict(path) as d:
        d[1] = 1
        d[1] = "which needs a block of the heap"
    grown(path, 5, 8 * GIB)
    with (path / "sums-5").open("r+b") as file:
        file.write(b"\1" * (8 << 20))
    handled = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled.append(1))
    with pyrsistence.EMDict(path, mode="r") as d:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        try:
            assert d.verify()
            during = len(handled)
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            with pytest.raises(KeyboardInterrupt):
                d.verify()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert during > 1, "a call that does not look handles a signal at its end only"
        assert d[1] == "which needs a block of the heap"
