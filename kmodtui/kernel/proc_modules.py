"""Reader of /proc/modules.

Format: `name size refcount users state 0xADDRESS[ (TAINTS)]`, from `m_show` in
`kernel/module/procfs.c`; kernels of vendors print `(null)` for a hidden address. `users` is
`-`, or names that are each followed by a comma, including `[permanent],` for a module that
cannot be unloaded.
"""

from __future__ import annotations

import re

from kmodtui.errors import NoModuleSupportError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable
from kmodtui.model.text import clean, decode

PATH = "/proc/modules"

_PERMANENT = "[permanent]"

_MAX_READS = 3  # if modules are loaded all the time, no two reads may ever be the same

_LINE = re.compile(
    r"(\S+) (\d{1,20}) (-1|-|\d{1,20}) (\S+) (Live|Loading|Unloading) "
    r"(?:0x([0-9a-fA-F]{1,16})|(?:0x)? *\(null\))"
    r"(?: \(([^\s()]*)\))?",
    re.ASCII,
)


def has_module_support(host: Host) -> bool:
    """Return whether the kernel has loadable modules (CONFIG_MODULES) and shows them."""
    return host.exists(PATH)


def read_modules(host: Host) -> ModuleTable:
    """Return the modules that are loaded now, read until two reads agree.

    Raises:
        NoModuleSupportError: there is no /proc/modules.
        UnreadableError: it exists but cannot be read.
    """
    raw = read_raw(host)
    for _ in range(_MAX_READS - 1):
        # The kernel returns a page at a time: if a module is unloaded between two pages, the
        # line of another one can be missing.
        before, raw = raw, read_raw(host)
        if raw == before:
            break
    return parse_modules(raw)


def read_raw(host: Host) -> bytes:
    """Return the content of /proc/modules; equal bytes mean that nothing has changed.

    Raises:
        NoModuleSupportError: there is no /proc/modules.
        UnreadableError: it exists but cannot be read.
    """
    try:
        return host.read(PATH)
    except FileNotFoundError:
        from kmodtui.kernel.gvisor import is_gvisor

        why = "It was built without CONFIG_MODULES, or this container hides the file."
        if not host.live:
            why = "Either it was not captured, or that kernel has no loadable modules."
        if is_gvisor(host):
            why = "This is gVisor, whose kernel imitates Linux and has no modules."
        raise NoModuleSupportError(
            "This kernel shows no loadable modules: there is no /proc/modules.",
            f"{why} kmodtui --demo shows a recorded Debian system.",
        ) from None
    except OSError as error:
        raise UnreadableError(f"{PATH} cannot be read: {error.strerror or error}.") from error


def parse_modules(data: bytes) -> ModuleTable:
    """Return the table in the content of /proc/modules, with malformed lines kept separately.

    A last line without a newline is truncated and may lack a digit or a taint flag, so it is
    malformed as well.
    """
    modules: dict[str, LoadedModule] = {}
    malformed: list[str] = []
    *lines, rest = data.split(b"\n")
    for line in lines:
        if not line.strip():
            continue
        module = _parse_line(line)
        if module is None:
            malformed.append(clean(decode(line)))
        else:
            # The kernel returns a page at a time: if a module is loaded between two pages,
            # the line of another one can appear twice.
            modules.setdefault(module.name, module)
    if rest.strip():
        malformed.append(clean(decode(rest)))
    return ModuleTable(tuple(modules.values()), data, tuple(malformed))


def _parse_line(line: bytes) -> LoadedModule | None:
    match = _LINE.fullmatch(clean(decode(line)))
    if match is None:
        return None
    name, size, refcount, users, state, address, taints = match.groups(default="")
    holders = [] if users == "-" else [user for user in users.split(",") if user]
    return LoadedModule(
        name=name,
        size=int(size),
        refcount=None if refcount == "-" else int(refcount),
        users=tuple(user for user in holders if user != _PERMANENT),
        state=ModuleState(state),
        taints=taints.rstrip("+-"),
        permanent=_PERMANENT in holders,
        address=int(address or "0", 16),
    )
