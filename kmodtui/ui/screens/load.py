"""The dialog that asks which module to load, and with which parameters."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from kmodtui.errors import KmodtuiError
from kmodtui.model.modules import canonical
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.typing_ahead import pass_on
from kmodtui.ui.widgets.caption import set_subtitle, set_title

SUGGESTIONS = 200
"""Names listed at the most; typing narrows them."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What is to be loaded: a name or alias, and `key=value` parameters."""

    name: str
    parameters: tuple[str, ...]


class NameInput(Input):
    """The line; Enter takes what stands there at that key, ↓ goes to the list at that key."""

    def __init__(self, suggestions: OptionList) -> None:
        super().__init__(
            placeholder="name, then parameters as key=value", id="load-input", compact=True
        )
        # One that blinks writes to the terminal for as long as it is there.
        self.cursor_blink = False
        self._suggestions = suggestions

    async def on_key(self, event: events.Key) -> None:
        """Obey at once, not when the key has gone its way through the application."""
        if pass_on(self, event) or event.key not in ("enter", "down"):
            return
        event.stop()
        event.prevent_default()
        if event.key == "enter":
            await self.action_submit()
        elif self._suggestions.option_count:
            self._suggestions.highlighted = 0
            self.screen.set_focus(self._suggestions)


class LoadDialog(ModalScreen[LoadRequest | None]):
    """A line for name and parameters, and the modules of this kernel that fit it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings("dialog") if b.id == "dialog.cancel"),
    ]

    takes_text = True
    """What is typed before the line has the focus is meant for it all the same."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._names: tuple[str, ...] = ()
        self._loaded: frozenset[str] = frozenset()
        self._problem = Static("", id="load-problem", markup=False)
        self._list = OptionList(id="load-names", markup=False)

    def compose(self) -> ComposeResult:
        """Frame the line, the list, and a line of help."""
        with Vertical(classes="dialog", id="load-dialog") as frame:
            set_title(frame, "Load a module")
            set_subtitle(frame, "Enter: plan · ↓: list · Esc: cancel")
            yield NameInput(self._list)
            yield self._list
            yield self._problem

    async def on_mount(self) -> None:
        """Read the names that there are."""
        self.query_one("#load-input").focus()
        index = await self._machine.index()
        if index is None:
            problem = self._machine.index_problem
            self._problem.update(str(problem) if problem else "")
            return
        try:
            self._loaded = await self._machine.loaded_names()
            self._names = await asyncio.to_thread(lambda: index.names)
        except KmodtuiError as error:
            self._problem.update(str(error))
            return
        self._suggest(self.query_one("#load-input", Input).value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list."""
        self._suggest(event.value)

    def _suggest(self, typed: str) -> None:
        word = typed.split(" ", 1)[0]
        needle = canonical(word)
        hits = [name for name in self._names if needle in canonical(name)]
        # What begins with the word comes first, and the name itself before that.
        hits.sort(key=lambda n: (n != needle, not canonical(n).startswith(needle), n))
        self._list.clear_options()
        self._list.add_options(
            Option(
                Text.assemble(name, ("  loaded", "dim") if name in self._loaded else ""), id=name
            )
            for name in hits[:SUGGESTIONS]
        )
        if not self._names:
            return
        more = f"{len(hits):,} of {len(self._names):,} modules"
        self._problem.update(more if hits else f"No module of this kernel has “{word}” in its name")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the name that was chosen; parameters that were typed stay."""
        field = self.query_one("#load-input", Input)
        _, _, parameters = field.value.partition(" ")
        self._submit(f"{event.option.id} {parameters}")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the plan."""
        self._submit(event.value)

    def _submit(self, line: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError as error:
            self._problem.update(f"The quotes do not match: {error}.")
            return
        if not words:
            self._problem.update("Type the name of a module.")
            return
        name, *parameters = words
        bad = next((p for p in parameters if "=" not in p), None)
        if bad is not None:
            self._problem.update(f"“{bad}” is no parameter: they are written key=value.")
            return
        self.dismiss(LoadRequest(name, tuple(parameters)))

    def on_key(self, event: events.Key) -> None:
        """Type into the line wherever the keys are, also before it is ready to take them."""
        field = self.query_one("#load-input", Input)
        if self.focused is field:
            return
        if event.is_printable and event.character:
            event.stop()
            field.insert_text_at_cursor(event.character)
            self.set_focus(field)
        elif event.key == "enter" and self.focused is None:
            event.stop()
            self._submit(field.value)

    def action_cancel(self) -> None:
        """Close; nothing is done."""
        self.dismiss(None)
