"""The dashboard's commands about the kernel's log: the drawer, and where its lines come from."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean
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
from kmodtui.ui.screens.arranging import Arranging
from kmodtui.ui.screens.root_question import RootQuestion
from kmodtui.ui.widgets.log_lines import LogLines
from kmodtui.ui.widgets.log_pane import LogPane

log = logging.getLogger("kmodtui")

WORDS = """\
The helper reads it as root, and what comes for as long as the helper runs. \
Nothing changes in the kernel, and root is kept no longer for it.\
"""


class Listening(Arranging):
    """What a screen with a drawer for the kernel's log does about it."""

    machine: Machine
    log_pane: LogPane

    _agreed: HelperClient | None = None  # the session that may read the log, while it stands

    # Commands

    def action_log(self) -> None:
        """Open the drawer of the kernel's log, or close it; where it is covered, show it."""
        pane = self.log_pane
        if pane.is_open and (self.front == "log" or not self.shows_one_pane):
            self.close_log()
            return
        if not pane.is_open:
            pane.open()
            self.add_class("-with-log")
            self._listen()
        self.action_pane("log")

    def close_log(self) -> None:
        """Close the drawer, and read the log no more."""
        self.workers.cancel_group(self, "log")
        self.log_pane.close()
        self.remove_class("-with-log")
        self.action_pane(self.pane_before if self.front == "log" else self.front)

    def on_log_lines_read_on_wanted(self, message: LogLines.ReadOnWanted) -> None:
        """Read the log on where it is not followed."""
        message.stop()
        if self.log_pane.stopped:
            self._listen()

    # From the kernel to the drawer

    def _listen(self) -> None:
        self.log_pane.begin()
        _: Worker[None] = self.run_worker(
            self._read_log, group="log", exclusive=True, exit_on_error=False
        )

    async def _read_log(self) -> None:
        pane = self.log_pane
        try:
            batches = await self._source()
            # What reads on must be ended here, where it may still talk to the helper.
            async with aclosing(batches):
                async for batch in batches:
                    pane.take(batch)
        except KmodtuiError as error:
            log.info("%s: %s", error.title, error)
            pane.stop(self._words_of(error))

    async def _source(self) -> AsyncGenerator[Batch, None]:
        """Return what gives the log: this process where it may, else the helper.

        Raises:
            KmodtuiError: neither does; the message says why.
        """
        try:
            return directly(open_log(self.machine.host))
        except HiddenLogError as hidden:
            if not hidden.helps:
                raise
            await self._agree(hidden)
        channel = await self.machine.channel(desk(self).foreground)
        self._agreed = channel
        return through_helper(channel)

    async def _agree(self, hidden: HiddenLogError) -> None:
        """Ask whether the helper is to read the log, unless it was asked of this helper before.

        Raises:
            HiddenLogError: it is not to, or there is none.
        """
        denied = self.machine.root.denied
        if denied is not None:
            words = f"{hidden.message} No helper can read it: {denied.message}"
            raise HiddenLogError(words, hidden.hint)
        if self._agreed is not None and self._agreed.alive:
            return
        question = RootQuestion(
            "Read the kernel's log",
            f"{hidden.message}\n\n{WORDS}\n\nWithout the helper: {hidden.hint}",
            self.machine.root_words,
        )
        if not await self.app.push_screen_wait(question):
            raise hidden

    def _words_of(self, error: KmodtuiError) -> str:
        """Return why the log is not followed, and what can be done."""
        held = self.log_pane.lines.total
        # What a helper said last has no full stop.
        cause = error.message if error.message.endswith(".") else f"{error.message}."
        if not isinstance(error, HiddenLogError):
            words = f"{cause} Enter {'reads on' if held else 'tries again'}."
        elif error.helps:
            words = f"{cause} Enter asks again. {error.hint}"
        else:
            words = f"{cause} {error.hint}"
        told = clean(words)
        return f"Not followed any more: {told}" if held else told
