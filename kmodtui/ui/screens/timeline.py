"""The timeline: every change since the start, to walk through, and any two points compared."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from kmodtui.model.history import Change, Timeline
from kmodtui.model.text import counted, human_size
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.change_view import ChangeLines
from kmodtui.ui.widgets.event_lines import EventLines, clock
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.header_line import HeaderFacts, HeaderLine
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.line_view import LineView
from kmodtui.ui.widgets.too_small import TooSmall
from kmodtui.ui.widgets.totals_graph import TotalsGraph

NARROW = 110
"""Columns below which the events and a change are shown one at a time."""

TALL = 34
"""Lines from which the curves are three lines high."""


class TimelineScreen(Screen[None]):
    """Events on the left, the change under the cursor on the right."""

    CSS_PATH = Path(__file__).parent.parent.parent / "styles" / "timeline.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("timeline")]
    AUTO_FOCUS = "#event-lines"

    def __init__(self, timeline: Timeline, facts: HeaderFacts) -> None:
        super().__init__()
        self._timeline = timeline
        self._compared: tuple[int, int] | None = None
        self._followed = -1
        self._header = HeaderLine()
        self._header.facts = facts
        self._graph = TotalsGraph()
        self._head = Static(id="event-head", markup=False)
        self._events = EventLines()
        self._change = ChangeLines()
        self._start = Static(id="start-words", markup=False)
        self._filter = FilterBar()
        self._too_small = TooSmall()
        self._frame = Vertical(id="timeline", classes="pane")
        self._beside = Vertical(id="timeline-change", classes="pane")

    def compose(self) -> ComposeResult:
        """Header, events with their graph, the change, filter, keys."""
        yield self._header
        yield self._graph
        with Horizontal(id="timeline-panes"):
            with self._frame:
                yield self._head
                yield self._events
            with self._beside:
                yield self._start
                yield self._change
        yield self._filter
        yield KeyLine("timeline")
        yield self._too_small

    def on_mount(self) -> None:
        """Begin at the newest event."""
        self.show(self._timeline, self._header.facts)

    def show(self, timeline: Timeline, facts: HeaderFacts) -> None:
        """Take over a timeline with more events."""
        if self._compared is not None:
            moved = timeline.forgotten - self._timeline.forgotten
            first, second = (point - moved for point in self._compared)
            self._compared = (first, second) if first >= 0 and second >= 0 else None
        self._timeline = timeline
        self._header.facts = facts
        self._events.show(timeline)
        self._follow()

    # Showing

    def _follow(self) -> None:
        """Show the change of the point under the cursor, or the comparison that was asked for."""
        self._followed = point = self._events.cursor
        self._graph.show(self._timeline, point, self._events.marks)
        set_title(self._frame, "Timeline")
        set_subtitle(self._frame, self._summary())
        if self._compared is not None:
            first, second = self._compared
            change = self._timeline.between(first, second)
            self._show_change(change, {})
            title = f"{clock(self._timeline.when(first))} → {clock(self._timeline.when(second))}"
            words = f"{self._point_words(first)} and {self._point_words(second)} compared"
        elif point == 0:
            self.add_class("-at-start")
            self._start.update(self._start_words())
            title, words = "Start", ""
        else:
            event = self._timeline.events[point - 1]
            self._show_change(event.change, event.stays)
            title, words = f"Change {event.change.number}", ""
        if not self.has_class("-at-start") and self._change.change and not words:
            words = "" if self._change.change.rows_kept else "the symbols are not kept any more"
        if self._change.filter_text:
            words = f"/{self._change.filter_text}" + (f" · {words}" if words else "")
        set_title(self._beside, title)
        set_subtitle(self._beside, words)

    def _show_change(self, change: Change, stays: dict[str, str] | object) -> None:
        self.remove_class("-at-start")
        if change != self._change.change:
            self._change.show_change(change, stays if isinstance(stays, dict) else {})

    def _point_words(self, point: int) -> str:
        return f"change {self._timeline.events[point - 1].change.number}" if point else "start"

    def _summary(self) -> str:
        marks = len(self._events.marks)
        words = counted(len(self._timeline), "event")
        if self._timeline.bare:
            words += f", {self._timeline.bare:,} without their symbols"
        return f"{counted(marks, 'mark')} · {words}" if marks else words

    def _start_words(self) -> str:
        totals = self._timeline.totals
        if not self._timeline.began:
            return "Reading the kernel's modules and symbols…"
        symbols = "" if totals.symbols is None else f", {counted(totals.symbols, 'symbol')}"
        words = (
            f"At {clock(self._timeline.began)}, when kmodtui began to look: "
            f"{counted(totals.modules, 'module')} with {human_size(totals.memory)}{symbols}.\n\n"
        )
        if self._timeline.forgotten:
            words = words.replace("when kmodtui began to look", "where the kept events begin")
        if not len(self._timeline):
            words += (
                "Whatever is loaded or unloaded from now on, here or by anyone else on this "
                "machine, becomes a line on the left.\n\n"
            )
        return words + "Space marks a point, c compares two of them."

    # Following the keys

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Show the change under the cursor."""
        message.stop()
        # What was compared behind the key that moved the cursor here stays.
        if message.view is self._events and self._events.cursor != self._followed:
            self._compared = None
            self._follow()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Go into the change."""
        message.stop()
        if message.view is self._events:
            self._enter()

    def _enter(self) -> None:
        self.add_class("-opened")
        # At once: what is typed right behind the key is meant for the change.
        self.set_focus(self._change)

    def on_resize(self, event: events.Resize) -> None:
        """Choose between one pane and two, and how high the curves are."""
        self.set_class(event.size.width < NARROW, "-single")
        self.set_class(event.size.height >= TALL, "-tall")
        self._too_small.measure(event.size)
        self.call_after_refresh(self._draw_head)

    def _draw_head(self) -> None:
        head = self._events.head(self._events.line_width)
        if head != self._head.content:
            self._head.update(head)

    # Commands

    def action_mark(self) -> None:
        """Mark the point under the cursor, or take its mark away."""
        if self._events.line_count():
            self._events.toggle_mark(self._events.cursor)
            self._follow()

    def action_compare(self) -> None:
        """Compare two marks, or one mark with the point under the cursor."""
        points = self._events.marks
        if len(points) == 1:
            points = (*points, self._events.cursor)
        if len(points) < 2 or points[0] == points[1]:
            self.notify("Mark two points with Space, then press c.", timeout=4)
            return
        first, second = sorted(points)
        self._compared = (first, second)
        self._follow()
        self._enter()

    def action_switch(self) -> None:
        """Go from the events to the change, or back."""
        if self._events.has_focus:
            self._enter()
        else:
            self._to_events()

    def _to_events(self) -> None:
        self.remove_class("-opened")
        self.set_focus(self._events)

    def action_filter(self) -> None:
        """Search in the symbols of the change."""
        if not self._change.has_focus:
            self._enter()
        self._filter.open("symbols", self._change.filter_text)

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Search as it is typed."""
        self._change.filter_text = message.text
        self._follow()

    def on_filter_bar_done(self, message: FilterBar.Done) -> None:
        """Clear the search where Esc ended the typing."""
        if not message.keep:
            self._change.filter_text = ""
            self._follow()

    def action_facet(self) -> None:
        """Show all symbols, functions only, or only what is exported."""
        self._change.facet = self._change.facet.next

    def action_next_hit(self, step: int) -> None:
        """Go to the next symbol that is found, or to the one before."""
        self._change.next_hit(step)

    def action_back(self) -> None:
        """Clear the search, leave the change, or close: one thing a press."""
        if self._change.filter_text:
            self._change.filter_text = ""
            self._follow()
        elif self._change.has_focus:
            self._compared = None
            self._follow()
            self._to_events()
        else:
            self.dismiss()

    def action_close(self) -> None:
        """Close the timeline."""
        self.dismiss()
