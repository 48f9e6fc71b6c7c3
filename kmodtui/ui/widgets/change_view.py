"""The last change: which modules came and went, and what that did to the symbols."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from textual.message import Message

from kmodtui.errors import KmodtuiError
from kmodtui.model.history import Change
from kmodtui.model.symbol_order import Order
from kmodtui.model.symbol_query import Facet, Query, parse_query
from kmodtui.model.symbols import SymbolTable
from kmodtui.model.text import clean, counted, decode
from kmodtui.ui.widgets.change_group import Group
from kmodtui.ui.widgets.change_summary import cause, staying, summary
from kmodtui.ui.widgets.line_view import Line, LineView, wrapped

FILES_AT_ONCE = 8
"""Module files that are read at most for the sizes of what is shown."""

WAITING = (
    "Waiting for a module to be loaded or unloaded, here or by anyone else on this machine. "
    "What it does to /proc/kallsyms is shown here at that moment.\n\n"
    "+ loads a module; v shows the symbols of the selected one; B all symbols; a says what the "
    "letters mean."
)


class ChangeLines(LineView):
    """Lines of one change: a summary, then a group per module that unfolds into its symbols."""

    class SizesWanted(Message):
        """A group was unfolded whose sizes no address tells.

        Attributes:
            module: whose.
        """

        def __init__(self, module: str) -> None:
            super().__init__()
            self.module = module

    def __init__(self) -> None:
        super().__init__(id="change-lines")
        self.empty_text = WAITING
        self.problem = ""
        """Why nothing is found, where what is searched for makes no sense; a sentence."""
        self._change: Change | None = None
        self._stays: Mapping[str, str] = {}
        self._note = ""
        self._groups: list[Group] = []
        self._addressed: SymbolTable | None = None
        self._text = ""
        self._facet = Facet.ALL
        self._order = Order.NAME
        self._turned: set[tuple[str, str]] = set()
        self._unfolded: set[tuple[str, str]] = set()
        self._query = Query()
        self._items: list[Line | Group] = []
        self._starts: list[int] = []  # the line at which each item begins
        self._lines = 0
        self._width = 0
        self._asked: set[str] = set()

    # What is shown

    @property
    def change(self) -> Change | None:
        """The change that is shown."""
        return self._change

    def show_change(self, change: Change, stays: Mapping[str, str]) -> None:
        """Show a change.

        Args:
            change: what happened.
            stays: modules that belong to those that went and are loaded still, with the reason.
        """
        self._change, self._stays = change, stays
        self._groups = [
            Group.of(delta, sign)
            for delta in change.symbols.owners
            for sign, rows in (("+", delta.gained), ("−", delta.lost))
            if rows
        ]
        self._turned.clear()
        self._unfolded.clear()
        self.cursor = 0
        self._asked.clear()
        self._take_addresses()
        self._build()

    @property
    def note(self) -> str:
        """What is said below the groups, such as why there are no addresses."""
        return self._note

    @note.setter
    def note(self, words: str) -> None:
        if words != self._note:
            self._note = words
            self._build()

    def show_addresses(self, table: SymbolTable) -> None:
        """Take addresses from a reading that has them."""
        self._addressed = table
        self._take_addresses()
        self._build()

    def show_sizes(self, module: str, sizes: Mapping[bytes, int]) -> None:
        """Take the sizes of a module's symbols, by name, from its file."""
        self._groups = [
            replace(group, file_sizes=sizes) if group.owner == module else group
            for group in self._groups
        ]
        self._build()

    @property
    def sizes_known(self) -> bool:
        """Whether the size of any symbol that is shown is known."""
        return any(item.sizes_known for item in self._items if isinstance(item, Group))

    def _take_addresses(self) -> None:
        if self._addressed is not None:
            self._groups = [
                group.with_addresses(self._addressed) if group.sign == "+" else group
                for group in self._groups
            ]

    @property
    def filter_text(self) -> str:
        """What is searched for, as it was typed; see `model.symbol_query`."""
        return self._text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._text = text
        self._turned.clear()
        self._build()
        if self._query_words or text:
            self._to_first_hit()

    @property
    def facet(self) -> Facet:
        """Which symbols are shown at all."""
        return self._facet

    @facet.setter
    def facet(self, facet: Facet) -> None:
        self._facet = facet
        self._turned.clear()
        self._build()

    @property
    def order(self) -> Order:
        """What the symbols of a group are sorted by."""
        return self._order

    @order.setter
    def order(self, order: Order) -> None:
        self._order = order
        self._build()

    @property
    def filtered(self) -> bool:
        """Whether not every symbol is shown."""
        return not self._query.asks_nothing or bool(self.problem)

    @property
    def hits(self) -> int:
        """How many symbols are found."""
        return sum(item.hits for item in self._items if isinstance(item, Group))

    @property
    def total(self) -> int:
        """How many symbols came and went."""
        return sum(len(group.rows) for group in self._groups)

    # Building the lines

    def _build(self) -> None:
        items: list[Line | Group] = []
        if self._change is not None:
            items += summary(self._change, width=self._width)
            items += cause(self._change, self._width)
            items += self._arranged()
            items += staying(self._stays)
            items += self._notes()
        self._items = items
        self._starts, self._lines = [], 0
        for item in items:
            self._starts.append(self._lines)
            self._lines += 1 + len(item.shown) if isinstance(item, Group) else 1
        shown = [item for item in items if isinstance(item, Group)]
        self._name_width = max((len(group.name) for group in shown), default=0)
        self._count_width = max((len(group.count_words) for group in shown), default=0)
        unsized = [
            group for group in shown if group.shown and group.owner and not group.sizes_known
        ]
        # A search can open a hundred groups, and each is a file to read.
        for group in unsized[:FILES_AT_ONCE]:
            self._ask_for_sizes(group.owner)
        self.lines_changed()

    def _ask_for_sizes(self, module: str) -> None:
        if module not in self._asked:
            self._asked.add(module)
            self.post_message(self.SizesWanted(module))

    def _arranged(self) -> list[Line | Group]:
        """Return the groups that have a hit, and a line for those that have none."""
        self.problem = ""
        self._query = Query()
        try:
            self._query = parse_query(self._text, self._facet)
            turned = self._unfolded if self._query.asks_nothing else self._turned
            groups = [
                group.arranged(self._query, self._order, turned=group.key in turned)
                for group in self._groups
            ]
        except KmodtuiError as error:
            self.problem = str(error)
            return [*self._said(str(error), "warn")]
        found: list[Line | Group] = [group for group in groups if group.hits]
        empty = len(groups) - len(found)
        if self.filtered and empty:
            what = f"“{clean(self._text)}”" if self._text else self._facet.value
            where = counted(empty, "other module") if found else counted(empty, "module")
            found += self._said(f"nothing found by {what} in {where}", "dim")
        return found

    def _notes(self) -> list[Line]:
        if not self._groups or not self._note:
            return []
        return [(("", ""),), *self._said(self._note, "dim")]

    def _said(self, words: str, style: str) -> list[Line]:
        broken = wrapped(words, max(12, self._width - 2)) if self._width else [words]
        return [(("  " + line, style),) for line in broken]

    def on_resize(self) -> None:
        """Break the lists of names anew."""
        width = self.line_width
        if width != self._width:
            self._width = width
            self._build()

    # Lines

    def line_count(self) -> int:
        """Return how many lines the change has as it is folded now."""
        return self._lines

    def line(self, index: int, width: int) -> Line:
        """Return a line of the change."""
        item, within = self._at(index)
        if not isinstance(item, Group):
            return item
        if within == 0:
            return item.head(width, self._name_width, self._count_width)
        return item.line(within - 1, width, self._query_words)

    def _at(self, index: int) -> tuple[Line | Group, int]:
        """Return the item that a line belongs to, and its number within that."""
        place = bisect_right(self._starts, index) - 1
        return self._items[place], index - self._starts[place]

    @property
    def _query_words(self) -> list[str]:
        return [clean(decode(word)) for word in (*self._query.words, self._query.exact) if word]

    # What a person does

    def action_open_line(self) -> None:
        """Unfold or fold the group under the cursor; on a symbol, its group."""
        if not self._lines:
            return
        item, within = self._at(self.cursor)
        if isinstance(item, Group) and item.kept:
            turned = self._unfolded if self._query.asks_nothing else self._turned
            turned ^= {item.key}
            self.cursor -= within
            self._build()

    def next_hit(self, step: int) -> bool:
        """Go to the next symbol that is found, or back for -1; return whether there is one."""
        if not self.filtered:
            return False
        index = self.cursor + step
        while 0 <= index < self._lines:
            item, within = self._at(index)
            if isinstance(item, Group) and within:
                self.move_cursor(index)
                return True
            index += step
        return False

    def _to_first_hit(self) -> None:
        """Bring the first hit into view, with the head of its group."""
        for item, start in zip(self._items, self._starts, strict=True):
            if isinstance(item, Group) and item.shown:
                self.move_cursor(start + 1)
                return
