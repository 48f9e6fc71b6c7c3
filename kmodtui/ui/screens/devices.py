"""The page with all devices: what drives them, and what could."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.binding import BindingType

from kmodtui.model.devices.device import Device, DeviceState
from kmodtui.model.filter.sources import DeviceSource
from kmodtui.services.devices import read_devices
from kmodtui.services.live import LiveSystem
from kmodtui.ui.command import Command
from kmodtui.ui.commands import bindings
from kmodtui.ui.screens.table_page import TablePage
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.table import RowSource, TableRow

_STYLES = {
    DeviceState.NOT_LOADED: "warn",
    DeviceState.BLOCKED: "bad",
    DeviceState.BLACKLISTED: "warn",
    DeviceState.MISSING: "bad",
    DeviceState.NOT_BOUND: "warn",
    DeviceState.NO_MODULE: "dim",
    DeviceState.DRIVEN: "good",
}


class DevicesScreen(TablePage):
    """The devices, those without a driver first; it opens at those of the selected module."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("devices")]

    title_words = "Devices: what drives them, and what could"
    reading = "Reading the devices and the aliases of the modules…"
    keys_of = "devices"

    def __init__(self, live: LiveSystem, selected: str, go_to: Callable[[str], None]) -> None:
        """Create the page.

        Args:
            live: the observed system.
            selected: the module whose devices the cursor goes to; empty for none.
            go_to: shows a module after the page has closed.
        """
        super().__init__(live)
        self.lines.about = SubjectKind.DEVICE
        self.lines.source = RowSource(DeviceSource())
        self.lines.menu_first = "devices.open"
        self._selected = selected
        self._go_to = go_to

    async def read(self) -> None:
        """Read the devices and show them."""
        machine = self.machine
        found = await asyncio.to_thread(read_devices, machine.host, machine.release)
        head = list(found.summary)
        selected, self._selected = self._selected, ""
        matching = [d for d in found.devices if selected in (d.module, *d.others)]
        if selected and not matching:
            head.insert(0, f"The selected module, {selected}, matches none of them.")
        self.lines.show([_row(each) for each in found.devices], *head)
        if matching:
            self.lines.go_to(_row(matching[0]))

    def on_line_view_opened(self) -> None:
        """Go to the module of a device that was clicked twice."""
        self.action_open()

    def action_menu(self) -> None:
        """Show what can be done with the device under the cursor."""
        self.lines.action_enter()

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used on a device; empty if it can."""
        if command.action in ("open", "restrict") and not subject.module:
            return "no module drives this device or matches it"
        return super().why_not(command, subject)

    def action_open(self) -> None:
        """Go to the module of the device under the cursor: it is shown, or its load planned."""
        if module := self.lines.module:
            self.dismiss(None)
            self._go_to(module)
        else:
            self.say_nothing_selected("No module drives this device or matches it.")


def _row(each: Device) -> TableRow:
    device = each.on_bus
    driven = each.state is DeviceState.DRIVEN
    others = (f"Also matches: {', '.join(each.others)}",) if each.others else ()
    return TableRow(
        each.module,
        (str(each.state), _STYLES[each.state]),
        each.name,
        f"{device.bus} {device.address}: {each.reason}",
        others,
        "Devices with a driver" if driven else "Devices without a driver",
        about=each,
    )
