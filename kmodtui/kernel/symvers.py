"""Reader of Module.symvers: the checksum of every symbol that a kernel build exports.

A line is `0xCRC TAB symbol TAB module TAB EXPORT_SYMBOL… [TAB namespace]`
(`Documentation/kbuild/modules.rst`); `vmlinux` stands for the kernel itself. Kernels'
headers bring it, and Fedora's kernel package.
"""

from __future__ import annotations

from typing import NamedTuple

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.compression import open_unpacked
from kmodtui.kernel.host import Host
from kmodtui.model.linkage import Export
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_PLACES = (
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
    """An export of a kernel build.

    Attributes:
        module: that exports it; empty for the kernel itself.
        export: how.
    """

    module: str
    export: Export


class Symvers(NamedTuple):
    """A Module.symvers.

    Attributes:
        path: where it stands.
        exports: by symbol.
    """

    path: str
    exports: dict[str, BuiltExport]


def read_symvers(host: Host, release: str) -> Symvers | None:
    """Return the Module.symvers of a kernel release; None where there is none to be read."""
    for place in _PLACES:
        path = place.format(release)
        try:
            with open_unpacked(host, path, _LIMIT) as file:
                data = file.read(_LIMIT)
        except (KmodtuiError, OSError):
            continue
        return Symvers(clean(path), parse_symvers(data))
    return None


def parse_symvers(data: bytes) -> dict[str, BuiltExport]:
    """Return the exports in the bytes of a Module.symvers; a line that makes no sense is none."""
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
        # Zero is written where the build has no CONFIG_MODVERSIONS.
        export = Export(name, "GPL" in macro, namespace, crc or None)
        found[name] = BuiltExport("" if module == "vmlinux" else canonical(module), export)
    return found


def _fields(line: bytes) -> list[str]:
    """Return the fields of a line, safe for a screen."""
    return [clean(decode(field)) for field in line.split(b"\t")]
