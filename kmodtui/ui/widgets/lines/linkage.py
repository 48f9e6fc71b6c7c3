"""The symbols that a module imports and exports, in groups that can be collapsed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.sources import TextSource
from kmodtui.model.linkage import ModuleLinkage, ProviderKind, ResolvedImport, UsedExport
from kmodtui.model.text import counted
from kmodtui.services.filtering import select
from kmodtui.ui.commands import key_of
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.widgets.lines.view import Line, LineView, fit, wrapped

_TITLE_WIDTH = 32
_NAME_WIDTH = 40
_MACRO_WIDTH = 18

_PROVIDER_TITLES = {
    ProviderKind.KERNEL: "from the kernel itself",
    ProviderKind.UNRESOLVED: "unresolved: exported by nothing",
    ProviderKind.UNKNOWN: "from the kernel, or unresolved: the kernel's exports are unknown",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A symbol in a group.

    Attributes:
        name: the symbol.
        macro: the macro that exports it, such as EXPORT_SYMBOL_GPL; empty if unknown.
        details: such as its namespace, section and size.
    """

    name: str
    macro: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """The symbols that are imported from one module, or by one module.

    Attributes:
        key: identifies the group.
        title: `from jbd2`, `to ext4`.
        module: the other module; empty if there is none.
        rows: the symbols.
        unresolved: whether nothing exports the symbols.
    """

    key: str
    title: str
    module: str
    rows: tuple[_Row, ...]
    unresolved: bool = False


@dataclass(frozen=True, slots=True)
class _Head:
    """The head line of a group, with the number of its rows that match the filter."""

    group: _Group
    match_count: int
    expanded: bool


_SOURCE = TextSource[tuple[str, _Row]](lambda pair: pair[1].name)


class LinkageLines(LineView):
    """A section of imports and a section of exports, each with a group for every module."""

    def __init__(self) -> None:
        super().__init__(id="linkage-lines")
        self.empty_text = "Reading the module files…"
        self._linkage: ModuleLinkage | None = None
        self._sections: dict[str, tuple[_Group, ...]] = {}
        self._expanded: set[str] = set()
        self._collapsed_matches: set[str] = set()  # collapsed in spite of the filter
        self._filter = ""
        self._matching: dict[str, list[_Row]] = {}  # by the key of the group
        self._width = 0
        self._lines: list[Line | _Head | _Row] = []

    # What is shown

    def show_linkage(self, linkage: ModuleLinkage, other: str = "") -> None:
        """Show the linkage of a module, with the symbols shared with `other` expanded."""
        self._linkage = linkage
        imports, exports = tuple(_import_groups(linkage)), tuple(_export_groups(linkage))
        self._sections = {
            f"Imports {counted(len(linkage.imports), 'symbol')}": imports,
            f"Exports {counted(len(linkage.exports), 'symbol')}": exports,
        }
        groups = (*imports, *exports)
        try:
            self._select(self._filter)
        except KmodtuiError:  # its regular expression takes too long
            self._select("")
        shared = [group for group in groups if other and group.module == other]
        # A single group and small groups are expanded without a key press.
        small = [group for group in groups if len(group.rows) <= 3 or len(groups) == 1]
        self._expanded = {group.key for group in (shared or small)}
        self._build()
        if shared:
            self.move_cursor(self._lines.index(self._head_of(shared[0])))

    @property
    def filter_text(self) -> str:
        """The filter of the symbols' names as it was typed."""
        return self._filter

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._select(text)
        self._collapsed_matches.clear()
        self._build()

    @property
    def hits(self) -> int:
        """Number of rows that match the filter; a symbol has one row for each importer."""
        return sum(line.match_count for line in self._lines if isinstance(line, _Head))

    @property
    def module(self) -> str:
        """The other module of the group under the cursor; empty if there is none."""
        for line in reversed(self._lines[: self.cursor + 1]):
            if isinstance(line, _Head):
                return line.group.module
            if not isinstance(line, _Row):
                return ""
        return ""

    def _build(self) -> None:
        linkage = self._linkage
        if linkage is None:
            return
        lines: list[Line | _Head | _Row] = []
        for problem in linkage.problems:
            lines += [((text, "warn"),) for text in wrapped(problem, max(20, self.line_width - 1))]
        if linkage.problems:
            lines.append(())
        for title, groups in self._sections.items():
            matches = [(group, self._matching[group.key]) for group in groups]
            if self._filter and not any(rows for _, rows in matches):
                continue
            if title.startswith("Exports") and lines and lines[-1] != ():
                lines.append(())
            lines.append(((title, "strong"),))
            for group, rows in matches:
                if self._filter and not rows:
                    continue
                expanded = group.key in self._expanded
                if self._filter:  # matches are shown without a key press
                    expanded = group.key not in self._collapsed_matches
                lines.append(_Head(group, len(rows), expanded))
                lines += rows if expanded else ()
        if self._filter and not any(isinstance(line, _Head) for line in lines):
            clear = key_of("linkage.back")
            empty = f"No symbol here matches “{self._filter}”. {clear} clears the filter."
            lines += [((text, "dim"),) for text in wrapped(empty, max(20, self.line_width - 1))]
        self._lines = lines
        self._width = self.line_width
        self.lines_changed()

    def _select(self, text: str) -> None:
        """Find the rows that match a filter.

        Raises:
            KmodtuiError: the filter is invalid, or takes too long; nothing has changed.
        """
        groups = [group for groups in self._sections.values() for group in groups]
        rows = [(group.key, row) for group in groups for row in group.rows]
        matching: dict[str, list[_Row]] = {group.key: [] for group in groups}
        for key, row in select(filter_typed(self, text, FilterKind.TEXT), _SOURCE, rows):
            matching[key].append(row)
        self._filter, self._matching = text, matching

    def _head_of(self, group: _Group) -> _Head:
        return next(line for line in self._lines if isinstance(line, _Head) and line.group == group)

    # For LineView

    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:
        """Return the head line of a group, or a symbol and the macro that exports it."""
        line = self._lines[index]
        if isinstance(line, _Head):
            return self._head_line(line)
        if isinstance(line, _Row):
            name = fit(line.name, max(10, min(_NAME_WIDTH, width - 4 - _MACRO_WIDTH)))
            details = f"  {line.details}" if line.details else ""
            macro = fit(line.macro, _MACRO_WIDTH)
            return ((f"    {name} ", ""), (macro, "info"), (details, "dim"))
        return line

    def _head_line(self, head: _Head) -> Line:
        group = head.group
        sign = "▾" if head.expanded else "▸"
        total = counted(len(group.rows), "symbol")
        count = f"{head.match_count:,} of {total}" if self._filter else total
        style = "bad" if group.unresolved else "accent"
        title = fit(group.title, max(_TITLE_WIDTH, cell_len(group.title)))
        return ((f"  {sign} ", "dim"), (title, style), (f"  {count}", "dim"))

    def action_open_line(self) -> None:
        """Expand or collapse the group under the cursor."""
        for place in range(min(self.cursor, len(self._lines) - 1), -1, -1):
            line = self._lines[place]
            if isinstance(line, _Head):
                toggled = self._collapsed_matches if self._filter else self._expanded
                toggled ^= {line.group.key}
                self._build()
                self.move_cursor(place)
                return
            if not isinstance(line, _Row):
                return

    def on_resize(self) -> None:
        """Wrap the sentences to the new width."""
        if self.line_width != self._width:
            self._build()
        super().on_resize()


def _import_groups(linkage: ModuleLinkage) -> Iterator[_Group]:
    for module, symbols in linkage.providers.items():
        yield _Group(f"from {module}", f"from {module}", module, _import_rows(symbols))
    for provider, title in _PROVIDER_TITLES.items():
        if symbols := linkage.taken_from(provider):
            rows = _import_rows(symbols)
            unresolved = provider is ProviderKind.UNRESOLVED
            yield _Group(f"from {provider}", title, "", rows, unresolved=unresolved)


def _export_groups(linkage: ModuleLinkage) -> Iterator[_Group]:
    for importer in linkage.users:
        rows = tuple(_export_row(given) for given in linkage.exports if importer in given.users)
        yield _Group(f"to {importer}", f"to {importer}", importer, rows)
    if unused := [given for given in linkage.exports if not given.users]:
        # Before a module is loaded nothing can import its symbols.
        title = (
            "not imported by any loaded module" if linkage.loaded else "to any module, once loaded"
        )
        yield _Group("unused", title, "", tuple(map(_export_row, unused)))


def _import_rows(symbols: Iterable[ResolvedImport]) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            taken.wanted.name,
            taken.export.macro if taken.export and taken.export.gpl_only is not None else "",
            " ".join(
                word
                for word in (
                    taken.export.namespace if taken.export else "",
                    "optional (weak)" if taken.wanted.weak else "",
                )
                if word
            ),
        )
        for taken in symbols
    )


def _export_row(given: UsedExport) -> _Row:
    export = given.export
    place = f"{export.section} {export.size:,} B" if export.size else ""
    details = " ".join(word for word in (export.namespace, place) if word)
    return _Row(export.name, export.macro if export.gpl_only is not None else "", details)
