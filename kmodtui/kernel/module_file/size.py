"""Estimates from a module file how much memory the module will take.

The kernel keeps the allocated sections other than init sections, in groups that start on
pages of their own, and the symbols in them: see `layout_sections` and `layout_symtab` in
`kernel/module/main.c`. The result is accurate to within a few pages.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, ElfSymbol, opened

_PAGE = 4096
_SYMBOL = 24 + 1  # bytes of an entry of the symbol table, and of the symbol's type
_DATA = (1, 7, 8, 14, 15)  # SHT_PROGBITS, NOTE, NOBITS, INIT_ARRAY, FINI_ARRAY
NOT_ALLOCATED = (
    b".comment",
    b".debug",
    b".modinfo",
    b".note.GNU-stack",
    b".gnu.warning",
    b".gnu.lto",
    b".BTF",
    b"__versions",
    b"__version_ext",
    b".discard",
)
_INIT = b".init"
_STRUCT_MODULE = b".gnu.linkonce.this_module"
_TEXT = (b".text", b".exit.text", b".noinstr.text", b".static_call.text", b".altinstr_replacement")
_WRITABLE = (b".data", b".bss", b".gnu.linkonce.this_module", b"__bug_table", b".exit.data")
_AFTER_INIT = (b".data..ro_after_init", b"__jump_table")


def read_module_size(host: Host, path: str) -> int | None:
    """Return about how many bytes a module will take once its init function has run.

    None if the file has no code, like that of a module in the demo's recording.

    Raises:
        UnreadableError: the file cannot be read.
        ModuleFileError: it is not a module, or is damaged.
    """
    with opened(host, path) as elf:
        return module_size(elf)


def module_size(elf: ElfFile, symbols: Iterable[ElfSymbol] | None = None) -> int | None:
    """Return the same of an open module file, whose symbols may have been read already.

    Raises:
        ModuleFileError: it is damaged or stripped.
    """
    if elf.find(_STRUCT_MODULE) is None:
        return None
    groups, kept = _groups(elf)
    for symbol in elf.symbols() if symbols is None else symbols:
        if symbol.section in kept:
            groups["symbols"] += _SYMBOL + len(symbol.name) + 1
    return sum(-(-size // _PAGE) * _PAGE for size in groups.values())


def _groups(elf: ElfFile) -> tuple[dict[str, int], set[int]]:
    """Return the bytes of each group of sections that is kept, and the indexes of the sections."""
    groups = dict.fromkeys(("text", "read only", "after init", "data", "symbols"), 0)
    kept = set()
    for section in elf.sections():
        name = elf.section_name(section.number)
        if section.kind not in _DATA or name.startswith((*NOT_ALLOCATED, _INIT)):
            continue
        kept.add(section.number)
        if name.startswith(_TEXT):
            group = "text"
        elif name.startswith(_AFTER_INIT):
            group = "after init"
        else:
            group = "data" if name.startswith(_WRITABLE) else "read only"
        groups[group] += section.size
    return groups, kept
