"""The last change: which modules were loaded and unloaded, and what that did to the symbols."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from textual.message import Message

from kmodtui.errors import KmodtuiError
from kmodtui.model.history import Change
from kmodtui.model.symbols.order import Order
from kmodtui.model.symbols.query import Facet, Query, parse_query
from kmodtui.model.symbols.table import SymbolTable
from kmodtui.model.text import clean, counted, decode
from kmodtui.model.timeline.summary import Fact
from kmodtui.ui.commands import key_of
from kmodtui.ui.filters import filters_of
from kmodtui.ui.widgets.change.group import Group
from kmodtui.ui.widgets.change.summary import cause, staying, summary
from kmodtui.ui.widgets.lines.view import Line, LineView, wrapped

FILES_AT_ONCE = 8
"""Largest number of module files that are read for the sizes of the shown symbols."""

WAITING = (
    "Waiting for a module to be loaded or unloaded, by kmodtui or by any other program. "
    "The symbols that this adds to or removes from /proc/kallsyms are shown here.\n\n"
    f"{key_of('dashboard.load')} loads a module; "
    f"{key_of('dashboard.symbol_view')} shows the symbols of the selected module; "
    f"{key_of('dashboard.browser')} all symbols; "
    f"{key_of('dashboard.legend')} explains symbol types and taint flags."
)


class ChangeLines(LineView):
    """The lines of one change: a summary, then a group of symbols for each module."""

    class SizesWanted(Message):
        """A group was expanded whose addresses do not reveal the sizes of its symbols.

        Attributes:
            module: the module whose file has to be read for the sizes.
        """

        def __init__(self, module: str) -> None:
            super().__init__()
            self.module = module

    def __init__(self) -> None:
        super().__init__(id="change-lines")
        self.empty_text = WAITING
        self.problem = ""
        """Why the search is invalid or failed, in a sentence; empty if it is valid."""
        self._change: Change | None = None
        self._stays: Mapping[str, str] = {}
        self._facts: tuple[Fact, ...] = ()
        self._note = ""
        self._groups: list[Group] = []
        self._addressed: SymbolTable | None = None
        self._text = ""
        self._facet = Facet.ALL
        self._order = Order.NAME
        self._toggled: set[tuple[str, str]] = set()
        self._expanded: set[tuple[str, str]] = set()
        self._query = Query()
        self._items: list[Line | Group] = []
        self._starts: list[int] = []  # the first line of each item
        self._line_count = 0
        self._width = 0
        self._sizes_requested: set[str] = set()

    # What is shown

    @property
    def change(self) -> Change | None:
        """The change that is shown."""
        return self._change

    def show_change(
        self, change: Change | None, stays: Mapping[str, str], facts: Sequence[Fact] = ()
    ) -> None:
        """Show a change.

        Args:
            change: the change; None for an event that is not a change of the modules.
            stays: modules that stay loaded although the module that brought them in was
                unloaded, with the reason.
            facts: what else belongs to it, shown above the symbols.
        """
        self._change, self._stays, self._facts = change, stays, tuple(facts)
        self._groups = [
            Group.of(delta, sign)
            for delta in (change.symbols.owners if change is not None else ())
            for sign, rows in (("+", delta.added), ("−", delta.removed))
            if rows
        ]
        self._toggled.clear()
        self._expanded.clear()
        self.cursor = 0
        self._sizes_requested.clear()
        self._apply_addresses()
        self._build()

    @property
    def note(self) -> str:
        """A note below the groups, such as why there are no addresses."""
        return self._note

    @note.setter
    def note(self, text: str) -> None:
        if text != self._note:
            self._note = text
            self._build()

    def show_addresses(self, table: SymbolTable) -> None:
        """Show the addresses of a symbol table that has them."""
        self._addressed = table
        self._apply_addresses()
        self._build()

    def show_sizes(self, module: str, sizes: Mapping[bytes, int]) -> None:
        """Show the sizes of a module's symbols, in bytes by name, as read from its file."""
        self._groups = [
            replace(group, file_sizes=sizes) if group.owner == module else group
            for group in self._groups
        ]
        self._build()

    @property
    def sizes_known(self) -> bool:
        """Whether the size of at least one shown symbol is known."""
        return any(item.sizes_known for item in self._items if isinstance(item, Group))

    def _apply_addresses(self) -> None:
        if self._addressed is not None:
            self._groups = [
                group.with_addresses(self._addressed) if group.sign == "+" else group
                for group in self._groups
            ]

    @property
    def filter_text(self) -> str:
        """The search as it was typed; see `model.symbol_query`."""
        return self._text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._text = text
        self._toggled.clear()
        self._build()
        if self._query_words or text:
            self._show_first_match()

    @property
    def facet(self) -> Facet:
        """Which symbols are shown at all."""
        return self._facet

    @facet.setter
    def facet(self, facet: Facet) -> None:
        self._facet = facet
        self._toggled.clear()
        self._build()

    @property
    def order(self) -> Order:
        """The order of the symbols in a group."""
        return self._order

    @order.setter
    def order(self, order: Order) -> None:
        self._order = order
        self._build()

    @property
    def filtered(self) -> bool:
        """Whether a search or a facet hides some of the symbols."""
        return not self._query.is_empty or bool(self.problem)

    @property
    def hits(self) -> int:
        """Number of symbols that match."""
        return sum(item.match_count for item in self._items if isinstance(item, Group))

    @property
    def total(self) -> int:
        """Number of symbols that were added or removed."""
        return sum(len(group.rows) for group in self._groups)

    # Building the lines

    def _build(self) -> None:
        items: list[Line | Group] = []
        if self._change is not None:
            items += summary(self._change, width=self._width)
            items += cause(self._change, self._width)
        items += self._fact_lines()
        if self._change is not None:
            items += self._group_items()
            items += staying(self._stays)
            items += self._notes()
        self._items = items
        self._starts, self._line_count = [], 0
        for item in items:
            self._starts.append(self._line_count)
            self._line_count += 1 + len(item.shown) if isinstance(item, Group) else 1
        shown = [item for item in items if isinstance(item, Group)]
        self._name_width = max((len(group.name) for group in shown), default=0)
        self._count_width = max((len(group.count_text) for group in shown), default=0)
        unsized = [
            group for group in shown if group.shown and group.owner and not group.sizes_known
        ]
        # A search can expand a hundred groups, and each one means reading a file.
        for group in unsized[:FILES_AT_ONCE]:
            self._request_sizes(group.owner)
        self.lines_changed()

    def _request_sizes(self, module: str) -> None:
        if module not in self._sizes_requested:
            self._sizes_requested.add(module)
            self.post_message(self.SizesWanted(module))

    def _group_items(self) -> list[Line | Group]:
        """Return the groups that have a match, and a line for those that have none."""
        self.problem = ""
        self._query = Query()
        try:
            self._query = parse_query(self._text, self._facet, named=filters_of(self).named)
            toggled = self._expanded if self._query.is_empty else self._toggled
            groups = [
                group.arranged(self._query, self._order, toggled=group.key in toggled)
                for group in self._groups
            ]
        except KmodtuiError as error:
            self.problem = str(error)
            return [*self._sentence(str(error), "warn")]
        items: list[Line | Group] = [group for group in groups if group.match_count]
        empty = len(groups) - len(items)
        if self.filtered and empty:
            what = f"“{clean(self._text)}”" if self._text else self._facet.value
            where = counted(empty, "other module") if items else counted(empty, "module")
            items += self._sentence(f"no match for {what} in {where}", "dim")
        return items

    def _notes(self) -> list[Line]:
        if not self._groups or not self._note:
            return []
        return [(("", ""),), *self._sentence(self._note, "dim")]

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show what else belongs to the change; it may become known after the change."""
        if tuple(facts) != self._facts:
            self._facts = tuple(facts)
            self._build()

    def _fact_lines(self) -> list[Line]:
        indent = max((len(label) for label, _ in self._facts), default=0) + 2
        lines: list[Line] = []
        for label, text in self._facts:
            room = max(12, self._width - indent) if self._width else len(text) + 1
            for place, piece in enumerate(wrapped(_broken(text, room), room)):
                head = "" if place else label
                lines.append(((f"{head:<{indent}}", "dim"), (piece, "")))
        return lines

    def _sentence(self, text: str, style: str) -> list[Line]:
        lines = wrapped(text, max(12, self._width - 2)) if self._width else [text]
        return [(("  " + line, style),) for line in lines]

    def on_resize(self) -> None:
        """Wrap the lists of names to the new width."""
        width = self.line_width
        if width != self._width:
            self._width = width
            self._build()

    # Lines

    def line_count(self) -> int:
        """Return the number of lines, with the groups collapsed as they are now."""
        return self._line_count

    def line(self, index: int, width: int) -> Line:
        """Return a line of the change."""
        item, within = self._at(index)
        if not isinstance(item, Group):
            return item
        if within == 0:
            return item.head(width, self._name_width, self._count_width)
        return item.line(within - 1, width, self._query_words)

    def _at(self, index: int) -> tuple[Line | Group, int]:
        """Return the item that a line belongs to, and the line's index in it."""
        place = bisect_right(self._starts, index) - 1
        return self._items[place], index - self._starts[place]

    @property
    def _query_words(self) -> list[str]:
        return [clean(decode(word)) for word in (*self._query.words, self._query.exact) if word]

    # Commands

    def action_open_line(self) -> None:
        """Expand or collapse the group under the cursor; on a symbol, its group."""
        if not self._line_count:
            return
        item, within = self._at(self.cursor)
        if isinstance(item, Group) and item.has_symbols:
            toggled = self._expanded if self._query.is_empty else self._toggled
            toggled ^= {item.key}
            self.cursor -= within
            self._build()

    def next_match(self, step: int) -> bool:
        """Go to the next match, or with -1 to the previous one; return whether there is one."""
        if not self.filtered:
            return False
        index = self.cursor + step
        while 0 <= index < self._line_count:
            item, within = self._at(index)
            if isinstance(item, Group) and within:
                self.move_cursor(index)
                return True
            index += step
        return False

    def _show_first_match(self) -> None:
        """Bring the first match into view, with the head line of its group."""
        for item, start in zip(self._items, self._starts, strict=True):
            if isinstance(item, Group) and item.shown:
                self.move_cursor(start + 1)
                return


def _broken(text: str, width: int) -> str:
    """Return a text whose words, such as paths, are divided if they are longer than a line."""
    words = text.split(" ")
    return " ".join(
        word[start : start + width]
        for word in words
        for start in range(0, max(1, len(word)), width)
    )
