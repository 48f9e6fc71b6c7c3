"""The picker: the dialog that asks which module to load, and with which parameters.

One line to type into; what fits is listed below it, best first, and what is
known of the module under the list's cursor below that. A name that is wrong
stays in the line, with the reason.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from kmodtui.errors import KmodtuiError
from kmodtui.model.catalog_entry import Catalog
from kmodtui.model.fuzzy import Haystack
from kmodtui.model.load_line import LoadRequest, query_of
from kmodtui.model.text import clean
from kmodtui.services.catalog import described_by_file
from kmodtui.services.live_catalog import CatalogState
from kmodtui.services.machine import Machine
from kmodtui.services.picking import (
    Answer,
    Kind,
    answer_device,
    answer_modules,
    answer_path,
    completed,
    kind_of,
    nothing_fits,
)
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.editing import edit_at_once
from kmodtui.ui.screens.refusal import may_have_root
from kmodtui.ui.screens.taking import Taking, Wish
from kmodtui.ui.typing_ahead import pass_on
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.line_view import LineView
from kmodtui.ui.widgets.module_choices import EntryCard, ModuleChoices, card_lines, path_lines

__all__ = ["LoadDialog", "LoadRequest"]

CARD_PAUSE = 0.05
"""Seconds that the cursor has to rest on a module before its file is read."""

LOW = 30
"""Lines below which the card tells less."""

_BAR = 12  # cells of the progress bar
_KEYS = {
    "enter": "take",
    "down": "move(1)",
    "up": "move(-1)",
    "pagedown": "move(8)",
    "pageup": "move(-8)",
    "tab": "complete",
    "ctrl+e": "parameters",
}


class NameInput(Input):
    """The line; what moves the list or ends the typing is obeyed at that key."""

    def __init__(self) -> None:
        super().__init__(
            placeholder="name, alias, words, device or path of a .ko; then key=value",
            id="load-input",
            compact=True,
        )
        # One that blinks writes to the terminal for as long as it is there.
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        """Obey at once, not when the key has gone its way through the application."""
        if pass_on(self, event) or await edit_at_once(self, event) or event.key not in _KEYS:
            return
        event.stop()
        event.prevent_default()
        await self.screen.run_action(_KEYS[event.key])


class LoadDialog(Taking):
    """A line for name and parameters, and the modules of this kernel that fit it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
        *bindings("picker"),
    ]

    takes_text = True
    """What is typed before the line has the focus is meant for it all the same."""

    def __init__(self, machine: Machine, *, looking: bool = False) -> None:
        """Offer the modules of `machine`; for `looking` none of them is taken."""
        super().__init__()
        self.machine = machine
        self._looking = looking
        self._loaded: frozenset[str] = frozenset()
        self._state = CatalogState()
        self._catalog: Catalog | None = None
        self._haystack = Haystack(())
        self._ready = asyncio.Event()
        self._answer = Answer()
        self._chosen = False  # whether the list's cursor was moved by hand
        self._said = ""
        self._input = NameInput()
        self._list = ModuleChoices()
        self._card = EntryCard()
        self._status = Static("", id="load-problem", markup=False)

    def compose(self) -> ComposeResult:
        """Frame the line, the list, the card and a line of words."""
        with Vertical(classes="dialog", id="load-dialog") as frame:
            if self._looking:
                set_title(frame, f"Modules of {self.machine.release}")
                set_subtitle(frame, "↑ ↓: choose · Tab: complete · Esc: close")
            else:
                set_title(frame, "Load a module")
                set_subtitle(
                    frame, "Enter: plan · Tab: complete · Ctrl+e: parameters · Esc: cancel"
                )
            yield self._input
            yield self._list
            yield self._card
            yield self._status

    def on_mount(self) -> None:
        """Begin to read the modules that there are."""
        self._input.focus()
        self._work(self._follow, "catalog")

    def on_resize(self, event: events.Resize) -> None:
        """Give the list what there is where the terminal is low."""
        self.set_class(event.size.height < LOW, "-low")

    def _work(self, what: object, group: str) -> Worker[None]:
        return self.run_worker(what, group=group, exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Tell what failed beside the screen; the dialog stays."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            desk(self).report(event.worker.error)
            self._ready.set()

    # What there is

    async def _follow(self) -> None:
        self.index = await self.machine.index()
        try:
            # What is loaded belongs to the kernel that runs.
            if self.machine.looks_at_running:
                self._loaded = await self.machine.loaded_names()
        except KmodtuiError as error:
            self.say(str(error))
        async for state in self.machine.catalog.states():
            self._state = state
            if state.catalog is not None and state.catalog is not self._catalog:
                haystack = await asyncio.to_thread(Haystack, state.catalog.entries)
                self.index = await self.machine.index()
                await self._take_catalog(state.catalog, haystack)
            elif state.problem:
                self._list.show_entries((), self._loaded)
                self.say(state.problem)
                self._ready.set()
            self._show_status()

    async def _take_catalog(self, catalog: Catalog, haystack: Haystack) -> None:
        same = self._catalog is not None and len(self._catalog.entries) == len(catalog.entries)
        before = self._list.entry
        self._catalog, self._haystack = catalog, haystack
        kind = kind_of(self._query)
        if kind is Kind.MODULE:
            answer = answer_modules(haystack, self.index, self._query)
            if same and before is not None and answer.entries:
                self._answer = answer
                self._list.replace_entries(answer.entries, self._loaded)
                self._show_card()
            else:
                self._offer(answer)
        elif kind is Kind.DEVICE:
            self._look_up()
        self._ready.set()

    @property
    def _query(self) -> str:
        """What was typed, without the parameters behind it."""
        return query_of(self._input.value)

    # What fits

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list."""
        event.stop()
        self._said = ""
        self._look_up()

    def _look_up(self) -> None:
        query = self._query
        if query == self._answer.text and self._answer.rank is not None and not self._said:
            self._show_status()
            return
        if kind_of(query) is Kind.MODULE:
            self.workers.cancel_group(self, "answer")
            if self._catalog is not None:
                self._offer(answer_modules(self._haystack, self.index, query))
        else:
            self._work(self._ask, "answer")

    async def _ask(self) -> None:
        """Look up a device or a folder, which takes reading files."""
        answer = await asyncio.to_thread(self._answer_now, self._query)
        if answer.text == self._query:
            self._offer(answer)

    def _answer_now(self, query: str) -> Answer:
        """Return what a text offers; may read files."""
        kind = kind_of(query)
        host = self.machine.host
        if kind is Kind.PATH:
            return answer_path(host, query)
        if kind is Kind.DEVICE:
            return answer_device(host, self._haystack, self.index, query)
        return answer_modules(self._haystack, self.index, query)

    def _offer(self, answer: Answer) -> None:
        self._answer = answer
        self._chosen = False
        if kind_of(answer.text) is Kind.PATH:
            self._list.show_paths(answer.paths, answer.words)
        else:
            missing = answer.words or nothing_fits(answer)
            by_name = self._catalog.by_name if self._catalog is not None else {}
            # What may have been meant is there to be chosen, but never taken unasked.
            meant = tuple(by_name[name] for name in answer.near)
            self._list.show_entries(
                answer.entries or meant, self._loaded, answer.text, missing, pointing=not meant
            )
        self._show_card()
        self._show_status()

    # What is shown

    def say(self, words: str) -> None:
        """Tell something until the next key."""
        self._said = words
        self._show_status()

    def _show_status(self) -> None:
        words = self._said or self._count()
        if self._status.content != words:
            self._status.update(clean(words))
        self._status.set_class(bool(self._said), "-warning")

    def _count(self) -> str:
        if self._catalog is None:
            return ""
        if kind_of(self._answer.text) is not Kind.MODULE:
            paths = len(self._answer.paths)
            many = f"{paths:,} files and folders" if paths != 1 else "1 file or folder"
            return self._answer.words or many
        hits, total = len(self._answer.entries), len(self._catalog.entries)
        builtin = sum(entry.builtin for entry in self._answer.entries)
        files = self._catalog.with_file
        parts = [f"{hits - builtin:,} of {files:,} modules"]
        if total > files:
            parts.append(f"{builtin:,} of {total - files:,} built in")
        if self._answer.words:
            parts = [self._answer.words]
        elif self._answer.near:
            parts = [nothing_fits(self._answer)]
        if self._state.reading:
            parts.append(_progress(self._state.done, total))
        return " · ".join(parts)

    def _show_card(self) -> None:
        path, entry = self._list.path, self._list.entry
        if path is not None:
            self._card.show(path_lines(path))
        elif entry is not None:
            self._card.show(card_lines(entry, self._loaded))
            if not entry.read:
                self._work(self._read_card, "card")
        else:
            self._card.show(())

    async def _read_card(self) -> None:
        """Read the file of the module under the cursor before its turn comes."""
        await asyncio.sleep(CARD_PAUSE)
        entry, index = self._list.entry, self.index
        if entry is not None and index is not None and not entry.read:
            told = await asyncio.to_thread(described_by_file, index, entry)
            if (now := self._list.entry) and now.name == told.name:
                self._card.show(card_lines(told, self._loaded))

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Follow the keys and the mouse."""
        message.stop()
        self._chosen = True
        self._show_card()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Take what was clicked at twice."""
        message.stop()
        self.action_take()

    # What a person does

    async def answer_to(self, query: str) -> Answer:
        """Return what a text offers, once it is known which modules there are."""
        await self._ready.wait()
        return await asyncio.to_thread(self._answer_now, query)

    def _catch_up(self) -> None:
        """Let the list be that of what stands in the line now: keys come faster than messages."""
        query = self._query
        if query != self._answer.text and kind_of(query) is Kind.MODULE and self._catalog:
            self._offer(answer_modules(self._haystack, self.index, query))

    def action_move(self, lines: int) -> None:
        """Move the list's cursor; the keys stay in the line."""
        self._catch_up()
        if self._list.line_count():
            self._chosen = True
            self._list.move(lines)

    def action_complete(self) -> None:
        """Complete what was typed as far as only one thing is meant."""
        self._catch_up()
        path, entry = self._list.path, self._list.entry
        if path is not None:
            longer = completed(self._query, self._answer)
            self.replace_query(path.path if self._chosen or longer == self._query else longer)
        elif entry is not None and (self._query or self._chosen):
            self.replace_query(entry.name)

    def replace_query(self, query: str) -> None:
        """Put something in the place of what was typed; parameters behind it stay."""
        rest = self._input.value.strip()[len(self._query) :]
        self._input.value = query + rest
        self._input.cursor_position = len(query)

    def action_take(self) -> None:
        """Go on to the plan with what stands there at this key."""
        self._take_what_stands_there(form=False)

    def action_parameters(self) -> None:
        """Go on to the form of the module's parameters."""
        self._take_what_stands_there(form=True)

    def _take_what_stands_there(self, *, form: bool) -> None:
        self._catch_up()
        if self._looking:
            if not may_have_root(self, self.machine):
                return
            self.say("This is for looking only. On the dashboard, + loads a module.")
            return
        chosen = self._list.path or self._list.entry if self._chosen else None
        self.take(Wish(self._input.value, chosen, form))

    def on_key(self, event: events.Key) -> None:
        """Type into the line wherever the keys are, also before it is ready to take them."""
        if self.focused is self._input:
            return
        if event.is_printable and event.character:
            event.stop()
            self._input.insert_text_at_cursor(event.character)
            self.set_focus(self._input)

    def action_cancel(self) -> None:
        """Close; nothing is done."""
        self.leave(None)


def _progress(done: int, total: int) -> str:
    share = min(1.0, done / total) if total else 0.0
    full = round(share * _BAR)
    return f"reading {'━' * full}{'╌' * (_BAR - full)} {share:4.0%}"
