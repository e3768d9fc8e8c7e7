"""What several test modules use and that is no fixture."""

import os
import pathlib

TESTS = pathlib.Path(__file__).parent


def python_path():
    """PYTHONPATH for subprocesses that import the modules of tests/python."""
    return os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))


def files_of(path):
    """All files of a store with their bytes: for `leaves the store as it was`. The lock file is left out, for
    it names the last holder."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(pathlib.Path(path).rglob("*"))
        if file.is_file() and file.name != "lock"
    }
