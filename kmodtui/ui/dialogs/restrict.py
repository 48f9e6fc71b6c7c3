"""The dialog that asks how to keep modules from being loaded: blacklist, block, or log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.block.lines import BLOCK_FILE, BlockState
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.blocking import Restrictions
from kmodtui.ui.commands import bindings, bindings_of
from kmodtui.ui.dialogs.choice import ChoiceDialog


class RestrictDialog(ChoiceDialog):
    """Offers what can be done about loads of modules; returns the intents, none if cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("restrict"), *bindings_of("dialog.cancel")]

    def __init__(self, names: Sequence[str], now: Restrictions) -> None:
        """Offer the choices for modules, given what is in effect for them now."""
        super().__init__(f"Keep from loading: {', '.join(names)}")
        self._names = tuple(names)
        self._now = now

    def choices(self) -> list[tuple[str, str, str]]:
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

    def action_blacklist(self) -> None:
        """Blacklist the modules, or remove those that kmodtui has blacklisted."""
        ours = self._now.blacklisted
        if ours.issuperset(self._names):
            self.choose(Intent(Verb.UNBLACKLIST, self._names))
        else:
            names = tuple(name for name in self._names if name not in ours)
            self.choose(Intent(Verb.BLACKLIST, names))

    def action_block(self) -> None:
        """Block the modules, or unblock those that kmodtui has blocked."""
        undo = self._all_are(BlockState.BLOCKED)
        self.choose(Intent(Verb.UNBLOCK if undo else Verb.BLOCK, self._names))

    def action_unload(self) -> None:
        """Block the modules, and unload those that are loaded."""
        if self._now.loaded and not self._all_are(BlockState.BLOCKED):
            unload = Intent(Verb.UNLOAD, self._now.loaded)
            self.choose(Intent(Verb.BLOCK, self._names), unload)

    def action_log(self) -> None:
        """Log the loads of the modules, or end that."""
        undo = self._all_are(BlockState.LOGGED)
        self.choose(Intent(Verb.UNBLOCK if undo else Verb.LOG_LOADS, self._names))
