"""The tests of NetworkX that are known not to pass on stored graphs: exceptions.txt."""

import functools
import pathlib

_FILE = pathlib.Path(__file__).with_name("exceptions.txt")
_MOST = 20


@functools.cache
def reasons():
    """Return the reasons by the tests' names: a line each, ``name: reason``."""
    lines = [line.strip() for line in _FILE.read_text().splitlines()]
    pairs = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    assert len(pairs) <= _MOST, f"{_FILE} has {len(pairs)} exceptions; {_MOST} are allowed"
    assert all(len(pair) == 2 and pair[1] for pair in pairs), f"{_FILE}: expected `name: reason` in each line"
    return dict(pairs)
