"""Names that a mistyped one may stand for: one measure and one question for all of kmodtui."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

_MAX_TEXT = 100
"""Characters that are compared; no name has as many."""


def did_you_mean(names: Sequence[str]) -> str:
    """Return `Did you mean a, b or c?`; empty if there are no names."""
    return f"Did you mean {either(names)}?" if names else ""


def either(names: Sequence[str]) -> str:
    """Return names as alternatives: `a, b or c`. There has to be one."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def near(text: str, names: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Return the names with the fewest typing errors between them and a text.

    Args:
        text: what was typed.
        names: the names there are; capitals do not count, and `-` and `_` are the same.
        most: names to return at most.

    Returns:
        None where all names need more than one error for 1 to 3 characters, two for 4 to
        8, three for more.
    """
    typed = _folded(text[:_MAX_TEXT])
    allowed = 1 if len(typed) < 4 else 2 if len(typed) < 9 else 3
    letters = _letters(typed)
    found = []
    for original in names:
        if abs(len(original) - len(typed)) > allowed:
            continue
        name = _folded(original)
        # A letter that only one of them has takes an error; a wrong letter accounts for two.
        if (_letters(name) ^ letters).bit_count() > 2 * allowed:
            continue
        errors = distance(typed, name, allowed)
        if errors <= allowed:
            other_start = name[:1] != typed[:1]
            found.append((errors, other_start, abs(len(name) - len(typed)), name, original))
    found.sort()
    return tuple(row[-1] for row in found[:most] if row[0] == found[0][0])


def distance(one: str, other: str, most: int) -> int:
    """Return how many typing errors lie between two words; `most` + 1 if there are more.

    An error is a letter too many, a missing one, a wrong one, or two in the wrong order
    (optimal string alignment distance).
    """
    before: Sequence[int] = ()
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        above, row = row, [i + 1]
        for j, wanted in enumerate(other):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (letter != wanted))
            if before and j and letter == other[j - 1] and one[i - 1] == wanted:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        if min(row) > most and min(above) > most:
            return most + 1
        before = above
    return min(row[-1], most + 1)


def _folded(text: str) -> str:
    return text.lower().replace("-", "_")


@lru_cache(maxsize=128)
def _bit(letter: str) -> int:
    # One each for letters and digits; all other characters share one.
    place = "abcdefghijklmnopqrstuvwxyz0123456789_".find(letter)
    return 1 << (place if place >= 0 else 37)


def _letters(name: str) -> int:
    """Return the set of a name's letters as bits."""
    bits = 0
    for letter in set(name):
        bits |= _bit(letter)
    return bits
