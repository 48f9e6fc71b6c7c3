"""The comparison of two snapshots, or of a snapshot with the current state."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from kmodtui.errors import KmodtuiError, UnreadableError
from kmodtui.model.modules import taint_flags
from kmodtui.model.snapshot import Comparison, Snapshot, compare
from kmodtui.model.text import clean, counted, human_size
from kmodtui.services.live import LiveSystem
from kmodtui.services.snapshots import SUFFIX, load, take
from kmodtui.ui.commands import bindings, hint, hint_line, key_of
from kmodtui.ui.dialogs.path import PathDialog
from kmodtui.ui.screens.list_and_change import ListAndChange
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.lines.events import clock
from kmodtui.ui.widgets.lines.files import Choice, FileLines
from kmodtui.ui.widgets.lines.view import LineView
from kmodtui.ui.widgets.list_head import ListHead

READING_PAUSE = 0.05
"""Seconds that the cursor has to stay on a file before the file is read."""

NONE_YET = (
    f"There are no snapshots in this directory. {key_of('dashboard.snapshot')} on the dashboard "
    f"takes one; {key_of('compare.open')} opens one from another directory."
)


class CompareScreen(ListAndChange):
    """The snapshots of a directory on the left, the comparison on the right."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compare")]
    AUTO_FOCUS = "#file-lines"
    context = "compare"

    def __init__(self, live: LiveSystem, directory: Path) -> None:
        self._files = FileLines()
        super().__init__(self._files, live)
        self._live = live
        self._directory = directory
        self._comparison: Comparison | None = None
        self._followed: Choice | None = None
        self._described: dict[Choice, str] = {}

    def compose(self) -> ComposeResult:
        """Lay out the header, the files, the comparison, the filter and the keys."""
        yield self.header
        yield from self.panes(ListHead(self._files))

    async def on_mount(self) -> None:
        """List the snapshots; keys typed meanwhile wait until that is done."""
        set_title(self.list_pane, "Snapshots")
        set_subtitle(self.list_pane, clean(str(self._directory)))
        # A network file system may be slow, or never answer.
        self._files.show(await asyncio.to_thread(choices_in, self._directory))
        if len(self._files.choices) > 1:
            self._files.move_cursor(1)
        self.follow()

    # Display

    def follow(self) -> None:
        """Show the comparison, or else the details of the file under the cursor."""
        found = self._comparison
        self._followed = choice = self._files.chosen
        title = f"{_short(found.before)} → {_short(found.after)}" if found else ""
        if found is not None and found.nothing_differs:
            self.show_words(title, _summary(found))
        elif found is not None:
            self.show_change(title, found.change, {}, "", _summary(found))
        elif choice.path is None:
            words = (
                f"Press {key_of('lines.open')} on a snapshot to compare it with the current state."
            )
            self.show_words("Now", words if len(self._files.choices) > 1 else NONE_YET)
        else:
            self.show_words(choice.name, self._described.get(choice, "Reading…"))
            if choice not in self._described:
                self.work(partial(self._describe, choice), "description")

    async def _describe(self, choice: Choice) -> None:
        await asyncio.sleep(READING_PAUSE)
        if choice.path is None:
            return
        try:
            snapshot = await asyncio.to_thread(load, choice.path)
            self._described[choice] = _about(snapshot)
        except KmodtuiError as error:
            self._described[choice] = str(error)
        self.follow()

    # Messages from the lists

    def on_line_view_cursor_moved(self, message: LineView.CursorMoved) -> None:
        """Show the details of the file under the cursor."""
        message.stop()
        # A comparison started after the key that moved the cursor here is not discarded.
        if message.view is self._files and self._files.chosen != self._followed:
            self._comparison = None
            self.follow()

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        """Compare the file with the marked one, or with the current state."""
        message.stop()
        if message.view is self._files:
            self.action_compare()

    # Commands

    def leave_comparison(self) -> None:
        """Discard the comparison."""
        self._comparison = None

    def action_back(self) -> None:
        """Leave a comparison that shows only text; otherwise as on the other list screens."""
        only_words = self.has_class("-only-words") and not self.change.filter_text
        if self._comparison is not None and only_words:
            self.leave_comparison()
            self.follow()
            self.return_to_list()
        else:
            super().action_back()

    def action_mark(self) -> None:
        """Mark or unmark the file under the cursor."""
        self._files.toggle_mark()

    def action_open(self) -> None:
        """Ask for a snapshot in another directory."""
        self.app.push_screen(PathDialog("Open a snapshot", self._directory), self._opened)

    def _opened(self, path: Path | None) -> None:
        if path is not None:
            self.work(partial(self._add, path), "opening")

    async def _add(self, path: Path) -> None:
        try:
            snapshot = await asyncio.to_thread(load, path)
            choice = await asyncio.to_thread(_choice, path)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UnreadableError(f"{clean(str(path))} cannot be read: {why}.") from error
        self._described[choice] = _about(snapshot)
        if choice not in self._files.choices:
            self._files.show([*self._files.choices, choice])
        self._files.move_cursor(self._files.choices.index(choice))
        self.follow()

    def action_compare(self) -> None:
        """Compare two marks, a mark and the file under the cursor, or that file and now."""
        chosen = list(self._files.marks)
        if len(chosen) < 2 and self._files.chosen not in chosen:
            chosen.append(self._files.chosen)
        if len(chosen) < 2 and chosen[0].path is not None:
            chosen.append(Choice())
        if len(chosen) < 2:
            words = "Choose a snapshot to compare with the current state."
            self.say_nothing_selected(words, "No snapshot selected")
            return
        # The older one first; the current state is the newest.
        chosen.sort(key=lambda choice: (choice.path is None, choice.when))
        self._followed = self._files.chosen
        self.show_words("Comparing", "Reading…")
        comparing = partial(self._compare, *chosen)
        self.work(comparing, "comparison", failed=lambda _error: self.follow())

    async def _compare(self, first: Choice, second: Choice) -> None:
        self._comparison = await asyncio.to_thread(self._compared, first, second)
        self.follow()
        self.enter_change()

    def _compared(self, first: Choice, second: Choice) -> Comparison:
        return compare(self._snapshot(first), self._snapshot(second))

    def _snapshot(self, choice: Choice) -> Snapshot:
        if choice.path:
            return load(choice.path)
        return take(self._live.machine.host, known=self._live.symbols)


def choices_in(directory: Path) -> list[Choice]:
    """Return the current state, then the snapshots in a directory, newest first."""
    found = []
    try:
        paths = list(directory.iterdir())
    except OSError:
        paths = []  # the directory was removed or cannot be read
    for path in paths:
        # Skip a file that was removed meanwhile or cannot be accessed.
        with contextlib.suppress(OSError):
            if path.suffix == SUFFIX and path.is_file():
                found.append(_choice(path))
    return [Choice(), *sorted(found, key=lambda choice: (-choice.when, choice.name))]


def _choice(path: Path) -> Choice:
    status = path.stat()
    return Choice(path, status.st_mtime, status.st_size)


def _short(snapshot: Snapshot) -> str:
    return Path(snapshot.name).name.removesuffix(SUFFIX)


def _about(snapshot: Snapshot) -> str:
    origin, totals = snapshot.origin, snapshot.totals
    taint = taint_flags(origin.tainted)
    lines = [
        f"{origin.hostname or 'unknown'} · Linux {origin.release} {origin.machine}".rstrip(),
        f"taken {_date(snapshot)} by kmodtui {origin.kmodtui}",
        f"{counted(totals.modules, 'module')}, {human_size(totals.memory)}",
        counted(totals.symbols or 0, "symbol") + (", with addresses" if origin.addresses else ""),
        f"taint {taint}" if taint else "untainted",
        "",
        origin.command_line,
        "",
        hint_line(
            hint("lines.open", label="compare with the current state"),
            hint("compare.mark"),
            hint("compare.compare", label="compare two marks"),
        ),
    ]
    return "\n".join(lines)


def _date(snapshot: Snapshot) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(snapshot.origin.taken))
    return f"{day} {clock(snapshot.origin.taken)}"


def _summary(found: Comparison) -> str:
    """Return the totals of both sides, and the differences other than modules and symbols."""
    lines = [
        f"{letter}  {_date(side)}  {counted(side.totals.modules, 'module')}, "
        f"{counted(side.totals.symbols or 0, 'symbol')}"
        for letter, side in (("A", found.before), ("B", found.after))
    ]
    if found.warning:
        lines.append(found.warning)
    words = [f"−{word}" for word in found.words_removed] + [f"+{w}" for w in found.words_added]
    if words:
        lines.append(f"kernel command line {' '.join(words)}")
    if found.taints_added or found.taints_removed:
        before = taint_flags(found.before.origin.tainted) or "none"
        lines.append(f"taint {before} → {taint_flags(found.after.origin.tainted) or 'none'}")
    lines += [
        f"{was.name} {human_size(was.size)} → {human_size(now.size)}" for was, now in found.resized
    ]
    if found.nothing_differs:
        lines.append("Modules, symbols, kernel command line and taint flags are the same.")
        lines.append(found.change.took_words)
    return "\n".join(lines)
