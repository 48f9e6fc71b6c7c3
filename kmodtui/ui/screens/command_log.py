"""The command log: every change of this session as it would be typed in a shell."""

from __future__ import annotations

import os
from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.command_export import ansible_tasks, shell_script
from kmodtui.model.command_log import LogEntry, LogOrigin, command_log
from kmodtui.model.document import OwnFormat
from kmodtui.model.text import counted
from kmodtui.model.timeline.event_list import EventList
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.lines.table import TableRow

_STYLES = {"done": "good", "warning": "warn", "failure": "bad", "unknown": "warn"}

_NOTHING = (
    "Nothing has been changed since kmodtui started. Changes made here are listed as commands; "
    "what other programs change is listed as observed."
)


class CommandLogScreen(TablePage):
    """The changes of this session, the newest last."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("commandlog")]

    title_words = "Command log"
    reading = _NOTHING
    keys_of = "commandlog"

    def __init__(self, live: LiveSystem) -> None:
        """Create the page for a system."""
        super().__init__(live)
        self._entries: tuple[LogEntry, ...] = ()
        self.lines.own_formats = (
            OwnFormat("shell script", ".sh", lambda: shell_script(self._title, self._entries)),
            OwnFormat("Ansible tasks", ".yml", lambda: ansible_tasks(self._title, self._entries)),
        )

    def on_mount(self) -> None:
        """Follow the events."""
        subscribe(self._live.events.changed, self._show)

    async def read(self) -> None:
        """Show the changes so far, with the cursor on the newest."""
        self._show(self._live.events.events)
        self.lines.move_cursor(self.lines.line_count() - 1)

    def _show(self, events: EventList) -> None:
        entries = command_log(events.events, os.getpid())
        if entries == self._entries:
            return
        self._entries = entries
        self.lines.show([_row(each) for each in entries], *self._head(), empty=_NOTHING)

    @property
    def _title(self) -> str:
        facts = self._live.machine.facts
        return f"Commands of kmodtui on {facts.hostname or 'this machine'}, Linux {facts.release}"

    def _head(self) -> tuple[str, ...]:
        observed = sum(each.origin is LogOrigin.OBSERVED for each in self._entries)
        counts = f"{counted(len(self._entries) - observed, 'command')}, "
        counts += counted(observed, "observed change")
        save, copy = key_of("lines.save"), key_of("lines.copy")
        return (
            f"{counts}. Press {save} to save them as a shell script, as Ansible tasks or as notes, "
            f"{copy} to copy them.",
        )


def _row(each: LogEntry) -> TableRow:
    module = each.modules[0] if len(each.modules) == 1 else ""
    mark = each.result, _STYLES.get(each.result, "dim")
    return TableRow(module, mark, each.text, each.details, document=each.row)
