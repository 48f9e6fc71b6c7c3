"""Reads the source files of a module from its DWARF debug information.

Only the beginning of each compilation unit is read, whatever the size of the debug information:
its header, its entry in .debug_abbrev and its name (DWARF 5, sections 7.5.1 and 7.5.3). A .ko
file is relocatable, so what refers to another section has to be looked up in .rela.debug_info,
which assemblers write in the order of the offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, Section, opened
from kmodtui.model.text import clean, decode

DEBUG_FOLDER = "/usr/lib/debug/.build-id"
"""Where distributions install debug information, by the build ID."""

_MAX_UNITS = 256
_MAX_ENTRY = 1024  # bytes of the first entry of a unit
_MAX_ABBREVIATIONS = 16 * 1024  # bytes of a table that are searched for that of the first entry
_MAX_NAME = 4096
_GENERATED = ".mod.c"
_COMPRESSED = 0x800  # SHF_COMPRESSED
_NAME = 0x03  # DW_AT_name
_COMPILE, _PARTIAL = 1, 3  # DW_UT_…

# DW_FORM_…: the size of each in bytes; that of an address depends on the unit.
_ADDRESS, _STRING, _SDATA, _UDATA, _STRP, _LINE_STRP = 0x01, 0x08, 0x0D, 0x0F, 0x0E, 0x1F
_EXPRESSION, _IMPLICIT = 0x18, 0x21
_SIZES = {0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x13: 4, 0x17: 4, 0x19: 0}
_SIZES |= {_STRP: 4, _LINE_STRP: 4, _IMPLICIT: 0}
_TABLES = {_STRP: b".debug_str", _LINE_STRP: b".debug_line_str"}


def source_files(host: Host, elf: ElfFile, build_id: str = "") -> tuple[str, ...]:
    """Return the source files of a module file, as the compiler named them.

    Without debug information in the file, that of its build ID is read, where it is installed.
    Empty if there is none, or if it is of a kind that is not read.
    """
    if elf.find(b".debug_info") is not None:
        return _source_files(elf)
    split = f"{DEBUG_FOLDER}/{build_id[:2]}/{build_id[2:]}.debug"
    if len(build_id) < 4 or not host.exists(split):
        return ()
    try:
        with opened(host, split) as other:
            return _source_files(other)
    except KmodtuiError:
        return ()


def _source_files(elf: ElfFile) -> tuple[str, ...]:
    reader = _Reader(elf)
    try:
        names = [name for name in reader.names() if not name.endswith(_GENERATED)]
    except (struct.error, IndexError):
        return ()  # it is damaged
    return tuple(dict.fromkeys(names))


@dataclass
class _Reader:
    """The debug information of one file."""

    elf: ElfFile
    _tables: dict[int, bytes] = field(default_factory=dict)  # parts of .debug_abbrev, by offset

    def __post_init__(self) -> None:
        self._order = "<" if self.elf.header.little_endian else ">"
        self._info = self._section(b".debug_info")
        self._relocations = self._section(b".rela.debug_info")

    def names(self) -> Iterator[str]:
        """Yield the name of each unit that has one."""
        at = 0
        for _ in range(_MAX_UNITS):
            head = self._read(self._info, at, 12)
            if len(head) < 12:
                return
            length, version = self._unpack("IH", head)
            if length >= 0xFFFF_FFF0:
                return  # 64-bit DWARF, which no kernel is built with
            name = self._name(at, head, version)
            if name:
                yield clean(decode(name))
            at += 4 + length

    def _name(self, unit: int, head: bytes, version: int) -> bytes:
        """Return the name in the first entry of a unit; empty if it cannot be found."""
        if version == 5:
            kind, address_size, offset = self._unpack("BBI", head[6:])
            start, table_at = unit + 12, unit + 8
            if kind not in (_COMPILE, _PARTIAL):
                return b""
        elif 2 <= version <= 4:
            offset, address_size = self._unpack("IB", head[6:])
            start, table_at = unit + 11, unit + 6
        else:
            return b""
        entry = self._read(self._info, start, _MAX_ENTRY)
        code, at = _unsigned(entry, 0)
        for attribute, form in self._attributes(self._target(table_at, offset), code):
            if attribute == _NAME and form == _STRING:
                return entry[at:].partition(b"\0")[0]
            if attribute == _NAME and form in _TABLES:
                (value,) = self._unpack("I", entry[at:])
                text = self._section(_TABLES[form])
                where = self._target(start + at, value)
                return self._read(text, where, _MAX_NAME).partition(b"\0")[0]
            size = _size(form, entry, at, address_size)
            if attribute == _NAME or size is None:
                return b""
            at += size
        return b""

    def _attributes(self, offset: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Yield attribute and form of an entry with this code in the table at `offset`."""
        if offset not in self._tables:
            table = self._section(b".debug_abbrev")
            self._tables[offset] = self._read(table, offset, _MAX_ABBREVIATIONS)
        data, at = self._tables[offset], 0
        while True:
            code, at = _unsigned(data, at)
            if not code:
                return
            _tag, at = _unsigned(data, at)
            at += 1  # whether it has children
            while True:
                attribute, at = _unsigned(data, at)
                form, at = _unsigned(data, at)
                if form == _IMPLICIT:
                    _value, at = _unsigned(data, at)
                if not attribute:
                    break
                if code == wanted:
                    yield attribute, form
            if code == wanted:
                return

    def _target(self, offset: int, value: int) -> int:
        """Return what a value at an offset of .debug_info refers to, in the other section."""
        section = self._relocations
        if section is None:
            return value  # the value itself, with relocations without addends or without any
        low, high = 0, section.size // 24
        while low < high:
            middle = (low + high) // 2
            at, _info, addend = self._unpack("QQq", self._read(section, middle * 24, 24))
            if at == offset:
                return int(addend)
            low, high = (middle + 1, high) if at < offset else (low, middle)
        return value

    def _section(self, name: bytes) -> Section | None:
        found = self.elf.find(name)
        usable = found is not None and found.in_file and not found.flags & _COMPRESSED
        return found if usable else None

    def _read(self, section: Section | None, offset: int, size: int) -> bytes:
        if section is None or not 0 <= offset < section.size:
            return b""
        self.elf.file.seek(section.offset + offset)
        return self.elf.file.read(min(size, section.size - offset))

    def _unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, data)


def _size(form: int, entry: bytes, at: int, address_size: int) -> int | None:
    """Return the bytes that a value takes; None for a form that no first entry begins with."""
    if form == _ADDRESS:
        return address_size
    if form in (_SDATA, _UDATA):
        return _unsigned(entry, at)[1] - at
    if form == _STRING:
        return entry.index(b"\0", at) + 1 - at if b"\0" in entry[at:] else None
    if form == _EXPRESSION:
        length, end = _unsigned(entry, at)
        return end + length - at
    return _SIZES.get(form)


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned LEB128 number and the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
