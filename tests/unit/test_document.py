"""Pages and lines as text, JSON and Markdown."""

from __future__ import annotations

import json

import pytest

from kmodtui.model.document import DocumentRow, Format, row_written, written
from kmodtui.ui.clipboard import MOST, why_no_clipboard
from kmodtui.ui.copy_flow import copy_choices
from kmodtui.ui.terminal.capabilities import Capabilities
from kmodtui.ui.terminal.output import TerminalOutput

EXT4 = DocumentRow("  ext4  960.0 KiB  ", {"name": "ext4", "size": 983040, "holders": ("a", "b")})
CRC16 = DocumentRow("  crc16  16.0 KiB", {"name": "crc16", "size": 16384, "holders": ()})
EVIL = DocumentRow("\x1b]52;c;eA==\x07", {"name": "\x1b[2J\n| `x` |", "size": None})


def test_text_has_the_lines_as_they_are_shown() -> None:
    assert (
        written(Format.TEXT, "Modules", [EXT4, CRC16]) == "  ext4  960.0 KiB\n  crc16  16.0 KiB\n"
    )


def test_json_has_typed_fields_and_a_schema() -> None:
    page = json.loads(written(Format.JSON, "Modules", [EXT4, DocumentRow("a note")]))
    assert list(page) == ["schema", "title", "rows"]
    assert page["rows"] == [
        {"name": "ext4", "size": 983040, "holders": ["a", "b"]},
        {"text": "a note"},
    ]


def test_markdown_has_sentences_and_a_table() -> None:
    text = written(Format.MARKDOWN, "Modules", [DocumentRow("2 modules."), EXT4, CRC16])
    assert text == (
        "# Modules\n\n2 modules.\n\n| name | size | holders |\n| --- | --- | --- |\n"
        "| ext4 | 983040 | a, b |\n| crc16 | 16384 |  |\n"
    )


def test_markdown_without_columns_is_a_block_that_its_text_cannot_end() -> None:
    text = written(Format.MARKDOWN, "Log", [DocumentRow("```"), DocumentRow("x")])
    assert text == "# Log\n\n````text\n```\nx\n````\n"


@pytest.mark.parametrize("format_", Format)
def test_no_format_has_an_escape_sequence_of_the_kernels_text(format_: Format) -> None:
    for text in (written(format_, "\x1b[0m", [EVIL]), row_written(format_, EVIL)):
        assert "\x1b" not in text
        assert "\x07" not in text
        if format_ is Format.JSON:
            assert "\x1b" not in str(json.loads(text))


def test_a_field_cannot_end_its_cell() -> None:
    cell = written(Format.MARKDOWN, "x", [EVIL]).splitlines()[-1]
    assert cell == r"| \\x1b\[2J\\n\| \`x\` \| |  |"


def test_the_name_comes_first_then_the_other_fields_the_line_and_the_page() -> None:
    choices = copy_choices(EXT4)
    assert [(c.label, c.text) for c in choices][:4] == [
        ("name", "ext4"),
        ("size", "983040"),
        ("holders", "a, b"),
        ("line", "  ext4  960.0 KiB"),
    ]
    assert [c.label for c in choices if c.text is None] == [
        "page as text",
        "page as JSON",
        "page as Markdown",
    ]
    assert len(copy_choices(None)) == 3


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "screen-256color", "TMUX": "/tmp/x"}, ""),
        ({"TERM": "screen"}, "GNU screen"),
        ({"TERM": "linux"}, "linux"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7200"}, "does not let programs"),
    ],
)
def test_which_terminals_have_no_clipboard(environment: dict[str, str], words: str) -> None:
    reason = why_no_clipboard(environment, 10)
    assert words in reason
    assert bool(words) == bool(reason)
    assert why_no_clipboard(environment, MOST + 1)


def test_the_sequence_passes_the_driver_but_not_to_a_simple_terminal() -> None:
    sequence = "\x1b]52;c;aGVsbG8=\x07"
    assert TerminalOutput(Capabilities()).write(sequence) == sequence
    assert TerminalOutput(Capabilities(answers=False)).write(sequence) == ""
