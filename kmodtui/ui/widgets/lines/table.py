"""A list of rows about modules, each with a line of explanation below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, OwnFormat, Value
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import Filter
from kmodtui.model.filter.terms import Source
from kmodtui.model.filter.terms import Value as FieldValue
from kmodtui.model.text import clean
from kmodtui.services.filtering import select
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.view import Line, LineView, Part, fit, wrapped

_INDENT = 4


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row.

    Attributes:
        module: the module that a command on this row acts on; empty for none.
        mark: a word in the first column, and its style.
        text: what the row is about.
        details: an explanation, shown below it.
        more: what follows it, each on a line of its own.
        group: the heading of this row and of those that follow with the same one; may be empty.
        document: the row to be copied or saved; None to make it from the others.
        about: what it is about, for the fields of filters; None for module and mark alone.
    """

    module: str
    mark: Part
    text: str
    details: str = ""
    more: tuple[str, ...] = ()
    group: str = ""
    document: DocumentRow | None = None
    about: object = None

    @property
    def whole(self) -> str:
        """All that is shown of the row, to be searched."""
        return " ".join((self.group, self.mark[0], self.text, self.details, *self.more))


class RowSource:
    """Rows for filters, with the fields of what they are about."""

    def __init__(self, about: Source[Any] | None = None) -> None:
        """Take the fields from a source of what the rows are about; by default, from the rows."""
        self._about = about
        self.kind = FilterKind.LINES if about is None else about.kind

    def text(self, item: TableRow) -> str:
        """Return all that is shown."""
        return item.whole

    def value(self, item: TableRow, field: str) -> FieldValue:
        """Return the value of a field."""
        if self._about is not None:
            return None if item.about is None else self._about.value(item.about, field)
        return item.module if field == "module" else item.mark[0].strip()


class TableLines(LineView):
    """Rows that can be filtered; sentences above them."""

    def __init__(self, id_: str, reading: str) -> None:
        """Create an empty list that shows `reading` until there are rows."""
        super().__init__(id=id_)
        self.empty_text = reading
        self.about = SubjectKind.MODULE
        """What the rows are about, for menus."""
        self._head: tuple[str, ...] = ()
        self._rows: tuple[TableRow, ...] = ()
        self.source = RowSource()
        """The fields for filters."""
        self._filter = Filter()
        self._shown: list[TableRow] = []
        self._width = 0
        self._lines: list[tuple[Line, TableRow | None]] = []
        self.own_formats: tuple[OwnFormat, ...] = ()
        """What the page can be copied and saved as, besides the usual formats."""

    def show(self, rows: Sequence[TableRow], *head: str, empty: str = "") -> None:
        """Show rows below some sentences; `empty` if there are none."""
        self._rows, self._head, self.empty_text = tuple(rows), head, empty
        try:
            self._shown = select(self._filter, self.source, self._rows)
        except KmodtuiError:  # a regular expression takes too long
            self._filter, self._shown = Filter(), list(rows)
        self._build()

    @property
    def filter_text(self) -> str:
        """The filter of the rows as it was typed."""
        return self._filter.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        chosen = filter_typed(self, text, self.source.kind)
        self._shown = select(chosen, self.source, self._rows)
        self._filter = chosen
        self._build()

    @property
    def matches(self) -> int:
        """Number of rows that are shown."""
        return len(self._shown)

    @property
    def module(self) -> str:
        """The module of the row under the cursor; empty if there is none."""
        row = self._lines[self.cursor][1] if self._lines else None
        return row.module if row is not None else ""

    def subject(self) -> Subject | None:
        """Return what the row under the cursor is about: its module, or its text."""
        row = self._lines[self.cursor][1] if self._lines else None
        if row is None:
            return None
        if self.about is SubjectKind.MODULE and not row.module:
            return Subject(SubjectKind.LINE, clean(row.text))
        name = row.module if self.about is SubjectKind.MODULE else row.text
        return Subject(self.about, clean(name), row.module)

    def document_row(self, index: int) -> DocumentRow:
        """Return the row that a line belongs to, to be copied or saved."""
        row = self._lines[index][1]
        if row is None:
            return super().document_row(index)
        return _document_row(row)

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield the sentences above the rows, then the rows."""
        yield from (DocumentRow(sentence) for sentence in self._head)
        yield from map(_document_row, self._shown)

    @property
    def shown_modules(self) -> tuple[str, ...]:
        """The modules of the rows that are shown."""
        return tuple(row.module for row in self._shown)

    def go_to(self, row: TableRow) -> None:
        """Move the cursor to a row that is shown."""
        first = next((number for number, (_, own) in enumerate(self._lines) if own == row), None)
        if first is not None:
            self.move_cursor(first)

    def _build(self) -> None:
        self._width = self.line_width
        width = max(20, self._width - _INDENT - 1)
        lines: list[tuple[Line, TableRow | None]] = [
            (((f" {text}", ""),), None)
            for sentence in self._head
            for text in wrapped(clean(sentence), width)
        ]
        if lines and self._rows:
            lines.append(((), None))
        marks = max((len(row.mark[0]) for row in self._rows), default=0)
        group = ""
        for row in self._shown:
            if row.group != group:
                group = row.group
                lines += [((), None)] if lines and lines[-1][0] else []
                lines.append((((f" {clean(group)}", "accent"),), None))
            word, style = row.mark
            first = ((f" {fit(word, marks)}  ", style), (clean(row.text), "strong"))
            lines.append((first, row))
            lines += [
                (((" " * _INDENT + text, "dim"),), row)
                for paragraph in (row.details, *row.more)
                if paragraph
                for text in wrapped(clean(paragraph), width)
            ]
        self._lines = lines
        self.lines_changed()

    # For LineView

    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  wrapped to it beforehand
        """Return a line."""
        return self._lines[index][0]

    def on_resize(self) -> None:
        """Wrap the sentences to the new width."""
        if self.line_width != self._width:
            self._build()
        super().on_resize()


def _document_row(row: TableRow) -> DocumentRow:
    if row.document is not None:
        return row.document
    explanation = " ".join(filter(None, (row.details, *row.more)))
    fields: dict[str, Value] = {
        "subject": row.text,
        "module": row.module or None,
        "state": row.mark[0] or None,
        "explanation": explanation or None,
    }
    text = "  ".join(filter(None, (row.mark[0], row.text, explanation)))
    return DocumentRow(text, fields)
