"""The file that an argument of a verb names."""

from __future__ import annotations

from kmodtui.kernel.host import Host, LocalHost
from kmodtui.kernel.index.release import full_path, is_path


def named_file(host: Host, text: str) -> tuple[Host, str] | None:
    """Return the system that has the file and its absolute path; None for a module's name.

    A path that exists in a captured or recorded system is one of that system, because kmodtui
    prints such paths. All others are paths of this machine.
    """
    here = LocalHost()
    if not is_path(text, here):
        return None
    if host.badge and text.startswith("/") and host.exists(text):
        return host, text
    return here, full_path(text)
