"""The info pane: what the selected module does, why it is loaded, or what modinfo prints.

Three pages in one view. The page about why a module is loaded takes longest to make, so it is
left when another module is selected.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, assert_never, cast

from textual.app import ComposeResult
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import Filter
from kmodtui.model.filter.sources import TextSource
from kmodtui.model.history import Timeline
from kmodtui.model.modules import LoadedModule, ModuleTable
from kmodtui.model.text import counted
from kmodtui.model.usage import Usage
from kmodtui.services.filtering import select
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import key_of
from kmodtui.ui.filters import filter_typed
from kmodtui.ui.hints import is_learned
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.lines.page import InfoRow, page_rows
from kmodtui.ui.widgets.lines.view import Line, LineView, fit, wrapped
from kmodtui.ui.widgets.panes.pane import Pane

if TYPE_CHECKING:
    from kmodtui.model.about.page import Page
    from kmodtui.services.details import ModuleDetails, ShownParameter
    from kmodtui.services.module_pages import ModulePages

COLLAPSE_ABOVE = 3
"""A field with more values than this is collapsed into one line at first."""

READING_PAUSE = 0.05
"""Seconds that the cursor has to stay on a module before its file is read."""

_LABEL = 13

_SOURCE = TextSource[InfoRow](lambda row: "".join(part[0] for part in row.parts))


class InfoPage(Enum):
    """What the pane shows; the value is its title."""

    ABOUT = "Info"
    WHY = "Why"
    MODINFO = "modinfo"


class InfoLines(LineView):
    """The information about one module, wrapped to the width of the pane."""

    def __init__(self) -> None:
        super().__init__(id="info-lines")
        self.empty_text = "Select a module to see what it does."
        self._content: tuple[InfoPage, ModuleDetails | Page] | None = None
        self._expanded: set[str] = set()
        self._filter = Filter()
        self._width = 0
        self._rows: list[InfoRow] = []

    def show_content(self, page: InfoPage, content: ModuleDetails | Page | None) -> None:
        """Show a module; the same page keeps its scroll position, another starts at the top."""
        before, now = self._content, None if content is None else (page, content)
        if now == before:
            return
        other = now is None or before is None or (page, now[1].name) != (before[0], before[1].name)
        self._content = now
        if other:
            self._expanded.clear()
            self.cursor = 0
            self.scroll_to(y=0, animate=False)
        self._build()

    @property
    def filter_text(self) -> str:
        """The filter of the lines as it was typed."""
        return self._filter.text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        before, self._filter = self._filter, filter_typed(self, text, FilterKind.TEXT)
        try:
            self._arrange()
        except KmodtuiError:  # its regular expression takes too long
            self._filter = before
            raise

    def _build(self) -> None:
        try:
            self._arrange()
        except KmodtuiError:
            self._filter = Filter()
            self._arrange()

    def _arrange(self) -> None:
        rows: list[InfoRow] = []
        if self._content is not None and self._width:
            rows = select(self._filter, _SOURCE, self._all_rows(*self._content))
        self._rows = rows
        self.lines_changed()

    def _all_rows(self, page: InfoPage, content: ModuleDetails | Page) -> list[InfoRow]:
        if page is InfoPage.MODINFO:
            details = cast("ModuleDetails", content)
            return _Composer(details, self._expanded, self._width, bool(self._filter.terms)).rows()
        evidence = page is InfoPage.WHY
        return page_rows(cast("Page", content), self._expanded, self._width, evidence=evidence)

    def line_count(self) -> int:
        """Return the number of lines at this width."""
        return len(self._rows)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  wrapped beforehand
        """Return a line."""
        return self._rows[index].parts

    def subject(self) -> Subject | None:
        """Return the module that is shown."""
        if self._content is None:
            return None
        name = self._content[1].name
        return Subject(SubjectKind.MODULE, name, name)

    def action_open_line(self) -> None:
        """Expand or collapse the list under the cursor."""
        if self._rows and (key := self._rows[self.cursor].field):
            self._expanded ^= {key}
            self._build()

    def on_resize(self) -> None:
        """Wrap the lines to the new width."""
        width = self.line_width
        if width != self._width:
            self._width = width
            self._build()


class _Composer:
    """Turns module details into rows of a given width."""

    def __init__(
        self, details: ModuleDetails, expanded: set[str], width: int, filtering: bool
    ) -> None:
        self._details = details
        self._expanded = expanded
        self._width = width
        self._filtering = filtering
        self._rows: list[InfoRow] = []

    def rows(self) -> list[InfoRow]:
        details = self._details
        self._rows.append(InfoRow(((f" {details.name}", "accent"), (self._headline(), "dim"))))
        if details.description:
            self._text("", details.description, "strong", indent=1)
        if details.problem:
            self._text("", details.problem, "warn", indent=1)
        for key, values in details.fields:
            self._field(key, values)
        if details.parameters:
            self._rows.append(
                InfoRow(((" parameters", "accent"), (self._parameters_head(), "dim")))
            )
            for parameter in details.parameters:
                self._parameter(parameter)
        return self._rows

    def _headline(self) -> str:
        if self._details.builtin:
            return "  built in"
        return "  loaded" if self._details.loaded else "  not loaded"

    def _parameters_head(self) -> str:
        return f"  {counted(len(self._details.parameters), 'parameter')}: name = current value"

    def _field(self, key: str, values: tuple[str, ...]) -> None:
        collapsible = len(values) > COLLAPSE_ABOVE
        if collapsible and not self._filtering and key not in self._expanded:
            line: Line = (
                (fit(f" {key}", _LABEL) + " ", "info"),
                (f"▸ {len(values):,}: ", "accent"),
                (", ".join(values[:8]), "dim"),
            )
            self._rows.append(InfoRow(line, key))
            return
        if collapsible and not self._filtering:
            line = ((fit(f" {key}", _LABEL) + " ", "info"), (f"▾ {len(values):,}", "accent"))
            self._rows.append(InfoRow(line, key))
            for value in values:
                self._text("", value, "", field=key)
            return
        for number, value in enumerate(values):
            self._text("" if number and not self._filtering else key, value, "", field="")

    def _parameter(self, parameter: ShownParameter) -> None:
        head = f"   {parameter.name}"
        kind = f" ({parameter.type})" if parameter.type else ""
        if parameter.value is None:
            value = (f"  {parameter.why_no_value}", "dim")
        else:
            value = (f" = {parameter.value}", "strong")
        self._rows.append(InfoRow(((head, "info"), value, (kind, "dim"))))
        if parameter.description:
            self._text("", parameter.description, "dim", indent=5)

    def _text(
        self, label: str, text: str, style: str, *, field: str = "", indent: int = _LABEL + 1
    ) -> None:
        for number, piece in enumerate(wrapped(text, max(8, self._width - indent))):
            head = fit(f" {label}", indent) if label and number == 0 else " " * indent
            for part in _chopped(piece, max(8, self._width - indent)):
                self._rows.append(InfoRow(((head, "info"), (part, style)), field))
                head = " " * indent


def _chopped(text: str, width: int) -> list[str]:
    """Return `text` in pieces of at most `width` characters; nothing is lost."""
    return [text[start : start + width] for start in range(0, max(1, len(text)), width)]


class InfoPane(Pane):
    """The lines with a frame."""

    filter_kind = FilterKind.TEXT

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(entry, live)
        self._module: str | None = None
        self._paused_on: str | None = None
        self._row: LoadedModule | None = None  # of the module when its details were read
        self._outdated = False  # whether the row has changed since
        self._reading: Worker[None] | None = None
        self._page = InfoPage.ABOUT
        self._filter = ""
        self._lines = InfoLines()

    @cached_property
    def _pages(self) -> ModulePages:
        from kmodtui.services.module_pages import ModulePages

        return ModulePages(self.live.machine)

    def compose(self) -> ComposeResult:
        """Yield the lines."""
        yield self._lines

    def on_mount(self) -> None:
        """Name the pane, and follow what its contents depend on."""
        self.set_name("Info")
        subscribe(self.live.table_read, self._read_if_changed)
        subscribe(self.live.index_read, self._read_all)
        subscribe(self.live.refreshed, self._read_all)
        subscribe(self.live.usage.read, self._read_uses)
        subscribe(self.live.timeline_changed, self._read_why)

    @property
    def filter_text(self) -> str:
        """The filter of the lines as it was typed."""
        return self._lines.filter_text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._lines.filter_text = text
        self._filter = text
        self._show_keys()

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        if name != self._module and self._page is InfoPage.WHY:
            self._page = InfoPage.ABOUT
        self._module = name
        self._read()

    def toggle(self, page: InfoPage) -> None:
        """Show another page, or the first one again."""
        self._page = InfoPage.ABOUT if self._page is page else page
        self._read()

    def _read_all(self, _: None) -> None:
        self._pages.forget()
        self._read()

    def _read_why(self, _timeline: Timeline) -> None:
        if self._page is InfoPage.WHY:
            self._read()

    def _read_uses(self, _usage: Usage) -> None:
        if self._page is not InfoPage.MODINFO:
            self._read_all(None)

    def _read(self, _published: object = None) -> None:
        self._reading = self.work(self._show_details, "details")

    def _read_if_changed(self, table: ModuleTable) -> None:
        """Read again if the row of the module has changed, but do not cut a reading short.

        Reference counts may change all the time, and finding what uses a module may take
        longer than they stand still.
        """
        if table.by_name.get(self._module or "") == self._row:
            return
        if self._reading is None or self._reading.is_finished:
            self._read()
        else:
            self._outdated = True

    async def _show_details(self) -> None:
        self._outdated = True
        while self._outdated:
            await self._show_details_once()

    async def _show_details_once(self) -> None:
        name, page, content = self._module, self._page, None
        if name is not None:
            if name != self._paused_on:
                # While a key is held down, the cursor passes many modules: none is read then.
                await asyncio.sleep(READING_PAUSE)
                self._paused_on = name
            self._row = self.live.table.by_name.get(name)
            self._outdated = False
            if page is InfoPage.WHY:
                self.set_name(f"{page.value}: {name}, reading…")
            content = await self._content(page, name)
        else:
            self._row = None
            self._outdated = False
        self._lines.show_content(page, content)
        self.set_name(f"{page.value}: {content.name}" if content else page.value)
        self._show_keys()

    async def _content(self, page: InfoPage, name: str) -> ModuleDetails | Page:
        table = self.live.table
        match page:
            case InfoPage.ABOUT:
                return await self._pages.about(name, table)
            case InfoPage.WHY:
                return await self._pages.why(name, table, self.live.timeline)
            case InfoPage.MODINFO:
                from kmodtui.services.details import read_details

                return await read_details(self.live.machine, self._row, name)
            case _:
                assert_never(page)

    def _show_keys(self) -> None:
        """Show the keys of the other pages in the frame, or the filter while there is one."""
        keys = [
            f"{key_of(command)}: {'about' if self._page is page else page.value.lower()}"
            for command, page in (
                ("dashboard.why", InfoPage.WHY),
                ("dashboard.modinfo", InfoPage.MODINFO),
            )
            if not is_learned(self, command)
        ]
        set_subtitle(self, f"/{self._filter}" if self._filter else " · ".join(keys))
