"""Aliases of modules, and which of them a text matches.

An alias is a pattern of fnmatch(3): `pci:v00008086d*bc03sc*i*`, `fs-btrfs`,
`block-major-7-*`. There are about 25,000 of them, so they are kept by what
stands before their first wildcard: few of them begin as a given text does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_WILDCARD = re.compile(r"[*?\[\\]")
# A `]` that comes first in a set is a member of it.
_SET_MEMBERS = re.compile(r"((?:\\.|[^\\])(?:\\.|[^\\\]])*)\]", re.DOTALL)
_SET_RANGE = re.compile(r"(\\.|.)(?:-(\\.|[^\\]))?", re.DOTALL)
_BEYOND_STAR = re.compile(r"[?\[\\]")


def normalised(alias: str) -> str | None:
    """Return an alias with `_` for every `-` outside brackets; None where brackets do not match.

    Source: `alias_normalize` in kmod.
    """
    if "[" not in alias and "]" not in alias:
        return alias.replace("-", "_")
    parts = []
    rest = alias
    while "[" in rest:
        before, _, rest = rest.partition("[")
        inside, closing, rest = rest.partition("]")
        if "]" in before or not closing:
            return None
        parts.append(f"{before.replace('-', '_')}[{inside}]")
    return None if "]" in rest else "".join(parts) + rest.replace("-", "_")


def has_wildcard(alias: str) -> bool:
    """Return whether an alias is a pattern, not a name."""
    return _WILDCARD.search(alias) is not None


class AliasIndex:
    """The aliases of many modules, in the order of their lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Take lines `alias PATTERN MODULE`; any other line is left out."""
        self._by_start: dict[str, list[tuple[int, str, str]]] = {}
        for number, line in enumerate(lines):
            if not line.startswith("alias "):
                continue
            raw, _, module = line[6:].rpartition(" ")
            pattern = normalised(raw) if "-" in raw or "]" in raw else raw
            if not pattern:
                continue
            wildcard = _WILDCARD.search(pattern)
            start = pattern[: wildcard.start()] if wildcard else pattern
            self._by_start.setdefault(start, []).append((number, pattern, module))

    def matching(self, alias: str) -> tuple[str, ...]:
        """Return the module of every pattern that matches `alias`, each module once."""
        found = [
            (number, module)
            for length in range(len(alias) + 1)
            for number, pattern, module in self._by_start.get(alias[:length], ())
            if matches(pattern, alias)
        ]
        return tuple(dict.fromkeys(module for _, module in sorted(found)))


def matches(pattern: str, text: str) -> bool:
    r"""Return whether a pattern of fnmatch(3) matches: `*`, `?`, `[…]`, and `\` before a character.

    Args:
        pattern: as an index has it.
        text: what is looked up.
    """
    if _BEYOND_STAR.search(pattern):
        return _compiled(pattern).fullmatch(text) is not None
    # Nearly all patterns have stars alone, and compiling one takes a millisecond.
    first, *between = pattern.split("*")
    if not between:
        return pattern == text
    last = between.pop()
    end = len(text) - len(last)
    position = len(first)
    if end < position or not text.startswith(first) or not text.endswith(last):
        return False
    for part in between:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression."""
    parts = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[" and (found := _set(pattern, position)):
            part, position = found
            parts.append(part)
        else:
            if char == "\\" and position < len(pattern):
                char = pattern[position]
                position += 1
            parts.append(re.escape(char))
    return re.compile("".join(parts), re.DOTALL)


def _set(pattern: str, position: int) -> tuple[str, int] | None:
    """Return the set whose inside begins at `position`, and where it ends; None if nowhere."""
    negated = pattern[position : position + 1] in ("!", "^")
    members = _SET_MEMBERS.match(pattern, position + negated)
    if members is None:
        return None
    ranges = ""
    for low, high in _SET_RANGE.findall(members[1]):
        first, last = low[-1], (high or low)[-1]
        if first <= last:  # a backward range holds nothing
            ranges += f"{re.escape(first)}-{re.escape(last)}"
    if not ranges:
        return "." if negated else "(?!)", members.end()
    return f"[{'^' if negated else ''}{ranges}]", members.end()
