"""The settings of the configuration file: one table from which it is read, written and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kmodtui.model.theme import DARK, LIGHT, MONOCHROME, OWN_THEMES, is_theme_name
from kmodtui.model.ways_to_root import WAYS_TO_ROOT

INTERVALS = (0.2, 60.0)
"""Minimum and maximum of `interval`, in seconds."""

IDLE_MINUTES = (1, 8 * 60)
"""Minimum and maximum of `idle_minutes`."""

KEYS = "keys"
"""The table of the file with the keys of commands."""

FILTERS = "filters"
"""The table of the file with the named filters."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting.

    Attributes:
        key: its name in the file.
        requirement: its type and range, as in `KEY must be …`.
        default: its value if nothing sets it; None if kmodtui finds out.
        help: a sentence about what it does.
        is_valid: whether a value from the file is of this type and in this range.
        options: the options of the command line that set it instead; empty if none does.
        automatic: in words, what happens without the setting, for the default None.
        example: a value to write into a new file if the default is None.
    """

    key: str
    requirement: str
    default: Any
    help: str
    is_valid: Callable[[Any], bool]
    options: str = ""
    automatic: str = ""
    example: Any = None


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_interval(value: Any) -> bool:
    # isinstance would accept True as a number.
    return type(value) in (int, float) and INTERVALS[0] <= value <= INTERVALS[1]


def _is_idle_time(value: Any) -> bool:
    return type(value) is int and IDLE_MINUTES[0] <= value <= IDLE_MINUTES[1]


def _is_way_to_root(value: Any) -> bool:
    return isinstance(value, str) and value in WAYS_TO_ROOT


SETTINGS = (
    Setting(
        "read_only",
        "true or false",
        False,
        "Never ask for root privileges: plans are shown, but cannot be confirmed.",
        _is_boolean,
        "--read-only, --no-read-only",
    ),
    Setting(
        "interval",
        f"a number of seconds from {INTERVALS[0]} to {INTERVALS[1]:.0f}",
        1.0,
        "Time between two reads if the kernel does not report changes.",
        _is_interval,
        "--interval",
    ),
    Setting(
        "elevate",
        f"one of {', '.join(WAYS_TO_ROOT)}",
        None,
        "How to get root privileges.",
        _is_way_to_root,
        "--elevate",
        automatic="the first of these that works",
        example="sudo",
    ),
    Setting(
        "idle_minutes",
        f"a whole number of minutes from {IDLE_MINUTES[0]} to {IDLE_MINUTES[1]}",
        15,
        "Time without a request after which the helper drops root privileges.",
        _is_idle_time,
    ),
    Setting(
        "light",
        "true or false",
        False,
        "Use colours for a light background.",
        _is_boolean,
        "--light, --no-light",
    ),
    Setting(
        "theme",
        f"one of {', '.join(OWN_THEMES)}, or the name of a file in themes/",
        None,
        "Colours: kmodtui's, the terminal's (ansi), none (monochrome), or your own.",
        is_theme_name,
        "--theme",
        automatic=f"{DARK}; {LIGHT} with `light`; {MONOCHROME} with `lite`, or if NO_COLOR is set",
        example=DARK,
    ),
    Setting(
        "lite",
        "true or false",
        False,
        "Draw little, for serial and slow lines: no frames, no colours, one pane at a time.",
        _is_boolean,
        "--lite, --no-lite",
    ),
    Setting(
        "mouse",
        "true or false",
        True,
        "Use the mouse in the dashboard; without it, the terminal selects text.",
        _is_boolean,
        "--mouse, --no-mouse",
    ),
    Setting(
        "remember",
        "true or false",
        True,
        "Begin with the order, filter, pane and layout of the last session.",
        _is_boolean,
        "--remember, --no-remember",
    ),
)
"""The settings, in the order in which they are written and shown."""

BY_KEY = {setting.key: setting for setting in SETTINGS}


def toml(value: Any) -> str:
    """Return a value of a setting as it is written in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML escapes what JSON escapes, but U+007F, too.
        import json

        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return f"{value}"
