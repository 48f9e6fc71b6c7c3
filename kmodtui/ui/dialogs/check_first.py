"""The check of a module file before it is inserted: comes before the plan, needs no root."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.screens.check import CheckScreen
from kmodtui.ui.widgets.caption import set_subtitle


class InsertCheckDialog(CheckScreen):
    """A check that goes on to the plan, or back to the picker.

    Attributes:
        goes_on: whether the user chose to go on to the plan.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("insert")]

    goes_on = False

    def on_mount(self) -> None:
        """Show the keys."""
        keys = hint("insert.plan", label="plan to insert it"), hint("check.back", label="back")
        set_subtitle(self.query_one("#check-dialog"), hint_line(*keys))

    def action_plan(self) -> None:
        """Go on to the plan."""
        self.goes_on = True
        self.dismiss(None)
