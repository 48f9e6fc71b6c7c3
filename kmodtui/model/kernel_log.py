"""Records of the kernel log, and the filter that selects some of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
"""Names of the log levels 0 to 7, as in `dmesg --level`."""


@dataclass(frozen=True, slots=True)
class Record:
    r"""One record of the kernel log; see `Documentation/ABI/testing/dev-kmsg`.

    Attributes:
        seq: its sequence number; the kernel counts every record since boot.
        usec: microseconds since boot.
        level: 0 to 7, see `LEVELS`.
        text: its text, with all bytes but printable ASCII written as `\\xNN`.
    """

    seq: int
    usec: int
    level: int
    text: str

    @property
    def stamp(self) -> str:
        """Its time as dmesg prints it: `[   91.823344]`."""
        return f"[{self.usec // 1_000_000:5d}.{self.usec % 1_000_000:06d}]"

    @property
    def level_word(self) -> str:
        """Name of its level."""
        return LEVELS[self.level & 7]


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
        text: a part of the text, in upper or lower case; empty for any text.
        severity: the levels to show.
        module: a module name that the text has to mention; empty for any.
    """

    text: str = ""
    severity: Severity = Severity.ALL
    module: str = ""

    @property
    def asks_nothing(self) -> bool:
        """Whether it matches every record."""
        return self == LogQuery()

    def takes(self, level: int, text: str) -> bool:
        """Return whether a record of this level and text matches."""
        return (
            level <= self.severity.mildest
            and (not self.text or self.text.casefold() in text.casefold())
            and (not self.module or names_module(text, self.module))
        )

    @property
    def words(self) -> str:
        """The filter in words that follow `line`: ` that mentions btrfs and contains “x”`."""
        asked = []
        if self.module:
            asked.append(f"mentions {self.module}")
        if self.text:
            asked.append(f"contains “{self.text}”")
        words = f" that {' and '.join(asked)}" if asked else ""
        return words + (f" among {self.severity}" if self.severity is not Severity.ALL else "")


def names_module(text: str, module: str) -> bool:
    """Return whether a text contains the name of a module as a separate word.

    Messages spell it in different ways: `Btrfs loaded`, `snd-hda-intel 0000:00:1b.0`.
    """
    return _name_pattern(module).search(text) is not None


@lru_cache(maxsize=8)
def _name_pattern(module: str) -> re.Pattern[str]:
    name = "[-_]".join(re.escape(part) for part in re.split("[-_]", module))
    return re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE)
