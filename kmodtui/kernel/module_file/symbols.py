"""Reader of the imports and exports of a module file.

Imports are the undefined symbols. Exports have entries `__ksymtab_NAME`
(`include/linux/export.h`), namespaces are at `__kstrtabns_NAME`, checksums at
`__crc_NAME`. The checksums that the module was built against are in `__versions` (`struct
modversion_info` in `include/linux/module.h`), and since Linux 6.14 also in
`__version_ext_crcs` and `__version_ext_names` (`scripts/mod/modpost.c`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, ElfSymbol, opened
from kmodtui.model.linkage import Definition, Export, Import, ModuleSymbols
from kmodtui.model.text import clean, decode

_ENTRY = b"__ksymtab_"
_NAMESPACE = b"__kstrtabns_"
_CHECKSUM = b"__crc_"
# Linux 7.1 has one section for all exports, and "GPL only" in a separate table of flags.
_FLAGS_SECTION = b"__kflagstab"

_UNDEFINED = 0  # SHN_UNDEF
_ABSOLUTE = 0xFFF1  # SHN_ABS
_VERSION_RECORD = 64  # bytes: a checksum of a pointer's size, and the name


def read_module_symbols(host: Host, path: str) -> ModuleSymbols:
    """Return the imports and exports of the module file at `path`.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a kernel module, or is damaged or stripped.
    """
    with opened(host, path) as elf:
        return module_symbols(elf)


def module_symbols(elf: ElfFile) -> ModuleSymbols:
    """Return the imports and exports of an open module file.

    Raises:
        ModuleFileError: it is damaged or stripped.
    """
    versions = read_versions(elf)
    symbols = [symbol for symbol in elf.symbols() if symbol.name]
    undefined = {s.name: s.weak for s in symbols if s.section == _UNDEFINED}
    imports = [
        Import(name, weak, versions.get(name))
        for name, weak in ((clean(decode(raw)), weak) for raw, weak in sorted(undefined.items()))
    ]
    return ModuleSymbols(tuple(_exports(elf, symbols)), tuple(imports), versions)


def read_versions(elf: ElfFile) -> dict[str, int]:
    """Return the checksums that a module was built against, by symbol; may be empty.

    Raises:
        ModuleFileError: the file is damaged.
    """
    order = "<" if elf.header.little_endian else ">"
    crcs = elf.content(elf.find(b"__version_ext_crcs"))
    if crcs:
        names = elf.content(elf.find(b"__version_ext_names")).split(b"\0")
        numbers = (number for (number,) in struct.iter_unpack(f"{order}I", _whole(crcs, 4)))
        return {clean(decode(n)): crc for n, crc in zip(names, numbers, strict=False) if n}
    wide = elf.header.bits == 64
    record = struct.Struct(f"{order}{'Q' if wide else 'I'}{56 if wide else 60}s")
    data = _whole(elf.content(elf.find(b"__versions")), _VERSION_RECORD)
    return {
        clean(decode(name.split(b"\0")[0])): crc & 0xFFFF_FFFF
        for crc, name in record.iter_unpack(data)
    }


def read_places(host: Host, path: str, name: str) -> tuple[Definition, ...]:
    """Return where the symbols with this name are defined in the module file at `path`.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a kernel module, or is damaged or stripped.
    """
    with opened(host, path) as elf:
        return tuple(
            Definition(clean(decode(elf.section_name(s.section))), s.value, s.size, s.weak)
            for s in elf.symbols()
            if s.section != _UNDEFINED and clean(decode(s.name)) == name
        )


def _exports(elf: ElfFile, symbols: Iterable[ElfSymbol]) -> Iterable[Export]:
    common_section = elf.find(_FLAGS_SECTION) is not None
    entries: dict[bytes, bytes] = {}
    namespaces: dict[bytes, ElfSymbol] = {}
    checksums: dict[bytes, ElfSymbol] = {}
    defined: dict[bytes, ElfSymbol] = {}
    for symbol in symbols:
        if symbol.name.startswith(_ENTRY):
            section = elf.section_name(symbol.section)
            # With PREL32 relocations, each entry has a section of its own until it is linked.
            if section.startswith(b"__ksymtab"):
                entries[symbol.name.removeprefix(_ENTRY)] = section
        elif symbol.name.startswith(_NAMESPACE):
            namespaces[symbol.name.removeprefix(_NAMESPACE)] = symbol
        elif symbol.name.startswith(_CHECKSUM):
            checksums[symbol.name.removeprefix(_CHECKSUM)] = symbol
        elif symbol.section != _UNDEFINED:
            defined[symbol.name] = symbol
    contents = _Contents(elf)
    for name, section in sorted(entries.items()):
        itself = defined.get(name)
        yield Export(
            clean(decode(name)),
            None if common_section else section.startswith(b"__ksymtab_gpl"),
            contents.string(namespaces.get(name)),
            contents.checksum(checksums.get(name)),
            clean(decode(elf.section_name(itself.section))) if itself else "",
            itself.size if itself else 0,
        )


class _Contents:
    """The values that symbols point to; each section is read only once."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._read: dict[int, bytes] = {}
        self._order = "<" if elf.header.little_endian else ">"

    def string(self, symbol: ElfSymbol | None) -> str:
        """Return the string that a symbol points to; empty if it is out of bounds."""
        if symbol is None:
            return ""
        return clean(decode(self._elf.string_in(self._of(symbol), symbol.value)))

    def checksum(self, symbol: ElfSymbol | None) -> int | None:
        """Return a `__crc_` symbol's checksum: what it points to, or before Linux 5.19 its value.

        None without a symbol, or if it is out of bounds.
        """
        if symbol is None:
            return None
        if symbol.section == _ABSOLUTE:
            return symbol.value & 0xFFFF_FFFF
        data = self._of(symbol)[symbol.value : symbol.value + 4]
        return int(struct.unpack(f"{self._order}I", data)[0]) if len(data) == 4 else None

    def _of(self, symbol: ElfSymbol | None) -> bytes:
        number = symbol.section if symbol else 0
        if number not in self._read:
            self._read[number] = self._elf.content(self._elf.section(number))
        return self._read[number]


def _whole(data: bytes, size: int) -> bytes:
    """Return the data without an incomplete last record."""
    return data[: len(data) // size * size]
