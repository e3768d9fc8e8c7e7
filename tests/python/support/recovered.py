"""What the demonstration recovers of a file, for its tests."""

import pathlib
import sys

import pytest

pytest.importorskip("numpy")
pytest.importorskip("networkx")
pytest.importorskip("capstone")
pytest.importorskip("elftools")
pytest.importorskip("tqdm")

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
sys.path += [str(EXAMPLES), str(ROOT / "tools")]

from disassembly.blocks import connect  # noqa: E402
from disassembly.census import census, differences  # noqa: E402
from disassembly.image import Image, ImageError  # noqa: E402
from disassembly.listing import list_code  # noqa: E402
from disassembly.members import CODE, HEAD, LEADER, Program  # noqa: E402
from disassembly.plain import InMemory  # noqa: E402


def write(path, data):
    path.write_bytes(data)
    return str(path)


def recover(file, containers=None):
    """Both passes, as the steps do them."""
    with Image(file) as image:
        program = Program(InMemory() if containers is None else containers)
        facts = list_code(image, program, lambda done: None)
        facts.update(connect(image, program, lambda done: None))
        ranges = [(s.address, s.address + s.size) for s in image.sections]
        counts = census(program, ranges)
        assert differences(counts, counts) == []
        return program, facts, counts


def edges(graph):
    return {(u, v): tuple(edge.values()) for u, v, edge in graph.edges(data=True)}


def texts(program):
    """The instructions, as `objdump` would show them."""
    return {address: " ".join(program.instruction(address)[1:]).strip() for address in program.instructions}


def named(program):
    """The functions by name, and the calls as pairs of names."""
    name = {address: program.names.get(address, hex(address)) for address in program.functions}
    return set(name.values()), {(name[u], name[v]) for u, v in program.calls.edges}


def check_refused(file, *expected):
    with pytest.raises(ImageError) as caught:
        recover(file)
    for text in (*expected, str(file)):
        assert text in str(caught.value)


def check_flags(program, counts):
    """Whatever leads somewhere leads to an instruction that begins a block."""
    for graph in (program.flow, program.calls):
        for node in graph:
            assert program.flags[node] & (HEAD | CODE | LEADER) == HEAD | CODE | LEADER
