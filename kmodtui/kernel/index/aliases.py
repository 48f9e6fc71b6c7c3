"""Module aliases, and which of them match a string.

An alias is an fnmatch(3) pattern: `pci:v00008086d*bc03sc*i*`, `fs-btrfs`,
`block-major-7-*`. There are about 25,000, so they are indexed by the part before the
first wildcard, which only a few of them share with a given string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar

_WILDCARD = re.compile(r"[*?\[\\]")
# A `]` that comes first in a bracket expression is a member of it.
_SET_MEMBERS = re.compile(r"((?:\\.|[^\\])(?:\\.|[^\\\]])*)\]", re.DOTALL)
_SET_RANGE = re.compile(r"(\\.|.)(?:-(\\.|[^\\]))?", re.DOTALL)
_OTHER_THAN_STAR = re.compile(r"[?\[\\]")

_Token: TypeAlias = str | re.Pattern[str] | None  # a character, one of several, or None for `*`
_ANY = re.compile(".", re.DOTALL)
_Value = TypeVar("_Value")

MAX_ALIAS = 4096
"""kmod looks up no name or alias with so many characters (PATH_MAX)."""


def lookup_form(text: str) -> str | None:
    """Return a name or an alias in the form that is looked up; None if kmod would not look it up.

    See `normalised`.
    """
    return normalised(text) if len(text) < MAX_ALIAS else None


def normalised(alias: str) -> str | None:
    """Return an alias with `_` for every `-` outside brackets; None if brackets are unmatched.

    Source: `alias_normalize` in kmod.
    """
    if "[" not in alias and "]" not in alias:
        return alias.replace("-", "_")
    parts = []
    position = 0
    while (opening := alias.find("[", position)) >= 0:
        closing = alias.find("]", position)
        if closing < opening:
            return None
        parts.append(alias[position:opening].replace("-", "_"))
        parts.append(alias[opening : closing + 1])
        position = closing + 1
    rest = alias[position:]
    return None if "]" in rest else "".join(parts) + rest.replace("-", "_")


def has_wildcard(alias: str) -> bool:
    """Return whether an alias contains wildcards."""
    return _WILDCARD.search(alias) is not None


class PatternIndex(Generic[_Value]):
    """Values by pattern, in the order in which they were given."""

    def __init__(self, rows: Iterable[tuple[str, _Value]]) -> None:
        """Index pairs of a normalised pattern and a value."""
        self._values: list[_Value] = []
        self._by_start: dict[str, list[tuple[int, str, str]]] = {}
        for number, (pattern, value) in enumerate(rows):
            self._values.append(value)
            wildcard = _WILDCARD.search(pattern)
            start = pattern[: wildcard.start()] if wildcard else pattern
            row = (number, pattern, _literal(pattern))
            self._by_start.setdefault(start, []).append(row)
        # Only these lengths are tried: the text can be much longer than any pattern.
        self._lengths = sorted({len(start) for start in self._by_start})

    def matching(self, text: str) -> list[_Value]:
        """Return the values whose patterns match a text."""
        found = []
        for length in self._lengths:
            if length > len(text):
                break
            for number, pattern, literal in self._by_start.get(text[:length], ()):
                # Thousands of patterns begin with `of:N*`: most are ruled out without matching.
                if literal in text and matches(pattern, text):
                    found.append(number)
        return [self._values[number] for number in sorted(found)]


def _literal(pattern: str) -> str:
    """Return the longest text that everything that matches a pattern contains."""
    if _OTHER_THAN_STAR.search(pattern):
        return ""
    return max(pattern.split("*"), key=len)


class AliasIndex:
    """The aliases of many modules, in the order of their lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Index lines of the form `alias PATTERN MODULE`; skip all others."""
        self._modules = PatternIndex(_aliases(lines))

    def matching(self, alias: str) -> tuple[str, ...]:
        """Return the modules whose patterns match `alias`, each module once."""
        return tuple(dict.fromkeys(self._modules.matching(alias)))


def _aliases(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.startswith("alias "):
            continue
        raw, _, module = line[6:].rpartition(" ")
        pattern = normalised(raw) if "-" in raw or "]" in raw else raw
        if pattern:
            yield pattern, module


def matches(pattern: str, text: str) -> bool:
    r"""Return whether an fnmatch(3) pattern matches: `*`, `?`, `[…]`, and `\` to escape.

    Args:
        pattern: from an index.
        text: the string to look up.
    """
    if _OTHER_THAN_STAR.search(pattern):
        return _tokens_match(_tokens(pattern), text)
    # Nearly all patterns have no wildcard but `*`.
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


def _tokens_match(tokens: tuple[_Token, ...], text: str) -> bool:
    """Return whether the tokens match, in at most tokens × characters steps."""
    # A regular expression would try every combination of lengths of the stars, so that a
    # single line of configuration could hang the program. It is enough to extend the last star.
    at = position = 0
    after_star = resumed = 0
    while position < len(text):
        token = tokens[at] if at < len(tokens) else ""
        if token is None:
            at += 1
            after_star, resumed = at, position
        elif token == text[position] or (
            isinstance(token, re.Pattern) and token.fullmatch(text[position])
        ):
            at += 1
            position += 1
        elif after_star:
            resumed += 1
            at, position = after_star, resumed
        else:
            return False
    return all(token is None for token in tokens[at:])


@lru_cache(maxsize=1024)
def _tokens(pattern: str) -> tuple[_Token, ...]:
    """Split a pattern into stars and tokens that match one character each."""
    tokens: list[_Token] = []
    position = 0
    closing_possible = True
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            tokens.append(None)
        elif char == "?":
            tokens.append(_ANY)
        elif char == "[" and closing_possible and (found := _set(pattern, position)):
            members, position = found
            tokens.append(re.compile(members, re.DOTALL))
        else:
            # After a `[` without its `]` there is no other `]`, so search the rest only once.
            closing_possible = closing_possible and char != "["
            if char == "\\" and position < len(pattern):
                char = pattern[position]
                position += 1
            tokens.append(char)
    return tuple(tokens)


def _set(pattern: str, position: int) -> tuple[str, int] | None:
    """Return the bracket expression after `[`, as a regular expression, and the position after it.

    None if it has no closing bracket.
    """
    negated = pattern[position : position + 1] in ("!", "^")
    members = _SET_MEMBERS.match(pattern, position + negated)
    if members is None:
        return None
    ranges = ""
    for low, high in _SET_RANGE.findall(members[1]):
        first, last = low[-1], (high or low)[-1]
        if first <= last:  # a reversed range is empty
            ranges += f"{re.escape(first)}-{re.escape(last)}"
    if not ranges:
        return "." if negated else "(?!)", members.end()
    return f"[{'^' if negated else ''}{ranges}]", members.end()


def example(pattern: str) -> str:
    """Return a text that an fnmatch(3) pattern matches, without wildcards if possible."""
    text = []
    for token in _tokens(pattern):
        if token is None:
            continue
        if isinstance(token, str):
            text.append(token)
        else:
            text.append(next((c for c in _TRIED if token.fullmatch(c)), ""))
    return "".join(text)


_TRIED = "0aA1_bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ23456789 -"
"""Characters that `example` tries for a `?` or a bracket expression."""
