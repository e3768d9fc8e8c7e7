"""The benchmark runs: every claim and the tables, as small as can be. No time is asserted here."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("numpy")

REPOSITORY = pathlib.Path(__file__).parents[3]
BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))

import document  # noqa: E402
from claims import CLAIMS  # noqa: E402
from cold import evict  # noqa: E402
from limit import reason_against  # noqa: E402
from process import Failed, measure  # noqa: E402

import benchmark_work  # noqa: E402
from helpers import LIMIT  # noqa: E402


def run(tmp_path, *arguments):
    """The result file of a run."""
    output = tmp_path / "result.json"
    command = [sys.executable, BENCHMARKS / "run.py", "--quick", "--scratch", tmp_path, "--output", output]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(output.read_text())


@pytest.mark.parametrize("name", [*CLAIMS])
def test_a_claim_is_measured(name, tmp_path):
    result = run(tmp_path, "--kinds", "--claims", name, "--count", "1000", "--seconds", "0.2")
    assert result["claims"]
    for claim in result["claims"]:
        assert not claim["failed"], claim
        assert claim["reached"] is not None or "here" in claim["measured"] or "installed" in claim["measured"]


def test_tables(tmp_path):
    result = run(
        tmp_path, "--sizes", "2000", "--kinds", "int-int", "list", "--only", "pyrsistence", "dict", "--claims"
    )
    cells = {(cell["peer"], cell["state"]): cell for cell in result["cells"]}
    assert {("pyrsistence", "warm"), ("pyrsistence", "cold"), ("dict", "warm"), ("EMList", "warm")} <= {
        *cells
    }
    [warm] = cells["pyrsistence", "warm"]["runs"]
    assert {"insert", "get", "missing", "iterate", "delete"} <= {*warm["nanoseconds"]}
    assert {"insert", "get"} == {*warm["single"]}
    [cold] = cells["pyrsistence", "cold"]["runs"]
    assert {"get", "missing", "iterate"} == {*cold["nanoseconds"]}
    assert "too little" in cells["pyrsistence", "eighth"]["skipped"]


def test_a_limit_holds():
    if reason := reason_against():
        pytest.skip(reason)
    limit = 64 << 20
    assert measure(benchmark_work.take, limit // 2, timeout=LIMIT, limit_bytes=limit)["taken"] == limit // 2
    with pytest.raises(Failed, match="limit of 64 MiB"):
        measure(benchmark_work.take, 2 * limit, timeout=LIMIT, limit_bytes=limit)


def test_what_is_evicted_is_read_again(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(8 << 20))
    if " 0.0% left" not in evict(tmp_path):
        pytest.skip("this file system keeps what it is asked to drop")
    assert measure(benchmark_work.has_read, str(path), timeout=LIMIT)["read_bytes"] >= 8 << 20


def test_documents_say_what_the_result_files_say():
    text = (REPOSITORY / "docs" / "performance.md").read_text()
    named = re.findall(r"\]\(\.\./(benchmarks/results/[^)]+)\)", text)
    paths = [REPOSITORY / name for name in named]
    assert paths
    counts, results = document.read(paths)
    for part in document.parts(counts, results).values():
        assert part in text
    assert document.readme(results) in (REPOSITORY / "README.md").read_text()
