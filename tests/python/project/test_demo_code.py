"""`make demo`: what is code, of which encoding, and where it leads to, on each machine; known to the byte."""

import struct

import pytest

import elf_writer as elf
from recovered import check_flags, edges, named, recover, texts, write

np = pytest.importorskip("numpy")

from disassembly import sweep  # noqa: E402
from disassembly.decoder import Decoder  # noqa: E402
from disassembly.image import Image  # noqa: E402
from disassembly.kinds import Kind  # noqa: E402
from disassembly.members import CODE, DATA, HEAD, LEADER  # noqa: E402
from disassembly.regions import Regions  # noqa: E402

# main, at 1000: push {r4, lr}; bl f; blx g; cbz r0, 100e; ldr r0, [pc, #4]; pop {r4, pc}; nop; data.
# f, at 1016: cmp r0, #0; it eq; bxeq lr; b.w f. g, at 1020, of ARM: mov r0, #1; bx lr.
THUMB = bytes.fromhex(
    "10b5 00f008f8 00f00ce8 00b1 0148 10bd 00bf 785634120028 08bf 7047 fff7fbbf 0100a0e3 1eff2fe1"
)


def mapping(**marks):
    """Symbols as assemblers make them: t=0x1000 for "$t" there."""
    return [(f"${mark[0]}", at, elf.STT_NOTYPE, elf.SHN_TEXT) for mark, at in marks.items()]


MAPPING = mapping(t=0x1000, d=0x1012, t2=0x1016, a=0x1020)


def words(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def made(tmp_path, code, **options):
    return recover(write(tmp_path / "file", elf.elf(code, **options)))


# ---- Encodings


@pytest.mark.parametrize("told_by", ["mapping symbols", "functions"])
def test_thumb(tmp_path, told_by):
    """Odd addresses of functions tell of Thumb where there are no mapping symbols; those tell of data."""
    marks = MAPPING if told_by == "mapping symbols" else []
    functions = {"main": 0x1001, "f": 0x1017, "g": 0x1020}
    program, _, _ = made(tmp_path, THUMB, machine=elf.EM_ARM, functions=functions, symbols=marks)
    found = texts(program)
    assert found[0x1000] == "push {r4, lr}" and found[0x1006] == "blx #0x1020"
    assert found[0x101C] == "b.w #0x1016" and found[0x1024] == "bx lr"
    assert set(program.functions) == {0x1000, 0x1016, 0x1020}
    assert named(program)[1] == {("main", "f"), ("main", "g")}
    assert edges(program.flow) == {
        (0x1000, 0x100C): (Kind.FALL, 0x100A),
        (0x1000, 0x100E): (Kind.BRANCH, 0x100A),
        (0x100C, 0x100E): (Kind.FALL, 0x100C),
        (0x1016, 0x101C): (Kind.FALL, 0x101A),
        (0x101C, 0x1016): (Kind.JUMP, 0x101C),
    }
    if marks:
        assert 0x1012 not in program.instructions and not program.flags[0x1012] & CODE
        assert program.flags[0x1012] == program.flags[0x1015] == DATA


def test_encoding_of_a_stripped_file(tmp_path):
    """The entry point tells of the functions around it; what is ARM is seen by its conditions."""
    arm = words(*[0xE3A00001, 0xE2800001, 0xE1A01000, 0xE0801001] * 8, 0xE12FFF1E)
    program, facts, _ = made(tmp_path, THUMB[:2] * 40, more=arm, machine=elf.EM_ARM, entry=0x1001)
    found = texts(program)
    assert found[0x1000] == "push {r4, lr}"
    assert found[0x2800] == "mov r0, #1" and found[0x2880] == "bx lr"
    assert facts["bytes of guessed encoding"] == len(arm)


RETURNS = {
    "pop {pc}": 0xE49DF004,
    "pop {r4, pc}": 0xE8BD8010,
    "ldm sp!, {pc}": 0xE8BD8000,
    "ldm sp, {fp, sp, pc}": 0xE89DA800,
    "mov pc, lr": 0xE1A0F00E,
    "bx lr": 0xE12FFF1E,
    "subs pc, lr, #4": 0xE25EF004,
}


@pytest.mark.parametrize("text", RETURNS)
@pytest.mark.parametrize("condition", ["", "eq"])
def test_arm_returns(tmp_path, text, condition):
    """Each ends a block; a conditional one goes on with the next."""
    word = RETURNS[text] & (0x0FFFFFFF if condition else 0xFFFFFFFF)
    code = words(0xE3A00001, word, 0xE3A00002, 0xE12FFF1E)
    program, _, _ = made(tmp_path, code, machine=elf.EM_ARM, functions={"f": 0x1000})
    mnemonic, _, operands = text.partition(" ")
    assert texts(program)[0x1004] == f"{mnemonic}{condition} {operands}"
    assert list(program.flow) == [0x1000, 0x1008]
    assert edges(program.flow) == ({(0x1000, 0x1008): (Kind.FALL, 0x1004)} if condition else {})
    kinds = {int(row["address"]): row["kind"] for row in program.transfers.view()}
    assert kinds[0x1004] == (Kind.BRANCH if condition else Kind.STOP)


@pytest.mark.parametrize("text", ["bd10", "bd00", "46f7", "4770", "f85dfb04", "e8bd81f0"])
def test_thumb_returns(tmp_path, text):
    """pop {r4, pc}; pop {pc}; mov pc, lr; bx lr; ldr pc, [sp], #4; pop.w {r4-r8, pc}."""
    word = b"".join(bytes.fromhex(text)[i : i + 2][::-1] for i in range(0, len(text) // 2, 2))
    code = b"\x01\x20" + word + b"\x02\x20\x70\x47"
    program, _, _ = made(tmp_path, code, machine=elf.EM_ARM, functions={"f": 0x1001})
    assert list(program.flow) == [0x1000, 0x1002 + len(word)]
    assert edges(program.flow) == {}
    assert program.transfers.view()["kind"].tolist() == [Kind.STOP, Kind.STOP]


def test_pieces_are_as_one(tmp_path, monkeypatch):
    """Wherever the code is cut into pieces, also within instructions and before conditional ones."""
    x86 = bytes.fromhex("e80b000000 85c0 7405 488d0510000000 06 660f1f440000 c3 90") * 12
    for code, options in (
        (x86, {}),
        (THUMB * 6, {"machine": elf.EM_ARM, "functions": {"main": 0x1001}, "symbols": MAPPING}),
    ):
        file = write(tmp_path / "file", elf.elf(code, **options))
        whole = swept(file)
        for size in range(40, 100, 7):
            monkeypatch.setattr(sweep, "_PIECE_BYTES", size)
            assert swept(file) == whole
        monkeypatch.undo()


def swept(file):
    with Image(file) as image:
        decoder = Decoder(image.machine)
        pieces = list(sweep.sweep(image, Regions(image), decoder))
        assert [piece.end for piece in pieces[:-1]] == [piece.begin for piece in pieces[1:]]
        return [
            (address, decoder.mnemonics[number])
            for piece in pieces
            for address, number in zip(piece.addresses.tolist(), piece.mnemonics.tolist(), strict=True)
        ]


# ---- Padding

PADDING = {
    # A return, and what may fill the space behind it.
    elf.EM_X86_64: ("c3", ["cc", "90", "f4", "cccccccccc", "0f1f4000", "0000", "660f1f840000000000 90 cc"]),
    elf.EM_386: ("c3", ["8d7600", "8db600000000", "2e8db42600000000", "8d742600 90", "6690"]),
    elf.EM_AARCH64: ("c0035fd6", ["1f2003d5", "00000000", "1f2003d5 1f2003d5"]),
    elf.EM_ARM: ("1eff2fe1", ["00f020e3", "0000a0e1", "00000000"]),
}


@pytest.mark.parametrize("machine, padding", [(m, p) for m, (_, ps) in PADDING.items() for p in ps])
def test_padding_is_no_block(tmp_path, machine, padding):
    """Behind a return nothing reaches it; as the target of a symbol it is code."""
    first = last = bytes.fromhex(PADDING[machine][0])
    filling = bytes.fromhex(padding)
    at, behind = 0x1000 + len(first), 0x1000 + len(first) + len(filling)
    functions = {"f": 0x1000, "g": behind}
    program, _, counts = made(tmp_path, first + filling + last, machine=machine, functions=functions)
    assert list(program.flow) == [0x1000, behind]
    assert not any(program.flags[address] & (CODE | LEADER) for address in range(at, behind))
    assert program.flags[at] == DATA | HEAD and at in program.instructions
    assert counts["bytes of code"] == len(first + last)
    program, _, _ = made(tmp_path, first + filling + last, machine=machine, functions={**functions, "h": at})
    assert program.flow.has_node(at) and program.flags[at] & CODE


def test_what_looks_like_padding_but_is_reached(tmp_path):
    """nop between instructions; a jump's target; the first int3 behind a call that may not come back."""
    code = bytes.fromhex("eb01 c3 90 90 7401 f4 90 e802000000 cc cc c3")
    program, _, counts = made(tmp_path, code, functions={"f": 0x1000, "g": 0x1010})
    check_flags(program, counts)
    assert list(program.flow) == [0x1000, 0x1002, 0x1003, 0x1007, 0x1008, 0x1010]
    assert program.flags[0x100E] & CODE and not program.flags[0x100F] & CODE
    assert edges(program.flow) == {
        (0x1000, 0x1003): (Kind.JUMP, 0x1000),
        (0x1003, 0x1007): (Kind.FALL, 0x1005),
        (0x1003, 0x1008): (Kind.BRANCH, 0x1005),
    }


def test_a_call_to_the_next_instruction_is_no_function(tmp_path):
    """It is how code of 32 bits learns where it is: call 1005; pop ebx; ret."""
    program, _, _ = made(tmp_path, bytes.fromhex("e800000000 5b c3"), machine=elf.EM_386)
    assert list(program.functions) == [0x1000] and edges(program.calls) == {}


# ---- Switches

GO = bytes.fromhex("4883f902 770c 488d15f30f0000 ff24ca c3c3c3c3")
ABSOLUTE = bytes.fromhex("83f802 7707 ff24c500200000 c3c3c3c3")
NARROW = bytes.fromhex("83f802 7707 ff248500200000 c3c3c3c3")
BY_GLOBAL_TABLE = bytes.fromhex("83f802 770b 8b848300f0ffff 01d8 ffe0 c3c3c3c3")
A64_BYTES = words(0x7100081F, 0x54000148, 0xB0000001, 0x91000021, 0x38604821, 0x10000060, 0x8B218801)
A64_BYTES += words(0xD61F0020)
A64_ADDRESSES = words(0xF100081F, 0x540000C8, 0xB0000001, 0xF8607822, 0xD61F0040)
A64_DISTANCES = words(0x7100081F, 0x540000E8, 0xB0000001, 0xB8A07822, 0x8B020021, 0xD61F0020)
RETS = words(*[0xD65F03C0] * 4)
ARM_WORDS = words(0xE3500002, 0x979FF100, 0xEA000003, 0x1018, 0x101C, 0x1020) + words(*[0xE12FFF1E] * 4)
ARM_JUMPS = words(0xE3500001, 0x908FF100, 0xEA000002, 0xEA000000, 0xEAFFFFFF, *[0xE12FFF1E] * 2)
THUMB_BYTES = bytes.fromhex("0228 03d8 dfe800f0 02030400 7047 7047 7047 7047")
# The code, the table, the machine, the first target, how far the next ones are, how many there are.
SWITCHES = {
    "x86-64, addresses": (GO, struct.pack("<4Q", *range(0x1010, 0x1014)), elf.EM_X86_64, 0x1010, 1, 3),
    "x86-64, absolute": (ABSOLUTE, struct.pack("<4Q", *range(0x100C, 0x1010)), elf.EM_X86_64, 0x100C, 1, 3),
    "x86": (NARROW, words(*range(0x100C, 0x1010)), elf.EM_386, 0x100C, 1, 3),
    "x86, by the global table": (BY_GLOBAL_TABLE, None, elf.EM_386, 0x1010, 1, 3),
    "AArch64, bytes": (A64_BYTES + RETS, bytes([0, 1, 2, 3]), elf.EM_AARCH64, 0x1020, 4, 3),
    "AArch64, addresses": (
        A64_ADDRESSES + RETS,
        struct.pack("<4Q", *range(0x1014, 0x1024, 4)),
        elf.EM_AARCH64,
        0x1014,
        4,
        3,
    ),
    "AArch64, distances": (
        A64_DISTANCES + RETS,
        struct.pack("<4i", *(at - 0x2000 for at in range(0x1018, 0x1028, 4))),
        elf.EM_AARCH64,
        0x1018,
        4,
        3,
    ),
    "ARM, addresses": (ARM_WORDS, b"", elf.EM_ARM, 0x1018, 4, 3),
    "ARM, jumps": (ARM_JUMPS, b"", elf.EM_ARM, 0x100C, 4, 2),
    "Thumb, bytes": (THUMB_BYTES, b"", elf.EM_ARM, 0x100C, 2, 3),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(tmp_path, name):
    """As many targets as the comparison lets through, not as many as could be read."""
    code, table, machine, first, step, count = SWITCHES[name]
    options = {"functions": {"f": 0x1001 if name.startswith("Thumb") else 0x1000}}
    if table is None:  # entries and the table's address are relative to the global offset table
        options["global_table"] = 0x3000
        table = struct.pack("<4i", *(at - 0x3000 for at in range(0x1010, 0x1014)))
    if name == "ARM, addresses":
        options["symbols"] = mapping(a=0x1000, d=0x100C, a2=0x1018)
    if name == "Thumb, bytes":
        options["symbols"] = mapping(t=0x1000, d=0x1008, t2=0x100C)
    program, facts, counts = made(tmp_path, code, rodata=table, machine=machine, **options)
    check_flags(program, counts)
    found = sorted(v for (_, v), edge in edges(program.flow).items() if edge[0] == Kind.SWITCH)
    assert found == [first + step * number for number in range(count)]
    assert facts["switches"] == 1
    assert facts["not understood"]["jumps through pointers"] == 0


def test_what_is_not_understood_is_counted(tmp_path):
    """jmp rax; call rax; call out of the file; a byte that is no instruction."""
    code = bytes.fromhex("ffe0 ffd0 e8f7f4ffff c3 06 c3")
    _, facts, _ = made(tmp_path, code)
    assert facts["not understood"] == {
        "jumps through pointers": 1,
        "calls through pointers": 1,
        "calls out of the code": 1,
    }
    assert facts["bytes that are no instruction"] == 1
