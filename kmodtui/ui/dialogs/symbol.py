"""The dialog with everything that is known about a symbol."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import BindingType

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.kallsyms import is_pseudo_owner
from kmodtui.kernel.sysfs import read_sections
from kmodtui.model.linkage import Definition, SymbolDetails
from kmodtui.model.symbols.address import Hiding, Located, size_of
from kmodtui.model.symbols.list import SymbolList
from kmodtui.model.symbols.table import type_word
from kmodtui.model.text import clean, counted
from kmodtui.services.linkage import symbol_details
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings_of
from kmodtui.ui.dialogs.page import PageDialog
from kmodtui.ui.themes import ink

_PLACES = 6
"""Largest number of places in the file to list; `__func__.7` can have hundreds."""


class SymbolDialog(PageDialog):
    """One symbol: first from the symbol table, then from the module's file and sysfs."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog.accept", action="close")]

    def __init__(
        self,
        machine: Machine,
        symbols: SymbolList,
        number: int,
        hiding: Hiding,
        located: Located | None = None,
    ) -> None:
        """Create the dialog for `symbols.row(number)`.

        Args:
            machine: the machine that has the symbol.
            symbols: the list of symbols.
            number: the index in that list.
            hiding: the settings that decide whether addresses are visible.
            located: where in the symbol the searched address is; None without one.
        """
        row = symbols.row(number)
        name = row.symbol.name if row.symbol else clean(repr(row.line))
        super().__init__(f"Symbol {name}", "symbol-dialog")
        self._machine = machine
        self._symbols = symbols
        self._number = number
        self._row = row
        self._hiding = hiding
        self._located = located

    def on_mount(self) -> None:
        """Show what the symbol table has, and start reading the rest."""
        self._show(None, None, "Reading the module file…")
        self.work(self._read, "symbol", failed=lambda _error: self._show(None, None, ""))

    async def _read(self) -> None:
        owner, symbol = self._row.owner, self._row.symbol
        if symbol is None or (owner and is_pseudo_owner(owner)):
            self._show(None, None, "")
            return
        details = sections = None
        problem = ""
        try:
            details = await symbol_details(self._machine, owner, symbol.name)
            if owner:
                sections = await asyncio.to_thread(read_sections, self._machine.host, owner)
        except KmodtuiError as error:
            problem = str(error)
        self._show(details, sections, problem)

    # The page

    def _show(
        self, details: SymbolDetails | None, sections: dict[str, int] | None, note: str
    ) -> None:
        key_style, dim = ink(self, "accent"), ink(self, "dim")
        page = Table.grid(padding=(0, 2), expand=True)
        page.add_column(no_wrap=True)
        page.add_column(ratio=1)
        rows = (
            *self._from_table(),
            *_from_files(details),
            *self._sections(sections, known=details is not None),
        )
        self.values = {}
        for label, words in rows:
            page.add_row(Text(label, key_style), Text(clean(words)))
            if label:
                self.values.setdefault(label, words)
        for words in (*(details.problems if details else ()), note):
            if words:
                page.add_row("", "")
                page.add_row("", Text(clean(words), dim))
        self.body.update(page)

    def _from_table(self) -> list[tuple[str, str]]:
        symbol = self._row.symbol
        if symbol is None:
            return [("row", repr(self._row.line)[2:-1])]
        core = not self._row.owner
        size = size_of(self._symbols, self._number)
        rows = [
            ("name", symbol.name),
            ("type", f"{symbol.type}  {type_word(symbol.type, core=core)}"),
            ("module", self._row.owner_words or "none: the kernel itself"),
            ("address", f"{symbol.address:016x}" if symbol.address else self._no_address()),
        ]
        if self._located is not None:
            of = f" of {self._located.size:#x}" if self._located.size else ""
            rows.append(("offset", f"{self._located.offset:#x}{of} bytes from the start"))
            if self._located.warning:
                rows.append(("", self._located.warning))
        if size is not None:
            rows.append(("size", f"{counted(size, 'byte')} to the next symbol"))
        same = self._same_name()
        if same > 1:
            rows.append(
                ("duplicates", f"{counted(same, 'symbol')} of {self._owner} have this name")
            )
        return rows

    @property
    def _owner(self) -> str:
        return self._row.owner or "the kernel itself"

    def _no_address(self) -> str:
        if any(self._symbols.row(len(self._symbols) - 1).line[:16].strip(b"0")):
            return "0, as reported by the kernel"
        return self._hiding.reason

    def _same_name(self) -> int:
        name = self._row.line.split(b"\t", 1)[0].split(b" ", 2)[-1] + b"\n"
        return sum(
            block.names.count(b"\n" + name) + block.names.startswith(name)
            for block in self._symbols.blocks
            if block.owner == self._row.owner
        )

    def _sections(self, found: dict[str, int] | None, *, known: bool) -> list[tuple[str, str]]:
        owner = self._row.owner
        if not owner or not known:
            return []
        if found is None:
            return [("loaded at", f"unknown: only root can read /sys/module/{owner}/sections")]
        lines = [f"{name} {address:#x}" for name, address in found.items() if address]
        return [("loaded at", "  ".join(lines) or "hidden by the kernel")]


def _from_files(details: SymbolDetails | None) -> list[tuple[str, str]]:
    if details is None:
        return []
    rows = [_place_row(place) for place in details.places[:_PLACES]]
    if len(details.places) > _PLACES:
        rows.append(("", f"and {counted(len(details.places) - _PLACES, 'place')} more"))
    rows.append(("exported", details.export.words if details.export else "no"))
    if details.export:
        users = ", ".join(details.importers) or "no loaded module"
        rows.append(("imported by", users))
    return rows


def _place_row(place: Definition) -> tuple[str, str]:
    size = f", {counted(place.size, 'byte')} in the file" if place.size else ""
    return ("section", f"{place.section or 'none'} + {place.offset:#x}{size}")
