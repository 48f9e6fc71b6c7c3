"""The picker: the dialog that asks which module to load, and with which parameters.

It has an input line, below that the list of matches, best first, and below that the
details of the module under the cursor. A wrong name stays in the line, with the reason
below it.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.model.catalog_entry import Catalog, CatalogEntry
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.model.load_line import RESTRICT, LoadRequest, query_of
from kmodtui.model.text import clean
from kmodtui.services.catalog.catalog import described_by_file
from kmodtui.services.catalog.live import CatalogState
from kmodtui.services.exposure import read_exposures
from kmodtui.services.machine import Machine
from kmodtui.services.picker.matching import (
    InputKind,
    Suggestions,
    answer_device,
    answer_modules,
    answer_path,
    completed,
    kind_of,
    no_match,
)
from kmodtui.services.picker.picker import (
    Chosen,
    Completed,
    Entered,
    Message,
    NeedsCheck,
    NeedsForm,
    Outcome,
    Picker,
)
from kmodtui.ui.commands import Hint, bindings, bindings_of, hint, hint_line
from kmodtui.ui.dialogs.check_first import InsertCheckDialog
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.lines.view import Line, LineView
from kmodtui.ui.widgets.module_choices import (
    EntryCard,
    ModuleChoices,
    card_lines,
    path_lines,
    status_words,
)
from kmodtui.ui.widgets.reach_filter import ReachFilter

__all__ = ["LoadRequest", "ModulePicker"]

CARD_PAUSE = 0.05
"""Seconds that the cursor has to stay on a module before its file is read."""

LOW = 30
"""Below this height of the screen in lines, the card shows less."""


class ModulePicker(Dialog[LoadRequest | None]):
    """An input line for name and parameters, and the modules of this kernel that match."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("dialog.cancel"),
        *bindings("picker"),
    ]

    takes_text = True

    def __init__(
        self, machine: Machine, title: str = "Load a module", *, looking: bool = False
    ) -> None:
        """Offer the modules of `machine`; with `looking`, to browse them from the first on."""
        super().__init__()
        self.machine = machine
        self.index: ModuleIndex | None = None
        self._picker = Picker(machine, self._answer_to)
        self._picking: Worker[None] | None = None
        self._left = False
        self._looking = looking
        self._heading = f"Modules of {machine.release}" if looking else title
        self._loaded: frozenset[str] = frozenset()
        self._state = CatalogState()
        self._catalog: Catalog | None = None
        self._reach = ReachFilter()
        self._haystack = SearchIndex(())
        self._ready = asyncio.Event()
        self._answer = Suggestions()
        self._chosen = False  # whether the user moved the cursor of the list
        self._message = ""
        self.text_line = InputLine(
            "picker",
            id="load-input",
            placeholder="name, alias, words, device or path of a .ko; then key=value",
        )
        self._input = self.text_line
        self._list = ModuleChoices()
        self._card = EntryCard()
        self._status = Static("", id="load-problem", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the input line, the list, the card and the status line."""
        with Vertical(classes="dialog", id="load-dialog") as frame:
            set_title(frame, self._heading)
            set_subtitle(frame, hint_line(*self._hints()))
            yield self._input
            yield self._list
            yield self._card
            yield self._status

    def _hints(self) -> list[Hint]:
        if self._looking:
            return [
                hint("picker.up", "picker.down", label="select"),
                hint("picker.take", label="open"),
                hint("picker.restrict"),
                hint("picker.reach", label="reach"),
                hint("dialog.cancel", label="close"),
            ]
        ids = (
            "picker.take",
            "picker.complete",
            "picker.parameters",
            "picker.restrict",
            "dialog.cancel",
        )
        return [hint(each) for each in ids]

    def on_mount(self) -> None:
        """Start reading the catalog of modules."""
        self._input.focus()
        self.work(self._follow, "catalog", failed=lambda _error: self._ready.set())

    def on_resize(self, event: events.Resize) -> None:
        """Give the list more room on a low screen."""
        self.set_class(event.size.height < LOW, "-low")

    # The catalog

    async def _follow(self) -> None:
        self.index = await self.machine.index()
        try:
            # The loaded modules belong to the running kernel.
            if self.machine.looks_at_running:
                self._loaded = await self.machine.loaded_names()
        except KmodtuiError as error:
            self.say(str(error))
        if self._looking:
            self.work(self._read_exposures, "exposures")
        async for state in self.machine.catalog.states():
            self._state = state
            if state.catalog is not None and state.catalog is not self._catalog:
                haystack = await asyncio.to_thread(SearchIndex, state.catalog.entries)
                self.index = await self.machine.index()
                await self._show_catalog(state.catalog, haystack)
            elif state.problem:
                self._list.show_entries((), self._loaded)
                self.say(state.problem)
                self._ready.set()
            self._show_status()

    async def _read_exposures(self) -> None:
        """Read who can have each module loaded, which takes longer than the names."""
        host, release = self.machine.host, self.machine.release
        with contextlib.suppress(KmodtuiError):
            found, _ = await asyncio.to_thread(read_exposures, host, release)
            self._reach.exposures = self._list.exposures = {each.name: each for each in found}
            self._list.lines_changed()
            self._show_card()

    def action_reach(self) -> None:
        """Show only the modules that others than root can have loaded; then all again."""
        if not self._reach.exposures:
            self.say("Who can have modules loaded is shown in the catalog, once it is known.")
            return
        self._reach.next()
        set_title(self.query_one("#load-dialog"), f"{self._heading}{self._reach.words}")
        if kind_of(self._query) is InputKind.MODULE:
            self._offer(self._answer_modules(self._query))

    def _answer_modules(self, query: str) -> Suggestions:
        return self._reach.applied(answer_modules(self._haystack, self.index, query))

    async def _show_catalog(self, catalog: Catalog, haystack: SearchIndex) -> None:
        same = self._catalog is not None and len(self._catalog.entries) == len(catalog.entries)
        before = self._list.entry
        self._catalog, self._haystack = catalog, haystack
        kind = kind_of(self._query)
        if kind is InputKind.MODULE:
            answer = self._answer_modules(self._query)
            if same and before is not None and answer.entries:
                self._answer = answer
                self._list.replace_entries(answer.entries, self._loaded)
                self._show_card()
            else:
                self._offer(answer)
        elif kind is InputKind.DEVICE:
            self._look_up()
        self._ready.set()

    @property
    def _query(self) -> str:
        """The typed text without the parameters at its end."""
        return query_of(self._input.value)

    # Matches

    def on_input_changed(self, event: Input.Changed) -> None:
        """Update the list."""
        event.stop()
        self._message = ""
        self._look_up()

    def _look_up(self) -> None:
        query = self._query
        if query == self._answer.text and self._answer.rank is not None and not self._message:
            self._show_status()
            return
        if kind_of(query) is InputKind.MODULE:
            self.workers.cancel_group(self, "answer")
            if self._catalog is not None:
                self._offer(self._answer_modules(query))
        else:
            self.work(self._look_up_files, "answer")

    async def _look_up_files(self) -> None:
        """Look up a device or a directory in a thread, because that reads files."""
        answer = await asyncio.to_thread(self._answer_now, self._query)
        if answer.text == self._query:
            self._offer(answer)

    def _answer_now(self, query: str) -> Suggestions:
        """Return what matches a query; may read files."""
        kind = kind_of(query)
        host = self.machine.host
        if kind is InputKind.PATH:
            return answer_path(host, query)
        if kind is InputKind.DEVICE:
            return answer_device(host, self._haystack, self.index, query)
        return self._answer_modules(query)

    def _offer(self, answer: Suggestions) -> None:
        self._answer = answer
        self._chosen = False
        if kind_of(answer.text) is InputKind.PATH:
            self._list.show_paths(answer.paths, answer.words)
        else:
            missing = answer.words or no_match(answer)
            by_name = self._catalog.by_name if self._catalog is not None else {}
            # A row is highlighted if Enter takes it: none of the similar names, and none
            # before something was typed, except for browsing.
            similar = tuple(by_name[name] for name in answer.near)
            pointing = not similar and bool(answer.text or self._looking)
            self._list.show_entries(
                answer.entries or similar, self._loaded, answer.text, missing, pointing=pointing
            )
        self._show_card()
        self._show_status()

    # Display

    def say(self, words: str) -> None:
        """Show a message until the text changes."""
        self._message = words
        self._show_status()

    def _show_status(self) -> None:
        words = self._message or status_words(self._answer, self._catalog, self._state)
        if self._status.content != words:
            self._status.update(clean(words))
        self._status.set_class(bool(self._message), "-warning")

    def _show_card(self) -> None:
        path, entry = self._list.path, self._list.entry
        if path is not None:
            self._card.show(path_lines(path))
        elif entry is not None:
            self._card.show(self._card_lines(entry))
            if not entry.read:
                self.work(self._read_card, "card")
        else:
            self._card.show(())

    def _card_lines(self, entry: CatalogEntry) -> list[Line]:
        return card_lines(entry, self._loaded, self._reach.exposures.get(entry.name))

    async def _read_card(self) -> None:
        """Read the file of the module under the cursor, ahead of the catalog."""
        await asyncio.sleep(CARD_PAUSE)
        entry, index = self._list.entry, self.index
        if entry is not None and index is not None and not entry.read:
            described = await asyncio.to_thread(described_by_file, index, entry)
            if (now := self._list.entry) and now.name == described.name:
                self._card.show(self._card_lines(described))

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Show the card of the selected module."""
        message.stop()
        self._chosen = True
        self._show_card()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Take the module that was double-clicked."""
        message.stop()
        self.action_take()

    # What was picked

    async def _answer_to(self, query: str) -> Suggestions:
        """Return what matches a query, once the catalog has been read."""
        await self._ready.wait()
        return await asyncio.to_thread(self._answer_now, query)

    def _pick(self, entered: Entered) -> None:
        """Go on with what was entered; one at a time."""
        if self._picking is None or self._picking.is_finished:
            self._picking = self.work(partial(self._go_on, entered), "pick", exclusive=False)

    async def _go_on(self, entered: Entered) -> None:
        try:
            await self._follow_up(await self._picker.pick(entered))
        except KmodtuiError as error:
            self.say(str(error))

    async def _follow_up(self, outcome: Outcome) -> None:
        match outcome:
            case Message(text):
                self.say(text)
            case Completed(path):
                self.replace_query(path)
            case Chosen(request):
                self.leave(request)
            case NeedsForm(name, parameters):
                form = ParameterForm(self.machine, name, parameters)
                values = await self.app.push_screen_wait(form)
                if values is not None:
                    await self._follow_up(await self._picker.accept(name, values))
            case NeedsCheck(request):
                check = InsertCheckDialog(self.machine, request.name)
                await self.app.push_screen_wait(check)
                if check.goes_on:
                    self.leave(request)

    def leave(self, request: LoadRequest | None) -> None:
        """Close, once."""
        if not self._left:
            self._left = True
            self.dismiss(request)

    # Keys

    def _catch_up(self) -> None:
        """Update the list for the current text: keys can be ahead of change messages."""
        query = self._query
        if query != self._answer.text and kind_of(query) is InputKind.MODULE and self._catalog:
            self._offer(self._answer_modules(query))

    def action_move(self, lines: int) -> None:
        """Move the cursor of the list; the input line keeps the focus."""
        self._catch_up()
        if self._list.line_count():
            self._chosen = True
            self._list.move(lines)

    def action_complete(self) -> None:
        """Complete the path as far as it is unambiguous, or the name of the module."""
        self._catch_up()
        path, entry = self._list.path, self._list.entry
        if path is not None:
            longer = completed(self._query, self._answer)
            self.replace_query(path.path if self._chosen or longer == self._query else longer)
        elif entry is not None and (self._query or self._chosen):
            self.replace_query(entry.name)

    def replace_query(self, query: str) -> None:
        """Replace the typed text, but keep the parameters at its end."""
        parameters = self._input.value.strip()[len(self._query) :]
        self._input.value = query + parameters
        self._input.cursor_position = len(query)

    def action_take(self) -> None:
        """Go on to the plan."""
        self._take_current(form=False)

    def action_parameters(self) -> None:
        """Go on to the parameter form."""
        self._take_current(form=True)

    def action_restrict(self) -> None:
        """Go on to blacklisting or blocking the module under the cursor."""
        self.work(self._restrict, "pick")

    async def _restrict(self) -> None:
        await self._ready.wait()
        self._catch_up()
        entry = self._list.entry
        if entry is None or not (self._query or self._chosen or self._looking):
            self.say("Select the module to block.")
        elif entry.builtin:
            self.say(f"{entry.name} is built into the kernel: no rule of modprobe.d applies to it.")
        else:
            self.leave(LoadRequest(entry.name, (), RESTRICT))

    def _take_current(self, *, form: bool) -> None:
        self._catch_up()
        browsed = self._looking and not self._query
        chosen = self._list.path or self._list.entry if self._chosen or browsed else None
        self._pick(Entered(self._input.value, chosen, form))

    def action_cancel(self) -> None:
        """Close without choosing a module."""
        self.leave(None)
