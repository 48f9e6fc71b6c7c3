"""The application: themes, the first screen, reports of failures, and suspending the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual._context import active_message_pump
from textual.app import App, SuspendNotSupported
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget

from kmodtui.errors import KmodtuiError
from kmodtui.model.modules import ModuleTable
from kmodtui.model.text import shortened
from kmodtui.model.theme import DARK
from kmodtui.services.job_control import has_job_control
from kmodtui.services.live import LiveSystem
from kmodtui.services.machine import Machine
from kmodtui.services.memory import return_freed_memory
from kmodtui.services.monitor import Monitor
from kmodtui.services.view_memory import ViewMemory
from kmodtui.ui.background import run_in_background
from kmodtui.ui.command import EVERYWHERE
from kmodtui.ui.commands import bindings
from kmodtui.ui.drawn_lines import release_closed_widgets
from kmodtui.ui.driver import TerminalDriver
from kmodtui.ui.filters import UserFilters
from kmodtui.ui.hints import learn
from kmodtui.ui.palette import Palette
from kmodtui.ui.providers import CommandsProvider
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.screens.dashboard import DashboardScreen
from kmodtui.ui.theme_choice import ThemeChoice
from kmodtui.ui.timers import limit_intervals
from kmodtui.ui.typing_ahead import TypingAhead

if TYPE_CHECKING:
    from kmodtui.services.timeline.recording import Recording

STYLES = Path(__file__).parent.parent / "styles"

DRAWING_LIMIT = 1.0
"""Seconds that the symbols wait for the modules to be drawn."""

MAX_LINES = 3
"""Malformed lines of /proc/modules that are shown. Each notification is a widget, which takes
some milliseconds."""

MAX_LINE = 300
"""Characters of such a line that are shown."""

log = logging.getLogger("kmodtui")


class KmodtuiApp(App[str]):
    """The dashboard of one system. Returns `demo` if the demo is to be opened next."""

    TITLE = "kmodtui"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(EVERYWHERE)]
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

    def __init__(
        self,
        machine: Machine,
        *,
        interval: float = 1.0,
        theme: str = DARK,
        recording: Recording | None = None,
        named_filters: Mapping[str, str] | None = None,
        memory: ViewMemory | None = None,
        lite: bool = False,
    ) -> None:
        """Prepare the dashboard of a machine, or only the timeline of a recording.

        Args:
            machine: the machine.
            interval: seconds between two reads.
            theme: the name of the theme.
            recording: what to show instead of the machine; None for the machine.
            named_filters: the filters of the configuration, by name.
            memory: what the last session left; None if nothing is remembered.
            lite: whether to draw little, for slow lines.
        """
        release_closed_widgets()
        limit_intervals()
        super().__init__(css_path=[*self.CSS_PATH, STYLES / "lite.tcss"] if lite else None)
        self.lite = lite
        self.live = LiveSystem(machine, Monitor(machine.host, interval=interval))
        self.filters = UserFilters(named_filters or {})
        self.memory = memory
        self._recording = recording
        self._reported_lines: set[str] = set()
        self._typing = TypingAhead()
        self.themes = ThemeChoice(self)
        self.themes.register(theme)
        self._begin_with(theme)
        # Each frame of an animation is sent to the terminal, often over SSH.
        self.animation_level = "none"

    def _begin_with(self, theme: str) -> None:
        wanted = self.available_themes[theme]
        if wanted.dark == self.current_theme.dark and not wanted.ansi:
            # Without its watcher, which would parse all styles again before anything is drawn.
            self.set_reactive(KmodtuiApp.theme, theme)
            self.stylesheet.set_variables(self.get_css_variables())
        else:
            self.theme = theme

    @property
    def machine(self) -> Machine:
        """The system that is shown."""
        return self.live.machine

    def on_mount(self) -> None:
        """Open the screen that fits the kernel, and follow the system."""
        self.app_resume_signal.subscribe(self, self._repaint)
        if self._recording is not None:
            self._replay(self._recording)
            return
        self.live.failed.subscribe(self.report)
        self.live.tainted.subscribe(self._explain_taint)
        self.live.table_read.subscribe(self._report_malformed)
        if self.live.has_modules:
            screen: KmodtuiScreen[None] = DashboardScreen(self.live)
        else:
            from kmodtui.ui.screens.no_modules import NoModulesScreen

            screen = NoModulesScreen(self.live)
        self.push_screen(screen)
        run_in_background(self, partial(self.live.run, partial(self._shown, screen)), "live")

    def _replay(self, recording: Recording) -> None:
        """Show a recording; the dashboard ends when its timeline is closed."""
        from kmodtui.ui.screens.timeline import TimelineScreen

        def closed(_: None) -> None:
            self.exit()

        self.push_screen(TimelineScreen(self.live, recording), closed)

    async def _shown(self, screen: KmodtuiScreen[None]) -> None:
        """Return once the first screen has been drawn; what can wait until then is done here."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAWING_LIMIT):
                await screen.drawn.wait()
        return_freed_memory()

    async def run_action(self, action: Any, *arguments: Any, **options: Any) -> bool:
        """Carry out an action, and remember it for the hints."""
        if self.memory is not None and isinstance(action, str) and self.screen_stack:
            learn(self.screen, action)
        return await super().run_action(action, *arguments, **options)

    def exit(self, *arguments: Any, **options: Any) -> None:
        """Remember how the dashboard looks, and end.

        Now: once the terminal is restored, the next line of the shell waits for the end.
        """
        if self.memory is not None:
            for screen in self.screen_stack:
                if isinstance(screen, DashboardScreen):
                    self.memory.view = screen.view
            self.memory.save()
        super().exit(*arguments, **options)

    async def on_unmount(self) -> None:
        """End the root session."""
        await self.machine.close()

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Suspend the screen while another program asks for a password in the terminal."""
        try:
            with self.suspend():
                yield
        except SuspendNotSupported:
            # The test driver has no terminal to suspend.
            yield

    def action_command_palette(self) -> None:
        """Open the command palette, unless it is open: also below a dialog, or while it closes."""
        if not any(isinstance(screen, Palette) for screen in self.screen_stack):
            # Without Textual's id: the palette that is about to close still has it.
            self.push_screen(Palette())

    def action_suspend(self) -> None:
        """Give the terminal back to the shell until it continues kmodtui."""
        if self.is_headless or not has_job_control():
            self.notify(
                "kmodtui was not started by a shell with job control, so nothing could resume it.",
                title="Cannot be suspended",
                severity="warning",
                markup=False,
            )
            return
        self.app_suspend_signal.publish(self)
        # The whole group, as for any program: a shell waits for all of it, also for
        # a program that started this one. Textual's handler restores the terminal first.
        os.killpg(0, signal.SIGTSTP)

    def next_theme(self) -> None:
        """See `Desk`."""
        self.themes.next()

    def action_repaint(self) -> None:
        """Repaint everything after another program wrote to the terminal."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.repaint()

    def _repaint(self, _app: object) -> None:
        """Repaint everything after kmodtui was suspended."""
        self.refresh(layout=True)

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens below a screen that does not cover them; Textual draws them with it.

        Textual includes the next screen below even if it is covered completely, and then
        repaints the one on top whenever something changes on the covered one.
        """
        return [] if self.screen.styles.background.a == 1 else super()._background_screens

    # Taint flags

    def _explain_taint(self, flags: str) -> None:
        run_in_background(self, partial(self._notify_of, flags), "taint", exclusive=False)

    async def _notify_of(self, flags: str) -> None:
        """Say of each of some new taint flags what it means and what caused it."""
        from kmodtui.services.taint import cause_of
        from kmodtui.ui.taint_notice import taint_notice

        for flag in flags:
            cause = await asyncio.to_thread(cause_of, self.machine.host, flag, self.live.table)
            self.notify(
                taint_notice(flag, cause),
                title=f"Taint flag {flag} added",
                severity="warning",
                markup=False,
                timeout=12,
            )

    def on_load(self) -> None:
        """Remember the application's own context, for `_start_widget`."""
        self._own_context = copy_context()

    def _start_widget(self, parent: Widget, widget: Widget) -> None:
        """Start a widget, such as a scrollbar that appears, in the application's context.

        A task keeps the context that it is started in. Textual's contains the widget whose
        message is being handled: what starts while a dialog closes would keep that dialog.
        """
        self._own_context.copy().run(super()._start_widget, parent, widget)

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Note which widget each key was typed for; see `typing_ahead`."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._typing.note(self, event)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Decide whether a key may still be looked up as a command."""
        self._typing.judge(self, event)

    # Failures

    def report(self, error: BaseException) -> None:
        """Show an error in a sentence, and write the details to the log file."""
        if isinstance(error, KmodtuiError):
            log.info("%s: %s", error.title, error)
            self.notify(str(error), title=error.title, severity="warning", markup=False, timeout=8)
            return
        self.log_failure(error)
        self.notify(
            "Internal error (a bug in kmodtui). See the log file.",
            title="Internal error",
            severity="error",
            markup=False,
        )

    def log_failure(self, error: BaseException) -> None:
        """Write a failure to the log file with its traceback."""
        log.error("%s", error, exc_info=error)

    @property
    def _is_in_closed_screen(self) -> bool:
        """Whether what runs now belongs to a screen that is no longer shown."""
        pump = active_message_pump.get(None)
        return isinstance(pump, Widget) and not any(
            node in self.screen_stack for node in pump.ancestors_with_self
        )

    def _report_malformed(self, table: ModuleTable) -> None:
        """Report each malformed line of /proc/modules, once; of many only some."""
        new = [line for line in table.malformed if line not in self._reported_lines]
        self._reported_lines.update(new)
        shown = [f": {shortened(line, MAX_LINE)}" for line in new[:MAX_LINES]]
        if len(new) > MAX_LINES:
            shown.append(f", and {len(new) - MAX_LINES:,} more.")
        for rest in shown:
            log.warning("malformed line in /proc/modules%s", rest)
            self.notify(
                f"Malformed line in /proc/modules, skipped{rest}", severity="warning", markup=False
            )

    def _handle_exception(self, error: Exception) -> None:
        if self._is_in_closed_screen:
            # Such as a timer of the palette, which looks for widgets that have been removed.
            log.warning("ignored in a screen that has closed: %r", error)
            return
        self.log_failure(error)
        super()._handle_exception(error)
        # Textual would print the traceback on exit; the log file already has it.
        self._exit_renderables.clear()
