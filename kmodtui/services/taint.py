"""What set a taint flag of the kernel: the module that has it, and the line that the kernel logged.

The lines are those of the kernel's own sources: kernel/module/main.c and signing.c for
modules, kernel/watchdog.c, kernel/panic.c and the like for the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kmodtui.kernel.host import Host
from kmodtui.model.modules import ModuleTable

LOGGED = {
    "P": r"module license .* taints kernel",
    "F": r"kernel tainted|: module verification failed",
    "M": r"[Mm]achine [Cc]heck|Hardware Error",
    "B": r"BUG: Bad ",
    "D": r"Oops|kernel BUG at|BUG: (unable|kernel)|general protection fault",
    "A": r"ACPI: .*([Oo]verrid|Table Upgrade)",
    "W": r"WARNING: ",
    "C": r"is from the staging directory",
    "I": r"Firmware (Bug|Workaround)",
    "O": r"loading out-of-tree module taints kernel",
    "E": r"signature and/or required key missing",
    "L": r"soft lockup",
    "K": r"TAINT_LIVEPATCH",
    "N": r"loading test module taints kernel",
}
"""What the kernel logs when it sets a flag, as regular expressions; not every flag is logged."""

_AT_ONCE = 1000
_MOST = 200_000


@dataclass(frozen=True, slots=True)
class TaintCause:
    """What set a taint flag, as far as it is known.

    Attributes:
        modules: the loaded modules that have the flag.
        line: the last line of the kernel log about it; empty if there is none, or the log
            cannot be read.
    """

    modules: tuple[str, ...] = ()
    line: str = ""


def cause_of(host: Host, flag: str, table: ModuleTable) -> TaintCause:
    """Return what set a taint flag. Reads the kernel log: not for the event loop.

    The log is only read if this process may do that itself; root is never asked for.
    """
    modules = tuple(module.name for module in table if flag in module.taints)
    pattern = LOGGED.get(flag)
    return TaintCause(modules, _last_line(host, re.compile(pattern)) if pattern else "")


def _last_line(host: Host, pattern: re.Pattern[str]) -> str:
    line = ""
    try:
        log = host.kernel_log()
    except OSError:
        return line
    try:
        for _ in range(_MOST // _AT_ONCE):
            records = log.read(_AT_ONCE)
            if not records:
                break
            line = next((r.text for r in reversed(records) if pattern.search(r.text)), line)
    except (OSError, EOFError):
        pass  # what was found so far is shown
    finally:
        log.close()
    return line
