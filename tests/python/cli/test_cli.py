"""The command ``pyrsistence``, run as a user runs it: a process, its output, its status (docs/cli.md)."""

import contextlib
import fcntl
import json
import os
import pathlib
import pickle
import pty
import signal
import stat
import struct
import subprocess
import sys
import termios
import types

import pytest

import pyrsistence as em
from cli_fixtures import COMMAND
from helpers import LIMIT, Process, wait_for
from legacy_writer import set_word, write_dict, write_list

READING = ["info", "stats", "verify", "keys", "head", "dump"]


# ---- Inspecting


def test_info(cli, words, corpus):
    assert json.loads(cli("info", "words", "--json").stdout).items() >= {"kind": "dict", "entries": 5}.items()
    facts = json.loads(cli("info", "corpus", "--json").stdout)
    assert facts["kind"] == "store"
    assert sorted((m["name"], m["kind"], m["entries"]) for m in facts["members"]) == [
        ("lines", "list", 1),
        ("names", "dict", 2),
    ]
    text = cli("info", "corpus").stdout
    assert "dict names: 2 entries" in text and "list lines: 1 entries" in text


def test_stats(cli, words, corpus):
    figures = json.loads(cli("stats", "words", "--json").stdout)
    with em.EMDict(words, mode="r") as d:
        assert set(figures) == set(d.stats())
    assert figures["entries"] == 5
    assert "disk_bytes" in cli("stats", "corpus").stdout
    assert json.loads(cli("stats", "corpus", "--member", "names", "--json").stdout)["entries"] == 2


def test_verify(cli, words):
    assert cli("verify", "words").stdout == "words: sound\n"
    assert json.loads(cli("verify", "words", "--json").stdout) == {
        "path": "words",
        "sound": True,
        "findings": [],
    }


def test_verify_finds_damage(cli, tmp_path, rng):
    """Damage shows as findings (1), or is so grave that the store does not open (3, 4), as in Python."""
    seen = set()
    for turn in range(40):
        path = tmp_path / f"d{turn}"
        with em.EMDict(path) as d:
            d.update((n, str(n) * 50) for n in range(500))
        file = rng.choice([file for file in sorted(path.glob("region-*")) if file.stat().st_size])
        content = bytearray(file.read_bytes())
        for _ in range(30):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        try:
            with em.open(path, mode="r") as found:
                expected = 1 if found.verify() else 0
        except em.FormatError:
            expected = 3
        except em.DamagedError:
            expected = 4
        done = cli("verify", path, "--json", expect=expected)
        if expected == 1:
            assert json.loads(done.stdout)["findings"]
        seen.add(expected)
        if 1 in seen and turn > 5:
            break
    assert 1 in seen, seen


def test_get(cli, words, lines):
    assert cli("get", "words", "be").stdout == "2\n"
    assert cli("get", "words", "5").stdout == "five\n"
    assert cli("get", "words", "ä", "--json").stdout == '{"$bytes": "AP8="}\n'
    assert json.loads(cli("get", "words", "--json-key", '{"$tuple": ["a", 1]}').stdout) == {
        "x": [1, 2.5, None]
    }
    assert cli("get", "words", "5", "--json").stdout == '"five"\n'
    assert cli("get", "lines", "0").stdout == "first\n"
    assert cli("get", "lines", "-1", "--json").stdout == '{"$tuple": [1, [2]]}\n'


def test_get_prefers_text_to_int(cli, tmp_path):
    with em.EMDict(tmp_path / "d") as d:
        d.update({"5": "text", 5: "int", 6: "six"})
    assert cli("get", "d", "5").stdout == "text\n"
    assert cli("get", "d", "6").stdout == "six\n"
    assert cli("get", "d", "--json-key", "5").stdout == "int\n"
    assert "no key 6" in cli("get", "d", "--json-key", '"6"', expect=1).stderr.replace('"', "")


def test_get_what_is_not_there(cli, words, lines):
    assert "there is no key nope" in cli("get", "words", "nope", expect=1).stderr
    assert "no element of 4" in cli("get", "lines", "4", expect=1).stderr
    assert "expected an index" in cli("get", "lines", "x", expect=2).stderr
    assert "--json-key" in cli("get", "words", "--json-key", "{", expect=2).stderr
    assert "unhashable" in cli("get", "words", "--json-key", "[1]", expect=2).stderr


def test_keys_and_head(cli, words, lines):
    assert cli("keys", "words").stdout.splitlines() == ["be", "or", "5", '{"$tuple": ["a", 1]}', "ä"]
    assert cli("keys", "words", "--json").stdout.splitlines()[:3] == ['"be"', '"or"', "5"]
    assert cli("head", "words", "-n", "2").stdout == "be\t2\nor\t1\n"
    assert cli("head", "lines", "-n", "2").stdout == "0\tfirst\n1\t2\n"
    assert [json.loads(line) for line in cli("head", "lines", "--json").stdout.splitlines()][1] == {
        "value": 2
    }
    assert "a list has no keys" in cli("keys", "lines", expect=2).stderr
    assert cli("head", "words", "-n", "0").stdout == ""


def test_terminal_is_not_obeyed(cli, tmp_path):
    """A key of a stranger's store holds an escape sequence."""
    with em.EMDict(tmp_path / "d") as d:
        d["\x1b]0;title\x07\x9b2J\u202e"] = "\x1b[2J"
    for command in ("keys", "head", "dump"):
        text = cli(command, "d").stdout
        assert text.isprintable() or all(c.isprintable() or c in "\n\t" for c in text), repr(text)


def test_members(cli, corpus, words):
    assert cli("get", "corpus", "a", "--member", "names").stdout == "1\n"
    error = cli("head", "corpus", expect=2).stderr
    assert "'names'" in error and "'lines'" in error and "--member" in error
    assert "'names'" in cli("head", "corpus", "--member", "q", expect=2).stderr
    assert "leave --member out" in cli("head", "words", "--member", "q", expect=2).stderr
    with em.Store(corpus) as store:
        store.drop("lines")
    assert cli("head", "corpus").stdout == "a\t1\nb\t2\n"


def tree_of(path):
    """Names, bytes and times of all that is in a directory: what reading must leave alone."""
    state = {}
    for file in [path, *sorted(path.rglob("*"))]:
        if file.name == "readers":  # where a reader that holds a state says so
            continue
        status = file.stat()
        state[file] = (
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_size,
            file.read_bytes() if file.is_file() else b"",
        )
    return state


def test_reading_changes_nothing(cli, words, tmp_path):
    before = tree_of(words)
    for command in READING:
        cli(command, "words")
    cli("get", "words", "be")
    assert tree_of(words) == before


def test_reading_after_a_killed_writer_changes_nothing(cli, tmp_path, run_python):
    """Recovery is due: a reader replays the journal for itself."""
    run_python(
        "import os, sys, pyrsistence as em\n"
        "d = em.EMDict(sys.argv[1])\nd['a'] = 1\nd.commit()\nd['b'] = 2\nos.kill(os.getpid(), 9)\n",
        tmp_path / "d",
        expect=-9,
    )
    before = tree_of(tmp_path / "d")
    assert cli("head", "d").stdout == "a\t1\n"
    assert cli("verify", "d").stdout == "d: sound\n"
    assert tree_of(tmp_path / "d") == before


def test_reading_a_directory_that_cannot_be_written(cli, words):
    modes = {file: file.stat().st_mode for file in (words, *words.iterdir())}
    try:
        for file in modes:
            file.chmod(modes[file] & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        for command in READING:
            cli(command, "words")
    finally:
        for file, mode in modes.items():
            file.chmod(mode)


# ---- Errors


def test_errors_say_what_and_where(cli, words, tmp_path):
    assert "missing: " in cli("info", "missing", expect=6).stderr
    (tmp_path / "file").write_text("x")
    cli("info", "file", expect=6)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("")
    assert "not a pyrsistence store" in cli("verify", "other", expect=3).stderr
    assert "usage:" in cli("nonsense", expect=2).stderr
    assert "usage:" in cli(expect=2).stderr
    cli("head", "words", "-n", "-1", expect=2)


def test_old_store_is_told_apart(cli, tmp_path):
    write_list(tmp_path / "old", [1])
    assert "pyrsistence migrate old NEW" in cli("info", "old", expect=3).stderr


def test_damaged_store(cli, words):
    for slot in (0, 4096):
        set_word(words / "superblock", slot, 1)
    error = cli("info", "words", expect=4 if _opening_error(words) is em.DamagedError else 3).stderr
    assert "words" in error


def _opening_error(path):
    with pytest.raises((em.DamagedError, em.FormatError)) as raised:
        em.open(path, mode="r")
    return raised.type


def test_locked_store(cli, words):
    with em.EMDict(words) as d:
        d["x"] = 1
        error = cli("load", "words", stdin='{"end": 0}\n', expect=5).stderr
        assert str(os.getpid()) in error and "--timeout" in error


def test_debug_shows_the_traceback(tmp_path):
    done = subprocess.run([COMMAND, "info", "--debug", tmp_path / "missing"], capture_output=True, text=True)
    assert done.returncode == 6
    assert "Traceback" in done.stderr


def test_module_is_the_command_too(cli, words):
    assert cli("get", "words", "be", command=(sys.executable, "-m", "pyrsistence")).stdout == "2\n"


def test_help_names_commands_and_statuses(cli):
    text = cli("--help").stdout
    for word in [*READING, "get", "load", "compact", "backup", "migrate", "exit status", "130"]:
        assert word in text
    for command in [*READING, "get", "load", "compact", "backup", "migrate"]:
        assert "usage: pyrsistence " + command in cli(command, "--help").stdout


# ---- Signals, pipes, terminals


def test_closed_pipe_is_silent(tmp_path):
    with em.EMList(tmp_path / "l") as found:
        found.extend(range(200_000))
    for command in ("dump", "head -n 200000"):
        done = subprocess.run(
            ["bash", "-c", f'"{COMMAND}" {command} l | head -n 1; echo "${{PIPESTATUS[0]}}"'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[1] == "141"


@pytest.mark.parametrize("exists", [True, False])
def test_interrupted_load_leaves_all_as_it_was(words, tmp_path, exists):
    with em.EMDict(words, mode="r") as d:
        before = list(d.items())
    target = "words" if exists else "new"
    process = subprocess.Popen(
        [COMMAND, "load", target], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for n in range(20_000):
        process.stdin.write(f'{{"key": {n + 100}, "value": "{n}"}}\n')
    process.stdin.flush()
    wait_for(lambda: _has_taken_all(process), "the command to have read all that there is")
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == 130, error
    assert error == "pyrsistence: interrupted\n"
    assert sorted(os.listdir(tmp_path)) == ["words"]
    with em.EMDict(words, mode="r") as d:
        assert list(d.items()) == before and d.verify() == []


def _has_taken_all(process):
    """Whether nothing is left in the pipe to the process, and it waits for more."""
    left = fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))
    state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return left == bytes(4) and state == "S"


def test_interrupted_while_it_waits_for_the_lock(words, tmp_path):
    """At once, not when the holder ends or the time is over."""
    hold = "import sys, pyrsistence; d = pyrsistence.EMDict(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with Process("-c", hold, words) as holder:
        holder.line()
        process = subprocess.Popen(
            [COMMAND, "compact", "words", "--timeout", str(2 * LIMIT)],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: str(words / "lock") in _opened_by(process.pid), "the command to try the lock")
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=LIMIT)[1]
        assert (process.returncode, error) == (130, "pyrsistence: interrupted\n")


def _opened_by(pid):
    found = []
    for link in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(link))
    return found


def run_on_a_terminal(arguments, cwd, env=None):
    """Standard error is a terminal; returns what was written to it."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(
        arguments, cwd=cwd, stdout=subprocess.DEVNULL, stderr=follower, env=environment
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(timeout=LIMIT) == 0, shown
    return shown.decode()


@pytest.mark.parametrize("bar", ["tqdm", "plain"])
def test_progress_bar_on_a_terminal(tmp_path, bar):
    write_dict(tmp_path / "old", [(n, n) for n in range(10_000)])
    environment = {"TQDM_MININTERVAL": "0"}  # it is shown however fast it goes
    if bar == "plain":
        (tmp_path / "hidden").mkdir()
        (tmp_path / "hidden" / "tqdm.py").write_text("raise ImportError\n")
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(tmp_path / "hidden"), os.environ.get("PYTHONPATH", "")]
        )
    else:
        pytest.importorskip("tqdm")
    shown = run_on_a_terminal([COMMAND, "migrate", "old", "new"], tmp_path, environment)
    assert "migrate" in shown and "%" in shown
    shown = run_on_a_terminal([COMMAND, "migrate", "--no-progress", "old", "quiet"], tmp_path, environment)
    assert shown == ""


# ---- compact and backup

later = pytest.mark.skipif(not hasattr(em.EMDict, "compact"), reason="compact() and backup() are not built")


@later
def test_compact_in_place(cli, tmp_path):
    with em.EMDict(tmp_path / "d") as d:
        d.update((n, b"x" * 1000) for n in range(5000))
        for n in range(4990):
            del d[n]
    before = json.loads(cli("info", "d", "--json").stdout)["disk_bytes"]
    report = json.loads(cli("compact", "d", "--json").stdout)
    assert report["disk_bytes_before"] >= before > report["disk_bytes"]
    assert cli("verify", "d").stdout == "d: sound\n"
    with em.EMDict(tmp_path / "d", mode="r") as d:
        assert dict(d) == dict.fromkeys(range(4990, 5000), b"x" * 1000)


@later
@pytest.mark.parametrize("command", ["compact", "backup"])
@pytest.mark.parametrize("kind", ["words", "corpus"])
def test_copies(cli, words, corpus, tmp_path, command, kind):
    before = tree_of(tmp_path / kind)
    assert "bytes on disk" in cli(command, kind, "copy").stdout
    assert tree_of(tmp_path / kind) == before
    assert cli("verify", "copy").stdout == "copy: sound\n"
    member = ["--member", "names"] if kind == "corpus" else []
    assert cli("dump", "copy", *member).stdout == cli("dump", kind, *member).stdout
    error = cli(command, kind, "copy", expect=6).stderr
    assert "copy" in error


# ---- migrate


def test_migrate(cli, tmp_path):
    write_dict(tmp_path / "old", [("a", 1), ("b", [2])])
    assert cli("migrate", "old", "new").stdout == "new: a dict, 2 items saved, 0 lost\n"
    assert cli("head", "new").stdout == "a\t1\nb\t[2]\n"
    cli("migrate", "old", "new", expect=6)
    cli("migrate", "missing", "new2", expect=6)
    cli("migrate", "new", "new2", expect=3)
    cli("migrate", "old", "new2", "--safe", "--pickle", expect=2)


def test_migrate_tells_losses(cli, tmp_path):
    write_list(tmp_path / "old", [1, types.SimpleNamespace(n=2), 3])
    done = cli("migrate", "old", "new", expect=1)
    assert "lost: slot 1: value: the pickle names" in done.stdout
    assert "2 items saved, 1 lost" in done.stdout and "--pickle" in done.stdout
    report = json.loads(cli("migrate", "old", "new2", "--json", expect=1).stdout)
    assert (report["kind"], report["saved"], report["lost"], report["reasons"]) == (
        "list",
        2,
        1,
        {"value": 1},
    )
    assert report["losses"][0]["slot"] == 1
    cli("migrate", "old", "full", "--pickle")
    with em.EMList(tmp_path / "full", mode="r") as found:
        assert list(found) == [1, types.SimpleNamespace(n=2), 3]


# ---- What the commands rest on


def test_own_unpickler_reads_pickles_where_pickle_is_false(tmp_path):
    """How the commands read without running code: pickle=False, and an unpickler that restricts."""

    class Seen:
        def unpickle(self, data):
            return "seen", pickle.loads(data)

    with em.EMDict(tmp_path / "d") as d:
        d["a"] = types.SimpleNamespace(n=2)
    with em.EMDict(tmp_path / "d", mode="r", pickle=False) as d, pytest.raises(pickle.UnpicklingError):
        d["a"]
    with em.EMDict(tmp_path / "d", mode="r", pickle=False, unpickler=Seen()) as d:
        assert d["a"] == ("seen", types.SimpleNamespace(n=2))
    with em.EMDict(tmp_path / "d", mode="r", unpickler=Seen()) as d:
        assert d["a"] == types.SimpleNamespace(n=2)
