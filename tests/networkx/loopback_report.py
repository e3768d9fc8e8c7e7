"""A plugin of pytest: what failed, how many graphs were copied, and how many stores are left open, as a file.

Each process of xdist tells its part to the one that began it, which writes the file.
"""

import gc
import json
import os
import re
import sys

import pytest

_outcome = {"failed": [], "copied": 0, "left_open": 0}


def pytest_runtest_logreport(report):
    """Note what failed, and say so at once: all the tests take long."""
    if report.failed and report.nodeid not in _outcome["failed"]:
        _outcome["failed"].append(report.nodeid)
        if "PYTEST_XDIST_WORKER" not in os.environ:
            print(f"\n{report.nodeid} failed", flush=True)


def pytest_collectreport(report):
    if report.failed:
        _outcome["failed"].append(report.nodeid)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node, error):
    """Add what a process of xdist tells."""
    for name in ("copied", "left_open"):
        _outcome[name] += getattr(node, "workeroutput", {}).get(name, 0)


def pytest_sessionfinish(session):
    loopback = sys.modules.get("pyrsistence_loopback")
    if loopback is not None:
        gc.collect()
        _outcome["copied"] += loopback.copied
        _outcome["left_open"] += _open_stores()
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output.update({name: _outcome[name] for name in ("copied", "left_open")})
    else:
        with open(os.environ["LOOPBACK_REPORT"], "w") as file:
            json.dump(_outcome, file)


def _open_stores():
    """How many temporary stores are mapped: their graphs are referenced still, or leaked."""
    with open("/proc/self/maps") as file:
        return len(set(re.findall(r"/pyrsistence-[^/\s]+/", file.read())))
