"""Reads hidden symbol addresses through the helper, after asking: this needs root."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from kmodtui.errors import HelperError, KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.kptr import read_hiding
from kmodtui.model.scope import Scope
from kmodtui.model.text import clean
from kmodtui.services.live import LiveSystem
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.refusal import NO_ROOT, root_allowed
from kmodtui.ui.dialogs.root_question import RootQuestion
from kmodtui.ui.screens.base import KmodtuiScreen

QUESTION = """\
The helper reads /proc/kallsyms once as root, so that the address of each symbol can be \
shown. Nothing changes in the kernel.

Addresses reveal where this kernel is in memory (KASLR). They are only shown here and \
never written to a file.\
"""


class AddressesHiddenError(KmodtuiError):
    """The kernel hides its addresses even from root, or it is the demo's, which has none."""

    title = "No addresses"


def why_hidden(host: Host) -> tuple[str, str]:
    """Return why even root sees no addresses, and a remedy (empty if there is none)."""
    if host.badge == "DEMO":
        return "The demo has no addresses: its kernel is simulated.", ""
    value = read_hiding(host).kptr_restrict
    if value is not None and value >= 2:
        return (
            f"Root sees no addresses either: kernel.kptr_restrict is {value}, which hides them.",
            "To show them to root, set it to 1: sysctl kernel.kptr_restrict=1",
        )
    setting = "cannot be read" if value is None else f"is {value}"
    return f"Root sees no addresses either, and kernel.kptr_restrict {setting}.", ""


def ask_for_addresses(screen: KmodtuiScreen[Any], live: LiveSystem) -> None:
    """Ask whether to read the addresses; if confirmed, read the symbols with them.

    The question opens immediately, so that keys typed after this one do not reach the
    screen below. Errors are reported on the screen.
    """
    machine = live.machine
    if not root_allowed(screen, machine, NO_ROOT):
        return

    def answered(agreed: bool | None) -> None:
        if agreed:
            screen.work(partial(_read, screen, live), "addresses")

    question = RootQuestion("Read symbol addresses", QUESTION, machine.reading_words)
    screen.app.push_screen(question, answered)


async def _read(screen: KmodtuiScreen[Any], live: LiveSystem) -> None:
    channel = await live.machine.channel(desk(screen).foreground, Scope.READ)
    result = await channel.kallsyms()
    if not result.ok:
        raise HelperError(f"The helper could not read /proc/kallsyms: {clean(result.message)}")
    table = await asyncio.to_thread(parse_symbols, result.data)
    if table.addresses_hidden:
        raise AddressesHiddenError(*why_hidden(live.machine.host))
    live.take_addresses(table)
