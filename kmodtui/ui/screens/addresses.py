"""Addresses through the helper: asked for first, because reading them takes root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.screen import Screen
from textual.worker import Worker

from kmodtui.errors import HelperError, KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.kptr import read_hiding
from kmodtui.model.symbols import SymbolTable
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.ui.desk import desk
from kmodtui.ui.screens.refusal import NO_ROOT, may_have_root
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


def ask_for_addresses(
    screen: Screen[Any], machine: Machine, take: Callable[[SymbolTable], None]
) -> None:
    """Ask, and where the person agrees hand over the symbols with their addresses.

    The question is there at once: what is typed behind the key is not meant for the
    screen below. What goes wrong is told on the screen.
    """
    if not may_have_root(screen, machine, NO_ROOT):
        return

    def answered(agreed: bool | None) -> None:
        if agreed:
            reading = partial(_read, screen, machine, take)
            _: Worker[None] = screen.run_worker(reading, group="addresses", exclusive=True)

    question = RootQuestion("Read the addresses", WORDS, machine.root_words)
    screen.app.push_screen(question, answered)


async def _read(screen: Screen[Any], machine: Machine, take: Callable[[SymbolTable], None]) -> None:
    try:
        channel = await machine.channel(desk(screen).foreground)
        result = await channel.kallsyms()
        if not result.ok:
            raise HelperError(f"The helper could not read /proc/kallsyms: {clean(result.message)}")
        table = await asyncio.to_thread(parse_symbols, result.data)
        if table.addresses_hidden:
            raise AddressesHiddenError(*why_hidden(machine.host))
    except KmodtuiError as error:
        desk(screen).report(error)
    else:
        take(table)
