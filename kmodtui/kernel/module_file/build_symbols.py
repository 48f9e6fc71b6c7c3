"""Reader of one build of a module file, to compare it with the next: symbols as nm(1) lists them.

The letters are those of `bfd_decode_symclass` in binutils' bfd/syms.c: the name of a section
decides before its flags do.
"""

from __future__ import annotations

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.content import file_digest
from kmodtui.kernel.module_file.elf_file import ElfFile, ElfSymbol, Section, opened
from kmodtui.kernel.module_file.info import module_info
from kmodtui.kernel.module_file.size import module_size
from kmodtui.kernel.module_file.symbols import read_versions
from kmodtui.model.text import clean, decode
from kmodtui.model.watch.build import BuildSymbol, ModuleBuild

_STRUCT_MODULE = b".gnu.linkonce.this_module"

_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2  # SHN_UNDEF, SHN_ABS, SHN_COMMON
_OBJECT, _FUNCTION, _SECTION, _FILE, _INDIRECT = 1, 2, 3, 4, 10  # STT_…
_LOCAL, _WEAK, _UNIQUE = 0, 2, 10  # STB_…
_NO_BITS = 8  # SHT_NOBITS
_WRITE, _ALLOCATED, _CODE = 1, 2, 4  # SHF_…

_BY_NAME = (
    (b".bss", "b"), (b".data", "d"), (b".debug", "N"), (b".fini", "t"), (b".init", "t"),
    (b".rdata", "r"), (b".rodata", "r"), (b".sbss", "s"), (b".sdata", "g"), (b".text", "t"),
)  # fmt: skip
_ENDS = b".$0123456789"


def read_module_build(host: Host, path: str) -> ModuleBuild:
    """Return the build in the module file at `path`.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a module, is damaged, stripped or not written completely.
    """
    with opened(host, path) as elf:
        if elf.find(_STRUCT_MODULE) is None:
            name = decode(_STRUCT_MODULE)
            raise ModuleFileError(f"{elf.path} is not a complete module: it has no {name}.")
        info = module_info(elf, path)
        table = list(elf.symbols())
        symbols, imports = _symbols(elf, table)
        return ModuleBuild(
            name=info.module_name,
            sha256=file_digest(host, path),
            file_size=host.stat(path).st_size,
            build_id=info.build_id,
            srcversion=info.srcversion,
            vermagic=info.vermagic,
            parameters=info.parameters,
            symbols=symbols,
            imports=imports,
            memory=module_size(elf, table),
        )


def _symbols(
    elf: ElfFile, table: list[ElfSymbol]
) -> tuple[tuple[BuildSymbol, ...], frozenset[tuple[str, int | None]]]:
    """Return the symbols that a file defines, and those that it imports."""
    letters = {section.number: _letter(elf, section) for section in elf.sections()}
    versions = read_versions(elf)
    defined: list[BuildSymbol] = []
    imports: set[tuple[str, int | None]] = set()
    for raw, section, _value, size, _weak, info in table:
        kind, binding = info & 15, info >> 4
        if not raw or kind in (_SECTION, _FILE):
            continue
        name = clean(decode(raw))
        if section == _UNDEFINED:
            imports.add((name, versions.get(name)))
            continue
        if binding == _WEAK:
            letter = "V" if kind == _OBJECT else "W"
        elif kind == _INDIRECT:
            letter = "i"
        elif binding == _UNIQUE:
            letter = "u"
        elif section == _COMMON:
            letter = "C"
        else:
            letter = "a" if section == _ABSOLUTE else letters.get(section, "?")
            letter = letter if binding == _LOCAL else letter.upper()
        defined.append(BuildSymbol(name, size, letter, kind in (_FUNCTION, _INDIRECT)))
    return tuple(defined), frozenset(imports)


def _letter(elf: ElfFile, section: Section) -> str:
    """Return the letter of a local symbol in a section."""
    name = elf.section_name(section.number)
    for start, letter in _BY_NAME:
        if name.startswith(start) and (name == start or name[len(start)] in _ENDS):
            return letter
    if section.flags & _CODE:
        return "t"
    if section.kind == _NO_BITS:
        return "b"
    if section.flags & _ALLOCATED:
        return "d" if section.flags & _WRITE else "r"
    return "?" if section.flags & _WRITE else "n"
