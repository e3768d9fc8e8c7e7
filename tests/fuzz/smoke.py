"""Runs the fuzz targets of the C++ test build shortly: the corpus, then some thousands of mutations of it.

    python tests/fuzz/smoke.py BUILD [SEED]

BUILD is a CMake build with -DEMD_TESTS=ON. Without a seed it is random; it is printed, and with a failure the
command that repeats it.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import random
import subprocess
import sys
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
# Each takes a few seconds under the sanitizers.
MUTATIONS = {"superblock": 20000, "journal": 8000, "codec": 20000, "store": 300, "graph": 800, "shadow": 600}
DEFAULT_MUTATIONS = 1500


def smoke(program: pathlib.Path, seed: int) -> tuple[str, int]:
    name = program.name.removesuffix("_fuzzer")
    command = [str(program), f"-runs={MUTATIONS.get(name, DEFAULT_MUTATIONS)}", f"-seed={seed}"]
    command.append(str(HERE / "corpus" / name))
    # Python's own leaks are not ours to find.
    environment = {
        **os.environ,
        "ASAN_OPTIONS": f"detect_leaks={int(name != 'codec')}:malloc_context_size=8",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONPATH": sysconfig.get_path("purelib"),  # for NumPy, if it is there
    }
    done = subprocess.run(
        command,
        cwd=program.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return done.stdout.splitlines()[0], 0
    again = " ".join(command)
    return f"{done.stdout}\n{name}: FAILED with status {done.returncode}; again: {again}", 1


def main() -> int:
    programs = sorted((pathlib.Path(sys.argv[1]).resolve() / "tests" / "fuzz").glob("*_fuzzer"))
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    if not programs:
        sys.exit(f"smoke: no fuzz targets in {sys.argv[1]}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for text, status in pool.map(lambda program: smoke(program, seed), programs):
            print(text, flush=True)
            failed |= status
    return failed


if __name__ == "__main__":
    sys.exit(main())
