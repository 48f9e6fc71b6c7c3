"""Reader of Module.symvers: the checksums of the symbols that a kernel build exports.

Lines are `0xCRC TAB symbol TAB module TAB EXPORT_SYMBOL… [TAB namespace]`
(`Documentation/kbuild/modules.rst`), in Linux 5.4 `0xCRC TAB symbol TAB namespace TAB module
TAB EXPORT_SYMBOL…`; the module `vmlinux` is the kernel itself. The file is
part of the kernel headers, and of Fedora's kernel package.
"""

from __future__ import annotations

from typing import NamedTuple

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import release_files
from kmodtui.kernel.module_file.compression import open_unpacked
from kmodtui.model.linkage import Export
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_PACKED = ("symvers.gz", "symvers.xz", "symvers.zst")
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
    for path in _paths(release):
        try:
            with open_unpacked(host, path, _LIMIT) as file:
                data = file.read(_LIMIT)
        except (KmodtuiError, OSError):
            continue
        return Symvers(clean(path), parse_symvers(data))
    return None


def _paths(release: str) -> tuple[str, ...]:
    return (
        *release_files(release, "build/Module.symvers"),
        f"/usr/src/linux-headers-{release}/Module.symvers",
        f"/usr/src/kernels/{release}/Module.symvers",
        *release_files(release, *_PACKED),
        *(f"/boot/symvers-{release}.{packing}" for packing in ("gz", "xz", "zst")),
    )


def parse_symvers(data: bytes) -> dict[str, BuiltExport]:
    """Return the exports in a Module.symvers by symbol; malformed lines are skipped."""
    found: dict[str, BuiltExport] = {}
    for line in data.split(b"\n"):
        fields = _fields(line)
        macros = [place for place in (3, 4) if "".join(fields[place : place + 1])[:7] == "EXPORT_"]
        if not macros:
            continue
        try:
            crc = int(fields[0], 16) & 0xFFFF_FFFF
        except ValueError:
            continue
        name, module, macro = fields[1], fields[macros[0] - 1], fields[macros[0]]
        namespace = fields[2] if macros[0] == 4 else "".join(fields[4:5])
        # Without CONFIG_MODVERSIONS, the checksum is written as zero.
        # Kernels before 5.12 could announce that a symbol would become GPL-only.
        gpl_only = "GPL" in macro and "FUTURE" not in macro
        export = Export(name, gpl_only, namespace, crc or None)
        found[name] = BuiltExport("" if module == "vmlinux" else canonical(module), export)
    return found


def _fields(line: bytes) -> list[str]:
    """Return the fields of a line, cleaned."""
    return [clean(decode(field)) for field in line.split(b"\t")]
