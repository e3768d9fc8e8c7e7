"""The tree is the architecture: every include and import points downward (ARCHITECTURE.md, "Layers").

A new folder in src/ belongs into LAYERS; a file of an unknown layer fails.
"""

import ast
import pathlib
import re
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]

# From the bottom up. A layer includes itself and those before it.
LAYERS = ["base", "platform", "store", "alloc", "structures", "algorithms", "bindings"]

# The only seam for effects on the disk is platform/; these headers are its alone.
SYSTEM_HEADERS = re.compile(
    r"sys/(mman|stat|file|ioctl|uio|statvfs|vfs)\.h|fcntl\.h|dirent\.h|fstream|filesystem|linux/.*"
)
# Python objects exist only in bindings.
PYTHON_HEADERS = re.compile(r"Python\.h|nanobind/.*|structmember\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# What the package may import beside the standard library and itself: where it is wanted, never at the top.
OPTIONAL = {"networkx", "numpy", "tqdm"}
# Modules that need an optional package, and are imported only where they are wanted.
WHOLLY = dict.fromkeys(("_graph.py", "_graph_shown.py", "_graph_stored.py"), "networkx")


def includes(text):
    """(header, whether it is quoted) of each include in a source text."""
    return [(quoted or angled, bool(quoted)) for quoted, angled in INCLUDE.findall(text)]


def edge_faults(layer, text, name="?"):
    """What is wrong with the includes of a file of `layer`, one sentence each."""
    faults = []
    for header, quoted in includes(text):
        target = header.split("/")[0]
        if quoted:
            if target not in LAYERS:
                faults.append(f"{name}: includes {header!r}, which is in no layer")
            elif LAYERS.index(target) > LAYERS.index(layer):
                faults.append(f"{name}: upward edge {layer} -> {target} by {header!r}")
        elif PYTHON_HEADERS.fullmatch(header) and layer != "bindings":
            faults.append(f"{name}: {layer} includes <{header}>; Python exists only in bindings")
        elif SYSTEM_HEADERS.fullmatch(header) and layer != "platform":
            faults.append(f"{name}: {layer} includes <{header}>; the disk is platform's alone")
    return faults


def sources():
    return sorted(file for file in (REPOSITORY / "src").rglob("*") if file.suffix in (".h", ".cpp"))


def test_includes_point_downward():
    faults, edges = [], 0
    for file in sources():
        name = file.relative_to(REPOSITORY)
        layer = name.parts[1]
        text = file.read_text()
        edges += len(includes(text))
        if layer not in LAYERS:
            faults.append(f"{name}: folder {layer!r} is in no layer")
        else:
            faults += edge_faults(layer, text, name)
    assert not faults, "\n".join(faults)
    assert edges > 100, "hardly an include was found: the test showed nothing"


def test_public_headers_include_no_bindings():
    for file in sorted((REPOSITORY / "include").rglob("*.h")):
        for header, _ in includes(file.read_text()):
            assert not PYTHON_HEADERS.fullmatch(header), f"{file}: {header}"
            assert not header.startswith("bindings/"), f"{file}: {header}"


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
    ("layer", "line", "sound"),
    [
        ("store", '#include "platform/file.h"', True),
        ("store", '#include "alloc/heap.h"', False),
        ("base", '#  include "store/store.h"', False),
        ("structures", '#include "bindings/codec.h"', False),
        ("structures", "#include <Python.h>", False),
        ("bindings", "#include <Python.h>", True),
        ("store", "#include <sys/mman.h>", False),
        ("platform", "#include <sys/mman.h>", True),
        ("store", '#include "nowhere/x.h"', False),
    ],
)
def test_the_rule_itself(layer, line, sound):
    """A planted upward edge is found."""
    assert (edge_faults(layer, f"// a file\n{line}\n") == []) is sound
