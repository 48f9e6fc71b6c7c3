"""The parts that reports are made of: for the dashboard, and as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kmodtui.model.text import clean


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence. `tone` is `good`, `bad`, `warn`, `dim`, `strong` or empty."""

    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line as it would be typed in a root shell."""

    words: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A small table; the columns listed in `right` are aligned to the right."""

    heading: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines of the kernel log."""

    lines: tuple[str, ...]


Part = Sentence | CommandLine | Rows | Quote


def text_of(parts: Iterable[Part]) -> Iterator[str]:
    """Yield parts as indented lines."""
    for part in parts:
        match part:
            case Sentence(words):
                yield f"   {clean(words)}"
            case CommandLine(words):
                yield f"   # {clean(words)}"
            case Quote(lines):
                yield from (f"   | {clean(line).rstrip()}" for line in lines)
            case Rows():
                yield from (f"     {line}".rstrip() for line in aligned(part))


def aligned(rows: Rows) -> Iterator[str]:
    """Yield the rows of a table as lines."""
    table = [tuple(map(clean, cells)) for cells in rows.cells]
    widths = [max((len(cells[n]) for cells in table), default=0) for n in range(len(rows.heading))]
    for cells in table:
        yield "  ".join(
            cell.rjust(width) if number in rows.right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
