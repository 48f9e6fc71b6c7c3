"""Reader of symbol sizes from a module file, for when the kernel hides addresses."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.elf_file import opened

_UNDEFINED = 0  # SHN_UNDEF


def read_sizes(host: Host, path: str) -> dict[bytes, int]:
    """Return the sizes in bytes of the symbols that the module file at `path` defines, by name.

    Symbols without a size are omitted. So are names that occur with different sizes, which
    are ambiguous.

    Raises:
        UnreadableError: the file does not exist or is not readable.
        ModuleFileError: it is not a kernel module, or is damaged or stripped.
    """
    sizes: dict[bytes, int] = {}
    with opened(host, path) as elf:
        for symbol in elf.symbols():
            if symbol.section != _UNDEFINED and symbol.name and symbol.size:
                known = sizes.setdefault(symbol.name, symbol.size)
                if known != symbol.size:
                    sizes[symbol.name] = 0
    return {name: size for name, size in sizes.items() if size}
