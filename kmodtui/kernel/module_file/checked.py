"""Reads from a module file what the kernel checks before it loads the file.

Source: `elf_validity_check` and `setup_load_info` in `kernel/module/main.c`, Linux 6.1 to
6.18. What all of these versions refuse is reported as damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodtui.errors import ModuleFileError, TooLargeFileError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.compression import packing_of, unknown_xz_filter, xz_check_of
from kmodtui.kernel.module_file.elf_file import ElfFile, opened
from kmodtui.kernel.module_file.info import module_info
from kmodtui.kernel.module_file.signature import read_seal
from kmodtui.kernel.module_file.symbols import module_symbols
from kmodtui.model.check.check import FileFacts, SignatureBlock
from kmodtui.model.text import clean, counted, decode

_MAX_SECTIONS = 0xFF00  # SHN_LORESERVE
_COMMON = 0xFFF2  # SHN_COMMON
_STRUCT_MODULE = b".gnu.linkonce.this_module"


def read_file_facts(host: Host, path: str) -> FileFacts:
    """Return the properties of a module file that the kernel checks, and its damage.

    Raises:
        UnreadableError: the file does not exist or is not readable.
    """
    packing = packing_of(host, path)
    try:
        with opened(host, path) as elf:
            facts = _facts(elf, path, packing)
            if packing != "xz":
                return facts
            check, unknown = xz_check_of(host, path), unknown_xz_filter(host, path)
            return replace(facts, xz_check=check, xz_filter=unknown)
    except TooLargeFileError as error:
        return FileFacts(path, packing=packing, not_read=str(error))
    except ModuleFileError as error:
        return FileFacts(path, packing=packing, damage=(error.message,))
    except UnreadableError as error:
        if not packing:
            raise
        # The kernel or modprobe may still be able to decompress it.
        return FileFacts(path, packing=packing, not_read=str(error))


def struct_size(elf: ElfFile) -> int | None:
    """Return the size of a module's `struct module` in bytes; None if it has none."""
    section = elf.find(_STRUCT_MODULE)
    return section.size if section else None


def _facts(elf: ElfFile, path: str, packing: str) -> FileFacts:
    seal = read_seal(elf.file, elf.size)
    damage = list(_damage(elf, seal))
    info = symbols = None
    try:
        info = module_info(elf, path)
        symbols = module_symbols(elf)
    except ModuleFileError as error:
        # This is the most important damage, so it comes first.
        damage.insert(0, error.message)
    return FileFacts(
        path,
        info,
        packing,
        elf.header.bits,
        elf.header.little_endian,
        seal,
        struct_size(elf),
        symbols,
        tuple(damage),
        basic_versions=elf.find(b"__versions") is not None,
        btf=btf.size if (btf := elf.find(b".BTF")) and btf.in_file else None,
    )


def _extended_versions(elf: ElfFile) -> Iterator[str]:
    """Yield what `elf_validity_cache_index_versions` refuses, since Linux 6.14."""
    crcs, names = elf.find(b"__version_ext_crcs"), elf.find(b"__version_ext_names")
    if (crcs is None) is not (names is None):
        yield f"{elf.path} has only one of the two sections of extended symbol checksums."
    elif crcs is not None and crcs.size // 4 > elf.content(names).count(b"\0"):
        yield f"{elf.path} has more extended symbol checksums than names."


def _damage(elf: ElfFile, seal: SignatureBlock) -> Iterator[str]:
    header = elf.header
    if header.kind != "rel":
        kinds = {"exec": "a program", "dyn": "a program or a shared library", "core": "a core dump"}
        what = kinds.get(header.kind, "something else")
        yield f"{elf.path} is {what}, not a relocatable object as modules are."
    if not 0 < header.sections < _MAX_SECTIONS:
        yield f"{elf.path} has more sections than the kernel accepts."
    elif not 0 < header.names < header.sections:
        yield f"{elf.path} has no valid section name table."
    outside = [
        section
        for section in elf.sections()
        if section.in_file and section.offset + section.size > seal.content
    ]
    if outside:
        first = clean(decode(elf.section_name(outside[0].number))) or "one"
        yield (
            f"{elf.path} is truncated or damaged: {counted(len(outside), 'section')} "
            f"({first}) would extend beyond the end of the file."
        )
    yield from _extended_versions(elf)
    if elf.find(_STRUCT_MODULE) is None:
        yield f"{elf.path} is not a complete module: it has no {decode(_STRUCT_MODULE)}."
    try:
        common = [symbol.name for symbol in elf.symbols() if symbol.section == _COMMON]
    except ModuleFileError:
        return  # already reported
    # The kernel ignores the symbols that link-time optimization leaves behind.
    common = [name for name in common if not name.startswith(b"__gnu_lto")]
    if common:
        first = clean(decode(common[0]))
        yield f"{elf.path} has a common symbol ({first}): build it with -fno-common."
