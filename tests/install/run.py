"""Install the C++ library into prefixes under build/ and use it as another program would.

Each header by itself, the examples by find_package(emd) and by pkg-config, with each compiler that there is,
what they print, and that Python reads what they stored, and they what Python did, of each kind of container;
the same of a shared library, and its symbols.

    python tests/install/run.py                # the interpreter has the package
    python tests/install/run.py --no-python    # it has not
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WORK = REPOSITORY / "build" / "install"
EXAMPLES = REPOSITORY / "examples" / "cpp"
KINDS = REPOSITORY / "tests" / "install" / "kinds"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]

TEXT = "to be or not to be that is the question to"
CALLS = "main parse\nmain report\nparse read\nread refill\nreport print\nrefill read\n"
SNIPPET = """
#include <emd/emd.h>
int main() {
  auto store = emd::Store::open("words"); emd::Dict counts = store.dict("counts");
  { auto t = store.transaction(); counts.put("hello", "1"); t.commit(); } store.verify();
  return counts.get("hello") == "1" && EMD_VERSION == std::string(emd::version()) ? 0 : 1;
}
"""
IN_PYTHON = """
import sys, pyrsistence as em
with em.open(sys.argv[1], mode="r") as words:
    counts = words.dict("counts")
    assert int.from_bytes(counts[b"to"], "little") == 6 and len(counts) == 8, dict(counts)
with em.open(sys.argv[2], mode="r") as calls:
    assert list(calls.digraph("calls").successors(b"main")) == [b"parse", b"report"]
with em.open(sys.argv[3], mode="r") as store, store.snapshot():
    samples, ordered = store.array("samples"), store.list("sorted")
    assert memoryview(samples).itemsize == 8 and len(ordered) == 100_000
    assert sorted(list(samples)[:-1]) == list(ordered)
"""


def run(*command, expected=0, **options):
    """Run a command; return what it prints."""
    words = [str(part) for part in command]
    result = subprocess.run(words, capture_output=True, text=True, **options)
    if result.returncode != expected:
        sys.exit(f"{' '.join(words)}\n{result.stdout}{result.stderr}\nexit status {result.returncode}")
    return result.stdout


def side_by_side(call, arguments):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(call, arguments):
            pass


def compilers():
    return [name for name in (os.environ.get("CXX") or "g++", "clang++") if shutil.which(name)]


def is_there(header):
    """Whether the system has it."""
    command = [compilers()[0], "-x", "c++", "-fsyntax-only", "-"]
    return (
        subprocess.run(command, input=f"#include <{header}>", capture_output=True, text=True).returncode == 0
    )


def install(shared):
    """Build the library, or link its objects anew, and install it; return the prefix."""
    prefix = WORK / ("shared" if shared else "static")
    shutil.rmtree(prefix, ignore_errors=True)
    options = [f"-DBUILD_SHARED_LIBS={'ON' if shared else 'OFF'}", "-DCMAKE_BUILD_TYPE=Release"]
    options += ["-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG"]
    if is_there("xxhash.h"):
        options += ["-DCMAKE_DISABLE_FIND_PACKAGE_Python=ON"]  # neither it nor pip nor the network is asked
    run("cmake", "-S", REPOSITORY, "-B", WORK / "build", "-G", "Ninja", *options)
    run("cmake", "--build", WORK / "build")
    run("cmake", "--install", WORK / "build", "--prefix", prefix)
    return prefix


def headers(prefix):
    return sorted(
        path.relative_to(prefix / "include").as_posix() for path in (prefix / "include").rglob("*.h")
    )


def check_headers(prefix, compiler):
    """Each stands alone, may be included twice, warns of nothing, and is the same with and without NDEBUG."""
    flags = ["-std=c++20", *WARNINGS, "-fsyntax-only", "-I", prefix / "include", "-x", "c++", "-"]

    def check(header):
        assert "NDEBUG" not in (prefix / "include" / header).read_text(), f"{header}: depends on NDEBUG"
        run(compiler, *flags, input=f"#include <{header}>\n#include <{header}>\n")

    side_by_side(check, headers(prefix))


def check_symbols(prefix, shared):
    """The library shows its public classes, errors, and nothing of xxHash."""
    library = next((prefix / "lib").rglob("libemd.so" if shared else "libemd.a"))
    names = run("nm", "-C", "--defined-only", *(["-D"] if shared else ["-g"]), library)
    assert "emd::v2::Store::open" in names
    assert "XXH" not in names, "a symbol of xxHash is shown"
    if not shared:
        return
    # What the standard library's templates become is weak, and any library's that uses them.
    own = re.compile(r" emd::v2::| (vtable|typeinfo|typeinfo name) for emd::(v2::)?\w+$| emd::\w+Error::")
    others = [line for line in names.splitlines() if " T " in line and not own.search(line)]
    others += [line for line in names.splitlines() if re.search(r" for emd::", line) and not own.search(line)]
    assert not others, "the library shows what is its own business:\n" + "\n".join(others)
    soname = re.search(r"SONAME.*\[(.*)\]", run("readelf", "-d", library))[1]
    major = re.search(r"EMD_VERSION_MAJOR (\d+)", (prefix / "include/emd/version.h").read_text())[1]
    assert soname == f"libemd.so.{major}", soname


def by_cmake(prefix, compiler, build):
    flags = [f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_CXX_FLAGS={' '.join(WARNINGS)}"]
    run("cmake", "-S", EXAMPLES, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", *flags)
    run("cmake", "--build", build)


def by_pkg_config(prefix, compiler, build):
    (package,) = prefix.rglob("emd.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(package.parent)}
    flags = run("pkg-config", "--cflags", "--libs", "emd", env=environment).split()
    build.mkdir(parents=True, exist_ok=True)
    snippet = build / "snippet.cpp"
    snippet.write_text(SNIPPET)
    side_by_side(
        lambda source: run(compiler, "-std=c++20", *WARNINGS, "-o", build / source.stem, source, *flags),
        [*EXAMPLES.glob("*.cpp"), KINDS.with_suffix(".cpp"), snippet],
    )


# Without pkg-config, which is wished for and not needed, by CMake alone.
WAYS = (by_cmake, by_pkg_config) if shutil.which("pkg-config") else (by_cmake,)


def check_programs(build, environment, python):
    """Run the examples on new stores: what they print, also the second time, and what Python finds there."""
    with tempfile.TemporaryDirectory() as scratch:
        words, calls, samples = (pathlib.Path(scratch) / name for name in ("words", "calls", "samples"))
        options = {"env": environment, "cwd": scratch}
        kinds_in_python = (sys.executable, KINDS.with_suffix(".py"))
        run(build / "word_count", words, input=TEXT, **options)
        printed = run(build / "word_count", words, input=TEXT, **options)
        assert printed.splitlines()[:2] == ["6 to", "4 be"] and printed.endswith("8 words\n"), printed
        assert run(build / "call_graph", calls, input=CALLS, **options) == "6 functions, 6 calls\n"
        path = run(build / "call_graph", calls, "main", "refill", **options)
        assert path == "main -> parse -> read -> refill\n", path
        assert run(build / "call_graph", calls, "print", "main", expected=1, **options) == ""
        printed = run(build / "samples", samples, **options)
        assert re.fullmatch(r"100000 samples, sum \d+\nmedian \d+\n", printed), printed
        if python:
            run(sys.executable, "-c", IN_PYTHON, words, calls, samples)
        if python and (build / "kinds").exists():
            for writer, reader in (
                ((build / "kinds",), kinds_in_python),
                (kinds_in_python, (build / "kinds",)),
            ):
                shutil.rmtree(words)
                run(*writer, "write", words, **options)
                run(*reader, "read", words, **options)
        if (build / "snippet").exists():
            shutil.rmtree(words)
            run(build / "snippet", **options)


def check(shared, python):
    prefix = install(shared)
    check_symbols(prefix, shared)
    library = next(prefix.rglob("libemd.*")).parent
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    for number, compiler in enumerate(compilers()):
        if not shared:
            check_headers(prefix, compiler)
        # Of a shared library only the linker has another task: one way for each compiler will do.
        for way in [WAYS[number % len(WAYS)]] if shared else WAYS:
            build = WORK / f"{way.__name__}-{prefix.name}-{pathlib.Path(compiler).name}"
            way(prefix, compiler, build)
            check_programs(build, environment, python)
            print(
                f"{prefix.name} library, {compiler}, {way.__name__}: {len(headers(prefix))} headers, examples"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--no-python", action="store_true", help="do not read the stores with the Python package"
    )
    python = not parser.parse_args().no_python
    check(False, python)
    check(True, python)


if __name__ == "__main__":
    main()
