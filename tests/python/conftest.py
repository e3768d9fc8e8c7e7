"""Fixtures of all tests: fresh paths, subprocesses, and the seed of whatever is random."""

import gc
import os
import random
import signal
import subprocess
import sys

import hypothesis
import pytest

from cli_fixtures import cli, corpus, lines, words  # noqa: F401 (fixtures)
from cli_kinds import made  # noqa: F401 (a fixture)
from helpers import LIMIT, python_path

# No deadline: a sync may take as long as the disk likes, and all may on a busy machine. print_blob gives the
# command that repeats a failure.
hypothesis.settings.register_profile(
    "default", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("default")


# The processes of one run must collect the same tests, whose names may show a set: one seed of hashes.
os.environ.setdefault("PYTHONHASHSEED", str(random.SystemRandom().randrange(1 << 32)))


def pytest_report_header():
    return f"random tests: SEED={_base_seed()} repeats them"


def _base_seed():
    if "SEED" not in os.environ:
        os.environ["SEED"] = str(random.SystemRandom().randrange(1 << 32))
    return int(os.environ["SEED"])


@pytest.fixture
def rng(request):
    """A random generator whose seed is printed when the test fails; SEED=... in the environment sets it."""
    seed = f"{_base_seed()}:{request.node.nodeid}"
    print(f"rng seed {seed!r}; repeat with SEED={_base_seed()}")
    return random.Random(seed)


@pytest.fixture
def path(tmp_path):
    """A path at which nothing exists yet."""
    return tmp_path / "store"


@pytest.fixture
def run_python():
    """Runs Python source in a fresh process, tests/python importable; returns what it printed."""

    def run(source, *arguments, env=None, expect=0, timeout=LIMIT):
        environment = {**os.environ, "PYTHONPATH": python_path(), **(env or {})}
        command = [sys.executable, "-c", source, *map(str, arguments)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        assert result.returncode == expect, (
            f"exit status {result.returncode}, expected {expect}\n{result.stdout}\n{result.stderr}"
        )
        return result.stdout

    return run


@pytest.fixture
def memory_budget():
    """Sets the process's budget of anonymous memory, and restores it after the test."""
    import pyrsistence

    before = pyrsistence.memory_budget()
    yield pyrsistence.set_memory_budget
    pyrsistence.set_memory_budget(before)


def pytest_configure():
    """One seed for all processes of a run; and all hear Ctrl-C, also those of a run in the background."""
    _base_seed()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    """Collections pass over what is there before the first test: most of their time went into the modules of
    NumPy, NetworkX and the tests themselves."""
    gc.collect()
    gc.freeze()
