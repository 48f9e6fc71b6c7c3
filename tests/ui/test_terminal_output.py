"""The layer between Textual and the terminal: the same picture, with fewer bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from wcwidth import wcwidth

from kmodtui.ui.terminal import modes
from kmodtui.ui.terminal.capabilities import Capabilities, capabilities
from kmodtui.ui.terminal.cells import NARROW
from kmodtui.ui.terminal.output import SYNC_END, SYNC_START, TerminalOutput
from tests.support.emulator import Emulator

COLUMNS, ROWS = 40, 6

KINDS = (
    Capabilities(fills=True, erases_cells=True, repeats=True, ends_attributes=True),
    Capabilities(fills=True, erases_cells=True, ends_attributes=True),
    Capabilities(erases_cells=True, ends_attributes=True),
    Capabilities(answers=False),
)
"""Terminals such as kitty, xterm, tmux or a VT220, and a VT100."""

PIECES = (
    "a",
    "bc",
    "module",
    " ",
    "  ",
    " " * 13,
    "─" * 9,
    "│",
    "…",
    "xxxx",
    "漢",
    "e\u0301",
    "👩‍🚀",
    "ｆ",
)
STYLES = (
    "",
    "1",
    "4",
    "7",
    "2;31",
    "38;2;1;2;3;48;2;4;5;6",
    "38;2;9;9;9;48;2;4;5;6",
    "48;5;17",
    "1;9;97;44",
)

Chunk = tuple[int, int, list[tuple[str, str]]]
"""Row, column, and texts with their styles, as Textual writes them."""

segments = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(STYLES)), max_size=6)
chunks = st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1), segments)
steps = st.one_of(
    st.lists(chunks, min_size=1, max_size=8),
    st.sampled_from(["forget", "resize"]),
)


class Pair:
    """Two terminals: one gets everything, the other what the layer sends."""

    def __init__(self, kind: Capabilities = KINDS[0]) -> None:
        options = {
            "fills": kind.fills,
            "erases": kind.erases_cells,
            "repeats": kind.repeats,
        }
        self.plain = Emulator(COLUMNS, ROWS)
        self.real = Emulator(COLUMNS, ROWS, **options)
        self.output = TerminalOutput(kind)
        self.everything(" ")

    def everything(self, text: str) -> int:
        return self.paint(
            [(row, 0, [(text * self.plain.columns, "")]) for row in range(self.plain.rows)]
        )

    def paint(self, painted: Iterable[Chunk]) -> int:
        """Paint on both; return how many bytes the layer sent."""
        lines: dict[int, str] = {}
        for row, column, texts in painted:
            part = f"\x1b[{row + 1};{column + 1}H{_written(texts)}"
            lines[row] = lines.get(row, "") + part
        data = "\n".join(lines[row] for row in sorted(lines)) + "\x1b[1;1H"
        self.plain.feed(data)
        before = self.real.fed
        self.real.feed(self.output.write(data))
        self.real.feed(self.output.flush())
        return self.real.fed - before

    @property
    def are_equal(self) -> bool:
        return self.plain.picture() == self.real.picture()


def _written(texts: Iterable[tuple[str, str]]) -> str:
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for text, style in texts)


def _fitting(chunk: Chunk, columns: int, rows: int) -> Chunk:
    """Return the part of a chunk that fits on the screen, as Textual crops it."""
    row, column, texts = chunk
    row, column = row % rows, column % columns
    room = columns - column
    kept = []
    for text, style in texts:
        if (room := room - cell_len(text)) < 0:
            break
        kept.append((text, style))
    return row, column, kept


@pytest.mark.parametrize("kind", KINDS, ids=["kitty", "xterm", "tmux", "vt100"])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(steps, max_size=12))
def test_whatever_is_painted_both_terminals_show_the_same(
    kind: Capabilities, history: list[list[Chunk] | str]
) -> None:
    pair = Pair(kind)
    for step in history:
        if step == "forget":
            # Another program has written to the terminal.
            pair.real.feed("\x1b[3;7H\x1b[31mAnother program.")
            pair.output.forget()
            pair.real.feed(pair.output.flush())
        elif step == "resize":
            columns, rows = (COLUMNS, ROWS) if pair.plain.columns != COLUMNS else (23, 4)
            pair.plain.resize(columns, rows)
            pair.real.resize(columns, rows)
            pair.output.resize(columns, rows)
            pair.everything("r")
        else:
            assert isinstance(step, list)
            size = pair.plain.columns, pair.plain.rows
            pair.paint([_fitting(chunk, *size) for chunk in step])
        assert pair.are_equal
    assert pair.everything("x")
    assert pair.are_equal


def test_a_cursor_of_a_larger_screen_stays_on_a_smaller_one() -> None:
    """As of an input line, after the window became smaller."""
    pair = Pair()
    pair.output.write(f"\x1b[{ROWS};{COLUMNS}H")
    pair.real.feed(pair.output.flush())
    pair.real.resize(10, 3)
    pair.output.resize(10, 3)
    pair.real.feed(pair.output.flush())  # which fails if the cursor leaves the screen
    assert (pair.real.row, pair.real.column) == (2, 9)


def test_the_shape_of_the_pointer_is_reset_if_it_was_changed() -> None:
    """Otherwise the shell has a hand for a pointer, after a click on the footer."""
    output = TerminalOutput(Capabilities())
    assert output.resetting == ""
    output.write("\x1b]22;pointer\x07")
    assert output.resetting == "\x1b]22;default\x07"
    output.write("\x1b]22;default\x07")
    assert output.resetting == ""
    output = TerminalOutput(Capabilities(answers=False))
    output.write("\x1b]22;pointer\x07")
    assert output.resetting == ""


def test_what_changes_nothing_is_not_sent() -> None:
    pair = Pair()
    painted: list[Chunk] = [
        (row, 3, [("module", "1"), ("   ", "38;2;1;2;3")]) for row in range(ROWS)
    ]
    assert pair.paint(painted)
    assert pair.output.write(SYNC_START) == ""
    assert pair.paint(painted) == 0
    assert pair.output.write(SYNC_END) == ""
    # Nor what is painted over before it is flushed, nor another colour of a blank.
    assert pair.paint([*[(0, 3, [("other!", "")])], *painted]) == 0
    assert pair.paint([(1, 9, [("   ", "38;2;9;9;9")])]) == 0


def test_a_frame_is_synchronized_and_a_single_row_is_not() -> None:
    pair = Pair()
    sent = []
    for row_count in (2, 1):
        pair.output.write(SYNC_START)
        pair.output.write(
            "".join(f"\x1b[{row + 1};1H{row_count}\n" for row in range(row_count)).rstrip("\n")
        )
        pair.output.write(SYNC_END)
        sent.append(pair.output.flush())
    assert sent[0].startswith(SYNC_START)
    assert sent[0].endswith(SYNC_END)
    assert SYNC_START not in sent[1]


def test_two_digits_take_a_movement_and_two_bytes() -> None:
    pair = Pair()
    colour = "38;2;1;2;3;48;2;4;5;6"
    line: list[Chunk] = [(2, 0, [("loading btrfs  0:41", colour), (" " * 21, "")])]
    pair.paint(line)
    line = [(2, 0, [("loading btrfs  0:42", colour), (" " * 21, "")])]
    assert pair.paint(line) <= len("\x1b[38;2;1;2;3;48;2;4;5;6m") + len("\x1b[3;19H2")
    line = [(2, 0, [("loading btrfs  0:53", colour), (" " * 21, "")])]
    assert pair.paint(line) <= len("\b\b53")


def test_what_is_no_repaint_is_passed_on_and_what_is_unknown_is_repaired() -> None:
    pair = Pair()
    for data in ("\x07", "\x1b[?25l", "\x1b]52;c;aGVsbG8=\x07", "\x1b[?2026$p"):
        assert pair.output.write(data) == data
        assert pair.output.flush() == ""
    strange = "\x1b[2;2Hmodule\x1b[3P"
    assert pair.output.write(strange) == strange
    pair.real.feed("\x1b[2;2Hmodule")
    pair.real.feed(pair.output.flush())
    assert pair.are_equal


@pytest.mark.parametrize("term", ["linux", "vt100", "vt220", "screen", "screen-256color"])
def test_simple_terminals_are_not_asked(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    simple = capabilities()
    terminal = Emulator(COLUMNS, ROWS)
    terminal.feed(modes.setting(simple, mouse=True))
    terminal.feed(TerminalOutput(simple).write("\x1b]22;text\x07"))
    terminal.feed(modes.resetting(simple, mouse=True))
    assert terminal.questions == []


@pytest.mark.parametrize(
    ("term", "around", "is_screen"),
    [
        ("screen", {}, True),
        ("xterm-256color", {"STY": "1.test"}, True),
        ("screen", {"TMUX": "/tmp/tmux"}, False),
        ("xterm-256color", {}, False),
    ],
)
def test_gnu_screen_reports_no_mouse_and_is_erased_at_the_end(
    term: str, around: dict[str, str], is_screen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it reports the mouse, it keeps Esc; and its alternate screen is off by default."""
    monkeypatch.setenv("TERM", term)
    for name in ("STY", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    found = capabilities()
    assert ("\x1b[?1000h" in modes.setting(found, mouse=True)) is not is_screen
    assert ("\x1b[?1000l" in modes.resetting(found, mouse=True)) is not is_screen
    # The terminfo entry is that of the first type that this process has asked for.
    assert "\x1b[H\x1b[J" in modes.resetting(found, mouse=True) or not is_screen


def test_no_character_is_repeated_where_only_some_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for term in ("tmux-256color", "screen-256color", "xterm-256color", "linux"):
        monkeypatch.setenv("TERM", term)
        assert not capabilities().repeats


def test_where_there_is_no_screen_to_return_to_it_is_erased() -> None:
    pair = Pair()
    pair.everything("m")
    pair.real.feed(modes.resetting(Capabilities(), mouse=False))
    assert "m" in pair.real.text()
    pair.real.feed(modes.resetting(Capabilities(restores=False), mouse=False))
    assert not pair.real.text().strip()
    assert (pair.real.row, pair.real.column) == (0, 0)


def test_characters_that_count_as_narrow_are_narrow_to_textual_and_to_terminals() -> None:
    narrow = re.compile(f"[{NARROW}]")
    odd = [
        character
        for character in map(chr, range(0x10000))
        if narrow.match(character) and not cell_len(character) == wcwidth(character) == 1
    ]
    assert odd == []
