"""Records of the kernel log, and the filter that selects some of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from kmodtui.model.filter.parse import ALL, Filter


class Severity(StrEnum):
    """The levels to show; the value is how that is written on the screen."""

    ALL = "all"
    WARNINGS = "warnings and worse"
    ERRORS = "errors and worse"

    @property
    def next(self) -> Severity:
        """The next choice; the first one follows the last."""
        severities = list(Severity)
        return severities[(severities.index(self) + 1) % len(severities)]

    @property
    def mildest(self) -> int:
        """The highest level number, that is the least severe level, to show."""
        return {Severity.ALL: 7, Severity.WARNINGS: 4, Severity.ERRORS: 3}[self]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A filter for records; a record has to match all of it.

    Attributes:
        filter: the filter that was typed, see `model.filter`.
        severity: the levels to show.
        module: a module name that the text has to mention; empty for any.
    """

    filter: Filter = ALL
    severity: Severity = Severity.ALL
    module: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it matches every record."""
        return self == LogQuery()

    @property
    def text(self) -> str:
        """The filter as it was typed."""
        return self.filter.text

    def takes(self, level: int, text: str) -> bool:
        """Return whether severity and module of a record match; the filter is another question."""
        return level <= self.severity.mildest and (
            not self.module or names_module(text, self.module)
        )

    @property
    def words(self) -> str:
        """The filter in words: `errors and worse, mentions btrfs, matches “x”`."""
        asked = []
        if self.severity is not Severity.ALL:
            asked.append(str(self.severity))
        if self.module:
            asked.append(f"mentions {self.module}")
        if self.text:
            asked.append(f"matches “{self.text}”")
        return ", ".join(asked)


def names_module(text: str, module: str) -> bool:
    """Return whether a text contains the name of a module as a separate word.

    Messages spell it in different ways: `Btrfs loaded`, `snd-hda-intel 0000:00:1b.0`.
    """
    return _name_pattern(module).search(text) is not None


@lru_cache(maxsize=8)
def _name_pattern(module: str) -> re.Pattern[str]:
    name = "[-_]".join(re.escape(part) for part in re.split("[-_]", module))
    return re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE)
