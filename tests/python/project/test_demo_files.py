"""`make demo`: what the tables of ELF files tell: linked, relocatable, without section headers."""

import struct
import subprocess
import sys

import pytest

import elf_writer as elf
from recovered import EXAMPLES, check_refused, edges, named, recover, texts, write

pytest.importorskip("numpy")

from disassembly.image import Image, ImageError
from disassembly.kinds import Kind
from disassembly.symbols import function_addresses, names

# ---- Relocatable files

# f calls g, which is in .more, a function of another file, and itself; g returns. The machine, .text, .more,
# and the relocations of .text: offset, type, symbol, addend.
OBJECTS = {
    "x86-64": (
        elf.EM_X86_64,
        bytes.fromhex("e800000000 e800000000 e800000000 c3"),
        bytes.fromhex("c3"),
        [(1, 4, 2, -4), (6, 4, 3, -4), (11, 2, 1, -4)],
    ),
    "x86": (
        elf.EM_386,
        bytes.fromhex("e8fcffffff e8fcffffff e8fcffffff c3"),
        bytes.fromhex("c3"),
        [(1, 4, 2, 0), (6, 4, 3, 0), (11, 2, 1, 0)],
    ),
    "AArch64": (
        elf.EM_AARCH64,
        struct.pack("<4I", 0x94000000, 0x94000000, 0x94000000, 0xD65F03C0),
        struct.pack("<I", 0xD65F03C0),
        [(0, 283, 2, 0), (4, 283, 3, 0), (8, 283, 1, 0)],
    ),
    "ARM": (
        elf.EM_ARM,
        struct.pack("<4I", 0xEBFFFFFE, 0xEBFFFFFE, 0xEBFFFFFE, 0xE12FFF1E),
        struct.pack("<I", 0xE12FFF1E),
        [(0, 28, 2, 0), (4, 28, 3, 0), (8, 28, 1, 0)],
    ),
    "Thumb": (
        elf.EM_ARM,
        bytes.fromhex("fff7feff fff7feff fff7feff 7047"),
        bytes.fromhex("7047"),
        [(0, 10, 2, 0), (4, 10, 3, 0), (8, 10, 1, 0)],
    ),
}


def relocatable(name, **options):
    machine, code, more, relocations = OBJECTS[name]
    bit = 1 if name == "Thumb" else 0
    symbols = [
        ("f", bit, elf.STT_FUNC, elf.SHN_TEXT),
        ("g", bit, elf.STT_FUNC, elf.SHN_MORE),
        ("unknown", 0, elf.STT_NOTYPE, elf.SHN_UNDEF),
    ]
    return elf.elf(
        code, more=more, machine=machine, kind=elf.ET_REL, symbols=symbols, relocations=relocations, **options
    )


@pytest.mark.parametrize("name", OBJECTS)
def test_relocations_are_applied(tmp_path, name):
    """Without them each call would lead to the instruction behind it, and make that a function."""
    program, facts, _ = recover(write(tmp_path / "a.o", relocatable(name)))
    assert named(program) == ({"f", "g"}, {("f", "g"), ("f", "f")})
    called = [target for _, target, kind in program.references.edges(data="kind") if kind == Kind.CALL]
    assert sorted(program.names[target] for target in called) == ["f", "g", "unknown"]
    assert facts["not understood"]["calls out of the code"] == 1


def test_relocations_of_data(tmp_path):
    """A switch's table in an object file; a call through a slot; and one of a kind that is not known here."""
    # lea rdx, [rip + table]; movsxd rax, [rdx + rax*4]; add rax, rdx; jmp rax; ret; ret; call [rip + g]; ret
    code = bytes.fromhex("488d1500000000 48630482 4801d0 ffe0 c3 c3 ff1500000000 c3")
    table = bytes(8)
    symbols = [
        ("f", 0, elf.STT_FUNC, elf.SHN_TEXT),
        ("table", 0, elf.STT_OBJECT, elf.SHN_RODATA),
        ("g", 0, elf.STT_NOTYPE, elf.SHN_UNDEF),
    ]
    data = elf.elf(
        code,
        rodata=table,
        kind=elf.ET_REL,
        symbols=symbols,
        relocations=[(3, 2, 2, -4), (20, 41, 3, -4), (20, 99, 3, 0)],
        rodata_relocations=[(0, 2, 1, 16), (4, 2, 1, 17 + 4)],
    )
    file = write(tmp_path / "a.o", data)
    program, facts, _ = recover(file)
    begin = next(iter(program.functions))
    assert facts["switches"] == 1
    switched = [v - begin for (_, v), edge in edges(program.flow).items() if edge[0] == Kind.SWITCH]
    assert sorted(switched) == [16, 17]
    (slot,) = program.references.successors(begin + 18)
    assert program.names[slot] == "address of g"
    with Image(file) as image:
        assert image.linked.not_applied == 1


def test_what_cannot_be_linked_is_refused(tmp_path):
    file = write(tmp_path / "a.o", elf.elf(b"\x4e\x80\x00\x20", machine=elf.EM_PPC64, kind=elf.ET_REL))
    check_refused(file, "relocatable", "EM_PPC64", "ld -o program")
    check_refused(write(tmp_path / "core", elf.elf(b"\xc3", kind=elf.ET_CORE)), "core dump")


@pytest.mark.parametrize("name", OBJECTS)
def test_damaged_relocations(tmp_path, name, rng):
    """Whatever the tables say: an error of its own, or what can be read."""
    whole = relocatable(name)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(0x2800, len(whole))] = rng.randrange(256)
        try:
            recover(write(tmp_path / "damaged.o", bytes(damaged)))
        except ImageError:
            continue


# ---- No section headers

# f: call g; ret. Then nops, g: ret. Then h, which only unwinding information tells of: ret.
CODE = bytes.fromhex("e80b000000 c3 9090909090909090 9090 c3 909090909090909090909090909090 c3")


@pytest.mark.parametrize("joined", [False, True])
def test_program_headers_alone(tmp_path, joined):
    """Executable segments, the dynamic linker's symbols, .eh_frame_hdr: as with section headers."""
    options = {
        "rodata": b"\x06" * 16,
        "dynamic": {"f": 0x1000},
        "unwound": [0x1000, 0x1010, 0x1020],
        "entry": 0x1000,
    }
    whole, _, _ = recover(write(tmp_path / "whole", elf.elf(CODE, **options)))
    file = write(tmp_path / "bare", elf.elf(CODE, sections=False, joined=joined, **options))
    with Image(file) as image:
        assert image.all_sections == []
        assert image.sections[0].address == 0x1000
        assert function_addresses(image).tolist() == [0x1000, 0x1010, 0x1020]
    program, facts, _ = recover(file)
    assert set(program.functions) == set(whole.functions) == {0x1000, 0x1010, 0x1020}
    assert set(program.calls.edges) == set(whole.calls.edges) == {(0x1000, 0x1010)}
    assert program.names[0x1000] == whole.names[0x1000] == "f"
    if not joined:
        assert texts(program) == texts(whole)
        assert facts["bytes that are no instruction"] == 0


@pytest.mark.parametrize("sections", [False, True])
@pytest.mark.parametrize("machine", [elf.EM_X86_64, elf.EM_386, elf.EM_ARM])
def test_damaged_program_headers(tmp_path, machine, sections, rng):
    """Of headers, the dynamic linker's tables, .eh_frame_hdr: an error of its own, or what can be read."""
    options = {"dynamic": {"f": 0x1000}, "unwound": [0x1000, 0x1010], "entry": 0x1000, "global_table": 0x3000}
    whole = elf.elf(CODE, machine=machine, sections=sections, joined=not sections, **options)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            place = rng.choice([rng.randrange(24, 0x180), rng.randrange(0x3000, len(whole))])
            damaged[place] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        try:
            recover(write(tmp_path / "damaged", bytes(damaged)))
        except ImageError:
            continue


def test_a_segment_that_holds_other_things(tmp_path):
    """The sweep begins anew with each known function, whatever is before it."""
    code = bytes.fromhex("c3 0f0f0f0f0f0f0f 48 48 c3")  # a return, bytes that would swallow what follows
    file = write(tmp_path / "bare", elf.elf(code, sections=False, entry=0x1000, unwound=[0x1000, 0x100A]))
    program, _, _ = recover(file)
    assert texts(program)[0x100A] == "ret" and 0x100A in program.functions


# ---- Names


def test_what_names_a_function(tmp_path):
    """First a symbol of a function; never one of a file, a section, a thread's storage or a number."""
    f, g = 0x1000, 0x1006
    symbols = [
        ("file.c", f, elf.STT_FILE, elf.SHN_ABS),
        ("also_file.c", f, elf.STT_FILE, elf.SHN_TEXT),
        ("section", f, elf.STT_SECTION, elf.SHN_TEXT),
        ("storage", f, elf.STT_TLS, elf.SHN_RODATA),
        ("number", f, elf.STT_NOTYPE, elf.SHN_ABS),
        ("label", f, elf.STT_NOTYPE, elf.SHN_TEXT),
        ("data_in_code", g, elf.STT_OBJECT, elf.SHN_TEXT),
        ("$x.1", g, elf.STT_NOTYPE, elf.SHN_TEXT),
        ("f", f, elf.STT_FUNC, elf.SHN_TEXT),
        ("later", f, elf.STT_FUNC, elf.SHN_TEXT),
        ("data", 0x2000, elf.STT_OBJECT, elf.SHN_RODATA),
    ]
    file = write(tmp_path / "a.so", elf.elf(bytes.fromhex("e801000000 c3 c3"), rodata=b"1", symbols=symbols))
    with Image(file) as image:
        assert names(image) == {f: "f", 0x2000: "data"}
        assert function_addresses(image).tolist() == [f]
    program, _, _ = recover(file)
    assert list(program.functions) == [f, g] and g not in program.names


def go_table(magic, wide, begin, functions):
    """As Go's linker makes it: a header, names, then distances and what is told of each function."""
    word = "Q" if wide else "I"
    names_at = 8 + struct.calcsize(f"8{word}")
    names = b"".join(name.encode() + b"\0" for name in functions)
    table = names_at + len(names)
    rows = told = b""
    for name, address in functions.items():
        rows += struct.pack("<2I", address - 0x1000, 8 * len(functions) + 4 + len(told))
        told += struct.pack("<2I", address - 0x1000, names.index(name.encode() + b"\0"))
    head = struct.pack("<I4B", magic, 0, 0, 1, 8 if wide else 4)
    head += struct.pack(f"<8{word}", len(functions), 0, begin, names_at, 0, 0, 0, table)
    return head + names + rows + bytes(4) + told


@pytest.mark.parametrize("magic", [0xFFFFFFF0, 0xFFFFFFF1])
@pytest.mark.parametrize("machine, wide", [(elf.EM_X86_64, True), (elf.EM_386, False)])
@pytest.mark.parametrize("begin", [0x1000, 0])
def test_functions_of_go(tmp_path, magic, machine, wide, begin):
    """Its own table has them, without any symbols; in files to be relocated the address of the code is 0."""
    functions = {"main.main": 0x1000, "main.f": 0x1002, "main.g": 0x1005}
    table = go_table(magic, wide, begin, functions)
    for cut in (0, 5, len(table) // 2, len(table) - 30):
        data = elf.elf(
            b"\xc3\xcc" * 4, machine=machine, rodata=table[: cut or None], rodata_name=".gopclntab"
        )
        with Image(write(tmp_path / "a", data)) as image:
            found, told = function_addresses(image).tolist(), names(image)
        if not cut:
            assert found == sorted(functions.values())
            assert told == {address: name for name, address in functions.items()}


# ---- What is not read, is said


def demo(folder, file):
    command = [sys.executable, str(EXAMPLES / "disassemble.py"), "--file", file, "--compare", "none"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_machine_whose_calls_are_not_read(tmp_path):
    """RISC-V: a call and a return; nothing is told of who calls whom."""
    code = struct.pack("<2I", 0x008000EF, 0x00008067) * 4 + b"\xff\xff"
    file = write(tmp_path / "a.so", elf.elf(code, machine=elf.EM_RISCV, functions={"f": 0x1000}))
    status, out, err = demo(tmp_path, file)
    assert (status, err) == (0, "")
    assert "RISC-V" in out and "is not known here" in out
    assert "not understood: 2 bytes that are no instruction" in out
    assert "callers  " not in out and "Recursion" not in out and "come to it" not in out
