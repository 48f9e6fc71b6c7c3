"""The person's own settings: a small TOML file, read before the dashboard starts.

    # ~/.config/kmodtui/config.toml
    read_only = true        # never ask for root
    interval = 2.5          # seconds between two readings where nothing wakes kmodtui
    elevate = "doas"        # how to get root
    idle_minutes = 5        # until the helper gives root up
    light = true            # for a light terminal
    mouse = false           # leave the mouse to the terminal

What stands on the command line wins. A file that cannot be obeyed to the letter is not
obeyed at all: whoever wrote `read_only = "yes"` must not find out later that it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmodtui.errors import ConfigError
from kmodtui.model.did_you_mean import did_you_mean, near

INTERVALS = (0.2, 60.0)
"""Seconds between two readings: the least and the most that may be asked for."""

IDLE_MINUTES = (1, 8 * 60)
"""Minutes without a request until the helper gives root up: the least and the most."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; None where it says nothing.

    Attributes:
        path: the file, whether or not it is there.
        read_only: never to ask for root.
        interval: seconds between two readings.
        elevate: the way to root, one of `privileged.elevation.LADDER`.
        idle_minutes: minutes without a request until the helper gives root up.
        light: colours for a light terminal.
        mouse: whether the dashboard takes the mouse.
    """

    path: Path
    read_only: bool | None = None
    interval: float | None = None
    elevate: str | None = None
    idle_minutes: int | None = None
    light: bool | None = None
    mouse: bool | None = None


def config_path() -> Path:
    """Return where the file belongs: `$XDG_CONFIG_HOME/kmodtui/config.toml`."""
    import platformdirs

    return platformdirs.user_config_path("kmodtui", appauthor=False) / "config.toml"


def read_config(path: Path, ways: Sequence[str]) -> Config:
    """Return what a file says; nothing at all if it is not there.

    Args:
        path: the file.
        ways: what `elevate` may be.

    Raises:
        ConfigError: it cannot be read or obeyed; the message names the file and the key.
    """
    import tomllib

    try:
        text = path.read_bytes().decode()
        found = tomllib.loads(text)
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", "Make it readable, or remove it."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8.", "Save it as UTF-8, or remove it.") from error
    except (ValueError, RecursionError) as error:
        # Of a number or a nesting that is too much for Python there is no TOMLDecodeError.
        raise ConfigError(
            f"{path} is no TOML: {error}.", "A line of it is written: interval = 2.5"
        ) from error
    wanted = _wanted(ways)
    for key, value in found.items():
        if key not in wanted:
            question = did_you_mean(near(key, wanted, 1))
            raise ConfigError(
                f"{path}: there is no setting “{key}”.",
                question or f"There are {', '.join(sorted(wanted))}.",
            )
        fits, told = wanted[key]
        if not fits(value):
            raise ConfigError(
                f"{path}: {key} is {told}, not {_shown(value)}.", "Correct it, or remove the line."
            )
    return Config(path, **found)


def _wanted(ways: Sequence[str]) -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return what each setting has to be: a question about a value, and the same in words."""
    least, most = INTERVALS
    shortest, longest = IDLE_MINUTES
    yes_or_no = (lambda value: isinstance(value, bool), "true or false")
    return {
        "read_only": yes_or_no,
        "light": yes_or_no,
        "mouse": yes_or_no,
        # In Python true is a number as well.
        "interval": (
            lambda value: type(value) in (int, float) and least <= value <= most,
            f"a number of seconds from {least} to {most:.0f}",
        ),
        "idle_minutes": (
            lambda value: type(value) is int and shortest <= value <= longest,
            f"a whole number of minutes from {shortest} to {longest}",
        ),
        "elevate": (
            lambda value: isinstance(value, str) and value in ways,
            f"one of {', '.join(ways)}",
        ),
    }


def _shown(value: Any) -> str:
    """Return a value as it may stand in the file, and not the whole of a long one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"“{value[:40]}{'…' if len(value) > 40 else ''}”"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return f"{value}"[:40]
