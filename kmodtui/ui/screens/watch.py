"""The page of a watched module file: the last rebuild, what differs, and what became of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from kmodtui.model.parts import CommandLine
from kmodtui.model.text import clean
from kmodtui.model.watch.page import Section, sections, status_words
from kmodtui.model.watch.state import Rebuild, Stage, WatchState
from kmodtui.services.live import LiveSystem
from kmodtui.services.watch.watch import Watch
from kmodtui.ui.commands import Hint, bindings, hint
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.parts import drawn_part, sentence

_TONES = {"bad": ("✗", "error"), "good": ("✓", "success")}
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile")


class WatchScreen(Dialog[None]):
    """Watches a file while it is open."""

    CSS_PATH = Path(__file__).parent.parent.parent / "styles" / "watch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("watch")]

    def __init__(self, live: LiveSystem, path: str, parameters: tuple[str, ...] = ()) -> None:
        """Create the page.

        Args:
            live: the system.
            path: of the file on that system.
            parameters: `name=value` for every load.
        """
        super().__init__()
        self._live = live
        self._machine = live.machine
        self._path = path
        self._parameters = parameters
        self._watch: Watch | None = None
        self._state = WatchState(path, parameters=parameters)
        self._displayed: Rebuild | None = None  # what the person has seen
        self._failure = ""
        self._body = Static("", id="watch-body", markup=False)
        self._scroll = VerticalScroll(id="watch-scroll")

    def compose(self) -> ComposeResult:
        """Lay out a scrollable page and the keys below it."""
        with Vertical(classes="dialog", id="watch-dialog") as frame:
            set_title(frame, f"Watch {clean(self._path)}")
            with self._scroll:
                yield self._body
            yield self.keys

    def on_mount(self) -> None:
        """Start watching."""
        self._draw()
        self.work(self._run, "watch", failed=self._end)

    async def _run(self) -> None:
        self._watch = Watch(
            self._machine,
            self._path,
            self._parameters,
            publish=self._take,
            foreground=desk(self).foreground,
            around=self._live.one_change,
        )
        await self._watch.run()

    def _end(self, error: Exception) -> None:
        self._failure = f"{error} It is not watched any more."
        self._draw()

    # Display

    def _take(self, state: WatchState) -> None:
        """Show what is known now, from its beginning if there is another stage."""
        other = state.stage is not self._state.stage
        self._state = state
        self._draw()
        if other:
            self._scroll.scroll_home(animate=False)

    def _draw(self) -> None:
        state = self._state
        shown: list[RenderableType] = [sentence(status_words(state), "dim", self.colour), Text()]
        for section in sections(state):
            shown += self._section(section)
        if self._failure:
            shown.append(sentence(self._failure, "error", self.colour))
        self._body.update(Group(*shown))
        self._show_keys()
        self.call_after_refresh(self._shown, state.rebuild)

    def _section(self, section: Section) -> list[RenderableType]:
        mark, style = _TONES.get(section.tone, ("▸", "accent"))
        head = Text.assemble(
            (f"{mark} ", self.colour(style)),
            (section.title, f"bold {self.colour('primary')}"),
        )
        shown: list[RenderableType] = [head]
        for part in section.parts:
            indent = 2 if isinstance(part, CommandLine) else 3
            shown.append(Padding(drawn_part(part, self.colour), (0, 0, 0, indent)))
        return [*shown, Text()]

    def _shown(self, rebuild: Rebuild | None) -> None:
        self._displayed = rebuild

    def _show_keys(self) -> None:
        state = self._state
        close = hint("watch.close")
        if (denied := self._machine.root.denied) is not None:
            self.keys.show(close, instead=str(denied))
            return
        keys: list[Hint] = []
        if state.can_load:
            keys.append(hint("watch.load"))
        elif state.stage in (Stage.REFUSED, Stage.FAILED):
            keys.append(hint("watch.load", label="try again"))
        if state.old is not None:
            keys.append(hint("watch.earlier"))
        automatic = "on key only" if state.automatic else "automatic"
        keys.append(hint("watch.automatic", label=automatic))
        keys.append(hint("watch.make", label="no make" if state.make else "make"))
        self.keys.show(*keys, close)

    # Keys

    def action_load(self) -> None:
        """Load the build whose plan is shown; ignore keys typed before it was displayed."""
        if self._may_change() and self._watch and self._displayed is self._watch.state.rebuild:
            self._watch.load()

    def action_earlier(self) -> None:
        """Load the earlier build again."""
        if self._may_change() and self._watch:
            self._watch.load_old()

    def action_automatic(self) -> None:
        """Load rebuilds automatically, or only on a key."""
        if not self._may_change() or self._watch is None:
            return
        if not self._watch.state.confirmed:
            words = "Load it once with a key: that confirms the file for this page."
            self.notify(words, title="Not confirmed yet", markup=False, timeout=4)
            return
        self._watch.set_automatic(not self._watch.state.automatic)

    def action_make(self) -> None:
        """Run make in the directory of the file when a source changes, or end that."""
        if not self._may_change() or self._watch is None:
            return
        folder = self._machine.host.locate(os.path.dirname(self._path))
        if not any(os.path.exists(f"{folder}/{name}") for name in _MAKEFILES):
            words = f"There is no Makefile in {clean(folder)}."
            self.notify(words, title="make", markup=False, timeout=4)
            return
        self._watch.set_make("" if self._watch.state.make else folder)

    def _may_change(self) -> bool:
        return not self.is_covered and self._machine.root.denied is None and not self._failure

    def action_scroll(self, lines: int) -> None:
        """Scroll immediately, so that each of several keys typed at once counts."""
        self._scroll.scroll_relative(y=lines, animate=False, immediate=True)

    def action_close(self) -> None:
        """Close the page; the module stays as it is."""
        if self._watch is not None and self._watch.kept and not self._watch.state.loaded:
            words = f"It can be loaded from {clean(self._watch.kept)}."
            self.app.notify(words, title="The earlier build is kept", markup=False, timeout=10)
        self.dismiss(None)
