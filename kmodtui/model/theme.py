"""What a theme of the user consists of, and whether its text can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DARK, LIGHT = "dark", "light"
HIGH_CONTRAST, ANSI, MONOCHROME = "high-contrast", "ansi", "monochrome"

OWN_THEMES = (DARK, LIGHT, HIGH_CONTRAST, ANSI, MONOCHROME)
"""The themes of kmodtui, in the order in which the key goes through them."""

BASES = (DARK, LIGHT, HIGH_CONTRAST)
"""Those that a theme of the user can be based on."""

INKS = ("foreground", "strong", "dim", "primary", "secondary", "accent", "success", "warning",
        "error")  # fmt: skip
"""The colours of text."""

GROUNDS = ("background", "surface", "panel", "cursor", "cursor-idle", "flash")
"""The colours behind text."""

COLOURS = (*INKS, *GROUNDS, "rule")
"""All colours of a theme; `rule` is that of frames."""

ENOUGH = 4.5
"""Contrast of text as in WCAG 2.1, level AA."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class UserTheme:
    """A theme of the user.

    Attributes:
        name: its name.
        based_on: the theme of kmodtui that has the colours that are not set.
        colours: the colours by their names in `COLOURS`, as `#rrggbb`.
    """

    name: str
    based_on: str = DARK
    colours: Mapping[str, str] = field(default_factory=dict)


def is_theme_name(value: Any) -> bool:
    """Return whether a value can be the name of a theme, and so of a file."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_colour(value: Any) -> bool:
    """Return whether a value is a colour: `#rrggbb`."""
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.1), from 1 to 21."""
    lights = sorted((_luminance(one), _luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def too_faint(colours: Mapping[str, str], enough: float = ENOUGH) -> Iterator[tuple[str, str]]:
    """Yield each colour of text with a colour behind it on which it is hard to read."""
    for ink in INKS:
        for ground in GROUNDS:
            if contrast(colours[ink], colours[ground]) < enough:
                yield ink, ground


def linear(colour: str) -> tuple[float, ...]:
    """Return the parts of a colour, red, green and blue, in linear light from 0 to 1."""
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)


def _luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
