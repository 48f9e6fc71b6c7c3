"""The list of the picker: one line for each module, and a card about the selected one.

The list never has the focus: the input line above it handles the keys. Only visible
lines are computed, so thousands of modules cost no more than a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.cells import cell_len

from kmodtui.model.catalog_entry import Catalog, CatalogEntry, CatalogStatus
from kmodtui.model.exposure.exposure import Exposure, reason_words
from kmodtui.model.exposure.request import Reach
from kmodtui.model.fuzzy import marked
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.catalog.live import CatalogState
from kmodtui.services.picker.matching import InputKind, PathChoice, Suggestions, kind_of, no_match
from kmodtui.ui.commands import key_of
from kmodtui.ui.widgets.lines.view import Line, LineView, Part, fit

STANDING_STYLES = {
    CatalogStatus.LOADED: "good",
    CatalogStatus.AVAILABLE: "dim",
    CatalogStatus.BUILTIN: "info",
}

REACH_STYLES = {
    Reach.USER: "bad",
    Reach.NAMESPACE: "warn",
    Reach.DEVICE: "info",
    Reach.ROOT: "dim",
}

_REACH = 11  # cells of `namespace` and a gap of two
_BAR = 12  # cells of the progress bar
_STANDING = 11  # cells of `available` and a gap of two
_OTHER_NAME_MIN = 14  # cells below which the file name would be truncated beyond recognition
_CATEGORY = 23  # cells of the longest category and a gap of two


class ModuleChoices(LineView):
    """Modules, or files and directories, the best match first."""

    can_focus = False
    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="load-names")
        self.empty_text = "Reading the modules of this kernel…"
        self._entries: Sequence[CatalogEntry] = ()
        self._paths: Sequence[PathChoice] = ()
        self._loaded: frozenset[str] = frozenset()
        self._query = ""
        self._pointing = True
        self.exposures: Mapping[str, Exposure] = {}

    def show_entries(
        self,
        entries: Sequence[CatalogEntry],
        loaded: frozenset[str],
        query: str = "",
        empty: str = "",
        *,
        pointing: bool = True,
    ) -> None:
        """Show modules.

        Args:
            entries: the modules, the best match first.
            loaded: names of the loaded modules.
            query: the search, to be highlighted in the names.
            empty: the message that is shown if there are no modules.
            pointing: whether the first module is selected before the cursor has been moved.
        """
        self._entries, self._paths = entries, ()
        self._loaded, self._query, self._pointing = loaded, query, pointing
        self._restart(empty)

    def show_paths(self, paths: Sequence[PathChoice], empty: str) -> None:
        """Show files and directories; none of several is selected before the cursor is moved."""
        self._entries, self._paths = (), paths
        self._pointing = len(paths) == 1
        self._restart(empty)

    def replace_entries(self, entries: Sequence[CatalogEntry], loaded: frozenset[str]) -> None:
        """Show modules with more details than before; the cursor stays on its module."""
        current = self.entry
        self._entries, self._loaded = entries, loaded
        names = [entry.name for entry in entries]
        self.cursor = names.index(current.name) if current and current.name in names else 0
        self.lines_changed()

    def _restart(self, empty: str) -> None:
        self.empty_text = clean(empty)
        self.cursor = 0
        self.scroll_to(y=0, animate=False)
        self.lines_changed()

    @property
    def entry(self) -> CatalogEntry | None:
        """The module under the cursor; None without one."""
        return self._entries[self.cursor] if self._entries else None

    @property
    def path(self) -> PathChoice | None:
        """The file or directory under the cursor; None without one."""
        return self._paths[self.cursor] if self._paths else None

    def line_count(self) -> int:
        """Return the number of modules or files."""
        return len(self._entries) or len(self._paths)

    def _background(self, index: int) -> str:
        # The input line has the focus and moves this cursor.
        return "cursor" if self._pointing and index == self.cursor else ""

    def move(self, lines: int) -> None:
        """Move the cursor, or show it if it was hidden."""
        if self._pointing:
            self.move_cursor(self.cursor + lines)
        else:
            self._pointing = True
            self.refresh_line(self.cursor)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a module, a file or a directory."""
        if self._paths:
            return _path_line(self._paths[index], width)
        return self._entry_line(self._entries[index], width)

    def _entry_line(self, entry: CatalogEntry, width: int) -> Line:
        standing = entry.standing(self._loaded)
        reach = _REACH if self.exposures else 0
        category = _CATEGORY if width >= 84 + reach else 0
        name = max(16, min(48, (width - _STANDING - category - reach) * 45 // 100))
        found = self.exposures.get(entry.name)
        return (
            (" ", ""),
            *_name_parts(entry, self._query, name - 2),
            (" ", ""),
            (fit(standing, _STANDING), STANDING_STYLES[standing]),
            (fit(found.reach.short if found else "", reach), _reach_style(found)),
            (fit(entry.category, category), "warn" if entry.external else "dim"),
            *_about(entry, self._query),
        )


class EntryCard(LineView):
    """The details of one module in a few fixed lines."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="load-card")
        self._lines: list[Line] = []

    def show(self, lines: Iterable[Line]) -> None:
        """Show lines; nothing is redrawn if they are unchanged."""
        lines = list(lines)
        if lines != self._lines:
            self._lines = lines
            self.lines_changed()

    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  truncated when drawn
        """Return a line."""
        return self._lines[index]

    def _background(self, index: int) -> str:  # noqa: ARG002
        return ""


def _reach_style(exposure: Exposure | None) -> str:
    return REACH_STYLES[exposure.reach] if exposure else ""


def card_lines(
    entry: CatalogEntry, loaded: frozenset[str], exposure: Exposure | None = None
) -> list[Line]:
    """Return the card of a module: description, origin, parameters, aliases, firmware, file."""
    standing = entry.standing(loaded)
    head: list[Part] = [(f" {entry.name}", "strong")]
    if entry.other_name:
        head.append((f"  {entry.other_name}", "dim"))
    head.append((f"  {standing}", STANDING_STYLES[standing]))
    if entry.category:
        head.append((f" · {entry.category}", "warn" if entry.external else "dim"))
    lines: list[Line] = [tuple(head)]
    if not entry.read:
        return [*lines, ((" Reading the module file…", "dim"),)]
    if entry.problem:
        return [*lines, ((f" {entry.problem}", "warn"),)]
    lines.append(((f" {entry.description or 'No description.'}", ""),))
    lines.append(((" ", ""), *_origin(entry)))
    if exposure is not None:
        how = f" ({reason_words(exposure)})" if exposure.reasons else ""
        words = f"{exposure.reach}{how}"
        lines.append(((f" {'loadable':<9}", "dim"), (f"by {clean(words)}", _reach_style(exposure))))
    for label, words in (
        ("params", ", ".join(_typed(entry)) or "none"),
        ("aliases", ", ".join(entry.aliases)),
        ("firmware", ", ".join(entry.firmware)),
        ("file", "" if entry.builtin else entry.path),
    ):
        if words:
            lines.append(((f" {label:<9}", "dim"), (clean(words), "")))
    return lines


def path_lines(choice: PathChoice) -> list[Line]:
    """Return the card of a file or a directory."""
    take, complete = key_of("picker.take"), key_of("picker.complete")
    if choice.size is None:
        return [
            ((f" {clean(choice.path)}", "strong"),),
            ((f" {complete} or {take} opens the directory.", "dim"),),
        ]
    return [
        ((f" {clean(choice.path)}", "strong"), (f"  {human_size(choice.size)}", "dim")),
        ((f" {take} checks the file first; nothing is loaded yet.", "dim"),),
    ]


def _typed(entry: CatalogEntry) -> list[str]:
    return [f"{p.name} ({p.type})" if p.type else p.name for p in entry.parameters]


def _origin(entry: CatalogEntry) -> tuple[Part, ...]:
    words: list[Part] = [(entry.license or "no licence", "" if entry.license else "warn")]
    if entry.version:
        words.append((f"version {entry.version}", ""))
    if entry.builtin:
        words.append(("built into the kernel", ""))
        return _separated(words)
    words.append(("in-tree", "") if entry.intree else ("out-of-tree", "warn"))
    words.append((f"signed by {entry.signer}", "") if entry.signer else ("not signed", "dim"))
    return _separated(words)


def _separated(words: list[Part]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in words:
        parts += [(" · ", "dim"), part] if parts else [part]
    return tuple(parts)


def _about(entry: CatalogEntry, query: str) -> tuple[Part, ...]:
    """Return the description; the query stands before it if it is an alias of the module."""
    wanted = query.replace("-", "_").lower()
    alias = next((a for a in entry.aliases if a.replace("-", "_").lower() == wanted), "")
    about: tuple[Part, ...] = ((entry.problem or entry.description, "dim"),)
    return ((f"{alias}  ", "accent"), *about) if alias and wanted != entry.name else about


def _name_parts(entry: CatalogEntry, query: str, width: int) -> Line:
    """Return the name with the query highlighted, and the file name if it differs."""
    name = fit(entry.name, width)
    marks = marked(query, entry.name)
    parts: list[Part] = []
    end = 0
    for is_match, run in groupby(marks[: len(name.rstrip())]):
        start, end = end, end + len(list(run))
        parts.append((name[start:end], "accent" if is_match else "strong"))
    rest = width - cell_len(name[:end])
    if entry.other_name and rest >= _OTHER_NAME_MIN:
        parts.append((fit(f"  {entry.other_name}", rest - 1) + " ", "dim"))
    else:
        parts.append((name[end:], ""))
    return tuple(parts)


def _path_line(choice: PathChoice, width: int) -> Line:
    size = "" if choice.size is None else human_size(choice.size)
    style = "info" if choice.size is None else "strong"
    return (
        (" ", ""),
        (fit(clean(choice.name), max(16, width - 14)), style),
        (fit(size, 12, right=True), "dim"),
    )


def status_words(answer: Suggestions, catalog: Catalog | None, state: CatalogState) -> str:
    """Return how many modules or files match, and how far the catalog has been read."""
    if catalog is None:
        return ""
    if kind_of(answer.text) is not InputKind.MODULE:
        many = counted(len(answer.paths), "file or directory", "files and directories")
        return answer.words or many
    matches, total = len(answer.entries), len(catalog.entries)
    builtin = sum(entry.builtin for entry in answer.entries)
    files = catalog.with_file
    parts = [f"{matches - builtin:,} of {files:,} modules"]
    if total > files:
        parts.append(f"{builtin:,} of {total - files:,} built in")
    if answer.words:
        parts = [answer.words]
    elif answer.near:
        parts = [no_match(answer)]
    if state.reading:
        parts.append(_progress(state.done, total))
    return " · ".join(parts)


def _progress(done: int, total: int) -> str:
    share = min(1.0, done / total) if total else 0.0
    full = round(share * _BAR)
    return f"reading {'━' * full}{'╌' * (_BAR - full)} {share:4.0%}"
