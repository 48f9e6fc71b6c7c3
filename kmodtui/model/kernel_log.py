"""Records of the kernel's log, and which of them a person wants to see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
"""Words of the levels 0 to 7, as `dmesg --level` has them."""


@dataclass(frozen=True, slots=True)
class Record:
    r"""One record.

    Attributes:
        seq: its number since boot; the kernel leaves none out.
        usec: microseconds since boot.
        level: 0 to 7, see `LEVELS`.
        text: as the kernel has it, with what is no printable ASCII written `\\xNN`.
    """

    seq: int
    usec: int
    level: int
    text: str

    @property
    def stamp(self) -> str:
        """When it was, as dmesg writes it: `[   91.823344]`."""
        return f"[{self.usec // 1_000_000:5d}.{self.usec % 1_000_000:06d}]"

    @property
    def level_word(self) -> str:
        """Its level in a word."""
        return LEVELS[self.level & 7]


class Severity(StrEnum):
    """Which levels are shown at all."""

    ALL = "all"
    WARNINGS = "warnings and worse"
    ERRORS = "errors and worse"

    @property
    def next(self) -> Severity:
        """The one that follows, all again after the last."""
        severities = list(Severity)
        return severities[(severities.index(self) + 1) % len(severities)]

    @property
    def mildest(self) -> int:
        """The highest level number that is shown."""
        return {Severity.ALL: 7, Severity.WARNINGS: 4, Severity.ERRORS: 3}[self]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is asked of a record; all of it has to hold.

    Attributes:
        text: what its text has to contain, in capitals or not.
        severity: how bad it has to be.
        module: the module that it has to name; empty for any record.
    """

    text: str = ""
    severity: Severity = Severity.ALL
    module: str = ""

    @property
    def asks_nothing(self) -> bool:
        """Whether every record is taken."""
        return self == LogQuery()

    def takes(self, level: int, text: str) -> bool:
        """Return whether a record is wanted."""
        return (
            level <= self.severity.mildest
            and (not self.text or self.text.casefold() in text.casefold())
            and (not self.module or names_module(text, self.module))
        )

    @property
    def words(self) -> str:
        """What is asked, to follow the word `line`: `that names btrfs and contains “x”`."""
        asked = []
        if self.module:
            asked.append(f"names {self.module}")
        if self.text:
            asked.append(f"contains “{self.text}”")
        words = f" that {' and '.join(asked)}" if asked else ""
        return words + (f" among {self.severity}" if self.severity is not Severity.ALL else "")


def names_module(text: str, module: str) -> bool:
    """Return whether a text has the name of a module as a word of its own.

    Its authors write it as they like: `Btrfs loaded`, `snd-hda-intel 0000:00:1b.0`.
    """
    return _name_pattern(module).search(text) is not None


@lru_cache(maxsize=8)
def _name_pattern(module: str) -> re.Pattern[str]:
    name = "[-_]".join(re.escape(part) for part in re.split("[-_]", module))
    return re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE)
