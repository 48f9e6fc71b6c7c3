"""The dialog that shows a plan, asks for confirmation, and shows the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static
from textual.worker import Worker

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import DocumentRow, Value
from kmodtui.model.explain.explain import Explanation
from kmodtui.model.explain.explanation import Kind
from kmodtui.model.history import Change, Event
from kmodtui.model.log.record import LogRecord
from kmodtui.model.plan.own_change import KEEPING
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.undo import UndoEntry
from kmodtui.model.text import clean, counted
from kmodtui.services.files import ownership_of
from kmodtui.services.live import LiveSystem
from kmodtui.services.planning.actions import perform
from kmodtui.ui.commands import Hint, bindings, hint, key_of
from kmodtui.ui.copy_flow import start_copy
from kmodtui.ui.desk import desk
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.dialogs.type_name import TypeNameDialog
from kmodtui.ui.rendered import rendered_rows
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.change.summary import summary
from kmodtui.ui.widgets.lines.view import Line
from kmodtui.ui.widgets.plan_page import PlanPage

TICK = 0.5
"""Seconds between two updates of the elapsed time while the plan is carried out."""

LAST = 20
"""Lines of the kernel log shown while the plan is carried out; the outcome shows all."""

WAIT = 60.0
"""Seconds to wait for a module to become unused."""

LOW = 16
"""Below this height of the screen in lines, the page is limited so that the keys stay visible."""

_AROUND_THE_PAGE = 4  # rows of the frame and the keys


class PlanDialog(Dialog[bool]):
    """Shows plan, progress and outcome in one place; returns whether it succeeded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("dialog"),
    ]

    def __init__(
        self,
        live: LiveSystem,
        plan: Plan,
        *,
        undoes: UndoEntry | None = None,
        once_free: Plan | None = None,
        kept: Plan | None = None,
        checked: str = "",
    ) -> None:
        """Create the dialog.

        Args:
            live: the system to change.
            plan: the plan to confirm.
            undoes: the change that the plan undoes; None if it is not an undo.
            once_free: the plan to use once the modules are unused; None if they are.
            kept: the plan that also keeps the module for the next boot; None if it cannot be.
            checked: SHA-256 of the file that was checked; the plan is refused if the file
                has changed since.
        """
        super().__init__()
        self._undoes = undoes
        self._checked = checked
        self._digest = ""
        self._ownership: tuple[str, ...] = ()
        self._reading = False  # whether the file to insert is still being read
        self._once_free = once_free
        self._kept = kept  # the other of the two plans, with or without keeping the module
        self._wait = 0.0
        self._live = live
        self._machine = live.machine
        self._origin = -1  # of the change that this dialog makes; none yet
        self._plan = plan
        self._outcome: Explanation | None = None
        self._work: Worker[None] | None = None
        self._displayed = False
        self._elapsed = 0.0
        self._log: list[LogRecord] = []
        self._change: Change | None = None
        self._stays: Mapping[str, str] = {}
        self._body = Static("", id="plan-body", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out a scrollable page and the keys below it."""
        with Vertical(classes="dialog", id="plan-dialog") as frame:
            set_title(frame, self._title)
            with VerticalScroll(id="plan-scroll"):
                yield self._body
            yield self.keys

    def on_resize(self, event: events.Resize) -> None:
        """Keep the keys visible; accept no confirmation if there is no room for the plan."""
        low = event.size.height < LOW
        self.set_class(low, "-low")
        room = event.size.height * 9 // 10 - _AROUND_THE_PAGE
        self.query_one("#plan-scroll").styles.max_height = max(1, room) if low else None
        self.measure(event)
        if self.is_covered:
            self._displayed = False
        elif not self._displayed and not self._reading:
            self.call_after_refresh(self._plan_displayed)

    @property
    def _title(self) -> str:
        plan = self._plan
        if self._undoes is not None:
            return f"Undo the {self._undoes.words}"
        return plan.verb.heading(plan.subject)

    def on_mount(self) -> None:
        """Show the plan; accept a confirmation only once it has been displayed."""
        subscribe(self._live.changed, self._take_change)
        self._reading = bool(self._plan.inserts) and self._can_be_done
        self._show_plan()
        if self._reading:
            self.work(self._read_file, "digest", failed=self._refuse)
        else:
            self.call_after_refresh(self._plan_displayed)

    async def _read_file(self) -> None:
        """Read who can change the file to insert; refuse the plan if it was changed."""
        last = self._plan.inserts[-1]
        self._digest = last.sha256
        self._ownership = await ownership_of(self._machine, last.names[0])
        if self._checked not in ("", self._digest):
            self._plan = replace(
                self._plan,
                refused="The file has changed since it was checked.",
                remedy="Choose it again to repeat the check.",
                commands=(),
            )
        self._show_read()

    def _refuse(self, error: Exception) -> None:
        """Refuse the plan, because the file to insert could not be read."""
        self._plan = replace(self._plan, refused=_sentence(error), commands=())
        self._show_read()

    def _show_read(self) -> None:
        self._reading = False
        self._show_plan()
        self.call_after_refresh(self._plan_displayed)

    @property
    def _can_be_done(self) -> bool:
        plan = self._plan
        return bool(plan.commands) and not plan.does_nothing and self._machine.root.denied is None

    def _plan_displayed(self) -> None:
        if self.is_covered or self._reading:
            return
        self._displayed = True
        if self._can_be_done and self._work is None:
            keep = [hint("dialog.keep", label=self._keep_label)] if self._kept else []
            confirm = hint("dialog.confirm", label=self._plan.verb.key)
            self._show_keys(confirm, hint("dialog.cancel"), *keep)

    # Display

    @property
    def _lite(self) -> bool:
        return desk(self).lite

    def _text(self, words: str, style: str = "") -> Text:
        return Text(clean(words), self.colour(style) if style else "")

    def _page(self, *parts: RenderableType) -> None:
        self._body.update(Group(*parts))

    def _show_plan(self) -> None:
        page = PlanPage(self._plan, self._machine.release, self.app.size.width, self.colour)
        digest = "reading…" if self._reading else self._digest
        denied = self._machine.root.denied
        privilege = self._machine.root_words if denied is None else ""
        self._page(*page.parts(privilege, digest, self._ownership))
        close = hint("dialog.cancel", label="close")
        if self._can_be_done:
            self._show_keys(hint("dialog.cancel"))
        elif self._once_free is not None and not self._plan.commands:
            self._show_keys(hint("dialog.wait", label="wait until it is unused"), close)
        elif denied is not None and self._plan.commands:
            self._show_keys(close, instead=str(denied))
        else:
            self._show_keys(close)

    def _show_keys(self, *hints: Hint, instead: str = "") -> None:
        self.keys.show(*hints, instead=instead)
        # Whether the page scrolls is known only after it has been laid out.
        self.call_after_refresh(self._show_scroll_keys, hints, instead)

    def _show_scroll_keys(self, hints: tuple[Hint, ...], instead: str) -> None:
        # A dialog that was closed meanwhile has no page any more.
        if any(page.max_scroll_y > 0 for page in self.query("#plan-scroll")):
            scroll = hint("dialog.down", "dialog.up", label="scroll")
            self.keys.show(*hints, scroll, instead=instead)

    def _show_running(self) -> None:
        verb, subject = self._plan.verb, self._plan.subject
        running = f"Waiting to {verb.infinitive(subject)}" if self._wait else verb.running(subject)
        self._page(
            self._text(f"{running}… {self._elapsed:.1f} s", "accent"),
            *(self._text(record.text, "dim") for record in self._log[-LAST:] if not self._lite),
        )
        label = "cancel" if self._wait else "run in background"
        self._show_keys(hint("dialog.cancel", label=label))

    def _show_outcome(self) -> None:
        outcome = self._outcome
        if outcome is None:
            return
        colour = {Kind.DONE: "success", Kind.WARNING: "warning", Kind.FAILURE: "error"}[
            outcome.kind
        ]
        parts = [self._text(outcome.title, colour), self._text(outcome.cause)]
        if outcome.remedy:
            parts.append(self._text(outcome.remedy))
        if self._change is not None and outcome.kind is not Kind.FAILURE:
            parts += [Text(), *(self._line(line) for line in self._change_lines(self._change))]
        log = [clean(record.text) for record in self._log]
        log += [line for line in outcome.evidence if line not in log]
        if self._lite and outcome.kind is Kind.DONE and log:
            logged = f"{counted(len(log), 'message')} in the kernel log ({key_of('dashboard.log')})"
            parts += [Text(), self._text(logged, "dim")]
            log = []
        for heading, lines, highlighted in (
            ("kernel log during the change", log, outcome.evidence),
            ("modprobe printed", outcome.output, outcome.output),
            ("the system shows", outcome.shown, outcome.shown),
            ("the file that was read", outcome.file, ()),
        ):
            if lines:
                parts += [Text(), self._text(heading, "dim")]
                parts += [
                    self._text("  " + line, "warning" if line in highlighted else "dim")
                    for line in lines
                ]
        self._page(*parts)
        self._show_keys(hint("dialog.accept", label="close"), hint("dialog.copy"))

    def _change_lines(self, change: Change) -> list[Line]:
        """Return the summary without its duration: the outcome shows that of the action."""
        took = f" · {change.took_words}"
        return [
            tuple(part for part in line if part[0] != took) for line in summary(change, self._stays)
        ]

    def _line(self, line: Line) -> Text:
        names = {"good": "success", "bad": "error", "warn": "warning"}
        return Text.assemble(
            *((clean(text), self.colour(names.get(style, style))) for text, style in line)
        )

    def _take_change(self, event: Event) -> None:
        """Show a change seen by the monitor, if this plan caused it."""
        if event.change.origin == self._origin:
            self._change, self._stays = event.change, event.still_loaded
            self._show_outcome()

    # Carrying out the plan

    def action_confirm(self) -> None:
        """Carry out the plan once; ignore keys typed before the plan was displayed."""
        if not self._displayed or self._work is not None or not self._can_be_done:
            return
        if self._plan.danger:
            question = TypeNameDialog(self._plan.target, self._plan.danger)
            self.app.push_screen(question, self._confirmed)
        else:
            self._confirmed(True)

    def _confirmed(self, confirmed: bool | None) -> None:
        if confirmed and self._work is None:
            self._work = self.work(self._perform, "action", failed=self._show_unknown)

    def action_wait(self) -> None:
        """Show the plan to unload the modules once they are unused; it needs a confirmation."""
        if self.is_covered:
            return
        if self._once_free is not None and not self._plan.commands and self._work is None:
            self._plan = replace(
                self._once_free,
                warnings=(
                    f"Waits up to {WAIT:.0f} s for the module to become unused. "
                    f"{key_of('dialog.cancel')} cancels.",
                    *self._plan.warnings,
                ),
            )
            self._wait = WAIT
            self._displayed = False
            self._show_plan()
            self.call_after_refresh(self._plan_displayed)

    @property
    def _keep_label(self) -> str:
        keeps = any(command.verb in KEEPING for command in self._plan.commands)
        return "do not keep" if keeps else "keep as well"

    def action_keep(self) -> None:
        """Switch to the plan that also keeps the module, or back; it needs a confirmation."""
        if self._kept is not None and self._work is None and not self.is_covered:
            self._plan, self._kept = self._kept, self._plan
            self._displayed = False
            self._show_plan()
            self.call_after_refresh(self._plan_displayed)

    async def _perform(self) -> None:
        # The frame stays where it is, and is drawn again only for the outcome.
        self._body.styles.min_height = self._body.size.height
        self._show_running()
        ticking = self.set_interval(TICK, self._tick)
        try:
            with self._live.one_change(self._plan.summary) as self._origin:
                self._outcome = await perform(
                    self._machine,
                    self._plan,
                    desk(self).foreground,
                    self._add_record,
                    undoes=self._undoes,
                    wait=self._wait,
                )
        finally:
            ticking.stop()
            self._body.styles.min_height = None
        self._show_outcome()

    def _show_unknown(self, error: Exception) -> None:
        """Show that the outcome is unknown, because carrying out the plan failed unexpectedly."""
        self._outcome = Explanation(
            "Outcome unknown",
            _sentence(error),
            remedy="The modules pane shows what is loaded now.",
        )
        self._show_outcome()

    def _tick(self) -> None:
        self._elapsed += TICK
        self._show_running()

    def _add_record(self, record: LogRecord) -> None:
        # Shown at the next tick: a module may log thousands of lines in a moment.
        self._log.append(record)

    @property
    def is_busy(self) -> bool:
        """Whether the plan is being carried out."""
        return self._work is not None and self._outcome is None

    def action_accept(self) -> None:
        """Close if the outcome is shown; never confirm."""
        if self._outcome is not None:
            self.action_cancel()

    def action_cancel(self) -> None:
        """Close; a change that has started continues in the background, a wait is cancelled."""
        outcome = self._outcome
        if outcome is None and self._work is not None:
            # A helper that is still waiting for the module does not start unloading after this.
            self.notify(
                f"{self._plan.subject} stays loaded, unless unloading has just started."
                if self._wait
                else f"{self._plan.verb.running(self._plan.subject)} continues; the panes show "
                "the outcome.",
                title="Cancelled" if self._wait else "In the background",
                markup=False,
            )
        self.dismiss(outcome is not None and outcome.kind is not Kind.FAILURE)

    @property
    def page_title(self) -> str:
        """The title, for copies."""
        return self._title

    def current_row(self) -> DocumentRow | None:
        """Return the commands and the explanation, to be copied."""
        fields: dict[str, Value] = {"command": " && ".join(self._plan.command_lines)}
        if (outcome := self._outcome) is not None:
            parts = (outcome.title.removesuffix(".") + ".", outcome.cause, outcome.remedy)
            fields["explanation"] = " ".join(filter(None, parts))
        return DocumentRow("", fields)

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield the lines of the plan, or of its outcome."""
        return rendered_rows(self._body)

    def action_copy(self) -> None:
        """Copy the command, the explanation, or all that is shown."""
        start_copy(self)

    def action_scroll(self, lines: int) -> None:
        """Scroll the page."""
        self.query_one("#plan-scroll", VerticalScroll).scroll_relative(y=lines, animate=False)


def _sentence(error: Exception) -> str:
    """Return an error as a sentence; the details of an unforeseen one are only in the log file."""
    return str(error) if isinstance(error, KmodtuiError) else "Internal error (a bug in kmodtui)."
