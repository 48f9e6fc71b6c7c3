"""CopyDialog: what of a line or a page is to be copied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from kmodtui.model.document import Format, OwnFormat
from kmodtui.model.text import clean, shortened
from kmodtui.ui.commands import bindings_of, hint
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.lines.dialog_lines import DialogLines
from kmodtui.ui.widgets.lines.view import Line, LineView, fit

_FRAME = 6
_LABEL = 16


@dataclass(frozen=True, slots=True)
class CopyChoice:
    """Something that can be copied.

    Attributes:
        label: what it is.
        text: the text; None for the whole page, which is written when it is chosen.
        page: the format of the page.
        own: a format that only this page has; None for `page`.
    """

    label: str
    text: str | None = None
    page: Format = Format.TEXT
    own: OwnFormat | None = None


class CopyLines(DialogLines):
    """The choices: what it is, and how it begins."""

    def __init__(self, choices: Sequence[CopyChoice]) -> None:
        super().__init__(id="copy-lines")
        self.choices = tuple(choices)

    def line_count(self) -> int:
        """Return the number of choices."""
        return len(self.choices)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a choice."""
        choice = self.choices[index]
        words = "" if choice.text is None else clean(choice.text)
        free = max(0, width - _LABEL - 3)
        return (
            (f" {fit(choice.label, _LABEL)}  ", "strong"),
            (fit(shortened(words, free + 1), free), "dim"),
        )


class CopyDialog(Dialog[CopyChoice | None]):
    """Returns the choice; None if nothing is to be copied."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.cancel")]
    AUTO_FOCUS = "#copy-lines"

    takes_text = True
    """A key that was typed right after the one that opened the dialog is for the dialog."""

    def __init__(
        self,
        title: str,
        choices: Sequence[CopyChoice],
        path: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """Offer choices.

        Args:
            title: the title of the page.
            choices: what can be copied, the most likely one first.
            path: reads the path of a module's file, which is then offered, too; None for
                lines about something else.
        """
        super().__init__()
        self._path = path
        self._title_words = title
        self._lines = CopyLines(choices)

    def compose(self) -> ComposeResult:
        """Lay out the choices and the keys."""
        with Vertical(classes="dialog", id="copy-dialog") as frame:
            set_title(frame, f"Copy: {shortened(self._title_words, 50)}")
            yield self._lines
            yield self.keys

    def on_mount(self) -> None:
        """Show the keys."""
        self._lines.styles.height = self._lines.line_count()
        self._lines.lines_changed()
        if self._path is not None:
            self.work(partial(self._offer_path, self._path), "path")
        self.keys.show(hint("lines.open", label="copy"), hint("dialog.cancel"))

    async def _offer_path(self, read: Callable[[], Awaitable[str]]) -> None:
        if path := await read():
            lines = self._lines
            lines.choices = (*lines.choices[:1], CopyChoice("path", path), *lines.choices[1:])
            if lines.cursor:
                lines.cursor += 1
            lines.styles.height = lines.line_count()
            lines.lines_changed()

    def on_resize(self, event: events.Resize) -> None:
        """Leave room for the frame where not all choices fit."""
        self._lines.styles.max_height = max(1, event.size.height - _FRAME)

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Choose the line under the cursor."""
        message.stop()
        if self.is_current and not self.is_covered:
            self.dismiss(self._lines.choices[self._lines.cursor])

    def action_cancel(self) -> None:
        """Copy nothing."""
        self.dismiss(None)
