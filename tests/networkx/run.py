"""`make networkx`: NetworkX's own tests, each graph that an algorithm is given copied into a stored one.

    python run.py                                   # all of some 6,900 tests
    python run.py algorithms/tests/test_dag.py -k topological --jobs 0

A test that fails is run again without stored graphs: if it fails there too, it says nothing about them.
exceptions.txt lists the tests that are known to fail, and why. Exit status 0: all others pass, and of those
listed none does.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import networkx

HERE = pathlib.Path(__file__).parent
TESTED = pathlib.Path(networkx.__file__).parent
# Stored graphs of a few nodes are files of a few pages: made in memory, where that has room.
MEMORY = "/dev/shm"


def _has_room(folder):
    return os.path.isdir(folder) and shutil.disk_usage(folder).free > 1 << 30


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="What else is given is a file of tests, relative to the package networkx, or goes to pytest.",
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes; 0: none but this one's child"
    )
    arguments, others = parser.parse_known_args()
    files = [name for name in others if (TESTED / name.split("::")[0]).exists()]
    of_pytest = [name for name in others if name not in files]
    with tempfile.TemporaryDirectory(
        prefix="loopback-", dir=MEMORY if _has_room(MEMORY) else None
    ) as scratch:
        report = pathlib.Path(scratch, "report.json")
        jobs = ["-n", str(arguments.jobs)] if arguments.jobs else []
        status = run(scratch, files, [*jobs, *of_pytest], report)
        if not report.exists():
            sys.exit(status or 1)
        outcome = json.loads(report.read_text())
        ours = outcome["failed"]
        if ours:
            print("\nThose that failed, without stored graphs:", flush=True)
            report.unlink()
            run(scratch, ours, [], report, stored=False)
            elsewhere = set(json.loads(report.read_text())["failed"])
            ours = [name for name in ours if name not in elsewhere]
    print(
        f"\n{outcome['copied']} graphs were copied into stored ones; {outcome['left_open']} were left open."
    )
    if outcome["copied"] == 0:
        sys.exit("no graph was copied: what ran were NetworkX's own graphs")
    if ours:
        sys.exit(f"{len(ours)} tests fail on stored graphs only:\n" + "\n".join(ours))
    sys.exit(0 if status in (0, 1) else status)  # 1: the failures that were looked at


def run(scratch, tests, options, report, stored=True):
    """Run pytest on these tests of NetworkX, or on all; return its exit status. It writes the report."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
        "TMPDIR": scratch,
        "LOOPBACK_REPORT": str(report),
    }
    if stored:
        environment |= {"NETWORKX_TEST_BACKEND": "pyrsistence", "NETWORKX_FALLBACK_TO_NX": "True"}
    command = [sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini"), "--rootdir", str(TESTED)]
    command += ["-p", "loopback_report", *options, *(str(TESTED / name) for name in tests or ["."])]
    return subprocess.run(command, env=environment, cwd=scratch).returncode


if __name__ == "__main__":
    main()
