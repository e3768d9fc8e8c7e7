"""Tests of the tests: plants each bug of plants.py in a copy of the sources, and expects its test to fail.

    python tests/planted/run.py [NAME PART]     # all, or those whose name holds NAME PART

Exits with 1 if a bug is not found, or if the sources as they are do not pass. Needs g++, GoogleTest, xxHash.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

from plants import PLANTS, Plant

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "planted"
# What was compiled once is not compiled again, where there is a ccache: most files are the same for each bug.
COMPILER = [found, "g++"] if (found := shutil.which("ccache")) else ["g++"]
FLAGS = [
    "-std=c++20",
    "-O1",
    "-Isrc",
    "-Iinclude",
    "-Itests/cpp",
    *os.environ.get("XXHASH_FLAGS", "").split(),
]
SIMULATION = [
    "simulated_disk",
    "workload",
    "workload_member",
    "workload_bytes",
    "graph_model",
    "workload_actor",
    "crash_inspector",
    "crash_run",
    "fault_run",
]
TESTS = [
    *SIMULATION,
    "store_test",
    "crash_test",
    "fault_test",
    "reader_test",
    "verify_test",
    "buffered_index_test",
    "deque_test",
    "graph_test",
    "hostile_store_test",
    "neighbour_table_test",
]
# A plant that needs luck is tried with this many workloads; the sources as they are, with fewer.
WORKLOADS = "12"


def sources(tree: pathlib.Path) -> list[pathlib.Path]:
    """What the tests need: neither the bindings nor the handles."""
    above = {tree / "src" / "python", tree / "src" / "api"}
    found = [path for path in sorted((tree / "src").rglob("*.cpp")) if above.isdisjoint(path.parents)]
    tests = {path.stem: path for path in (tree / "tests" / "cpp").rglob("*.cpp")}
    return found + [tests[name] for name in TESTS]


def compile_all(
    tree: pathlib.Path, objects: pathlib.Path, only: set[str] | None = None
) -> list[pathlib.Path]:
    """Compile the sources in parallel; those not in `only` (relative names) are taken from an earlier build."""
    objects.mkdir(parents=True, exist_ok=True)
    jobs = []
    results = []
    for source in sources(tree):
        name = str(source.relative_to(tree))
        target = objects / (name.replace("/", "_") + ".o")
        results.append(target)
        if only is None or name in only:
            jobs.append([*COMPILER, *FLAGS, "-c", name, "-o", str(target)])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda job: subprocess.run(job, cwd=tree, capture_output=True, text=True), jobs):
            if done.returncode != 0:
                sys.exit("does not compile:\n" + done.stderr)
    return results


def link(objects: list[pathlib.Path], program: pathlib.Path) -> None:
    command = ["g++", *map(str, objects), "-lgtest", "-lgtest_main", "-lpthread", "-o", str(program)]
    subprocess.run(command, check=True)


def run_test(program: pathlib.Path, test: str, workloads: str) -> str:
    """What became of it: "passed", "failed", or "timed out" (half an hour), which is no answer."""
    environment = dict(os.environ, CRASH_WORKLOADS=workloads, CRASH_SEED="1")
    command = [str(program), f"--gtest_filter={test}", "--gtest_brief=1", "--gtest_fail_fast"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run(command, env=environment, timeout=1800, **quiet)
    except subprocess.TimeoutExpired:
        return "timed out"
    return "passed" if done.returncode == 0 else "failed"


def require_tests(program: pathlib.Path, test: str) -> None:
    """A filter that selects nothing would pass whatever is planted."""
    for part in test.split(":"):
        listed = subprocess.run(
            [str(program), f"--gtest_filter={part}", "--gtest_list_tests"], capture_output=True, text=True
        )
        if "  " not in listed.stdout:
            sys.exit(f"no test is called {part}; mend plants.py, or TESTS")


def plant(tree: pathlib.Path, bug: Plant) -> set[str]:
    """Change the copy; return the relative names of the files to compile again."""
    changed = set()
    for name, old, new in bug.substitutions:
        path = tree / name
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(
                f"'{bug.name}': its text occurs {text.count(old)} times in {name}, not once; mend plants.py"
            )
        path.write_text(text.replace(old, new))
        changed.add(name)
    if any(name.endswith(".h") for name in changed):
        return {str(path.relative_to(tree)) for path in sources(tree)}
    return changed


def copy_tree(target: pathlib.Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for part in ("src", "include", "tests/cpp"):
        shutil.copytree(ROOT / part, target / part)


def main() -> int:
    wanted = [bug for bug in PLANTS if len(sys.argv) < 2 or sys.argv[1] in bug.name]
    tree, sound, broken = BUILD / "tree", BUILD / "sound", BUILD / "broken"
    copy_tree(tree)
    link(compile_all(tree, sound), BUILD / "sound-tests")
    for test in sorted({bug.test for bug in wanted}):
        require_tests(BUILD / "sound-tests", test)
        if (outcome := run_test(BUILD / "sound-tests", test, "2")) != "passed":
            print(f"{test} {outcome} without any planted bug")
            return 1
    missed = 0
    for bug in wanted:
        copy_tree(tree)
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(sound, broken)
        link(compile_all(tree, broken, plant(tree, bug)), BUILD / "broken-tests")
        outcome = run_test(BUILD / "broken-tests", bug.test, WORKLOADS)
        missed += outcome != "failed"
        verdict = {"failed": "found", "passed": "MISSED", "timed out": "TIMED OUT"}[outcome]
        print(f"{verdict:9} {bug.name}  ({bug.test})", flush=True)
    print(f"{len(wanted) - missed} passed, {missed} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
