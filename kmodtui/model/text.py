"""Text functions: text from the kernel and from files is data, made safe here before it is shown.

A modinfo string can contain escape sequences, `[markup]`, and bytes that are not
UTF-8. None of that may reach a terminal or a markup parser.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LETTERS_AND_DIGITS = re.compile("([^0-9]*)([0-9]*)")

# Cc control, Cf format (bidirectional overrides, zero-width), Cs surrogates, Co private use,
# Cn unassigned, Zl and Zp line and paragraph separators: all invisible or misleading.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def decode(data: bytes) -> str:
    r"""Return `data` as text; bytes that are not UTF-8 become `\\xNN`."""
    return data.decode("utf-8", "backslashreplace")


def clean(text: str) -> str:
    r"""Return `text` with all characters escaped that are invisible or control a terminal.

    Control, format and unassigned characters become `\xNN`, `\uNNNN` or
    `\UNNNNNNNN`; a newline becomes `\n` and a tab `\t`, so that the result is
    always a single line. `[` and `]` are not changed: widgets must not parse
    text as markup.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(char) if unicodedata.category(char) in _UNSAFE_CATEGORIES else char
        for char in text
    )


def _escaped(char: str) -> str:
    if char == "\n":
        return "\\n"
    if char == "\t":
        return "\\t"
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte that is not UTF-8, as in Python's paths and arguments
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shortened(text: str, most: int = 100) -> str:
    """Return a text that names something, cut where it is longer than anything has names."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def human_size(size: int) -> str:
    """Return a size in bytes with a unit: `504 B`, `20.0 KiB`, `1.7 MiB`."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        # What would round to 1,024.0 is written as 1.0 of the next unit.
        if value < 1023.95 or unit == "GiB":
            return f"{value:,.1f} {unit}"
    raise AssertionError  # the loop always returns


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 module`, `2 modules`, `4,474 symbols`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names with commas between; of more than `most`, three and the number of others."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3:,} more"


def natural_key(text: str) -> tuple[tuple[tuple[str, int, str], ...], str]:
    """Return a key that sorts `nbd2` before `nbd10`: digits in a name count as numbers."""
    parts = tuple(
        # Not int(), which refuses thousands of digits: a longer number is a larger one.
        (letters, len(digits.lstrip("0")), digits.lstrip("0"))
        for letters, digits in _LETTERS_AND_DIGITS.findall(text)
    )
    return parts, text
