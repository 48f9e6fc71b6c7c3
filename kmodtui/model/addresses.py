"""Finds kernel addresses in text: they reveal where the kernel is in memory and defeat KASLR."""

from __future__ import annotations

import re

REPLACEMENT = "(address)"

_WIDE = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"0x(?!0+(?![0-9A-Fa-f]))[0-9A-Fa-f]{9,16}"  # 0xffffffffc0a12000
    r"|(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{16}"  # ffffffffc0a12000, as in kallsyms and in an oops
    r")(?![0-9A-Za-z])"
)
_NARROW = re.compile(
    r"(?<![0-9A-Za-z])(?:0x[89A-Fa-f][0-9A-Fa-f]{7}|(?<=<)[89A-Fa-f][0-9A-Fa-f]{7}(?=>)"
    r"|(?<![^\s\"])[89A-Fa-f][0-9A-Fa-f]{7}(?=\s[A-Za-z]\s))(?![0-9A-Za-z])"
)


def without_addresses(text: str, *, wide: bool) -> tuple[str, int]:
    """Return a text with everything replaced that can be a kernel address, and how many were.

    Rather too much than too little: other long hexadecimal numbers are replaced as well.

    Args:
        text: the text.
        wide: whether the kernel has 64 bits; otherwise numbers of 8 digits count, too.
    """
    text, count = _WIDE.subn(REPLACEMENT, text)
    if wide:
        return text, count
    text, more = _NARROW.subn(REPLACEMENT, text)
    return text, count + more
