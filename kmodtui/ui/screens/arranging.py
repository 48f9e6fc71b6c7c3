"""The dashboard's panes: which there are, which one the keys are in, how they share the screen."""

from __future__ import annotations

from textual import events
from textual.screen import Screen
from textual.widget import Widget

from kmodtui.ui.widgets.tabs_line import TabsLine

PANES = {"modules": "Modules", "tree": "Tree", "info": "Info", "symbols": "Symbols"}
"""Panes by id, in the order of their number keys."""

DRAWERS = {"log": ("L", "Log")}
"""Panes that there are only while they are open: key and title by id."""

NARROW = 100
"""Columns below which one pane is shown at a time."""


class Arranging(Screen[None]):
    """What a screen of several panes does to show them and to go among them."""

    front = "modules"
    """The pane that the keys are in."""

    pane_before = "modules"
    """The pane that they were in last, but for drawers."""

    def __init__(self) -> None:
        super().__init__()
        self.tabs_line = TabsLine()

    # What the screen tells

    @property
    def open_drawers(self) -> tuple[str, ...]:
        """The drawers that are open."""
        raise NotImplementedError

    def focus_target(self, name: str) -> Widget:
        """Return what gets the keys in a pane."""
        raise NotImplementedError

    # Showing

    @property
    def shows_one_pane(self) -> bool:
        """Whether only the pane in front is to be seen."""
        return self.has_class("-narrow") or self.has_class("-zoomed")

    def show_front(self) -> None:
        """Show which pane the keys are in; where there is room for one, show that one."""
        if self.front not in DRAWERS:
            self.pane_before = self.front
        for name in (*PANES, *DRAWERS):
            self.query_one(f"#{name}").set_class(name == self.front, "-front")
        titles = {name: (str(key), title) for key, (name, title) in enumerate(PANES.items(), 1)}
        titles |= {name: DRAWERS[name] for name in self.open_drawers}
        self.tabs_line.show(tuple(titles.values()), titles[self.front][0])

    def fit_panes(self, width: int) -> None:
        """Choose between two columns and one pane."""
        self.set_class(width < NARROW, "-narrow")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Know which pane the keys are in, also after a click."""
        for pane in event.widget.ancestors:
            if pane.id in (*PANES, *self.open_drawers) and pane.id != self.front:
                self.front = pane.id
                self.show_front()

    # Commands

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self.front = name
        self.show_front()
        # At once, not when the next event is handled: what is typed right behind the key
        # is meant for this pane, and a filter that it opens must keep the focus.
        self.set_focus(self.focus_target(name))

    def action_next_pane(self) -> None:
        """Go to the pane with the next number."""
        self._step_pane(1)

    def action_previous_pane(self) -> None:
        """Go to the pane with the number before."""
        self._step_pane(-1)

    def _step_pane(self, step: int) -> None:
        names = [*PANES, *self.open_drawers]
        self.action_pane(names[(names.index(self.front) + step) % len(names)])

    def action_zoom(self) -> None:
        """Give the pane the whole screen, or take it back."""
        self.toggle_class("-zoomed")
