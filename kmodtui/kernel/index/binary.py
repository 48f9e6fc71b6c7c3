"""Reader of depmod's binary indexes, for systems that keep no others, such as an initramfs.

Format: `libkmod/libkmod-index.c` in kmod: a trie in a file. All numbers are big-endian. A
node has, as the flags in its offset tell, a prefix, children by byte, and values.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

MAGIC = 0xB007F457
_VERSION = 2  # the upper half of the number; the lower half may differ
_PREFIX, _VALUES, _CHILDREN = 0x80000000, 0x40000000, 0x20000000
_OFFSET = 0x0FFFFFFF
_HEADER = struct.Struct(">III")
_NUMBER = struct.Struct(">I")

MAX_ENTRIES = 1_000_000
"""Values that are read; the aliases of a distribution are 20,000."""


class Entry(NamedTuple):
    """One value of an index.

    Attributes:
        priority: of several values of a key, the lowest one comes first.
        key: a module, an alias or a symbol.
        value: what the line of the text index has.
    """

    priority: int
    key: str
    value: str


def binary_lines(data: bytes, file: str) -> list[str]:
    """Return the lines that the text index has in place of a binary one.

    Args:
        data: the content of the binary index.
        file: name of the text index, such as `modules.dep`.

    Raises:
        ValueError: the content is malformed.
    """
    entries = sorted(_entries(data), key=lambda entry: entry.priority)
    if file == "modules.dep":
        return [entry.value for entry in entries]
    if file == "modules.builtin":
        return [f"{entry.key}.ko" for entry in entries]
    return [f"alias {entry.key} {entry.value}" for entry in entries]


def _entries(data: bytes) -> list[Entry]:
    try:
        magic, version, root = _HEADER.unpack_from(data)
        if magic != MAGIC or version >> 16 != _VERSION:
            raise ValueError("not an index of depmod")
        return _walk(data, root)
    except (struct.error, IndexError) as error:
        raise ValueError(str(error)) from None


def _walk(data: bytes, root: int) -> list[Entry]:
    found: list[Entry] = []
    seen: set[int] = set()
    ahead = [(root, b"")]
    while ahead:
        node, key = ahead.pop()
        position = node & _OFFSET
        if not position:
            continue
        if position in seen or len(found) > MAX_ENTRIES:
            raise ValueError("a node is used twice")
        seen.add(position)
        if node & _PREFIX:
            prefix, position = _string(data, position)
            key += prefix
        if node & _CHILDREN:
            first, last = data[position], data[position + 1]
            position += 2
            for byte in range(first, last + 1):
                (child,) = _NUMBER.unpack_from(data, position)
                position += _NUMBER.size
                ahead.append((child, key + bytes([byte])))
        if node & _VALUES:
            (count,) = _NUMBER.unpack_from(data, position)
            position += _NUMBER.size
            for _ in range(min(count, MAX_ENTRIES)):
                (priority,) = _NUMBER.unpack_from(data, position)
                value, position = _string(data, position + _NUMBER.size)
                found.append(Entry(priority, os.fsdecode(key), os.fsdecode(value)))
    return found


def _string(data: bytes, position: int) -> tuple[bytes, int]:
    """Return the string at a position, and the position behind its NUL."""
    end = data.index(b"\0", position)
    return data[position:end], end + 1
