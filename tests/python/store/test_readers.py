"""Readers in other processes beside a living writer: what they see, snapshots, and who dies or stops.

The writer here is this process or a child that takes commands; the readers likewise. kill_readers.py has the
long form of the last test.
"""

import os
import signal
import subprocess
import textwrap
import time

import pytest

import kill_readers
from helpers import LIMIT, Process
from pyrsistence import EMDict, EMList, SnapshotError, Store


class Remote(Process):
    """Another process with a store open, which runs what it is sent; errors come back by name."""

    LOOP = """
        import sys, pyrsistence
        from pyrsistence import *
        path = sys.argv[1]
        for line in sys.stdin:
            source = eval(line)
            try:
                try: result = eval(source, globals())
                except SyntaxError: result = exec(source, globals())
                print(repr(("value", result)), flush=True)
            except Exception as error:
                print(repr(("error", type(error).__name__ + ": " + str(error))), flush=True)
    """

    def __init__(self, path, setup):
        super().__init__("-X", "faulthandler", "-c", textwrap.dedent(self.LOOP), path)
        self.run(setup)

    def send(self, source):
        self.tell(repr(source))

    def receive(self):
        return eval(self.line())

    def run(self, source):
        """What the source gives, or RuntimeError with the error's name."""
        self.send(source)
        kind, value = self.receive()
        if kind == "error":
            raise RuntimeError(value)
        return value

    def error(self, source):
        self.send(source)
        kind, value = self.receive()
        assert kind == "error", value
        return value
        self.process.stdout.close()


OPEN_DICT = "d = EMDict(path, mode='r')"
OPEN_LIST = "l = EMList(path, mode='r')"
OPEN_STORE = "s = Store(path, mode='r'); names, lines = s.dict('names'), s.list('lines')"


def test_a_reader_follows_the_writers_commits(path):
    with EMDict(path, {"a": 1}, commit_interval=None) as d:
        d.commit()
        with Remote(path, OPEN_DICT) as reader:
            assert reader.run("dict(d)") == {"a": 1}
            d["b"] = [2]
            assert reader.run("'b' in d") is False, "what is not committed is not seen"
            d.commit()
            assert reader.run("d['b'], len(d), d.get('c'), list(d.items())") == (
                [2],
                2,
                None,
                [("a", 1), ("b", [2])],
            )
            for n in range(3000):  # the index grows, the log grows, the window moves
                d[n] = str(n) * 20
            d.commit()
            assert reader.run("len(d), d[2999], d.verify()") == (3002, "2999" * 20, [])
            d.clear()
            d.commit()
            assert reader.run("len(d), list(d), d.copy()") == (0, [], {})


def test_a_reader_follows_a_list(path):
    with EMList(path, range(10), commit_interval=None) as items:
        items.commit()
        with Remote(path, OPEN_LIST) as reader:
            assert reader.run("l[:], l[-1], len(l), 9 in l, l.index(3), l.count(4)") == (
                list(range(10)),
                9,
                10,
                True,
                3,
                1,
            )
            items[:] = ["a text that lies in a block", 2**70, None, 1.5]
            items.commit()
            assert reader.run("l[:], l == l[:], 2**70 in l") == (items[:], True, True)
            items.extend(range(300_000))  # a new content in a file of its own
            items.sort(key=str)
            items.commit()
            assert reader.run("len(l), sum(x for x in l if isinstance(x, int) and x < 2**60)") == (
                300_004,
                sum(range(300_000)),
            )
            assert reader.run("l.verify()") == []


def test_large_values_are_whole(path):
    """Larger than what is copied before a look is confirmed."""
    with EMDict(path, commit_interval=None) as d:
        for n in range(3):
            d["big"] = bytes([n]) * (5_000_000 + n)
            d["list"] = [n] * 400_000
            d.commit()
            with Remote(path, OPEN_DICT) as reader:
                assert reader.run("len(d['big']), set(d['big']), set(d['list']), len(d['list'])") == (
                    5_000_000 + n,
                    {n},
                    {n},
                    400_000,
                )


def test_iterating_a_dict_that_changes(path):
    with EMDict(path, {n: n for n in range(100)}, commit_interval=None) as d:
        d.commit()
        with Remote(path, OPEN_DICT) as reader:
            reader.run("i = iter(d.items()); first = next(i)")
            d[0] = "a new value, longer than the old one"
            d.commit()
            assert reader.run("next(i)") == (1, 1), "new values for old keys are no change of size"
            d["new"] = 1
            d.commit()
            assert "RuntimeError: dictionary changed during iteration" in reader.error("next(i)")
            assert "snapshot" in reader.error("next(i)")
            # As many keys of as many bytes as before, but others: the iterator's place is another's.
            reader.run("i = iter(d); first = [next(i) for _ in range(100)]")
            d.popitem()
            d.popitem()
            d["bytes"] = 3
            d["of"] = 12345
            d.commit()
            assert reader.run("len(d)") == 101
            reader.error("list(i)")


def test_snapshot_holds_one_state(path):
    with Store(path, commit_interval=None, snapshot_timeout=LIMIT) as store:
        names, lines = store.dict("names"), store.list("lines")
        names["n"] = 0
        lines.append(0)
        store.commit()
        with Remote(
            path, "s = Store(path, mode='r'); names, lines = s.dict('names'), s.list('lines')"
        ) as reader:
            reader.run("held = s.snapshot(); held.__enter__(); first = names['n']")
            names["n"] = 1
            lines.append(1)
            leave = "held.__exit__(None, None, None)"
            reader.send(f"import time; time.sleep(0.3); both = names['n'], lines[:], len(lines); {leave}")
            store.commit()  # waits for the snapshot
            reader.receive()
            assert reader.run("both") == (0, [0], 1)
            assert reader.run("names['n'], lines[:]") == (1, [0, 1])
            assert (
                reader.run(
                    "with names.snapshot():\n  with s.snapshot(): nested = names['n']\n  again = names['n']"
                )
                is None
            )
            assert reader.run("nested, again") == (1, 1)


def test_snapshot_is_for_readers(path):
    with EMDict(path) as d:
        with pytest.raises(RuntimeError, match="writ"):
            with d.snapshot():
                pass
    with EMDict(path, mode="r") as d, d.snapshot():
        assert len(d) == 0


def test_a_stopped_reader_cannot_stop_the_writer(path):
    with EMDict(path, {"n": 0}, commit_interval=None, snapshot_timeout=0.2) as d:
        d.commit()
        with Remote(path, OPEN_DICT) as reader:
            reader.run("held = d.snapshot(); held.__enter__(); d['n']")
            os.kill(reader.pid, signal.SIGSTOP)
            for n in range(1, 20):
                d["n"] = n
                d.commit()
            os.kill(reader.pid, signal.SIGCONT)
            assert "SnapshotError" in reader.error("d['n']")
            assert "snapshot_timeout" in reader.error("d['n']"), (
                "it does not go on with another state unasked"
            )
            reader.run("held.__exit__(None, None, None)")
            assert reader.run("d['n']") == 19
            with_snapshot = "with d.snapshot(): n = d['n']"
            reader.run(with_snapshot)
            assert reader.run("n") == 19
    assert issubclass(SnapshotError, RuntimeError)


def test_a_reader_that_was_killed_in_its_snapshot(path):
    with EMDict(path, {"n": 0}, commit_interval=None, snapshot_timeout=LIMIT) as d:
        d.commit()
        with Remote(path, OPEN_DICT) as reader:
            reader.run("held = d.snapshot(); held.__enter__()")
            reader.kill()
            began = time.monotonic()
            d["n"] = 1
            d.commit()
            # Not the whole of snapshot_timeout: the kernel takes the slot from the dead.
            assert time.monotonic() - began < LIMIT - 1


def test_reader_before_the_writer_and_after_several(path):
    EMDict(path, {"writer": 0}).close()
    with Remote(path, OPEN_DICT) as reader:
        assert reader.run("d['writer']") == 0
        for number in range(1, 5):
            with Remote(path, "d = EMDict(path, commit_interval=None)") as writer:
                writer.run(f"d['writer'] = {number}; d[{number}] = 'x' * 5000; d.commit()")
                assert reader.run("d['writer']") == number
                if number % 2:
                    writer.run("d.close()")
                else:  # cut off with something pending, and no checkpoint
                    writer.run("d['pending'] = 1")
                    writer.kill()
            assert reader.run("d['writer'], 'pending' in d, len(d)") == (number, False, number + 1)
        assert reader.run("d.verify()") == []


def test_a_reader_of_a_killed_writers_store(path, tmp_path):
    with Remote(path, "d = EMDict(path, commit_interval=None)") as writer:
        writer.run("d.update({n: str(n) * 50 for n in range(2000)}); d.commit()")
        writer.run("d[5] = 'changed'; del d[6]; d.commit(); d[7] = 'pending'")
        writer.kill()
    with EMDict(path, mode="r") as d:
        assert (d[5], 6 in d, d[7], len(d)) == ("changed", False, "7" * 50, 1999)
        assert d.verify() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_reader_of_a_killed_writers_store_on_a_read_only_filesystem(path, tmp_path):
    with Remote(path, "d = EMDict(path, commit_interval=None)") as writer:
        writer.run("d.update({n: n for n in range(100)}); d.commit(); d[5] = 'changed'; d.commit()")
        writer.kill()
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "--bind", path, place], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        if subprocess.run(["mount", "-o", "remount,bind,ro", place], capture_output=True).returncode != 0:
            pytest.skip("this machine does not let us mount read-only")
        with pytest.raises(OSError, match="Read-only"):
            (place / "new").touch()
        with EMDict(place, mode="r") as d:
            assert d[5] == "changed" and len(d) == 100 and d.verify() == []
            assert d.copy() == d and 6 in d
            with pytest.raises(OSError, match="hold"):  # the writer could not be told
                with d.snapshot():
                    pass
    finally:
        subprocess.run(["umount", place], check=True)


def test_members_that_come_and_go(path):
    with Store(path, commit_interval=None) as store:
        names = store.dict("names")
        names["a"] = 1
        store.commit()
        with Remote(path, "s = Store(path, mode='r'); names = s.dict('names')") as reader:
            lines = store.list("lines")
            lines.append("x")
            store.commit()
            assert reader.run("sorted(s), s.list('lines')[:], names['a']") == (["lines", "names"], ["x"], 1)
            store.drop("names")
            store.commit()
            assert reader.error("names['a']").startswith("ValueError"), "it is gone, and its container closed"
            assert reader.run("names.closed, sorted(s)") == (True, ["lines"])
            store.dict("names")["b"] = 2
            store.commit()
            assert reader.error("names['b']").startswith("ValueError"), "another member of the same name"
            reader.run("names = s.dict('names')")
            assert reader.run("dict(names)") == {"b": 2}


def test_a_writer_that_empties_and_rewrites_all_the_time(path):
    """Many commits while a reader reads: each bulk read is of one commit."""
    with Store(path, commit_interval=None) as store:
        names, lines = store.dict("names"), store.list("lines")
        kill_readers.change(names, lines, 1)
        store.commit()
        with Remote(path, "import kill_readers, random; s = Store(path, mode='r')") as reader:
            reader.run("names, lines = s.dict('names'), s.list('lines'); rng = random.Random(1); newest = 0")
            for number in range(2, 120):
                reader.send("newest = kill_readers.check_singly(names, lines, rng, newest)")
                kill_readers.change(names, lines, number)
                store.commit()
                kind, value = reader.receive()
                assert kind == "value" or "SnapshotError" in value, value


def test_killed_writers_and_readers(path, tmp_path, rng):
    commits, counts = kill_readers.kill_writers(path, tmp_path, 6, 2, rng.randrange(1 << 32))
    assert commits > 1
    for states, single, _ in counts:
        assert states + single > 0, "a reader has read nothing: the test showed nothing"


def test_a_counter_of_another_boot_is_not_believed(path):
    """A power cut may leave an even counter beside pages that are older than the journal says."""
    script = """
        import os, sys, pyrsistence
        d = pyrsistence.EMDict(sys.argv[1], {"a": 1}, commit_interval=None)
        d.commit()
        print(flush=True)
        sys.stdin.readline()
        d["a"] = 2
        d.commit()
        os._exit(0)
    """
    with Process("-c", textwrap.dedent(script), path) as writer:
        writer.line()
        before = {file: file.read_bytes() for file in path.glob("region-*")}
        writer.tell()
        writer.rest()
    changed = [file for file, content in before.items() if file.read_bytes() != content]
    assert changed, "the commit has changed no page in place"
    for file in changed:
        file.write_bytes(before[file])
    with (path / "readers").open("r+b") as table:
        table.seek(16)
        boot = table.read(8)
        table.seek(16)
        table.write(bytes(byte ^ 0xFF for byte in boot))
    with EMDict(path, mode="r") as d:
        assert d["a"] == 2
    with EMDict(path) as d:
        assert d["a"] == 2
