"""PaneScreen: shows the panes of the list, moves the focus among them, and filters them."""

from __future__ import annotations

from typing import TypeVar

from textual import events

from kmodtui.model.layout import LAYOUTS, LOG, resized
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import pane_key
from kmodtui.ui.pane_grid import PaneGrid
from kmodtui.ui.panes import IN_KEY_ORDER, PANES
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.panes.pane import Pane
from kmodtui.ui.widgets.tabs_line import TabsLine

NARROW = 100
"""Columns below which one pane is shown at a time."""

AnyPane = TypeVar("AnyPane", bound=Pane)


class PaneScreen(KmodtuiScreen[None]):
    """A screen of panes: two columns where there is room, else one pane at a time."""

    def __init__(self, live: LiveSystem) -> None:
        super().__init__()
        self.live = live
        self.panes = {entry.id: entry.create(entry, live) for entry in PANES}
        self.main = PANES[0].id
        self.front = self.main
        """The pane that has the focus, or had it last."""
        self._before_drawer = self.main  # the pane that had it last and is not a drawer
        self.grid = PaneGrid(tuple(self.panes.values()))
        self.tabs_line = TabsLine()
        self.filter_bar = FilterBar(self._apply_filter)

    def pane_of(self, kind: type[AnyPane]) -> AnyPane:
        """Return the pane of a class."""
        return next(pane for pane in self.panes.values() if isinstance(pane, kind))

    # Showing

    @property
    def shows_one_pane(self) -> bool:
        """Whether only the pane in front is visible."""
        return self.has_class("-narrow") or self.has_class("-zoomed")

    @property
    def _open(self) -> list[str]:
        """The panes that are there, in the order of their keys."""
        return [entry.id for entry in IN_KEY_ORDER if self.panes[entry.id].is_open]

    def show_front(self) -> None:
        """Show which pane is in front; where only one has room, show that one."""
        front = self.panes[self.front]
        if not front.entry.drawer:
            self._before_drawer = self.front
        for pane in self.panes.values():
            pane.set_class(pane is front, "-front")
        entries = [self.panes[name].entry for name in self._open]
        titles = tuple((pane_key(entry), entry.tab) for entry in entries)
        self.tabs_line.show(titles, pane_key(front.entry))

    def fit_panes(self, width: int, *, only_one: bool = False) -> None:
        """Choose between two columns and one pane, which it always is with `only_one`."""
        self.set_class(only_one or width < NARROW, "-narrow")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Note which pane has the focus, also after a click."""
        for pane in event.widget.ancestors:
            if isinstance(pane, Pane) and pane.entry.id != self.front:
                self.front = pane.entry.id
                self.show_front()

    # Commands

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self.front = name
        self.show_front()
        # At once, not when the next event is handled: what is typed right after the key is
        # meant for this pane, and a filter that it opens must keep the focus.
        self.set_focus(self.panes[name].focus_target)

    def on_tabs_line_clicked(self, message: TabsLine.Clicked) -> None:
        """Go to the pane whose tab was clicked."""
        message.stop()
        self.action_pane(self._open[message.number])

    def action_next_pane(self) -> None:
        """Go to the next pane."""
        self._step_pane(1)

    def action_previous_pane(self) -> None:
        """Go to the previous pane."""
        self._step_pane(-1)

    def _step_pane(self, step: int) -> None:
        names = self._open
        self.action_pane(names[(names.index(self.front) + step) % len(names)])

    def action_zoom(self) -> None:
        """Maximize the pane, or restore it."""
        self.toggle_class("-zoomed")

    # Layout

    def action_next_layout(self) -> None:
        """Use the next layout; the one for the log opens the log, the next one closes it."""
        if self.has_class("-narrow"):
            words = f"Layouts need {NARROW} columns; below that, one pane is shown at a time."
            self.notify(words, title="Layout", markup=False, timeout=4)
            return
        self.remove_class("-zoomed")
        names = list(LAYOUTS)
        before = self.grid.layout_name
        name = names[(names.index(before) + 1) % len(names)]
        self.grid.use(name)
        if name == LOG:
            self._open_drawer("log")
            self.show_front()
        elif before == LOG and self.panes["log"].is_open:
            self.close_drawer("log")

    def action_resize(self, wider: int, taller: int) -> None:
        """Make the pane with the focus wider and taller by some steps."""
        place = self.panes[self.front].entry.place
        sizes = resized(self.grid.sizes, place, wider=wider, taller=taller)
        if sizes != self.grid.sizes and not self.shows_one_pane:
            self.grid.use(self.grid.layout_name, sizes)

    # Drawers

    def action_drawer(self, name: str) -> None:
        """Open or close a drawer; one that is open but covered by another pane is shown."""
        pane = self.panes[name]
        if pane.is_open and (self.front == name or not self.shows_one_pane):
            self.close_drawer(name)
            return
        self._open_drawer(name)
        self.action_pane(name)

    def _open_drawer(self, name: str) -> None:
        if not self.panes[name].is_open:
            self.panes[name].open()
            self.grid.place_panes()

    def close_drawer(self, name: str) -> None:
        """Close a drawer; the focus goes back to the pane that had it before."""
        self.panes[name].close()
        self.grid.place_panes()
        self.action_pane(self._before_drawer if self.front == name else self.front)

    # Filter

    @property
    def _filtered(self) -> Pane:
        """The pane that is filtered: the one in front, or the main one if that has no filter."""
        front = self.panes[self.front]
        return front if front.entry.lines else self.panes[self.main]

    def action_filter(self) -> None:
        """Open the line to type a filter into."""
        pane = self._filtered
        if pane.entry.id != self.front:
            self.action_pane(pane.entry.id)
        self.filter_bar.open(pane.entry.lines, pane.filter_text, pane.filter_kind)

    def _apply_filter(self, text: str) -> None:
        self._filtered.filter_text = text

    def action_back(self) -> None:
        """Restore the pane, else clear its filter, else close the drawer, else go to the first."""
        if self.has_class("-zoomed"):
            self.remove_class("-zoomed")
        elif self._filtered.filter_text:
            self._filtered.filter_text = ""
        elif self.panes[self.front].entry.drawer:
            self.close_drawer(self.front)
        else:
            self.action_pane(self.main)
