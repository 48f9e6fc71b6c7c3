"""Help, documents, new configurations and completion have the same fields: those of the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kmodtui.model.filter.complete import complete
from kmodtui.model.filter.fields import FIELDS, FilterKind, fields_of
from kmodtui.model.filter.parse import parse_filter
from kmodtui.model.filter.reference import document_tables, option_help
from kmodtui.model.log.record import LEVELS
from kmodtui.model.timeline.event import EventKind
from kmodtui.services.config_file import config_text
from kmodtui.ui.help_rows import help_sections

DOCUMENT = Path(__file__).parents[2] / "docs" / "filters.md"


def test_the_document_has_the_tables_of_the_fields() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.split("-->\n")[1].strip() == document_tables()


@pytest.mark.parametrize("kind", FilterKind)
def test_each_example_is_a_filter_and_each_field_is_named_everywhere(kind: FilterKind) -> None:
    config = config_text(())
    in_help = {row.name for each in help_sections(()) for row in each.rows}
    for field in fields_of(kind).values():
        assert parse_filter(field.example, kind).terms
        assert field.example in in_help
        assert field.name in config
        assert field.name in option_help(kind)
        assert f"{field.name}:" in complete(field.name, kind).proposals


def test_the_words_of_fields_are_those_of_what_they_are_about() -> None:
    choices = {field.name: field.choices for field in FIELDS if field.choices}
    assert choices["level"] == LEVELS
    assert set(choices["kind"]) == {kind.value for kind in EventKind}


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    head, mark, _ = text.partition("-->\n")
    DOCUMENT.write_text(f"{head}{mark}{document_tables()}\n", encoding="utf-8")
    sys.stdout.write(document_tables())
