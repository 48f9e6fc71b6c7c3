"""What a module takes and gives, symbol by symbol, in groups that fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len

from kmodtui.model.linkage import Given, Giver, ModuleLinkage, Taken
from kmodtui.model.text import counted
from kmodtui.ui.widgets.line_view import Line, LineView, fit, wrapped

_TITLE_WIDTH = 32
_NAME_WIDTH = 40
_MACRO_WIDTH = 18

_TAKEN_WORDS = {
    Giver.KERNEL: "from the kernel itself",
    Giver.NOBODY: "from nobody: no one exports them",
    Giver.UNKNOWN: "from the kernel itself, or from nobody: its exports are not known",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A symbol in a group.

    Attributes:
        name: the symbol.
        how: how it is exported; empty if that cannot be told.
        more: what else there is to say.
    """

    name: str
    how: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Symbols that one module takes from another.

    Attributes:
        key: what it is remembered by.
        title: `from jbd2`, `to ext4`.
        module: the other module; empty if it is none.
        rows: its symbols.
        bad: whether it should not be there.
    """

    key: str
    title: str
    module: str
    rows: tuple[_Row, ...]
    bad: bool = False


@dataclass(frozen=True, slots=True)
class _Head:
    """The head line of a group, as it is shown."""

    group: _Group
    hits: int
    opened: bool


class LinkageLines(LineView):
    """A part for what is taken, a part for what is given; in each a group a module."""

    def __init__(self) -> None:
        super().__init__(id="linkage-lines")
        self.empty_text = "Reading the files of the modules…"
        self._linkage: ModuleLinkage | None = None
        self._groups: dict[str, tuple[_Group, ...]] = {}
        self._unfolded: set[str] = set()
        self._folded_hits: set[str] = set()
        self._filter = ""
        self._width = 0
        self._lines: list[Line | _Head | _Row] = []

    # What is shown

    def show_linkage(self, linkage: ModuleLinkage, other: str = "") -> None:
        """Show what a module takes and gives; what is between it and `other` is unfolded."""
        self._linkage = linkage
        takes, gives = tuple(_taken_groups(linkage)), tuple(_given_groups(linkage))
        self._groups = {
            f"Takes {counted(len(linkage.takes), 'symbol')}": takes,
            f"Gives {counted(len(linkage.gives), 'symbol')}": gives,
        }
        groups = (*takes, *gives)
        between = [group for group in groups if other and group.module == other]
        # A single group, or a few symbols, need no key press to be seen.
        small = [group for group in groups if len(group.rows) <= 3 or len(groups) == 1]
        self._unfolded = {group.key for group in (between or small)}
        self._arrange()
        if between:
            self.move_cursor(self._lines.index(self._head_of(between[0])))

    @property
    def filter_text(self) -> str:
        """Only symbols that contain it are shown."""
        return self._filter

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._filter = text
        self._folded_hits.clear()
        self._arrange()

    @property
    def hits(self) -> int:
        """How many rows the filter leaves; a symbol with several users has several."""
        return sum(line.hits for line in self._lines if isinstance(line, _Head))

    @property
    def module(self) -> str:
        """The other module of the group that the cursor is in; empty if there is none."""
        for line in reversed(self._lines[: self.cursor + 1]):
            if isinstance(line, _Head):
                return line.group.module
            if not isinstance(line, _Row):
                return ""
        return ""

    def _arrange(self) -> None:
        found = self._linkage
        if found is None:
            return
        lines: list[Line | _Head | _Row] = []
        for problem in found.problems:
            lines += [((text, "warn"),) for text in wrapped(problem, max(20, self.line_width - 1))]
        if found.problems:
            lines.append(())
        for title, groups in self._groups.items():
            hits = [(group, self._hits_in(group)) for group in groups]
            if self._filter and not any(rows for _, rows in hits):
                continue
            if title.startswith("Gives") and lines and lines[-1] != ():
                lines.append(())
            lines.append(((title, "strong"),))
            for group, rows in hits:
                if self._filter and not rows:
                    continue
                opened = group.key in self._unfolded
                if self._filter:  # what was looked for is seen without a key press
                    opened = group.key not in self._folded_hits
                lines.append(_Head(group, len(rows), opened))
                lines += rows if opened else ()
        if self._filter and not any(isinstance(line, _Head) for line in lines):
            told = f"No symbol here contains “{self._filter}”. Esc clears the filter."
            lines += [((text, "dim"),) for text in wrapped(told, max(20, self.line_width - 1))]
        self._lines = lines
        self._width = self.line_width
        self.lines_changed()

    def _hits_in(self, group: _Group) -> list[_Row]:
        return [row for row in group.rows if self._filter.lower() in row.name.lower()]

    def _head_of(self, group: _Group) -> _Head:
        return next(line for line in self._lines if isinstance(line, _Head) and line.group == group)

    # For LineView

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:
        """Return a head, or a symbol with how it is exported."""
        line = self._lines[index]
        if isinstance(line, _Head):
            return self._head_line(line)
        if isinstance(line, _Row):
            name = fit(line.name, max(10, min(_NAME_WIDTH, width - 4 - _MACRO_WIDTH)))
            more = f"  {line.more}" if line.more else ""
            return ((f"    {name} ", ""), (fit(line.how, _MACRO_WIDTH), "info"), (more, "dim"))
        return line

    def _head_line(self, head: _Head) -> Line:
        group = head.group
        sign = "▾" if head.opened else "▸"
        total = counted(len(group.rows), "symbol")
        count = f"{head.hits:,} of {total}" if self._filter else total
        style = "bad" if group.bad else "accent"
        title = fit(group.title, max(_TITLE_WIDTH, cell_len(group.title)))
        return ((f"  {sign} ", "dim"), (title, style), (f"  {count}", "dim"))

    def action_open_line(self) -> None:
        """Unfold or fold the group that the cursor is in."""
        for place in range(min(self.cursor, len(self._lines) - 1), -1, -1):
            line = self._lines[place]
            if isinstance(line, _Head):
                turned = self._folded_hits if self._filter else self._unfolded
                turned ^= {line.group.key}
                self._arrange()
                self.move_cursor(place)
                return
            if not isinstance(line, _Row):
                return

    def on_resize(self) -> None:
        """Break the sentences to the new width."""
        if self.line_width != self._width:
            self._arrange()
        super().on_resize()


def _taken_groups(linkage: ModuleLinkage) -> Iterator[_Group]:
    for module, symbols in linkage.givers.items():
        yield _Group(f"from {module}", f"from {module}", module, _taken_rows(symbols))
    for giver, words in _TAKEN_WORDS.items():
        if symbols := linkage.taken_from(giver):
            rows = _taken_rows(symbols)
            yield _Group(f"from {giver}", words, "", rows, bad=giver is Giver.NOBODY)


def _given_groups(linkage: ModuleLinkage) -> Iterator[_Group]:
    for user in linkage.users:
        rows = tuple(_given_row(given) for given in linkage.gives if user in given.users)
        yield _Group(f"to {user}", f"to {user}", user, rows)
    if spare := [given for given in linkage.gives if not given.users]:
        words = "to nobody that is loaded" if linkage.loaded else "to whoever will want them"
        yield _Group("to nobody", words, "", tuple(map(_given_row, spare)))


def _taken_rows(symbols: Iterable[Taken]) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            taken.wanted.name,
            taken.export.macro if taken.export and taken.export.gpl_only is not None else "",
            " ".join(
                word
                for word in (
                    taken.export.namespace if taken.export else "",
                    "can do without" if taken.wanted.weak else "",
                )
                if word
            ),
        )
        for taken in symbols
    )


def _given_row(given: Given) -> _Row:
    export = given.export
    place = f"{export.section} {export.size:,} B" if export.size else ""
    more = " ".join(word for word in (export.namespace, place) if word)
    return _Row(export.name, export.macro if export.gpl_only is not None else "", more)
