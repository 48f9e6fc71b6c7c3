"""Finds the source line of a place in a module file, if the file has DWARF debug information.

A module is a relocatable file: all of its sections begin at address 0. Each gets an address of
its own here, so that a function in .text is not taken for one in .init.text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, opened
from kmodtui.model.text import clean, decode

_MAX_DEBUG = 24 * 1024 * 1024  # bytes of .debug_info: relocating them takes a second per 2 MB
_MAX_FILE = 128 * 1024 * 1024
_SPACE = {64: 40, 32: 20}  # bits of an address within a section
_SYMBOL_VALUE = {64: (8, 8), 32: (4, 4)}  # offset and size of st_value in an entry
_SYMBOL_SIZE = {64: 24, 32: 16}
_SYMBOL_TABLE = 2  # SHT_SYMTAB
_RESERVED = 0xFF00  # SHN_LORESERVE


def read_source_line(host: Host, path: str, function: str, offset: int) -> str:
    """Return the file and line of a function plus an offset in bytes, such as `hello.c:12`.

    Empty if the file has no debug information about it. The path is that of the compiler.

    Raises:
        KmodtuiError: the file cannot be read, or is not a module.
    """
    with opened(host, path) as elf:
        info = elf.find(b".debug_info")
        if info is None or info.size > _MAX_DEBUG or elf.size > _MAX_FILE:
            return ""
        target = _address(elf, function, offset)
        if target is None:
            return ""
        image = _with_addresses(elf)
    try:
        return _line_of(image, target)
    except Exception as error:
        # pyelftools raises many kinds of errors for debug information that it does not know.
        if isinstance(error, KmodtuiError | MemoryError):
            raise
        return ""


def _address(elf: ElfFile, function: str, offset: int) -> int | None:
    for symbol in elf.symbols():
        if symbol.section and clean(decode(symbol.name)) == function:
            return (symbol.section << _SPACE[elf.header.bits]) + symbol.value + offset
    return None


def _with_addresses(elf: ElfFile) -> bytes:
    """Return the file with the number of its section in the value of each symbol."""
    elf.file.seek(0)
    image = bytearray(elf.file.read(_MAX_FILE))
    table = next((each for each in elf.sections() if each.kind == _SYMBOL_TABLE), None)
    if table is None:
        return bytes(image)
    bits = elf.header.bits
    order: Any = "little" if elf.header.little_endian else "big"
    at, size = _SYMBOL_VALUE[bits]
    for number, symbol in enumerate(elf.symbols()):
        section = elf.section(symbol.section)
        if section is None or symbol.section >= _RESERVED:
            continue
        if elf.section_name(symbol.section).startswith(b".debug"):
            continue
        start = table.offset + number * _SYMBOL_SIZE[bits] + at
        value = (symbol.section << _SPACE[bits]) + symbol.value
        image[start : start + size] = (
            value.to_bytes(8, order)[:size]
            if bits == 64
            else (value & 0xFFFF_FFFF).to_bytes(4, order)
        )
    return bytes(image)


def _line_of(image: bytes, target: int) -> str:
    from elftools.elf.elffile import ELFFile

    dwarf = ELFFile(BytesIO(image)).get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        for before, after in _rows(program):
            if before.address <= target < after.address:
                return f"{_file(program, before.file)}:{before.line}"
    return ""


def _rows(program: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the neighbouring rows of the line table that belong together."""
    before = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and not before.end_sequence:
            yield before, state
        before = state


def _file(program: Any, number: int) -> str:
    header = program.header
    files, directories = header["file_entry"], header["include_directory"]
    # DWARF 5 counts from 0, earlier versions from 1, where directory 0 is the compiler's own.
    first = 0 if header["version"] >= 5 else 1
    entry = files[number - first]
    folder = ""
    if entry.dir_index >= first and entry.dir_index - first < len(directories):
        folder = decode(directories[entry.dir_index - first])
    return clean(os.path.join(folder, decode(entry.name)))
