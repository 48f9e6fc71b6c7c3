"""The dialog that asks what to keep of a module for the next boot."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.keeping import Kept, intents_to_forget, intents_to_keep
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings, bindings_of
from kmodtui.ui.dialogs.choice import ChoiceDialog
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.widgets.lines.parameters import Purpose


class KeepDialog(ChoiceDialog):
    """Offers what can be kept of a module, and to forget it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("keep"), *bindings_of("dialog.cancel")]

    def __init__(self, machine: Machine, name: str, now: Kept) -> None:
        """Offer the choices for a module, given what is kept of it now."""
        super().__init__(f"Keep for the next boot: {name}")
        self._machine = machine
        self._module = name
        self._now = now
        self.keeps_current = False  # whether the choice is to keep the current values

    def choices(self) -> list[tuple[str, str, str]]:
        """Return the choices that change something."""
        now = self._now
        options = " ".join(now.options)
        rows = []
        if now.at_boot:
            rows.append(("boot", "No longer load at boot", f"Remove it from {OwnFile.BOOT}."))
        elif now.listed:
            words = f"It is already loaded at boot ({now.listed[0]})."
            rows.append(("boot", "Load at boot", words))
        else:
            rows.append(("boot", "Load at boot", f"Add it to {OwnFile.BOOT}."))
        if now.current:
            words = f"Make them options: {' '.join(now.current)}"
            rows.append(("current", "Keep current values", words))
        words = f"Kept now: {options}" if options else "Set options for every load."
        rows.append(("options", "Options", words))
        if now.at_boot or options:
            words = "Remove it and its options from kmodtui's files."
            rows.append(("forget", "Forget", words))
        return [(f"keep.{command}", label, words) for command, label, words in rows]

    def action_boot(self) -> None:
        """Have the module loaded at boot, or end that."""
        self.choose(Intent(Verb.FORGET if self._now.at_boot else Verb.KEEP, (self._module,)))

    def action_current(self) -> None:
        """Make the current values of its parameters options."""
        now = self._now
        if now.current:
            self.keeps_current = True
            self.choose(*intents_to_keep(self._module, now.current, now, at_boot=False))

    def action_options(self) -> None:
        """Enter options."""
        if not self.is_covered:
            form = ParameterForm(self._machine, self._module, self._now.options, Purpose.KEEP)
            self.app.push_screen(form, self._entered)

    def _entered(self, options: tuple[str, ...] | None) -> None:
        if options:
            self.dismiss((Intent(Verb.KEEP_OPTIONS, (self._module,), options),))
        elif options is not None and self._now.options:
            self.dismiss((Intent(Verb.FORGET_OPTIONS, (self._module,)),))

    def action_forget(self) -> None:
        """Forget everything that is kept of it."""
        now = self._now
        if now.at_boot or now.options:
            self.choose(*intents_to_forget((self._module,), {self._module: now}))
