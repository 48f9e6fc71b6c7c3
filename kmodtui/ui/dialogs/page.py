"""PageDialog: a page of text to scroll through, such as the help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from kmodtui.model.document import DocumentRow, Value
from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.copy_flow import start_copy, start_save
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.rendered import rendered_rows
from kmodtui.ui.widgets.caption import set_subtitle, set_title


class PageDialog(Dialog[None]):
    """One scrollable page in a frame.

    Attributes:
        body: the text, to be updated by a subclass.
        values: values of the page by their labels, to be copied; set by a subclass.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("page")]

    def __init__(self, title: str, frame_id: str) -> None:
        """Create the page; `frame_id` is the id of the frame."""
        super().__init__()
        self._title_words = title
        self.body = Static("", markup=False)
        self.values: dict[str, Value] = {}
        self._scroll = VerticalScroll(classes="dialog", id=frame_id)
        set_title(self._scroll, title)
        keys = (hint("page.down", "page.up", label="scroll"), hint("page.close"))
        set_subtitle(self._scroll, hint_line(*keys))

    def compose(self) -> ComposeResult:
        """Lay out the page in its frame."""
        with self._scroll:
            yield self.body

    @property
    def page_title(self) -> str:
        """The title, for copies."""
        return self._title_words

    def current_row(self) -> DocumentRow | None:
        """Return the values of the page to be copied; None if it has none."""
        return DocumentRow("", self.values) if self.values else None

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield the lines of the page."""
        return rendered_rows(self.body)

    def action_copy(self) -> None:
        """Copy a value of the page, or all of it."""
        start_copy(self)

    def action_save(self) -> None:
        """Save the page to a file."""
        start_save(self)

    def action_scroll(self, lines: int) -> None:
        """Scroll by some lines."""
        self._scroll.scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
