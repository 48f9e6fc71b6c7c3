"""The experiment screen: the plan, then what each stage does and finds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.experiment.pages import Page, pages, plan_page
from kmodtui.model.experiment.report import Report, Stage
from kmodtui.model.history import Event
from kmodtui.model.parts import CommandLine
from kmodtui.services.experiment import run
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import bindings, hint, key_of
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.parts import drawn_part, sentence

_RUNNING = {
    Stage.CHECK: "checking for its symbols…",
    Stage.LOAD: "loading…",
    Stage.LOOK: "reading what was added…",
    Stage.UNLOAD: "unloading…",
    Stage.CHECK_AGAIN: "checking what remains…",
}


class ExperimentScreen(Dialog[bool]):
    """Shows the plan, then the report as it grows; returns whether the experiment finished."""

    CSS_PATH = Path(__file__).parent.parent.parent / "styles" / "experiment.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("experiment")]

    def __init__(self, live: LiveSystem, report: Report) -> None:
        super().__init__()
        self._live = live
        self._machine = live.machine
        self._origins: list[int] = []  # of the commands that were run, the load first
        self._report = report
        self._work: Worker[None] | None = None
        self._displayed = False
        self._failure = ""
        self._noticed = asyncio.Event()
        self._body = Static("", id="experiment-body", markup=False)
        self._scroll = VerticalScroll(id="experiment-scroll")

    def compose(self) -> ComposeResult:
        """Lay out a scrollable page and the keys below it."""
        with Vertical(classes="dialog", id="experiment-dialog") as frame:
            set_title(frame, f"Experiment with {self._report.name}")
            with self._scroll:
                yield self._body
            yield self.keys

    def on_mount(self) -> None:
        """Show the plan; accept a confirmation only once it has been displayed."""
        subscribe(self._live.changed, self._notice)
        self._draw()
        self.call_after_refresh(self._plan_displayed)

    def _plan_displayed(self) -> None:
        self._displayed = True
        if self._can_be_done and self._work is None:
            self.keys.show(hint("experiment.begin"), hint("experiment.cancel"))

    @property
    def _can_be_done(self) -> bool:
        return self._machine.root.denied is None

    @property
    def _finished(self) -> bool:
        return self._report.stage is Stage.OVER or bool(self._failure)

    # Display

    def _text(self, words: str, style: str = "") -> Text:
        return sentence(words, style, self.colour)

    def _draw(self) -> None:
        report = self._report
        if report.stage is Stage.PLANNED and not self._failure:
            shown: list[RenderableType] = []
            parts = plan_page(report)
            for part, following in zip(parts, (*parts[1:], None), strict=True):
                shown.append(drawn_part(part, self.colour))
                # No blank line between two command lines.
                if not (isinstance(part, CommandLine) and isinstance(following, CommandLine)):
                    shown.append(Text())
            if (denied := self._machine.root.denied) is None:
                shown.append(self._text(self._machine.root_words, "dim"))
                self.keys.show(hint("experiment.cancel"))
            else:
                close = hint("experiment.cancel", label="close")
                self.keys.show(close, instead=str(denied))
            self._body.update(Group(*shown))
            return
        shown = []
        for page in pages(report):
            if page.stage <= report.stage:
                shown += self._page(page)
        if self._failure:
            shown += [self._text(self._failure, "error")]
        self._body.update(Group(*shown))
        if self._finished:
            scroll = hint("experiment.down", "experiment.up", label="scroll")
            self.keys.show(hint("experiment.accept"), scroll)
        else:
            self.keys.show(hint("experiment.cancel", label="abort"))

    def _page(self, page: Page) -> list[RenderableType]:
        now = page.stage is self._report.stage and not self._finished
        mark, style = ("▸", "accent") if now else ("✓", "success")
        if not now and self._went_wrong(page.stage):
            mark, style = ("!", "warning") if page.stage is Stage.OVER else ("✗", "error")
        head = Text.assemble(
            (f"{mark} ", self.colour(style)),
            (f"{int(page.stage)}  {page.title}", f"bold {self.colour('primary')}"),
            (f"   {_RUNNING[page.stage]}" if now else "", self.colour("dim")),
        )
        return [
            head,
            *(Padding(drawn_part(part, self.colour), (0, 0, 0, 5)) for part in page.parts),
            Text(),
        ]

    def _went_wrong(self, stage: Stage) -> bool:
        report = self._report
        if self._failure and stage is report.stage:
            return True
        if stage is Stage.LOAD:
            return report.loaded is not None and report.loaded.failed
        if stage is Stage.UNLOAD:
            return any(deed.failed for deed in report.unloads)
        if stage is Stage.LOOK:
            return report.after is None
        return stage is Stage.OVER and bool(report.differences)

    # Running

    def action_begin(self) -> None:
        """Start the experiment once; ignore keys typed before the plan was displayed."""
        if self._displayed and self._can_be_done and not self.is_covered and self._work is None:
            self._work = self.work(self._run, "experiment", failed=self._end)

    async def _run(self) -> None:
        self._report = await run(
            self._machine,
            self._report,
            desk(self).foreground,
            self._update,
            around=self._one_change,
            noticed=self._noticed.wait,
            known=self._live.symbols,
        )
        self._draw()

    def _update(self, report: Report) -> None:
        """Show the updated report, scrolled to its end."""
        self._report = report
        self._draw()
        self.call_after_refresh(self._scroll.scroll_end, animate=False)

    def _end(self, error: Exception) -> None:
        """End the experiment after an error, and refer to the modules pane."""
        known = isinstance(error, KmodtuiError)
        why = str(error) if known else "Internal error (a bug in kmodtui)."
        self._failure = f"{why} The modules pane shows what is loaded now."
        self._draw()

    @contextmanager
    def _one_change(self, command: str) -> Iterator[None]:
        with self._live.one_change(command) as origin:
            self._origins.append(origin)
            yield

    def _notice(self, event: Event) -> None:
        """Note that the load has been seen, so that the unload becomes a change of its own."""
        if event.change.origin in self._origins[:1]:
            self._noticed.set()

    def action_accept(self) -> None:
        """Close if the experiment has finished; never start it."""
        if self._finished:
            self.dismiss(True)

    @property
    def is_busy(self) -> bool:
        """Whether the experiment is running."""
        return self._work is not None and not self._finished

    def action_cancel(self) -> None:
        """Close; abort a running experiment and say that the module may still be loaded."""
        if self._work is not None and not self._finished:
            name = self._report.name
            self.app.notify(
                f"Experiment aborted. {name} may still be loaded: select it and press "
                f"{key_of('dashboard.unload')} to unload it.",
                severity="warning",
                markup=False,
                timeout=10,
            )
        self.dismiss(self._finished)

    def action_scroll(self, lines: int) -> None:
        """Scroll immediately, so that each of several keys typed at once counts."""
        self._scroll.scroll_relative(y=lines, animate=False, immediate=True)
