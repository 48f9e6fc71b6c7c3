"""A kernel module reduced to what kmodtui reads of it, for the demo's recording.

What stays of the ELF file: the `.modinfo` section byte for byte, the symbols that it
imports (undefined) and exports (`__ksymtab_NAME`, each in a section named as the
original's), and the signature at the file's end. Code, data, relocations and `__versions`
go: btrfs.ko shrinks from 3.9 MB to 30 kB.

Formats: `man 5 elf`; `include/linux/export.h`; `scripts/sign-file.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">5B3xI")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS = 1, 2, 3, 8
_SHF_ALLOC = 2
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


def stub(file: Path, *, signature: bool = True) -> bytes:
    """The reduced file; `signature` keeps the original's signature, which fits no longer."""
    with file.open("rb") as stream:
        elf = ELFFile(stream)
        machine = elf["e_machine"]
        modinfo = elf.get_section_by_name(".modinfo")
        symbols = elf.get_section_by_name(".symtab")
        if modinfo is None or not isinstance(symbols, SymbolTableSection):
            raise ValueError(f"{file} is no kernel module")
        about = modinfo.data()
        imports = []
        exports = []
        for symbol in symbols.iter_symbols():
            where = symbol["st_shndx"]
            if where == "SHN_UNDEF" and symbol.name:
                imports.append(symbol.name)
            elif symbol.name.startswith("__ksymtab_"):
                exports.append((symbol.name, elf.get_section(where).name))
    if machine != "EM_X86_64":
        raise ValueError(f"{file} is for {machine}")
    content = _elf(about, sorted(set(imports)), sorted(set(exports)))
    return content + (signature_tail(file.read_bytes()) if signature else b"")


def signature_tail(module: bytes) -> bytes:
    """The signature with its trailer, as appended to a module; empty if there is none."""
    if not module.endswith(MAGIC):
        return b""
    end = len(module) - len(MAGIC)
    *_, signer, key_id, length = _TRAILER.unpack(module[end - _TRAILER.size : end])
    return module[end - _TRAILER.size - signer - key_id - length :]


def _elf(modinfo: bytes, imports: Iterable[str], exports: Iterable[tuple[str, str]]) -> bytes:
    exports = list(exports)
    homes = sorted({section for _, section in exports})
    sections = [
        _Section("", 0),
        _Section(".modinfo", _SHT_PROGBITS, modinfo, _SHF_ALLOC),
        *(_Section(home, _SHT_NOBITS, flags=_SHF_ALLOC) for home in homes),
    ]
    names = _Names()
    # Local symbols come first; sh_info of the table says where they end.
    symbols = [_SYMBOL.pack(0, 0, 0, 0, 0, 0)]
    symbols += [
        _SYMBOL.pack(names.add(name), _STB_LOCAL, 0, 2 + homes.index(home), 0, 0)
        for name, home in exports
    ]
    local = len(symbols)
    symbols += [_SYMBOL.pack(names.add(name), _STB_GLOBAL, 0, 0, 0, 0) for name in imports]
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
                len(section.content), section.link, section.info,
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
