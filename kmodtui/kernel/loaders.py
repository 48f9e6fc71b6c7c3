"""Finds the programs that are loading or unloading a module at this moment."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_PROGRAMS = frozenset(("modprobe", "insmod", "rmmod", "kmod"))


def read_loaders(host: Host, name: str) -> tuple[str, ...]:
    """Return the command of each such program that names a module, with its process number."""
    found = []
    try:
        processes = [entry for entry in host.listdir("/proc") if entry.isdigit()]
    except OSError:
        return ()
    for process in processes:
        try:
            words = decode(host.read(f"/proc/{process}/cmdline", 4096)).split("\0")
        except OSError:
            continue
        if words[0].rsplit("/", 1)[-1] in _PROGRAMS and name in map(canonical, words[1:]):
            found.append(clean(f"{' '.join(filter(None, words))} (process {process})"))
    return tuple(found)
