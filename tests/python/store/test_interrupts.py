"""Interrupts at random moments of every call; scopes that end by themselves; waits."""

import asyncio
import gc
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import exit_with_daemons
import interrupter
from helpers import python_path
from pyrsistence import EMDict, EMList, LockedError, Store, _core


@pytest.mark.parametrize("in_threads", [False, True], ids=["", "threads"])
@pytest.mark.parametrize("kind", interrupter.ALL)
def test_random_interrupts(kind, in_threads, rng):
    if kind == "graph":
        pytest.importorskip("networkx")
    interrupter.run(kind, rng.randrange(1 << 32), 8 if in_threads else 25, in_threads, steps_at_most=150)


@pytest.mark.parametrize("name", exit_with_daemons.NAMES)
def test_daemon_threads_when_the_interpreter_ends(name, rng):
    if name == "graph":
        pytest.importorskip("networkx")
    assert exit_with_daemons.run(name, 1, rng) == []


# ---- Scopes


class Undo(Exception):
    pass


def test_a_scope_that_is_never_left_ends_with_its_object(path, run_python):
    with EMDict(path, {"a": 1}) as d:
        scope = d.transaction()
        scope.__enter__()
        d["a"] = 2
        del scope
        gc.collect()
        assert d["a"] == 1
        d["b"] = 3
        d.commit()
    with EMDict(path, mode="r") as r:
        snapshot = r.snapshot()
        snapshot.__enter__()
        del snapshot
        gc.collect()
        run_python(
            f"import pyrsistence as em\nwith em.EMDict({str(path)!r}, snapshot_timeout=3600) as d: d['b'] = 4"
        )
        assert r["b"] == 4


def test_scopes_are_entered_once_at_a_time(path):
    with EMDict(path) as d:
        scope = d.transaction()
        with pytest.raises(RuntimeError, match="not entered"):
            scope.__exit__(None, None, None)
        with scope:
            with pytest.raises(RuntimeError, match="entered already"):
                scope.__enter__()
        with scope:  # again is another transaction
            d["a"] = 1
        assert d["a"] == 1


def test_an_old_scope_does_not_end_a_new_transaction(path):
    d = EMDict(path)
    old = d.transaction()
    old.__enter__()
    d.close()
    d.open(path)
    with d.transaction():
        d["a"] = 1
        del old
        gc.collect()
        d["b"] = 2
    assert dict(d) == {"a": 1, "b": 2}
    d.close()


def test_a_write_back_that_fails_at_the_end_rolls_back(path):
    with EMDict(path, writeback=True) as d:
        d["good"] = []
        with pytest.raises(TypeError):
            with d.transaction():
                d["other"] = 1
                d["bad"] = []
                d["bad"].append(threading.Lock())
        assert dict(d) == {"good": []}


def test_what_follows_a_rollback_cannot_undo_it(path):
    def interrupted(containers):
        assert containers == [d]
        raise KeyboardInterrupt

    with EMDict(path, {"a": 1}) as d:
        with pytest.raises(KeyboardInterrupt):
            with _core.Transaction(d._handle, lambda handle: None, interrupted):
                d["a"] = 2
                raise Undo
        d["b"] = 3
        d.commit()
        assert dict(d) == {"a": 1, "b": 3}


# ---- Tasks of an event loop


def test_a_transaction_belongs_to_its_task():
    async def imports(d, began, end):
        with d.transaction():
            d["mine"] = 1
            began.set()
            await end.wait()
            await asyncio.create_task(helps(d))
            raise Undo

    async def helps(d):  # started inside: belongs to it
        d["helped"] = 1

    async def serves(d, began, end):
        await began.wait()
        for use in (
            lambda: d.__setitem__("order", 42),
            lambda: d.get("order"),
            lambda: len(d),
            d.commit,
            lambda: list(d),
        ):
            with pytest.raises(RuntimeError, match="another task"):
                use()
        with pytest.raises(RuntimeError, match="another task"):
            with d.transaction():
                pass
        end.set()

    async def main(d):
        began, end = asyncio.Event(), asyncio.Event()
        results = await asyncio.gather(imports(d, began, end), serves(d, began, end), return_exceptions=True)
        assert type(results[0]) is Undo and results[1] is None
        d["order"] = 42
        assert dict(d) == {"order": 42}
        with d.transaction():
            d["after"] = 1

    with EMDict() as d:
        asyncio.run(main(d))
        assert dict(d) == {"order": 42, "after": 1}


def test_transactions_of_two_stores_in_one_task():
    async def main(a, b):
        first, second = a.transaction(), b.transaction()
        for _ in range(3):  # overlapping, not nested
            first.__enter__()
            second.__enter__()
            a["n"] = b["n"] = 1
            first.__exit__(None, None, None)
            a["m"] = 2
            b["m"] = 2
            second.__exit__(None, None, None)

    with EMDict() as a, EMDict() as b:
        asyncio.run(main(a, b))
        assert dict(a) == dict(b) == {"n": 1, "m": 2}


def test_a_scope_may_be_left_in_another_context():
    import contextvars

    with EMDict() as d:
        scope = d.transaction()
        contextvars.copy_context().run(scope.__enter__)
        with pytest.raises(RuntimeError, match="another task"):
            len(d)
        scope.__exit__(None, None, None)
        assert len(d) == 0


# ---- Waits


def _interrupt_soon(seconds):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@pytest.fixture
def alarm():
    old = signal.getsignal(signal.SIGALRM)
    yield _interrupt_soon
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


class Other:
    """Another process, which does what it is told in lines of Python."""

    def __init__(self, source):
        self.process = subprocess.Popen(
            [sys.executable, "-c", source + "\nprint(flush=True)\nimport sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": python_path()},
            text=True,
        )
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, raised, *_):
        if raised is not None:
            self.process.kill()  # it may be stopped
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def _ticks_meanwhile(call):
    """Whether another thread goes on while this call waits: so the GIL is free."""
    ticks, stop = [], threading.Event()
    thread = threading.Thread(target=lambda: [ticks.append(1) for _ in iter(lambda: stop.wait(0.005), True)])
    thread.start()
    try:
        call()
    finally:
        before = len(ticks)
        stop.set()
        thread.join()
    assert before > 1


def test_waiting_for_the_lock(path, alarm):
    with Other(f"from pyrsistence import EMDict\nd = EMDict({str(path)!r})"):
        for opens in (lambda: EMDict(path, timeout=3600), lambda: Store(path, timeout=float("inf"))):
            alarm(0.2)
            with pytest.raises(KeyboardInterrupt):
                _ticks_meanwhile(opens)


def test_a_commit_that_waits_for_a_snapshot(path, alarm):
    EMDict(path, {"a": 1}).close()
    with EMDict(path, snapshot_timeout=3600, commit_interval=None) as d:
        reads = f"import pyrsistence as em\nr = em.EMDict({str(path)!r}, mode='r')\n"
        with Other(reads + "held = r.snapshot()\nheld.__enter__()"):
            d["a"] = 2
            alarm(0.2)
            with pytest.raises(KeyboardInterrupt):
                _ticks_meanwhile(d.commit)
            assert d["a"] == 2
            alarm(0.2)
            with pytest.raises(KeyboardInterrupt):
                with d.transaction():
                    d["a"] = 3
            assert d["a"] == 2
        d.commit()  # now that nobody holds it
    with EMDict(path, mode="r") as r:
        assert r["a"] == 2


WRITES_ALL_THE_TIME = """
import threading
import pyrsistence as em
d = em.EMDict({path!r}, commit_interval=None)
def work():
    for n in range(1 << 60):
        d.update((i, "%0100d" % n) for i in range(0, 50_000, 5))
        d.commit()
threading.Thread(target=work, daemon=True).start()
"""


def test_a_reader_beside_a_stopped_writer(path, alarm):
    """The writer is stopped in the middle of a commit: its sequence is odd."""
    with EMDict(path) as d:
        d.update((i, "x" * 100) for i in range(50_000))
    writer = Other(WRITES_ALL_THE_TIME.format(path=str(path)))

    def stopped_within_a_commit():
        os.kill(writer.process.pid, signal.SIGSTOP)
        status = pathlib.Path(f"/proc/{writer.process.pid}/stat")
        while status.read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.001)
        if (path / "readers").read_bytes()[8] % 2 == 1:
            return True
        os.kill(writer.process.pid, signal.SIGCONT)
        return False

    with writer, EMDict(path, mode="r") as r:
        while not stopped_within_a_commit():
            time.sleep(0.0005)
        for read in (
            lambda: r[5],
            lambda: len(r),
            lambda: list(r),
            r.verify,
            lambda: r.snapshot().__enter__(),
        ):
            alarm(0.1)
            with pytest.raises(KeyboardInterrupt):
                _ticks_meanwhile(read)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with pytest.raises(LockedError, match=r"read_timeout, 0\.0"):
            EMDict(path, mode="r", read_timeout=0)
        os.kill(writer.process.pid, signal.SIGKILL)
        os.kill(writer.process.pid, signal.SIGCONT)
        writer.process.wait()
        assert len(r[5]) == 100


@pytest.mark.parametrize("name", ["timeout", "snapshot_timeout", "read_timeout", "commit_interval"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), -5, float("-inf")])
@pytest.mark.parametrize("cls", [EMDict, EMList, Store])
def test_times_that_are_none_are_refused(cls, name, value, path):
    with pytest.raises(ValueError, match=name):
        cls(path, **{name: value})
    assert not path.exists()
