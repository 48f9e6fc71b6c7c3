"""The colours of kmodtui's themes."""

from __future__ import annotations

from collections.abc import Mapping

from kmodtui.model.theme import (
    ANSI,
    COLOURS,
    DARK,
    HIGH_CONTRAST,
    LIGHT,
    MONOCHROME,
    UserTheme,
)

TERMINALS = "ansi_default"
"""The terminal's own colour of text, or of what is behind it."""

PALETTES: Mapping[str, Mapping[str, str]] = {
    DARK: {
        "foreground": "#c9d1d3",
        "strong": "#f0f4f4",
        "dim": "#95a2a7",
        "primary": "#6fb3a8",
        "secondary": "#8aa4c8",
        "accent": "#e0b062",
        "success": "#8cc07a",
        "warning": "#e0b062",
        "error": "#ec9085",
        "background": "#14191b",
        "surface": "#191f22",
        "panel": "#242c30",
        "cursor": "#1c3637",
        "cursor-idle": "#232d30",
        "flash": "#2b2f22",
        "rule": "#3a464b",
    },
    LIGHT: {
        "foreground": "#2a3235",
        "strong": "#101516",
        "dim": "#566064",
        "primary": "#1a6a5f",
        "secondary": "#35588c",
        "accent": "#895600",
        "success": "#346926",
        "warning": "#895600",
        "error": "#a8321f",
        "background": "#f7f6f2",
        "surface": "#f1f0ea",
        "panel": "#e4e3db",
        "cursor": "#d8ebe6",
        "cursor-idle": "#e6e8e2",
        "flash": "#f1e3b4",
        "rule": "#c4c6be",
    },
    HIGH_CONTRAST: {
        "foreground": "#ffffff",
        "strong": "#ffffff",
        "dim": "#d4d4d4",
        "primary": "#7fe8ff",
        "secondary": "#c4d3ff",
        "accent": "#ffd75f",
        "success": "#87ff87",
        "warning": "#ffd75f",
        "error": "#ffbdb2",
        "background": "#000000",
        "surface": "#000000",
        "panel": "#1c1c1c",
        "cursor": "#00364b",
        "cursor-idle": "#303030",
        "flash": "#333300",
        "rule": "#a0a0a0",
    },
    ANSI: {
        **dict.fromkeys(COLOURS, TERMINALS),
        "primary": "ansi_cyan",
        "secondary": "ansi_blue",
        "accent": "ansi_yellow",
        "success": "ansi_green",
        "warning": "ansi_yellow",
        "error": "ansi_red",
    },
    MONOCHROME: dict.fromkeys(COLOURS, TERMINALS),
}
"""The colours of each theme by their names in `COLOURS`."""


def palette_of(theme: UserTheme) -> dict[str, str]:
    """Return all colours of a theme of the user."""
    return {**PALETTES[theme.based_on], **theme.colours}
