"""Runs the fuzz targets under libFuzzer, one line a target, and keeps what they found worth keeping.

    python tests/fuzz/run.py --seconds 60 [TARGET...]

Builds with clang into build/fuzz. What is new in coverage is merged into tests/fuzz/corpus/TARGET, minimized.
An input that ends a run is a finding: it is kept in build/fuzz/findings, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
FINDINGS = BUILD / "findings"
# Longer inputs are slower, and hardly better: they are lists of small choices.
MAX_INPUT = dict.fromkeys(
    ["store", "index", "buffered_index", "dict", "typed_dict", "array", "graph", "shadow"], 1024
)
DEFAULT_MAX_INPUT = 2048
# Lengths are not grown slowly: a short list of choices does little. The time-out is of the clock, and
# generous, since the machine may have more to do.
LIMITS = ["-len_control=0", "-timeout=120", "-rss_limit_mb=2048", "-malloc_limit_mb=512"]


def targets() -> list[str]:
    return sorted(path.name.removesuffix("_fuzzer.cpp") for path in HERE.glob("*_fuzzer.cpp"))


def clang() -> str:
    """The clang++ of the machine: by its plain name, or the newest with a version."""
    plain = shutil.which("clang++")
    if plain:
        return plain
    versions = {
        int(match[1]): str(path)
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        for path in pathlib.Path(folder or ".").glob("clang++-*")
        if (match := re.fullmatch(r"clang\+\+-(\d+)", path.name))
    }
    if not versions:
        sys.exit("fuzz: there is no clang++; `make fuzz` installs it, where it may")
    return versions[max(versions)]


def build(names: list[str]) -> None:
    flags = "-O2 -g -fno-sanitize-recover=undefined"
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DEMD_FUZZ=ON", "-DCMAKE_BUILD_TYPE=Debug"]
    configure += [f"-DCMAKE_CXX_COMPILER={clang()}", f"-DCMAKE_CXX_FLAGS_DEBUG={flags}"]
    configure += ["-DEMD_SANITIZE=address,undefined", f"-DPython_EXECUTABLE={sys.executable}"]
    subprocess.run([*configure, "--log-level=WARNING"], check=True, stdout=subprocess.DEVNULL)
    programs = [f"{name}_fuzzer" for name in names]
    subprocess.run(["cmake", "--build", BUILD, "--target", *programs], check=True)


def environment(name: str) -> dict[str, str]:
    """Short stacks in the allocator make runs faster; the interpreter's own leaks are not ours to find."""
    return {
        **os.environ,
        "ASAN_OPTIONS": f"malloc_context_size=8:detect_leaks={int(name != 'codec')}",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": sysconfig.get_path("purelib"),  # for NumPy, if it is there
    }


def command(name: str, *arguments: str) -> list[str]:
    leaks = ["-detect_leaks=0"] if name == "codec" else []
    length = MAX_INPUT.get(name, DEFAULT_MAX_INPUT)
    program = BUILD / "tests" / "fuzz" / f"{name}_fuzzer"
    return [
        str(program),
        f"-max_len={length}",
        *LIMITS,
        *leaks,
        f"-artifact_prefix={FINDINGS}/{name}-",
        *arguments,
    ]


def merge(name: str, grown: pathlib.Path) -> None:
    """Puts the smallest set of inputs that covers what all of them cover into the repository's corpus."""
    kept = HERE / "corpus" / name
    merged = BUILD / "merged" / name
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    kept.mkdir(parents=True, exist_ok=True)
    arguments = ["-set_cover_merge=1", str(merged), str(kept), str(grown)]
    done = subprocess.run(command(name, *arguments), env=environment(name), capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{name}: merging failed, the corpus is as it was\n{done.stderr[-2000:]}")
        return
    for path in kept.iterdir():
        # What once was a finding has a name of its own, and stays.
        if re.fullmatch(r"[0-9a-f]{40}", path.name):
            path.unlink()
    for path in merged.iterdir():
        shutil.copy(path, kept / path.name)


def fuzz(name: str, seconds: int) -> tuple[str, bool]:
    grown = BUILD / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    kept = HERE / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    dictionary = HERE / f"{name}.dict"
    arguments = [f"-dict={dictionary}"] if dictionary.exists() else []
    arguments += [f"-max_total_time={seconds}", "-print_final_stats=1", str(grown), str(kept)]
    log = BUILD / f"{name}.log"
    with log.open("w") as out:
        program = command(name, *arguments)
        done = subprocess.run(program, env=environment(name), stdout=out, stderr=subprocess.STDOUT)
    text = log.read_text(errors="replace")
    sound = done.returncode == 0
    if sound:
        merge(name, grown)
    return summary(name, text, sound, log), sound


def summary(name: str, text: str, sound: bool, log: pathlib.Path) -> str:
    def last(pattern: str) -> str:
        return (re.findall(pattern, text) or ["?"])[-1]

    inputs = list((HERE / "corpus" / name).iterdir())
    size = sum(path.stat().st_size for path in inputs) / 1024
    runs, rate = last(r"number_of_executed_units: *(\d+)"), last(r"average_exec_per_sec: *(\d+)")
    coverage, features = last(r"cov: (\d+)"), last(r"ft: (\d+)")
    found = last(r"Test unit written to (\S+)")
    result = "no finding" if sound else f"FINDING: {found} (see {log})"
    return (
        f"{name:<15}{runs:>10} runs {rate:>6}/s   coverage {coverage:>5} edges, {features:>6} features   "
        f"corpus {len(inputs):>4} inputs, {size:>4.0f} KiB   {result}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    options = parser.parse_args()
    names = options.targets or targets()
    if unknown := sorted(set(names) - set(targets())):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(targets())}")
    FINDINGS.mkdir(parents=True, exist_ok=True)
    build(names)
    sound = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line, is_sound in pool.map(lambda name: fuzz(name, options.seconds), names):
            print(line, flush=True)
            sound = sound and is_sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
