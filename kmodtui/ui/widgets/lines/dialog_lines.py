"""DialogLines: the lines of a dialog that are chosen with Enter or a click."""

from __future__ import annotations

from textual import events

from kmodtui.ui.widgets.lines.view import LineView


class DialogLines(LineView):
    """Lines to choose from; they cannot be copied or saved, as those of a page can."""

    def action_copy(self) -> None:
        """Do nothing: this is not a page."""

    def action_save(self) -> None:
        """Do nothing: this is not a page."""

    def on_click(self, event: events.Click) -> None:
        """Choose the line that is clicked."""
        event.prevent_default()
        index = event.get_content_offset_capture(self).y + self.scroll_offset.y
        if index < self.line_count():
            self.move_cursor(index)
            self.action_open_line()
