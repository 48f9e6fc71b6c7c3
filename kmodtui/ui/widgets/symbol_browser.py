"""Symbols to look through, one owner's or all there are: filtered as it is typed.

The first page of hits is there at once; the rest is counted in slices between
which keys are handled, so that 250,000 rows never make anybody wait.
"""

from __future__ import annotations

import asyncio
import time

from textual.message import Message
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.symbol_address import Located, locate
from kmodtui.model.symbol_list import Row, SymbolList
from kmodtui.model.symbol_query import Facet, Query, parse_query
from kmodtui.model.symbol_search import Hits
from kmodtui.model.symbols import SymbolRows
from kmodtui.model.text import clean, decode
from kmodtui.services.time_limit import limited
from kmodtui.ui.widgets.line_view import Line, LineView
from kmodtui.ui.widgets.symbol_line import Columns, symbol_line

SLICE = 0.012
"""Seconds of searching after which keys have their turn."""

PATIENCE = 0.4
"""Seconds that one block may take: a hundred times what a sane pattern needs for it."""


class SymbolBrowser(LineView):
    """The rows of a module, of the kernel itself, or of both."""

    class Counted(Message):
        """The number of hits, or what is shown instead, is another one."""

    def __init__(self, *, id: str = "symbol-browser") -> None:  # noqa: A002
        super().__init__(id=id)
        self.problem = ""
        """Why there are no hits, where what is searched for makes no sense; a sentence."""
        self._symbols = SymbolList([])
        self._raw: SymbolRows | None = None
        self._text = ""
        self._facet = Facet.ALL
        self._nothing = ""
        self._hits = Hits(self._symbols, Query())
        self._located: list[Located] | None = None
        self._addresses = False
        self._search: Worker[None] | None = None

    # What is shown

    def show_rows(self, rows: SymbolRows, empty_text: str, *, owner: str = "") -> None:
        """Show the rows of one owner; `owner` is empty for the kernel itself.

        Args:
            rows: as they were read.
            empty_text: what is said where there are none.
            owner: a module's name.
        """
        same = rows is self._raw
        self._raw = rows
        self.show(self._symbols if same else SymbolList([(owner, rows)]), empty_text)

    def show(self, symbols: SymbolList, empty_text: str) -> None:
        """Show symbols; the cursor stays on its symbol if that is there still."""
        row = self.row_at(self.cursor)
        fresh = symbols is not self._symbols
        self._nothing = empty_text
        self._symbols = symbols
        last = symbols.row(len(symbols) - 1).symbol if len(symbols) else None
        self._addresses = bool(last and last.address)
        self._seek(keep=row if fresh else None)

    @property
    def symbols(self) -> SymbolList:
        """Everything there is to look through."""
        return self._symbols

    @property
    def total(self) -> int:
        """How many rows there are, filtered or not."""
        return len(self._symbols)

    @property
    def filter_text(self) -> str:
        """What is searched for, as it was typed; see `model.symbol_query`."""
        return self._text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.cursor = 0
            self._seek()

    @property
    def facet(self) -> Facet:
        """Which symbols are shown at all."""
        return self._facet

    @facet.setter
    def facet(self, facet: Facet) -> None:
        self._facet = facet
        self.cursor = 0
        self._seek()

    @property
    def filtered(self) -> bool:
        """Whether not everything is shown."""
        return bool(self._text) or self._facet is not Facet.ALL

    @property
    def counting(self) -> bool:
        """Whether there may be more hits than are counted so far."""
        return self._located is None and not self._hits.done

    def row_at(self, index: int) -> Row | None:
        """Return the symbol on a line."""
        number = self.number_at(index)
        return None if number is None else self._symbols.row(number)

    def number_at(self, index: int) -> int | None:
        """Return its number in `symbols`."""
        if not 0 <= index < self.line_count():
            return None
        return self._hits[index] if self._located is None else self._located[index].row

    def located_at(self, index: int) -> Located | None:
        """Return how a symbol contains the place that was searched for; None if none was."""
        if self._located is None or not 0 <= index < len(self._located):
            return None
        return self._located[index]

    # Searching

    def _seek(self, keep: Row | None = None) -> None:
        if self._search is not None:
            self._search.cancel()
            self._search = None
        self.problem, self._located = "", None
        try:
            query = parse_query(self._text, self._facet)
            self._hits = Hits(self._symbols, query)
            if query.place is not None:
                self._located = locate(self._symbols, query.place)
            else:
                self._advance(max(100, self.size.height + 1))
        except KmodtuiError as error:
            self._fail(error)
        if keep is not None:
            self._return_to(keep)
        self._shown()
        if self.counting and self.is_mounted:
            # Not a coroutine of it: one that the next key cancels before it has begun is
            # never awaited, which Python complains of.
            self._search = self.run_worker(self._go_on, group=f"search-{self.id}", exclusive=True)

    def _advance(self, number: int) -> None:
        """Look through blocks until there are so many hits or the time of a slice is over."""
        end = time.perf_counter() + SLICE
        words = f"{clean(self._text)} takes too long, so it was broken off."
        hint = "A repetition inside a repetition, such as (a+)+, never ends on some names."
        while not self._hits.done and len(self._hits) < number and time.perf_counter() < end:
            if self._hits.query.pattern is None:
                self._hits.advance()
                continue
            with limited(PATIENCE, words, hint):
                self._hits.advance()

    async def _go_on(self) -> None:
        while self.counting:
            await asyncio.sleep(0)
            try:
                before = len(self._hits)
                self._advance(self.total + 1)
            except KmodtuiError as error:
                self._fail(error)
            if before <= self.scroll_offset.y + self.size.height:
                self._shown()
        self._shown()

    def _fail(self, error: KmodtuiError) -> None:
        self.problem = str(error)
        self._located = []

    def _return_to(self, row: Row) -> None:
        number = self._symbols.number_of(row)
        if number is not None and self._located is None:
            self.cursor = self._hits.at_or_behind(number)

    def _shown(self) -> None:
        self.empty_text = clean(self._empty())
        self.lines_changed()
        self.post_message(self.Counted())

    def _empty(self) -> str:
        if self.problem:
            return self.problem
        if self.counting:
            return "Searching…"
        if self.filtered and self.total:
            what = f"“{self._text}”" if self._text else self._facet.value
            return f"No symbol here is found by {what}. Esc clears."
        return self._nothing

    async def prepare(self) -> None:
        """Split the rows into columns in idle moments, before the first key needs them."""
        symbols = self._symbols
        for _ in symbols.prepare():
            await asyncio.sleep(0)

    # Lines

    def line_count(self) -> int:
        """Return how many symbols are shown."""
        return len(self._hits) if self._located is None else len(self._located)

    def line(self, index: int, width: int) -> Line:
        """Return a symbol's line."""
        row = self.row_at(index)
        if row is None:
            return ()
        several = len(self._symbols.owners) > 1
        columns = Columns.within(
            width - 3, owner=several, size=self._located is not None, address=self._addresses
        )
        located = self.located_at(index)
        behind = ""
        if located is not None:
            behind = f"+{located.offset:#x}" + (f"/{located.size:#x}" if located.size else "")
        query = self._hits.query
        return symbol_line(
            row,
            columns,
            behind=behind,
            size=located.size if located is not None else None,
            exported=self._symbols.exports.get(row.owner) if self._prepared else None,
            words=[clean(decode(word)) for word in (*query.words, query.exact)],
        )

    @property
    def _prepared(self) -> bool:
        """Whether exports cost nothing to ask for: few rows, or looked through already."""
        return "exports" in self._symbols.__dict__ or self.total < 20_000
