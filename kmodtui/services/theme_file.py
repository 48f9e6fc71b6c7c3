"""The themes of the user: `themes/NAME.toml` beside the configuration file.

    based_on = "dark"       # or "light", "high-contrast"

    [colors]
    accent = "#ffb000"

A file with any error is rejected as a whole, as the configuration is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmodtui.errors import ConfigError
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.text import clean
from kmodtui.model.theme import (
    BASES,
    COLOURS,
    DARK,
    OWN_THEMES,
    UserTheme,
    is_colour,
    is_theme_name,
)

_MAX_SIZE = 64 * 1024
_KEYS = ("based_on", "colors")


def theme_directory(config: Path) -> Path:
    """Return the directory of the user's themes, given the path of the configuration file."""
    return config.parent / "themes"


def user_themes(config: Path) -> tuple[str, ...]:
    """Return the names of the user's themes. Reads a directory."""
    names = sorted(path.stem for path in theme_directory(config).glob("*.toml"))
    return tuple(name for name in names if is_theme_name(name) and name not in OWN_THEMES)


def read_theme(config: Path, name: str) -> UserTheme:
    """Return a theme of the user.

    Raises:
        ConfigError: there is no theme of this name, or its file is invalid; the message names
            file and line.
    """
    path = theme_directory(config) / f"{name}.toml"
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE).decode()
    except FileNotFoundError:
        names = (*OWN_THEMES, *user_themes(config))
        hint = did_you_mean(near(name, names, 1)) or f"The themes are {', '.join(names)}."
        raise ConfigError(
            f"unknown theme “{name}”: {clean(str(path))} does not exist.", hint
        ) from None
    except OSError as error:
        raise ConfigError(f"{clean(str(path))} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{clean(str(path))} is not in UTF-8.", "Save it as UTF-8.") from error
    import tomllib

    from kmodtui.services.toml_lines import key_lines

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"\(at line (\d+),", f"{error}")
        place = f"{path}:{line[1]}" if line else f"{path}"
        hint = 'This is what a line looks like: accent = "#ffb000"'
        raise ConfigError(f"{clean(place)} is not valid TOML: {error}.", hint) from error
    problem = next(_problems(values), None)
    if problem is not None:
        key, words, hint = problem
        line_number = key_lines(text).get(key)
        place = f"{path}:{line_number}" if line_number else f"{path}"
        raise ConfigError(clean(f"{place}: {words}"), hint)
    return UserTheme(name, values.get("based_on", DARK), values.get("colors", {}))


def _problems(values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the key of each mistake, what is wrong, and what to do."""
    for key, value in values.items():
        if key not in _KEYS:
            hint = did_you_mean(near(key, (*_KEYS, *COLOURS), 1))
            if key in COLOURS:
                hint = "Colours belong in the table [colors]."
            yield key, f"unknown key “{key}”.", hint or f"The keys are {' and '.join(_KEYS)}."
        elif key == "based_on" and value not in BASES:
            yield key, f"based_on must be one of {', '.join(BASES)}.", "Correct or remove the line."
        elif key == "colors" and not isinstance(value, dict):
            yield key, "colors must be a table.", 'It begins with the line "[colors]".'
    colours = values.get("colors")
    for name, value in (colours if isinstance(colours, dict) else {}).items():
        if name not in COLOURS:
            hint = did_you_mean(near(name, COLOURS, 1)) or f"The colours are {', '.join(COLOURS)}."
            yield f"colors.{name}", f"unknown colour “{name}”.", hint
        elif not is_colour(value):
            hint = 'This is what a colour looks like: "#ffb000"'
            yield f"colors.{name}", f"{name} must be a colour.", hint
