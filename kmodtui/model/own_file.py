"""The files that kmodtui writes itself, and what they can say of a module.

Only these are changed by kmodtui, each as a whole and by the helper; rules of others are never
touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

KEPT = "kept"
"""The state of a module in the list of modules to load at boot."""

BLACKLISTED = "blacklisted"
"""The state of a module in the blacklist."""


class OwnFile(StrEnum):
    """A file of kmodtui; the value is its path."""

    BLACKLIST = "/etc/modprobe.d/kmodtui-blacklist.conf"
    BLOCK = "/etc/modprobe.d/kmodtui-block.conf"
    OPTIONS = "/etc/modprobe.d/kmodtui-options.conf"
    BOOT = "/etc/modules-load.d/kmodtui.conf"


OwnStates = Mapping[OwnFile, Mapping[str, str]]
"""What each file says, by module: `blacklisted`; `blocked` or `logged`; the options with blanks
between them; `kept`. The helper reports the same words."""


def option_line(name: str, options: str) -> str:
    """Return the line of the options file for a module; the helper writes the same one."""
    return f"options {name} {options}\n"
