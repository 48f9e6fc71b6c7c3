"""The page with the modules of a profile, each of which can be left out before it is planned."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from kmodtui.errors import KmodtuiError
from kmodtui.model.exposure.request import Reach
from kmodtui.model.profile.profile import Profile, ProfileKind
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.services.profiles import read_profile
from kmodtui.ui.change_flow import ChangeFlow
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.lines.choices import ChoiceLines
from kmodtui.ui.widgets.lines.table import TableRow


class ProfileScreen(Dialog[None]):
    """What a profile would block; nothing is blocked before its plan is confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("profile")]
    AUTO_FOCUS = "ChoiceLines"

    def __init__(self, live: LiveSystem) -> None:
        """Create the page for a system."""
        super().__init__()
        self._machine = live.machine
        self._kind = ProfileKind.UNUSED
        self._whole: Profile | None = None  # before anything was left out
        self._profile: Profile | None = None
        self._left_out: set[str] = set()
        self._changes = ChangeFlow(self, live, lambda _: self.read_again())
        self._lines = ChoiceLines("profile-lines", "Reading what this machine uses…")
        self._frame = Vertical(classes="dialog page", id="profile-dialog")
        self._filter = FilterBar(self._show_filter)

    def compose(self) -> ComposeResult:
        """Lay out the modules, the filter and the keys."""
        with self._frame:
            yield self._lines
            yield self._filter
            yield KeyLine("profile")

    def on_mount(self) -> None:
        """Start reading."""
        self.read_again()

    def read_again(self) -> None:
        """Read the profile, also after a change."""
        set_title(self._frame, f"Block: {self._kind.words}")
        self.work(self._read, "profile", failed=lambda _: self._lines.show((), empty="It failed."))

    async def _read(self) -> None:
        machine = self._machine
        try:
            self._whole = await asyncio.to_thread(
                read_profile, machine.host, machine.release, self._kind
            )
        except KmodtuiError as error:
            self._whole = None
            self._lines.show((), empty=str(error))
            return
        found = self._whole.candidates
        by_user = sum(each.reach is Reach.USER for each in found)
        self._lines.show(
            [TableRow(each.name, ("", ""), each.name, each.reason) for each in found],
            f"{by_user:,} of {counted(len(found), 'module')} can be loaded by any user now. "
            f"Nothing is blocked before you confirm the plan ({key_of('profile.plan')}).",
            empty="There is no module to block.",
        )
        self._choose()
        self._show_filter(self._lines.filter_text)

    def _choose(self) -> None:
        """Show which modules are chosen now."""
        if (whole := self._whole) is None:
            return
        self._profile = whole.without(self._left_out & set(whole.names))
        chosen = frozenset(self._profile.names)
        self._lines.choose(chosen)
        words = f"{counted(len(chosen), 'module')}, {len(whole.names) - len(chosen):,} left out"
        set_title(self._frame, f"Block: {self._kind.words} · {words}")

    # Commands

    def action_leave_out(self) -> None:
        """Leave the module under the cursor out, or put it back."""
        name = self._lines.module
        if not name or self._profile is None:
            self.say_nothing_selected("There is no module on this line.")
        elif name in self._left_out:
            self._left_out.discard(name)
            self._choose()
        elif name in self._profile.names:
            self._left_out.add(name)
            self._choose()
        else:
            self.say_nothing_selected(f"{name} stays out: {self._profile.kept[name]}.")

    def action_leave_all_out(self) -> None:
        """Leave all modules that are shown out, or put them back if all are out."""
        shown = self._lines.shown_modules
        if self._profile is None:
            return
        if set(shown) & set(self._profile.names):
            self._left_out.update(shown)
        else:
            self._left_out.difference_update(shown)
        self._choose()

    def action_other(self) -> None:
        """Show the other profile."""
        others = tuple(ProfileKind)
        self._kind = others[(others.index(self._kind) + 1) % len(others)]
        self._lines.show((), empty="Reading what this machine uses…")
        self._whole = self._profile = None
        self.read_again()

    def action_plan(self) -> None:
        """Show the plan."""
        if self._profile is None or not self._profile.candidates:
            self.say_nothing_selected("There is no module to block.")
        else:
            self.work(self._plan, "plan")

    async def _plan(self) -> None:
        if self._profile is not None:
            set_subtitle(self._frame, "planning…")
            try:
                await self._changes.block_profile(self._profile)
            finally:
                self._show_filter(self._lines.filter_text)

    def action_filter(self) -> None:
        """Open the filter."""
        self._filter.open("modules", self._lines.filter_text, self._lines.source.kind)

    def _show_filter(self, text: str) -> None:
        self._lines.filter_text = text
        matches = counted(self._lines.matches, "match", "matches")
        set_subtitle(self._frame, f"/{text} · {matches}" if text else "")

    def action_back(self) -> None:
        """Clear the filter, or go back to the previous screen."""
        if self._lines.filter_text:
            self._show_filter("")
        else:
            self.dismiss(None)
