"""Reads the kernel log for a pane: directly where that is allowed, else through the helper."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from textual.widget import Widget

from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.services.kernel_log import (
    Batch,
    HiddenLogError,
    directly,
    open_log,
    through_helper,
)
from kmodtui.services.machine import Machine
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.root_question import RootQuestion

QUESTION = """\
The helper reads the log as root, and follows it for as long as the helper runs. \
This changes nothing in the kernel and does not prolong the root session.\
"""


class LogReader:
    """The source of the kernel log on one machine, and the user's agreement to use root for it."""

    def __init__(self, widget: Widget, machine: Machine) -> None:
        """Prepare to read; questions are asked on the screen of `widget`."""
        self._widget = widget
        self._machine = machine
        self._agreed: HelperClient | None = None  # the root session that may read the log

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Return what yields the log; asks first where it has to be read as root.

        Raises:
            KmodtuiError: the log cannot be read, or the user did not agree.
        """
        try:
            return directly(open_log(self._machine.host))
        except HiddenLogError as hidden:
            if not hidden.helps:
                raise
            await self._ask(hidden)
        channel = await self._machine.channel(desk(self._widget).foreground, Scope.READ)
        self._agreed = channel
        return through_helper(channel)

    async def _ask(self, hidden: HiddenLogError) -> None:
        """Ask whether the helper may read the log, once for each root session.

        Raises:
            HiddenLogError: it may not, or there is no helper.
        """
        denied = self._machine.root.denied
        if denied is not None:
            words = f"{hidden.message} The helper cannot read it either: {denied.message}"
            raise HiddenLogError(words, hidden.hint)
        if self._agreed is not None and self._agreed.alive:
            return
        question = RootQuestion(
            "Read the kernel log",
            f"{hidden.message}\n\n{QUESTION}\n\nWithout the helper: {hidden.hint}",
            self._machine.reading_words,
        )
        if not await self._widget.app.push_screen_wait(question):
            raise hidden
