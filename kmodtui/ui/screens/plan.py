"""The dialog that shows a plan, takes the confirmation, and tells what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from kmodtui.errors import KmodtuiError
from kmodtui.model.explain import Explanation
from kmodtui.model.explanation import Kind
from kmodtui.model.history import Change
from kmodtui.model.plan import Action, Plan
from kmodtui.model.text import clean
from kmodtui.privileged.protocol import LogRecord
from kmodtui.services.actions import perform
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Monitor
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.change_summary import summary
from kmodtui.ui.widgets.line_view import Line

TICK = 0.5
"""Seconds between two updates of the elapsed time while a plan runs."""


ROOMY = 100
"""Columns from which each step tells its file as well."""


class PlanDialog(ModalScreen[bool]):
    """Before, while and after: one dialog, so that the eye stays where it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("dialog"),
    ]

    def __init__(self, machine: Machine, monitor: Monitor, plan: Plan) -> None:
        super().__init__()
        self._monitor = monitor
        self._machine = machine
        self._plan = plan
        self._outcome: Explanation | None = None
        self._work: Worker[None] | None = None
        self._seen = False
        self._elapsed = 0.0
        self._log: list[LogRecord] = []
        self._change: Change | None = None
        self._stays: Mapping[str, str] = {}
        self._body = Static("", id="plan-body", markup=False)
        self._keys = Static("", id="plan-keys", markup=False)

    def compose(self) -> ComposeResult:
        """Frame a page that scrolls, and the keys below it."""
        with Vertical(classes="dialog", id="plan-dialog") as frame:
            set_title(frame, f"{self._plan.verb.capitalize()} {self._plan.target}")
            with VerticalScroll(id="plan-scroll"):
                yield self._body
            yield self._keys

    def on_mount(self) -> None:
        """Show the plan, and take a confirmation from when it has been painted."""
        self._show_plan()
        self.call_after_refresh(self._now_seen)

    @property
    def _can_be_done(self) -> bool:
        return not self._plan.refused and not self._plan.does_nothing

    def _now_seen(self) -> None:
        self._seen = True
        if self._can_be_done and self._work is None:
            self._show_keys(("y", self._plan.verb), ("Esc", "cancel"))

    # What is shown

    def _style(self, name: str) -> str:
        return self.app.theme_variables.get(name, "")

    def _text(self, words: str, style: str = "") -> Text:
        return Text(clean(words), self._style(style) if style else "")

    def _page(self, *parts: RenderableType) -> None:
        self._body.update(Group(*parts))

    def _table(self) -> Table:
        """Return a table without lines, whose last column breaks where it is too long."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        return table

    def _show_plan(self) -> None:
        plan = self._plan
        parts: list[RenderableType] = []
        if plan.refused:
            parts += [self._text(plan.refused, "error"), self._text(plan.remedy), Text()]
        steps = self._table()
        for number, step in enumerate(plan.steps, 1):
            changes = step.action in (Action.INSMOD, Action.RMMOD)
            # The file below the release's folder: which one it is, not where all of them are.
            file = step.path.partition(f"/{self._machine.release}/")[2] or step.path
            roomy = self.app.size.width >= ROOMY
            reason = self._text(f"{step.reason}  {file if roomy else ''}".rstrip(), "dim")
            if step.options:
                options = " ".join(option.text for option in step.options)
                reason = Text("\n").join((reason, self._text(options, "accent")))
            steps.add_row(
                self._text(f"{number:>2}", "dim"),
                self._text(step.action, "accent" if changes else "dim"),
                self._text(step.module, "strong" if changes else "dim"),
                reason,
            )
        for name, why in plan.stays.items():
            words = (" =", "stays", name, why)
            steps.add_row(*(self._text(word, "dim") for word in words))
        if steps.row_count:
            parts += [steps, Text()]
        for warning in plan.warnings:
            parts += [self._text(f"! {warning}", "warning"), Text()]
        if not plan.refused:
            how = Table.grid(padding=(0, 2, 0, 0))
            how.add_row(self._text("command", "dim"), self._text(shlex.join(plan.command)))
            how.add_row(self._text("privilege", "dim"), self._text(self._machine.root_words))
            parts.append(how)
        self._page(*parts)
        if self._can_be_done:
            self._show_keys(("Esc", "cancel"))
        else:
            self._show_keys(("Esc", "close"))

    def _show_keys(self, *keys: tuple[str, str]) -> None:
        line = Text()
        for key, label in keys:
            line.append(f" {key} ", self._style("accent"))
            line.append(f"{label}  ")
        self._keys.update(line)

    def _show_running(self) -> None:
        verb = "Loading" if self._plan.verb == "load" else "Unloading"
        self._page(
            self._text(f"{verb} {self._plan.target}… {self._elapsed:.1f} s", "accent"),
            *(self._text(record.text, "dim") for record in self._log),
        )
        self._show_keys(("Esc", "stop waiting"))

    def _show_outcome(self) -> None:
        told = self._outcome
        if told is None:
            return
        colour = {Kind.DONE: "success", Kind.WARNING: "warning", Kind.FAILURE: "error"}[told.kind]
        parts = [self._text(told.title, colour), self._text(told.cause)]
        if told.remedy:
            parts.append(self._text(told.remedy))
        if self._change is not None and told.kind is not Kind.FAILURE:
            parts += [Text(), *(self._line(line) for line in summary(self._change, self._stays))]
        log = [clean(record.text) for record in self._log]
        log += [line for line in told.evidence if line not in log]
        for heading, lines, telling in (
            ("kernel log of that moment", log, told.evidence),
            ("modprobe printed", told.output, told.output),
            ("the system shows", told.shown, told.shown),
        ):
            if lines:
                parts += [Text(), self._text(heading, "dim")]
                parts += [
                    self._text("  " + line, "warning" if line in telling else "dim")
                    for line in lines
                ]
        self._page(*parts)
        self._show_keys(("Enter", "close"))

    def _line(self, line: Line) -> Text:
        names = {"good": "success", "bad": "error", "warn": "warning"}
        return Text.assemble(
            *((clean(text), self._style(names.get(style, style))) for text, style in line)
        )

    def show_change(self, change: Change, stays: Mapping[str, str]) -> None:
        """Tell what the kernel's symbols did, once the monitor has seen it; not what others did."""
        if change.cause != " ".join(self._plan.command):
            return
        self._change, self._stays = change, stays
        self._show_outcome()

    # What is done

    def action_confirm(self) -> None:
        """Do what the plan says, once; a key from before it could be read is not meant."""
        if not self._seen or self._work is not None or not self._can_be_done:
            return
        self._work = self.run_worker(
            self._perform(), group="action", exclusive=True, exit_on_error=False
        )

    async def _perform(self) -> None:
        self._show_running()
        ticking = self.set_interval(TICK, self._tick)
        try:
            with self._monitor.one_change(" ".join(self._plan.command)):
                self._outcome = await perform(
                    self._machine, self._plan, desk(self).foreground, self._take_log
                )
        finally:
            ticking.stop()
        self._show_outcome()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """End where the work itself has failed: what came of it is to be seen in the panes."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            desk(self).report(error)
            self._outcome = Explanation(
                "It is not known what came of it",
                str(error) if isinstance(error, KmodtuiError) else "Waiting for it has failed.",
                remedy="The modules pane shows what the kernel has now.",
            )
            self._show_outcome()

    def _tick(self) -> None:
        self._elapsed += TICK
        self._show_running()

    def _take_log(self, record: LogRecord) -> None:
        self._log.append(record)
        self._show_running()

    def action_accept(self) -> None:
        """Close once it is over; never confirm."""
        if self._outcome is not None:
            self.action_cancel()

    def action_cancel(self) -> None:
        """Close, or stop waiting: what the kernel has begun goes on, and the panes will show it."""
        told = self._outcome
        self.dismiss(told is not None and told.kind is not Kind.FAILURE)

    def action_scroll(self, lines: int) -> None:
        """Scroll a long plan."""
        self.query_one("#plan-scroll", VerticalScroll).scroll_relative(y=lines, animate=False)
