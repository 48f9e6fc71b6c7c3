"""Reader of ELF files as far as kernel modules need it: header, sections, symbols.

pyelftools reads the header, whatever the machine. Tables (sections, symbols) are
unpacked here in one go, because pyelftools takes 20 µs for every row and a
module has thousands. Nothing is believed: every offset is held against the
file's size before it is used. Format: `man 5 elf`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.compression import REINSTALL, open_unpacked, unreadable
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, decode

if TYPE_CHECKING:
    from elftools.elf.structs import ELFStructs

_MAGIC = b"\x7fELF"
_HEADER_SIZE = {1: 52, 2: 64}  # by ELF class: 32 bit, 64 bit
_MAX_PART = 256 * 1024 * 1024  # a table or section that is larger is a lie
_MAX_SYMBOLS = 512 * 1024  # ten times what the largest modules have
_MAX_STRING = 4096  # bytes; the kernel keeps 512 of a symbol's name
# Names may overlap, so a small file can hold any number of long ones.
_MAX_STRINGS = 64 * 1024 * 1024

_SYMBOL_TABLE = 2  # SHT_SYMTAB
_NO_BITS = 8  # SHT_NOBITS
_IN_FIRST_SECTION = 0xFFFF  # SHN_XINDEX
_BIND_WEAK = 2  # STB_WEAK


class Header(NamedTuple):
    """What the ELF header says.

    Attributes:
        machine: such as `x86_64` or `aarch64`.
        bits: 32 or 64.
        little_endian: the byte order.
        kind: `rel` for a relocatable object, which a module is; `exec`, `dyn`, `core`.
        table: offset of the table of sections.
        entry_size: bytes of a row of it.
        sections: rows of it; 0 where the first row tells.
        names: the section that holds the sections' names.
    """

    machine: str
    bits: int
    little_endian: bool
    kind: str
    table: int
    entry_size: int
    sections: int
    names: int


class Section(NamedTuple):
    """A row of the table of sections.

    Attributes:
        number: of the row.
        kind: SHT_….
        name: offset of its name.
        offset: of its bytes in the file.
        size: in bytes.
        link: number of the section that it belongs with.
    """

    number: int
    kind: int
    name: int
    offset: int
    size: int
    link: int

    @property
    def in_file(self) -> bool:
        """Whether its bytes stand in the file; those of .bss do not."""
        return self.kind not in (0, _NO_BITS)


class ElfSymbol(NamedTuple):
    """A row of the symbol table.

    Attributes:
        name: as it stands.
        section: number of its section: 0 for undefined, 0xfff1 for absolute.
        value: its offset in the section.
        size: in bytes; 0 where it has none.
        weak: whether it may be missing or be overridden.
    """

    name: bytes
    section: int
    value: int
    size: int
    weak: bool


class _Layout(NamedTuple):
    """How the tables of one ELF class and byte order are packed."""

    section: struct.Struct
    section_fields: tuple[int, int, int, int, int]  # name, type, offset, size, link
    symbol: struct.Struct
    symbol_fields: tuple[int, int, int, int, int]  # name, info, section, value, size


class ElfFile:
    """The sections of one ELF file.

    Attributes:
        path: safe for a screen.
        file: its bytes, unpacked.
        size: of them.
        header: what it says of itself.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        """Read header, table and names of the sections.

        Raises:
            ModuleFileError: it is no ELF file, or one whose tables make no sense.
        """
        self.path = clean(path)
        self.file = file
        self._taken = 0  # bytes of strings
        self.size = file.seek(0, 2)
        file.seek(0)
        start = file.read(max(_HEADER_SIZE.values()))
        if not start.startswith(_MAGIC):
            raise ModuleFileError(
                f"{self.path} is no kernel module: it is no ELF file, but starts with "
                f"{start[:8].hex(' ')}.",
            )
        bits, order = start[4:5], start[5:6]
        known = bits in (b"\1", b"\2") and order in (b"\1", b"\2")
        if not known or len(start) < _HEADER_SIZE[bits[0]]:
            raise self._damaged("header")
        header = _parse_header(start, little_endian=order == b"\1", bits=32 * bits[0])
        if header is None:
            raise self._damaged("header")
        self.header = header
        self._layout = _layout(little_endian=header.little_endian, bits=header.bits)
        self._table = self._read_table(header)
        self._names = self._read_names(header)

    def find(self, name: bytes) -> Section | None:
        """Return the first section of that name; None if there is none."""
        for section in self.sections():
            if self._names.startswith(name + b"\0", section.name):
                return section
        return None

    def content(self, section: Section | None) -> bytes:
        """Return the bytes of a section; none for one that is not there or not in the file."""
        if section is None or not section.in_file:
            return b""
        what = decode(self.section_name(section.number))
        return self._read(section.offset, section.size, what)

    def section_name(self, index: int) -> bytes:
        """Return the name of a section; empty for the special numbers (absolute, common)."""
        section = self.section(index)
        return self.string_in(self._names, section.name) if section else b""

    def symbols(self) -> Iterator[ElfSymbol]:
        """Yield every symbol of the symbol table.

        Raises:
            ModuleFileError: there is none, because the file was stripped, or it is damaged,
                or has more symbols than any module.
        """
        table = next((s for s in self.sections() if s.kind == _SYMBOL_TABLE), None)
        strings = self.section(table.link) if table else None
        if table is None or strings is None:
            raise ModuleFileError(
                f"{self.path} has no symbol table: it was stripped, and the kernel refuses it.",
                "Build it again; strip --strip-debug is all that a module stands.",
            )
        names = self.content(strings)
        rows = self.content(table)
        name, info, section, value, size = self._layout.symbol_fields
        packing = self._layout.symbol
        if len(rows) // packing.size > _MAX_SYMBOLS:
            raise ModuleFileError(
                f"{self.path} has {len(rows) // packing.size:,} symbols; "
                f"kmodtui reads no more than {_MAX_SYMBOLS:,}."
            )
        for row in packing.iter_unpack(rows[: len(rows) // packing.size * packing.size]):
            yield ElfSymbol(
                self.string_in(names, row[name]),
                row[section],
                row[value],
                row[size],
                row[info] >> 4 == _BIND_WEAK,
            )

    def string_in(self, table: bytes, offset: int) -> bytes:
        """Return the NUL-terminated string at `offset`; empty if that is out of bounds.

        Raises:
            ModuleFileError: it does not end, or all that were asked for are too long together.
        """
        if offset >= len(table):
            return b""
        end = table.find(b"\0", offset, offset + _MAX_STRING)
        self._taken += end - offset
        if end < 0 or self._taken > _MAX_STRINGS:
            raise ModuleFileError(f"{self.path} is damaged: its names are too long.", REINSTALL)
        return table[offset:end]

    def sections(self) -> Iterator[Section]:
        """Yield every section but the first, which is none."""
        count = len(self._table) // self._layout.section.size
        return filter(None, map(self.section, range(1, count)))

    def section(self, index: int) -> Section | None:
        """Return a section by its number; None for the special numbers."""
        packing = self._layout.section
        if not 0 < index < len(self._table) // packing.size:
            return None
        row = packing.unpack_from(self._table, index * packing.size)
        name, kind, offset, size, link = (row[field] for field in self._layout.section_fields)
        return Section(index, kind, name, offset, size, link)

    def _read_table(self, header: Header) -> bytes:
        entry = self._layout.section.size
        if header.entry_size != entry or not header.table:
            raise self._damaged("table of sections")
        count = header.sections
        if not count:  # too many for the header: the first section tells
            first = self._layout.section.unpack(self._read(header.table, entry, "sections"))
            count = first[self._layout.section_fields[3]]
        return self._read(header.table, count * entry, "table of sections")

    def _read_names(self, header: Header) -> bytes:
        index = header.names
        if index == _IN_FIRST_SECTION:
            row = self._layout.section.unpack_from(self._table)
            index = row[self._layout.section_fields[4]]
        section = self.section(index)
        names = self._read(section.offset, section.size, "section names") if section else b""
        if not names.endswith(b"\0"):
            raise self._damaged("section names")
        return names

    def _read(self, offset: int, size: int, what: str) -> bytes:
        if offset + size > self.size:
            raise ModuleFileError(
                f"{self.path} is cut off: its {clean(what)} would end at byte "
                f"{offset + size:,}, the file has {self.size:,}.",
                REINSTALL,
            )
        if size > _MAX_PART:
            raise ModuleFileError(f"{self.path} is damaged: its {clean(what)} is too large.")
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) < size:
            raise ModuleFileError(f"{self.path} became shorter while it was read.", "Try again.")
        return data

    def _damaged(self, what: str) -> ModuleFileError:
        return ModuleFileError(f"{self.path} is damaged: its {what} makes no sense.", REINSTALL)


@contextmanager
def opened(host: Host, path: str) -> Iterator[ElfFile]:
    """Give the ELF file at `path`, unpacked if it was packed, and close it.

    Raises:
        UnreadableError: the file is not there or may not be read.
        ModuleFileError: it is no ELF file, or a damaged one.
    """
    with open_unpacked(host, path) as file:
        try:
            yield ElfFile(path, file)
        except OSError as error:
            raise unreadable(path, error) from None


def _parse_header(data: bytes, *, little_endian: bool, bits: int) -> Header | None:
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse

    try:
        header = struct_parse(_structs(little_endian, bits).Elf_Ehdr, BytesIO(data))
    except (ELFError, ValueError, AssertionError):
        return None
    return Header(
        machine=str(header["e_machine"]).removeprefix("EM_").lower(),
        bits=bits,
        little_endian=little_endian,
        kind=str(header["e_type"]).removeprefix("ET_").lower(),
        table=header["e_shoff"],
        entry_size=header["e_shentsize"],
        sections=header["e_shnum"],
        names=header["e_shstrndx"],
    )


@lru_cache
def _structs(little_endian: bool, bits: int) -> ELFStructs:
    # Making these takes three times as long as reading a file with them.
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=little_endian, elfclass=bits)
    structs.create_basic_structs()
    return structs


@lru_cache
def _layout(*, little_endian: bool, bits: int) -> _Layout:
    """Return the packing of `Elf32_Shdr`, `Elf64_Shdr`, `Elf32_Sym` and `Elf64_Sym`."""
    order = "<" if little_endian else ">"
    section_fields = (0, 1, 4, 5, 6)
    if bits == 64:
        return _Layout(
            struct.Struct(f"{order}IIQQQQIIQQ"),
            section_fields,
            struct.Struct(f"{order}IBBHQQ"),
            (0, 1, 3, 4, 5),
        )
    return _Layout(
        struct.Struct(f"{order}IIIIIIIIII"),
        section_fields,
        struct.Struct(f"{order}IIIBBH"),
        (0, 3, 5, 1, 2),
    )
