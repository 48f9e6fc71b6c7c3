"""Damages a real module file in a given way; for 64-bit little-endian files.

Formats: `man 5 elf`, `struct modversion_info` in `include/linux/module.h`,
`struct module_signature` in `include/linux/module_signature.h`.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

_MAGIC = b"~Module signature appended~\n"
_RECORD = 12
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MACHINE, _TABLE, _COUNT, _NAMES = 18, 40, 60, 62  # offsets in the header
AARCH64 = 183


class _Section(NamedTuple):
    header: int
    offset: int
    size: int


def unsigned(module: bytes) -> bytes:
    """Remove the signature, so that the kernel may load it after a change."""
    assert module.endswith(_MAGIC)
    end = len(module) - len(_MAGIC)
    (length,) = struct.unpack(">I", module[end - 4 : end])
    return module[: end - _RECORD - length]


def replaced(module: bytes, section: str, old: bytes, new: bytes) -> bytes:
    """Replace a string in a section by one of the same length."""
    assert len(old) == len(new)
    where = _section(module, section)
    place = module.index(old, where.offset, where.offset + where.size)
    return module[:place] + new + module[place + len(old) :]


def other_checksum(module: bytes, symbol: str) -> bytes:
    """Change the checksum of an imported symbol."""
    where = _section(module, "__versions")
    name = symbol.encode() + b"\0"
    for record in range(where.offset, where.offset + where.size, 64):
        if module.startswith(name, record + 8):
            return module[:record] + bytes([module[record] ^ 0xFF]) + module[record + 1 :]
    raise AssertionError(f"no checksum of {symbol}")


def with_header(module: bytes, field: int, value: int, *, width: int = 2) -> bytes:
    """Change a number in the ELF header."""
    return module[:field] + value.to_bytes(width, "little") + module[field + width :]


def without_symbols(module: bytes) -> bytes:
    """Hide the symbol table, as if it had been stripped, by another section type."""
    header = _section(module, ".symtab").header
    return module[: header + 4] + struct.pack("<I", 1) + module[header + 8 :]


def many_sections(module: bytes) -> bytes:
    """Put the number of sections into the first entry, which the kernel does not support."""
    data = with_header(module, _COUNT, 0)
    (table,) = struct.unpack_from("<Q", data, _TABLE)
    return data[: table + 32] + (1 << 40).to_bytes(8, "little") + data[table + 40 :]


def cut_inside_signature(module: bytes, length: int = 100) -> bytes:
    """Remove bytes from the middle of the signature; its end is intact."""
    end = len(module) - len(_MAGIC) - _RECORD
    return module[: end - 200] + module[end - 200 + length :]


class Spoiled(NamedTuple):
    """A way to damage a module, and the expected result.

    Attributes:
        spoil: damages the bytes of the signed file.
        errno: the kernel's error; empty if it loads the file anyway.
        says: part of the expected reason.
        name: of the file, if it is not that of the module.
    """

    spoil: Callable[[bytes], bytes]
    errno: str
    says: str
    name: str = "dummy.ko"


def _plain(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda module: change(unsigned(module))


SPOILED: Mapping[str, Spoiled] = {
    "other vermagic": Spoiled(
        _plain(lambda m: replaced(m, ".modinfo", b"SMP preempt ", b"SMP preemp! ")),
        "ENOEXEC",
        "preemp! where this kernel has preempt",
    ),
    "other machine": Spoiled(
        _plain(lambda m: with_header(m, _MACHINE, AARCH64)),
        "ENOEXEC",
        "another architecture: aarch64",
    ),
    "truncated": Spoiled(lambda m: m[: len(m) // 2], "ENOEXEC", "truncated"),
    "stripped": Spoiled(_plain(without_symbols), "ENOEXEC", "stripped"),
    "missing symbol": Spoiled(
        _plain(lambda m: replaced(m, ".strtab", b"\0ether_setup\0", b"\0ether_setuq\0")),
        "ENOENT",
        "any module exports ether_setuq",
    ),
    "wrong checksum": Spoiled(
        _plain(lambda m: other_checksum(m, "register_netdevice")),
        "EINVAL",
        "another version of register_netdevice",
    ),
    "other layout": Spoiled(
        _plain(lambda m: other_checksum(m, "module_layout")), "ENOEXEC", "other structure layouts"
    ),
    "GPL only": Spoiled(
        _plain(lambda m: replaced(m, ".modinfo", b"license=GPL\0", b"license=MIT\0")),
        "ENOENT",
        "may not use 8 of its imports",
    ),
    "changed after signing": Spoiled(
        lambda m: replaced(m, ".modinfo", b"rtnl-link-dummy", b"rtnl-link-dummX"),
        "EKEYREJECTED",
        "modified after",
    ),
    "cut signature": Spoiled(cut_inside_signature, "EBADMSG", "signature is damaged"),
    "compressed wrongly": Spoiled(
        lambda m: lzma.compress(m, check=lzma.CHECK_CRC32)[:-500],
        "ENOEXEC",
        "truncated",
        "dummy.ko.xz",
    ),
    "not ELF": Spoiled(lambda _: b"#!/bin/sh\necho hello\n" * 10, "ENOEXEC", "not an ELF file"),
    "empty": Spoiled(lambda _: b"", "ENOEXEC", "is empty"),
    "huge section counts": Spoiled(
        _plain(lambda m: with_header(m, _COUNT, 0xFFFF)), "ENOEXEC", "truncated"
    ),
    "sections beyond counting": Spoiled(_plain(many_sections), "ENOEXEC", "sections"),
}
"""Made of Debian's dummy.ko."""

TAKEN_ALL_THE_SAME: Mapping[str, Spoiled] = {
    "untouched": Spoiled(lambda m: m, "", "unmodified"),
    "unsigned": Spoiled(unsigned, "", "not signed"),
    "end of the signature missing": Spoiled(lambda m: m[:-5], "", "not signed"),
    "other release": Spoiled(
        _plain(lambda m: replaced(m, ".modinfo", b"6.1.0-", b"6.1.1-")), "", "built for 6.1.1-"
    ),
}


def _section(module: bytes, name: str) -> _Section:
    (table,) = struct.unpack_from("<Q", module, _TABLE)
    count, names = struct.unpack_from("<HH", module, _COUNT)
    assert _NAMES == _COUNT + 2
    strings = _SECTION.unpack_from(module, table + names * _SECTION.size)[4]
    for number in range(count):
        header = table + number * _SECTION.size
        row = _SECTION.unpack_from(module, header)
        if module.startswith(name.encode() + b"\0", strings + row[0]):
            return _Section(header, row[4], row[5])
    raise AssertionError(f"no section {name}")
