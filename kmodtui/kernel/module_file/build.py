"""Reader of how a module file was built: compiler, debug information, sizes.

Formats: `man 5 elf`; .comment has NUL-terminated strings; a unit of .debug_info begins with its
length and the version of DWARF (DWARF 5, section 7.5.1).
"""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, opened
from kmodtui.kernel.module_file.info import build_id_of
from kmodtui.kernel.module_file.size import NOT_ALLOCATED, module_size
from kmodtui.kernel.module_file.source_files import source_files
from kmodtui.model.build import BuildFacts, SizedName
from kmodtui.model.text import clean, decode

_MOST = 3
_MOST_COMPILERS = 3
_MAX_COMMENT = 200  # characters of a string
_VERSIONS = range(2, 6)  # of DWARF
_MAX_TABLE = 1024 * 1024  # bytes of a symbol table that is searched for the largest symbols
_CODE_AND_DATA = (1, 8)  # SHT_PROGBITS, SHT_NOBITS


def read_build(host: Host, path: str) -> BuildFacts:
    """Return the facts of the module file at `path`.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a module, or is damaged.
    """
    with opened(host, path) as elf:
        sections = [
            SizedName(clean(decode(name)), section.size)
            for section in elf.sections()
            if section.kind in _CODE_AND_DATA
            and section.size
            and not (name := elf.section_name(section.number)).startswith(NOT_ALLOCATED)
        ]
        build_id = build_id_of(elf)
        return BuildFacts(
            build_id=build_id,
            compilers=_compilers(elf),
            debug=_debug(elf),
            sources=source_files(host, elf, build_id),
            sections=_largest(sections),
            symbols=_largest(_symbols(elf)),
            disk=_size(host, path),
            size=elf.size,
            memory=_memory(elf),
        )


def _largest(rows: list[SizedName]) -> tuple[SizedName, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.size, row.name))[:_MOST])


def _symbols(elf: ElfFile) -> list[SizedName]:
    table = elf.find(b".symtab")
    if table is None or table.size > _MAX_TABLE:
        return []
    try:
        sized = [each for each in elf.symbols() if each.section and each.size and each.name]
    except KmodtuiError:
        return []  # it was stripped
    # Those of `struct module` itself are the same in every module.
    return [
        SizedName(clean(decode(each.name)), each.size)
        for each in sized
        if each.name != b"__this_module"
    ]


def _compilers(elf: ElfFile) -> tuple[str, ...]:
    strings = (string for string in elf.content(elf.find(b".comment")).split(b"\0") if string)
    texts = (clean(decode(string[:_MAX_COMMENT])) for string in strings)
    return tuple(dict.fromkeys(texts))[:_MOST_COMPILERS]


def _debug(elf: ElfFile) -> tuple[str, ...]:
    kinds = []
    section = elf.find(b".debug_info")
    if section is not None and section.in_file:
        elf.file.seek(section.offset)
        start = elf.file.read(6)
        version = int.from_bytes(start[4:6], "little" if elf.header.little_endian else "big")
        # A compressed section begins with another header.
        kinds.append(f"DWARF {version}" if version in _VERSIONS else "DWARF")
    if elf.find(b".BTF") is not None:
        kinds.append("BTF")
    return tuple(kinds)


def _memory(elf: ElfFile) -> int | None:
    try:
        return module_size(elf)
    except KmodtuiError:
        return None  # it was stripped


def _size(host: Host, path: str) -> int:
    try:
        return host.stat(path).st_size
    except OSError:
        return 0
