"""The modules that kmodtui has seen loaded on this machine, kept between its runs.

A module that is loaded for a stick or a VPN is not loaded most of the time. The file only
keeps modules from being blocked as unused: a name too many does no harm, and without the file
only what is loaded now counts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from kmodtui.kernel.host import Host
from kmodtui.model.modules import is_module_name

_MAX_FILE = 1024 * 1024


def seen_path() -> Path:
    """Return the path of the file: `$XDG_STATE_HOME/kmodtui/seen-loaded`."""
    import platformdirs

    return platformdirs.user_state_path("kmodtui", appauthor=False) / "seen-loaded"


def read_seen() -> frozenset[str]:
    """Return the modules that were seen; none if the file cannot be read."""
    try:
        with seen_path().open("rb") as file:
            text = file.read(_MAX_FILE).decode("ascii", "replace")
    except OSError:
        return frozenset()
    return frozenset(filter(is_module_name, text.split("\n")))


def note_seen(host: Host, loaded: Iterable[str]) -> None:
    """Add the loaded modules of this machine; does nothing for another system, or if it fails."""
    if not host.live or host.badge:
        return
    known = read_seen()
    names = known | set(filter(is_module_name, loaded))
    if names == known:
        return
    path = seen_path()
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text("".join(f"{name}\n" for name in sorted(names)), "ascii")
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
