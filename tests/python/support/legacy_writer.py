"""Writes directories as pyrsistence 1.1 did, byte by byte: what test_migrate.py reads and damages."""

import pathlib
import pickle
import struct

MAGIC = 0x0052444800444D45
DUMPS = pickle.dumps


def word(number):
    return struct.pack("<Q", number & (1 << 64) - 1)


class ChunkFile:
    """keys.bin or values.bin: chunks behind a magic."""

    def __init__(self):
        self.content = bytearray(word(MAGIC))

    def add(self, data, padding=0xAA):
        """Append a chunk; return the position of what is in it. Padding is what an older pickle left
        there."""
        size = (8 + len(data) + 7) // 8 * 8
        self.content += word(size)
        position = len(self.content)
        self.content += data + bytes([padding]) * (size - 8 - len(data))
        return position


def write_dict(directory, items, *, entries=None, dumps=DUMPS, used=None, hashes=None):
    """A dict of (key, value) pairs, in slots that their number gives; returns the paths of its three
    files."""
    items = list(items)
    entries = entries or max(8, 1 << (2 * len(items)).bit_length())
    keys, values = ChunkFile(), ChunkFile()
    slots = [bytes(24)] * entries
    for number, (key, value) in enumerate(items):
        # An odd multiplier: each number has its own slot, and neighbours are apart.
        slot = number * 5 % entries
        stored = hashes[number] if hashes else number * 0x9E3779B97F4A7C15
        slots[slot] = word(stored) + word(keys.add(dumps(key))) + word(values.add(dumps(value)))
    index = word(MAGIC) + word(len(items) if used is None else used) + word(entries - 1) + b"".join(slots)
    return _write(directory, {"index.bin": index, "keys.bin": keys.content, "values.bin": values.content})


def write_list(directory, elements, *, capacity=None, used=None, dumps=DUMPS):
    """A list; None becomes the position zero."""
    elements = list(elements)
    capacity = capacity or max(1, 1 << max(len(elements) - 1, 0).bit_length())
    values = ChunkFile()
    positions = [0 if element is None else values.add(dumps(element)) for element in elements]
    positions += [0] * (capacity - len(elements))
    index = word(MAGIC) + word(len(elements) if used is None else used) + word(capacity)
    index += b"".join(map(word, positions))
    return _write(directory, {"index.bin": index, "values.bin": values.content})


def _write(directory, files):
    directory = pathlib.Path(directory)
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return {name.split(".")[0]: directory / name for name in files}


def set_word(path, offset, number):
    """Overwrite 8 bytes of a file."""
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = word(number)
    path.write_bytes(content)


def get_word(path, offset):
    return struct.unpack_from("<Q", path.read_bytes(), offset)[0]
