"""Every command on every kind of container: what docs/cli.md says of its status and output, never a fault.

In this process, since there are some thousand runs; test_cli.py runs the installed command.
"""

import collections
import contextlib
import io
import os
import pickle
import random
import shutil
import subprocess
import uuid

import numpy
import pytest

import pyrsistence as em
from cli_fixtures import COMMAND
from cli_kinds import (
    HOSTILE,
    KINDS,
    REPRESENTATIVE,
    require_json,
    require_sound,
    require_text,
    run_here,
    shared,
)
from pyrsistence._cli import json_form, pickled

FINE, FINDINGS, USAGE, FORMAT, DAMAGED, LOCKED, SYSTEM, PIPE = 0, 1, 2, 3, 4, 5, 6, 141


def reading_commands(made):
    """(arguments, status) of all that reads, for this kind."""
    with_items = FINE if made.items else USAGE
    keyed = FINE if made.items == "dict" else USAGE
    some = FINE if made.full else FINDINGS
    if made.items in (None, "set"):
        some = USAGE
    chosen = made.chosen
    yield ["info", made.path], FINE
    yield ["stats", made.path, *chosen], FINE
    yield ["verify", made.path], FINE
    yield ["get", made.path, "0", *chosen], FINDINGS if keyed == FINE else some
    yield ["get", made.path, "-1", *chosen], FINDINGS if keyed == FINE else some
    yield ["get", made.path, HOSTILE, *chosen], FINDINGS if keyed == FINE else USAGE
    yield ["keys", made.path, *chosen], keyed
    yield ["head", made.path, "-n", "100", *chosen], with_items
    yield ["dump", made.path, *chosen], FINDINGS if made.has_pickles else with_items
    yield ["dump", made.path, "--pickle", *chosen], with_items


def statuses(arguments, expected, made):
    """The keys of a full dict are there: which, its filling says."""
    if arguments[0] == "get" and made.items == "dict" and made.full:
        return FINE, FINDINGS
    return expected


def test_reading(made, monkeypatch):
    for arguments, expected in reading_commands(made):
        for form in ([], ["--json"]) if arguments[0] != "dump" else ([],):
            what = f"{made.kind}: {[*arguments, *form]}"
            done = run_here(monkeypatch, *arguments, *form)
            require_sound(done, statuses(arguments, expected, made), what)
            if form or arguments[0] == "dump":
                require_json(done.out, what)
            else:
                require_text(done.out, "utf-8", what)


@pytest.mark.parametrize("made", [(kind, "member", True) for kind in KINDS], indirect=True, ids=list(KINDS))
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf_8(made, encoding, monkeypatch):
    """Text for people has escapes for what the encoding lacks; output for programs is UTF-8 all the same."""
    for arguments, expected in reading_commands(made):
        done = run_here(monkeypatch, *arguments, encoding=encoding)
        require_sound(done, statuses(arguments, expected, made), f"{made.kind}: {arguments} in {encoding}")
        if arguments[0] == "dump":
            assert done.out == run_here(monkeypatch, *arguments).out
        else:
            require_text(done.out, encoding, f"{made.kind}: {arguments}")


def test_every_key_that_is_printed_is_found(made, monkeypatch):
    if made.items != "dict":
        pytest.skip("has no keys")
    lines = run_here(monkeypatch, "keys", made.path, "--json", *made.chosen).out.decode().splitlines()
    assert len(lines) >= 2 * made.full
    for line in lines:
        done = run_here(monkeypatch, "get", made.path, "--json-key", line, *made.chosen)
        require_sound(done, FINE, f"{made.kind}: {line}")


def test_what_was_dumped_is_loaded(made, tmp_path, monkeypatch):
    """Into a new container of the same kind, into a new one of the command's own, and into itself."""
    dump = ["dump", made.path, "--pickle", *made.chosen]
    first = run_here(monkeypatch, *dump)
    if made.items is None:
        load = run_here(monkeypatch, "load", made.path, *made.chosen, stdin=b'{"value": 1}\n{"end": 1}\n')
        require_sound(load, USAGE, made.kind)
        return
    again = tmp_path / "again"
    with made.opened(again):
        pass
    for path in (again, tmp_path / "new"):
        load = run_here(monkeypatch, "load", path, "--pickle", *made.chosen, stdin=first.out)
        require_sound(load, FINE, f"{made.kind}: load {path}")
        assert run_here(monkeypatch, "dump", path, "--pickle", *made.chosen).out == first.out
    load = run_here(monkeypatch, "load", made.path, "--pickle", *made.chosen, stdin=first.out)
    require_sound(load, FINE, f"{made.kind}: load into itself")
    if made.items in ("dict", "set"):
        assert run_here(monkeypatch, *dump).out == first.out
    other = b'{"value": 1}\n' if made.items == "dict" else b'{"key": 1, "value": 1}\n'
    load = run_here(monkeypatch, "load", made.path, *made.chosen, stdin=other + b'{"end": 1}\n')
    require_sound(load, USAGE, f"{made.kind}: load of the other kind")


def test_dump_into_a_file(made, tmp_path, monkeypatch):
    expected = USAGE if made.items is None else FINDINGS if made.has_pickles else FINE
    arguments = ["dump", made.path, "-o", tmp_path / f"file {HOSTILE}", *made.chosen]
    require_sound(run_here(monkeypatch, *arguments), expected, made.kind)
    assert (tmp_path / f"file {HOSTILE}").exists() == (expected == FINE)
    if expected == FINE:
        require_sound(run_here(monkeypatch, *arguments), SYSTEM, made.kind)


def test_copies_and_compaction(made, tmp_path, monkeypatch):
    before = run_here(monkeypatch, "dump", made.path, "--pickle", *made.chosen).out
    for command in ("backup", "compact"):
        copy = tmp_path / f"{command} {HOSTILE}"
        for form in ([], ["--json"]):
            done = run_here(monkeypatch, command, made.path, copy, *form)
            require_sound(done, FINE, f"{made.kind}: {command}")
            (require_json if form else lambda out, what: require_text(out, "utf-8", what))(done.out, command)
            require_sound(run_here(monkeypatch, "verify", copy), FINE, f"{made.kind}: {command}")
            assert run_here(monkeypatch, "dump", copy, "--pickle", *made.chosen).out == before
            require_sound(run_here(monkeypatch, command, made.path, copy), SYSTEM, made.kind)
            shutil.rmtree(copy)
    require_sound(run_here(monkeypatch, "compact", made.path), FINE, made.kind)
    assert run_here(monkeypatch, "dump", made.path, "--pickle", *made.chosen).out == before
    require_sound(run_here(monkeypatch, "migrate", made.path, tmp_path / "m"), FORMAT, made.kind)


def test_what_does_not_fit(made, monkeypatch):
    wrong = ["--member", f"no {HOSTILE}"]
    for command in ("stats", "keys", "head", "dump"):
        require_sound(run_here(monkeypatch, command, made.path, *wrong), USAGE, f"{made.kind}: {command}")
    with made.opened(made.path):
        done = run_here(monkeypatch, "compact", made.path)
        require_sound(done, LOCKED, f"{made.kind}: compact of what is open")


@pytest.mark.parametrize(
    "made", [(kind, "member", True) for kind in REPRESENTATIVE], indirect=True, ids=REPRESENTATIVE
)
@pytest.mark.parametrize("sink", ["reader gone", "full", "closed"])
def test_output_that_cannot_be_written(made, sink, monkeypatch):
    """The reader of the output has gone, the disk is full, there is no standard output at all."""
    for arguments, _ in reading_commands(made):
        usual = run_here(monkeypatch, *arguments)
        failed = PIPE if sink == "reader gone" else SYSTEM
        allowed = {usual.status} if not usual.out and sink != "closed" else {failed, usual.status} - {FINE}
        with opened_sink(sink) as stdout:  # closed in the end, as by the interpreter
            done = run_here(monkeypatch, *arguments, stdout=stdout)
        if done.status == PIPE:
            assert done.err == ""
        require_sound(done, tuple(allowed), f"{made.kind}: {arguments} to {sink}")


def opened_sink(sink):
    if sink == "closed":
        return contextlib.nullcontext()
    if sink == "full":
        return open("/dev/full", "w", encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    return io.TextIOWrapper(io.FileIO(write, "w"), encoding="utf-8")


# ---- Streams, arguments and names that the processes around it make


@pytest.mark.parametrize(
    "redirection, expect",
    [(">&-", SYSTEM), ("2>&-", FINE), ("<&-", FINE), (">/dev/full", SYSTEM), ("| true", (FINE, PIPE))],
)
def test_streams_of_the_shell(words, tmp_path, redirection, expect):
    """The installed command where a stream is closed, or takes nothing: a status and at most a line."""
    script = f'"{COMMAND}" dump words {redirection}; echo "${{PIPESTATUS[0]}}" >status'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    status = int((tmp_path / "status").read_text())
    assert status in (expect if isinstance(expect, tuple) else (expect,)), done.stderr
    assert done.stderr.count("\n") == (status == SYSTEM), done.stderr
    done = subprocess.run(["bash", "-c", f'"{COMMAND}" load words <&-'], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr.count(b"\n")) == (SYSTEM, 1), done.stderr


@pytest.mark.parametrize("name", [b"st\xff", b"\x1b]0;title\x07", "\u202e".encode(), b"a\nb"])
def test_names_of_directories(tmp_path, monkeypatch, name):
    """Also such as are no UTF-8, in what is printed and in errors of every sort."""
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    for command in ("info", "stats", "verify", "keys", "head", "dump"):
        done = run_here(monkeypatch, command, path)
        require_sound(done, SYSTEM, command)
    em.EMDict(path, {name: name}).close()
    for command in ("info", "verify", "keys", "head", "dump"):
        for form in ([], ["--json"]) if command != "dump" else ([],):
            done = run_here(monkeypatch, command, path, *form)
            require_sound(done, FINE, command)
            (require_json if form else require_text)(done.out, *([] if form else ["utf-8"]), command)
    require_sound(run_here(monkeypatch, "get", path, path), FINDINGS, "get")
    require_sound(run_here(monkeypatch, "get", path, "--json-key", path), USAGE, "get")
    require_sound(run_here(monkeypatch, "head", path, "--member", path), USAGE, "head")
    with em.EMDict(path):
        require_sound(run_here(monkeypatch, "compact", path), LOCKED, "compact")
    with open(os.path.join(path, "superblock"), "r+b") as file:
        file.write(bytes(8192))
    require_sound(run_here(monkeypatch, "info", path), (FORMAT, DAMAGED), "info")
    done = run_here(monkeypatch, "info", path, path)
    assert done.status == USAGE and done.err.replace("\n", "").isprintable(), done.err


def test_a_name_of_a_member_that_is_not_utf_8(tmp_path, monkeypatch):
    """Nobody can have given it: the table is damaged."""
    with em.Store(tmp_path / "s") as store:
        store.dict("NAME")["a"] = 1
    damaged = 0
    for file in sorted((tmp_path / "s").glob("region-*")):
        content = file.read_bytes()
        for name in (b"\xff\xfe!!", b"\xc0\xaf!!", b"\xed\xa0\x80!", b"\xf4\x90\x80\x80", b"abc\xe2"):
            if b"NAME" in content:
                file.write_bytes(content.replace(b"NAME", name))
                for command in ("info", "verify", "head", "compact"):
                    done = run_here(monkeypatch, command, tmp_path / "s")
                    require_sound(done, DAMAGED, f"{command}: {name}")
                    damaged += "UTF-8" in done.err
    assert damaged >= 15


@pytest.mark.parametrize("seconds", ["nan", "-1", "x", "-inf"])
def test_times_that_are_none(words, tmp_path, monkeypatch, seconds):
    for command in ("info", "compact"):
        assert run_here(monkeypatch, command, words, f"--timeout={seconds}").status == USAGE


# ---- Values


def nested_in(wrap, depth):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {"a": value},
    "dict of ints": lambda value: {1: value},
    "keys": lambda value: (1,) if value == 1 else {value: 1} if value == (1,) else {1: value},
    "frozenset": lambda value: frozenset([value]),
    "OrderedDict": lambda value: collections.OrderedDict([(1, value)]),
    "deque": lambda value: collections.deque([value]),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("depth", [199, 200, 201, 250])
def test_values_as_deep_as_they_may_be(tmp_path, monkeypatch, wrap, depth):
    """To 200 they have a form, and come back by it; beyond they are pickles."""
    value = nested_in(wrap, depth)
    em.EMDict(tmp_path / "d", {"k": value}).close()
    for command in (["head"], ["head", "--json"], ["get", "k"]):
        require_sound(run_here(monkeypatch, command[0], tmp_path / "d", *command[1:]), FINE, command)
    done = run_here(monkeypatch, "dump", tmp_path / "d")
    require_sound(done, FINE if depth <= 200 else FINDINGS, "dump")
    whole = run_here(monkeypatch, "dump", tmp_path / "d", "--pickle")
    assert (b"$pickle" in whole.out) == (depth > 200)
    load = run_here(monkeypatch, "load", tmp_path / "e", "--pickle", stdin=whole.out)
    require_sound(load, FINE, "load")
    assert run_here(monkeypatch, "dump", tmp_path / "e", "--pickle").out == whole.out


def test_shared_parts_cost_no_more_than_their_pickle_allows():
    """Five hundred bytes that would be gigabytes when written out stay a pickle, after a bounded walk."""
    unpickler = pickled.SafeUnpickler()
    repeated = "x" * 100_000
    for many in (shared(60), {"a": shared(60)}, [repeated] * 3000):
        assert isinstance(unpickler.unpickle(pickle.dumps(many)), json_form.Pickled)
    for few in (shared(3), {"a": shared(3)}, [repeated] * 30):
        assert unpickler.unpickle(pickle.dumps(few)) == few
    rows = [{"a name of a column that is long": n, "another one": None} for n in range(5000)]
    assert unpickler.unpickle(pickle.dumps(rows)) == rows


def test_hostile_pickles_of_drafts():
    """What sets state on NumPy's objects or on a UUID is refused, or makes what its arguments say."""
    good = pickle.dumps([numpy.arange(4), numpy.zeros(2, [("a", "i4")])[::1], uuid.UUID(int=5)])
    unpickler = pickled.SafeUnpickler()
    assert not isinstance(unpickler.unpickle(good), json_form.Pickled)
    rng = random.Random(5)
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        value = unpickler.unpickle(bytes(bad))
        if not isinstance(value, json_form.Pickled):
            json_form.dumps(value)
    for value in (numpy.dtype("f8"), numpy.array([None]), uuid.UUID, numpy.ndarray, uuid.SafeUUID.safe):
        assert isinstance(unpickler.unpickle(pickle.dumps(value)), json_form.Pickled), value


# ---- What the commands rest on


def test_open_takes_the_options_of_codecs_for_every_kind(made):
    """Whoever opens what is there cannot know whether there are pickles in it."""
    options = {"pickle": False, "unpickler": pickled.SafeUnpickler(), "cache": 8}
    for mode in ("r", "r+", "a"):
        with em.open(made.path, mode, **options) as found:
            assert found.verify() == []
    if made.member is None:
        with pytest.raises(TypeError):
            em.open(made.path, nonsense=1)
