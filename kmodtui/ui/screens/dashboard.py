"""The dashboard: the panes of one system, and the keys that are valid in all of them.

Dialogs and other screens are imported when they are opened: to import all of them takes as
long as everything that has to be done before the first module is on the screen.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.services.view_memory import View
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.desk import desk
from kmodtui.ui.hints import FirstStepsLine
from kmodtui.ui.screens.pane_screen import PaneScreen
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.unavailable import why_not_on_module
from kmodtui.ui.widgets.header_line import HeaderLine
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.log import LogLines
from kmodtui.ui.widgets.panes.info import InfoPage, InfoPane
from kmodtui.ui.widgets.panes.modules import ModulesPane
from kmodtui.ui.widgets.panes.symbols import SymbolsPane
from kmodtui.ui.widgets.panes.tree import TreePane

if TYPE_CHECKING:
    from kmodtui.model.load_line import LoadRequest
    from kmodtui.model.plan.plan import Plan
    from kmodtui.ui.change_flow import ChangeFlow
    from kmodtui.ui.recording import TimelineRecording


log = logging.getLogger("kmodtui")


class DashboardScreen(PaneScreen):
    """Everything about the modules of one system, live."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("dashboard")]
    AUTO_FOCUS = "#module-lines"

    def __init__(self, live: LiveSystem) -> None:
        super().__init__(live)
        self.machine = live.machine
        self._modules = self.pane_of(ModulesPane)
        self._info = self.pane_of(InfoPane)
        self._tree = self.pane_of(TreePane)
        self._symbols = self.pane_of(SymbolsPane)
        self._recording: TimelineRecording | None = None

    def compose(self) -> ComposeResult:
        """Header, panes, filter, keys."""
        yield HeaderLine(self.live)
        yield self.tabs_line
        yield self.grid
        yield self.filter_bar
        yield FirstStepsLine()
        yield KeyLine("dashboard")

    def on_mount(self) -> None:
        """Show which pane has the focus."""
        subscribe(self.live.index_read, self._prepare_changes)
        self.show_front()
        if (memory := desk(self).memory) is not None:
            self._show_view(memory.view)

    def _show_view(self, view: View) -> None:
        """Look as at the end of the last session; the log is not opened, which may ask."""
        self._modules.order = (view.order, view.is_reversed)
        try:
            self._modules.filter_text = view.filter_text
        except KmodtuiError as error:
            log.info("the filter of the last session is not used: %s", error)
        self.grid.use(view.layout, view.sizes)
        if (pane := self.panes.get(view.pane)) is not None and pane.is_open:
            self.action_pane(view.pane)

    @property
    def view(self) -> View:
        """How it looks now."""
        order, is_reversed = self._modules.order
        text, grid = self._modules.filter_text, self.grid
        return View(order, is_reversed, text, self.front, grid.layout_name, grid.sizes)

    def _prepare_changes(self, _: None) -> None:
        """Import what most keys need, so that the first of them does not wait for that."""
        self.work(partial(asyncio.to_thread, import_module, "kmodtui.ui.change_flow"), "imports")

    @cached_property
    def _changes(self) -> ChangeFlow:
        from kmodtui.ui.change_flow import ChangeFlow

        return ChangeFlow(self, self.live, self._show_changed)

    # The selected module

    def on_modules_pane_selected(self, message: ModulesPane.Selected) -> None:
        """Let the other panes follow."""
        self._show_module(message.name)

    def _show_module(self, name: str | None) -> None:
        for pane in self.panes.values():
            pane.show_module(name)

    def on_tree_pane_chosen(self, message: TreePane.Chosen) -> None:
        """Go to a module that was chosen in the tree."""
        self._go_to(message.name)

    def on_log_lines_module_wanted(self, message: LogLines.ModuleWanted) -> None:
        """Go to a module that a message of the kernel log names."""
        self._go_to(message.name)

    def _go_to(self, name: str) -> None:
        if self._modules.select(name):
            self.action_pane("modules")
        else:
            self.notify(f"{name} is not loaded, or the filter hides it.", markup=False, timeout=4)

    def _selected(self) -> str | None:
        """Return the module that the cursor is on at this key press; if there is none, say why."""
        selected = self._modules.selected
        if selected is None:
            if self.live.status.modules is None:
                words = "The modules have not been read yet."
            elif text := self._modules.filter_text:
                words = f"No loaded module matches the filter “{text}”."
            else:
                words = "No modules are loaded."
            self.say_nothing_selected(words)
        return selected

    def _targets(self) -> tuple[str, ...]:
        """Return the modules that a command acts on: the marked ones, else the selected one.

        Nothing that the filter hides is acted on: if it hides a marked module, this says so
        and returns none.
        """
        marked = tuple(m.name for m in self.live.table if m.name in self.live.marked)
        hidden = [name for name in marked if not self._modules.shows(name)]
        if hidden:
            self.notify(
                f"The filter hides {counted(len(hidden), 'marked module')}: {', '.join(hidden)}. "
                f"Press {key_of('dashboard.filter')} and {key_of('filter.clear')} to clear the "
                f"filter, or {key_of('dashboard.back')} to clear all marks.",
                title="Marked modules are hidden",
                markup=False,
                timeout=8,
            )
            return ()
        if marked:
            return marked
        selected = self._selected()
        return () if selected is None else (selected,)

    def on_modules_pane_opened(self) -> None:
        """Go to the details of the module that was opened."""
        self.action_pane("info")

    # Menus

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used now on a line; empty if it can."""
        if subject.kind is SubjectKind.MODULE and command.context == "dashboard":
            module = self.live.table.by_name.get(subject.name)
            reason = why_not_on_module(command, module, marked=bool(self.live.marked))
            if not reason and not self._modules.shows(subject.name):
                reason = "the filter hides the module"
            if reason:
                return reason
        symbols = self.live.symbols
        if command.id == "dashboard.addresses" and symbols and not symbols.addresses_hidden:
            return "the addresses are shown already"
        return super().why_not(command, subject)

    @property
    def menu_note(self) -> str:
        """What else the commands of a menu act on, in a sentence."""
        marked = len(self.live.marked)
        if not marked:
            return ""
        modules = f"{marked} modules are" if marked > 1 else "1 module is"
        return f"{modules} marked: unload, reload and block act on what is marked."

    def aim(self, subject: Subject) -> None:
        """Select the module that a command is about to act on."""
        if subject.kind is SubjectKind.MODULE and self._modules.select(subject.name):
            # Now, not when the message of the pane arrives, which is after the command.
            self._show_module(subject.name)

    # Panes

    def on_resize(self, event: events.Resize) -> None:
        """Choose between two columns and one pane."""
        self.fit_panes(event.size.width, only_one=desk(self).lite)

    def action_back(self) -> None:
        """Undo the last of marks, maximized pane, filter and open drawer: one with each press."""
        if not self._modules.clear_marks():
            super().action_back()

    # Commands

    def action_sort_next(self) -> None:
        """Sort the modules by the next column; in the symbols pane, the symbols."""
        if self.front == "symbols":
            self._symbols.sort_next()
        else:
            self._modules.sort_next()

    def action_sort_reverse(self) -> None:
        """Reverse the sort order."""
        self._modules.sort_reverse()

    def action_reverse_tree(self) -> None:
        """Reverse the dependency tree."""
        self._tree.turn()

    def action_symbol_view(self) -> None:
        """Show the other view of the symbols pane."""
        self._symbols.toggle()

    def action_why(self) -> None:
        """Show why the selected module is loaded, and what holds it; again: what it does."""
        if self._selected() is not None:
            self._info.toggle(InfoPage.WHY)
            self.action_pane("info")

    def action_modinfo(self) -> None:
        """Show what modinfo prints for the selected module; again: what it does."""
        if self._selected() is not None:
            self._info.toggle(InfoPage.MODINFO)
            if self.shows_one_pane:
                self.action_pane("info")

    def action_pause(self) -> None:
        """Stop reading the kernel, or continue."""
        self.live.paused = not self.live.paused

    def action_refresh_now(self) -> None:
        """Read the kernel now."""
        self.live.read_now()

    def action_quit(self) -> None:
        """Quit."""
        self.app.exit()

    # Changes of the kernel

    def action_load(self) -> None:
        """Load a module that is asked for."""
        self._changes.load()

    def action_unload(self) -> None:
        """Unload the marked modules, or the one that the cursor is on at this key press."""
        if targets := self._targets():
            self._changes.unload(targets)

    def action_reload(self) -> None:
        """Reload the marked modules, or the selected one."""
        if targets := self._targets():
            self._changes.reload(targets)

    def action_parameters(self) -> None:
        """Show the parameters of the selected module, and change them."""
        if (name := self._selected()) is not None:
            self._changes.parameters(name)

    def action_restrict(self) -> None:
        """Blacklist or block the marked modules or the selected one, or end that."""
        if targets := self._targets():
            self._changes.restrict(targets)

    def action_keep(self) -> None:
        """Keep the selected module or its options for the next boot, or end that."""
        if (name := self._selected()) is not None:
            self._changes.keep(name)

    def action_undo(self) -> None:
        """Undo the last change made through kmodtui."""
        self._changes.undo()

    def action_experiment(self) -> None:
        """Load a module that is asked for, examine it and unload it again."""
        self._changes.experiment()

    def action_watch(self) -> None:
        """Watch the file of the selected module, or one that is asked for."""
        name = self._modules.selected
        self._changes.watch(name)

    def action_drop_root(self) -> None:
        """Drop root privileges."""
        self._changes.drop_root()

    def action_idle(self) -> None:
        """Set after how many idle minutes root privileges are dropped."""
        self._changes.set_idle()

    def _show_changed(self, plan: Plan) -> None:
        """Show what a plan has changed, once its dialog has closed."""
        from kmodtui.model.plan.verb import Verb

        self._modules.clear_marks()
        if plan.verb in (Verb.LOAD, Verb.UNLOAD, Verb.RELOAD, Verb.INSERT):
            # The cursor only: the focus stays in the pane where it was.
            self._modules.select(plan.target)

    # Other screens

    def action_browser(self) -> None:
        """Browse all symbols."""
        from kmodtui.ui.screens.browser import BrowserScreen

        self.app.push_screen(BrowserScreen(self.live))

    def action_addresses(self) -> None:
        """Read hidden addresses through the helper, if the person agrees."""
        from kmodtui.ui.dialogs.addresses import ask_for_addresses

        ask_for_addresses(self, self.live)

    def action_catalog(self) -> None:
        """Browse all modules of the release, loaded or not."""
        from kmodtui.ui.dialogs.picker import ModulePicker

        self.app.push_screen(ModulePicker(self.machine, looking=True), self._open_from_catalog)

    def _open_from_catalog(self, request: LoadRequest | None) -> None:
        """Show the details of a loaded module; of another one, the plan that loads it."""
        if request is None:
            return
        shown = request.name in self.live.table.by_name and not request.parameters
        if not shown or request.restricts:
            self._changes.plan_load(request)
            return
        if not self._modules.shows(request.name):
            self._modules.filter_text = ""
        self._modules.select(request.name)
        self.action_pane("info")

    def action_rules(self) -> None:
        """Show all rules of modprobe.d."""
        from kmodtui.ui.screens.rules import RulesScreen

        self.app.push_screen(RulesScreen(self.live))

    def action_crosscheck(self) -> None:
        """Look for hidden modules."""
        from kmodtui.ui.screens.crosscheck import CrossCheckScreen

        self.app.push_screen(CrossCheckScreen(self.live))

    def action_next_kernel(self) -> None:
        """Show what changes for modules with the next kernel."""
        from kmodtui.ui.screens.next_kernel import NextKernelScreen

        self.app.push_screen(NextKernelScreen(self.live))

    def action_exposure(self) -> None:
        """Show who can make the kernel load modules."""
        from kmodtui.ui.screens.exposure import ExposureScreen

        self.app.push_screen(ExposureScreen(self.live))

    def action_devices(self) -> None:
        """Show the devices, beginning with those of the selected module."""
        from kmodtui.ui.screens.devices import DevicesScreen

        selected = self._modules.selected or ""
        self.app.push_screen(DevicesScreen(self.live, selected, self._open_from_devices))

    def _open_from_devices(self, name: str) -> None:
        """Show the details of a loaded module; of another one, the plan that loads it."""
        from kmodtui.model.load_line import LoadRequest

        self._open_from_catalog(LoadRequest(name, ()))

    def action_doctor(self) -> None:
        """Examine the system."""
        from kmodtui.ui.screens.doctor import DoctorScreen

        self.app.push_screen(DoctorScreen(self.live))

    def action_linkage(self) -> None:
        """Show the symbols of the module; in the tree, those between the cursor's two modules."""
        from kmodtui.ui.screens.linkage import LinkageScreen

        tree = self._tree
        user, provider = tree.edge if tree.has_focus_within else (None, "")
        user = self._selected() if user is None else user
        if user is not None:
            self.app.push_screen(LinkageScreen(self.machine, user, provider))

    def action_timeline(self) -> None:
        """Show every change since the start."""
        from kmodtui.ui.screens.timeline import TimelineScreen

        self.app.push_screen(TimelineScreen(self.live))

    def action_command_log(self) -> None:
        """Show the changes of this session as commands."""
        from kmodtui.ui.screens.command_log import CommandLogScreen

        self.app.push_screen(CommandLogScreen(self.live))

    def action_snapshot(self) -> None:
        """Save modules and symbols of now to a file that is asked for."""
        from kmodtui.ui.snapshot import save_snapshot

        try:
            save_snapshot(self, self.live)
        except KmodtuiError as error:
            self.report(error)

    def action_record(self) -> None:
        """Record the timeline to a file that is asked for, or end that."""
        from kmodtui.ui.recording import TimelineRecording

        if self._recording is None:
            self._recording = TimelineRecording(self, self.live)
        try:
            self._recording.toggle()
        except KmodtuiError as error:
            self.report(error)

    def action_report(self) -> None:
        """Save what a bug report needs, about the selected module if there is one."""
        from kmodtui.ui.recording import save_report

        try:
            save_report(self, self.live.machine, self._modules.selected)
        except KmodtuiError as error:
            self.report(error)

    def action_compare(self) -> None:
        """Compare snapshots with each other, or with now."""
        from kmodtui.ui.screens.compare import CompareScreen
        from kmodtui.ui.snapshot import current_directory

        try:
            self.app.push_screen(CompareScreen(self.live, current_directory()))
        except KmodtuiError as error:
            self.report(error)

    def action_legend(self) -> None:
        """Explain symbol types and taint flags."""
        from kmodtui.ui.dialogs.legend import LegendScreen

        self.app.push_screen(LegendScreen())

    def action_help(self) -> None:
        """Show every key."""
        from kmodtui.ui.dialogs.help import open_help

        open_help(self)

    def action_next_theme(self) -> None:
        """Use the next theme."""
        desk(self).next_theme()

    def action_palette(self) -> None:
        """Open the command palette."""
        self.app.action_command_palette()
