"""Some of NetworkX's own tests of its algorithms and readers, on stored graphs; all: `make networkx`."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("networkx")
pytest.importorskip("scipy")  # NetworkX's tests of backends need it

RUN = pathlib.Path(__file__).parents[2] / "networkx" / "run.py"

SOME = [
    "algorithms/components",
    "algorithms/operators",
    "algorithms/shortest_paths",
    "algorithms/tests/test_dag.py",
    "algorithms/tests/test_dominance.py",
    "algorithms/traversal",
    "tests/test_convert.py",
]


def test_some():
    done = subprocess.run([sys.executable, RUN, "--jobs", "0", *SOME], capture_output=True, text=True)
    print(done.stdout[-5000:], done.stderr[-5000:])
    assert done.returncode == 0
    assert " graphs were copied into stored ones; 0 were left open" in done.stdout
