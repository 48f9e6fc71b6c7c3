"""Reader of what modinfo shows of a module file (.ko). For its symbols see `symbols`."""

from __future__ import annotations

from kmodtui.errors import ModuleFileError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import ElfFile, opened
from kmodtui.kernel.module_file.signature import read_signature
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_STRUCT_MODULE = b".gnu.linkonce.this_module"
# `struct module` begins with the state and two pointers of a list; then the name follows.
_NAME_AT = {64: 24, 32: 12}
_NAME_SIZE = {64: 56, 32: 60}  # MODULE_NAME_LEN


def read_module_file(host: Host, path: str) -> ModuleInfo:
    """Return the modinfo of the module file at `path`.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a kernel module, or is damaged.
    """
    with opened(host, path) as elf:
        return module_info(elf, path)


def module_info(elf: ElfFile, path: str) -> ModuleInfo:
    """Return the modinfo of an open module file; `path` is returned in it unchanged.

    Raises:
        ModuleFileError: it is not a kernel module, or is damaged.
    """
    modinfo = elf.find(b".modinfo")
    if modinfo is None:
        raise ModuleFileError(
            f"{elf.path} is an ELF file, but not a kernel module: it has no .modinfo section."
        )
    if not modinfo.in_file:
        name = canonical(path)
        raise ModuleFileError(
            f"{elf.path} is a debug file: it has only the symbols and debug information of {name}.",
            f"The module itself is {name}.ko; see modinfo -n {name}.",
        )
    strings = elf.content(modinfo).strip(b"\0")
    return ModuleInfo(
        name=canonical(path),
        filename=path,
        modinfo=strings,
        own_name=_own_name(elf, strings),
        signature=read_signature(elf.file, elf.size),
        machine=elf.header.machine,
        build_id=build_id_of(elf),
    )


def _own_name(elf: ElfFile, modinfo: bytes) -> str:
    """Return the name in `struct module`, or else that in .modinfo; empty without one.

    The kernel shows the one in `struct module`; .modinfo has it since Linux 4.13.
    """
    start = _NAME_AT[elf.header.bits]
    struct = elf.content(elf.find(_STRUCT_MODULE))
    name = struct[start : start + _NAME_SIZE[elf.header.bits]].partition(b"\0")[0]
    if not name:
        fields = (string for string in modinfo.split(b"\0") if string.startswith(b"name="))
        name = next(fields, b"")[5:]
    return clean(decode(name))


def build_id_of(elf: ElfFile) -> str:
    """Return the GNU build ID in hexadecimal; empty without one."""
    note = elf.content(elf.find(b".note.gnu.build-id"))
    # name size, descriptor size, type, "GNU\0", descriptor
    return note[16:].hex() if note[12:16] == b"GNU\0" else ""
