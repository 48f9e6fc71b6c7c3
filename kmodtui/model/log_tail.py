"""The newest part of the kernel's log: bounded, each record once, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kmodtui.model.kernel_log import Record
from kmodtui.model.text import clean, counted

KEPT = 10_000
"""Records that are kept at least; the oldest are let go beyond."""

_SLACK = 4  # a quarter more before some are let go: not at every record


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, or words of kmodtui's that stand between records.

    Attributes:
        number: grows from entry to entry.
        text: safe to be shown.
        record: the record; None for words of kmodtui's.
    """

    number: int
    text: str
    record: Record | None = None


class LogTail:
    """Takes records as they come, and keeps the newest.

    Attributes:
        entries: what is kept, the oldest first; not to be changed.
        let_go: how many records were taken and are not kept any more.
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
        """The number of the newest entry; 0 before the first."""
        return self._numbers

    @property
    def head_words(self) -> str:
        """What is to be said above the oldest entry; empty where nothing was let go."""
        if not self.let_go:
            return ""
        return f"{counted(self.let_go, 'older record')} let go: only the newest are kept here."

    def take(self, records: Iterable[Record]) -> tuple[list[Entry], bool]:
        """Take records in their order; those that were taken before are passed over.

        Returns:
            The new entries, and whether older ones were let go.
        """
        added: list[Entry] = []
        for record in records:
            if self._seq is not None and record.seq <= self._seq:
                continue
            if self._seq is not None and (lost := record.seq - self._seq - 1):
                added.append(Entry(self._next(), _lost_words(lost)))
            self._seq = record.seq
            added.append(Entry(self._next(), clean(record.text), record))
        self.entries += added
        return added, self._let_go()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _let_go(self) -> bool:
        over = len(self.entries) - self._kept
        if over <= self._kept // _SLACK:
            return False
        self.let_go += sum(entry.record is not None for entry in self.entries[:over])
        del self.entries[:over]
        return True


def _lost_words(lost: int) -> str:
    # The kernel numbers every record: what is missing was overwritten (EPIPE).
    cause = "the kernel's log has gone round before it was read to its end"
    return f"{counted(lost, 'record')} lost here: {cause}."
