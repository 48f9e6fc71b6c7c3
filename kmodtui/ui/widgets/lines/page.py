"""The lines of a page about a module: sections, statements, and the evidence for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kmodtui.model.about.page import Page, Section, Statement, shows_links
from kmodtui.ui.widgets.lines.view import LINK, Line, Part, wrapped

_BULLET = " · "
_INDENT = "   "
_EVIDENCE = "     "
_MIN_WIDTH = 8


@dataclass(frozen=True, slots=True)
class InfoRow:
    """A line; `field` is what Enter expands or collapses on it."""

    parts: Line
    field: str = ""


def page_rows(page: Page, expanded: set[str], width: int, *, evidence: bool) -> list[InfoRow]:
    """Return the lines of a page.

    Args:
        page: the page.
        expanded: fields of the statements whose evidence is shown, or not shown, after Enter.
        width: cells of a line.
        evidence: whether the evidence is shown before Enter is pressed.
    """
    head = ", ".join(filter(None, (page.category, page.status)))
    rows = [InfoRow(((f" {page.name}", "accent"), (f"  {head}", "dim")))]
    for text, style in ((page.description, "strong"), (page.problem, "warn")):
        rows += _text(text, width, " ", style) if text else []
    for section in page.sections:
        rows += _section(section, expanded, width, evidence=evidence)
    return rows


def _section(
    section: Section, expanded: set[str], width: int, *, evidence: bool
) -> Iterator[InfoRow]:
    yield InfoRow(((f" {section.title}", "accent"),))
    for number, statement in enumerate(section.statements):
        field = f"{section.key} {number}"
        yield from _statement(statement, field, width)
        if evidence != (field in expanded):
            for line in statement.evidence:
                yield from _text(line, width, _EVIDENCE, "dim", field)


def _statement(statement: Statement, field: str, width: int) -> Iterator[InfoRow]:
    if statement.link:
        if shows_links(os.environ.get("TERM", "")):
            style = f"{LINK}{statement.link}"
            yield InfoRow(((_BULLET, "dim"), (statement.text, style)), field)
            return
        statement = replace(statement, text=f"{statement.text}: {statement.link}")
    rows = _text(statement.text, width, _INDENT, "", field)
    if statement.possible:
        rows = _text(f"possible: {statement.text}", width, _INDENT, "", field)
    for number, row in enumerate(rows):
        if number:
            yield row
            continue
        text = row.parts[-1][0]
        parts: list[Part] = [(_BULLET, "dim"), (text, "")]
        if statement.possible:
            parts[1:] = [("possible:", "warn"), (text.removeprefix("possible:"), "")]
        yield InfoRow(tuple(parts), field)


def _text(text: str, width: int, indent: str, style: str, field: str = "") -> list[InfoRow]:
    room = max(_MIN_WIDTH, width - len(indent))
    return [
        InfoRow(((indent, ""), (piece[start : start + room], style)), field)
        for piece in wrapped(text, room)
        for start in range(0, max(1, len(piece)), room)
    ]
