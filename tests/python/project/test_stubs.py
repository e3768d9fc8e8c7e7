"""Types: mypy and pyright accept a typed use and refuse a wrong one, and the stubs match the runtime."""

import importlib.util
import pathlib
import shutil
import subprocess
import sys

import pytest

import pyrsistence

TESTS = pathlib.Path(__file__).parent


def mypy(*arguments, tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path)


def test_package_is_marked_as_typed():
    assert (pathlib.Path(pyrsistence.__file__).parent / "py.typed").exists()


def test_mypy_accepts_the_sample(tmp_path):
    result = mypy(TESTS / "typed_sample.py", tmp_path=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_mypy_accepts_the_package(tmp_path):
    result = mypy("-p", "pyrsistence", tmp_path=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


WRONG = [
    "d: em.EMDict[str, int] = em.EMDict(); d[1] = 2",
    "d: em.EMDict[str, int] = em.EMDict(); x: str = d['a']",
    "em.EMDict(mode=5)",
    "em.EMDict('p', nonsense=1)",
    "em.EMArray(mode=5)",
    "em.EMShadowMemory('p', nonsense=1)",
    "em.Store('p', timeout='long')",
    "em.EMArray().open('p', permissions='640')",
    "v: em.EMList[int] = em.EMList(); v.append('x')",
    "em.Store().list(5)",
    "s: em.EMSet[int] = em.EMSet(); s.add('x')",
    "s: em.EMSet[int] = em.EMSet(); x: set[str] = s & {1}",
    "d: em.EMDeque[int] = em.EMDeque(); d.appendleft('x')",
    "d: em.EMDeque[int] = em.EMDeque(); d[0:1]",
    "em.EMDeque(maxlen='x')",
    "em.EMSet([1]).union([2], out=set())",
    "em.Store().dict('a').transaction(1)",
]


def test_mypy_refuses_what_is_wrong(tmp_path):
    """Else the stubs would say Any everywhere, and accept everything."""
    file = tmp_path / "wrong.py"
    file.write_text(
        "import pyrsistence as em\n"
        + "\n".join(f"def f{n}() -> None:\n    {line}" for n, line in enumerate(WRONG))
    )
    result = mypy(file, tmp_path=tmp_path)
    for number in range(len(WRONG)):
        assert f"wrong.py:{3 + 2 * number}: error" in result.stdout, (
            f"accepted: {WRONG[number]}\n{result.stdout}"
        )


@pytest.mark.skipif(
    shutil.which("pyright", path=pathlib.Path(sys.executable).parent) is None, reason="no pyright"
)
def test_pyright_accepts_the_sample(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pyright",
        "--pythonpath",
        sys.executable,
        str(TESTS / "typed_sample.py"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_stubs_match_the_runtime(tmp_path):
    """mypy's stubtest imports the package and compares each name and signature."""
    command = [sys.executable, "-m", "mypy.stubtest", "pyrsistence", "--concise", "--ignore-disjoint-bases"]
    allowed = TESTS / "stubtest_allowlist.txt"
    # What some versions of Python have, and others not, is not needed by all.
    command += ["--allowlist", str(allowed), "--ignore-unused-allowlist"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_stubs_are_installed():
    spec = importlib.util.find_spec("pyrsistence._core")
    assert spec is not None
    assert (pathlib.Path(pyrsistence.__file__).parent / "_core.pyi").exists()
