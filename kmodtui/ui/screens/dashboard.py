"""The dashboard: four panes over one reading of the kernel, and the keys that move among them."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.kptr import read_hiding
from kmodtui.model.history import Change
from kmodtui.model.modules import ModuleTable, taint_letters
from kmodtui.model.plan_unload import left_behind
from kmodtui.model.text import counted, human_size
from kmodtui.services.details import read_details
from kmodtui.services.index_watch import index_changes
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import (
    Changed,
    Monitor,
    MonitorEvent,
    ReadingFailed,
    SymbolsRead,
    TableRead,
)
from kmodtui.services.neighbours import Neighbours
from kmodtui.ui.commands import COMMANDS, bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.arranging import PANES
from kmodtui.ui.screens.changing import Changing
from kmodtui.ui.screens.listening import Listening
from kmodtui.ui.screens.looking import Looking
from kmodtui.ui.screens.plan import PlanDialog
from kmodtui.ui.screens.remembering import Remembering
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.header_line import HeaderFacts, HeaderLine
from kmodtui.ui.widgets.info_pane import InfoPane
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.line_view import LineView
from kmodtui.ui.widgets.log_pane import LogPane
from kmodtui.ui.widgets.modules_pane import ModulesPane
from kmodtui.ui.widgets.symbols_pane import SymbolsPane
from kmodtui.ui.widgets.too_small import TooSmall
from kmodtui.ui.widgets.tree_pane import ModuleTree, TreePane

READING_PAUSE = 0.05
"""Seconds that the cursor has to rest on a module before its file is read."""


class DashboardScreen(Changing, Looking, Remembering, Listening):
    """Everything about the modules of one machine, live."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("dashboard")]
    AUTO_FOCUS = "#module-lines"

    def __init__(self, machine: Machine, monitor: Monitor) -> None:
        super().__init__()
        self.machine = machine
        self.monitor = monitor
        self._table = ModuleTable()
        self._stopped = False
        self._detailed: str | None = None
        self._header = HeaderLine()
        self._keys = KeyLine("dashboard")
        self._filter = FilterBar(self._apply_filter)
        self._too_small = TooSmall()
        self._modules = ModulesPane()
        self._tree = TreePane()
        self._info = InfoPane()
        self._change_and_symbols = SymbolsPane()
        self.log_pane = LogPane()

    def compose(self) -> ComposeResult:
        """Header, panes, filter, keys."""
        yield self._header
        yield self.tabs_line
        with Container(id="panes"):
            yield self._modules
            yield self._info
            yield self._change_and_symbols
            yield self._tree
            yield self.log_pane
        yield self._filter
        yield self._keys
        yield self._too_small

    def on_mount(self) -> None:
        """Begin to watch the kernel."""
        self.show_front()
        self.show_header()
        self._change_and_symbols.hiding = read_hiding(self.machine.host)
        self.run_worker(self._watch(), group="monitor", exclusive=True, exit_on_error=False)

    async def _watch(self) -> None:
        async for event in self.monitor.watch():
            try:
                await self._show(event)
            except Exception as error:
                # What cannot be shown once must not end the watching.
                desk(self).report(error)

    async def _show(self, event: MonitorEvent) -> None:
        match event:
            case TableRead(table):
                self._show_table(table)
            case SymbolsRead(symbols):
                self._change_and_symbols.show_symbols(symbols)
                self.begin_timeline(self._table, symbols)
                self._read_index()
            case Changed(change, table, symbols):
                self._table = table
                if symbols is not None:
                    self._change_and_symbols.show_symbols(symbols)
                stays = await self._show_change(change)
                self.add_to_timeline(change, table, symbols, stays)
            case ReadingFailed(error):
                desk(self).report(error)
                self._change_and_symbols.show_failure(str(error))
                self.begin_timeline(self._table, None)
                self._read_index()

    def _read_index(self) -> None:
        self.run_worker(self._load_index(), group="index", exclusive=True, exit_on_error=False)

    async def _load_index(self) -> None:
        """Read the release's index, and again whenever depmod has written it.

        The tree shows from it what is not loaded.
        """
        await self.machine.index()
        self._show_edges()
        async for _ in index_changes(self.machine.host, f"/lib/modules/{self.machine.release}"):
            self.machine.forget_index()
            await self.machine.index()
            self._show_edges()
            self._read_details()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the failure of work that went on beside the screen; nothing is swallowed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            desk(self).report(event.worker.error)
            if event.worker.group == "monitor":
                self._stopped = True
                self.show_header()

    # Showing

    def _show_table(self, table: ModuleTable) -> None:
        self._table = table
        self._modules.show_table(table)
        self._show_edges()
        self.show_header()
        self._read_details()
        for line in table.malformed:
            desk(self).note_malformed(line)

    async def _show_change(self, change: Change) -> dict[str, str]:
        """Show a change; return what stays loaded although its user went, with the reason."""
        went = tuple(module.name for module in change.went)
        remaining = frozenset(self._table.by_name)
        stays: dict[str, str] = {}
        try:
            if went and await self.machine.index() is not None:
                lookup = await asyncio.to_thread(self.machine.lookup)
                stays = left_behind(went, remaining, lookup, self._table)
        except KmodtuiError as error:
            desk(self).report(error)
        self._change_and_symbols.show_change(change, stays)
        if isinstance(dialog := self.app.screen, PlanDialog):
            dialog.show_change(change, stays)
        self._modules.mark_new({module.name for module in (*change.came, *change.reloaded)})
        self._show_edges()
        return stays

    def _show_edges(self) -> None:
        neighbours = Neighbours(self._table, self.machine.index_if_read)
        self._tree.show_edges(self._table, neighbours.needs, neighbours.users)

    @property
    def header_facts(self) -> HeaderFacts:
        """What the header tells now."""
        return self._header.facts

    def show_header(self) -> None:
        """Tell which machine this is and how things stand."""
        facts = self.machine.facts
        totals = ""
        if self._table.raw or len(self._table):
            totals = f"{counted(len(self._table), 'module')} {human_size(self._table.total_size)}"
        self._header.facts = HeaderFacts(
            badge=self.machine.host.badge,
            host=facts.hostname or "",
            kernel=self.machine.kernel_words,
            totals=totals,
            taint=taint_letters(self.machine.tainted()),
            privilege=self.machine.privilege_words,
            halt="STOPPED" if self._stopped else "PAUSED" if self.monitor.paused else "",
        )
        self._keys.grey(
            frozenset(c.id for c in COMMANDS if c.needs_root)
            if self.machine.root.denied
            else frozenset()
        )

    # Following the selected module

    def on_modules_pane_selected(self, message: ModulesPane.Selected) -> None:
        """Let the other panes follow."""
        self._tree.show_module(message.name)
        self._change_and_symbols.show_module(message.name)
        self.log_pane.show_module(message.name)
        self._read_details()

    def _read_details(self) -> None:
        # Not a coroutine of it: one that the next call cancels before it has begun is
        # never awaited, which Python complains of.
        _: Worker[None] = self.run_worker(
            self._details, group="details", exclusive=True, exit_on_error=False
        )

    async def _details(self) -> None:
        name = self._modules.selected
        if name is None:
            self._info.show_details(None)
            return
        if name != self._detailed:
            # Whoever holds a key down passes many modules, and wants to read none of them.
            await asyncio.sleep(READING_PAUSE)
            self._detailed = name
        details = await read_details(self.machine, self._table.by_name.get(name), name)
        self._info.show_details(details)

    def on_tree_pane_chosen(self, message: TreePane.Chosen) -> None:
        """Go to a module that was chosen in the tree."""
        if self._modules.select(message.name):
            self.action_pane("modules")
        else:
            self.notify(
                f"{message.name} is not loaded, or the filter hides it.", markup=False, timeout=4
            )

    @property
    def selected_module(self) -> str | None:
        """The module that the cursor is on at this key press."""
        return self._modules.selected

    @property
    def marked_modules(self) -> tuple[str, ...]:
        """The modules that were marked, for commands that take several."""
        return self._modules.marked

    def clear_marks(self) -> bool:
        """Let no module be marked any more; return whether one was."""
        return self._modules.clear_marks()

    def show_module(self, name: str) -> None:
        """Go to a module and to what it did to the symbols."""
        self._modules.select(name)
        self.action_pane("symbols")

    # Panes

    def focus_target(self, name: str) -> Widget:
        """Return what gets the keys in a pane."""
        if name == "symbols":
            return self._change_and_symbols.view
        if name == "tree":
            return self.query_one(ModuleTree)
        return self.query_one(f"#{name}").query_one(LineView)

    @property
    def open_drawers(self) -> tuple[str, ...]:
        """The drawer of the kernel's log, if it is open."""
        return ("log",) if self.log_pane.is_open else ()

    def on_resize(self, event: events.Resize) -> None:
        """Choose between two columns and one pane; say so where not even that fits."""
        self.fit_panes(event.size.width)
        self._too_small.measure(event.size)

    # Filter

    def _filtered_pane(self) -> ModulesPane | InfoPane | SymbolsPane | LogPane:
        if self.front == "log":
            return self.log_pane
        if self.front == "info":
            return self._info
        if self.front == "symbols":
            return self._change_and_symbols
        return self._modules

    def action_filter(self) -> None:
        """Open the line to type a filter into."""
        if self.front == "tree":
            self.action_pane("modules")
        what = "kernel log" if self.front == "log" else PANES[self.front].lower()
        self._filter.open(what, self._filtered_pane().filter_text)

    def _apply_filter(self, text: str) -> None:
        self._filtered_pane().filter_text = text

    def action_back(self) -> None:
        """Leave the zoom, or clear the filter: one thing a press, and never more."""
        if self.clear_marks():
            return
        if self.has_class("-zoomed"):
            self.remove_class("-zoomed")
        elif self._filtered_pane().filter_text:
            self._filtered_pane().filter_text = ""
        elif self.front == "log":
            self.close_log()

    # Commands

    def action_sort_next(self) -> None:
        """Sort by the next column; in the symbols pane, its symbols."""
        if self.front == "symbols":
            self._change_and_symbols.sort_next()
        else:
            self._modules.sort_next()

    def action_sort_reverse(self) -> None:
        """Turn the sort order round."""
        self._modules.sort_reverse()

    def action_turn_tree(self) -> None:
        """Show the other direction of the tree."""
        self._tree.turn()

    def action_symbol_view(self) -> None:
        """Show the other view of the symbols pane."""
        self._change_and_symbols.toggle()

    def action_pause(self) -> None:
        """Stop reading the kernel, or go on."""
        self.monitor.paused = not self.monitor.paused
        self.show_header()

    def action_refresh_now(self) -> None:
        """Read the kernel at once."""
        self.monitor.read_now()
        # What equal bytes of /proc/modules do not tell: values of parameters, and the taint.
        self._read_details()
        self.show_header()

    def action_quit(self) -> None:
        """Leave."""
        self.app.exit()
