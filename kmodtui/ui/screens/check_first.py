"""The check of a file that somebody wants to insert: before the plan, and before root."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from kmodtui.ui.commands import bindings
from kmodtui.ui.screens.check import CheckScreen
from kmodtui.ui.widgets.caption import set_subtitle


class CheckFirst(CheckScreen):
    """A check that ends at the plan, or where the file was chosen.

    Attributes:
        goes_on: whether it was left for the plan.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("insert")]

    goes_on = False

    def on_mount(self) -> None:
        """Say which key goes on."""
        set_subtitle(self.query_one("#check-dialog"), "p: plan to insert it · Esc: back")

    def action_plan(self) -> None:
        """Go on to the plan."""
        self.goes_on = True
        self.dismiss(None)
