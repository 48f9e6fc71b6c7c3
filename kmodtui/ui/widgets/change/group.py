"""The symbols of one module in the change view: a head line, and the symbols when expanded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from rich.cells import cell_len

from kmodtui.model.history import CountedRows
from kmodtui.model.symbols.list import Row, SymbolList
from kmodtui.model.symbols.order import Order, Shown, ordered
from kmodtui.model.symbols.query import Query
from kmodtui.model.symbols.search import Matches
from kmodtui.model.symbols.table import NO_ROWS, OwnerDelta, SymbolRows, SymbolTable, counted_types
from kmodtui.services.time_limit import limited
from kmodtui.ui.widgets.lines.symbol_line import SymbolColumns, symbol_line
from kmodtui.ui.widgets.lines.view import Line, fit

EXPAND_LIMIT = 2_000
"""Largest number of matches with which a search expands a group by itself."""

SEARCH_TIMEOUT = 0.4
"""Seconds that the search in one group may take: ten times what 60,000 names need."""


@dataclass(frozen=True)
class Group:
    """The symbols of one module that were added, or those that were removed.

    Attributes:
        owner: the module; empty for the kernel itself.
        sign: `+` for added symbols, `−` for removed ones.
        rows: the symbols.
        whole: whether these are all symbols of the module. Only then is the distance between
            two addresses the size of a symbol.
        match_count: number of symbols that match the search; all of them without a search.
        searched: whether there is a search.
        expanded: whether the symbols are shown.
        shown: the symbols in the chosen order; empty while the group is collapsed.
        matched_types: number of matches of each symbol type; None without a search.
        file_sizes: sizes of the symbols in bytes, by name, read from the module file.
        symbols: the same symbols as a list that can be searched.
    """

    owner: str
    sign: str
    rows: SymbolRows
    whole: bool
    match_count: int = 0
    searched: bool = False
    expanded: bool = False
    shown: tuple[Shown, ...] = field(default=(), repr=False)
    matched_types: Mapping[str, int] | None = None
    file_sizes: Mapping[bytes, int] = field(default_factory=dict, repr=False)
    symbols: SymbolList = field(default_factory=lambda: SymbolList([]), repr=False)

    @classmethod
    def of(cls, delta: OwnerDelta, sign: str) -> Group:
        """Return the group of the symbols that one owner gained (`+`) or lost (`−`)."""
        rows = delta.added if sign == "+" else delta.removed
        whole = bool(delta.owner) and not (delta.added and delta.removed)
        return cls(
            delta.owner, sign, rows, whole, len(rows), symbols=SymbolList([(delta.owner, rows)])
        )

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the group, also in a later search."""
        return (self.owner, self.sign)

    @property
    def name(self) -> str:
        """The owner as it is shown."""
        return self.owner or "the kernel itself"

    @property
    def has_symbols(self) -> bool:
        """Whether the symbols themselves are still stored, not only their number."""
        return not isinstance(self.rows, CountedRows)

    @property
    def count_text(self) -> str:
        """The number of symbols, or `3 of 120` during a search."""
        total = f"{len(self.rows):,}"
        if self.searched:
            return f"{self.sign}{self.match_count:,} of {total}"
        return f"{self.sign}{total}"

    @cached_property
    def types(self) -> list[str]:
        """The number of symbols of each type in words; only matches during a search."""
        return counted_types(self.rows.types if self.matched_types is None else self.matched_types)

    def with_addresses(self, table: SymbolTable) -> Group:
        """Return the group with the addresses of another read, if that has the same symbols."""
        rows = table.of(self.owner)
        symbols = SymbolList([(self.owner, rows)])
        if not self.whole or _names(symbols) != _names(self.symbols):
            return self
        return replace(self, rows=rows, symbols=symbols)

    def arranged(self, query: Query, order: Order, *, toggled: bool) -> Group:
        """Return the group as it is shown for a query.

        Args:
            query: the search.
            order: the order of the symbols.
            toggled: whether the user collapsed or expanded the group, against its default.

        Raises:
            TookTooLongError: the search with the query's regular expression timed out.
        """
        searched = not query.is_empty
        matches = Matches(self.symbols, query)
        if not query.patterns:
            matches.until(len(self.rows) + 1)
        else:
            with limited(
                SEARCH_TIMEOUT,
                "The search took too long and was cancelled.",
                "A nested repetition such as (a+)+ can take practically forever on some names.",
            ):
                matches.until(len(self.rows) + 1)
        expanded = (searched and len(matches) <= EXPAND_LIMIT) != toggled and self.has_symbols
        shown: tuple[Shown, ...] = ()
        if expanded:
            rows = self.rows if self.whole else NO_ROWS
            shown = ordered(self.symbols, matches, rows, order, self.file_sizes)
        return replace(
            self,
            match_count=len(matches) if searched else len(self.rows),
            searched=searched,
            expanded=expanded,
            shown=shown,
            matched_types=matches.types() if searched else None,
        )

    @property
    def sizes_known(self) -> bool:
        """Whether the size of at least one shown symbol is known."""
        return any(shown.size is not None for shown in self.shown[:500])

    def head(self, width: int, name_width: int, count_width: int) -> Line:
        """Return the head line of the group; the widths are those of its columns."""
        name_width = max(8, min(name_width, width - count_width - 4))
        types = _fitting(self.types, width - name_width - count_width - 6)
        return (
            ("▾ " if self.expanded else "▸ " if self.has_symbols else "  ", "accent"),
            (fit(self.name, name_width), "strong"),
            (fit(self.count_text, count_width + 2, right=True), self._style),
            (f"  {types}", "dim"),
        )

    def line(self, index: int, width: int, words: list[str]) -> Line:
        """Return the line of `shown[index]`."""
        shown = self.shown[index]
        columns = SymbolColumns.within(
            width - 7, size=self.sizes_known, address=bool(shown.line[:16].strip(b"0"))
        )
        return symbol_line(
            Row(self.owner, shown.line),
            columns,
            ((f"   {self.sign} ", self._style),),
            suffix=f" ×{shown.times}" if shown.times > 1 else "",
            size=shown.size,
            exported=self._exported,
            words=words,
        )

    @property
    def _style(self) -> str:
        return "good" if self.sign == "+" else "bad"

    @cached_property
    def _exported(self) -> frozenset[bytes] | None:
        return self.symbols.exports.get(self.owner)


def _names(symbols: SymbolList) -> tuple[bytes, bytes]:
    blocks = symbols.blocks
    return b"".join(block.names for block in blocks), b"".join(block.types for block in blocks)


def _fitting(items: list[str], width: int) -> str:
    """Return as many whole items as fit, and an ellipsis if some are left out."""
    text = ""
    for number, item in enumerate(items):
        longer = f"{text} · {item}" if text else item
        more = " …" if number + 1 < len(items) else ""
        if cell_len(longer + more) > width:
            return f"{text} …" if text else fit(item, max(0, width)).rstrip()
        text = longer
    return text
