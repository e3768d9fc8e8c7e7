"""The tree is the architecture: every include and import points downward (ARCHITECTURE.md, "Layers").

A new folder in src/ belongs into LAYERS; a file of an unknown layer fails.
"""

import ast
import collections
import pathlib
import re
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]

# From the bottom up. A folder includes itself, and those of its own line and of lines before it; no two
# include each other. A star is any folder that has no line of its own.
LAYERS = [
    "base",
    "platform",
    "store",
    "alloc",
    "index",
    "structures/*",  # a folder a kind
    "structures",
    "algorithms/*",
    "python/kit",
    "python/codec",
    "python/core",
    "python/*",  # a folder a kind
    "python/module",
]

# The only seam for effects on the disk is platform/; these headers are its alone.
SYSTEM_HEADERS = re.compile(
    r"sys/(mman|stat|file|ioctl|uio|statvfs|vfs)\.h|fcntl\.h|dirent\.h|fstream|filesystem|linux/.*"
)
# Python objects exist only in python/.
PYTHON_HEADERS = re.compile(r"Python\.h|nanobind/.*|structmember\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# What the package may import beside the standard library and itself: where it is wanted, never at the top.
OPTIONAL = {"networkx", "numpy", "tqdm"}
# Modules that need an optional package, and are imported only where they are wanted.
WHOLLY = dict.fromkeys(("classes.py", "networkx_views.py", "stored.py"), "networkx")


def includes(text):
    """(header, whether it is quoted) of each include in a source text."""
    return [(quoted or angled, bool(quoted)) for quoted, angled in INCLUDE.findall(text)]


def layer_of(folder):
    """Its place in LAYERS; None if it has none."""
    for name in (folder, f"{folder.split('/')[0]}/*" if "/" in folder else folder):
        if name in LAYERS:
            return LAYERS.index(name)
    return None


def folder_of(header):
    return header.rpartition("/")[0]


def edge_faults(folder, text, name="?"):
    """What is wrong with the includes of a file in `folder`, one sentence each."""
    faults = []
    for header, quoted in includes(text):
        target = folder_of(header)
        if quoted:
            if layer_of(target) is None:
                faults.append(f"{name}: includes {header!r}, which is in no layer")
            elif layer_of(target) > layer_of(folder):
                faults.append(f"{name}: upward edge {folder} -> {target} by {header!r}")
        elif PYTHON_HEADERS.fullmatch(header) and not folder.startswith("python/"):
            faults.append(f"{name}: {folder} includes <{header}>; Python exists only in python/")
        elif SYSTEM_HEADERS.fullmatch(header) and folder != "platform":
            faults.append(f"{name}: {folder} includes <{header}>; the disk is platform's alone")
    return faults


def circle(edges):
    """Some nodes that lie on a circle, in order, or None. `edges`: a set of targets for each node."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(edges.get(node, ())):
            if found := visit(target):
                return found
        done.add(path.pop())
        return None

    return next((found for node in sorted(edges) if (found := visit(node))), None)


def sources():
    return sorted(file for file in (REPOSITORY / "src").rglob("*") if file.suffix in (".h", ".cpp"))


def test_includes_point_downward():
    faults, edges = [], 0
    for file in sources():
        folder = file.parent.relative_to(REPOSITORY / "src").as_posix()
        text = file.read_text()
        edges += len(includes(text))
        if layer_of(folder) is None:
            faults.append(f"{file}: folder {folder!r} is in no layer")
        else:
            faults += edge_faults(folder, text, file.relative_to(REPOSITORY))
    assert not faults, "\n".join(faults)
    assert edges > 100, "hardly an include was found: the test showed nothing"


def test_no_folders_include_each_other():
    edges = collections.defaultdict(set)
    for file in sources():
        folder = file.parent.relative_to(REPOSITORY / "src").as_posix()
        edges[folder] |= {folder_of(header) for header, quoted in includes(file.read_text()) if quoted} - {
            folder
        }
    assert len(edges) > 10
    assert circle(edges) is None


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "d": {"a", "c"}}, None),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"]),
        ({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}, ["b", "d", "b"]),
        ({}, None),
    ],
)
def test_circles_are_found(edges, found):
    assert circle(edges) == found


def test_public_headers_know_nothing_of_python():
    for file in sorted((REPOSITORY / "include").rglob("*.h")):
        for header, _ in includes(file.read_text()):
            assert not PYTHON_HEADERS.fullmatch(header), f"{file}: {header}"
            assert not header.startswith("python/"), f"{file}: {header}"


def imports(file):
    """(module, whether the import is at the file's top level)."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in tree.body
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, node in tree.body


def test_package_imports_itself_and_the_standard_library():
    files = sorted((REPOSITORY / "python").rglob("*.py"))
    assert files
    for file in files:
        for module, at_top in imports(file):
            root = module.split(".")[0]
            if root in OPTIONAL:
                wanted = not at_top or WHOLLY.get(file.name) == root
                assert wanted, f"{file}: {module} is optional; import it where it is wanted"
            else:
                assert root == "pyrsistence" or root in sys.stdlib_module_names, f"{file}: imports {module}"


@pytest.mark.parametrize(
    ("folder", "line", "sound"),
    [
        ("store", '#include "platform/file.h"', True),
        ("store", '#include "alloc/heap.h"', False),
        ("base", '#  include "store/store.h"', False),
        ("structures", '#include "python/codec/codec.h"', False),
        ("structures", "#include <Python.h>", False),
        ("store", "#include <sys/mman.h>", False),
        ("platform", "#include <sys/mman.h>", True),
        ("store", '#include "nowhere/x.h"', False),
    ],
)
def test_the_rule_itself(folder, line, sound):
    """A planted upward edge is found."""
    assert (edge_faults(folder, f"// a file\n{line}\n") == []) is sound
