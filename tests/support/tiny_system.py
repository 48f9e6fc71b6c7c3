"""A system with a few modules in a directory: /proc, /sys and /lib/modules for the readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kmodtui.kernel.host import LocalHost

RELEASE = "6.1.0-test"
VERMAGIC = f"{RELEASE} SMP mod_unload modversions "
STRUCT = {".gnu.linkonce.this_module": bytes(896)}


def modinfo(name: str, *more: bytes, vermagic: str = VERMAGIC) -> tuple[bytes, ...]:
    return (*more, b"license=GPL", f"name={name}".encode(), f"vermagic={vermagic}".encode())


def write(host: LocalHost, path: str, data: bytes | str) -> str:
    """Create or replace a file of the system; return its path in that system."""
    file = Path(host.locate(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def tiny_system(
    folder: Path,
    modules: Mapping[str, bytes],
    *,
    depends: Mapping[str, Sequence[str]] | None = None,
    symbols: Mapping[str, str] | None = None,
    loaded: Mapping[str, Sequence[str]] | None = None,
    kallsyms: str = "",
) -> LocalHost:
    """A system.

    Args:
        folder: where.
        modules: .ko files by name.
        depends: what each needs, as modules.dep has it.
        symbols: lines of modules.symbols: symbol to module.
        loaded: modules that are loaded, each with its users.
        kallsyms: the content of that file.
    """
    host = LocalHost(folder)
    depends = depends or {}
    top = f"/lib/modules/{RELEASE}"
    for name, data in modules.items():
        write(host, f"{top}/kernel/{name}.ko", data)
    lines = [
        f"kernel/{name}.ko: {' '.join(f'kernel/{other}.ko' for other in depends.get(name, ()))}"
        for name in modules
    ]
    write(host, f"{top}/modules.dep", "".join(f"{line.rstrip()}\n" for line in lines))
    aliases = [f"alias symbol:{name} {module}\n" for name, module in (symbols or {}).items()]
    write(host, f"{top}/modules.symbols", "".join(aliases))
    write(host, "/proc/sys/kernel/osrelease", f"{RELEASE}\n")
    rows = [
        f"{name} 4096 {len(users)} {''.join(f'{user},' for user in users) or '-'} Live 0x0\n"
        for name, users in (loaded or {}).items()
    ]
    write(host, "/proc/modules", "".join(rows))
    write(host, "/proc/kallsyms", kallsyms)
    for name in loaded or {}:
        write(host, f"/sys/module/{name}/initstate", "live\n")
    return host
