"""The dialog that shows a plan, takes the confirmation, and tells what came of it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker

from kmodtui.errors import ElevationCancelledError, KmodtuiError
from kmodtui.model.plan import Action, Plan
from kmodtui.model.text import clean
from kmodtui.privileged.protocol import LogRecord
from kmodtui.services.actions import Outcome, perform
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk

TICK = 0.5
"""Seconds between two updates of the elapsed time while a plan runs."""


class PlanDialog(ModalScreen[bool]):
    """Before, while and after: one dialog, so that the eye stays where it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("dialog"),
        ("enter", "accept", "Close"),
        ("j,down", "scroll(1)", "Down"),
        ("k,up", "scroll(-1)", "Up"),
    ]

    def __init__(self, machine: Machine, plan: Plan) -> None:
        super().__init__()
        self._machine = machine
        self._plan = plan
        self._outcome: Outcome | None = None
        self._work: Worker[None] | None = None
        self._elapsed = 0.0
        self._log: list[LogRecord] = []
        self._body = Static("", id="plan-body", markup=False)
        self._keys = Static("", id="plan-keys", markup=False)

    def compose(self) -> ComposeResult:
        """Frame a page that scrolls, and the keys below it."""
        with Vertical(classes="dialog", id="plan-dialog") as frame:
            frame.border_title = f"{self._plan.verb.capitalize()} {self._plan.target}"
            with VerticalScroll(id="plan-scroll"):
                yield self._body
            yield self._keys

    def on_mount(self) -> None:
        """Show the plan."""
        self._show_plan()

    # What is shown

    def _style(self, name: str) -> str:
        return self.app.theme_variables.get(name, "")

    def _line(self, *parts: tuple[str, str]) -> Text:
        text = Text()
        for words, style in parts:
            text.append(clean(words), self._style(style) if style else "")
        return text

    def _page(self, *lines: Text) -> None:
        self._body.update(Text("\n").join(lines))

    def _show_plan(self) -> None:
        plan = self._plan
        lines = []
        if plan.refused:
            lines += [self._line((plan.refused, "error")), self._line((plan.remedy, "")), Text()]
        width = max((len(step.module) for step in plan.steps), default=0)
        for number, step in enumerate(plan.steps, 1):
            changes = step.action in (Action.INSMOD, Action.RMMOD)
            lines.append(
                self._line(
                    (f"{number:>3}  ", "dim"),
                    (f"{step.action:<8}", "accent" if changes else "dim"),
                    (f"{step.module:<{width}}  ", "strong" if changes else "dim"),
                    (step.reason, "dim"),
                )
            )
            for option in step.options:
                lines.append(self._line((" " * 13 + option, "accent")))
        for name, why in plan.stays.items():
            stays = f"stays   {name:<{width}}  "
            lines.append(self._line(("  =  ", "dim"), (stays, "dim"), (why, "dim")))
        if plan.warnings:
            lines.append(Text())
            lines += [self._line((f"! {warning}", "warning")) for warning in plan.warnings]
        lines += [
            Text(),
            self._line(("command    ", "dim"), (" ".join(plan.command), "")),
            self._line(("privilege  ", "dim"), (self._machine.root_words, "")),
        ]
        self._page(*lines)
        if plan.refused or plan.does_nothing:
            self._show_keys(("Esc", "close"))
        else:
            self._show_keys(("y", plan.verb), ("Esc", "cancel"))

    def _show_keys(self, *keys: tuple[str, str]) -> None:
        parts: list[tuple[str, str]] = []
        for key, label in keys:
            parts += [(f" {key} ", "accent"), (f"{label}  ", "")]
        self._keys.update(self._line(*parts))

    def _show_running(self) -> None:
        verb = "Loading" if self._plan.verb == "load" else "Unloading"
        lines = [self._line((f"{verb} {self._plan.target}… {self._elapsed:.1f} s", "accent"))]
        lines += [self._line((record.text, "dim")) for record in self._log]
        self._page(*lines)
        self._show_keys(("Esc", "stop waiting"))

    def _show_outcome(self, outcome: Outcome) -> None:
        lines = [self._line((outcome.title, "success" if outcome.ok else "error"))]
        lines += [self._line((text, "")) for text in outcome.sentences]
        if outcome.evidence:
            lines += [Text(), self._line(("kernel log", "dim"))]
            lines += [self._line(("  " + text, "dim")) for text in outcome.evidence]
        self._page(*lines)
        self._show_keys(("Enter", "close"))

    # What is done

    def action_confirm(self) -> None:
        """Do what the plan says, once."""
        if self._work is not None or self._plan.refused or self._plan.does_nothing:
            return
        self._work = self.run_worker(
            self._perform(), group="action", exclusive=True, exit_on_error=False
        )

    async def _perform(self) -> None:
        self._show_running()
        ticking = self.set_interval(TICK, self._tick)
        try:
            self._outcome = await perform(
                self._machine, self._plan, desk(self).foreground, self._take_log
            )
        except ElevationCancelledError as error:
            self._outcome = Outcome.not_done(error)
        except KmodtuiError as error:
            desk(self).log_failure(error)
            self._outcome = Outcome.not_done(error)
        finally:
            ticking.stop()
        self._show_outcome(self._outcome)

    def _tick(self) -> None:
        self._elapsed += TICK
        self._show_running()

    def _take_log(self, record: LogRecord) -> None:
        self._log.append(record)
        self._show_running()

    def action_accept(self) -> None:
        """Close once it is over; never confirm."""
        if self._outcome is not None:
            self.dismiss(self._outcome.ok)

    def action_cancel(self) -> None:
        """Close, or stop waiting: what the kernel has begun goes on, and the panes will show it."""
        self.dismiss(self._outcome is not None and self._outcome.ok)

    def action_scroll(self, lines: int) -> None:
        """Scroll a long plan."""
        self.query_one("#plan-scroll", VerticalScroll).scroll_relative(y=lines, animate=False)
