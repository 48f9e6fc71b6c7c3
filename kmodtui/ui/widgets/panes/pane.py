"""Pane: what the panes of the dashboard have in common."""

from __future__ import annotations

from textual.containers import Vertical
from textual.widget import Widget
from textual.worker import Worker

from kmodtui.model.filter.fields import FilterKind
from kmodtui.services.live import LiveSystem
from kmodtui.ui.background import Work, run_in_background
from kmodtui.ui.commands import pane_key
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.widgets.caption import set_title


class Pane(Vertical):
    """A frame around one or more views, which may follow the selected module."""

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(id=entry.id, classes="pane -closed" if entry.drawer else "pane")
        self.entry = entry
        self.live = live

    @property
    def focus_target(self) -> Widget:
        """What gets the focus when the pane does: its first view, unless a subclass chooses."""
        return next(widget for widget in self.query("*") if widget.can_focus)

    filter_kind: FilterKind | None = None
    """What its filter can ask for; None if only for a text."""

    @property
    def filter_text(self) -> str:
        """The filter of the lines; always empty where the pane has none."""
        return ""

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        """Show only the lines that match.

        Raises:
            KmodtuiError: the filter is invalid; what is shown does not change.
        """

    def show_module(self, name: str | None) -> None:
        """Show what the pane has about the selected module; None if none is selected."""

    def set_name(self, words: str) -> None:
        """Set the title: the key of the pane, and what it shows."""
        set_title(self, f"{pane_key(self.entry)} {words}")

    def work(self, work: Work, group: str, *, exclusive: bool = True) -> Worker[None]:
        """Run work in the background; see `run_in_background`."""
        return run_in_background(self, work, group, exclusive=exclusive)

    # Drawers

    @property
    def is_open(self) -> bool:
        """Whether the pane is there; False only for a drawer."""
        return not self.has_class("-closed")

    def open(self) -> None:
        """Show a drawer."""
        self.remove_class("-closed")

    def close(self) -> None:
        """Hide a drawer."""
        self.add_class("-closed")
