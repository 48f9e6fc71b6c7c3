"""The parts of a report as rich text, for the pages of the experiment and of a watched file."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kmodtui.model.parts import CommandLine, Part, Quote, Rows, Sentence
from kmodtui.model.text import clean

_TONES = {"good": "success", "bad": "error", "warn": "warning", "dim": "dim", "strong": "strong"}

_MIN_WIDTH = 20  # cells: no column but the last gets narrower than this

Colour = Callable[[str], str]
"""Returns the rich style of a colour of the theme."""


def sentence(words: str, style: str, colour: Colour) -> Text:
    """Return words in the style of a colour; in none if `style` is empty."""
    return Text(clean(words), colour(style) if style else "")


def drawn_part(part: Part, colour: Colour) -> RenderableType:
    """Return a part of a report as it is drawn."""
    match part:
        case Sentence(words, tone):
            return sentence(words, _TONES.get(tone, ""), colour)
        case CommandLine(words):
            return Text.assemble(("# ", colour("dim")), (clean(words), colour("accent")))
        case Quote(lines):
            quoted = [Text.assemble(("│ ", colour("rule")), clean(x)) for x in lines]
            for line in quoted:
                line.stylize(colour("dim"), 2)
            return Group(*quoted)
        case Rows():
            return _rows(part, colour)


def _rows(rows: Rows, colour: Colour) -> Table:
    """Return a table without borders whose last column wraps."""
    table = Table.grid(padding=(0, 2, 0, 0))
    last = len(rows.heading) - 1
    for number in range(len(rows.heading)):
        table.add_column(
            justify="right" if number in rows.right else "left",
            no_wrap=number != last,
            max_width=None if number == last else max(_MIN_WIDTH, _longest(rows, number)),
            overflow="fold" if number == last else "ellipsis",
        )
    for cells in rows.cells:
        styles = ["strong"] + ["success" if n in rows.right else "dim" for n in range(1, 9)]
        styles[0] = "accent" if len(cells) == 2 and rows.heading[0] != "what" else "strong"
        texts = [sentence(c, style, colour) for c, style in zip(cells, styles, strict=False)]
        if len(cells) == 2:
            texts[1] = sentence(cells[1], "", colour)
        table.add_row(*texts)
    return table


def _longest(rows: Rows, column: int) -> int:
    return max((cell_len(clean(cells[column])) for cells in rows.cells), default=0)
