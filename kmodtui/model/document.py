"""A page or a line as text, Markdown or JSON, to be copied or saved.

Text from the kernel and from files is cleaned again here: no format has control characters,
whatever a view shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kmodtui.model.text import clean

SCHEMA = 1
"""Version of the JSON."""

Value = str | int | None | tuple[str, ...]


class Format(StrEnum):
    """What a document can be written as; the value is its name for people."""

    TEXT = "text"
    JSON = "JSON"
    MARKDOWN = "Markdown"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A line of a page.

    Attributes:
        text: the line as it is shown.
        fields: its values by their names in JSON; empty for a line without columns.
    """

    text: str
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnFormat:
    """A format that only one page has.

    Attributes:
        label: its name for people.
        ending: of the names of its files, with a dot.
        write: returns the page, without control characters except newlines.
    """

    label: str
    ending: str
    write: Callable[[], str]


def written(format_: Format, title: str, rows: Sequence[DocumentRow]) -> str:
    """Return a page in a format, with a newline at the end."""
    match format_:
        case Format.TEXT:
            return "".join(f"{line_of(row)}\n" for row in rows)
        case Format.JSON:
            page = {"schema": SCHEMA, "title": clean(title), "rows": [_object(r) for r in rows]}
            return json.dumps(page, indent=2) + "\n"
        case Format.MARKDOWN:
            return f"# {_escaped(title)}\n\n{_markdown(rows)}"


def row_written(format_: Format, row: DocumentRow) -> str:
    """Return a line in a format, without a newline at the end of text and JSON."""
    match format_:
        case Format.TEXT:
            return line_of(row)
        case Format.JSON:
            return json.dumps(_object(row))
        case Format.MARKDOWN:
            return _markdown([row])


def line_of(row: DocumentRow) -> str:
    """Return the text of a line, without blanks at its end."""
    return clean(row.text).rstrip()


def value_words(value: Value) -> str:
    """Return a value as text; empty if it is unknown."""
    if isinstance(value, tuple):
        return clean(", ".join(value))
    return "" if value is None else clean(str(value))


def _object(row: DocumentRow) -> dict[str, object]:
    if not row.fields:
        return {"text": line_of(row)}
    return {name: _json_value(value) for name, value in row.fields.items()}


def _json_value(value: Value) -> object:
    if isinstance(value, tuple):
        return [clean(each) for each in value]
    return clean(value) if isinstance(value, str) else value


def _markdown(rows: Sequence[DocumentRow]) -> str:
    """Return sentences and a table of the rows with columns, else a block of lines."""
    start = next((number for number, row in enumerate(rows) if row.fields), len(rows))
    columns = [list(row.fields) for row in rows[start:]]
    if columns and all(each == columns[0] for each in columns):
        head = "".join(f"{_escaped(row.text.strip())}\n\n" for row in rows[:start])
        table = [columns[0], ["---"] * len(columns[0])]
        table += [[_escaped(value_words(v)) for v in row.fields.values()] for row in rows[start:]]
        return head + "".join(f"| {' | '.join(cells)} |\n" for cells in table)
    text = "".join(f"{line_of(row)}\n" for row in rows)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}{fence}\n"


def _escaped(text: str) -> str:
    r"""Return text that Markdown shows as it is: `snd\_hda` and not a part of it in italics."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", clean(text))
