"""Reader of module files (.ko): what modinfo shows, what they export and import.

A file is a relocatable ELF object. pyelftools reads its header, whatever the
machine. Tables (sections, symbols) are unpacked here in one go, because
pyelftools takes 20 µs for every row and a module has thousands. Nothing is
believed: every offset is held against the file's size before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.compression import REINSTALL, open_unpacked, unreadable
from kmodtui.kernel.host import Host
from kmodtui.kernel.signature import read_signature
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

if TYPE_CHECKING:
    from elftools.elf.structs import ELFStructs

_MAGIC = b"\x7fELF"
_HEADER_SIZE = {1: 52, 2: 64}  # by ELF class: 32 bit, 64 bit
_MAX_PART = 256 * 1024 * 1024  # a table or section that is larger is a lie

_SYMBOL_TABLE = 2  # SHT_SYMTAB
_NO_BITS = 8  # SHT_NOBITS
_IN_FIRST_SECTION = 0xFFFF  # SHN_XINDEX
_BIND_WEAK = 2  # STB_WEAK

_EXPORT = b"__ksymtab_"
_NAMESPACE = b"__kstrtabns_"
# Linux 7.1 put "GPL only" into a table of flags beside one common section.
_FLAGS_SECTION = b"__kflagstab"


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol that a module offers to others.

    Attributes:
        name: the symbol.
        gpl_only: whether only GPL-compatible modules may use it; None if the file
            keeps that in a form that is not understood.
        namespace: that users have to import; empty if none.
    """

    name: str
    gpl_only: bool | None
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """A symbol that a module needs from the kernel or from another module.

    Attributes:
        name: the symbol.
        weak: whether the module can do without it.
    """

    name: str
    weak: bool


def read_module_file(host: Host, path: str) -> ModuleInfo:
    """Return what the module file at `path` says of itself.

    Raises:
        UnreadableError: the file is not there or may not be read.
        ModuleFileError: it is no kernel module, or a damaged one.
    """
    with _opened(host, path) as elf:
        modinfo = elf.find(b".modinfo")
        if modinfo is None:
            raise ModuleFileError(
                f"{clean(path)} is an ELF file, but no kernel module: it has no .modinfo section."
            )
        return ModuleInfo(
            name=canonical(path),
            filename=path,
            modinfo=elf.content(modinfo).strip(b"\0"),
            signature=read_signature(elf.file, elf.size),
            machine=elf.machine,
            build_id=_build_id(elf),
        )


def read_exports(host: Host, path: str) -> tuple[Export, ...]:
    """Return the symbols that the module file at `path` exports, sorted by name.

    They are found by their entries `__ksymtab_NAME` (`include/linux/export.h`).

    Raises:
        UnreadableError: the file is not there or may not be read.
        ModuleFileError: it is no kernel module, a damaged or a stripped one.
    """
    with _opened(host, path) as elf:
        common_section = elf.find(_FLAGS_SECTION) is not None
        namespaces: dict[bytes, str] = {}
        sections: dict[bytes, bytes] = {}
        for symbol in elf.symbols():
            if symbol.name.startswith(_EXPORT):
                name = elf.section_name(symbol.section)
                # PREL32 entries have a section each until the module is linked.
                if name.startswith(b"__ksymtab"):
                    sections[symbol.name.removeprefix(_EXPORT)] = name
            elif symbol.name.startswith(_NAMESPACE):
                namespaces[symbol.name.removeprefix(_NAMESPACE)] = elf.string_at(symbol)
        return tuple(
            Export(
                clean(decode(name)),
                None if common_section else section.startswith(b"__ksymtab_gpl"),
                namespaces.get(name, ""),
            )
            for name, section in sorted(sections.items())
        )


def read_imports(host: Host, path: str) -> tuple[Import, ...]:
    """Return the symbols that the module file at `path` leaves undefined, sorted by name.

    Raises:
        UnreadableError: the file is not there or may not be read.
        ModuleFileError: it is no kernel module, a damaged or a stripped one.
    """
    with _opened(host, path) as elf:
        undefined = {
            symbol.name: symbol.weak
            for symbol in elf.symbols()
            if symbol.section == 0 and symbol.name
        }
    return tuple(Import(clean(decode(name)), weak) for name, weak in sorted(undefined.items()))


class _Section(NamedTuple):
    number: int
    kind: int
    name: int
    offset: int
    size: int
    link: int


class _Symbol(NamedTuple):
    name: bytes
    section: int
    value: int
    weak: bool


class _Layout(NamedTuple):
    """How the tables of one ELF class and byte order are packed."""

    section: struct.Struct
    section_fields: tuple[int, int, int, int, int]  # name, type, offset, size, link
    symbol: struct.Struct
    symbol_fields: tuple[int, int, int, int]  # name, info, section, value


class _Elf:
    """The sections of one ELF file."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self.path = clean(path)
        self.file = file
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
        self.machine = header.machine
        self._layout = _layout(little_endian=order == b"\1", bits=32 * bits[0])
        self._table = self._read_table(header)
        self._names = self._read_names(header)

    def find(self, name: bytes) -> _Section | None:
        """Return the first section of that name; None if there is none."""
        for section in self._sections():
            if self._names.startswith(name + b"\0", section.name):
                return section
        return None

    def content(self, section: _Section) -> bytes:
        """Return the bytes of a section."""
        what = decode(self.section_name(section.number))
        return b"" if section.kind == _NO_BITS else self._read(section.offset, section.size, what)

    def section_name(self, index: int) -> bytes:
        """Return the name of a section; empty for the special numbers (absolute, common)."""
        section = self._section(index)
        return _string(self._names, section.name) if section else b""

    def symbols(self) -> Iterator[_Symbol]:
        """Yield every symbol of the symbol table."""
        table = next((s for s in self._sections() if s.kind == _SYMBOL_TABLE), None)
        strings = self._section(table.link) if table else None
        if table is None or strings is None:
            raise ModuleFileError(
                f"{self.path} has no symbol table: it was stripped, and the kernel refuses it.",
                "Build it again; strip --strip-debug is all that a module stands.",
            )
        names = self.content(strings)
        rows = self.content(table)
        name, info, section, value = self._layout.symbol_fields
        packing = self._layout.symbol
        for row in packing.iter_unpack(rows[: len(rows) // packing.size * packing.size]):
            yield _Symbol(
                _string(names, row[name]), row[section], row[value], row[info] >> 4 == _BIND_WEAK
            )

    def string_at(self, symbol: _Symbol) -> str:
        """Return the text that a symbol stands for, safe for a screen; empty if out of bounds."""
        section = self._section(symbol.section)
        if section is None or symbol.value >= section.size:
            return ""
        return clean(decode(_string(self.content(section), symbol.value)))

    def _sections(self) -> Iterator[_Section]:
        count = len(self._table) // self._layout.section.size
        return filter(None, map(self._section, range(1, count)))

    def _section(self, index: int) -> _Section | None:
        packing = self._layout.section
        if not 0 < index < len(self._table) // packing.size:
            return None
        row = packing.unpack_from(self._table, index * packing.size)
        name, kind, offset, size, link = (row[field] for field in self._layout.section_fields)
        return _Section(index, kind, name, offset, size, link)

    def _read_table(self, header: _Header) -> bytes:
        entry = self._layout.section.size
        if header.entry_size != entry or not header.table:
            raise self._damaged("table of sections")
        count = header.sections
        if not count:  # too many for the header: the first section tells
            first = self._layout.section.unpack(self._read(header.table, entry, "sections"))
            count = first[self._layout.section_fields[3]]
        return self._read(header.table, count * entry, "table of sections")

    def _read_names(self, header: _Header) -> bytes:
        index = header.names
        if index == _IN_FIRST_SECTION:
            row = self._layout.section.unpack_from(self._table)
            index = row[self._layout.section_fields[4]]
        section = self._section(index)
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


class _Header(NamedTuple):
    machine: str
    table: int
    entry_size: int
    sections: int
    names: int


@contextmanager
def _opened(host: Host, path: str) -> Iterator[_Elf]:
    """Give the ELF file at `path` and close it; what the system says becomes an error of ours."""
    with open_unpacked(host, path) as file:
        try:
            yield _Elf(path, file)
        except OSError as error:
            raise unreadable(path, error) from None


def _parse_header(data: bytes, *, little_endian: bool, bits: int) -> _Header | None:
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse

    try:
        header = struct_parse(_structs(little_endian, bits).Elf_Ehdr, BytesIO(data))
    except (ELFError, ValueError, AssertionError):
        return None
    machine = str(header["e_machine"]).removeprefix("EM_").lower()
    return _Header(
        machine,
        header["e_shoff"],
        header["e_shentsize"],
        header["e_shnum"],
        header["e_shstrndx"],
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
            (0, 1, 3, 4),
        )
    return _Layout(
        struct.Struct(f"{order}IIIIIIIIII"),
        section_fields,
        struct.Struct(f"{order}IIIBBH"),
        (0, 3, 5, 1),
    )


def _string(table: bytes, offset: int) -> bytes:
    """Return the NUL-terminated string at `offset`; empty if that is out of bounds."""
    end = table.find(b"\0", offset)
    return table[offset:end] if end >= 0 else table[offset:]


def _build_id(elf: _Elf) -> str:
    """Return the descriptor of the note GNU build-id, in hexadecimal."""
    section = elf.find(b".note.gnu.build-id")
    if section is None:
        return ""
    note = elf.content(section)
    # name size, descriptor size, type, "GNU\0", descriptor
    return note[16:].hex() if note[12:16] == b"GNU\0" else ""
