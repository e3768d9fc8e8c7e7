"""A damaged or hostile file raises an error: it never crashes, hangs or runs code (hostile_reader.py does
the work).
"""

import os
import subprocess
import sys

import pytest

import hostile_reader
from helpers import LIMIT, python_path

ROUNDS = 150


@pytest.mark.parametrize("closed", [True, False])
def test_damaged_files_never_crash(tmp_path, rng, closed):
    hostile_reader.make_original(tmp_path / "original", closed)
    seed = rng.randrange(1 << 32)
    command = [sys.executable, "-X", "faulthandler", "-m", "hostile_reader"]
    command += [str(tmp_path / "original"), str(tmp_path / "scratch"), str(seed), str(ROUNDS)]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    tail = "\n".join(result.stdout.splitlines()[-3:])
    assert result.returncode == 0, (
        f"seed {seed}: status {result.returncode} in\n{tail}\n{result.stderr[-4000:]}"
    )
    refused = int(result.stdout.split()[-1])
    assert 0 < refused < ROUNDS, "every opening refused, or none: the test showed nothing"


@pytest.mark.parametrize("closed", [True, False])
def test_undamaged_store_is_sound(tmp_path, rng, closed):
    """The exercise itself raises nothing but what it allows, and leaves a sound store."""
    hostile_reader.make_original(tmp_path / "original", closed)
    with hostile_reader.pyrsistence.Store(tmp_path / "original") as store:
        assert store.verify() == []
        hostile_reader.use_dict(store.dict("names"), rng)
        hostile_reader.use_list(store.list("lines"), rng)
        assert store.verify() == []
