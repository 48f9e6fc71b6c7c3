"""Reader of Module.symvers: the checksums of the symbols that a kernel build exports.

Lines are `0xCRC TAB symbol TAB module TAB EXPORT_SYMBOL… [TAB namespace]`
(`Documentation/kbuild/modules.rst`); the module `vmlinux` is the kernel itself. The file is
part of the kernel headers, and of Fedora's kernel package.
"""

from __future__ import annotations

from typing import NamedTuple

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.compression import open_unpacked
from kmodtui.model.linkage import Export
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_PATHS = (
    "/lib/modules/{0}/build/Module.symvers",
    "/usr/lib/modules/{0}/build/Module.symvers",
    "/usr/src/linux-headers-{0}/Module.symvers",
    "/usr/src/kernels/{0}/Module.symvers",
    "/lib/modules/{0}/symvers.gz",
    "/lib/modules/{0}/symvers.xz",
    "/lib/modules/{0}/symvers.zst",
    "/boot/symvers-{0}.gz",
    "/boot/symvers-{0}.xz",
    "/boot/symvers-{0}.zst",
)
_LIMIT = 64 * 1024 * 1024  # bytes; Debian's has 2 MB


class BuiltExport(NamedTuple):
    """A symbol that a kernel build exports.

    Attributes:
        module: the module that exports it; empty for the kernel itself.
        export: the exported symbol.
    """

    module: str
    export: Export


class Symvers(NamedTuple):
    """The content of a Module.symvers file.

    Attributes:
        path: its path.
        exports: the exports by symbol.
    """

    path: str
    exports: dict[str, BuiltExport]


def read_symvers(host: Host, release: str) -> Symvers | None:
    """Return the Module.symvers of a kernel release; None if none can be read."""
    for pattern in _PATHS:
        path = pattern.format(release)
        try:
            with open_unpacked(host, path, _LIMIT) as file:
                data = file.read(_LIMIT)
        except (KmodtuiError, OSError):
            continue
        return Symvers(clean(path), parse_symvers(data))
    return None


def parse_symvers(data: bytes) -> dict[str, BuiltExport]:
    """Return the exports in a Module.symvers by symbol; malformed lines are skipped."""
    found: dict[str, BuiltExport] = {}
    for line in data.split(b"\n"):
        fields = _fields(line)
        if len(fields) < 4 or not fields[3].startswith("EXPORT_"):
            continue
        try:
            crc = int(fields[0], 16) & 0xFFFF_FFFF
        except ValueError:
            continue
        name, module, macro = fields[1:4]
        namespace = fields[4] if len(fields) > 4 else ""
        # Without CONFIG_MODVERSIONS, the checksum is written as zero.
        export = Export(name, "GPL" in macro, namespace, crc or None)
        found[name] = BuiltExport("" if module == "vmlinux" else canonical(module), export)
    return found


def _fields(line: bytes) -> list[str]:
    """Return the fields of a line, cleaned."""
    return [clean(decode(field)) for field in line.split(b"\t")]
