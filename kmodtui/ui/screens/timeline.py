"""The timeline: every event since the start, with a comparison of any two marks."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.history import Change, Timeline
from kmodtui.model.text import counted, human_size
from kmodtui.model.timeline.event import EventKind, ModulesChanged
from kmodtui.model.timeline.event_list import EventList
from kmodtui.model.timeline.summary import Fact, belonging
from kmodtui.services.live import LiveSystem
from kmodtui.services.timeline.recording import Recording
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.screens.list_and_change import ListAndChange
from kmodtui.ui.subject import Subject
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.lines.event_items import Item
from kmodtui.ui.widgets.lines.events import EventLines, clock, full_time
from kmodtui.ui.widgets.lines.view import LineView
from kmodtui.ui.widgets.list_head import ListHead
from kmodtui.ui.widgets.replay_line import ReplayLine
from kmodtui.ui.widgets.totals_graph import TotalsGraph

TALL = 34
"""From this height in lines on, the graph is three lines high."""


KINDS = (
    None,
    EventKind.MODULES,
    EventKind.FAILURE,
    EventKind.PARAMETER,
    EventKind.DEVICE,
    EventKind.LOG,
    EventKind.COMMAND,
)
"""The kinds that can be shown alone, in the order of the key; None for all."""


class TimelineScreen(ListAndChange):
    """The graph on top, the events on the left, the change under the cursor on the right."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("timeline")]
    AUTO_FOCUS = "#event-lines"
    context = "timeline"

    def __init__(self, live: LiveSystem, recording: Recording | None = None) -> None:
        """Show the events of the running system, or those of a recording."""
        self._events = EventLines()
        super().__init__(self._events, live)
        self._live = live
        self._recording = recording
        self._timeline = live.timeline
        self._all = live.events.events
        if recording is not None:
            self.header = ReplayLine(live, recording)
        self._compared: tuple[int, int] | None = None
        self._followed: Item | None = None
        self._graph = TotalsGraph()

    def compose(self) -> ComposeResult:
        """Lay out the header, the graph, the events, the change, the filter and the keys."""
        yield self.header
        yield self._graph
        yield from self.panes(ListHead(self._events))

    def on_mount(self) -> None:
        """Show the timeline, with the cursor on the newest event."""
        if self._recording is not None:
            self._show(self._recording.timeline, self._recording.event_list)
            for note in self._recording.notes:
                self.notify(note, title="Incomplete", severity="warning", markup=False)
            return
        subscribe(self._live.timeline_changed, self._show_changes)
        subscribe(self._live.events.changed, self._show_events)
        self._show(self._live.timeline, self._live.events.events)

    def _show_changes(self, timeline: Timeline) -> None:
        self._show(timeline, self._all)

    def _show_events(self, events: EventList) -> None:
        self._show(self._timeline, events)

    def _show(self, timeline: Timeline, events: EventList) -> None:
        """Show a timeline that was updated."""
        if self._compared is not None:
            moved = timeline.forgotten - self._timeline.forgotten
            first, second = (point - moved for point in self._compared)
            self._compared = (first, second) if first >= 0 and second >= 0 else None
        self._timeline, self._all = timeline, events
        self._events.show(timeline, events)
        self.follow()

    # Display

    def follow(self) -> None:
        """Show the event under the cursor, or the comparison."""
        self._followed = item = self._events.item
        self._graph.show(self._timeline, self._events.point, self._events.marks)
        set_title(self.list_pane, "Timeline" if self._recording is None else "Recorded timeline")
        set_subtitle(self.list_pane, self._summary())
        if self._compared is not None:
            first, second = self._compared
            title = f"{clock(self._timeline.when(first))} → {clock(self._timeline.when(second))}"
            words = f"{self._point_words(first)} compared with {self._point_words(second)}"
            self.show_change(title, self._timeline.between(first, second), {}, words)
        elif not isinstance(item, int):
            facts = [("time", full_time(item.when)), *belonging(item, self._all.events)]
            self.show_change(f"Event {item.number}", None, {}, item.kind.words, facts=facts)
        elif item == 0:
            self.show_words("Start", self._start_words())
        else:
            event = self._timeline.events[item - 1]
            words = "" if event.change.rows_kept else "the symbols are no longer kept"
            self.show_change(
                f"Change {event.change.number}",
                event.change,
                event.still_loaded,
                words,
                facts=self._facts_of(event.change),
            )

    def _facts_of(self, change: Change) -> list[Fact]:
        """Return what belongs to a change beside its symbols."""
        for event in self._all.events:
            detail = event.detail
            if isinstance(detail, ModulesChanged) and detail.event.change.number == change.number:
                return belonging(event, self._all.events)
        return []

    def _point_words(self, point: int) -> str:
        return f"change {self._timeline.events[point - 1].change.number}" if point else "start"

    def _summary(self) -> str:
        marks = len(self._events.marks)
        words = counted(self._events.line_count() - 1, "event") if self._timeline.began else ""
        if self._events.kind is not None:
            words = f"only {self._events.kind.words}: {words}"
        if text := self._events.filter_text:
            words = f"/{text} · {words}"
        if self._timeline.bare and self._recording is None:
            words += f", {self._timeline.bare:,} without symbols"
        return f"{counted(marks, 'mark')} · {words}" if marks else words

    def _start_words(self) -> str:
        timeline, totals = self._timeline, self._timeline.totals
        if not timeline.began:
            return "Reading the kernel's modules and symbols…"
        which = "before the oldest event kept" if timeline.forgotten else "when kmodtui started"
        if self._recording is not None:
            which = "when the recording began"
        symbols = "" if totals.symbols is None else f", {counted(totals.symbols, 'symbol')}"
        words = (
            f"At {self._time(timeline.began)}, {which}: "
            f"{counted(totals.modules, 'module')} with {human_size(totals.memory)}{symbols}.\n\n"
        )
        if self._recording is not None:
            words += (
                f"{self._recording.path} is only read: what happens on this machine now is not "
                "shown, and nothing can be changed.\n\n"
                + "".join(f"{note}\n\n" for note in self._recording.notes)
            )
        elif not len(timeline):
            words += (
                "From now on, every module loaded or unloaded, here or by anyone else on this "
                "machine, adds a line on the left, and so do failed loads, changed parameters, "
                "devices, messages about modules, and commands of kmodtui.\n\n"
            )
        problem = self._live.events.log_problem
        if problem and self._recording is None:
            words += (
                f"{problem} Messages and failed loads of others are added while "
                f"{key_of('dashboard.log')} on the dashboard reads the log.\n\n"
            )
        return (
            f"{words}{key_of('timeline.facet')} shows one kind of events, "
            f"{key_of('timeline.mark')} sets a mark, "
            f"{key_of('timeline.compare')} compares two marks."
        )

    def _time(self, when: float) -> str:
        return clock(when) if self._recording is None else full_time(when)

    # Messages from the lists

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Show the change under the cursor."""
        message.stop()
        # A comparison started after the key that moved the cursor here is not discarded.
        if message.view is self._events and self._events.item != self._followed:
            self._compared = None
            self.follow()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Focus the change."""
        message.stop()
        if message.view is self._events:
            self.enter_change()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the height of the graph."""
        self.set_class(event.size.height >= TALL, "-tall")

    # Commands

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used on an event; empty if it can."""
        marks = self._events.marks
        if command.id == "timeline.compare" and (
            not marks or (len(marks) == 1 and marks[0] == self._events.point)
        ):
            return "no other event is marked"
        return super().why_not(command, subject)

    def leave_comparison(self) -> None:
        """Discard the comparison."""
        self._compared = None

    def action_facet(self) -> None:
        """Show the next kind of events; in the change, the next kind of symbols."""
        if not self._events.has_focus:
            super().action_facet()
            return
        kind = self._events.kind
        place = KINDS.index(kind) + 1
        self._compared = None
        self._events.show_kind(KINDS[place % len(KINDS)])
        self.follow()

    def action_filter(self) -> None:
        """Filter the events; in the change, search its symbols."""
        if self._events.has_focus:
            self._filter.open("events", self._events.filter_text, FilterKind.EVENTS)
        else:
            super().action_filter()

    def _search(self, text: str) -> None:
        if self._filter.kind is FilterKind.EVENTS:
            self._compared = None
            self._events.filter_text = text
            self.follow()
        else:
            super()._search(text)

    def action_back(self) -> None:
        """Clear the filter of the events if they have the focus, else as on other screens."""
        if self._events.has_focus and self._events.filter_text:
            self._events.filter_text = ""
            self.follow()
        else:
            super().action_back()

    def action_mark(self) -> None:
        """Set or clear a mark on the event under the cursor."""
        if self._events.line_count():
            self._events.toggle_mark(self._events.point)
            self.follow()

    def action_compare(self) -> None:
        """Compare two marks, or one mark with the event under the cursor."""
        points = self._events.marks
        if len(points) == 1:
            points = (*points, self._events.point)
        if len(points) < 2 or points[0] == points[1]:
            mark, compare = key_of("timeline.mark"), key_of("timeline.compare")
            self.say_nothing_selected(
                f"Set two marks with {mark}, then press {compare}.", "No marks"
            )
            return
        first, second = sorted(points)
        self._compared = (first, second)
        self.follow()
        self.enter_change()
