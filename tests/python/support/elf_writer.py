"""Writes small ELF files whose code is known to the byte, linked or relocatable; little-endian."""

import struct

TEXT_AT, RODATA_AT, DYNAMIC_AT = 0x1000, 0x2000, 0x3000
EM_386, EM_PPC64, EM_ARM, EM_X86_64, EM_AVR, EM_AARCH64, EM_RISCV = 3, 21, 40, 62, 83, 183, 243
ET_REL, ET_DYN, ET_CORE = 1, 3, 4
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE, STT_TLS = 0, 1, 2, 3, 4, 6
SHN_UNDEF, SHN_TEXT, SHN_RODATA, SHN_MORE, SHN_ABS = 0, 1, 2, 3, 0xFFF1
_GLOBAL = 0x10
_EXECUTABLE, _ALLOCATED = 4, 2
_PROGBITS, _SYMTAB, _STRTAB, _RELA, _REL = 1, 2, 3, 4, 9
_NARROW = (EM_386, EM_ARM)
_LOAD, _DYNAMIC, _EH_FRAME = 1, 2, 0x6474E550
_PLTGOT, _HASH, _STRTAB_TAG, _SYMTAB_TAG, _STRSZ, _SYMENT = 3, 4, 5, 6, 10, 11


def elf(
    text,
    *,
    machine=EM_X86_64,
    kind=ET_DYN,
    rodata=b"",
    rodata_name=".rodata",
    more=b"",
    functions=None,
    symbols=(),
    relocations=(),
    rodata_relocations=(),
    executable=True,
    base=0,
    entry=0,
    flags=0,
    dynamic=None,
    unwound=(),
    global_table=0,
    sections=True,
    joined=False,
):
    """A file with .text and .rodata, and `more` as a second section of code if there is any.

    Symbols are `functions`, {name: address}, and `symbols`, (name, value, type, section). `relocations` of
    .text and those of .rodata are (offset, type, number of a symbol from 1 on, addend). `dynamic`, {name:
    address}, are functions that only the dynamic linker is told of, `unwound` addresses of those that only
    .eh_frame_hdr has. All is loaded at `base` and the address of the part; `joined`: in one segment. Without
    `sections` there are no section headers.
    """
    writer = _Writer(machine in _NARROW, base, 0 if kind == ET_REL else 1)
    listed = [(name, address, STT_FUNC, SHN_TEXT) for name, address in (functions or {}).items()] + list(
        symbols
    )
    table, strings = writer.symbols(listed)
    code = _ALLOCATED | (_EXECUTABLE if executable else 0)
    parts = [  # name, type, flags, address, bytes, link, info, size of an entry
        (".text", _PROGBITS, code, TEXT_AT, text, 0, 0, 0),
        (rodata_name, _PROGBITS, _ALLOCATED, RODATA_AT, rodata, 0, 0, 0),
        (".more", _PROGBITS, code if more else 0, RODATA_AT + 0x800 if more else 0, more, 0, 0, 0),
        (".symtab", _SYMTAB, 0, 0, table, 5, 1, writer.symbol_bytes),
        (".strtab", _STRTAB, 0, 0, strings, 0, 0, 0),
        *writer.relocations(relocations, SHN_TEXT),
        *writer.relocations(rodata_relocations, SHN_RODATA),
    ]
    segments = []
    if dynamic is not None or unwound or global_table:
        data, places = writer.dynamic(dynamic or {}, list(unwound), global_table)
        parts.append((".dynamic", _PROGBITS, _ALLOCATED, DYNAMIC_AT, data, 0, 0, 0))
        segments += places
    return writer.file(machine, kind, entry, flags, parts, segments, executable, sections, joined)


class _Writer:
    def __init__(self, narrow, base, is_linked):
        self.narrow, self.base, self.is_linked = narrow, base, is_linked
        self.word = "I" if narrow else "Q"
        self.symbol_bytes = 16 if narrow else 24

    def symbols(self, listed):
        strings, table = b"\0", bytes(self.symbol_bytes)
        for name, value, kind, section in listed:
            place, info = len(strings), _GLOBAL | kind
            strings += name.encode() + b"\0"
            if self.narrow:
                table += struct.pack("<IIIBBH", place, value, 0, info, 0, section)
            else:
                table += struct.pack("<IBBHQQ", place, info, 0, section, value, 0)
        return table, strings

    def relocations(self, rows, section):
        """With addends where there are 64 bits."""
        if not rows:
            return []
        data = b"".join(
            struct.pack("<II", offset, symbol << 8 | kind)
            if self.narrow
            else struct.pack("<QQq", offset, symbol << 32 | kind, addend)
            for offset, kind, symbol, addend in rows
        )
        name, kind, entry = (".rel", _REL, 8) if self.narrow else (".rela", _RELA, 24)
        return [(f"{name}{section}", kind, 0, 0, data, 4, section, entry)]

    def dynamic(self, functions, unwound, global_table):
        """Symbols, strings, a hash table that tells only their number, the tags; and .eh_frame_hdr."""
        begin = self.base + DYNAMIC_AT
        table, strings = self.symbols([(name, at, STT_FUNC, SHN_TEXT) for name, at in functions.items()])
        hashes = struct.pack("<4I", 1, len(functions) + 1, 0, 0) + bytes(4 * len(functions))
        strings += bytes(-len(strings) % 8)
        data = table + strings + hashes + bytes(-len(hashes) % 8)
        tags = {
            _SYMTAB_TAG: begin,
            _STRTAB_TAG: begin + len(table),
            _STRSZ: len(strings),
            _SYMENT: self.symbol_bytes,
            _HASH: begin + len(table) + len(strings),
            **({_PLTGOT: global_table} if global_table else {}),
            0: 0,
        }
        rows = b"".join(struct.pack(f"<2{self.word}", *tag) for tag in tags.items())
        segments = [(_DYNAMIC, 4, len(data), len(rows))]
        data += rows
        if unwound:
            header = struct.pack("<4BiI", 1, 0x1B, 3, 0x3B, 0, len(unwound))
            at = begin + len(data)
            header += b"".join(struct.pack("<2i", address - at, 0) for address in unwound)
            segments.append((_EH_FRAME, 4, len(data), len(header)))
            data += header
        return data, [(kind, flags, DYNAMIC_AT + offset, size) for kind, flags, offset, size in segments]

    def file(self, machine, kind, entry, flags, parts, segments, executable, sections, joined):
        names = b"\0" + b"".join(part[0].encode() + b"\0" for part in parts) + b".shstrtab\0"
        parts = [*parts, (".shstrtab", _STRTAB, 0, 0, names, 0, 0, 0)]
        body, offsets, loaded = bytearray(TEXT_AT), {}, []
        for part in sorted(parts, key=lambda part: part[3] or 1 << 32):  # those without an address last
            name, _, flag, address, data, *_ = part
            body += bytes(max(address - len(body), 0))
            offsets[name] = len(body)
            body += data
            if address:
                loaded.append((_LOAD, 5 if flag & _EXECUTABLE else 4, address, len(data)))
        loaded = [(_LOAD, 5, 0, len(body))] if joined else [(_LOAD, 4, 0, TEXT_AT), *loaded]
        programs = b"".join(map(self._segment, [*loaded, *segments])) if self.is_linked else b""
        header_bytes, program_bytes, section_bytes = (52, 32, 40) if self.narrow else (64, 56, 64)
        count, section_count = len(loaded) + len(segments), (len(parts) + 1) if sections else 0
        head = b"\x7fELF" + bytes([1 if self.narrow else 2, 1, 1]) + bytes(9)
        head += struct.pack(f"<HHI{self.word}", kind, machine, 1, self.base + entry if entry else 0)
        head += struct.pack(f"<2{self.word}", header_bytes if programs else 0, len(body) if sections else 0)
        head += struct.pack("<IHHH", flags, header_bytes, program_bytes, count if programs else 0)
        head += struct.pack("<HHH", section_bytes, section_count, max(section_count - 1, 0))
        body[: len(head + programs)] = head + programs
        headers = bytes(section_bytes) + b"".join(self._section(part, names, offsets) for part in parts)
        return bytes(body) + (headers if sections else b"")

    def _section(self, part, names, offsets):
        name, kind, flags, address, data, link, info, entry_bytes = part
        at = self.base + address if flags & _ALLOCATED and self.is_linked else 0
        head = struct.pack("<II", names.index(b"\0" + name.encode() + b"\0") + 1, kind)
        head += struct.pack(f"<4{self.word}", flags, at, offsets[name], len(data))
        return head + struct.pack(f"<II2{self.word}", link, info, 1, entry_bytes)

    def _segment(self, row):
        kind, flags, offset, size = row
        at = self.base + offset
        if self.narrow:
            return struct.pack("<8I", kind, offset, at, at, size, size, flags, 0x1000)
        return struct.pack("<IIQQQQQQ", kind, flags, offset, at, at, size, size, 0x1000)
