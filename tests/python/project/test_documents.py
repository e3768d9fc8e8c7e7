"""What the documents name exists: the tests that stand for promises, planted bugs, files that are linked."""

import pathlib
import re
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[3]
TESTS = REPOSITORY / "tests"
sys.path.append(str(TESTS / "planted"))

DOCUMENTS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "docs" / "decisions")
    for path in folder.glob("*.md")
)


def text_of(name):
    return (REPOSITORY / name).read_text()


def unwrapped(text):
    """Paragraphs on one line each: names of plants have spaces, at which a line may end."""
    return re.sub(r"\s*\n\s*", " ", text)


def defined(folder, pattern, suffixes):
    names = set()
    for path in folder.rglob("*"):
        if path.suffix in suffixes:
            names.update(re.findall(pattern, path.read_text()))
    return names


PYTHON_TESTS = defined(TESTS / "python", r"def (test_\w+)", {".py"})
# TEST(Suite, Name), TEST_F and TEST_P, whose suites are classes.
CPP_TESTS = {
    f"{suite}.{name}" for suite, name in defined(TESTS / "cpp", r"TEST(?:_[FP])?\((\w+),\s*(\w+)\)", {".cpp"})
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_tests_exist(name):
    if name == "docs/compatibility.md":
        pytest.skip("it names CPython's tests, which test_conformance.py compares")
    text = text_of(name)
    missing = [test for test in re.findall(r"`(test_\w+)`", text) if test not in PYTHON_TESTS]
    suites = {test.split(".")[0] for test in CPP_TESTS}
    for suite, test in re.findall(r"`([A-Z]\w+)\.([A-Z]\w+)`", text):
        if (suite in suites or name.endswith("durability.md")) and f"{suite}.{test}" not in CPP_TESTS:
            missing.append(f"{suite}.{test}")
    assert not missing, f"{name} names tests that do not exist: {missing}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_files_of_tests_exist(name):
    present = {path.name for path in TESTS.rglob("*") if path.suffix in (".py", ".cpp", ".h")}
    named = re.findall(r"\b(test_\w+\.py|\w+_test\.cpp)\b", text_of(name))
    missing = [file for file in named if file not in present]
    assert not missing, f"{name} names files that do not exist: {missing}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_plants_exist(name):
    from plants import PLANTS

    known = [plant.name for plant in PLANTS]
    named = r"\bplants? ((?:\"[^\"]+\"(?:, | and |, plant )?)+)"
    for sentence in re.findall(named, unwrapped(text_of(name))):
        for quoted in re.findall(r"\"([^\"]+)\"", sentence):
            assert any(plant.startswith(quoted) for plant in known), f"{name}: there is no plant {quoted!r}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    folder = (REPOSITORY / name).parent
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text_of(name))
    missing = [link for link in links if not (folder / link).exists()]
    assert not missing, f"{name} links to what does not exist: {missing}"


def test_the_promises_name_tests():
    """Each case of docs/durability.md names a test: by its name, its file, or as Crash or Faults."""
    text = text_of("docs/durability.md").split("## The cases")[1].split("\n## ")[0]
    cases = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^\*\*|^A failed)", text, re.M | re.S)
    assert [int(number) for number, _ in cases] == list(range(1, len(cases) + 1))
    assert len(cases) > 20
    for number, case in cases:
        assert re.search(r"`\w+\.\w+`|`test_\w+`|test_\w+\.py|\bCrash\b|\bFaults\b", case), f"case {number}"


def test_the_format_described_is_the_one_written():
    source = (REPOSITORY / "src" / "store" / "superblock.h").read_text()
    version = re.search(r"kFormatVersion = (\d+);", source)[1]
    text = text_of("docs/format.md")
    assert f"Version {version}. " in text
    assert f"| format version | {version} |" in text
    assert f"- **{version}**: " in text


def test_planted_bugs_find_their_place():
    """Each text that a plant replaces stands once in the sources; else `make planted` cannot run."""
    from plants import PLANTS

    for plant in PLANTS:
        for file, old, _ in plant.substitutions:
            assert text_of(file).count(old) == 1, f"{plant.name}: {old!r} in {file}"
