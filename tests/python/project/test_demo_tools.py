"""`make demo` beside nm and objdump: what compilers make, for each machine that there is a compiler for."""

import itertools
import shutil
import struct
import subprocess

import pytest

import recovered

pytest.importorskip("numpy")

from demo_accuracy import compare

from disassembly.kinds import Kind

SOURCE = """
extern int printf(const char *, ...);
int g(int);
__attribute__((noinline)) int f(int x) { int s = 0; for (int i = 0; i < x; ++i) s += g(i) ^ s; return s; }
__attribute__((noinline)) int g(int x) {
  switch (x) {
    case 0: return f(1) * 3; case 1: return f(x) + 7; case 2: return f(x - 2) * 9;
    case 3: return f(x - 3) / 3; case 4: return printf("a");
    case 5: return f(9) ^ 3; case 6: return f(2) - 1; case 7: return 77;
    default: return x;
  }
}
int main(int count, char **a) { return f(count) + printf("%d %f\\n", g(count), (double)count * 1.5e10); }
"""
COMPILERS = {
    "x86-64": "gcc",
    "x86": "i686-linux-gnu-gcc",
    "AArch64": "aarch64-linux-gnu-gcc",
    "ARM, Thumb": "arm-linux-gnueabihf-gcc",
    "ARM": "arm-linux-gnueabi-gcc",
}
OPTIONS = {
    "pie": ["-pie", "-fPIE"],
    "no-pie": ["-no-pie", "-fno-pie"],
    "static": ["-static"],
    "object": ["-c"],
    "sections": ["-c", "-ffunction-sections"],
}


def require(program):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"there is no {program}")
    return found


def built(folder, command, source, name):
    """Skips where the compiler lacks what it needs, as the libraries of its machine."""
    (folder / name).write_text(source)
    command = [*command, str(folder / name)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode != 0:
        pytest.skip(f"{command[0]} does not compile: {done.stderr[-200:]}")
    return folder / "program"


def compared(file, symbols=""):
    """What was recovered, and what the tools tell."""
    require("nm")
    if subprocess.run([require("objdump"), "-f", file], capture_output=True, check=False).returncode != 0:
        pytest.skip("objdump does not know that machine")
    _, ours, theirs = compare(f"{file}={symbols}" if symbols else str(file))
    assert theirs.instructions and theirs.functions
    return ours, theirs


def share(ours, theirs):
    return len(ours & theirs) / len(theirs)


def check_same(ours, theirs):
    """All functions, the same calls and instructions. capstone may lack a new instruction in a library."""
    assert ours.functions >= theirs.functions
    assert len(ours.calls ^ theirs.calls) <= len(theirs.calls) / 1000
    assert len(ours.instructions ^ theirs.instructions) <= len(theirs.instructions) / 1000


@pytest.mark.parametrize("machine", COMPILERS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_as_objdump_says(tmp_path, machine, kind):
    compiler = require(COMPILERS[machine])
    file = built(tmp_path, [compiler, "-O2", *OPTIONS[kind], "-o", "program"], SOURCE, "a.c")
    ours, theirs = compared(file)
    check_same(ours, theirs)
    # Beyond those of the symbol table: stubs that are called, and the first of a section of them.
    further = ours.functions - theirs.functions
    assert len(further) <= (0 if kind in ("object", "sections") else 40)


@pytest.mark.parametrize("machine", ["x86-64", "ARM, Thumb"])
def test_stripped(tmp_path, machine):
    """The encoding of ARM code is guessed then, and data in it is not known as such."""
    compiler = require(COMPILERS[machine])
    file = built(tmp_path, [compiler, "-O2", "-static", "-o", "program"], SOURCE, "a.c")
    subprocess.run([require(compiler.replace("gcc", "strip")), "-o", tmp_path / "bare", file], check=True)
    ours, theirs = compared(tmp_path / "bare", file)
    is_arm = machine.startswith("ARM")
    assert share(ours.instructions, theirs.instructions) > (0.98 if is_arm else 0.999)
    assert share(ours.calls, theirs.calls) > (0.98 if is_arm else 0.999)
    assert share(ours.functions, theirs.functions) > (0.6 if is_arm else 0.95)


@pytest.mark.parametrize("machine", COMPILERS)
def test_without_section_headers(tmp_path, machine):
    compiler = require(COMPILERS[machine])
    file = built(tmp_path, [compiler, "-O2", "-o", "program"], SOURCE, "a.c")
    data = bytearray(file.read_bytes())
    wide = data[4] == 2
    struct.pack_into("<Q" if wide else "<I", data, 40 if wide else 32, 0)
    struct.pack_into("<3H", data, 58 if wide else 46, 0, 0, 0)
    (tmp_path / "bare").write_bytes(data)
    ours, theirs = compared(tmp_path / "bare", file)
    assert share(ours.instructions, theirs.instructions) > 0.9
    assert share(ours.calls, theirs.calls) > 0.75
    assert len(ours.functions - theirs.functions) < 10


RUST = """
use std::collections::HashMap;
fn main() { let mut m = HashMap::new(); for a in std::env::args() { *m.entry(a.len()).or_insert(0) += 1; }
  println!("{:?}", m); }
"""
GO = """
package main
//go:noinline
func k(x int) int {
  switch x { case 0: return 5; case 1: return 9; case 2: return 77; case 3: return 4; case 4: return 19
  case 5: return 3; case 6: return 88; case 7: return 12; case 8: return 13; case 9: return x * 3 }
  return 0
}
func main() { println(k(len("abc"))) }
"""


def blocks_of_padding(program):
    """Of the blocks, those that are nothing but nop and int3, and that nothing leads to."""
    found = 0
    for function, row in program.functions.items():
        leaders = [a for a in program.heads(function, int(row[0])) if program.flow.has_node(a)]
        for begin, end in itertools.pairwise([*leaders, int(row[0])]):
            texts = {program.instruction(address)[1] for address in program.heads(begin, end)}
            found += texts <= {"nop", "int3"} and program.flow.in_degree(begin) == 0
    return found


def test_rust(tmp_path):
    file = built(tmp_path, [require("rustc"), "-O", "-o", "program"], RUST, "a.rs")
    check_same(*compared(file))
    program, _, counts = recovered.recover(str(file))
    assert blocks_of_padding(program) < counts["blocks"] / 1000


@pytest.mark.parametrize("machine", ["amd64", "arm64"])
def test_go(tmp_path, monkeypatch, machine):
    """Its functions, its calls, and a switch that becomes a table."""
    for name, value in {"GOARCH": machine, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}.items():
        monkeypatch.setenv(name, value)
    file = built(tmp_path, [require("go"), "build", "-o", "program"], GO, "a.go")
    ours, theirs = compared(file)
    assert share(ours.functions, theirs.functions) > 0.995  # one is the end of the code
    assert share(ours.calls, theirs.calls) > 0.995
    assert share(ours.instructions, theirs.instructions) > 0.995
    program, _, counts = recovered.recover(str(file))
    assert blocks_of_padding(program) < counts["blocks"] / 1000
    begin = next(address for address, name in program.names.items() if name == "main.k")
    end = int(program.functions[begin][0])
    kinds = [kind for u, _, kind in program.flow.edges(data="kind") if begin <= u < end]
    assert kinds.count(Kind.SWITCH) == 10
    subprocess.run(["go", "build", "-ldflags=-s", "-o", "bare", "a.go"], cwd=tmp_path, check=True)
    bare, _, _ = recovered.recover(str(tmp_path / "bare"))
    assert share(set(bare.functions), theirs.functions) > 0.995
