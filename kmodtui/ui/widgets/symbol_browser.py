"""A list of symbols, of one module or of the whole kernel, filtered as the user types.

The first page of matches is shown at once; the others are counted in short slices.
Keys are handled between the slices, so a list of 250,000 symbols stays responsive.
"""

from __future__ import annotations

import asyncio
import time

from textual.message import Message
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, Value
from kmodtui.model.symbols.address import Located, locate
from kmodtui.model.symbols.list import Row, SymbolList
from kmodtui.model.symbols.query import Facet, Query, parse_query
from kmodtui.model.symbols.search import Matches
from kmodtui.model.symbols.table import SymbolRows
from kmodtui.model.text import clean, decode
from kmodtui.services.time_limit import limited
from kmodtui.ui.background import run_in_background
from kmodtui.ui.commands import key_of
from kmodtui.ui.filters import filters_of
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.widgets.lines.symbol_line import SymbolColumns, symbol_line
from kmodtui.ui.widgets.lines.view import Line, LineView

SLICE = 0.012
"""Seconds of searching after which waiting keys are handled."""

SEARCH_TIMEOUT = 0.4
"""Seconds that one block may take: a hundred times what a sane pattern needs."""


class SymbolBrowser(LineView):
    """The symbols of a module, of the kernel itself, or of both."""

    class Counted(Message):
        """The number of matches, or the text that is shown instead, has changed."""

    def __init__(self, *, id: str = "symbol-browser", menu_first: str = "") -> None:  # noqa: A002
        """Create an empty list; see `LineView` for `menu_first`."""
        super().__init__(id=id)
        self.menu_first = menu_first
        self.problem = ""
        """Why the search is invalid or failed, in a sentence; empty if it is valid."""
        self._symbols = SymbolList([])
        self._raw: SymbolRows | None = None
        self._text = ""
        self._facet = Facet.ALL
        self._empty_text = ""
        self._hits = Matches(self._symbols, Query())
        self._located: list[Located] | None = None
        self._addresses = False
        self._search: Worker[None] | None = None

    # What is shown

    def show_rows(self, rows: SymbolRows, empty_text: str, *, owner: str = "") -> None:
        """Show the symbols of one owner.

        Args:
            rows: the symbols as they were read.
            empty_text: the message that is shown if there are none.
            owner: the module's name; empty for the kernel itself.
        """
        same = rows is self._raw
        self._raw = rows
        self.show(self._symbols if same else SymbolList([(owner, rows)]), empty_text)

    def show(self, symbols: SymbolList, empty_text: str) -> None:
        """Show symbols; the cursor stays on its symbol if that is still listed."""
        row = self.row_at(self.cursor)
        changed = symbols is not self._symbols
        self._empty_text = empty_text
        self._symbols = symbols
        last = symbols.row(len(symbols) - 1).symbol if len(symbols) else None
        self._addresses = bool(last and last.address)
        self._start_search(keep=row if changed else None)

    @property
    def symbols(self) -> SymbolList:
        """All symbols, whether they match or not."""
        return self._symbols

    @property
    def total(self) -> int:
        """Number of all symbols, whether they match or not."""
        return len(self._symbols)

    @property
    def filter_text(self) -> str:
        """The search as it was typed; see `model.symbol_query`."""
        return self._text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.cursor = 0
            self._start_search()

    @property
    def facet(self) -> Facet:
        """Which symbols are shown at all."""
        return self._facet

    @facet.setter
    def facet(self, facet: Facet) -> None:
        self._facet = facet
        self.cursor = 0
        self._start_search()

    @property
    def filtered(self) -> bool:
        """Whether a search or a facet hides some of the symbols."""
        return bool(self._text) or self._facet is not Facet.ALL

    @property
    def counting(self) -> bool:
        """Whether the search still runs: there may be more matches than counted so far."""
        return self._located is None and not self._hits.done

    def row_at(self, index: int) -> Row | None:
        """Return the symbol on a line; None if there is no such line."""
        number = self.number_at(index)
        return None if number is None else self._symbols.row(number)

    def number_at(self, index: int) -> int | None:
        """Return the index in `symbols` of the symbol on a line; None if there is no such line."""
        if not 0 <= index < self.line_count():
            return None
        return self._hits[index] if self._located is None else self._located[index].row

    def subject(self) -> Subject | None:
        """Return the symbol under the cursor."""
        row = self.row_at(self.cursor)
        if row is None:
            return None
        name = row.symbol.name if row.symbol else decode(row.line)
        return Subject(SubjectKind.SYMBOL, clean(name), row.owner)

    def document_row(self, index: int) -> DocumentRow:
        """Return a symbol to be copied or saved."""
        row = self.row_at(index)
        plain = super().document_row(index)
        if row is None or row.symbol is None:
            return plain
        symbol = row.symbol
        fields: dict[str, Value] = {
            "symbol": symbol.name,
            "address": f"{symbol.address:#x}" if symbol.address else None,
            "type": symbol.type,
            "module": row.owner_words or None,
        }
        return DocumentRow(plain.text, fields)

    def located_at(self, index: int) -> Located | None:
        """Return how a symbol contains the searched address; None if the search is for none."""
        if self._located is None or not 0 <= index < len(self._located):
            return None
        return self._located[index]

    # Searching

    def _start_search(self, keep: Row | None = None) -> None:
        if self._search is not None:
            self._search.cancel()
            self._search = None
        self.problem, self._located = "", None
        try:
            query = parse_query(self._text, self._facet, named=filters_of(self).named)
            self._hits = Matches(self._symbols, query)
            if query.place is not None:
                self._located = locate(self._symbols, query.place)
            else:
                self._advance(max(100, self.size.height + 1))
        except KmodtuiError as error:
            self._fail(error)
        if keep is not None:
            self._return_to(keep)
        self._update()
        if self.counting and self.is_mounted:
            self._search = run_in_background(self, self._count_rest, f"search-{self.id}")

    def _advance(self, number: int) -> None:
        """Search block by block until there are `number` matches or the slice is over."""
        end = time.perf_counter() + SLICE
        message = f"The search for {clean(self._text)} took too long and was cancelled."
        hint = "A nested repetition such as (a+)+ can take practically forever on some names."
        while not self._hits.done and len(self._hits) < number and time.perf_counter() < end:
            if not self._hits.query.patterns:
                self._hits.advance()
                continue
            with limited(SEARCH_TIMEOUT, message, hint):
                self._hits.advance()

    async def _count_rest(self) -> None:
        while self.counting:
            await asyncio.sleep(0)
            try:
                before = len(self._hits)
                self._advance(self.total + 1)
            except KmodtuiError as error:
                self._fail(error)
            if before <= self.scroll_offset.y + self.size.height:
                self._update()
        self._update()

    def _fail(self, error: KmodtuiError) -> None:
        self.problem = str(error)
        self._located = []

    def _return_to(self, row: Row) -> None:
        number = self._symbols.number_of(row)
        if number is not None and self._located is None:
            self.cursor = self._hits.at_or_behind(number)

    def _update(self) -> None:
        self.empty_text = clean(self._empty_reason())
        self.lines_changed()
        self.post_message(self.Counted())

    def _empty_reason(self) -> str:
        if self.problem:
            return self.problem
        if self.counting:
            return "Searching…"
        if self.filtered and self.total:
            what = f"“{self._text}”" if self._text else self._facet.value
            return f"No symbol matches {what}. {key_of('browser.back')} clears the search."
        return self._empty_text

    async def prepare(self) -> None:
        """Parse the symbols while idle, so that the first search does not have to."""
        symbols = self._symbols
        for _ in symbols.prepare():
            await asyncio.sleep(0)

    # Lines

    def line_count(self) -> int:
        """Return the number of symbols that match."""
        return len(self._hits) if self._located is None else len(self._located)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a symbol."""
        row = self.row_at(index)
        if row is None:
            return ()
        columns = SymbolColumns.within(
            width - 3,
            owner=len(self._symbols.owners) > 1,
            builtin=self._symbols.builtin is not None,
            size=self._located is not None,
            address=self._addresses,
        )
        located = self.located_at(index)
        suffix = ""
        if located is not None:
            suffix = f"+{located.offset:#x}" + (f"/{located.size:#x}" if located.size else "")
        query = self._hits.query
        return symbol_line(
            row,
            columns,
            suffix=suffix,
            size=located.size if located is not None else None,
            exported=self._symbols.exports.get(row.owner) if self._prepared else None,
            words=[clean(decode(word)) for word in (*query.words, query.exact)],
        )

    @property
    def _prepared(self) -> bool:
        """Whether exports are cheap to look up: few symbols, or already computed."""
        return "exports" in self._symbols.__dict__ or self.total < 20_000
