"""PageDialog: a page of text to scroll through, such as the help."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_subtitle, set_title


class PageDialog(Dialog[None]):
    """One scrollable page in a frame.

    Attributes:
        body: the text, to be updated by a subclass.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("page")]

    def __init__(self, title: str, frame_id: str) -> None:
        """Create the page; `frame_id` is the id of the frame."""
        super().__init__()
        self.body = Static("", markup=False)
        self._scroll = VerticalScroll(classes="dialog", id=frame_id)
        set_title(self._scroll, title)
        keys = (hint("page.down", "page.up", label="scroll"), hint("page.close"))
        set_subtitle(self._scroll, hint_line(*keys))

    def compose(self) -> ComposeResult:
        """Lay out the page in its frame."""
        with self._scroll:
            yield self.body

    def action_scroll(self, lines: int) -> None:
        """Scroll by some lines."""
        self._scroll.scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
