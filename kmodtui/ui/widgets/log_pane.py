"""The drawer of the kernel's log: its lines in a frame that says what of them is shown."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Vertical

from kmodtui.model.kernel_log import Severity
from kmodtui.model.text import counted
from kmodtui.services.kernel_log import Batch
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.log_lines import LogLines


class LogPane(Vertical):
    """Closed until it is asked for; keeps its lines while it is closed."""

    def __init__(self) -> None:
        super().__init__(id="log", classes="pane -closed")
        self.lines = LogLines()
        self._state = ""
        self._resumed = False

    def compose(self) -> ComposeResult:
        """Hold the lines, nothing else."""
        yield self.lines

    def on_mount(self) -> None:
        """Name the drawer."""
        self._caption()

    @property
    def is_open(self) -> bool:
        """Whether the drawer is open."""
        return not self.has_class("-closed")

    def open(self) -> None:
        """Open the drawer, at the newest line."""
        self._resumed = False
        self.remove_class("-closed")
        self.lines.action_bottom()

    def close(self) -> None:
        """Close the drawer."""
        self.add_class("-closed")

    # Where its lines come from

    def begin(self) -> None:
        """Say that the log is being opened; what was read before is kept."""
        self._state = "opening"
        self.lines.empty_text = "Opening the kernel's log…"
        self.lines.say("")
        self._caption()

    def take(self, batch: Batch) -> None:
        """Show records."""
        self._state = "following"
        self.lines.empty_text = "The kernel's log is empty. What comes will be shown here."
        # What the log holds when it is read on has come since the drawer was opened.
        self.lines.take(batch.records, old=not batch.fresh and not self._resumed)

    def stop(self, words: str) -> None:
        """Say why nothing is followed any more, or nothing was read at all."""
        self._resumed = bool(self.lines.total)
        self._state = "stopped" if self._resumed else "not read"
        self.lines.say(words)
        self._caption()

    @property
    def stopped(self) -> bool:
        """Whether the log is not followed, and could be read on."""
        return self._state in ("stopped", "not read")

    # What of them is shown

    @property
    def filter_text(self) -> str:
        """What is searched for."""
        return self.lines.asked.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self.lines.ask(replace(self.lines.asked, text=text))

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        self.lines.show_module(name)

    def on_log_lines_told(self) -> None:
        """Tell what is shown."""
        self._caption()

    def _caption(self) -> None:
        lines, query = self.lines, self.lines.asked
        set_title(self, f"L Kernel log: {query.module}" if query.module else "L Kernel log")
        search = f"/{query.text}" if query.text else ""
        severity = query.severity.value if query.severity is not Severity.ALL else ""
        of = "" if query.asks_nothing else f"{lines.hits:,} of "
        number = f"{of}{counted(lines.total, 'line')}" if lines.total else ""
        parts = (search, severity, number, self._state_words())
        set_subtitle(self, " · ".join(filter(None, parts)))

    def _state_words(self) -> str:
        if self.lines.follows:
            return self._state
        if self.stopped:
            return f"{self._state} · G: why"  # the words of it are below what is seen
        if self._state != "following":
            return self._state
        news = self.lines.news
        return f"held, {news:,} new below · G: follow" if news else "held"
