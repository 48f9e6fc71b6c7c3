"""The pane of the kernel log, a drawer: its lines, and where they come from."""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.log.query import Severity
from kmodtui.model.text import clean, counted
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import hint, hint_line, key_of
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.lines.log import LogLines
from kmodtui.ui.widgets.panes.pane import Pane

if TYPE_CHECKING:
    from kmodtui.services.kernel_log import Batch
    from kmodtui.ui.log_reader import LogReader

log = logging.getLogger("kmodtui")


class LogPane(Pane):
    """Reads the log while it is open, and keeps its lines while it is closed."""

    filter_kind = FilterKind.LOG

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(entry, live)
        self.lines = LogLines(lambda: self.live.table.by_name)
        self._state = ""
        self._resumed = False

    def compose(self) -> ComposeResult:
        """Hold the lines, nothing else."""
        yield self.lines

    def on_mount(self) -> None:
        """Show the title."""
        self._caption()

    def open(self) -> None:
        """Open the drawer at the newest line, and read the log."""
        super().open()
        self._resumed = False
        self.lines.action_bottom()
        self._follow()

    def close(self) -> None:
        """Close the drawer, and stop reading the log."""
        self.workers.cancel_group(self, "log")
        super().close()

    # Reading

    @cached_property
    def _reader(self) -> LogReader:
        # Imported when the drawer is first opened: most of it is for reading as root.
        from kmodtui.ui.log_reader import LogReader

        return LogReader(self, self.live.machine)

    def on_log_lines_entered(self, message: LogLines.Entered) -> None:
        """Continue to read the log if it is not followed, else show the menu of the message."""
        message.stop()
        if self.stopped:
            self._follow()
        else:
            self.lines.action_menu()

    def _follow(self) -> None:
        self._state = "opening"
        self.lines.empty_text = "Opening the kernel log…"
        self.lines.say("")
        self._caption()
        self.work(self._read, "log")

    async def _read(self) -> None:
        try:
            batches = await self._reader.batches()
            # Closed here, where it may still talk to the helper.
            async with aclosing(batches):
                async for batch in batches:
                    self._take(batch)
        except KmodtuiError as error:
            log.info("%s: %s", error.title, error)
            self._stop(error)

    def _take(self, batch: Batch) -> None:
        self._state = "following"
        self.lines.empty_text = "The kernel log is empty. New messages will appear here."
        # What is in the log when reading continues is newer than the opening of the drawer.
        self.lines.take(batch.records, old=not batch.fresh and not self._resumed)
        self.live.events.take_log(batch)

    def _stop(self, error: KmodtuiError) -> None:
        """Show why the log is not followed, and what to do."""
        from kmodtui.services.kernel_log import HiddenLogError

        self._resumed = bool(self.lines.total)
        self._state = "stopped" if self._resumed else "not read"
        # A message from the helper may lack its full stop.
        cause = error.message if error.message.endswith(".") else f"{error.message}."
        key = key_of("log.read_on")
        if not isinstance(error, HiddenLogError):
            words = f"{cause} {key} {'continues' if self._resumed else 'tries again'}."
        elif error.helps:
            words = f"{cause} {key} asks again. {error.hint}"
        else:
            words = f"{cause} {error.hint}"
        self.lines.say(clean(f"No longer followed: {words}" if self._resumed else words))
        self._caption()

    @property
    def stopped(self) -> bool:
        """Whether the log is not followed, but could be."""
        return self._state in ("stopped", "not read")

    # Showing

    @property
    def filter_text(self) -> str:
        """The filter of the lines."""
        return self.lines.asked.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        chosen = filter_typed(self, text, FilterKind.LOG)
        self.lines.ask(replace(self.lines.asked, filter=chosen))

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        self.lines.show_module(name)

    def on_log_lines_told(self) -> None:
        """Show what is shown now."""
        self._caption()

    def _caption(self) -> None:
        lines, query = self.lines, self.lines.asked
        self.set_name(f"Kernel log: {query.module}" if query.module else "Kernel log")
        search = f"/{query.text}" if query.text else ""
        severity = query.severity.value if query.severity is not Severity.ALL else ""
        of = "" if query.is_empty else f"{lines.hits:,} of "
        number = f"{of}{counted(lines.total, 'message')}" if lines.total else ""
        parts = (search, severity, number, self._state_words())
        set_subtitle(self, " · ".join(filter(None, parts)))

    def _state_words(self) -> str:
        if self.lines.follows:
            return self._state
        if self.stopped:
            # The reason is below the visible lines.
            return f"{self._state} · {hint_line(hint('lines.bottom', label='why'))}"
        if self._state != "following":
            return self._state
        news = self.lines.news
        follow = hint_line(hint("lines.bottom", label="follow"))
        return f"scrolled up, {news:,} new below · {follow}" if news else "scrolled up"
