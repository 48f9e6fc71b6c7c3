"""The modules pane: a table to sort and filter, whose cursor follows its module by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, Value
from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import Filter
from kmodtui.model.filter.sources import RULES, ModuleSource
from kmodtui.model.history import Event
from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.model.usage import NO_USAGE, Usage
from kmodtui.services.exposure import read_exposures
from kmodtui.services.filtering import select
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.lines.view import Line, LineView, Part
from kmodtui.ui.widgets.panes.module_columns import Longest, ModuleColumns
from kmodtui.ui.widgets.panes.pane import Pane

FLASH_SECONDS = 2.0
"""How long a newly loaded module is highlighted, in seconds."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the table can be sorted by.

    Attributes:
        title: the name of the order in the subtitle.
        key: the sort key of a module.
        descending: whether the default order has the largest first.
    """

    title: str
    key: Callable[[LoadedModule], Any]
    descending: bool = False


COLUMNS = (
    Column("newest", lambda _module: 0),  # order of /proc/modules: newest first
    Column("name", lambda module: module.name),
    Column("size", lambda module: module.size, descending=True),
    Column("refs", lambda module: module.refcount or 0, descending=True),
    Column("state", lambda module: module.state),
    Column("taint", lambda module: module.taints, descending=True),
    Column("used by", lambda module: len(module.users), descending=True),
)


class ModuleLines(LineView):
    """The rows of the table."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("modules")]

    class Marked(Message):
        """A module was marked or unmarked."""

    show_idle_cursor = True

    def __init__(self, live: LiveSystem) -> None:
        super().__init__(id="module-lines")
        self.rows: list[LoadedModule] = []
        self.usage = NO_USAGE
        self.flashing: set[str] = set()
        self._live = live
        self.empty_text = "Reading /proc/modules…"
        self.longest = Longest()
        self.sorted_by = ""
        self.menu_first = "dashboard.pane_info"

    def line_count(self) -> int:
        """Return the number of modules that are shown."""
        return len(self.rows)

    def line(self, index: int, width: int) -> Line:
        """Return a module's row."""
        module = self.rows[index]
        mark: Part = ("● ", "good") if module.name in self._live.new else ("  ", "")
        if module.name in self._live.marked:
            mark = ("* ", "accent")
        return (mark, *self.columns(width).cells(module, self.usage))

    def columns(self, width: int) -> ModuleColumns:
        """Return the columns for rows of `width` cells."""
        return ModuleColumns.within(width, self.longest, self.sorted_by)

    def subject(self) -> Subject | None:
        """Return the module under the cursor."""
        if not self.rows:
            return None
        name = self.rows[self.cursor].name
        return Subject(SubjectKind.MODULE, name, name)

    def document_row(self, index: int) -> DocumentRow:
        """Return a module to be copied or saved."""
        module = self.rows[index]
        fields: dict[str, Value] = {
            "name": module.name,
            "size": module.size,
            "refcount": module.refcount,
            "holders": module.users,
            "state": str(module.state),
            "taint": module.taints,
        }
        return replace(super().document_row(index), fields=fields)

    def action_mark(self) -> None:
        """Mark or unmark the module under the cursor, and move to the next one."""
        if not self.rows:
            self.notify("There is no module to mark.", title="No module selected", timeout=4)
        else:
            self._live.marked ^= {self.rows[self.cursor].name}
            self.refresh_line(self.cursor)
            self.post_message(self.Marked())
            self.move_cursor(self.cursor + 1)

    def is_flashing(self, index: int) -> bool:
        """Return whether the module was just loaded."""
        return self.rows[index].name in self.flashing


class ModulesPane(Pane):
    """The table with its column heads; sorts and filters the modules."""

    class Selected(Message):
        """The cursor has moved to another module; the name is None if no module is shown."""

        def __init__(self, name: str | None) -> None:
            super().__init__()
            self.name = name

    class Opened(Message):
        """The module under the cursor was opened, with a double click."""

    filter_kind = FilterKind.MODULES

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(entry, live)
        self._column = 0
        self._reversed = False
        self._filter = Filter()
        self._exposures: dict[str, Exposure] | None = None  # read for a filter that needs them
        self._reported: str | None = None  # the name in the last `Selected`
        self._lines = ModuleLines(live)
        self._head = Static(id="module-head", markup=False)

    def compose(self) -> ComposeResult:
        """Yield the column heads and the rows."""
        yield self._head
        yield self._lines

    def on_mount(self) -> None:
        """Show the modules, and follow them."""
        subscribe(self.live.table_read, self._show_table)
        subscribe(self.live.usage.read, self._show_usage)
        subscribe(self.live.changed, self._show_new)
        self._show_table(self.live.table)

    @property
    def selected(self) -> str | None:
        """Name of the module under the cursor; None if no module is shown."""
        rows = self._lines.rows
        return rows[self._lines.cursor].name if rows else None

    def shows(self, name: str) -> bool:
        """Return whether a module is loaded and not hidden by the filter."""
        return any(module.name == name for module in self._lines.rows)

    def clear_marks(self) -> bool:
        """Unmark all modules; return whether one was marked."""
        if not self.live.marked:
            return False
        self.live.marked.clear()
        self._lines.refresh()
        self._caption()
        return True

    def on_module_lines_marked(self) -> None:
        """Update the number of marked modules."""
        self._caption()

    @property
    def order(self) -> tuple[str, bool]:
        """The title of the column that the modules are sorted by, and whether it is reversed."""
        return COLUMNS[self._column].title, self._reversed

    @order.setter
    def order(self, order: tuple[str, bool]) -> None:
        titles = [column.title for column in COLUMNS]
        if order[0] in titles:
            self._column, self._reversed = titles.index(order[0]), order[1]
            self._arrange()

    @property
    def filter_text(self) -> str:
        """The filter as it was typed; empty for all modules."""
        return self._filter.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        chosen = filter_typed(self, text, FilterKind.MODULES)
        before, self._filter = self._filter, chosen
        try:
            self._arrange()
        except KmodtuiError:  # its regular expression takes too long
            self._filter = before
            raise
        if chosen.asks_for(*RULES) and self._exposures is None:
            self._exposures = {}
            self.work(self._read_exposures, "exposures")

    async def _read_exposures(self) -> None:
        """Read who can have each module loaded, and which rules prevent it."""
        machine = self.live.machine
        found, _ = await asyncio.to_thread(read_exposures, machine.host, machine.release)
        self._exposures = {each.name: each for each in found}
        self._arrange()

    def _show_table(self, table: ModuleTable) -> None:
        """Show the loaded modules; the cursor stays on its module even if the row moves."""
        self._arrange(Longest.of(table, self._lines.usage))

    def _show_usage(self, usage: Usage) -> None:
        """Show what else uses the modules."""
        before, self._lines.usage = self._lines.usage, usage
        self._arrange(Longest.of(self.live.table, usage))
        for index, module in enumerate(self._lines.rows):
            if before.by_module.get(module.name) != usage.by_module.get(module.name):
                self._lines.refresh_line(index)

    def _show_new(self, event: Event) -> None:
        """Highlight the modules that were just loaded."""
        change = event.change
        self._lines.flashing |= {module.name for module in (*change.loaded, *change.reloaded)}
        self._lines.refresh()
        self.set_timer(FLASH_SECONDS, self._stop_flashing)

    def _stop_flashing(self) -> None:
        self._lines.flashing.clear()
        self._lines.refresh()

    def select(self, name: str) -> bool:
        """Move the cursor to a module; return False if it is not shown."""
        for index, module in enumerate(self._lines.rows):
            if module.name == name:
                self._lines.move_cursor(index)
                self._follow_cursor()
                return True
        return False

    def sort_next(self) -> None:
        """Sort by the next column."""
        self._column = (self._column + 1) % len(COLUMNS)
        self._reversed = False
        self._arrange()

    def _sort_by(self, title: str) -> None:
        """Sort by a column; by the same one again, reverse the order."""
        column = next(number for number, each in enumerate(COLUMNS) if each.title == title)
        self._reversed = column == self._column and not self._reversed
        self._column = column
        self._arrange()

    def on_click(self, event: events.Click) -> None:
        """Sort by the column whose head is clicked."""
        if event.widget is self._head:
            event.stop()
            columns = self._lines.columns(self._lines.line_width)
            self._sort_by(columns.title_at(event.get_content_offset_capture(self._head).x))

    def sort_reverse(self) -> None:
        """Reverse the sort order."""
        self._reversed = not self._reversed
        self._arrange()

    def _arrange(self, longest: Longest | None = None) -> None:
        column = COLUMNS[self._column]
        self._fit_columns(longest or self._lines.longest, column.title)
        rows = self._matching()
        rows.sort(key=column.key, reverse=column.descending)
        if self._reversed:
            rows.reverse()
        selected = self.selected
        previous, self._lines.rows = self._lines.rows, rows
        place = {module.name: index for index, module in enumerate(rows)}
        same_places = [m.name for m in previous] == [m.name for m in rows]
        if same_places:
            for index, (old, new) in enumerate(zip(previous, rows, strict=True)):
                if old != new:
                    self._lines.refresh_line(index)
        else:
            # Set, not moved: the cursor follows its module to the new row. If a filter hides
            # that module, the cursor goes to the first module that is shown.
            fallback = 0 if self._filter.terms else self._lines.cursor
            self._lines.cursor = place.get(selected or "", fallback)
            self._lines.lines_changed()
        self._caption()
        if not rows:
            self._lines.refresh()  # the text of the empty table may have changed
        self._follow_cursor()

    def _matching(self) -> list[LoadedModule]:
        table, chosen = self.live.table, self._filter
        try:
            return select(chosen, ModuleSource(table, self._exposures), table.modules)
        except KmodtuiError:  # a regular expression takes too long: not again at each read
            self._filter = Filter()
            raise

    def _fit_columns(self, longest: Longest, sorted_by: str) -> None:
        lines, width = self._lines, self._lines.line_width
        before = lines.columns(width)
        lines.longest, lines.sorted_by = longest, sorted_by
        if lines.columns(width) != before:
            lines.refresh()

    def _caption(self) -> None:
        column = COLUMNS[self._column]
        self.set_name("Modules")
        descending = column.descending != self._reversed
        parts = [f"{column.title} {'▾' if descending else '▴'}"]
        if self._column == 0:
            parts = ["oldest first" if self._reversed else "newest first"]
        if self.live.marked:
            parts.insert(0, f"{len(self.live.marked)} marked")
        if text := self._filter.text:
            parts.insert(0, f"/{text} · {len(self._lines.rows)} of {len(self.live.table)}")
        set_subtitle(self, " · ".join(parts))
        if text:
            self._lines.empty_text = (
                f"No loaded module matches “{text}”. {key_of('dashboard.back')} clears the filter."
            )
        elif self.live.status.modules is not None:
            self._lines.empty_text = (
                f"No modules are loaded. Press {key_of('dashboard.load')} to load one."
            )
        self._update_head()

    def _update_head(self) -> None:
        head = self._lines.columns(self._lines.line_width).head()
        if head != self._head.content:
            self._head.update(head)

    def on_resize(self) -> None:
        """Align the column heads with the rows."""
        self.call_after_refresh(self._update_head)

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Select the module that the cursor moved to."""
        message.stop()
        self._follow_cursor()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Open the module under the cursor."""
        message.stop()
        self._follow_cursor()
        self.post_message(self.Opened())

    def _follow_cursor(self) -> None:
        name = self.selected
        if name in self.live.new and self._lines.has_focus:
            self.live.new.discard(name)
            self._lines.refresh_line(self._lines.cursor)
        if name != self._reported:
            self._reported = name
            self.post_message(self.Selected(name))
