"""Whether a system is a sandbox of gVisor, whose kernel imitates Linux and has no modules.

Source: `pkg/sentry/syscalls/linux/linux64.go` in gVisor (`LinuxVersion`).
"""

from __future__ import annotations

import re

from kmodtui.kernel.host import Host
from kmodtui.model.text import decode

# `Linux version 4.4.0 #1 SMP …`: a real kernel names who built it, and with which compiler.
_VERSION = re.compile(r"Linux version \S+ #\d+ SMP [^()]*", re.ASCII)
_LOG = "/var/log/dmesg"
_FIRST_LINES = 4096  # bytes


def is_gvisor(host: Host) -> bool:
    """Return whether the system is gVisor, by /proc/version or a log that was kept."""
    version = _text(host, "/proc/version")
    if "gvisor" in version.lower() or _VERSION.fullmatch(version):
        return True
    return not version and "Starting gVisor..." in _text(host, _LOG)


def _text(host: Host, path: str) -> str:
    try:
        return decode(host.read(path, _FIRST_LINES)).strip()
    except OSError:
        return ""
