"""The page of the cross-check: differences between what the kernel shows in several places."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.crosscheck.finding import DECEIVED, Difference
from kmodtui.model.text import counted
from kmodtui.services.crosscheck import CrossCheck, cross_check, root_files
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.refusal import root_allowed
from kmodtui.ui.dialogs.root_question import RootQuestion
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.widgets.lines.table import TableRow

_QUESTION = (
    "The helper reads kprobes, the functions that ftrace traces, the memory areas of the kernel "
    "and the kernel log. It changes nothing."
)


class CrossCheckScreen(TablePage):
    """What was found, with the places that show it and its innocent causes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("crosscheck")]

    title_words = "Cross-check for hidden modules"
    reading = "Comparing what the kernel shows…"
    keys_of = "crosscheck"

    _as_root = False

    async def read(self) -> None:
        """Compare, and show the result."""
        read, log = None, None
        if self._as_root:
            read, log = await root_files(self.machine, desk(self).foreground)
        self._show(await cross_check(self.machine, read, log))

    def _show(self, found: CrossCheck) -> None:
        if found.findings:
            first = f"{counted(len(found.findings), 'difference')} found."
        elif found.undetermined:
            first = "Nothing can be said."
        else:
            first = "No difference was found."
        left = "; ".join(f"{what} ({why})" for what, why in found.missing.items())
        head = [
            f"{first} Compared in {counted(found.readings, 'reading')}: "
            f"{', '.join(found.compared)}.",
            f"Not compared: {left}." if left else "",
            "" if self._as_root else f"{key_of('crosscheck.as_root')} compares as root, too.",
            DECEIVED,
        ]
        self.lines.show([_row(each) for each in found.findings], *filter(None, head))

    def action_again(self) -> None:
        """Compare again."""
        self.lines.show((), empty=self.reading)
        self.read_again()

    def action_as_root(self) -> None:
        """Compare again, also what only root can read, after asking."""
        if not root_allowed(self, self.machine, "Only root can read that"):
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._as_root = True
                self.read_again()

        question = RootQuestion("Cross-check as root", _QUESTION, self.machine.reading_words)
        self.app.push_screen(question, answered)


def _row(each: Difference) -> TableRow:
    signs = "; ".join(f"{sign.source}: {sign.says}" for sign in each.signs)
    causes = tuple(f"Possible: {cause}" for cause in each.causes)
    return TableRow(each.subject, (str(each.kind), "warn"), each.words, signs, causes)
