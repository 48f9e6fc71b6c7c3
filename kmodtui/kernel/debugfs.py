"""Reader of what the kernel remembers about loads and unloads, in /sys/kernel/debug/modules.

Sources: `read_file_mod_stats` in `kernel/module/stats.c` (CONFIG_MODULE_STATS, Linux 6.4),
`unloaded_tainted_modules_seq_show` in `kernel/module/tracking.c`
(CONFIG_MODULE_UNLOAD_TAINT_TRACKING, Linux 5.19). Only root may enter the directory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kmodtui.kernel.host import Host
from kmodtui.model.doctor.facts import DuplicateLoad, LoadStatistics, UnloadedTaint
from kmodtui.model.text import clean, decode

FOLDER = "/sys/kernel/debug/modules"
STATISTICS = f"{FOLDER}/stats"
UNLOADED = f"{FOLDER}/unloaded_tainted"

ROOT_FILES = {STATISTICS: "load-stats", UNLOADED: "unloaded-taints"}
"""The operation of the helper that sends a file which only root may read."""

RootFiles = Mapping[str, bytes]
"""The content of these files by path, as root read them; without those that do not exist."""

_COUNTER = re.compile(r"\s*Mods failed on (\w+)\s+(\d+)")
_DUPLICATE = re.compile(r"\s*(\S+)\s+(\d+)\s+(?:Becoming|Load|Becoming & Load)\s*")
_UNLOADED = re.compile(r"(\S+) \(([A-Z]*)\) (\d+)")


def read_statistics(host: Host, root: RootFiles | None = None) -> LoadStatistics | None:
    """Return which loads have failed; None without this file.

    Args:
        host: the system.
        root: what root has read of it; None to read it with the privileges of this process.

    Raises:
        PermissionError: only root may read it.
    """
    lines = _lines(host, STATISTICS, root)
    if lines is None:
        return None
    failed = {m[1]: int(m[2]) for m in map(_COUNTER.fullmatch, lines) if m}
    twice = [DuplicateLoad(clean(m[1]), int(m[2])) for m in map(_DUPLICATE.fullmatch, lines) if m]
    return LoadStatistics(failed, tuple(sorted(twice, key=lambda each: (-each.times, each.name))))


def read_unloaded_taints(
    host: Host, root: RootFiles | None = None
) -> tuple[UnloadedTaint, ...] | None:
    """Return the unloaded modules that tainted the kernel; None without this file.

    Args:
        host: the system.
        root: what root has read of it; None to read it with the privileges of this process.

    Raises:
        PermissionError: only root may read it.
    """
    lines = _lines(host, UNLOADED, root)
    if lines is None:
        return None
    matches = map(_UNLOADED.fullmatch, lines)
    return tuple(UnloadedTaint(clean(m[1]), m[2]) for m in matches if m)


def _lines(host: Host, path: str, root: RootFiles | None) -> list[str] | None:
    if root is not None:
        return decode(root[path]).splitlines() if path in root else None
    try:
        return decode(host.read(path)).splitlines()
    except PermissionError:
        raise
    except OSError:
        return None
