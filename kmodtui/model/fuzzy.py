"""Fuzzy search for modules by part of a name, alias, or word of the description.

All functions are pure. Searching a few thousand modules takes a few
milliseconds, because it is done after every key that is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import near

_MAX_QUERY = 100
"""The rest of a longer query is ignored; no module name is that long."""

_SPAN = 2
"""A subsequence match may be at most so many times as long as the query."""

_MAX_SAME = 8
"""At most so many modules have names that differ only in case."""

_NOT_WORD = re.compile(r"\W+")


class Rank(IntEnum):
    """What of a module matched, best first."""

    NAME = 0
    ALIAS = 1
    PREFIX = 2
    WORD = 3
    SUBSTRING = 4
    ALIAS_PART = 5
    SUBSEQUENCE = 6
    DESCRIPTION = 7


class Match(NamedTuple):
    """A matching module.

    Attributes:
        place: its index in the entries of the haystack.
        rank: what matched; for a query of several words, the worst of their ranks.
    """

    place: int
    rank: Rank


class SearchIndex:
    """Modules, prepared for searching.

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
        self._places = [0] * len(self.entries)
        by_length = sorted(range(len(self.entries)), key=lambda i: (len(self._names[i]), i))
        for place, index in enumerate(by_length):
            self._places[index] = place

    def search(self, query: str) -> list[Match]:
        """Return the modules that match all words of a query, best first.

        Equally good matches are sorted by length of the name, then by name. An empty
        query matches every module.
        """
        words = folded(query[:_MAX_QUERY]).split()
        if not words:
            return [Match(index, Rank.NAME) for index in range(len(self.entries))]
        found = self._find(words[0])
        for word in words[1:]:
            also = self._find(word)
            found = {
                index: max(rank, also[index]) for index, rank in found.items() if index in also
            }
        places, many = self._places, len(self._places)
        ordered = sorted(found, key=lambda index: found[index] * many + places[index])
        # xt_DSCP and xt_dscp are two modules: the spelling that was typed comes first.
        same = sum(found[index] is Rank.NAME for index in ordered[:_MAX_SAME])
        typed = query.strip().replace("-", "_")
        ordered[:same] = sorted(ordered[:same], key=lambda i: self.entries[i].name != typed)
        return [Match(index, found[index]) for index in ordered]

    def near(self, text: str, most: int = 3) -> tuple[str, ...]:
        """Return the names with the smallest edit distance to a text; see `did_you_mean.near`."""
        return near(text, (entry.name for entry in self.entries), most)

    def _find(self, needle: str) -> dict[int, Rank]:
        """Return the rank of each module that matches one word, by index."""
        found: dict[int, Rank] = {}
        if plain := _words(needle).rstrip():
            for index, text in enumerate(self._descriptions):
                if plain in text:
                    found[index] = Rank.DESCRIPTION
        subsequence = _subsequence(needle)
        longest = _SPAN * len(needle)
        for index, name in enumerate(self._names):
            if needle in name:
                found[index] = _rank_in_name(needle, name)
            elif (run := subsequence.search(name)) and run.end() - run.start("run") <= longest:
                found[index] = Rank.SUBSEQUENCE
        whole = f"\n{needle}\n"
        for index, text in self._aliases:
            if needle in text:
                rank = Rank.ALIAS if whole in text else Rank.ALIAS_PART
                found[index] = min(rank, found.get(index, rank))
        return found


def marked(query: str, name: str) -> tuple[bool, ...]:
    """Return for each character of a name whether it belongs to the match, to highlight it."""
    marks = [False] * len(name)
    text = folded(name)
    for word in folded(query[:_MAX_QUERY]).split():
        if word in text:
            start = _best_start(word, text)
            marks[start : start + len(word)] = [True] * len(word)
        elif match := _subsequence(word).search(text):
            at = match.start("run")
            for letter in word:
                at = text.index(letter, at)
                marks[at] = True
                at += 1
    return tuple(marks)


def folded(text: str) -> str:
    """Return a text in the form that is compared: lower case, and `_` for `-` as in kmod."""
    return text.lower().replace("-", "_")


def _rank_in_name(needle: str, name: str) -> Rank:
    if name.startswith(needle):
        return Rank.NAME if len(name) == len(needle) else Rank.PREFIX
    return Rank.WORD if f"_{needle}" in name else Rank.SUBSTRING


def _best_start(word: str, text: str) -> int:
    """Return the position of a word in a name, preferably one at the start of a part."""
    if text.startswith(word):
        return 0
    at = text.find(f"_{word}")
    return at + 1 if at >= 0 else text.index(word)


@lru_cache(maxsize=64)
def _subsequence(needle: str) -> re.Pattern[str]:
    """Return a pattern for the letters in order with gaps, from the start of a part of a name."""
    return re.compile(f"(?:^|_)(?P<run>{'.*?'.join(map(re.escape, needle))})")


def _words(text: str) -> str:
    """Return the words of a text, each preceded by a blank: ` raid6 q syndrome calculations`."""
    words = _NOT_WORD.sub(" ", text.lower()).strip()
    return f" {words}" if words else ""
