"""The themes of kmodtui, and how a theme draws text and the lines under a cursor.

`dark`, `light` and `high-contrast` have colours of their own. `ansi` has the colours that the
terminal gives to the 16 names, and `monochrome` none: what others show with a background,
these show with attributes, which can be read whatever the terminal's colours are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.dom import DOMNode
from textual.theme import Theme

from kmodtui.model.palettes import PALETTES, TERMINALS, palette_of
from kmodtui.model.theme import ANSI, DARK, GROUNDS, HIGH_CONTRAST, LIGHT, MONOCHROME, UserTheme
from kmodtui.ui.desk import desk

_BARS = {"cursor": "reverse", "cursor-idle": "underline", "flash": "bold"}
"""The attributes of lines where a theme has no backgrounds."""

_BOLD = dict.fromkeys(("primary", "accent", "success", "warning", "error", "strong"), "bold")
_ATTRIBUTES = {ANSI: {"strong": "bold", "dim": "dim"}, MONOCHROME: _BOLD}
"""The attributes of text in themes that have few colours or none."""

_VARIABLES = ("strong", "dim", "rule", *GROUNDS)
"""The colours for which Textual's themes have no attribute, or which `ansi` makes transparent."""


def _made(name: str, colours: Mapping[str, str], *, dark: bool, ansi: bool = False) -> Theme:
    more = {
        "ansi-background": TERMINALS,
        "ansi-foreground": TERMINALS,
        "block-cursor-background": TERMINALS,
        "block-cursor-text-style": "reverse",
        "input-selection-background": TERMINALS,
        "scrollbar-background": TERMINALS,
    }
    return Theme(
        name=name,
        primary=colours["primary"],
        secondary=colours["secondary"],
        warning=colours["warning"],
        error=colours["error"],
        success=colours["success"],
        accent=colours["accent"],
        foreground=colours["foreground"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        dark=dark,
        variables={each: colours[each] for each in _VARIABLES} | (more if ansi else {}),
        ansi=ansi,
    )


THEMES = (
    _made(DARK, PALETTES[DARK], dark=True),
    _made(LIGHT, PALETTES[LIGHT], dark=False),
    _made(HIGH_CONTRAST, PALETTES[HIGH_CONTRAST], dark=True),
    _made(ANSI, PALETTES[ANSI], dark=True, ansi=True),
    _made(MONOCHROME, PALETTES[MONOCHROME], dark=True, ansi=True),
)


def made_of(theme: UserTheme) -> Theme:
    """Return a theme of the user: the one that it is based on with other colours."""
    return _made(theme.name, palette_of(theme), dark=theme.based_on != LIGHT)


def ink(node: DOMNode, name: str) -> str:
    """Return the rich style of text in a colour of the theme; empty if it has none."""
    app = node.app
    if name == "strong" and desk(node).lite:
        return ""
    color = app.theme_variables.get(name, "").removeprefix("ansi_")
    return f"{_ATTRIBUTES.get(app.theme, {}).get(name, '')} {color}".strip()


def bar(node: DOMNode, name: str) -> Style:
    """Return the style of a whole line: `cursor`, `cursor-idle` or `flash`."""
    return _bar(node.app.theme_variables[name], name)


@lru_cache(maxsize=64)
def _bar(color: str, name: str) -> Style:
    if color != TERMINALS:
        return Style(bgcolor=color)
    # Reversed, each colour of the text would be a patch of that colour.
    plain = Style(color="default", dim=False) if name == "cursor" else Style()
    return Style.parse(_BARS[name]) + plain
