"""Text can be read in both themes, and keys that terminals keep have another way."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from kmodtui.ui.commands import COMMANDS
from kmodtui.ui.key_names import key_words
from kmodtui.ui.terminal.kinds import keys_kept
from kmodtui.ui.themes import THEMES

ENOUGH = 4.5
"""Contrast of text as in WCAG 2.1, level AA."""

BELOW = ("background", "surface", "panel", "cursor", "cursor-idle", "flash")
TEXT = ("primary", "secondary", "accent", "foreground", "success", "warning", "error", "dim",
        "strong")  # fmt: skip


def colour(theme: Theme, name: str) -> Color:
    return Color.parse(theme.variables.get(name) or getattr(theme, name.replace("-", "_")))


def luminance(colour: Color) -> float:
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_can_be_read_on_every_background(theme: Theme) -> None:
    for text in TEXT:
        for below in BELOW:
            lights = sorted(luminance(colour(theme, name)) for name in (text, below))
            assert (lights[1] + 0.05) / (lights[0] + 0.05) >= ENOUGH, (text, below)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TERM_PROGRAM": "vscode", "TERM": "xterm-256color"}, "VS Code"),
        ({"STY": "1.pts", "TERM": "screen"}, "GNU screen"),
        ({"TERM": "vt220"}, "serial line"),
        ({"TERM": "xterm-256color"}, ""),
    ],
)
def test_keys_that_a_terminal_keeps_are_known(environment: dict[str, str], said: str) -> None:
    assert said in keys_kept(environment)
    assert bool(said) == bool(keys_kept(environment))


def test_no_command_needs_a_key_that_terminals_keep() -> None:
    for command in COMMANDS:
        words = [key_words(key) for key in command.keys]
        kept = [key for key in words if key.startswith("Ctrl+") and key[5:] in "sqpebrt"]
        assert len(kept) < len(words) or not words, command.id
