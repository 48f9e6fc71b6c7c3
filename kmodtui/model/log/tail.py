"""The newest records of the kernel log: a bounded number, each once, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kmodtui.model.log.record import LogRecord
from kmodtui.model.text import clean, counted

KEPT = 10_000
"""At least so many of the newest records are kept; older ones are dropped."""

_SLACK = 4  # drop only once there is a quarter too many, not at every record


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, or a note of kmodtui between records.

    Attributes:
        number: increases by 1 from entry to entry.
        text: its text, safe to show.
        record: the record; None for a note.
    """

    number: int
    text: str
    record: LogRecord | None = None


class LogTail:
    """Collects records and keeps the newest.

    Attributes:
        entries: the entries that are kept, oldest first; must not be modified by others.
        let_go: number of records that have been dropped.
    """

    def __init__(self, kept: int = KEPT) -> None:
        """Keep at least `kept` records."""
        self.entries: list[Entry] = []
        self.let_go = 0
        self._kept = kept
        self._seq: int | None = None
        self._numbers = 0

    @property
    def last_number(self) -> int:
        """Number of the newest entry; 0 if there was none yet."""
        return self._numbers

    @property
    def head_words(self) -> str:
        """The note above the oldest entry; empty if nothing was dropped."""
        if not self.let_go:
            return ""
        return f"{counted(self.let_go, 'older message')} dropped: only the newest are kept."

    def take(self, records: Iterable[LogRecord]) -> tuple[list[Entry], bool]:
        """Add records, given in order; those that were added before are skipped.

        Returns:
            The new entries, and whether older ones were dropped.
        """
        added: list[Entry] = []
        for record in records:
            if self._seq is not None and record.seq <= self._seq:
                continue
            if self._seq is not None and (lost := record.seq - self._seq - 1):
                added.append(Entry(self._next(), _lost_note(lost)))
            self._seq = record.seq
            added.append(Entry(self._next(), clean(record.text), record))
        self.entries += added
        return added, self._drop()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _drop(self) -> bool:
        over = len(self.entries) - self._kept
        if over <= self._kept // _SLACK:
            return False
        self.let_go += sum(entry.record is not None for entry in self.entries[:over])
        del self.entries[:over]
        return True


def _lost_note(lost: int) -> str:
    # The kernel numbers every record: missing ones were overwritten before they were read (EPIPE).
    return f"{counted(lost, 'message')} lost: overwritten in the log buffer before being read."
