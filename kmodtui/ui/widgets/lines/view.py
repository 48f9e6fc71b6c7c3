"""LineView: lines with a cursor, of which only the visible ones are drawn.

Every pane except the tree is a LineView. A line is a tuple of parts, each a text
and the name of a style; the text is never markup. A cursor move repaints two
lines and a changed row one, which keeps the output small over SSH.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kmodtui.model.document import DocumentRow
from kmodtui.ui.commands import bindings
from kmodtui.ui.subject import Subject
from kmodtui.ui.themes import bar, ink

Part = tuple[str, str]
"""A text and the name of its style: one of `STYLES`, LINK and an address, or empty."""

Line = tuple[Part, ...]

RIGHT_BUTTON = 3

WIDE = 160
"""Cells for a line that is copied or saved: columns are not cut as on a narrow screen."""

LINK = "link="
"""Begins the style of a link; its address follows."""

STYLES = {
    "dim": "dim",
    "strong": "strong",
    "accent": "accent",
    "good": "success",
    "bad": "error",
    "warn": "warning",
    "info": "secondary",
}
"""The color of each style: a variable of the theme."""


def no_match_message(step: int) -> str:
    """Return the message for a search without a next (1) or a previous (-1) match."""
    return f"No {'next' if step > 0 else 'previous'} match."


class LineView(ScrollView, can_focus=True):
    """Lines with a cursor. A subclass provides the lines: `line_count` and `line`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("lines")]

    class CursorMoved(Message):
        """The cursor has moved to another line, or its line has new contents."""

        def __init__(self, view: LineView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LineView:
            """The view, for Textual's `on` decorator."""
            return self.view

    class Opened(CursorMoved):
        """A line was opened, with a key or a double click."""

    show_idle_cursor = False
    """Whether the cursor stays visible while another widget has the focus."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the name that Textual uses
        super().__init__(id=id)
        self.cursor = 0
        self.empty_text = ""
        self.menu_first = ""
        """The command that menus begin with; empty if Enter opens a line instead of a menu."""
        self._styles: dict[tuple[str, str], Style] = {}

    # Implemented by a subclass

    def line_count(self) -> int:
        """Return the number of lines."""
        raise NotImplementedError

    def line(self, index: int, width: int) -> Line:
        """Return the parts of a line, for a view that is `width` cells wide."""
        raise NotImplementedError

    def subject(self) -> Subject | None:
        """Return what the line under the cursor is about; None if nothing can be done with it."""
        return None

    def is_flashing(self, index: int) -> bool:  # noqa: ARG002  for subclasses
        """Return whether a line is highlighted for a moment because it is new."""
        return False

    def document_row(self, index: int) -> DocumentRow:
        """Return a line to be copied or saved; a subclass adds its fields."""
        parts = self.line(index, max(self.line_width, WIDE))
        return DocumentRow("".join(text for text, _ in parts))

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield all lines to be copied or saved."""
        index = 0
        while index < self.line_count():  # which may change meanwhile
            yield self.document_row(index)
            index += 1

    def current_row(self) -> DocumentRow | None:
        """Return the line under the cursor to be copied; None if there is none."""
        return self.document_row(self.cursor) if self.line_count() else None

    # Called by a subclass

    def lines_changed(self) -> None:
        """Redraw everything, because the lines have changed."""
        count = self.line_count()
        self.virtual_size = Size(0, count)
        self.cursor = max(0, min(self.cursor, count - 1))
        self._keep_cursor_in_view()
        self.refresh()

    def move_cursor(self, index: int) -> None:
        """Move the cursor to a line and scroll it into view."""
        index = max(0, min(index, self.line_count() - 1))
        if index == self.cursor:
            return
        old, self.cursor = self.cursor, index
        self.refresh_line(old)
        self.refresh_line(index)
        self._keep_cursor_in_view()
        self.post_message(self.CursorMoved(self))

    def _keep_cursor_in_view(self) -> None:
        height = self.scrollable_content_region.height
        top = round(self.scroll_offset.y)
        if height <= 0:
            return
        # `force`, because Textual does not scroll a view that did not need it until now.
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)

    # Drawing

    @property
    def line_width(self) -> int:
        """Cells of a line, without those of the scrollbar, whether it is shown or not."""
        return max(0, self.content_size.width - self.styles.scrollbar_size_vertical)

    def render_line(self, y: int) -> Strip:
        """Return line `y` of the view; see `Widget.render_line`."""
        width = self.line_width
        index = y + self.scroll_offset.y
        count = self.line_count()
        if index < count:
            return self._strip(self.line(index, width), width, self._background(index))
        if count == 0 and self.empty_text:
            return self._empty_strip(y, width)
        return Strip.blank(self.scrollable_content_region.width, self.rich_style)

    def _empty_strip(self, y: int, width: int) -> Strip:
        lines = wrapped(self.empty_text, max(10, width - 4))
        text = lines[y - 1] if 0 < y <= len(lines) else ""
        return self._strip((("  " + text, "dim"),), width, "")

    def _background(self, index: int) -> str:
        """Return the background of a line: a variable of the theme, or empty for none."""
        if index == self.cursor and (self.has_focus or self.show_idle_cursor):
            return "cursor" if self.has_focus else "cursor-idle"
        return "flash" if self.is_flashing(index) else ""

    def _strip(self, parts: Line, width: int, background: str) -> Strip:
        segments = []
        free = width
        for text, name in parts:
            cells = cell_len(text)
            style = self._style(name, background)
            if cells > free:
                if free > 0:
                    segments.append(Segment(set_cell_size(text, free - 1) + "…", style))
                free = 0
                break
            segments.append(Segment(text, style))
            free -= cells
        # Without a scrollbar the line is padded to the edge.
        edge = max(width, self.scrollable_content_region.width)
        if free + edge - width:
            segments.append(Segment(" " * (free + edge - width), self._style("", background)))
        return Strip(segments, edge)

    def _style(self, name: str, background: str) -> Style:
        key = (name, background)
        if key not in self._styles:
            style = self.rich_style
            if name.startswith(LINK):
                link = Style(underline=True, link=name.removeprefix(LINK))
                style += Style.parse(ink(self, STYLES["info"])) + link
            elif name:
                style += Style.parse(ink(self, STYLES[name]))
            if background:
                style += bar(self, background)
            self._styles[key] = style
        return self._styles[key]

    def notify_style_update(self) -> None:
        """Drop the cached styles, because the theme or the focus has changed."""
        super().notify_style_update()
        self._styles.clear()

    # Commands

    def action_cursor_down(self) -> None:
        """Move the cursor down one line."""
        self.move_cursor(self.cursor + 1)

    def action_cursor_up(self) -> None:
        """Move the cursor up one line."""
        self.move_cursor(self.cursor - 1)

    def action_page_down(self) -> None:
        """Move the cursor down one page."""
        self.move_cursor(self.cursor + max(1, self.scrollable_content_region.height - 1))

    def action_page_up(self) -> None:
        """Move the cursor up one page."""
        self.move_cursor(self.cursor - max(1, self.scrollable_content_region.height - 1))

    def action_top(self) -> None:
        """Go to the first line."""
        self.move_cursor(0)

    def action_bottom(self) -> None:
        """Go to the last line."""
        self.move_cursor(self.line_count() - 1)

    def action_enter(self) -> None:
        """Show what can be done with the line under the cursor, or open it."""
        if self.menu_first and self.subject() is not None:
            self.action_menu()
        else:
            self.action_open_line()

    def action_menu(self) -> None:
        """Show what can be done with the line under the cursor."""
        from kmodtui.ui.menu_flow import open_menu

        if (subject := self.subject()) is not None:
            open_menu(self, subject, self.menu_first)

    def action_copy(self) -> None:
        """Copy something of the line under the cursor, or all lines."""
        from kmodtui.ui.copy_flow import start_copy

        start_copy(self)

    def action_save(self) -> None:
        """Save all lines to a file."""
        from kmodtui.ui.copy_flow import start_save

        start_save(self)

    def action_open_line(self) -> None:
        """Post `Opened`; a subclass can expand the line instead."""
        if self.line_count():
            self.post_message(self.Opened(self))
        else:
            words = self.empty_text or "The list is empty."
            self.notify(words, title="Nothing selected", markup=False, timeout=4)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked line.

        A double click opens the line, the right button shows what can be done with it.
        """
        index = event.get_content_offset_capture(self).y + self.scroll_offset.y
        if index < self.line_count():
            self.move_cursor(index)
            if event.button == RIGHT_BUTTON:
                self.action_menu()
            elif event.chain == 2:
                self.action_open_line()

    def on_focus(self) -> None:
        """Show the cursor as active."""
        self.refresh_line(self.cursor)

    def on_blur(self) -> None:
        """Show the cursor as inactive, or hide it."""
        self.refresh_line(self.cursor)

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._keep_cursor_in_view()


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` wrapped at spaces to `width` cells; a longer word has a line to itself."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and cell_len(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` in exactly `width` cells: padded, or truncated with an ellipsis."""
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    padding = " " * (width - cells)
    return padding + text if right else text + padding


def joined(parts: Iterable[Part], separator: Part) -> Line:
    """Return the parts with `separator` between them."""
    line: list[Part] = []
    for part in parts:
        if line:
            line.append(separator)
        line.append(part)
    return tuple(line)
