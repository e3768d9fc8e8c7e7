"""Writes small ELF files whose code is known to the byte: of 64 bits, little-endian, linked."""

import struct

TEXT_AT, RODATA_AT = 0x1000, 0x2000
EM_X86_64, EM_AARCH64, EM_AVR = 62, 183, 83
_EXECUTABLE, _ALLOCATED = 4, 2
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_FUNCTION = 0x12  # global, STT_FUNC


def elf(text, *, machine=EM_X86_64, rodata=b"", functions=None, executable=True, base=0):
    """A linked library with .text and .rodata, and a symbol for each of `functions`, {name: address}.

    All is loaded at `base` and the address of the part.
    """
    strings, symbols = b"\0", bytes(24)
    for name, address in (functions or {}).items():
        symbols += struct.pack("<IBBHQQ", len(strings), _FUNCTION, 0, 1, address, 0)
        strings += name.encode() + b"\0"
    names = b"\0.text\0.rodata\0.symtab\0.strtab\0.shstrtab\0"
    flags = _ALLOCATED | (_EXECUTABLE if executable else 0)
    parts = [  # name, type, flags, address, bytes, link, size of an entry
        (".text", _PROGBITS, flags, base + TEXT_AT, text, 0, 0),
        (".rodata", _PROGBITS, _ALLOCATED, base + RODATA_AT, rodata, 0, 0),
        (".symtab", _SYMTAB, 0, 0, symbols, 4, 24),
        (".strtab", _STRTAB, 0, 0, strings, 0, 0),
        (".shstrtab", _STRTAB, 0, 0, names, 0, 0),
    ]
    body, headers = bytearray(TEXT_AT), bytes(64)
    for name, kind, flag, address, data, link, entry in parts:
        if name == ".rodata":
            body += bytes(RODATA_AT - len(body))
        place = names.index(name.encode() + b"\0")
        headers += struct.pack(
            "<IIQQQQIIQQ", place, kind, flag, address, len(body), len(data), link, 1, 1, entry
        )
        body += data
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack(
        "<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, len(body), 0, 64, 56, 1, 64, len(parts) + 1, 5
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, len(body), len(body), 0x1000)
    body[: len(head + segment)] = head + segment
    return bytes(body) + headers
