"""Fuzzy search for modules by part of a name, alias, or word of the description.

All functions are pure. Searching a few thousand modules takes a few
milliseconds, because it is done after every key that is typed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.category import search_words
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
    CATEGORY = 8


class Match(NamedTuple):
    """A matching module.

    Attributes:
        place: its index in the entries of the haystack.
        rank: what matched; for a query of several words, the worst of their ranks.
    """

    place: int
    rank: Rank


class _Texts:
    """One text for each module, in one string, so that one search goes through all of them.

    Attributes:
        joined: the texts, each followed by a newline.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        parts = [f"{text}\n" for text in texts]
        self.joined = "".join(parts)
        self._ends = list(accumulate(map(len, parts)))

    def containing(self, needle: str) -> Iterator[int]:
        """Yield the numbers of the texts that contain `needle`, which is within one of them."""
        at = self.joined.find(needle)
        while at >= 0:
            number = bisect_right(self._ends, at)
            yield number
            at = self.joined.find(needle, self._ends[number])

    def matching(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str]]]:
        """Yield the numbers of the texts that a pattern matches, and its first match in each."""
        match = pattern.search(self.joined)
        while match is not None:
            number = bisect_right(self._ends, match.start())
            yield number, match
            match = pattern.search(self.joined, self._ends[number])


class SearchIndex:
    """Modules, prepared for searching.

    Attributes:
        entries: the modules, sorted by name.
    """

    def __init__(self, entries: Iterable[CatalogEntry]) -> None:
        self.entries: tuple[CatalogEntry, ...] = tuple(sorted(entries, key=lambda e: e.name))
        self._names = [folded(entry.name) for entry in self.entries]
        self._all_names = _Texts(self._names)
        # Each alias has a newline on both sides; those of one module are one text.
        self._aliases = _Texts(f"\n{folded(chr(10).join(e.aliases))}" for e in self.entries)
        self._descriptions = _Texts(_words(entry.description) for entry in self.entries)
        self._categories = _Texts(_words(search_words(entry.path)) for entry in self.entries)
        self._places = [0] * len(self.entries)

        def place_of(number: int) -> tuple[bool, int, int]:
            # What is built in cannot be loaded, so it is hardly ever what is looked for.
            return self.entries[number].builtin, len(self._names[number]), number

        for place, index in enumerate(sorted(range(len(self.entries)), key=place_of)):
            self._places[index] = place

    def search(self, query: str) -> list[Match]:
        """Return the modules that match all words of a query, best first.

        Equally good matches are sorted by length of the name, then by name, and those that
        are built in are last. An empty
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
        return list(map(Match, ordered, map(found.__getitem__, ordered)))

    def near(self, text: str, most: int = 3) -> tuple[str, ...]:
        """Return the names with the smallest edit distance to a text; see `did_you_mean.near`."""
        return near(text, (entry.name for entry in self.entries), most)

    def _find(self, needle: str) -> dict[int, Rank]:
        """Return the rank of each module that matches one word, by index."""
        found: dict[int, Rank] = {}
        if plain := _words(needle).rstrip():
            found = dict.fromkeys(self._categories.containing(plain), Rank.CATEGORY)
            found |= dict.fromkeys(self._descriptions.containing(plain), Rank.DESCRIPTION)
        if len(needle) > 1:  # one letter is in a name, or it is not
            longest = _SPAN * len(needle)
            for index, match in self._all_names.matching(_subsequence(needle)):
                if match.end() - match.start() <= longest:
                    found[index] = Rank.SUBSEQUENCE
        for index in self._all_names.containing(needle):
            found[index] = _rank_in_name(needle, self._names[index])
        for index in self._aliases.containing(needle):
            found[index] = min(Rank.ALIAS_PART, found.get(index, Rank.ALIAS_PART))
        for index in self._aliases.containing(f"\n{needle}\n"):
            found[index] = min(Rank.ALIAS, found.get(index, Rank.ALIAS))
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
            at = match.start()
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
    first, *others = map(re.escape, needle)
    # The first letter comes first in the pattern: Python looks for it faster than for a start.
    return re.compile(".*?".join((f"{first}(?<![^\\n_]{first})", *others)))


def _words(text: str) -> str:
    """Return the words of a text, each preceded by a blank: ` raid6 q syndrome calculations`."""
    words = _NOT_WORD.sub(" ", text.lower()).strip()
    return f" {words}" if words else ""
