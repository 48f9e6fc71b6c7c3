"""Text in an encoding that lacks some of its characters, such as ISO-8859-1.

Frames, arrows and quotation marks are then drawn with ASCII characters of the same width.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

ESCAPED = "kmodtui.escaped"
"""Error handler of codecs, for output: other characters are written as `\\xe9` or `\\u2026`."""

REPLACED = "kmodtui.replaced"
"""The same for a screen, where each character has its place: others become `?`."""

_ASCII = {
    **dict.fromkeys("─━═╌┄┈▁▔", "-"),
    **dict.fromkeys("│┃║┊┆▏▕▎▌▐", "|"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
    **dict.fromkeys("█▇▆▅▄▃▂▓▒", "#"),
    **dict.fromkeys("▸▶→❯", ">"),
    **dict.fromkeys("◂◀←❮", "<"),
    **dict.fromkeys("▾▼↓", "v"),
    **dict.fromkeys("▴▲↑", "^"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("●◆◉·", "*"),
    **dict.fromkeys("–—−", "-"),
    "…": "~",
    "×": "x",
    "✓": "v",
    "✗": "x",
    "±": "~",
    "²": "2",
    "↻": "@",
}


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    return _drawn(error, lambda char: char.encode("ascii", "backslashreplace").decode("ascii"))


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    return _drawn(error, lambda _char: "?")


def _drawn(error: UnicodeError, otherwise: Callable[[str], str]) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_ASCII.get(char) or otherwise(char) for char in missing), error.end


codecs.register_error(ESCAPED, _escaped)
codecs.register_error(REPLACED, _replaced)
