"""The user's configuration: a small TOML file that is read before the dashboard starts.

    # ~/.config/kmodtui/config.toml
    read_only = true        # never ask for root privileges
    interval = 2.5          # seconds between two reads if the kernel does not report changes
    elevate = "doas"        # how to become root
    idle_minutes = 5        # until the helper drops root privileges
    light = true            # for a light terminal
    mouse = false           # leave the mouse to the terminal

The command line takes precedence. A file with any error is rejected as a whole: a user who
wrote `read_only = "yes"` must not find out later that it had no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmodtui.errors import ConfigError
from kmodtui.model.did_you_mean import did_you_mean, near

INTERVALS = (0.2, 60.0)
"""Minimum and maximum of `interval`, in seconds."""

IDLE_MINUTES = (1, 8 * 60)
"""Minimum and maximum of `idle_minutes`."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings; None for those that the file does not set.

    Attributes:
        path: the file, whether or not it exists.
        read_only: whether never to ask for root privileges.
        interval: seconds between two reads.
        elevate: how to become root, one of `model.ways_to_root.WAYS_TO_ROOT`.
        idle_minutes: minutes without a request until the helper drops root privileges.
        light: whether to use colours for a light terminal.
        mouse: whether the dashboard uses the mouse.
    """

    path: Path
    read_only: bool | None = None
    interval: float | None = None
    elevate: str | None = None
    idle_minutes: int | None = None
    light: bool | None = None
    mouse: bool | None = None


def config_path() -> Path:
    """Return the path of the file: `$XDG_CONFIG_HOME/kmodtui/config.toml`."""
    import platformdirs

    return platformdirs.user_config_path("kmodtui", appauthor=False) / "config.toml"


def read_config(path: Path, ways: Sequence[str]) -> Config:
    """Return the settings in a file; none if it does not exist.

    Args:
        path: the file.
        ways: the valid values of `elevate`.

    Raises:
        ConfigError: the file cannot be read or is invalid; the message names file and key.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", "Make it readable, or remove it."
        ) from error
    import tomllib

    try:
        found = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8.", "Save it as UTF-8, or remove it.") from error
    except (ValueError, RecursionError) as error:
        # Too large numbers and too deep nesting do not raise a TOMLDecodeError.
        raise ConfigError(
            f"{path} is not valid TOML: {error}.", "This is what a line looks like: interval = 2.5"
        ) from error
    settings = _settings(ways)
    for key, value in found.items():
        if key not in settings:
            question = did_you_mean(near(key, settings, 1))
            raise ConfigError(
                f"{path}: unknown setting “{key}”.",
                question or f"The settings are {', '.join(sorted(settings))}.",
            )
        is_valid, requirement = settings[key]
        if not is_valid(value):
            raise ConfigError(
                f"{path}: {key} must be {requirement}, not {_shown(value)}.",
                "Correct or remove the line.",
            )
    return Config(path, **found)


def _settings(ways: Sequence[str]) -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return for each setting whether a value is valid, and what it must be in words."""
    least, most = INTERVALS
    shortest, longest = IDLE_MINUTES
    boolean = (lambda value: isinstance(value, bool), "true or false")
    return {
        "read_only": boolean,
        "light": boolean,
        "mouse": boolean,
        # isinstance would accept True as a number.
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
    """Return a value as it is written in TOML, shortened if it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"“{value[:40]}{'…' if len(value) > 40 else ''}”"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return f"{value}"[:40]
