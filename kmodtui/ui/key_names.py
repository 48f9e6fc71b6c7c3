"""The names of keys: Textual's, those that are shown, and those that a user may write."""

from __future__ import annotations

import string
import unicodedata

_SHOWN = {
    "escape": "Esc",
    "enter": "Enter",
    "tab": "Tab",
    "space": "Space",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "shift+tab": "Shift+Tab",
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
}

_WITH_LETTER = ("ctrl+", "alt+")

_NAMED = frozenset(_SHOWN) | {"home", "end", "insert"} | {f"f{number}" for number in range(1, 13)}
"""The keys with a name that every terminal can send."""

_ALSO_CALLED = {"return": "enter", "page_down": "pagedown", "page_up": "pageup", "ins": "insert"}

_TEXTUAL = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Textual's own names for characters, instead of those of Unicode."""


def _character_key(character: str) -> str:
    """Return Textual's name of the key for a printable character."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return _TEXTUAL.get(name, name)


_PUNCTUATION = {_character_key(character): character for character in string.punctuation}


def key_words(key: str) -> str:
    """Return the name of a key as it is shown: `/`, `Esc`, `Ctrl+q`."""
    if key in _SHOWN:
        return _SHOWN[key]
    if key.startswith(_WITH_LETTER):
        return key.capitalize()
    if key in _PUNCTUATION:
        return _PUNCTUATION[key]
    return key if len(key) == 1 else key.capitalize()


def key_named(text: str) -> str | None:
    """Return Textual's name of the key that a user calls `text`; None if there is none.

    Args:
        text: a character such as `/` or `L`, or a name, in capitals or not: `Ctrl+s`, `F6`,
            `PgDn`, `slash`.
    """
    if len(text) == 1 and text.isprintable() and text != " ":
        named = next((key for key, shown in _SHOWN.items() if shown == text), None)
        return named or _character_key(text)
    name = text.strip().lower()
    name = _ALSO_CALLED.get(name, name)
    if name in _NAMED or name in _PUNCTUATION:
        return name
    named = next((key for key, shown in _SHOWN.items() if shown.lower() == name), None)
    if named is not None:
        return named
    control, plus, letter = name.partition("+")
    if f"{control}{plus}" in _WITH_LETTER and len(letter) == 1 and letter in string.ascii_lowercase:
        return name
    return None


def is_typed(key: str) -> bool:
    """Return whether a key inserts a character where text is typed."""
    return len(key) == 1 or key in _PUNCTUATION or key == "space"
