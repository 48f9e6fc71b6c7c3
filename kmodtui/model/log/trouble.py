"""Oopses and warnings in the kernel log: their header, and the place in a module.

Formats: `__warn` in kernel/panic.c, `report_bug` in lib/bug.c, `show_regs` of each architecture
(`RIP:` on x86, `pc :` on arm64, `epc :` on RISC-V), `%pS` in lib/vsprintf.c for places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from kmodtui.model.log.record import LogRecord
from kmodtui.model.text import clean

MAX_RECORD = 1024
"""Characters of a record that are searched."""


class TroubleKind(StrEnum):
    """What the kernel reported."""

    WARNING = "warning"
    """The code continues: WARN_ON and its kind."""

    OOPS = "oops"
    """The process was killed in the middle of it; what it held is never released."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address as the kernel logs it: `hello_write+0x10/0x30 [hello]`.

    Attributes:
        symbol: the function.
        offset: bytes after its start.
        module: of the function; empty for the kernel itself.
        source: the file and line that the kernel logged; empty if it did not.
    """

    symbol: str
    offset: int
    module: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.symbol}+0x{self.offset:x}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An oops or a warning.

    Attributes:
        kind: which.
        header: the first lines, as they were logged.
        places: where it happened, then the callers that the kernel listed as reliable.
    """

    kind: TroubleKind
    header: tuple[str, ...]
    places: tuple[Place, ...] = ()

    def place_in(self, module: str) -> Place | None:
        """Return the innermost place in a module; None if the module is not involved."""
        return next((place for place in self.places if place.module == module), None)

    def concerns(self, module: str) -> bool:
        """Return whether a module is to blame, or the kernel cannot be relied on any more."""
        return self.kind is TroubleKind.OOPS or self.place_in(module) is not None


_PLACE = re.compile(
    r"(?<![\w.$])(?P<symbol>[A-Za-z_$.][\w.$]*)\+0x(?P<offset>[0-9a-f]+)/0x[0-9a-f]+"
    r"(?: \[(?P<module>[\w-]+)[^\]]*\])?"
)
_SOURCE = re.compile(r"(?:at |BUG at )(?P<source>\S+:\d+)[ !]")
_HEADERS = (
    (re.compile(r"^WARNING: .*\bat \S"), TroubleKind.WARNING),
    (re.compile(r"^(?:kernel )?BUG at \S+:\d+!|^BUG: (?:kernel|unable|stack|scheduling)"),
     TroubleKind.OOPS),
    (re.compile(r"^Unable to handle kernel|^general protection fault|^Internal error: "),
     TroubleKind.OOPS),
    (re.compile(r"^(?:invalid opcode|divide error|int3|stack segment): |^Oops[ :]|^UBSAN: "),
     TroubleKind.OOPS),
)  # fmt: skip
_END = re.compile(r"^---\[ end trace")
_AT = re.compile(r"^(?:RIP:|EIP:|pc : |epc : |NIP \[|PC is at )")
_MOST_HEADER = 4
_MOST_PLACES = 32


class TroubleReader:
    """Finds oopses and warnings in the records of the log, in the order they arrive."""

    def __init__(self) -> None:
        self._open: Trouble | None = None
        self._in_header = False

    @property
    def is_open(self) -> bool:
        """Whether the beginning of a report has arrived, but not its end."""
        return self._open is not None

    def take(self, records: Iterable[LogRecord]) -> list[Trouble]:
        """Return what these records complete."""
        found: list[Trouble] = []
        for record in records:
            found += self._line(clean(record.text[:MAX_RECORD]))
        return found

    def end(self) -> list[Trouble]:
        """Return the report that has begun, as far as it has arrived."""
        trouble, self._open = self._open, None
        return [trouble] if trouble is not None else []

    def _line(self, text: str) -> list[Trouble]:
        kind = next((kind for pattern, kind in _HEADERS if pattern.search(text)), None)
        if kind is not None and (self._open is None or not self._in_header):
            before = self.end()
            self._open = Trouble(kind, (text,), _places(text))
            self._in_header = True
            return before
        if self._open is None:
            return []
        if _END.search(text):
            return self.end()
        if kind is not None and len(self._open.header) < _MOST_HEADER:
            self._open = replace(self._open, header=(*self._open.header, text))
        if _AT.search(text) or text.lstrip().startswith("Call Trace") or text.startswith("Modules"):
            self._in_header = False
        if "? " not in text and len(self._open.places) < _MOST_PLACES:
            self._open = replace(self._open, places=_merged(self._open.places, _places(text)))
        return []


def _places(text: str) -> tuple[Place, ...]:
    found = _PLACE.search(text)
    if found is None:
        return ()
    source = _SOURCE.search(text)
    return (
        Place(
            found["symbol"],
            int(found["offset"], 16),
            found["module"] or "",
            source["source"] if source else "",
        ),
    )


def _merged(places: tuple[Place, ...], more: tuple[Place, ...]) -> tuple[Place, ...]:
    known = {(place.symbol, place.offset, place.module) for place in places}
    return (*places, *(p for p in more if (p.symbol, p.offset, p.module) not in known))
