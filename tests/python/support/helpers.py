"""What several test modules use and that is no fixture."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SUPPORT = pathlib.Path(__file__).parent
# Seconds that nothing takes, on the busiest machine: a test that fails by it has met what never comes.
LIMIT = 600


def python_path():
    """PYTHONPATH for subprocesses that import the modules of tests/python, from whichever of its folders."""
    folders = sorted(str(folder) for folder in SUPPORT.parent.iterdir() if folder.is_dir())
    return os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH")]))


def files_of(path):
    """All files of a store with their bytes: for `leaves the store as it was`.

    Two are left out that hold no state: the lock file names the last holder, `readers` counts commits.
    """
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(pathlib.Path(path).rglob("*"))
        if file.is_file() and file.name not in ("lock", "readers")
    }


def wait_for(condition, what):
    """Return when the condition holds: a test waits for what it needs, instead of sleeping."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"waited {LIMIT} seconds for {what}"
        time.sleep(0.002)


class Process(contextlib.AbstractContextManager):
    """Python in another process: it is told lines and tells lines while it runs; killed at the end of `with`.

    All that it writes is read through one buffer. (`communicate()` reads past it, and loses what an earlier
    `readline()` has read ahead.) What it writes to stderr is in failures.
    """

    def __init__(self, *arguments):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.pid = self._process.pid

    def tell(self, line=""):
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def line(self):
        """The next line that it writes, without its end."""
        line = self._process.stdout.readline()
        assert line, f"it has ended with status {self._process.wait()}: {self.errors()}"
        return line.rstrip("\n")

    def rest(self):
        """Tell it that no more is coming, and return what it writes until it ends."""
        self._process.stdin.close()
        rest = self._process.stdout.read()
        self._process.wait(timeout=LIMIT)
        return rest

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """Kill it, and return what it had written that was not read yet. It must still be there."""
        self._process.kill()
        status = self._process.wait()
        assert status == -9, f"it had ended with status {status}: {self.errors()}"
        return self._process.stdout.read()

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(timeout=LIMIT)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
