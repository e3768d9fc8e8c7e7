"""Who may use a store's files: mode, owner and group are kept by whatever writes it, copies are not wider,
and who may only read can stop nobody.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile

import numpy
import pytest

import pyrsistence as em
from helpers import python_path
from pyrsistence.__main__ import main

OTHER, OWNER, GROUP = 65534, 65533, 65532  # numbers without names

by_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become others")


@pytest.fixture
def place():
    """A directory that every user can reach, as pytest's own are not."""
    path = tempfile.mkdtemp(prefix="test-permissions-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def masked():
    """Sets the umask, and restores it."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def modes(path):
    """The permissions of each file."""
    return {name: stat.S_IMODE(os.stat(f"{path}/{name}").st_mode) for name in sorted(os.listdir(path))}


def lock_mode(mode):
    """Who may write may lock."""
    return mode & 0o222 | (mode & 0o222) << 1


def expect_modes(path, mode):
    found = modes(path)
    assert found.pop("lock") == lock_mode(mode)
    assert set(found.values()) == {mode}, found
    return found


def a_store(path, **options):
    with em.Store(path, **options) as store:
        make_files(store)


def make_files(store):
    """All that makes files, in whatever is a member."""
    store.dict("d").update((number, [number] * 100) for number in range(500))
    store.list("l").extend(range(2000))
    store.array("a", "u8").extend(range(2000))
    store.dict("t", key="u8", value="u8").update((number, 1) for number in range(500))
    store.shadow_memory("s", [(0, 1 << 20)])[5] = 1
    store.graph("g").add_edge(1, 2)
    store.commit()
    for change in (
        store.list("l").reverse,
        store.list("l").sort,
        lambda: store.list("l").insert(0, -1),
        store.dict("d").clear,
        store.dict("t").clear,
        lambda: store.graph("g").clear(),
        store.compact,
        lambda: store.drop("d"),
        lambda: store.dict("new").update(a=1),
    ):
        change()
        store.commit()
    store.drop("new")
    store.commit()


MAKERS = {
    "Store": em.Store,
    "EMDict": em.EMDict,
    "EMTypedDict": lambda path, **o: em.EMDict(path, key="u8", value="u8", **o),
    "EMList": em.EMList,
    "EMSet": em.EMSet,
    "EMTypedSet": lambda path, **o: em.EMSet(path, dtype="u8", **o),
    "EMArray": em.EMArray,
    "EMShadowMemory": lambda path, **o: em.EMShadowMemory(path, [(0, 4096)], **o),
    "EMGraph": em.EMGraph,
    "EMDiGraph": em.EMDiGraph,
    "EMMultiGraph": em.EMMultiGraph,
    "EMMultiDiGraph": em.EMMultiDiGraph,
    "open": em.open,
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("permissions", [None, 0o600, 0o640, 0o664])
def test_a_new_store_has_the_permissions_asked_for(maker, permissions, tmp_path, masked):
    masked(0o027)
    maker(tmp_path / "s", permissions=permissions).close()
    expected = 0o640 if permissions is None else permissions
    expect_modes(tmp_path / "s", expected)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == expected | (expected & 0o444) >> 2


def test_reopened_at_another_place_of_the_same_object(tmp_path, masked):
    for made in (em.EMDict(), em.EMList(), em.EMArray(), em.EMShadowMemory()):
        made.close()
        path = tmp_path / type(made).__name__
        made.open(path, permissions=0o600)
        made.close()
        expect_modes(path, 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o644, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_whatever_makes_files_keeps_the_permissions(mode, umask, tmp_path, masked):
    a_store(tmp_path / "s", permissions=mode)
    before = expect_modes(tmp_path / "s", mode)
    masked(umask)
    (tmp_path / "s" / "readers").unlink()
    (tmp_path / "s" / "lock").unlink()
    a_store(tmp_path / "s")
    after = expect_modes(tmp_path / "s", mode)
    assert set(after) != set(before)


def test_permissions_that_were_changed_by_hand_are_kept(tmp_path, masked):
    a_store(tmp_path / "s")
    for name in os.listdir(tmp_path / "s"):
        os.chmod(tmp_path / "s" / name, 0o600)
    a_store(tmp_path / "s", permissions=0o666)  # it is no new one
    expect_modes(tmp_path / "s", 0o600)


def test_a_lock_file_that_others_could_hold_is_narrowed(tmp_path, masked):
    em.EMDict(tmp_path / "s").close()
    for before, after in ((0o644, 0o600), (0o666, 0o666), (0o664, 0o660), (0o640, 0o600)):
        os.chmod(tmp_path / "s" / "lock", before)
        em.EMDict(tmp_path / "s").close()
        assert modes(tmp_path / "s")["lock"] == after


@pytest.mark.parametrize("bad", [0o400, 0o477, 0o1600, 0, -1, 0o10000])
def test_permissions_that_are_none(bad, tmp_path):
    for maker in MAKERS.values():
        with pytest.raises(ValueError, match="0o600"):
            maker(tmp_path / "s", permissions=bad)
    assert not (tmp_path / "s").exists()
    with pytest.raises(TypeError):
        em.EMDict(tmp_path / "s", permissions="600")
    em.EMDict(tmp_path / "s", permissions=numpy.int64(0o600)).close()


def test_the_commands_that_make_a_store(tmp_path, masked, capsys):
    (tmp_path / "in").write_text('{"key": 1, "value": 2}\n{"end": 1}\n')
    load = ["load", str(tmp_path / "s"), str(tmp_path / "in"), "--no-progress"]
    assert main([*load, "--permissions", "600"]) == 0
    expect_modes(tmp_path / "s", 0o600)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    for bad in ("400", "8", "x", "1777"):
        with pytest.raises(SystemExit):
            main([*load, "--permissions", bad])
        assert "octal" in capsys.readouterr().err


# ---- Copies


@pytest.mark.parametrize("way", ["backup", "compact"])
@pytest.mark.parametrize(
    ("directory", "mode", "umask", "copied_directory", "copied"),
    [
        (0o700, 0o644, 0o022, 0o700, 0o600),
        (0o755, 0o600, 0o000, 0o700, 0o600),
        (0o755, 0o644, 0o000, 0o755, 0o644),
        (0o755, 0o644, 0o077, 0o700, 0o600),
        (0o750, 0o664, 0o002, 0o750, 0o660),
        (0o777, 0o666, 0o022, 0o755, 0o644),
        (0o711, 0o644, 0o000, 0o711, 0o644),
        (0o555, 0o444, 0o022, 0o755, 0o644),
    ],
)
def test_a_copy_is_not_wider_than_its_source(
    way, directory, mode, umask, copied_directory, copied, tmp_path, masked
):
    em.EMDict(tmp_path / "s", {"a": 1}).close()
    for name in os.listdir(tmp_path / "s"):
        os.chmod(tmp_path / "s" / name, mode)
    os.chmod(tmp_path / "s", directory)
    masked(umask)
    with em.EMDict(tmp_path / "s", mode="r") as d:
        getattr(d, way)(tmp_path / "copy")
    if mode == 0o444:  # whoever makes the copy can write it
        copied, copied_directory = 0o644, 0o755
    expect_modes(tmp_path / "copy", copied)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == copied_directory
    os.chmod(tmp_path / "s", 0o755)


@pytest.mark.parametrize("way", ["backup", "compact"])
def test_an_empty_directory_keeps_its_permissions(way, tmp_path, masked):
    em.EMDict(tmp_path / "s", {"a": 1}, permissions=0o600).close()
    (tmp_path / "copy").mkdir()
    os.chmod(tmp_path / "copy", 0o2775)
    owner = (OWNER, GROUP) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(tmp_path / "copy", *owner)
    with em.EMDict(tmp_path / "s", mode="r") as d:
        getattr(d, way)(tmp_path / "copy")
    status = (tmp_path / "copy").stat()
    assert (status.st_uid, status.st_gid) == owner
    assert stat.S_IMODE(status.st_mode) == 0o2775
    expect_modes(tmp_path / "copy", 0o600)


# ---- Owners


def run_as(user, code, *arguments, groups=(), expect=0):
    """Runs code as another user, with the package imported."""
    prologue = (
        "import os, sys, pickle, fcntl, struct, time, numpy, networkx\n"
        "import pyrsistence as em, pyrsistence._graphs.stored, test_permissions\n"
        f"os.setgroups({list(groups)}); os.setgid({user}); os.setuid({user})\n"
    )
    environment = {**os.environ, "PYTHONPATH": python_path()}
    done = subprocess.run(
        [sys.executable, "-c", prologue + code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


def give(path, user, group):
    for name in ("", *os.listdir(path)):
        os.chown(f"{path}/{name}", user, group)


@by_root
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_what_root_writes_stays_its_owners(place, mode):
    path = f"{place}/s"
    a_store(path, permissions=mode)
    give(path, OWNER, GROUP)
    os.unlink(f"{path}/lock")
    os.unlink(f"{path}/readers")
    a_store(path)
    expect_modes(path, mode)
    owners = {
        (os.stat(f"{path}/{name}").st_uid, os.stat(f"{path}/{name}").st_gid) for name in os.listdir(path)
    }
    assert owners == {(OWNER, GROUP)}
    run_as(OWNER, "test_permissions.a_store(sys.argv[1])", path, groups=[GROUP])
    expect_modes(path, mode)


@by_root
def test_users_of_a_group_share_a_store(place):
    path = f"{place}/s"
    a_store(path, permissions=0o660)
    give(path, OWNER, GROUP)
    run_as(OTHER, "test_permissions.a_store(sys.argv[1])", path, groups=[GROUP])
    expect_modes(path, 0o660)
    assert {os.stat(f"{path}/{name}").st_gid for name in os.listdir(path)} == {GROUP}
    run_as(OWNER, "test_permissions.a_store(sys.argv[1])", path, groups=[GROUP])


@by_root
def test_a_group_that_cannot_be_kept_gets_no_more_than_others(place):
    """Who writes as one of the others cannot give files to the store's group; his own gets no rights."""
    path = f"{place}/s"
    a_store(path, permissions=0o666)
    give(path, OWNER, GROUP)
    for name in os.listdir(path):
        os.chmod(f"{path}/{name}", 0o646)  # others more than the group
    os.chmod(path, 0o777)
    run_as(OTHER, "test_permissions.a_store(sys.argv[1])", path)
    made = [name for name in os.listdir(path) if os.stat(f"{path}/{name}").st_uid == OTHER]
    assert made
    assert {modes(path)[name] for name in made} == {0o646}
    with em.Store(path, mode="r") as store:
        run_as(OTHER, "em.Store(sys.argv[1], mode='r').backup(sys.argv[1] + '/../copy')", path, expect=1)
        os.chmod(place, 0o777)
        run_as(OTHER, "em.Store(sys.argv[1], mode='r').backup(sys.argv[1] + '/../copy')", path)
        assert all(mode & 0o070 <= (mode & 0o007) << 3 for mode in modes(f"{place}/copy").values())
        assert store.verify() == []


# ---- Who may only read

# Holds shared locks of all files of a store that can be opened for reading, for as long as its input is open.
HOLD = """
held = []
for name in sorted(os.listdir(sys.argv[1])):
    for kind in (fcntl.F_OFD_SETLK,) if hasattr(fcntl, "F_OFD_SETLK") else (37,):
        try:
            held.append(os.open(sys.argv[1] + "/" + name, os.O_RDONLY))
        except PermissionError:
            print("not", name, end=" ")
            continue
        fcntl.fcntl(held[-1], kind, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
        fcntl.flock(held[-1], fcntl.LOCK_SH)
held.append(os.open(sys.argv[1], os.O_RDONLY))
fcntl.flock(held[-1], fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """A process of another user that holds what it can."""

    def __init__(self, path):
        prologue = (
            f"import os, sys, fcntl, struct\nos.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", prologue + HOLD, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@by_root
@pytest.mark.parametrize("while_open", [False, True], ids=["before it is opened", "while it is open"])
def test_who_may_only_read_stops_nobody(place, while_open, run_python):
    path = f"{place}/s"
    with em.EMDict(path, {"a": 1}, permissions=0o644):
        pass
    writer = em.EMDict(path) if while_open else None
    with Holder(path) as holder:
        assert holder.said == "not lock held\n"
        writer = writer or em.EMDict(path)
        writer["a"] = 2
        writer.commit()
        writer.compact()
        writer.backup(f"{place}/copy")
        # A reader that may write makes the writer wait, and backs it up.
        code = (
            "import sys, pyrsistence as em\n"
            "with em.EMDict(sys.argv[1], mode='r') as d:\n"
            "    with d.snapshot(): print(d['a'])\n"
            "    d.backup(sys.argv[2])\n"
        )
        assert run_python(code, path, f"{place}/copy2") == "2\n"
        writer["a"] = 3
        writer.close()
        with em.EMDict(path, timeout=0) as again:
            assert again["a"] == 3


@by_root
def test_readers_of_another_user_go_on_reading(place):
    path, theirs = f"{place}/s", f"{place}/theirs"
    os.mkdir(theirs)
    os.chown(theirs, OTHER, OTHER)
    with em.EMDict(path, {"a": 1}, permissions=0o644) as writer:
        writer.commit()
        code = (
            "with em.EMDict(sys.argv[1], mode='r') as d:\n"
            "    print(d['a'], d.copy(), d.verify())\n"
            "    again = pickle.loads(pickle.dumps(d)); assert again is d\n"
            "    try:\n"
            "        d.snapshot().__enter__()\n"
            "    except OSError as error:\n"
            "        print('no snapshot')\n"
            "    d.backup(sys.argv[2]); print(em.EMDict(sys.argv[2])['a'])\n"
        )
        said = "1 {'a': 1} []\nno snapshot\n1\n"
        assert run_as(OTHER, code, path, f"{theirs}/beside") == said
    assert run_as(OTHER, code, path, f"{theirs}/after") == said
    with em.EMDict(path) as writer:
        writer["a"] = 2
        writer.commit()
        pickled = pickle.dumps(writer).hex()
        code = "print(pickle.loads(bytes.fromhex(sys.argv[1]))['a'])"
        assert run_as(OTHER, code, pickled) == "2\n"


@by_root
def test_a_backup_of_who_cannot_make_the_writer_wait(place):
    """It is one state, or refused: here a writer commits while it is copied, twice or always."""
    path, theirs = f"{place}/s", f"{place}/theirs"
    os.mkdir(theirs)
    os.chown(theirs, OTHER, OTHER)
    with em.EMDict(path, ((number, 0) for number in range(20_000)), permissions=0o644) as writer:
        code = (
            "d = em.EMDict(sys.argv[1], mode='r')\n"
            "times = int(sys.argv[3])\n"
            "def progress(done, total):\n"
            "    global times\n"
            "    if done == total and times:\n"
            "        times -= 1\n"
            "        print('now', flush=True); sys.stdin.readline()\n"
            "try:\n"
            "    d.backup(sys.argv[2], progress=progress)\n"
            "    copy = em.EMDict(sys.argv[2])\n"
            "    print('copy', copy.verify(), set(copy.values()))\n"
            "except em.SnapshotError:\n"
            "    print('refused', os.listdir(os.path.dirname(sys.argv[2])))\n"
        )
        for times in (1, 1000):
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "import os, sys, pyrsistence as em\n"
                    f"os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})\n" + code,
                    path,
                    f"{theirs}/{times}",
                    str(times),
                ],
                env={**os.environ, "PYTHONPATH": python_path()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, line in enumerate(process.stdout, 1):
                if line != "now\n":
                    break
                writer.update((key, 1000 * times + number) for key in range(20_000))
                writer.commit()
                process.stdin.write("\n")
                process.stdin.flush()
            process.stdin.close()
            assert process.wait() == 0
            process.stdout.close()
            if times == 1:
                assert line == "copy [] {1001}\n"
            else:
                assert line == "refused ['1']\n"
