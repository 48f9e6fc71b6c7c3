"""Search for modules by what a person remembers of them: a part of a name, an alias, a word.

All functions are pure. A few thousand modules are searched within a few
milliseconds: once for every key that is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from kmodtui.model.catalog_entry import CatalogEntry

_MAX_QUERY = 100
"""Characters that are looked at; no name has as many."""

_SPAN = 2
"""How many times its own length letters may be strewn over and still be a match."""

_MAX_SAME = 8
"""Modules at the most whose names differ in capitals alone."""

_NOT_WORD = re.compile(r"\W+")


class Rank(IntEnum):
    """How a module was found, best first."""

    NAME = 0
    ALIAS = 1
    PREFIX = 2
    WORD = 3
    SUBSTRING = 4
    ALIAS_PART = 5
    SUBSEQUENCE = 6
    DESCRIPTION = 7


class Hit(NamedTuple):
    """A module that was found.

    Attributes:
        place: among the entries of the haystack.
        rank: how it was found; of several words the one that was found worst.
    """

    place: int
    rank: Rank


class Haystack:
    """Modules made ready to be searched.

    Attributes:
        entries: the modules, sorted by name.
    """

    def __init__(self, entries: Iterable[CatalogEntry]) -> None:
        self.entries: tuple[CatalogEntry, ...] = tuple(sorted(entries, key=lambda e: e.name))
        self._names = [folded(entry.name) for entry in self.entries]
        self._aliases = [
            (index, f"\n{folded(chr(10).join(entry.aliases))}\n")
            for index, entry in enumerate(self.entries)
            if entry.aliases
        ]
        self._descriptions = [_words(entry.description) for entry in self.entries]
        self._letters = [_letters(name) for name in self._names]
        self._places = [0] * len(self.entries)
        by_length = sorted(range(len(self.entries)), key=lambda i: (len(self._names[i]), i))
        for place, index in enumerate(by_length):
            self._places[index] = place

    def search(self, query: str) -> list[Hit]:
        """Return the modules that fit all words of a query, best first; all of them if it is empty.

        Those that fit equally well stand by length of the name, then by the name.
        """
        words = folded(query[:_MAX_QUERY]).split()
        if not words:
            return [Hit(index, Rank.NAME) for index in range(len(self.entries))]
        found = self._find(words[0])
        for word in words[1:]:
            also = self._find(word)
            found = {
                index: max(rank, also[index]) for index, rank in found.items() if index in also
            }
        places, many = self._places, len(self._places)
        ordered = sorted(found, key=lambda index: found[index] * many + places[index])
        # xt_DSCP and xt_dscp are two modules: of these the one that was typed comes first.
        same = sum(found[index] is Rank.NAME for index in ordered[:_MAX_SAME])
        typed = query.strip().replace("-", "_")
        ordered[:same] = sorted(ordered[:same], key=lambda i: self.entries[i].name != typed)
        return [Hit(index, found[index]) for index in ordered]

    def near(self, text: str, most: int = 3) -> tuple[str, ...]:
        """Return the names that lie nearest to a text, up to `most`; none if none lies near."""
        needle = folded(text[:_MAX_QUERY])
        allowed = 1 if len(needle) < 4 else 2 if len(needle) < 9 else 3
        letters = _letters(needle)
        found = []
        for index, name in enumerate(self._names):
            if abs(len(name) - len(needle)) > allowed:
                continue
            # Each letter that one has and the other has not takes a change; a change
            # of one letter into another takes care of two.
            if (self._letters[index] ^ letters).bit_count() > 2 * allowed:
                continue
            changes = distance(needle, name, allowed)
            if changes <= allowed:
                other_start = name[:1] != needle[:1]
                found.append((changes, other_start, abs(len(name) - len(needle)), name, index))
        found.sort()
        return tuple(self.entries[row[-1]].name for row in found[:most] if row[0] == found[0][0])

    def _find(self, needle: str) -> dict[int, Rank]:
        """Return the places of all modules that fit one word."""
        found: dict[int, Rank] = {}
        if plain := _words(needle).rstrip():
            for index, text in enumerate(self._descriptions):
                if plain in text:
                    found[index] = Rank.DESCRIPTION
        strewn = _strewn(needle)
        longest = _SPAN * len(needle)
        for index, name in enumerate(self._names):
            if needle in name:
                found[index] = _rank_in_name(needle, name)
            elif (match := strewn.search(name)) and match.end() - match.start("run") <= longest:
                found[index] = Rank.SUBSEQUENCE
        whole = f"\n{needle}\n"
        for index, text in self._aliases:
            if needle in text:
                rank = Rank.ALIAS if whole in text else Rank.ALIAS_PART
                found[index] = min(rank, found.get(index, rank))
        return found


def marked(query: str, name: str) -> tuple[bool, ...]:
    """Return for each character of a name whether it is one of those that were searched for."""
    marks = [False] * len(name)
    text = folded(name)
    for word in folded(query[:_MAX_QUERY]).split():
        if word in text:
            start = _best_start(word, text)
            marks[start : start + len(word)] = [True] * len(word)
        elif match := _strewn(word).search(text):
            at = match.start("run")
            for letter in word:
                at = text.index(letter, at)
                marks[at] = True
                at += 1
    return tuple(marks)


def folded(text: str) -> str:
    """Return a text as it is compared: lower case, `_` for `-`, as kmod takes names."""
    return text.lower().replace("-", "_")


def distance(one: str, other: str, most: int) -> int:
    """Return how many slips of the hand lie between two words; `most` + 1 if there are more.

    A slip is a letter too many, too few, a wrong one, or two that changed places.
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


def _rank_in_name(needle: str, name: str) -> Rank:
    if name.startswith(needle):
        return Rank.NAME if len(name) == len(needle) else Rank.PREFIX
    return Rank.WORD if f"_{needle}" in name else Rank.SUBSTRING


def _best_start(word: str, text: str) -> int:
    """Return where a word stands in a name, rather where a part of the name begins."""
    if text.startswith(word):
        return 0
    at = text.find(f"_{word}")
    return at + 1 if at >= 0 else text.index(word)


@lru_cache(maxsize=64)
def _strewn(needle: str) -> re.Pattern[str]:
    """Return what finds the letters in their order, the first where a part of a name begins."""
    return re.compile(f"(?:^|_)(?P<run>{'.*?'.join(map(re.escape, needle))})")


def _words(text: str) -> str:
    """Return the words of a text, each behind a blank: ` raid6 q syndrome calculations`."""
    words = _NOT_WORD.sub(" ", text.lower()).strip()
    return f" {words}" if words else ""


@lru_cache(maxsize=128)
def _bit(letter: str) -> int:
    # One each for letters and digits; whatever else there is shares one.
    place = "abcdefghijklmnopqrstuvwxyz0123456789_".find(letter)
    return 1 << (place if place >= 0 else 37)


def _letters(name: str) -> int:
    """Return the set of a name's letters as bits."""
    bits = 0
    for letter in set(name):
        bits |= _bit(letter)
    return bits
