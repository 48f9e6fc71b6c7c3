"""A kernel module reduced to what kmodtui reads of it, for the demo's recording.

What stays of the ELF file: the `.modinfo` and `__versions` sections byte for byte, the
size of `struct module`, the symbols that it imports (undefined) and exports (with its
section's name, its size and its checksum; `__ksymtab_NAME` in a section named as the
original's), and the signature at the file's end. Code, data and relocations go: btrfs.ko
shrinks from 3.9 MB to 70 kB. Their size is kept by a section `.text` without contents, so
that a plan predicts the memory that the module had when it was recorded.

Formats: `man 5 elf`; `include/linux/export.h`; `scripts/sign-file.c`.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.size import read_module_size

MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">5B3xI")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS = 1, 2, 3, 8
_SHF_ALLOC = 2
_STRUCT_MODULE = ".gnu.linkonce.this_module"
_TEXT = ".text"
_STB_LOCAL, _STB_GLOBAL = 0 << 4, 1 << 4


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: int
    content: bytes = b""
    flags: int = 0
    link: int = 0
    info: int = 0
    entry_size: int = 0
    size: int = 0  # where the content is not in the file


@dataclass(frozen=True, slots=True, order=True)
class _Export:
    name: str
    entry: str  # the section of its __ksymtab_ entry
    home: str  # its own section
    size: int
    checksum: tuple[str, bytes] | None  # section, and the four bytes


def stub(file: Path, *, memory: int = 0, signature: bool = True) -> bytes:
    """Return the reduced file; reducing it again gives the same bytes.

    Args:
        file: the module's file.
        memory: bytes that it takes when it is loaded, which `read_module_size` of the
            result then returns; 0 if the result need not have the size of its code.
        signature: whether to keep the original's signature, which no longer matches.
    """
    content = _reduced(file)
    if memory:
        without_code = _size(content)
        if without_code > memory:
            raise ValueError(f"{file} takes {without_code} bytes without its code, not {memory}")
        content = _reduced(file, code=memory - without_code)
    return content + (signature_tail(file.read_bytes()) if signature else b"")


def _size(content: bytes) -> int:
    with tempfile.NamedTemporaryFile(suffix=".ko") as file:
        file.write(content)
        file.flush()
        size = read_module_size(LocalHost(), file.name)
    if size is None:
        raise ValueError(f"the module has no section {_STRUCT_MODULE}")
    return size


def _reduced(file: Path, code: int = 0) -> bytes:
    with file.open("rb") as stream:
        elf = ELFFile(stream)
        machine = elf["e_machine"]
        modinfo = elf.get_section_by_name(".modinfo")
        symbols = elf.get_section_by_name(".symtab")
        if modinfo is None or not isinstance(symbols, SymbolTableSection):
            raise ValueError(f"{file} is no kernel module")
        kept = [_Section(".modinfo", _SHT_PROGBITS, modinfo.data(), _SHF_ALLOC)]
        if (versions := elf.get_section_by_name("__versions")) is not None:
            kept.append(_Section("__versions", _SHT_PROGBITS, versions.data(), _SHF_ALLOC))
        if (module := elf.get_section_by_name(_STRUCT_MODULE)) is not None:
            size = module["sh_size"]
            kept.append(_Section(_STRUCT_MODULE, _SHT_NOBITS, flags=_SHF_ALLOC, size=size))
        entries = {}
        checksums = {}
        imports = []
        for symbol in symbols.iter_symbols():
            where = symbol["st_shndx"]
            if where == "SHN_UNDEF" and symbol.name:
                imports.append(symbol.name)
            elif symbol.name.startswith("__ksymtab_"):
                entries[symbol.name.removeprefix("__ksymtab_")] = elf.get_section(where).name
            elif symbol.name.startswith("__crc_"):
                place = symbol["st_value"]
                table = elf.get_section(where)
                crc = table.data()[place : place + 4]
                checksums[symbol.name.removeprefix("__crc_")] = (table.name, crc)
        exports = []
        for symbol in symbols.iter_symbols():
            if symbol.name in entries and symbol["st_info"]["bind"] != "STB_LOCAL":
                home = elf.get_section(symbol["st_shndx"]).name
                entry = entries.pop(symbol.name)
                exports.append(
                    _Export(symbol.name, entry, home, symbol["st_size"], checksums.get(symbol.name))
                )
    if machine != "EM_X86_64":
        raise ValueError(f"{file} is for {machine}")
    if entries:
        raise ValueError(f"{file} exports what it does not hold: {', '.join(entries)}")
    return _elf(kept, sorted(set(imports)), sorted(exports), code)


def signature_tail(module: bytes) -> bytes:
    """The signature with its trailer, as appended to a module; empty if there is none."""
    if not module.endswith(MAGIC):
        return b""
    end = len(module) - len(MAGIC)
    *_, signer, key_id, length = _TRAILER.unpack(module[end - _TRAILER.size : end])
    return module[end - _TRAILER.size - signer - key_id - length :]


def _elf(kept: list[_Section], imports: Iterable[str], exports: list[_Export], code: int) -> bytes:
    sections = [_Section("", 0), *kept]
    numbers: dict[str, int] = {}
    tables: dict[str, bytes] = {}
    for export in exports:
        if export.checksum is not None:
            table, crc = export.checksum
            tables[table] = tables.get(table, b"") + crc
    for name, content in sorted(tables.items()):
        numbers[name] = len(sections)
        sections.append(_Section(name, _SHT_PROGBITS, content, _SHF_ALLOC))
    homes = {home for export in exports for home in (export.entry, export.home)}
    for home in sorted(homes | ({_TEXT} if code else set())):
        numbers[home] = len(sections)
        size = code if home == _TEXT else 0
        sections.append(_Section(home, _SHT_NOBITS, flags=_SHF_ALLOC, size=size))
    names = _Names()
    # Local symbols come first; sh_info of the table says where they end.
    symbols = [_SYMBOL.pack(0, 0, 0, 0, 0, 0)]
    places = dict.fromkeys(tables, 0)
    for export in exports:
        entry = names.add(f"__ksymtab_{export.name}")
        symbols.append(_SYMBOL.pack(entry, _STB_LOCAL, 0, numbers[export.entry], 0, 0))
        if export.checksum is not None:
            table = export.checksum[0]
            name = names.add(f"__crc_{export.name}")
            symbols.append(_SYMBOL.pack(name, _STB_LOCAL, 0, numbers[table], places[table], 0))
            places[table] += 4
    local = len(symbols)
    symbols += [_SYMBOL.pack(names.add(name), _STB_GLOBAL, 0, 0, 0, 0) for name in imports]
    symbols += [
        _SYMBOL.pack(names.add(e.name), _STB_GLOBAL, 0, numbers[e.home], 0, e.size) for e in exports
    ]
    sections += [
        _Section(
            ".symtab", _SHT_SYMTAB, b"".join(symbols),
            link=len(sections) + 1, info=local, entry_size=_SYMBOL.size,
        ),
        _Section(".strtab", _SHT_STRTAB, names.content),
    ]  # fmt: skip
    section_names = _Names()
    offsets = [section_names.add(section.name) for section in [*sections, _Section(".shstrtab", 0)]]
    sections.append(_Section(".shstrtab", _SHT_STRTAB, section_names.content))

    body = bytearray(64)
    headers = []
    for offset, section in zip(offsets, sections, strict=True):
        body += bytes(-len(body) % 8)
        headers.append(
            _SECTION_HEADER.pack(
                offset, section.type, section.flags, 0, len(body) if section.type else 0,
                section.size or len(section.content), section.link, section.info,
                8 if section.type == _SHT_SYMTAB else int(bool(section.type)), section.entry_size,
            )
        )  # fmt: skip
        body += section.content
    body += bytes(-len(body) % 8)
    body[:64] = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, len(body), 0, 64, 0, 0,
        _SECTION_HEADER.size, len(sections), len(sections) - 1,
    )  # fmt: skip
    return bytes(body) + b"".join(headers)


class _Names:
    """A string table: NUL-terminated names one after another, the empty one first."""

    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, name: str) -> int:
        """Add a name and give its offset."""
        if not name:
            return 0
        offset = len(self.content)
        self.content += name.encode() + b"\0"
        return offset
