"""`make demo`: what it recovers is what is in the code, the same in stores and in Python's containers."""

import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from recovered import EXAMPLES, check_flags, check_refused, edges, recover, write

np = pytest.importorskip("numpy")
nx = pytest.importorskip("networkx")

import elf_writer  # noqa: E402
import pyrsistence as em  # noqa: E402
from disassembly.image import Image, ImageError  # noqa: E402
from disassembly.kinds import Kind  # noqa: E402
from disassembly.members import CODE, DATA, FUNCTION_HEAD, HEAD, LEADER, Program  # noqa: E402
from disassembly.names import readable  # noqa: E402
from disassembly.plain import InMemory, PlainDiGraph  # noqa: E402
from disassembly.queries import ask, shape  # noqa: E402
from disassembly.symbols import function_addresses  # noqa: E402
from disassembly.texts import Texts  # noqa: E402

# Calls, a branch, a loop, functions that call each other, a byte that is no instruction, and code behind it.
X86 = bytes.fromhex(
    "e80b000000 85c0 7405 e80a000000 c3 90"  # 1000: call f; test; je 100e; call g; ret; nop
    "e803000000 c3 9090"  # 1010, f: call g; ret; nop; nop
    "e8f3ffffff ebf9 06"  # 1018, g: call f; jmp g; no instruction
    "488d0510000000 c3"  # 1020: lea rax, [rip + 16]; ret
)
ARM64 = struct.pack(
    "<8I",
    0xA9BF7BFD,  # 1000: stp x29, x30, [sp, #-16]!
    0x94000005,  # 1004: bl 1018
    0x34000040,  # 1008: cbz w0, 1010
    0x94000004,  # 100c: bl 101c
    0xA8C17BFD,  # 1010: ldp x29, x30, [sp], #16
    0xD65F03C0,  # 1014: ret
    0x14000001,  # 1018: b 101c
    0xD65F03C0,  # 101c: ret
)
# lea rdx, [rip + .rodata]; movsxd rax, [rdx + rax*4]; add rax, rdx; jmp rax; ret; ret; nop; ret
SWITCH = bytes.fromhex("488d15f90f0000 48630482 4801d0 ffe0 c3 c3 90 c3")
TABLE = struct.pack("<3i", 0x1010 - 0x2000, 0x1011 - 0x2000, 0x1013 - 0x2000) + b"\x7f" * 8

OPTIONS = {"store": lambda path: em.Store(path), "plain": lambda path: InMemory()}


def machine_name(file):
    with Image(file) as image:
        return image.machine.name


def contents(program, counts):
    """All that the members hold, as builtins."""
    graphs = {
        name: (list(graph.nodes), sorted((u, v, dict(edge)) for u, v, edge in graph.edges(data=True)))
        for name, graph in (
            ("references", program.references),
            ("flow", program.flow),
            ("calls", program.calls),
        )
    }
    rows = {
        name: [(address, *map(int, row)) for address, row in members.items()]
        for name, members in (("instructions", program.instructions), ("functions", program.functions))
    }
    return {
        **graphs,
        **rows,
        "operands": bytes(program.operands[:]),
        "mnemonics": list(program.mnemonics),
        "transfers": program.transfers[:].tolist(),
        "names": dict(program.names),
        "counts": counts,
    }


@pytest.fixture(params=OPTIONS)
def containers(request, path):
    """A store, and Python's own containers in its place."""
    made = OPTIONS[request.param](path)
    yield made
    if request.param == "store":
        made.close()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A program of a compiler, with a switch, a loop and recursion."""
    folder = tmp_path_factory.mktemp("compiled")
    cases = "".join(f"case {n}: return f(x - {n}) * {n * n + 3};" for n in range(12))
    (folder / "a.cpp").write_text(
        f'extern "C" int f(int); extern "C" int g(int x) {{ switch (x) {{ {cases} default: return x; }} }}\n'
        'extern "C" int f(int x) { int s = 0; for (int i = 0; i < x; ++i) s += g(i) ^ s; return s; }\n'
        "int main(int count, char**) { return f(count); }\n"
    )
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler, "the package could not have been built without a C++ compiler"
    subprocess.run([compiler, "-O1", "-o", folder / "program", folder / "a.cpp"], check=True)
    return str(folder / "program")


# ---- What is in code that is known to the byte


def test_x86_by_hand(tmp_path, containers):
    file = write(tmp_path / "a.so", elf_writer.elf(X86, functions={"main": 0x1000}))
    program, facts, _ = recover(file, containers)
    assert facts["mix"] == {"call": 4, "test": 1, "je": 1, "ret": 3, "nop": 3, "jmp": 1, ".byte": 1, "lea": 1}
    assert program.instruction(0x1007) == (2, "je", "0x100e")
    assert edges(program.references) == {
        (0x1000, 0x1010): (Kind.CALL,),
        (0x1007, 0x100E): (Kind.BRANCH,),
        (0x1009, 0x1018): (Kind.CALL,),
        (0x1010, 0x1018): (Kind.CALL,),
        (0x1018, 0x1010): (Kind.CALL,),
        (0x101D, 0x1018): (Kind.JUMP,),
        (0x1020, 0x1037): (Kind.DATA,),
    }
    assert edges(program.flow) == {
        (0x1000, 0x1009): (Kind.FALL, 0x1007),
        (0x1000, 0x100E): (Kind.BRANCH, 0x1007),
        (0x1009, 0x100E): (Kind.FALL, 0x1009),
        (0x1018, 0x1018): (Kind.JUMP, 0x101D),
    }
    assert list(program.flow) == [
        0x1000,
        0x1009,
        0x100E,
        0x1010,
        0x1018,
        0x1020,
    ]  # nops behind returns are none
    assert edges(program.calls) == {
        (0x1000, 0x1010): (Kind.CALL, 0x1000, 1),
        (0x1000, 0x1018): (Kind.CALL, 0x1009, 1),
        (0x1010, 0x1018): (Kind.CALL, 0x1010, 1),
        (0x1018, 0x1010): (Kind.CALL, 0x1018, 1),
    }
    flags = program.flags[0x1000 : 0x1000 + len(X86)]
    assert flags[0] == CODE | HEAD | LEADER | FUNCTION_HEAD and flags[1] == CODE
    assert flags[0x1F] == DATA | HEAD and flags[0x20] == CODE | HEAD | LEADER
    assert {a: tuple(map(int, row)) for a, row in program.functions.items()} == {
        0x1000: (0x1010, 3, 5),
        0x1010: (0x1018, 1, 2),
        0x1018: (0x1028, 2, 4),
    }


def test_queries_by_hand(tmp_path, containers):
    file = write(tmp_path / "a.so", elf_writer.elf(X86, functions={"main": 0x1000}))
    program, _, _ = recover(file, containers)
    found = ask(program, 0x1001, nx.DiGraph())
    assert found.recursion == [[0x1010, 0x1018]]
    assert found.chain == [0x1000, 0x1010]
    assert (found.asked, found.calls, found.callers) == (0x1000, 2, 0)
    assert found.most_called == [(0x1010, 2), (0x1018, 2), (0x1000, 0)]
    main, loop = shape(program, 0x1000), shape(program, 0x1018)
    assert (main.blocks, main.reached, main.depth, main.loops) == (3, 3, 2, 0)
    assert (loop.blocks, loop.reached, loop.depth, loop.loops) == (2, 1, 1, 1)
    assert ask(program, None, nx.DiGraph()).asked == 0x1000  # the largest


def test_arm64_by_hand(tmp_path, containers):
    file = write(tmp_path / "a.so", elf_writer.elf(ARM64, machine=elf_writer.EM_AARCH64))
    program, _, _ = recover(file, containers)
    assert edges(program.flow) == {
        (0x1000, 0x100C): (Kind.FALL, 0x1008),
        (0x1000, 0x1010): (Kind.BRANCH, 0x1008),
        (0x100C, 0x1010): (Kind.FALL, 0x100C),
    }
    assert edges(program.calls) == {
        (0x1000, 0x1018): (Kind.CALL, 0x1004, 1),
        (0x1000, 0x101C): (Kind.CALL, 0x100C, 1),
        (0x1018, 0x101C): (Kind.TAIL, 0x1018, 1),
    }


def test_switch_by_hand(tmp_path, containers):
    file = write(tmp_path / "a.so", elf_writer.elf(SWITCH, rodata=TABLE))
    program, facts, _ = recover(file, containers)
    assert facts["switches"] == 1
    assert edges(program.flow) == {
        (0x1000, 0x1010): (Kind.SWITCH, 0x100E),
        (0x1000, 0x1011): (Kind.SWITCH, 0x100E),
        (0x1000, 0x1013): (Kind.SWITCH, 0x100E),
    }


@pytest.mark.parametrize("code", [X86, SWITCH])
def test_addresses_of_a_kernel(tmp_path, containers, code):
    """Which are above 2**63: the same as elsewhere, only higher."""
    base = 0xFFFFFFFF81000000
    low, _, _ = recover(write(tmp_path / "low.so", elf_writer.elf(code, rodata=TABLE)), InMemory())
    high, facts, _ = recover(
        write(tmp_path / "high.so", elf_writer.elf(code, rodata=TABLE, base=base)), containers
    )
    assert facts["switches"] == (code is SWITCH)
    for one, other in ((low.references, high.references), (low.flow, high.flow), (low.calls, high.calls)):
        assert list(other) == [base + node for node in one]
        assert set(other.edges) == {(base + u, base + v) for u, v in one.edges}
    found, expected = ask(high, None, nx.DiGraph()), ask(low, None, nx.DiGraph())
    assert [shape.loops for shape in found.largest] == [shape.loops for shape in expected.largest]
    assert found.chain == [base + function for function in expected.chain]


def test_transfers_to_nowhere_are_left_out(tmp_path, containers):
    """Into the middle of an instruction, out of the section, to a byte that is no instruction."""
    code = bytes.fromhex("7401 e8ffffffff 7500 e8f0ffff7f eb01 06 c3 7400 eb80")
    program, _, counts = recover(write(tmp_path / "a.so", elf_writer.elf(code)), containers)
    check_flags(program, counts)


# ---- What a compiler makes


@pytest.mark.parametrize("name", ["compiled", "true"])
def test_stores_and_builtins_hold_the_same(request, path, name):
    file = request.getfixturevalue("compiled") if name == "compiled" else shutil.which("true")
    with em.Store(path) as store, em.EMDiGraph(None) as condensed:
        stored, facts, counts = recover(file, store)
        plain, plain_facts, plain_counts = recover(file, InMemory())
        assert facts == plain_facts
        assert contents(stored, counts) == contents(plain, plain_counts)
        assert ask(stored, None, condensed) == ask(plain, None, PlainDiGraph())
        assert store.verify() == []
    with em.Store(path, mode="r") as store:
        assert contents(Program(store), counts) == contents(plain, plain_counts)


@pytest.mark.parametrize("name", ["compiled", "true"])
def test_instructions_are_those_of_capstone(request, name):
    """Compared with capstone's own loop over whole sections, and targets with a pattern on each text."""
    file = request.getfixturevalue("compiled") if name == "compiled" else shutil.which("true")
    program, _, _ = recover(file, InMemory())
    instructions, targets = [], set()
    with Image(file) as image:
        engine = image.machine.disassembler()
        for section in image.sections:
            code = image.read(section, 0, section.size)
            for address, size, mnemonic, operands in engine.disasm_lite(code, section.address):
                instructions.append((address, (size, mnemonic, operands)))
                targets.update((address, target) for target in x86_targets(address, size, mnemonic, operands))
    assert [(address, program.instruction(address)) for address in program.instructions] == instructions
    if machine_name(file) == "x86-64":
        assert set(program.references.edges) == targets


def x86_targets(address, size, mnemonic, operands):
    if re.fullmatch("0x[0-9a-f]+", operands) and re.search(r"(^| )(j\w+|call|loop\w*)$", mnemonic):
        yield int(operands, 16)
    for sign, offset in re.findall(r"\[rip ([+-]) (\w+)\]", operands):
        yield address + size + int(sign + offset, 0)


def test_compiled_program(compiled):
    program, facts, _ = recover(compiled, InMemory())
    at = {name: address for address, name in program.names.items()}
    assert program.calls.has_node(at["f"]) and program.calls.has_node(at["g"])
    if machine_name(compiled) == "x86-64":
        assert facts["switches"] == 1
        g = shape(program, at["g"])
        assert g.blocks > 12 and g.reached > 12
        assert shape(program, at["f"]).loops == 1


def test_functions_of_a_stripped_file(compiled, tmp_path):
    """Unwinding information stays, and tells of functions that nothing calls."""
    strip = shutil.which("strip")
    if strip is None:
        pytest.skip("there is no strip")
    subprocess.run([strip, "--strip-all", "-o", tmp_path / "stripped", compiled], check=True)
    at = {name: address for address, name in recover(compiled, InMemory())[0].names.items()}
    with Image(tmp_path / "stripped") as image:
        found = function_addresses(image).tolist()
    assert at["f"] in found and at["g"] in found


# ---- Arrays of texts


def test_texts_against_python(rng):
    for _ in range(50):
        words = [
            "0x1f",
            "[rip + 0x20]",
            "[rip - 8]",
            "eax, 0xff",
            "",
            "abc",
            "#0x10, #0xab",
            "f",
            "0x",
            "0",
            "xmm0",
        ]
        texts = [rng.choice(words) for _ in range(rng.randrange(1, 30))]
        rows = np.zeros((len(texts), 40), "u1")
        for row, text in zip(rows, texts, strict=True):
            row[:] = rng.randrange(256)  # what is behind the zero byte does not count
            row[: len(text) + 1] = list(text.encode() + b"\0")
        found = Texts.of_rows(rows)
        assert found.data.tobytes().decode() == "".join(texts)
        assert found.ends.tolist() == np.cumsum([len(text) for text in texts]).tolist()
        places = found.find(b"0x")
        expected = [
            (number, match.start(), int(match[1] or "0", 16))
            for number, text in enumerate(texts)
            for match in re.finditer("0x([0-9a-f]*)", text)
        ]
        begins = found.begins.tolist()
        assert expected == [
            (number, place - begins[number], value)
            for number, place, value in zip(
                found.number_of(places).tolist(),
                places.tolist(),
                found.hexadecimal(places + 2, found.number_of(places)).tolist(),
                strict=True,
            )
        ]


def test_readable_names():
    names = readable(["plain", "x" * 300, "a<b<c>, d>::e"])
    assert names[0] == "plain" and len(names[1]) <= 64 and names[2] == "a<...>::e"


# ---- What cannot be taken apart


def test_bad_files(tmp_path):
    whole = elf_writer.elf(X86)
    check_refused(write(tmp_path / "text", b"no program\n"), "not an ELF file")
    check_refused(str(tmp_path / "missing"), "does not exist")
    check_refused(str(tmp_path), "is a folder")
    check_refused(write(tmp_path / "data", elf_writer.elf(X86, executable=False)), "no executable section")
    check_refused(write(tmp_path / "avr", elf_writer.elf(X86, machine=elf_writer.EM_AVR)), "EM_AVR")
    check_refused(write(tmp_path / "far", elf_writer.elf(X86, base=2**64 - 0x3000)), "damaged")
    check_refused(write(tmp_path / "head", whole[:100]), "take a whole copy")


def test_a_file_cut_anywhere_is_refused_or_read(tmp_path):
    whole = elf_writer.elf(X86, functions={"main": 0x1000})
    refused = 0
    for size in range(0, len(whole), 97):
        try:
            recover(write(tmp_path / "cut", whole[:size]), InMemory())
        except ImageError:
            refused += 1
    assert refused > 0


def test_damaged_tables_are_left_out(tmp_path, rng):
    """Whatever is in the tables of symbols and sections: an error of its own, or what can be read."""
    whole = elf_writer.elf(X86, functions={"main": 0x1000, "other": 0x1010})
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.choice([rng.randrange(64), rng.randrange(len(whole) - 700, len(whole))])] = (
                rng.randrange(256)
            )
        try:
            program, _, _ = recover(write(tmp_path / "damaged", bytes(damaged)), InMemory())
        except ImageError:
            continue
        if program.functions:
            ask(program, None, nx.DiGraph())


# ---- The command


def demo(folder, *arguments):
    command = [
        sys.executable,
        str(EXAMPLES / "disassemble.py"),
        "--figure",
        str(folder / "figure.svg"),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, done.stdout, done.stderr


def test_command(tmp_path, compiled):
    status, out, err = demo(
        tmp_path, "--file", compiled, "--store", str(tmp_path / "store"), "--memory", "32M"
    )
    assert (status, err) == (0, "")
    assert "all as the first process counted" in out and "all answers are the same" in out
    assert "not understood: " in out and "calls through pointers" in out
    picture = xml.etree.ElementTree.parse(tmp_path / "figure.svg")
    assert len(picture.findall("{*}polyline")) == 2
    # The store is kept, and asked again; what does not agree with what was counted is told.
    status, out, _ = demo(tmp_path, "--store", str(tmp_path / "store"))
    assert status == 0 and "exists: asking what it holds" in out
    with em.Store(tmp_path / "store") as store:
        calls = store.digraph("calls")
        calls.remove_edge(*next(iter(calls.edges)))
    status, out, _ = demo(tmp_path, "--store", str(tmp_path / "store"))
    assert status == 1 and "edges of the call graph: expected" in out


def test_command_compares_a_part(tmp_path):
    status, out, err = demo(tmp_path, "--file", shutil.which("true"), "--compare", "4K")
    assert (status, err) == (0, "")
    assert "Comparing the first" in out and "all answers are the same" in out


def test_command_refuses(tmp_path, compiled):
    (tmp_path / "text").write_text("no program")
    status, _, err = demo(tmp_path, "--file", "text")
    assert status == 2 and "not an ELF file" in err
    write(tmp_path / "bytes", elf_writer.elf(b"\x06" * 40))  # none of them begins an instruction
    status, _, err = demo(tmp_path, "--file", "bytes")
    assert status == 2 and "is no instruction that capstone knows of" in err
    status, _, err = demo(tmp_path, "--file", compiled, "--address", "0x7fffffff")
    assert status == 2 and "no executable section" in err
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    status, _, err = demo(tmp_path, "--store", str(tmp_path / "folder"))
    assert status == 2 and "folder" in err
    assert (tmp_path / "folder" / "file").read_text() == "mine"
    with em.Store(tmp_path / "other") as store:
        store.dict("summary")["mine"] = 1
    status, _, err = demo(tmp_path, "--store", str(tmp_path / "other"))
    assert status == 2 and "holds no finished program" in err
