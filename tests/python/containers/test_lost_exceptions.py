"""What the caller's code raises within a call is what the call raises: no exception is lost or replaced.

The list of calls is that of test_callbacks.py. A process keeps what it has looked up once (a module's
attribute), so each call is also the first one of a process: a child of one that has called nothing yet.
"""

import os
import pickle
import sys

import pytest

import test_callbacks
from test_callbacks import CALLS, Argument, Subject


class Abort(BaseException):
    """Not an Exception, as KeyboardInterrupt."""


# TypeError is left out: what iterates, compares or asks for a length may take it for "not of that kind".
RAISED = (ValueError, MemoryError, OSError, Abort, ZeroDivisionError, pickle.PicklingError)
# Calls that show an error in place of a value, or ask again.
LENIENT = {"repr"}


def chain(error):
    """The exception, those that it holds, and what it was raised from."""
    while error is not None:
        yield error
        yield from getattr(error, "exceptions", ())
        error = error.__cause__ or error.__context__


def raises_what_was_raised(kind, call, kind_of_error):
    """Return what is wrong, or None."""
    mine = kind_of_error("mine")
    raised = []

    def act():
        raised.append(True)
        raise mine

    with Subject(kind) as subject:
        subject.begin(test_callbacks.close)
        test_callbacks._act[:] = [act, 1]
        try:
            subject.calls[call](subject.container, Argument(2))
            found = None
        except BaseException as error:
            found = error
        finally:
            test_callbacks._act[:] = [None, 0]
        if raised and mine not in chain(found):
            return f"{kind}, {call}: raised {mine!r}, found {found!r}"
        subject.end()
    return None


@pytest.mark.parametrize("kind_of_error", RAISED)
def test_no_exception_is_lost(kind_of_error, monkeypatch):
    if os.path.isdir("/dev/shm"):
        monkeypatch.setattr(test_callbacks.tempfile, "tempdir", "/dev/shm")
    wrong = [raises_what_was_raised(kind, call, kind_of_error) for kind, call in CALLS if call not in LENIENT]
    assert [text for text in wrong if text] == []


def main():
    """Each call in a child of its own; of the exceptions the next one."""
    if os.path.isdir("/dev/shm"):
        test_callbacks.tempfile.tempdir = "/dev/shm"
    for number, (kind, call) in enumerate(CALLS):
        if call in LENIENT:
            continue
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            wrong = raises_what_was_raised(kind, call, RAISED[number % len(RAISED)])
            if wrong:
                print(wrong, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            print(f"{kind}, {call}: ended with status {status}")


def test_nor_is_the_first_one_of_a_process(run_python):
    assert run_python("import test_lost_exceptions; test_lost_exceptions.main()") == ""
