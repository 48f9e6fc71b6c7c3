"""Reader of what decides whether kernel addresses are hidden: two sysctls and a capability."""

from __future__ import annotations

import re

from kmodtui.kernel.host import Host
from kmodtui.model.symbols.address import Hiding

_CAP_SYSLOG = 34  # include/uapi/linux/capability.h


def read_hiding(host: Host) -> Hiding:
    """Return the settings that decide whether this process sees kernel addresses."""
    capabilities = _number(host, "/proc/self/status", rb"CapEff:\s*([0-9a-f]+)", 16)
    return Hiding(
        _number(host, "/proc/sys/kernel/kptr_restrict", rb"(\d+)"),
        _number(host, "/proc/sys/kernel/perf_event_paranoid", rb"(-?\d+)"),
        None if capabilities is None else bool(capabilities >> _CAP_SYSLOG & 1),
    )


def _number(host: Host, path: str, pattern: bytes, base: int = 10) -> int | None:
    try:
        found = re.search(pattern, host.read(path, 64 * 1024))
    except OSError:
        return None
    return int(found[1], base) if found else None
