"""What several test modules use and that is no fixture."""

import os
import pathlib

TESTS = pathlib.Path(__file__).parent


def python_path():
    """PYTHONPATH for subprocesses that import the modules of tests/python."""
    return os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))


def files_of(path):
    """All files of a store with their bytes: for `leaves the store as it was`.

    Two are left out that hold no state: the lock file names the last holder, `readers` counts commits.
    """
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(pathlib.Path(path).rglob("*"))
        if file.is_file() and file.name not in ("lock", "readers")
    }
