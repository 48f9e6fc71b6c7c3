"""How much memory a module will take, from its file.

The kernel keeps the sections that are allocated and are none of init, each group
of them on pages of its own, and of the symbol table what stands in them: see
`layout_sections` and `layout_symtab` in `kernel/module/main.c`. A file does not tell
it to the byte: what it gives is within a few pages.
"""

from __future__ import annotations

from kmodtui.kernel.elf_file import ElfFile, opened
from kmodtui.kernel.host import Host

_PAGE = 4096
_SYMBOL = 24 + 1  # a row of the symbol table, and the letter of its type
_DATA = (1, 7, 8, 14, 15)  # SHT_PROGBITS, NOTE, NOBITS, INIT_ARRAY, FINI_ARRAY
_NOT_ALLOCATED = (
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
_EVERY_MODULE_HAS = b".gnu.linkonce.this_module"
_TEXT = (b".text", b".exit.text", b".noinstr.text", b".static_call.text", b".altinstr_replacement")
_WRITABLE = (b".data", b".bss", b".gnu.linkonce.this_module", b"__bug_table", b".exit.data")
_AFTER_INIT = (b".data..ro_after_init", b"__jump_table")


def read_module_size(host: Host, path: str) -> int | None:
    """Return the bytes that a module will take once its init has run, about.

    None where the file holds no code, as that of a recorded module.

    Raises:
        UnreadableError: its file cannot be read.
        ModuleFileError: it is no module, or a damaged one.
    """
    with opened(host, path) as elf:
        if elf.find(_EVERY_MODULE_HAS) is None:
            return None
        groups, kept = _groups(elf)
        for symbol in elf.symbols():
            if symbol.section in kept:
                groups["symbols"] += _SYMBOL + len(symbol.name) + 1
    return sum(-(-size // _PAGE) * _PAGE for size in groups.values())


def _groups(elf: ElfFile) -> tuple[dict[str, int], set[int]]:
    """Return the bytes of each group of sections that stays, and the sections' numbers."""
    groups = dict.fromkeys(("text", "read only", "after init", "data", "symbols"), 0)
    kept = set()
    for section in elf.sections():
        name = elf.section_name(section.number)
        if section.kind not in _DATA or name.startswith((*_NOT_ALLOCATED, _INIT)):
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
