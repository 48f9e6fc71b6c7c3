"""The dialog that asks how to keep modules from being loaded: blacklist, block, or log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.block.lines import BLOCK_FILE, BlockState
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean
from kmodtui.services.blocking import Restrictions
from kmodtui.ui.commands import bindings, bindings_of, hint, key_of
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title

Choice = tuple[Intent, ...]
"""The intents of the chosen plan."""


class RestrictDialog(Dialog[Choice]):
    """Offers what can be done about loads of modules; returns the intents, none if cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("restrict"), *bindings_of("dialog.cancel")]

    def __init__(self, names: Sequence[str], now: Restrictions) -> None:
        """Offer the choices for modules, given what is in effect for them now."""
        super().__init__()
        self._names = tuple(names)
        self._now = now

    def compose(self) -> ComposeResult:
        """Show the choices with their keys."""
        with Vertical(classes="dialog") as frame:
            set_title(frame, f"Keep from loading: {', '.join(self._names)}")
            yield Static(id="restrict-choices", markup=False)
            yield self.keys

    def on_mount(self) -> None:
        """Fill in the choices."""
        table = Table.grid(padding=(0, 2, 1, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for command, label, words in self._choices():
            table.add_row(
                Text(key_of(command), self.colour("accent")),
                Text(label),
                Text(clean(words), self.colour("dim")),
            )
        self.query_one("#restrict-choices", Static).update(table)
        self.keys.show(hint("dialog.cancel"))

    def _choices(self) -> list[tuple[str, str, str]]:
        """Return command, label and explanation of each choice."""
        if self._now.blacklisted.issuperset(self._names):
            rows = [("blacklist", "Remove from blacklist", "Aliases load it again.")]
        else:
            words = "No alias loads it any more; it is still loaded by name and as a dependency."
            rows = [("blacklist", "Blacklist", words)]
        if self._all_are(BlockState.BLOCKED):
            words = f"Remove it from {BLOCK_FILE}: it can be loaded again."
            rows.append(("block", "Unblock", words))
        else:
            words = "Every load by modprobe fails: by name, by alias, as a dependency."
            rows.append(("block", "Block", words))
            if self._now.loaded:
                rows.append(("unload", "Block and unload", "The same, and unload it now."))
        if self._all_are(BlockState.LOGGED):
            rows.append(("log", "End logging", f"Remove it from {BLOCK_FILE}."))
        else:
            words = "Log each load, then load it: shows what a block would break."
            rows.append(("log", "Log only", words))
        return [(f"restrict.{command}", label, words) for command, label, words in rows]

    def _all_are(self, state: BlockState) -> bool:
        return all(self._now.blocks.get(name) is state for name in self._names)

    def _choose(self, *intents: Intent) -> None:
        if not self.is_covered:
            self.dismiss(intents)

    def action_blacklist(self) -> None:
        """Blacklist the modules, or remove those that kmodtui has blacklisted."""
        ours = self._now.blacklisted
        if ours.issuperset(self._names):
            self._choose(Intent(Verb.UNBLACKLIST, self._names))
        else:
            names = tuple(name for name in self._names if name not in ours)
            self._choose(Intent(Verb.BLACKLIST, names))

    def action_block(self) -> None:
        """Block the modules, or unblock those that kmodtui has blocked."""
        undo = self._all_are(BlockState.BLOCKED)
        self._choose(Intent(Verb.UNBLOCK if undo else Verb.BLOCK, self._names))

    def action_unload(self) -> None:
        """Block the modules, and unload those that are loaded."""
        if self._now.loaded and not self._all_are(BlockState.BLOCKED):
            unload = Intent(Verb.UNLOAD, self._now.loaded)
            self._choose(Intent(Verb.BLOCK, self._names), unload)

    def action_log(self) -> None:
        """Log the loads of the modules, or end that."""
        undo = self._all_are(BlockState.LOGGED)
        self._choose(Intent(Verb.UNBLOCK if undo else Verb.LOG_LOADS, self._names))

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(())
