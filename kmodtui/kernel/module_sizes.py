"""Reader of the sizes of a module file's symbols, for where the kernel hides addresses."""

from __future__ import annotations

from kmodtui.kernel.elf_file import opened
from kmodtui.kernel.host import Host

_UNDEFINED = 0  # SHN_UNDEF


def read_sizes(host: Host, path: str) -> dict[bytes, int]:
    """Return the bytes of each symbol that the module file at `path` defines, by name.

    A name that is there several times with other sizes is left out: nothing tells which
    is which. So is one without a size.

    Raises:
        UnreadableError: the file is not there or may not be read.
        ModuleFileError: it is no kernel module, a damaged or a stripped one.
    """
    sizes: dict[bytes, int] = {}
    with opened(host, path) as elf:
        for symbol in elf.symbols():
            if symbol.section != _UNDEFINED and symbol.name and symbol.size:
                known = sizes.setdefault(symbol.name, symbol.size)
                if known != symbol.size:
                    sizes[symbol.name] = 0
    return {name: size for name, size in sizes.items() if size}
