"""Reader of the parts of ELF files that kernel modules need: header, sections, symbols.

pyelftools reads the header, for any architecture. The section and symbol tables are parsed
here, because pyelftools takes 20 µs per entry and a module has thousands. Nothing in the file
is trusted: every offset is checked against the file's size before it is used. Format:
`man 5 elf`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.compression import REINSTALL, open_unpacked, unreadable
from kmodtui.model.text import clean, decode

if TYPE_CHECKING:
    from elftools.elf.structs import ELFStructs

_MAGIC = b"\x7fELF"
_HEADER_SIZE = {1: 52, 2: 64}  # by ELF class: 32 bit, 64 bit
_MAX_PART = 256 * 1024 * 1024  # bytes of a table or section
_MAX_SYMBOLS = 512 * 1024  # ten times as many as in the largest modules
_MAX_STRING = 4096  # bytes; the kernel keeps 512 of a symbol's name
# Bytes of all names together. They may overlap, so a small file can have many long ones.
_MAX_STRINGS = 64 * 1024 * 1024

_SYMBOL_TABLE = 2  # SHT_SYMTAB
_NO_BITS = 8  # SHT_NOBITS
_IN_FIRST_SECTION = 0xFFFF  # SHN_XINDEX
_BIND_WEAK = 2  # STB_WEAK


class Header(NamedTuple):
    """The fields of the ELF header that are used here.

    Attributes:
        machine: such as `x86_64` or `aarch64`.
        bits: 32 or 64.
        little_endian: the byte order.
        kind: `rel` for a relocatable object such as a module; `exec`, `dyn`, `core`.
        table: file offset of the section header table.
        entry_size: bytes of an entry of that table.
        sections: number of its entries; 0 if the first entry has the number.
        names: index of the section with the names of the sections.
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
    """An entry of the section header table.

    Attributes:
        number: its index.
        kind: SHT_….
        name: offset of its name.
        offset: file offset of its content.
        size: in bytes.
        link: index of a related section, such as the string table of a symbol table.
        flags: SHF_….
    """

    number: int
    kind: int
    name: int
    offset: int
    size: int
    link: int
    flags: int

    @property
    def in_file(self) -> bool:
        """Whether its content is in the file; that of .bss is not."""
        return self.kind not in (0, _NO_BITS)


class ElfSymbol(NamedTuple):
    """An entry of the symbol table.

    Attributes:
        name: its bytes, not cleaned.
        section: index of its section: 0 if undefined, 0xfff1 if absolute.
        value: its offset in the section.
        size: in bytes; 0 if it has none.
        weak: whether it may be missing or overridden.
        info: its binding (STB_…) in the upper four bits, its type (STT_…) in the lower ones.
    """

    name: bytes
    section: int
    value: int
    size: int
    weak: bool
    info: int


class _Layout(NamedTuple):
    """The layout of table entries for an ELF class and byte order."""

    section: struct.Struct
    section_fields: tuple[int, int, int, int, int, int]  # name, type, offset, size, link, flags
    symbol: struct.Struct
    symbol_fields: tuple[int, int, int, int, int]  # name, info, section, value, size


class ElfFile:
    """An open ELF file.

    Attributes:
        path: cleaned, for messages.
        file: the decompressed file.
        size: its size in bytes.
        header: its header.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        """Read the header, the section header table and the section names.

        Raises:
            ModuleFileError: it is not an ELF file, or its tables are invalid.
        """
        self.path = clean(path)
        self.file = file
        self._string_bytes = 0  # read so far
        self.size = file.seek(0, 2)
        file.seek(0)
        start = file.read(max(_HEADER_SIZE.values()))
        if not start.startswith(_MAGIC):
            raise ModuleFileError(
                f"{self.path} is not a kernel module: it is not an ELF file, but starts with "
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
        self._parsed: dict[int, Section] = {}
        self._names = self._read_names(header)

    def find(self, name: bytes) -> Section | None:
        """Return the first section with this name; None if there is none."""
        for section in self.sections():
            if self._names.startswith(name + b"\0", section.name):
                return section
        return None

    def content(self, section: Section | None) -> bytes:
        """Return the content of a section; empty for None and for one that is not in the file."""
        if section is None or not section.in_file:
            return b""
        what = decode(self.section_name(section.number))
        return self._read(section.offset, section.size, what)

    def section_name(self, index: int) -> bytes:
        """Return the name of a section; empty for special indexes such as absolute or common."""
        section = self.section(index)
        return self.string_in(self._names, section.name) if section else b""

    def symbols(self) -> Iterator[ElfSymbol]:
        """Yield all symbols of the symbol table.

        Raises:
            ModuleFileError: the file is stripped or damaged, or has too many symbols.
        """
        table = next((s for s in self.sections() if s.kind == _SYMBOL_TABLE), None)
        strings = self.section(table.link) if table else None
        if table is None or strings is None:
            raise ModuleFileError(
                f"{self.path} has no symbol table: it was stripped, so the kernel refuses it.",
                "Rebuild it. The only safe way to strip a module is strip --strip-debug.",
            )
        names = self.content(strings)
        rows = self.content(table)
        name, info, section, value, size = self._layout.symbol_fields
        packing = self._layout.symbol
        if len(rows) // packing.size > _MAX_SYMBOLS:
            raise ModuleFileError(
                f"{self.path} has {len(rows) // packing.size:,} symbols; "
                f"kmodtui reads at most {_MAX_SYMBOLS:,}."
            )
        for row in packing.iter_unpack(rows[: len(rows) // packing.size * packing.size]):
            yield ElfSymbol(
                self.string_in(names, row[name]),
                row[section],
                row[value],
                row[size],
                row[info] >> 4 == _BIND_WEAK,
                row[info],
            )

    def string_in(self, table: bytes, offset: int) -> bytes:
        """Return the NUL-terminated string at `offset`; empty if that is out of bounds.

        Raises:
            ModuleFileError: it is not terminated, or all strings together are too long.
        """
        if offset >= len(table):
            return b""
        end = table.find(b"\0", offset, offset + _MAX_STRING)
        self._string_bytes += end - offset
        if end < 0 or self._string_bytes > _MAX_STRINGS:
            raise ModuleFileError(f"{self.path} is damaged: its names are too long.", REINSTALL)
        return table[offset:end]

    def sections(self) -> Iterator[Section]:
        """Yield all sections but the first, which is always empty."""
        count = len(self._table) // self._layout.section.size
        return filter(None, map(self.section, range(1, count)))

    def section(self, index: int) -> Section | None:
        """Return a section by its index; None for special and invalid indexes."""
        if (known := self._parsed.get(index)) is not None:
            return known
        packing = self._layout.section
        if not 0 < index < len(self._table) // packing.size:
            return None
        row = packing.unpack_from(self._table, index * packing.size)
        name, kind, *others = (row[field] for field in self._layout.section_fields)
        self._parsed[index] = Section(index, kind, name, *others)
        return self._parsed[index]

    def _read_table(self, header: Header) -> bytes:
        entry = self._layout.section.size
        if header.entry_size != entry or not header.table:
            raise self._damaged("section header table")
        count = header.sections
        if not count:  # too many for the header: the first entry has the number
            first = self._read(header.table, entry, "section header table")
            count = self._layout.section.unpack(first)[self._layout.section_fields[3]]
        return self._read(header.table, count * entry, "section header table")

    def _read_names(self, header: Header) -> bytes:
        index = header.names
        if index == _IN_FIRST_SECTION:
            row = self._layout.section.unpack_from(self._table)
            index = row[self._layout.section_fields[4]]
        section = self.section(index)
        what = "section name table"
        names = self._read(section.offset, section.size, what) if section else b""
        if not names.endswith(b"\0"):
            raise self._damaged(what)
        return names

    def _read(self, offset: int, size: int, what: str) -> bytes:
        if offset + size > self.size:
            raise ModuleFileError(
                f"{self.path} is truncated: its {clean(what)} would end at byte "
                f"{offset + size:,}, but the file has only {self.size:,} bytes.",
                REINSTALL,
            )
        if size > _MAX_PART:
            raise ModuleFileError(f"{self.path} is damaged: its {clean(what)} is too large.")
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) < size:
            raise ModuleFileError(f"{self.path} was truncated while it was read.", "Try again.")
        return data

    def _damaged(self, what: str) -> ModuleFileError:
        return ModuleFileError(f"{self.path} is damaged: its {what} is invalid.", REINSTALL)


@contextmanager
def opened(host: Host, path: str) -> Iterator[ElfFile]:
    """Open the ELF file at `path`, decompressed if it is compressed, and close it afterwards.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not an ELF file, or is damaged.
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
    # Creating these takes three times as long as reading a file with them.
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=little_endian, elfclass=bits)
    structs.create_basic_structs()
    return structs


@lru_cache
def _layout(*, little_endian: bool, bits: int) -> _Layout:
    """Return the layout of `Elf32_Shdr` and `Elf32_Sym`, or of `Elf64_Shdr` and `Elf64_Sym`."""
    order = "<" if little_endian else ">"
    section_fields = (0, 1, 4, 5, 6, 2)
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
