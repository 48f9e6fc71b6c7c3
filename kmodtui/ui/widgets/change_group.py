"""One module's symbols in the change view: its head line, and the symbols when it is unfolded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from rich.cells import cell_len

from kmodtui.model.history import CountedRows
from kmodtui.model.symbol_list import Row, SymbolList
from kmodtui.model.symbol_order import Order, Shown, ordered
from kmodtui.model.symbol_query import Query
from kmodtui.model.symbol_search import Hits
from kmodtui.model.symbols import NO_ROWS, OwnerDelta, SymbolRows, SymbolTable, counted_types
from kmodtui.services.time_limit import limited
from kmodtui.ui.widgets.line_view import Line, fit
from kmodtui.ui.widgets.symbol_line import Columns, symbol_line

OPEN_LIMIT = 2_000
"""Hits up to which a group opens by itself while something is searched for."""

PATIENCE = 0.4
"""Seconds that the search in one group may take: ten times what 60,000 names need."""


@dataclass(frozen=True)
class Group:
    """The symbols of one module that came, or that went.

    Attributes:
        owner: the module; empty for the kernel itself.
        sign: `+` or `−`.
        rows: the symbols.
        whole: whether these are all of the module, so that distances are sizes.
        hits: how many of them are found; all where nothing is searched for.
        searched: whether something is searched for.
        opened: whether its symbols are shown.
        shown: the symbols in their order; empty while it is folded.
        found_types: how many hits there are of each type letter; None where all are shown.
        file_sizes: bytes of symbols by name, as the module's file tells them.
    """

    owner: str
    sign: str
    rows: SymbolRows
    whole: bool
    hits: int = 0
    searched: bool = False
    opened: bool = False
    shown: tuple[Shown, ...] = field(default=(), repr=False)
    found_types: Mapping[str, int] | None = None
    file_sizes: Mapping[bytes, int] = field(default_factory=dict, repr=False)
    symbols: SymbolList = field(default_factory=lambda: SymbolList([]), repr=False)

    @classmethod
    def of(cls, delta: OwnerDelta, sign: str) -> Group:
        """Return the group of what one owner gained (`+`) or lost."""
        rows = delta.gained if sign == "+" else delta.lost
        whole = bool(delta.owner) and not (delta.gained and delta.lost)
        return cls(
            delta.owner, sign, rows, whole, len(rows), symbols=SymbolList([(delta.owner, rows)])
        )

    @property
    def key(self) -> tuple[str, str]:
        """What it is remembered by."""
        return (self.owner, self.sign)

    @property
    def name(self) -> str:
        """Whose symbols, for a person."""
        return self.owner or "the kernel itself"

    @property
    def kept(self) -> bool:
        """Whether the symbols are here, not only their number."""
        return not isinstance(self.rows, CountedRows)

    @property
    def count_words(self) -> str:
        """How many there are, or how many of them are found."""
        total = f"{len(self.rows):,}"
        return f"{self.sign}{self.hits:,} of {total}" if self.searched else f"{self.sign}{total}"

    @cached_property
    def types(self) -> list[str]:
        """Counts of each type in words: of the hits, where something is searched for."""
        return counted_types(self.rows.types if self.found_types is None else self.found_types)

    def with_addresses(self, table: SymbolTable) -> Group:
        """Return the group with the addresses of another reading, if it has the same symbols."""
        rows = table.of(self.owner)
        symbols = SymbolList([(self.owner, rows)])
        if not self.whole or _names(symbols) != _names(self.symbols):
            return self
        return replace(self, rows=rows, symbols=symbols)

    def arranged(self, query: Query, order: Order, *, turned: bool) -> Group:
        """Return the group as it is shown for a query.

        Args:
            query: what is searched for.
            order: of its symbols.
            turned: whether the person has opened or closed it against its own way.

        Raises:
            TookTooLongError: the query's pattern does not come to an end.
        """
        searched = not query.asks_nothing
        hits = Hits(self.symbols, query)
        if query.pattern is None:
            hits.until(len(self.rows) + 1)
        else:
            with limited(
                PATIENCE,
                "The pattern takes too long, so it was broken off.",
                "A repetition inside a repetition, such as (a+)+, never ends on some names.",
            ):
                hits.until(len(self.rows) + 1)
        opened = (searched and len(hits) <= OPEN_LIMIT) != turned and self.kept
        shown: tuple[Shown, ...] = ()
        if opened:
            rows = self.rows if self.whole else NO_ROWS
            shown = ordered(self.symbols, hits, rows, order, self.file_sizes)
        found = len(hits) if searched else len(self.rows)
        return replace(
            self,
            hits=found,
            searched=searched,
            opened=opened,
            shown=shown,
            found_types=hits.types() if searched else None,
        )

    @property
    def sizes_known(self) -> bool:
        """Whether the size of any symbol that is shown is known."""
        return any(shown.size is not None for shown in self.shown[:500])

    def head(self, width: int, name_width: int, count_width: int) -> Line:
        """Return the group's own line; the widths are those of its columns."""
        name_width = max(8, min(name_width, width - count_width - 4))
        told = _fitting(self.types, width - name_width - count_width - 6)
        return (
            ("▾ " if self.opened else "▸ " if self.kept else "  ", "accent"),
            (fit(self.name, name_width), "strong"),
            (fit(self.count_words, count_width + 2, right=True), self._style),
            (f"  {told}", "dim"),
        )

    def line(self, index: int, width: int, words: list[str]) -> Line:
        """Return the line of a symbol that is shown, by its number among them."""
        shown = self.shown[index]
        columns = Columns.within(
            width - 7, size=self.sizes_known, address=bool(shown.line[:16].strip(b"0"))
        )
        return symbol_line(
            Row(self.owner, shown.line),
            columns,
            ((f"   {self.sign} ", self._style),),
            behind=f" ×{shown.times}" if shown.times > 1 else "",
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
    """Return as many items as fit whole; what does not fit is told by an ellipsis."""
    text = ""
    for number, item in enumerate(items):
        longer = f"{text} · {item}" if text else item
        more = " …" if number + 1 < len(items) else ""
        if cell_len(longer + more) > width:
            return f"{text} …" if text else fit(item, max(0, width)).rstrip()
        text = longer
    return text
