"""Reader of /proc/modules.

Format: `name size refcount users state 0xADDRESS[ (TAINTS)]`, from `m_show` in
`kernel/module/procfs.c`. `users` is `-`, or names each followed by a comma,
with `[permanent],` among them for a module that can never be unloaded.
"""

from __future__ import annotations

from kmodtui.errors import NoModuleSupportError
from kmodtui.kernel.host import Host
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable
from kmodtui.model.text import clean, decode

PATH = "/proc/modules"

_PERMANENT = "[permanent]"


def has_module_support(host: Host) -> bool:
    """Return whether the kernel has loadable modules (CONFIG_MODULES) and shows them."""
    return host.exists(PATH)


def read_modules(host: Host) -> ModuleTable:
    """Return the modules that are loaded now.

    Raises:
        NoModuleSupportError: there is no /proc/modules.
    """
    return parse_modules(read_raw(host))


def read_raw(host: Host) -> bytes:
    """Return the bytes of /proc/modules; equal bytes mean that nothing changed.

    Raises:
        NoModuleSupportError: there is no /proc/modules.
    """
    try:
        return host.read(PATH)
    except FileNotFoundError:
        raise NoModuleSupportError(
            "This kernel shows no loadable modules: there is no /proc/modules.",
            "It was built without CONFIG_MODULES, or this is a container that hides it. "
            "kmodtui --demo shows a recorded Debian system.",
        ) from None


def parse_modules(data: bytes) -> ModuleTable:
    """Return the table in the bytes of /proc/modules; bad lines are kept apart, not lost."""
    modules: list[LoadedModule] = []
    malformed: list[str] = []
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        module = _parse_line(line)
        if module is None:
            malformed.append(clean(decode(line)))
        else:
            modules.append(module)
    return ModuleTable(tuple(modules), data, tuple(malformed))


def _parse_line(line: bytes) -> LoadedModule | None:
    fields = clean(decode(line)).split(" ")
    if len(fields) not in (6, 7):
        return None
    name, size, refcount, users, state, address = fields[:6]
    taints = fields[6] if len(fields) == 7 else ""
    if not name or (taints and not (taints.startswith("(") and taints.endswith(")"))):
        return None
    holders = [] if users == "-" else users.removesuffix(",").split(",")
    try:
        return LoadedModule(
            name=name,
            size=int(size),
            refcount=None if refcount == "-" else int(refcount),
            users=tuple(user for user in holders if user != _PERMANENT),
            state=ModuleState(state),
            taints=taints.strip("()").rstrip("+-"),
            permanent=_PERMANENT in holders,
            address=int(address, 16),
        )
    except ValueError:
        return None
