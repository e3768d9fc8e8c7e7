"""Mutations of a store's structure: each knows docs/format.md, and leaves checksums that are right, so that
it is believed. mutate() makes one or a few of them and tells what it did.
"""

import struct

from store_forge import FILE_KINDS, MASK, PAGE, varint

# Fields at fixed places: (name, offset, bytes).
FIELDS = {
    "region table": [("magic", 0, 8), ("next file", 8, 8)],
    "index": [
        ("magic", 0, 8),
        ("version", 8, 4),
        ("max segment buckets", 12, 4),
        ("hash bits", 16, 4),
        ("global depth", 20, 4),
        ("seed", 24, 8),
        ("count", 32, 8),
        ("directory", 40, 8),
        ("directory pages", 48, 8),
        ("overflow head", 56, 8),
        ("overflow count", 64, 8),
        ("free pages", 72, 8),
        ("rover", 80, 8),
        ("log end", 88, 8),
        ("log dead", 96, 8),
        ("delta limit", 104, 8),
        ("merge hand", 112, 8),
        ("page bits", 2048, 8),
        ("directory word", PAGE, 8),
    ],
    "heap": [("magic", 0, 8), ("live bytes", 8, 8), ("free bytes", 16, 8), ("free blocks", 24, 8)]
    + [(f"free head {c}", 32 + 8 * c, 8) for c in range(40)]
    + [("first block", PAGE, 8)],
    "rows": [
        ("magic", 0, 8),
        ("version", 8, 4),
        ("key bytes", 12, 4),
        ("value bytes", 16, 4),
        ("value offset", 20, 4),
        ("row bytes", 24, 4),
        ("key text bytes", 28, 4),
        ("value text bytes", 32, 4),
        ("rows offset", 40, 8),
        ("rows", 48, 8),
        ("dead", 56, 8),
        ("first", 64, 8),
        ("changes", 72, 8),
        ("texts", 80, 8),
    ],
    "dead": [(f"word {i}", 8 * i, 8) for i in range(4)],
    "words": [("magic", 0, 4), ("format", 4, 4), ("length", 8, 8), ("references", 16, 8), ("changes", 24, 8)],
    "items": [
        ("magic", 0, 4),
        ("format", 4, 4),
        ("count", 8, 8),
        ("element bytes", 16, 8),
        ("dimensions", 24, 4),
        ("type bytes", 28, 4),
        ("shape 0", 32, 8),
        ("shape 1", 40, 8),
        ("type", 160, 8),
    ],
    "ranges": [
        ("magic", 0, 4),
        ("format", 4, 4),
        ("width", 8, 4),
        ("height", 12, 4),
        ("root", 16, 8),
        ("root is a reference", 24, 4),
        ("range count", 32, 8),
        ("free node", 40, 8),
        ("free nodes", 48, 8),
        ("free pages", 56, 8),
        ("blocks of 128 bytes", 64, 8),
        ("blocks of 256 bytes", 72, 8),
        ("blocks of 512 bytes", 80, 8),
        ("records", 88, 8),
        ("blocks", 96, 8),
    ]
    + [(f"range {i // 2}", 128 + 8 * i, 8) for i in range(6)],
    "nodes": [
        field
        for i in range(6)
        for field in (
            (f"node {i} first", 4176 * i, 8),
            (f"node {i} level", 4176 * i + 8, 4),
            (f"node {i} references", 4176 * i + 16, 8),
            (f"node {i} entry", 4176 * i + 80, 8),
        )
    ],
    "free pages": [(f"number {i}", 8 * i, 8) for i in range(4)],
    "vertices": [
        ("magic", 0, 4),
        ("format", 4, 4),
        ("flags", 8, 4),
        ("edge bytes", 12, 4),
        ("rows", 16, 8),
        ("vertices", 24, 8),
        ("edges", 32, 8),
        ("attributes", 40, 8),
        ("name bytes", 48, 8),
        ("name", 56, 8),
    ],
}
# Of shadow memory: a node, or a block of records in its place.
NODE = 4176
# Things that lie one behind the other: (first, bytes of one, fields within it).
ROWS = {
    "vertices": (
        PAGE,
        56,
        [(0, 8), (8, 7), (15, 1), (16, 8), (24, 8), (32, 4), (36, 4), (40, 8), (48, 4), (52, 4)],
    ),
    "words": (64, 8, [(0, 8)]),
    "rows": (PAGE, 16, [(0, 8), (8, 8)]),
    "ranges": (128, 16, [(0, 8), (8, 8)]),
    "member table": (0, 256, [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4), (56, 4)]),
    "region table": (64, 32, [(0, 8), (8, 8), (16, 4)]),
    "heap": (PAGE, 16, [(0, 8), (6, 1), (7, 1), (8, 8)]),
    "records": (0, 8, [(0, 1), (1, 1), (2, 1), (7, 1), (0, 8)]),
    "index": (2 * PAGE, 8, [(0, 8)]),
    "nodes": (0, 4176, [(0, 8), (8, 4), (16, 8), (24, 8)]),
}


def number(rng, old, bytes_, near=()):
    """A value that is likely to matter, instead of an old one."""
    limit = (1 << 8 * bytes_) - 1
    how = rng.randrange(7)
    if how == 0:
        return rng.choice((0, 1, 2, 3, 7, 8, 255, 256, 4095, 4096)) & limit
    if how == 1:
        return (
            (1 << rng.choice((15, 16, 31, 32, 40, 47, 48, 61, 62, 63, 64))) + rng.choice((-1, 0, 1))
        ) & limit
    if how == 2:
        return (old + rng.choice((-8, -2, -1, 1, 2, 8, 16, 4096))) & limit
    if how == 3:
        return old ^ 1 << rng.randrange(8 * bytes_)
    if how == 4 and near:
        return (rng.choice(near) + rng.choice((-1, 0, 1))) & limit
    if how == 5:
        return rng.randrange(limit + 1)
    return old << 1 & limit if rng.random() < 0.5 else old >> 1


def sizes_of(region):
    return (region.size, region.size // 8, region.size // 56, region.size // PAGE, region.size - PAGE)


def put(data, at, bytes_, value):
    if at + bytes_ > len(data):
        return "beyond the end"
    old = int.from_bytes(data[at : at + bytes_], "little")
    data[at : at + bytes_] = value.to_bytes(bytes_, "little")
    return f"{old:#x} -> {value:#x}"


def get(data, at, bytes_):
    return int.from_bytes(data[at : at + bytes_], "little")


def used(data):
    return max(len(data.rstrip(b"\0")), 1)


# ---- mutations: each takes the files and a random generator, and returns what it did


def superblock_field(files, rng):
    at, _ = files.slot()
    if rng.random() < 0.3:
        at = PAGE - at
    name, offset, bytes_ = rng.choice(
        (
            ("magic", 0, 8),
            ("endian mark", 8, 4),
            ("version", 12, 4),
            ("page size", 16, 4),
            ("generation", 24, 8),
            ("salt", 32, 8),
            ("sequence", 40, 8),
            ("seed", 48, 8),
        )
    )
    block = files.bytes["superblock"]
    done = put(block, at + offset, bytes_, number(rng, get(block, at + offset, bytes_), bytes_))
    if rng.random() < 0.9:
        files.seal_slot(at)
    return f"superblock slot at {at}, {name}: {done}"


def shadow_record(files, rng):
    """Of a block of shadow memory's records, or an entry that refers to one."""
    region = rng.choice([r for r in files.regions() if r.role == "nodes" and r.size >= NODE])
    data = files.bytes[region.name]
    slots = range(min(region.size, len(data)) // NODE)
    sizes = {n: 0xFFFFFFFE - get(data, n * NODE + 8, 4) for n in slots}
    blocks = [n for n in slots if 0 <= sizes[n] <= 2]
    block = rng.choice(blocks)
    stride = 128 << sizes[block]
    index = rng.randrange(4096 // stride)
    record = block * NODE + 80 + index * stride
    names = [b << 5 | i | 1 << 63 for b in blocks for i in (0, 1, index)]
    run = 24 + 24 * rng.randrange((stride - 24) // 24)
    near = [get(data, record + offset, 8) for offset in (0, run, run + 8, 24, 32)]
    how = rng.choice(("block", "record", "record", "run", "run", "entry", "copy"))
    if how == "copy":
        other = rng.choice(blocks) * NODE + 80 + index * stride
        data[other : other + stride] = data[record : record + stride]
        done = f"record at {record} to {other}"
    elif how == "entry":
        nodes = [n for n in slots if 1 <= get(data, n * NODE + 8, 4) <= 7]
        at, slot = rng.choice(nodes or blocks) * NODE, rng.randrange(512)
        data[at + 16 + slot // 8] |= 1 << slot % 8
        done = f"entry {slot} of node at {at}: {put(data, at + 80 + 8 * slot, 8, rng.choice(names))}"
    else:
        at, bytes_ = {
            "block": [(block * NODE + o, b) for o, b in ((0, 8), (8, 4), (12, 4), (16, 8))],
            "record": [(record + o, b) for o, b in ((0, 8), (8, 4), (12, 4), (16, 8))],
            "run": [(record + run + o, 8) for o in (0, 8, 16)],
        }[how][rng.randrange(3 if how == "run" else 4)]
        near += [b + 1 for b in blocks]
        done = f"{how}, {at}: {put(data, at, bytes_, number(rng, get(data, at, bytes_), bytes_, near))}"
    files.seal(region)
    return f"{region.name}, block {block} of {stride} bytes: {done}"


def table_field(files, rng):
    """Of the region table or the member table, whose entries name all the rest."""
    region = rng.choice([r for r in files.regions() if r.entry < 2])
    near = [n for r in files.regions() for n in (r.file, r.entry, r.size)]
    return field_of_row(files, rng, region, near)


def field_of_row(files, rng, region, near=()):
    first, stride, fields = ROWS[region.role]
    data = files.bytes[region.name]
    count = max((min(region.size, used(data)) - first + stride - 1) // stride, 1)
    row = rng.randrange(count)
    offset, bytes_ = rng.choice(fields)
    at = first + row * stride + offset
    value = number(rng, get(data, at, bytes_), bytes_, near or sizes_of(region))
    done = put(data, at, bytes_, value)
    files.seal(region)
    return f"{region.name} ({region.role}), row {row}, byte {offset}: {done}"


def row_field(files, rng):
    regions = [r for r in files.regions() if r.role in ROWS and r.size]
    return field_of_row(files, rng, rng.choice(regions))


def header_field(files, rng):
    regions = [r for r in files.regions() if r.role.replace("delta", "index") in FIELDS and r.size]
    region = rng.choice(regions)
    name, at, bytes_ = rng.choice(FIELDS[region.role.replace("delta", "index")])
    data = files.bytes[region.name]
    done = put(data, at, bytes_, number(rng, get(data, at, bytes_), bytes_, sizes_of(region)))
    files.seal(region)
    return f"{region.name} ({region.role}), {name}: {done}"


def copy_row(files, rng):
    """One row in another's place, or both exchanged: two of one name, key, block, region."""
    region = rng.choice([r for r in files.regions() if r.role in ROWS and r.size])
    first, stride, _ = ROWS[region.role]
    data = files.bytes[region.name]
    if region.role == "heap":
        stride = rng.choice((16, 24, 32, 48))
    if region.role == "index":
        first, stride = rng.choice(((2 * PAGE, 8), (2 * PAGE, 64), (PAGE, 8)))
    count = max((min(region.size, used(data)) - first + stride - 1) // stride, 1)
    a, b = (first + rng.randrange(count) * stride for _ in range(2))
    one, other = data[a : a + stride], data[b : b + stride]
    if len(one) != len(other):
        return "nothing"
    data[b : b + stride] = one
    if rng.random() < 0.3:
        data[a : a + stride] = other
    files.seal(region)
    return f"{region.name} ({region.role}): {stride} bytes at {a} to {b}"


def word(files, rng):
    """Any word of any region, or one from elsewhere."""
    region = rng.choice([r for r in files.regions() if r.size])
    data = files.bytes[region.name]
    bytes_ = rng.choice((1, 2, 4, 8))
    at = rng.randrange(used(data)) // bytes_ * bytes_
    if rng.random() < 0.3:
        other = files.bytes[rng.choice(files.regions()).name]
        value = get(other, rng.randrange(len(other) // bytes_ + 1) * bytes_, bytes_)
    else:
        value = number(rng, get(data, at, bytes_), bytes_, sizes_of(region))
    done = put(data, at, bytes_, value)
    files.seal(region)
    return f"{region.name} ({region.role}), {at}: {done}"


def swap_pages(files, rng):
    region = rng.choice([r for r in files.regions() if r.size])
    other = rng.choice([region, rng.choice([r for r in files.regions() if r.size])])
    a, b = files.bytes[region.name], files.bytes[other.name]
    i = rng.randrange(-(-len(a) // PAGE)) * PAGE
    j = rng.randrange(-(-len(b) // PAGE)) * PAGE
    one, two = a[i : i + PAGE], b[j : j + PAGE]
    if len(one) == len(two):
        a[i : i + PAGE], b[j : j + PAGE] = (two, one) if rng.random() < 0.5 else (two, two)
    for each in {region.file: region, other.file: other}.values():
        if each.entry > 1 or f"sums-{each.file}" in files.bytes:
            files.seal(each)
    return f"{region.name} page at {i}, {other.name} page at {j}"


def resize_region(files, rng):
    """Another size of a region: its file shorter or longer, perhaps by a hole, with the table or without."""
    region = rng.choice(files.regions())
    data = files.bytes[region.name]
    how = rng.choice(("shorter", "longer", "hole", "hole of GiBs", "entry only", "file only"))
    size = region.size
    if how == "shorter":
        size = rng.randrange(region.size + 1) // rng.choice((1, 8, 32, 256, PAGE)) * rng.choice((1, 8, 32))
    elif how == "longer":
        # An earlier mutation may have made a hole of it, which is not to be filled.
        size = min(size, 1 << 20) + rng.choice((1, 8, 32, 64, 256, PAGE, 3 * PAGE))
        data.extend(bytes(max(size - len(data), 0)))
    elif how.startswith("hole"):
        far = (1 << 30, 5 << 30, 1 << 40, (64 << 40) - PAGE) if "GiBs" in how else (1 << 20, 1 << 26)
        size = rng.choice(far) + rng.choice((0, 64))
        files.sizes[region.name] = size + rng.choice((0, PAGE))
        if rng.random() < 0.8:
            files.sizes[f"sums-{region.file}"] = size // 1024 + PAGE
        if rng.random() < 0.1:
            data[:] = b""
    elif how == "entry only":
        size = number(rng, size, 8, (len(data),))
    if how == "file only":
        files.sizes[region.name] = rng.choice((0, 1, 64, region.size - 1, region.size + PAGE, 1 << 33)) % (
            1 << 40
        )
    else:
        files.set_entry(region.entry, size=size)
    files.seal()
    return f"{region.name} ({region.role}): {how}, {size}"


def resize_file(files, rng):
    name = rng.choice([n for n in files.bytes if not n.startswith("region-")])
    size = rng.choice((0, 1, 63, 64, 511, 512, 4095, 4096, 8191, 8192, 32768, 1 << 20, 5 << 30, 1 << 40))
    files.sizes[name] = size
    return f"{name}: {size} bytes"


def special_file(files, rng):
    name = rng.choice([*files.bytes, *files.bytes, "region-99", "superblock.new", "foreign"])
    kind = rng.choice(FILE_KINDS)
    files.special[name] = kind
    return f"{name} is a {kind}"


def file_names(files, rng):
    names = sorted(files.bytes)
    name = rng.choice(names)
    how = rng.choice(("missing", "another's bytes", "one more"))
    if how == "missing":
        del files.bytes[name]
    elif how == "one more":
        files.bytes[f"{name.split('-')[0]}-{rng.randrange(40)}"] = bytearray(files.bytes[name])
    else:
        files.bytes[name] = bytearray(files.bytes[rng.choice(names)])
    return f"{name}: {how}"


def journal_commit(files, rng):
    """Frames that are believed, of ranges that are likely to matter."""
    regions = files.regions()
    ranges = []
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        region = rng.choice(regions)
        target = 2 * region.file + rng.randrange(2)
        if rng.random() < 0.15:
            target = rng.choice((0, 1, 2 * 99, 2**32, 2**62, MASK))
        far = (
            0,
            4,
            PAGE,
            region.size - 4,
            region.size,
            region.size + PAGE,
            1 << 20,
            2 << 30,
            1 << 36,
            1 << 46,
        )
        offset = (
            rng.choice((*far, 1 << 62, 1 << 63, MASK, MASK - 3, rng.randrange(max(region.size, 1)))) & MASK
        )
        length = rng.choice((0, 1, 4, 8, 8, 8, 32, 56, 4096, 4097))
        value = number(rng, 1, 8, [r.file for r in regions] + [r.size for r in regions])
        ranges.append((target, offset, (struct.pack("<Q", value) * (length // 8 + 1))[:length]))
    how = rng.random()
    if how < 0.1:
        files.add_commit((), payload=rng.randbytes(rng.randrange(300)))
    elif how < 0.15:
        files.add_commit((), payload=bytes(rng.randrange(1 << 18)))
    elif how < 0.2:
        files.add_commit(ranges, sequence=rng.choice((0, 1, 7, 1 << 63, MASK)))
    elif how < 0.25:
        files.add_commit(ranges, flags=0)
    elif how < 0.3:
        files.add_commit((), payload=varint(6) + varint(0) + b"\xff" * rng.randrange(12))
    else:
        files.add_commit(ranges)
    what = [(t, o, len(b)) for t, o, b in ranges]
    return f"journal: a commit of {what}"


def journal_of_table(files, rng):
    """A commit that changes a table's entry as table_field() does, but in the journal only."""
    before = files.copy()
    done = table_field(files, rng)
    ranges = []
    for file in (1, 2):
        old, new = before.bytes[f"region-{file}"], files.bytes[f"region-{file}"]
        ranges += [
            (2 * file, at, bytes(new[at : at + 8]))
            for at in range(0, len(new), 8)
            if old[at : at + 8] != new[at : at + 8]
        ]
        ranges += [(2 * file + 1, 0, bytes(files.bytes[f"sums-{file}"][:64]))]
        files.bytes[f"region-{file}"], files.bytes[f"sums-{file}"] = old, before.bytes[f"sums-{file}"]
    files.add_commit(ranges)
    return f"journal: {done}"


def sums(files, rng):
    region = rng.choice(files.regions())
    data = files.bytes.get(f"sums-{region.file}")
    if not data:
        return "nothing"
    at = 4 * rng.randrange(max(region.size // PAGE, 1))
    done = put(data, at, 4, rng.choice((0, 1, 0xFFFFFFFF, rng.randrange(1 << 32))))
    return f"sums-{region.file} ({region.role}), {at}: {done}"


def readers(files, rng):
    data = files.bytes.get("readers")
    if not data:
        return "nothing"
    name, at = rng.choice(
        (
            ("magic", 0),
            ("sequence", 8),
            ("boot", 16),
            ("intent", 24),
            ("commit", 32),
            ("slot", 64),
            ("what", 72),
        )
    )
    return f"readers, {name}: {put(data, at, 8, number(rng, get(data, at, 8), 8))}"


def raw_bytes(files, rng):
    """Damage that knows nothing, and whose checksums are wrong."""
    name = rng.choice([n for n in files.bytes if files.bytes[n]])
    data = files.bytes[name]
    how = rng.choice(("flip", "byte", "word", "move", "zero"))
    for _ in range(rng.choice((1, 1, 3, 30))):
        where = rng.randrange(min(used(data) + 64, len(data)))
        if how == "flip":
            data[where] ^= 1 << rng.randrange(8)
        elif how == "byte":
            data[where] = rng.randrange(256)
        elif how == "word":
            new = rng.choice((b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", rng.randbytes(8)))
            data[where & ~7 : (where & ~7) + 8] = new[: len(data) - (where & ~7)]
        elif how == "move":
            length, source = rng.randrange(1, 200), rng.randrange(len(data))
            part = data[source : source + length][: len(data) - where]
            data[where : where + len(part)] = part
        else:
            data[where : where + PAGE] = bytes(len(data[where : where + PAGE]))
    return f"{name}: {how}"


WEIGHTS = {
    superblock_field: 2,
    table_field: 6,
    row_field: 8,
    shadow_record: 3,
    header_field: 10,
    copy_row: 5,
    word: 8,
    swap_pages: 2,
    resize_region: 4,
    resize_file: 2,
    special_file: 2,
    file_names: 2,
    journal_commit: 4,
    journal_of_table: 3,
    sums: 2,
    readers: 1,
    raw_bytes: 4,
}


def mutate(files, rng):
    """Changes the files; returns what was done, in words."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        try:
            done.append(f"{kind.__name__}: {kind(files, rng)}")
        except (KeyError, IndexError, struct.error, ValueError) as error:
            # What an earlier mutation has taken away cannot be changed again.
            done.append(f"{kind.__name__}: not possible ({error!r})")
    return "; ".join(done)
