"""Print the requirements of the named extras of pyproject.toml, a line each ("build-system": of the build).

Why not `pip install .[extra]`: that would build the package each time, and wants it built with isolation.
"""

import pathlib
import sys

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib

project = tomllib.loads((pathlib.Path(__file__).parent.parent / "pyproject.toml").read_text())
names = sys.argv[1:]
requirements = []
for name in names:
    if name == "build-system":
        requirements += project["build-system"]["requires"]
    else:
        requirements += project["project"]["optional-dependencies"][name]
print("\n".join(requirements))
