"""The modules that can be chosen: a line each, and a card of the one under the cursor.

The keys never go here: they go to the line that is typed into. Thousands of modules
cost what is seen of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.cells import cell_len

from kmodtui.model.catalog_entry import CatalogEntry, Standing
from kmodtui.model.fuzzy import marked
from kmodtui.model.text import clean, human_size
from kmodtui.services.picking import PathChoice
from kmodtui.ui.widgets.line_view import Line, LineView, Part, fit

STANDING_STYLES = {Standing.LOADED: "good", Standing.AVAILABLE: "dim", Standing.BUILTIN: "info"}

_STANDING = 11  # cells of `available`, and two behind it
_WORTH_READING = 14  # cells below which the name of a file would be cut to nothing
_KIND = 23  # cells of the longest category, and two behind it


class ModuleChoices(LineView):
    """Modules, or files and folders, best first."""

    can_focus = False
    show_idle_cursor = True

    def __init__(self) -> None:
        super().__init__(id="load-names")
        self.empty_text = "Reading which modules this kernel has…"
        self._entries: Sequence[CatalogEntry] = ()
        self._paths: Sequence[PathChoice] = ()
        self._loaded: frozenset[str] = frozenset()
        self._query = ""
        self._pointing = True

    def show_entries(
        self,
        entries: Sequence[CatalogEntry],
        loaded: frozenset[str],
        query: str = "",
        empty: str = "",
        *,
        pointing: bool = True,
    ) -> None:
        """Show modules, best first.

        Args:
            entries: the modules.
            loaded: names of what is loaded.
            query: what was searched for, to be marked in their names.
            empty: is said where there are none.
            pointing: whether the cursor is on the first of them before it has been moved.
        """
        self._entries, self._paths = entries, ()
        self._loaded, self._query, self._pointing = loaded, query, pointing
        self._from_the_top(empty)

    def show_paths(self, paths: Sequence[PathChoice], empty: str) -> None:
        """Show files and folders."""
        self._entries, self._paths = (), paths
        self._pointing = True
        self._from_the_top(empty)

    def replace_entries(self, entries: Sequence[CatalogEntry], loaded: frozenset[str]) -> None:
        """Show the same modules with more that is known of them; the cursor stays on its module."""
        current = self.entry
        self._entries, self._loaded = entries, loaded
        names = [entry.name for entry in entries]
        self.cursor = names.index(current.name) if current and current.name in names else 0
        self.lines_changed()

    def _from_the_top(self, empty: str) -> None:
        self.empty_text = clean(empty)
        self.cursor = 0
        self.scroll_to(y=0, animate=False)
        self.lines_changed()

    @property
    def entry(self) -> CatalogEntry | None:
        """The module under the cursor; None if there is none."""
        return self._entries[self.cursor] if self._entries else None

    @property
    def path(self) -> PathChoice | None:
        """The file or folder under the cursor; None if there is none."""
        return self._paths[self.cursor] if self._paths else None

    def line_count(self) -> int:
        """Return how many there are."""
        return len(self._entries) or len(self._paths)

    def _ground(self, index: int) -> str:
        # The line that is typed into has the focus, and moves this cursor.
        return "lines--cursor" if self._pointing and index == self.cursor else ""

    def move(self, lines: int) -> None:
        """Move the cursor; where it was not to be seen yet, show it."""
        if self._pointing:
            self.move_cursor(self.cursor + lines)
        else:
            self._pointing = True
            self.refresh_line(self.cursor)

    def line(self, index: int, width: int) -> Line:
        """Return the line of a module, a file or a folder."""
        if self._paths:
            return _path_line(self._paths[index], width)
        return self._entry_line(self._entries[index], width)

    def _entry_line(self, entry: CatalogEntry, width: int) -> Line:
        standing = entry.standing(self._loaded)
        kind = _KIND if width >= 84 else 0
        name = max(16, min(48, (width - _STANDING - kind) * 45 // 100))
        return (
            (" ", ""),
            *_name_parts(entry, self._query, name - 1),
            (fit(standing, _STANDING), STANDING_STYLES[standing]),
            (fit(entry.category, kind), "warn" if entry.external else "dim"),
            *_about(entry, self._query),
        )


class EntryCard(LineView):
    """What is known of one module, in a few lines that never move."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="load-card")
        self._lines: list[Line] = []

    def show(self, lines: Iterable[Line]) -> None:
        """Show lines; nothing is drawn if they are the ones that are shown."""
        lines = list(lines)
        if lines != self._lines:
            self._lines = lines
            self.lines_changed()

    def line_count(self) -> int:
        """Return how many there are."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  what is too long is cut
        """Return a line."""
        return self._lines[index]

    def _ground(self, index: int) -> str:  # noqa: ARG002
        return ""


def card_lines(entry: CatalogEntry, loaded: frozenset[str]) -> list[Line]:
    """Return what a card says of a module: what it is, whose, what it takes, how it is called."""
    standing = entry.standing(loaded)
    head: list[Part] = [(f" {entry.name}", "strong")]
    if entry.other_name:
        head.append((f"  {entry.other_name}", "dim"))
    head.append((f"  {standing}", STANDING_STYLES[standing]))
    if entry.category:
        head.append((f" · {entry.category}", "warn" if entry.external else "dim"))
    lines: list[Line] = [tuple(head)]
    if not entry.read:
        return [*lines, ((" Reading what its file says…", "dim"),)]
    if entry.problem:
        return [*lines, ((f" {entry.problem}", "warn"),)]
    lines.append(((f" {entry.description or 'It has no description.'}", ""),))
    lines.append(((" ", ""), *_origin(entry)))
    for label, words in (
        ("takes", ", ".join(_typed(entry)) or "no parameters"),
        ("called", ", ".join(entry.aliases)),
        ("firmware", ", ".join(entry.firmware)),
        ("file", "" if entry.builtin else entry.path),
    ):
        if words:
            lines.append(((f" {label:<9}", "dim"), (clean(words), "")))
    return lines


def path_lines(choice: PathChoice) -> list[Line]:
    """Return what a card says of a file or a folder."""
    if choice.size is None:
        return [((f" {clean(choice.path)}", "strong"),), ((" Tab or Enter goes there.", "dim"),)]
    return [
        ((f" {clean(choice.path)}", "strong"), (f"  {human_size(choice.size)}", "dim")),
        ((" Enter checks the file before anything is done with it.", "dim"),),
    ]


def _typed(entry: CatalogEntry) -> list[str]:
    return [f"{one.name} ({one.type})" if one.type else one.name for one in entry.parameters]


def _origin(entry: CatalogEntry) -> tuple[Part, ...]:
    words: list[Part] = [(entry.license or "no license", "" if entry.license else "warn")]
    if entry.version:
        words.append((f"version {entry.version}", ""))
    if entry.builtin:
        words.append(("compiled into the kernel", ""))
        return _with_dots(words)
    words.append(("in-tree", "") if entry.intree else ("out-of-tree", "warn"))
    words.append((f"signed by {entry.signer}", "") if entry.signer else ("not signed", "dim"))
    return _with_dots(words)


def _with_dots(words: list[Part]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in words:
        parts += [(" · ", "dim"), part] if parts else [part]
    return tuple(parts)


def _about(entry: CatalogEntry, query: str) -> tuple[Part, ...]:
    """Return the description; before it the alias that was searched for, if it is one."""
    asked = query.replace("-", "_").lower()
    also = next((a for a in entry.aliases if a.replace("-", "_").lower() == asked), "")
    about: tuple[Part, ...] = ((entry.problem or entry.description, "dim"),)
    return ((f"{also}  ", "accent"), *about) if also and asked != entry.name else about


def _name_parts(entry: CatalogEntry, query: str, width: int) -> Line:
    """Return a name with what was searched for marked in it, and its file's if that differs."""
    name = fit(entry.name, width)
    marks = marked(query, entry.name)
    parts: list[Part] = []
    place = 0
    for mark, letters in groupby(marks[: len(name.rstrip())]):
        end = place + len(list(letters))
        parts.append((name[place:end], "accent" if mark else "strong"))
        place = end
    rest = width - cell_len(name[:place])
    if entry.other_name and rest >= _WORTH_READING:
        parts.append((fit(f"  {entry.other_name}", rest - 1) + " ", "dim"))
    else:
        parts.append((name[place:], ""))
    return tuple(parts)


def _path_line(choice: PathChoice, width: int) -> Line:
    size = "" if choice.size is None else human_size(choice.size)
    style = "info" if choice.size is None else "strong"
    return (
        (" ", ""),
        (fit(clean(choice.name), max(16, width - 14)), style),
        (fit(size, 12, right=True), "dim"),
    )
