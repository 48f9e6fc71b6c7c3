"""Writes small .ko files: real ELF objects with what readers of modules look at, and no code."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB = 1, 2, 3
_ALLOC = 2
_EM = {"x86_64": 62, "aarch64": 183}


def kernel_object(
    modinfo: Sequence[tuple[str, str | bytes]],
    *,
    exports: Sequence[str] = (),
    gpl_exports: Sequence[str] = (),
    imports: Sequence[str] = (),
    machine: str = "x86_64",
) -> bytes:
    """Return the bytes of a relocatable 64-bit ELF object.

    Args:
        modinfo: entries of the .modinfo section, in order.
        exports: names exported with EXPORT_SYMBOL.
        gpl_exports: names exported with EXPORT_SYMBOL_GPL.
        imports: undefined symbols.
        machine: `x86_64` or `aarch64`.
    """
    entries = [
        key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\0"
        for key, value in modinfo
    ]
    sections: list[tuple[str, int, int, bytes]] = [
        ("", 0, 0, b""),
        (".text", _SHT_PROGBITS, _ALLOC, b"\xc3"),
        (".modinfo", _SHT_PROGBITS, _ALLOC, b"".join(entries)),
        ("__ksymtab", _SHT_PROGBITS, _ALLOC, bytes(12 * len(exports))),
        ("__ksymtab_gpl", _SHT_PROGBITS, _ALLOC, bytes(12 * len(gpl_exports))),
        (".gnu.linkonce.this_module", _SHT_PROGBITS, _ALLOC, bytes(64)),
    ]
    strings = b"\0"
    symbols = bytes(24)
    defined = [(f"__ksymtab_{name}", 3) for name in exports]
    defined += [(f"__ksymtab_{name}", 4) for name in gpl_exports]
    defined += [(name, 1) for name in (*exports, *gpl_exports)]
    for name, section in [*defined, *((name, 0) for name in imports)]:
        symbols += struct.pack("<IBBHQQ", len(strings), 0x10, 0, section, 0, 0)
        strings += name.encode() + b"\0"
    sections.append((".symtab", _SHT_SYMTAB, 0, symbols))
    sections.append((".strtab", _SHT_STRTAB, 0, strings))
    names = b"".join(name.encode() + b"\0" for name, *_ in sections) + b".shstrtab\0"
    sections.append((".shstrtab", _SHT_STRTAB, 0, names))

    body = b""
    headers = b""
    for name, kind, flags, data in sections:
        offset = names.find(b"\0" + name.encode() + b"\0") + 1 if name else 0
        is_symtab = kind == _SHT_SYMTAB
        headers += struct.pack(
            "<IIQQQQIIQQ",
            offset,
            kind,
            flags,
            0,
            64 + len(body) if kind else 0,
            len(data),
            len(sections) - 2 if is_symtab else 0,
            1 if is_symtab else 0,
            1 if kind else 0,
            24 if is_symtab else 0,
        )
        body += data
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH",
        *(1, _EM[machine], 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(sections)),
        len(sections) - 1,
    )
    return header + body + headers
