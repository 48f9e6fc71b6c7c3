"""Makes minimal module files byte by byte, for any ELF class and byte order."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

X86_64, AARCH64, I386, S390 = 62, 183, 3, 22

_PROGBITS, _SYMTAB, _STRTAB, _NOTE, _NOBITS = 1, 2, 3, 7, 8
_GLOBAL, _WEAK = 1 << 4, 2 << 4
_FUNCTION = 2

_Symbol = tuple[str, int, int, int, int]  # name, info, section, value, size

SIGNATURE_MAGIC = b"~Module signature appended~\n"


@dataclass
class _Section:
    name: bytes
    kind: int
    data: bytes
    link: int = 0
    entry: int = 0


def make_module(
    modinfo: Sequence[bytes] = (b"license=GPL", b"name=hello"),
    *,
    exports: Mapping[str, str] | None = None,
    namespaces: Mapping[str, str] | None = None,
    imports: Sequence[str] = (),
    weak_imports: Sequence[str] = (),
    versions: Mapping[str, int] | None = None,
    crcs: Mapping[str, int] | None = None,
    absolute_crcs: Mapping[str, int] | None = None,
    defined: Mapping[str, tuple[str, int]] | None = None,
    extra: Mapping[str, bytes] | None = None,
    build_id: bytes = b"",
    bits: int = 64,
    order: str = "<",
    machine: int = X86_64,
    stripped: bool = False,
    debug: bool = False,
    signature: bytes = b"",
) -> bytes:
    """Return the bytes of a .ko file.

    `exports` maps a symbol to the section of its entry, `namespaces` a symbol to
    the namespace that its users have to import, `versions` a symbol to the checksum that
    the module was built against, `crcs` an exported one to its checksum (`absolute_crcs`
    as kernels before 5.19 keep it), `defined` any other to its section and size. `extra`
    has more sections. `debug` leaves the modinfo out as in a separate debug file. `signature`
    is appended unchanged.
    """
    namespaces = namespaces or {}
    sections = [_Section(b"", 0, b"")]
    kind = _NOBITS if debug else _PROGBITS
    sections.append(_Section(b".modinfo", kind, b"\0".join(modinfo) + b"\0"))
    if build_id:
        note = struct.pack(f"{order}III", 4, len(build_id), 3) + b"GNU\0" + build_id
        sections.append(_Section(b".note.gnu.build-id", _NOTE, note))

    symbols: list[_Symbol] = []
    numbers: dict[str, int] = {}
    for symbol, section in (exports or {}).items():
        if section not in numbers:
            numbers[section] = len(sections)
            sections.append(_Section(section.encode(), _PROGBITS, b""))
        entries = sections[numbers[section]]
        symbols.append((f"__ksymtab_{symbol}", _GLOBAL, numbers[section], len(entries.data), 0))
        symbols.append((symbol, _GLOBAL, numbers[section], 0, 0))
        entries.data += bytes(12)
    for symbol, (section, size) in (defined or {}).items():
        if section not in numbers:
            numbers[section] = len(sections)
            sections.append(_Section(section.encode(), _PROGBITS, bytes(size)))
        kind = _FUNCTION if section.startswith(".text") else 0
        symbols.append((symbol, _GLOBAL | kind, numbers[section], 0, size))
    for symbol, crc in (absolute_crcs or {}).items():
        symbols.append((f"__crc_{symbol}", _GLOBAL, 0xFFF1, crc, 0))
    if crcs:
        for place, symbol in enumerate(crcs):
            symbols.append((f"__crc_{symbol}", 0, len(sections), 4 * place, 0))
        table = struct.pack(f"{order}{len(crcs)}I", *crcs.values())
        sections.append(_Section(b"__kcrctab", _PROGBITS, table))
    if versions:
        record = f"{order}Q56s" if bits == 64 else f"{order}I60s"
        rows = [struct.pack(record, crc, name.encode()) for name, crc in versions.items()]
        sections.append(_Section(b"__versions", _PROGBITS, b"".join(rows)))
    for name, data in (extra or {}).items():
        sections.append(_Section(name.encode(), _PROGBITS, data))
    if namespaces:
        strings = b"\0"
        for symbol, namespace in namespaces.items():
            symbols.append((f"__kstrtabns_{symbol}", _GLOBAL, len(sections), len(strings), 0))
            strings += namespace.encode() + b"\0"
        sections.append(_Section(b"__ksymtab_strings", _PROGBITS, strings))
    symbols += [(name, _GLOBAL, 0, 0, 0) for name in imports]
    symbols += [(name, _WEAK, 0, 0, 0) for name in weak_imports]
    if not stripped:
        sections += _symbol_table(symbols, len(sections), bits, order)
    return _linked(sections, bits, order, machine) + signature


def sign(
    value: bytes,
    *,
    id_type: int = 2,
    hashing: int = 0,
    signer: bytes = b"",
    key_id: bytes = b"",
    length: int | None = None,
) -> bytes:
    """Return the tail of a signed module; `length` replaces the true length of the signature."""
    told = len(value) if length is None else length
    record = struct.pack(">BBBBB3xI", 0, hashing, id_type, len(signer), len(key_id), told)
    return signer + key_id + value + record + SIGNATURE_MAGIC


def _symbol_table(symbols: list[_Symbol], index: int, bits: int, order: str) -> list[_Section]:
    names = b"\0"
    entry = struct.Struct(f"{order}IBBHQQ" if bits == 64 else f"{order}IIIBBH")
    table = bytes(entry.size)
    for name, info, section, value, size in symbols:
        if bits == 64:
            table += entry.pack(len(names), info, 0, section, value, size)
        else:
            table += entry.pack(len(names), value, size, info, 0, section)
        names += name.encode() + b"\0"
    return [
        _Section(b".symtab", _SYMTAB, table, link=index + 1, entry=entry.size),
        _Section(b".strtab", _STRTAB, names),
    ]


def _linked(sections: list[_Section], bits: int, order: str, machine: int) -> bytes:
    names = b""
    offsets = []
    sections = [*sections, _Section(b".shstrtab", _STRTAB, b"")]
    for section in sections:
        offsets.append(len(names))
        names += section.name + b"\0"
    sections[-1].data = names

    word = "Q" if bits == 64 else "I"
    header = struct.Struct(f"{order}HHI{word}{word}{word}IHHHHHH")
    row = struct.Struct(f"{order}II{word}{word}{word}{word}II{word}{word}")
    body = b""
    table = b""
    for section, name in zip(sections, offsets, strict=True):
        offset = 16 + header.size + len(body) if section.kind else 0
        table += row.pack(
            name, section.kind, 0, 0, offset, len(section.data), section.link, 0, 1, section.entry
        )
        body += section.data
    ident = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    start = 16 + header.size
    fields = header.pack(
        1, machine, 1, 0, 0, start + len(body), 0, start, 0, 0, row.size, len(sections),
        len(sections) - 1,
    )  # fmt: skip
    return ident + fields + body + table
