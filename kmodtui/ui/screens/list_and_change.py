"""The base of the screens that show a list, and next to it a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from textual import events
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.terms import FilterError
from kmodtui.model.history import Change
from kmodtui.model.timeline.summary import Fact
from kmodtui.services.live import LiveSystem
from kmodtui.ui.dialogs.help import open_help
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.change.view import ChangeLines
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.header_line import HeaderLine
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.view import LineView

NARROW = 110
"""Below this width in columns, only the list or the change is shown."""


class ListAndChange(KmodtuiScreen[None]):
    """What the timeline and the snapshot comparison have in common.

    A subclass provides the list, shows the change that belongs to it in `follow`, and
    defines what marks mean.
    """

    CSS_PATH = Path(__file__).parent.parent.parent / "styles" / "list-and-change.tcss"

    context = ""
    """The context in the registry of commands whose keys work on this screen."""

    def __init__(self, lines: LineView, live: LiveSystem) -> None:
        super().__init__()
        self.lines = lines
        self.change = ChangeLines()
        self.words = Static(id="beside-words", markup=False)
        self.list_pane = Vertical(id="list-pane", classes="pane")
        self.change_pane = Vertical(id="change-pane", classes="pane")
        self.header = HeaderLine(live)
        self._filter = FilterBar(self._search, FilterKind.SYMBOLS)

    # For subclasses to extend

    def follow(self) -> None:
        """Show the change of the line under the cursor, or the comparison; here, nothing."""
        self.show_words("", "")

    def leave_comparison(self) -> None:
        """Discard the comparison, so that `follow` shows the line under the cursor again."""

    # For subclasses

    def panes(self, *above: Widget) -> Iterator[Widget]:
        """Yield the widgets of the screen, with the widgets `above` on top of the list."""
        with Horizontal(id="list-and-change"):
            with self.list_pane:
                yield from above
                yield self.lines
            with self.change_pane:
                yield self.words
                yield self.change
        yield self._filter
        yield KeyLine(self.context)

    def show_words(self, title: str, words: str) -> None:
        """Show text instead of a change."""
        self.add_class("-only-words")
        self.words.update(words)
        self._caption(title, "")

    def show_change(
        self,
        title: str,
        change: Change | None,
        stays: Mapping[str, str],
        subtitle: str,
        words: str = "",
        facts: Sequence[Fact] = (),
    ) -> None:
        """Show a change, with text above it unless `words` is empty, and `facts` within it."""
        self.remove_class("-only-words")
        self.set_class(bool(words), "-with-words")
        self.words.update(words)
        if change is None or change != self.change.change:
            self.change.show_change(change, stays, facts)
        else:
            self.change.show_facts(facts)
        self._caption(title, subtitle)

    def _caption(self, title: str, subtitle: str) -> None:
        if self.change.filter_text and not self.has_class("-only-words"):
            subtitle = f"/{self.change.filter_text}" + (f" · {subtitle}" if subtitle else "")
        set_title(self.change_pane, title)
        set_subtitle(self.change_pane, subtitle)

    def enter_change(self) -> None:
        """Focus the change; on a narrow screen, show it instead of the list."""
        self.add_class("-opened")
        # Immediately: the next key may already be meant for the change.
        self.set_focus(self.change)

    def return_to_list(self) -> None:
        """Focus the list again."""
        self.remove_class("-opened")
        self.set_focus(self.lines)

    # Events

    def on_resize(self, event: events.Resize) -> None:
        """Show one pane or two, depending on the width."""
        self.set_class(event.size.width < NARROW, "-single")

    def _search(self, text: str) -> None:
        self.change.filter_text = text
        self.follow()
        if self.change.problem:
            raise FilterError(self.change.problem)

    # Commands

    def action_switch(self) -> None:
        """Switch between the list and the change."""
        if self.lines.has_focus:
            self.enter_change()
        else:
            self.return_to_list()

    def action_filter(self) -> None:
        """Open the search in the symbols of the change."""
        if not self.change.has_focus:
            self.enter_change()
        self._filter.open("symbols", self.change.filter_text, FilterKind.SYMBOLS)

    def action_facet(self) -> None:
        """Switch between all symbols, only functions, and only exported symbols."""
        self.change.facet = self.change.facet.next

    def action_next_match(self, step: int) -> None:
        """Go to the next match, or with `step` -1 to the previous one."""
        self.change.next_match(step)

    def action_back(self) -> None:
        """Clear the search, leave the change, or close; one of these per key press."""
        if self.change.filter_text:
            self.change.filter_text = ""
            self.follow()
        elif self.change.has_focus:
            self.leave_comparison()
            self.follow()
            self.return_to_list()
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Open the help."""
        open_help(self)

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss()
