"""The tree is the architecture: every include and import points downward (ARCHITECTURE.md, "Layers").

A new folder in src/ belongs into LAYERS, one of the package into FOLDERS; a file of an unknown layer fails.
"""

import ast
import collections
import pathlib
import re
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[3]

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
    "api",
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

# The package's folders from the bottom up; _core is the extension module, "" the package itself. An import
# leads to the same folder or to one before it, also an import within a function. There is no exception: what
# is above is found through what was handed in (a member's Store), or by who is above both (_stores/kinds.py).
FOLDERS = ["_core", "_base", "_containers", "_graphs", "_stores", "_legacy", "_cli", ""]

# What the package may import beside the standard library and itself: where it is wanted, never at the top.
OPTIONAL = {"networkx", "numpy", "tqdm"}
# Modules that need an optional package, and are imported only where they are wanted.
WHOLLY = {
    f"_graphs/{name}.py": "networkx"
    for name in ("classes", "copies", "networkx_face", "networkx_views", "stored")
}


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


PUBLIC = REPOSITORY / "include"
STANDARD_HEADER = re.compile(r"[a-z_]+")


def test_public_headers_stand_alone():
    """They name each other and the standard library, and are the same with and without NDEBUG."""
    files = sorted(PUBLIC.rglob("*.h"))
    assert len(files) > 5
    for file in files:
        text = file.read_text()
        assert "NDEBUG" not in text, file
        for header, quoted in includes(text):
            ours = (PUBLIC / header).is_file() or (PUBLIC / f"{header}.in").is_file()
            assert not quoted, f"{file}: {header}: in angle brackets, as programs name them"
            assert ours or STANDARD_HEADER.fullmatch(header), f"{file}: {header}"


def test_only_the_handles_use_the_public_headers():
    """Below them errors alone are public."""
    for file in sources():
        folder = file.parent.relative_to(REPOSITORY / "src").as_posix()
        public = {header for header, _ in includes(file.read_text()) if header.startswith(("emd/", "api/"))}
        assert folder == "api" or public <= {"emd/errors.h"}, f"{file}: {public}"


PACKAGE = REPOSITORY / "python" / "pyrsistence"
MODULES = {
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file
    for file in sorted(PACKAGE.rglob("*.py"))
}


def package_of(module):
    """Where the relative imports of a module begin."""
    return module.removesuffix(".__init__") if module.endswith(".__init__") else module.rpartition(".")[0]


def named_by(node, module):
    """The modules that an import names: `from .a import b` may name a.b, or b in a."""
    if isinstance(node, ast.Import):
        return [[alias.name] for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = package_of(module).split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
    return [[f"{base}.{alias.name}", base] for alias in node.names]


def imports(module, text):
    """(names, whether it is at the top level) of each import that is run, not only read by type checkers."""

    def walk(node, at_top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                yield from ((names, at_top) for names in named_by(child, module))
            elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                yield from (found for other in child.orelse for found in walk(other, at_top))
            else:
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from walk(child, at_top and not inside)

    return walk(ast.parse(text), True)


def python_folder(module):
    """The part of a module's name that is a folder of the package, or the extension."""
    parts = module.split(".")
    if len(parts) < 2 or (len(parts) == 2 and f"{module}.__init__" not in MODULES and parts[1] != "_core"):
        return ""
    return parts[1]


def targets(names):
    """The module of the package that an import leads to: the first of the names that is one."""
    for name in names:
        for module in (name, f"{name}.__init__"):
            if module in MODULES or module == "pyrsistence._core":
                return [module]
    return []


def python_edges():
    """(module, target, whether at the top level)."""
    for module, file in MODULES.items():
        for names, at_top in imports(module, file.read_text()):
            for target in targets(names):
                yield module, target, at_top


def test_folders_of_the_package_import_downward():
    faults, count = [], 0
    for module, target, _ in python_edges():
        count += 1
        here, there = python_folder(module), python_folder(target)
        if here not in FOLDERS or there not in FOLDERS:
            faults.append(f"{module} -> {target}: a folder that is in no layer")
        elif FOLDERS.index(there) > FOLDERS.index(here):
            faults.append(f"{module} imports {target}: upward edge {here} -> {there}")
    assert not faults, "\n".join(faults)
    assert count > 100, "hardly an import was found: the test showed nothing"


def test_no_modules_import_each_other():
    """At the top level, where it would fail or depend on who comes first."""
    edges = collections.defaultdict(set)
    for module, target, at_top in python_edges():
        if at_top:
            edges[module].add(target)
    assert len(edges) > 30
    assert circle(edges) is None


@pytest.mark.parametrize(
    ("module", "line", "found"),
    [
        ("_containers.list", "from .._base import container", ("_base.container", True)),
        ("_containers.list", "from ..nowhere import x", None),
        ("_base.place", "def f():\n  from .._stores.store import Store", ("_stores.store", False)),
        ("_base.place", "class A:\n  from .._stores.store import Store", ("_stores.store", True)),
        ("_base.place", "if TYPE_CHECKING:\n  from .._stores.store import Store", None),
        ("_cli.__init__", "from .command import main", ("_cli.command", True)),
        ("__init__", "from ._core import LockedError", ("_core", True)),
        ("_legacy.files", "import pyrsistence", ("__init__", True)),
        ("_legacy.files", "import os, json", None),
    ],
)
def test_imports_are_found(module, line, found):
    leading = [
        (target.removeprefix("pyrsistence."), at_top)
        for names, at_top in imports(f"pyrsistence.{module}", line)
        for target in targets(names)
    ]
    assert leading == ([found] if found else [])


def test_package_imports_itself_and_the_standard_library():
    for module, file in MODULES.items():
        for names, at_top in imports(module, file.read_text()):
            root = names[0].split(".")[0]
            if root in OPTIONAL:
                wanted = not at_top or WHOLLY.get(file.relative_to(PACKAGE).as_posix()) == root
                assert wanted, f"{file}: {names[0]} is optional; import it where it is wanted"
            else:
                assert root == "pyrsistence" or root in sys.stdlib_module_names, f"{file}: imports {names[0]}"


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
