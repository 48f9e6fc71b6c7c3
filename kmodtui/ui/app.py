"""The application: themes, the first screen, where failures go, and the terminal's hand-over."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, ClassVar

from textual import events
from textual.app import App, SuspendNotSupported
from textual.screen import Screen

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import has_module_support
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.ui.providers import CommandsProvider
from kmodtui.ui.screens.dashboard import DashboardScreen
from kmodtui.ui.screens.no_modules import NoModulesScreen
from kmodtui.ui.themes import THEMES
from kmodtui.ui.typing_ahead import TypingAhead
from kmodtui.ui.widgets.header_line import HeaderLine

STYLES = Path(__file__).parent.parent / "styles"

log = logging.getLogger("kmodtui")


class KmodtuiApp(App[str]):
    """The dashboard of one machine. Returns `demo` if the demo is to be opened next."""

    TITLE = "kmodtui"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        STYLES / "app.tcss",
        STYLES / "panes.tcss",
        STYLES / "dashboard.tcss",
        STYLES / "dialogs.tcss",
        STYLES / "browser.tcss",
        STYLES / "pages.tcss",
        STYLES / "parameters.tcss",
        STYLES / "picker.tcss",
    ]
    COMMANDS = {CommandsProvider}  # noqa: RUF012  declared so by Textual
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, machine: Machine, *, interval: float = 1.0, theme: str = "kmodtui") -> None:
        super().__init__()
        self.machine = machine
        self._interval = interval
        self._said: set[str] = set()
        self._typing = TypingAhead()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        # Every moving thing costs bytes on the wire, and this is used over SSH.
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Open the screen that fits the kernel."""
        if not self.is_headless:
            self._end_on_signals()
        self.run_worker(self._follow_root(), group="root", exit_on_error=False)
        if has_module_support(self.machine.host):
            monitor = Monitor(self.machine.host, interval=self._interval)
            self.push_screen(DashboardScreen(self.machine, monitor))
        else:
            self.push_screen(NoModulesScreen(self.machine))

    def _end_on_signals(self) -> None:
        """End as if by the key when told to, so that the terminal is given back."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)

    async def _follow_root(self) -> None:
        """Say in every header when root is had or gone, whoever had it, and tell why it went."""
        async for why in self.machine.session.changes():
            for screen in self.screen_stack:
                for header in screen.query(HeaderLine):
                    header.show_privilege(self.machine.privilege_words)
            if why is not None:
                self.report(why)

    async def on_unmount(self) -> None:
        """Give root up."""
        await self.machine.close()

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Give the terminal to whoever asks for a password, and take it back afterwards."""
        try:
            with self.suspend():
                yield
        except SuspendNotSupported:
            # Under a test driver there is no terminal to give.
            yield

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens that are seen through the one on top; Textual draws them with it.

        It counts the next one below even if nothing can be seen of it, and so paints a
        screen anew whenever something changes on the one that it covers.
        """
        return [] if self.screen.styles.background.a == 1 else super()._background_screens

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Note for whom each key is typed; see `typing_ahead`."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._typing.note(self, event)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Judge a key that is about to be looked up as a command."""
        self._typing.judge(self, event)

    # Failures

    def report(self, error: BaseException) -> None:
        """Tell a person what went wrong: a sentence on the screen, the rest in the log file."""
        if isinstance(error, KmodtuiError):
            log.info("%s: %s", error.title, error)
            self.notify(str(error), title=error.title, severity="warning", markup=False, timeout=8)
            return
        self.log_failure(error)
        self.notify(
            "This is a fault of kmodtui. The log file has the details.",
            title="Something went wrong",
            severity="error",
            markup=False,
        )

    def log_failure(self, error: BaseException) -> None:
        """Write a failure to the log file with its traceback."""
        log.error("%s", error, exc_info=error)

    def note_malformed(self, line: str) -> None:
        """Tell once of a line of /proc/modules that makes no sense."""
        if line not in self._said:
            self._said.add(line)
            log.warning("malformed line in /proc/modules: %s", line)
            self.notify(
                f"A line of /proc/modules makes no sense and is left out: {line}",
                severity="warning",
                markup=False,
            )

    def _handle_exception(self, error: Exception) -> None:
        self.log_failure(error)
        super()._handle_exception(error)
        # Printed once the terminal is given back: for a person the log file is enough.
        self._exit_renderables.clear()
