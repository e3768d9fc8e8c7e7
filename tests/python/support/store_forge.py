"""A store's files in memory, read and forged by docs/format.md, with right checksums."""

import dataclasses
import os
import pathlib
import socket
import struct

import xxhash

PAGE = 4096
MASK = 2**64 - 1
DEAD = 0xFFFFFFFF
FILE_KINDS = ("fifo", "directory", "socket", "loop", "dangling", "zero", "null")
ROLES = {
    1: ("index", "records", "heap", "delta"),
    2: ("words", "heap"),
    3: ("items",),
    4: ("index", "rows", "dead", "delta"),
    5: ("vertices", "index", "heap", "delta"),
    6: ("ranges", "nodes", "pages", "free pages"),
}


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(bytes(data), seed=seed & MASK)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def page_sum(data, file, page):
    low = xxh3(data, (file << 40) ^ page) & DEAD
    return 1 if low in (0, DEAD) else low


@dataclasses.dataclass
class Region:
    """A region in use, as the tables say it."""

    entry: int
    file: int
    size: int
    role: str = ""

    @property
    def name(self):
        return f"region-{self.file}"


class Files:
    """What is in a store's directory: bytes by name; sizes beyond them (holes); what is no regular file."""

    def __init__(self, path=None):
        self.bytes = {}
        self.sizes = {}
        self.special = {}
        if path is not None:
            for file in sorted(pathlib.Path(path).iterdir()):
                self.bytes[file.name] = bytearray(file.read_bytes())

    def copy(self):
        other = Files()
        other.bytes = {name: bytearray(data) for name, data in self.bytes.items()}
        other.sizes, other.special = dict(self.sizes), dict(self.special)
        return other

    def write(self, path):
        os.makedirs(path, exist_ok=True)
        for name, data in self.bytes.items():
            if name in self.special:
                continue
            descriptor = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(descriptor, data)
            if name in self.sizes:
                os.truncate(descriptor, self.sizes[name])
            os.close(descriptor)
        for name, kind in self.special.items():
            make_special(f"{path}/{name}", kind)

    # ---- the superblock

    def slot(self):
        """Where the slot that counts lies, and its fields: generation, salt, sequence, seed."""
        found = []
        for at in (0, PAGE):
            raw = self.bytes["superblock"][at : at + 512]
            if len(raw) == 512 and xxh3(raw[:504]) == struct.unpack_from("<Q", raw, 504)[0]:
                found.append((struct.unpack_from("<4Q", raw, 24), at))
        fields, at = max(found)
        return at, fields

    def seal_slot(self, at):
        block = self.bytes["superblock"]
        block[at + 504 : at + 512] = struct.pack("<Q", xxh3(block[at : at + 504]))

    # ---- the journal

    def frames_end(self):
        """Where the frames of this generation end; what the next one is chained to; the last sequence."""
        _, (generation, salt, sequence, _) = self.slot()
        journal, at, previous = self.bytes["journal"], 0, salt
        while at + 64 <= len(journal):
            magic, flags, of, number, before, length = struct.unpack_from("<4sIQQQI", journal, at)
            checksum = struct.unpack_from("<Q", journal, at + 56)[0]
            if (magic, of, before) != (b"EMDJ", generation, previous):
                break
            if checksum != xxh3(journal[at : at + 56], salt):
                break
            previous, sequence = checksum, number if flags & 1 else sequence
            at += -(-(64 + length) // 512) * 512
        return at, previous, sequence

    def add_commit(self, ranges, flags=1, payload=None, sequence=None):
        """A commit behind those that are there, of ranges (target, offset, bytes)."""
        _, (generation, salt, _, _) = self.slot()
        at, previous, last = self.frames_end()
        if payload is None:
            payload = b"".join(varint(t) + varint(o) + varint(len(b)) + b for t, o, b in ranges)
        number = last + 1 if sequence is None else sequence
        head = struct.pack(
            "<4sIQQQIIQQ",
            b"EMDJ",
            flags,
            generation,
            number & MASK,
            previous,
            len(payload),
            0,
            xxh3(payload, previous),
            0,
        )
        frame = head + struct.pack("<Q", xxh3(head, salt)) + payload
        frame += bytes(-len(frame) % 512)
        journal = self.bytes["journal"]
        journal[at : at + len(frame)] = frame

    # ---- the tables

    def entries(self):
        table = self.bytes["region-1"]
        size = min(struct.unpack_from("<Q", table, 72)[0], len(table))
        return [struct.unpack_from("<QQI", table, at) for at in range(64, size - 31, 32)]

    def member_count(self):
        return min(self.entries()[1][1], len(self.bytes["region-2"])) // 256

    def regions(self):
        """All regions in use whose files are there, with what they hold."""
        entries = self.entries()
        roles = {0: "region table", 1: "member table"}
        for slot in range(self.member_count()):
            raw = struct.unpack_from("<8I", self.bytes["region-2"], 256 * slot)
            if raw[0] == 1 and raw[1] in ROLES:
                roles.update(zip(raw[4:], ROLES[raw[1]], strict=False))
        return [
            Region(i, file, size, roles.get(i, ""))
            for i, (file, size, state) in enumerate(entries)
            if state == 1 and f"region-{file}" in self.bytes
        ]

    def set_entry(self, i, file=None, size=None, state=None):
        at = 64 + 32 * i
        entry = list(struct.unpack_from("<QQI", self.bytes["region-1"], at))
        for place, value in enumerate((file, size, state)):
            if value is not None:
                entry[place] = value
        struct.pack_into("<QQI", self.bytes["region-1"], at, *entry)

    # ---- page checksums

    def seal(self, region=None):
        """Makes the checksums right, of a region or of all; pages that are said to be dead stay so."""
        for one in [region] if region else self.regions():
            data, sums = self.bytes[one.name], self.bytes.get(f"sums-{one.file}")
            if sums is None:
                continue
            for page in range(min(-(-one.size // PAGE), len(sums) // 4, len(data) // PAGE + 1)):
                if struct.unpack_from("<I", sums, 4 * page)[0] == DEAD:
                    continue
                part = data[page * PAGE : min((page + 1) * PAGE, one.size)]
                struct.pack_into("<I", sums, 4 * page, page_sum(part, one.file, page))


def make_special(path, kind):
    """Puts something at a path that is no regular file."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            directory = os.open(os.path.dirname(path), os.O_RDONLY)  # a name of a socket is short
            end.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
            os.close(directory)
    else:
        target = {"loop": os.path.basename(path), "dangling": "nothing", "zero": "/dev/zero"}
        os.symlink(target.get(kind, "/dev/null"), path)
