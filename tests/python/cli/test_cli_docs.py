"""docs/cli.md is true: its examples are run, in order, in one directory, and print what it says."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import pyrsistence as em
from cli_fixtures import COMMAND
from legacy_writer import write_dict

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs" / "cli.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    """(command, what it prints) of all console blocks."""
    for kind, text in BLOCK.findall(DOCUMENT.read_text()):
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


def matches(expected, found):
    """`...` stands for any text."""
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs")
    setup = next(text for kind, text in BLOCK.findall(DOCUMENT.read_text()) if kind == "python")
    subprocess.run([sys.executable, "-c", setup], cwd=path, check=True)
    write_dict(path / "old", [("name", "value"), (1, [2, 3]), ((1, 2), {"a": None})])
    return path


@pytest.mark.parametrize(("command", "output"), list(examples()), ids=lambda text: text.split("\n")[0][:40])
def test_example(directory, command, output):
    if re.search(r"compact|backup|saved", command) and not hasattr(em.EMDict, "compact"):
        pytest.skip("compact() and backup() are not built")
    environment = {**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert matches(output, done.stdout), f"expected:\n{output}\nfound:\n{done.stdout}"


def test_there_are_examples_of_all_commands():
    shown = " ".join(command for command, _ in examples())
    for command in [
        "info",
        "stats",
        "verify",
        "get",
        "keys",
        "head",
        "dump",
        "load",
        "compact",
        "backup",
        "migrate",
    ]:
        assert f"pyrsistence {command} " in shown
    assert not matches("a...b", "xab") and matches("a...b", "a\nb")
