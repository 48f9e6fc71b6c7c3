"""MenuDialog: what can be done with the line under the cursor, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.text import clean, shortened
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.menu import MenuEntry, first_available
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.lines.dialog_lines import DialogLines
from kmodtui.ui.widgets.lines.view import Line, LineView, fit

_TITLE = 60
_FRAME = 8
"""Lines of the dialog beside its entries: frame, blank lines, explanation and keys."""


class MenuLines(DialogLines):
    """The entries: key, name, and what it does or why it cannot be used."""

    def __init__(self, entries: Sequence[MenuEntry]) -> None:
        super().__init__(id="menu-lines")
        self.entries = entries
        self.cursor = first_available(entries)
        self._keys = max((len(entry.key) for entry in entries), default=0)
        self._labels = max((len(entry.command.label) for entry in entries), default=0)

    def line_count(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def line(self, index: int, width: int) -> Line:
        """Return the line of an entry."""
        entry = self.entries[index]
        key, label = fit(entry.key, self._keys), fit(entry.command.label, self._labels)
        free = width - self._keys - self._labels - 5
        words = fit(clean(entry.words), max(0, free))
        if entry.reason:
            return ((f" {key}  {label}  {words}", "dim"),)
        return ((f" {key}  ", "accent"), (f"{label}  ", "strong"), (words, ""))


class MenuDialog(Dialog[Command | None]):
    """Returns the command that was chosen, by Enter, its own key or a click."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel")]
    AUTO_FOCUS = "#menu-lines"

    takes_text = True
    """A key that was typed right after the one that opened the menu is for the menu."""

    def __init__(self, subject: Subject, entries: Sequence[MenuEntry], note: str = "") -> None:
        """Create the menu.

        Args:
            subject: what the entries act on.
            entries: the entries.
            note: a sentence above them; empty for none.
        """
        super().__init__()
        self._subject = subject
        self._note = Static(clean(note), id="menu-note", markup=False)
        self._note.display = bool(note)
        self._lines = MenuLines(entries)
        self._words = Static("", id="menu-words", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the entries, the explanation of the current one, and the keys."""
        name = shortened(self._subject.name, _TITLE)
        kind = "" if self._subject.kind is SubjectKind.MESSAGE else f"{self._subject.kind} "
        with Vertical(classes="dialog", id="menu-dialog") as frame:
            set_title(frame, kind + name)
            yield self._note
            yield self._lines
            yield self._words
            yield self.keys

    def on_mount(self) -> None:
        """Explain the first entry."""
        self._lines.styles.height = self._lines.line_count()
        self._lines.lines_changed()
        self.keys.show(hint("lines.open", label="choose"), hint("dialog.cancel"))
        self._explain()

    def on_resize(self, event: events.Resize) -> None:
        """Leave room for the frame where not all entries fit."""
        self._lines.styles.max_height = max(1, event.size.height - _FRAME)

    def _explain(self) -> None:
        entry = self._lines.entries[self._lines.cursor]
        words = Text(clean(entry.command.help))
        if entry.reason:
            words = Text(f"Unavailable: {clean(entry.reason)}.", self.colour("warning"))
        self._words.update(words)

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Explain the entry that the cursor moved to."""
        message.stop()
        self._explain()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Choose the entry under the cursor."""
        message.stop()
        self._choose(self._lines.cursor)

    def on_key(self, event: events.Key) -> None:
        """Choose the entry whose key was pressed."""
        for index, entry in enumerate(self._lines.entries):
            if event.key in entry.command.keys:
                event.stop()
                event.prevent_default()
                self._lines.move_cursor(index)
                self._choose(index)

    def _choose(self, index: int) -> None:
        entry = self._lines.entries[index]
        if self.is_covered or not self.is_current:
            return
        if entry.reason:
            words = f"{entry.command.label}: {entry.reason}."
            self.notify(clean(words), title="Unavailable", markup=False, timeout=4)
        else:
            self.dismiss(entry.command)

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
