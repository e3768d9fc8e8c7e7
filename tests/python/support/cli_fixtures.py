"""Fixtures of the tests of the command: the command itself, run in tmp_path, and three stores."""

import os
import pathlib
import subprocess
import sys

import pytest

import pyrsistence as em
from helpers import LIMIT, python_path

COMMAND = pathlib.Path(sys.executable).parent / "pyrsistence"


@pytest.fixture
def cli(tmp_path):
    """Runs the installed command in tmp_path; `expect` is its exit status."""

    def run(*arguments, expect=0, stdin="", command=(COMMAND,)):
        environment = {**os.environ, "PYTHONPATH": python_path(), "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT,
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if expect not in (0, 2):
            assert done.stderr == "" or done.stderr.count("\n") == 1, done.stderr
        return done

    return run


@pytest.fixture
def words(tmp_path):
    with em.EMDict(tmp_path / "words") as d:
        d.update({"be": 2, "or": 1, 5: "five", ("a", 1): {"x": [1, 2.5, None]}, "ä": b"\0\xff"})
    return tmp_path / "words"


@pytest.fixture
def lines(tmp_path):
    with em.EMList(tmp_path / "lines") as found:
        found.extend(["first", 2, None, (1, [2])])
    return tmp_path / "lines"


@pytest.fixture
def corpus(tmp_path):
    with em.Store(tmp_path / "corpus") as store:
        store.dict("names").update(a=1, b=2)
        store.list("lines").append("x")
    return tmp_path / "corpus"
