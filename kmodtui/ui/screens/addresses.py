"""Addresses through the helper: asked for first, because reading them takes root."""

from __future__ import annotations

import asyncio

from textual.screen import Screen

from kmodtui.errors import HelperError, KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.kptr import read_hiding
from kmodtui.model.symbols import SymbolTable
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.root_question import RootQuestion

WORDS = """\
The helper reads /proc/kallsyms as root, once, and shows where each symbol lies. \
Nothing changes in the kernel.

Addresses tell where this kernel was put in memory (KASLR): they are kept on this screen \
and written nowhere.\
"""


class AddressesHiddenError(KmodtuiError):
    """The kernel shows its addresses to nobody, or the simulated one has none."""

    title = "No addresses"


def why_hidden(host: Host) -> tuple[str, str]:
    """Return why root was shown no address either, and what could be done."""
    if host.badge == "DEMO":
        return "The demo's helper has no addresses: there is no kernel behind it.", ""
    value = read_hiding(host).kptr_restrict
    if value is not None and value >= 2:
        return (
            f"Root sees no addresses either: kernel.kptr_restrict={value} hides them.",
            "They are shown to root once it is 1.",
        )
    told = "cannot be read" if value is None else f"is {value}"
    return f"Root sees no addresses either, and kernel.kptr_restrict {told}.", ""


async def with_addresses(screen: Screen[None], machine: Machine) -> SymbolTable | None:
    """Return the symbols with their addresses, read by the helper if the person agrees.

    What went wrong is told on the screen. For a worker: it waits for a dialog.
    """
    try:
        if machine.root.denied is not None:
            raise machine.root.denied
        question = RootQuestion("Read the addresses", WORDS, machine.root_words)
        if not await screen.app.push_screen_wait(question):
            return None
        channel = await machine.channel(desk(screen).foreground)
        result = await channel.kallsyms()
        if not result.ok:
            raise HelperError(f"The helper could not read /proc/kallsyms: {clean(result.message)}")
        table = await asyncio.to_thread(parse_symbols, result.data)
        if table.addresses_hidden:
            raise AddressesHiddenError(*why_hidden(machine.host))
    except KmodtuiError as error:
        desk(screen).report(error)
        return None
    return table
