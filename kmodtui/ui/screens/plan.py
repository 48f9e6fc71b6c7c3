"""The dialog that shows a plan, takes the confirmation, and tells what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from kmodtui.errors import KmodtuiError
from kmodtui.model.explain import Explanation
from kmodtui.model.explanation import Kind
from kmodtui.model.history import Change, Event
from kmodtui.model.log_record import LogRecord
from kmodtui.model.plan import Plan
from kmodtui.model.text import clean
from kmodtui.model.undo import Done
from kmodtui.model.verb import Verb
from kmodtui.services.actions import perform
from kmodtui.services.files import digest_of, ownership_of
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import bindings
from kmodtui.ui.desk import desk
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.change_summary import summary
from kmodtui.ui.widgets.line_view import Line
from kmodtui.ui.widgets.plan_page import PlanPage
from kmodtui.ui.widgets.too_small import TooSmall

TICK = 0.5
"""Seconds between two updates of the elapsed time while a plan runs."""

LAST = 20
"""Lines of the kernel's log that are shown while a plan runs; afterwards all of them are."""

WAIT = 60.0
"""Seconds that references to a module may take to go, where that is waited for."""

LOW = 16
"""Lines below which the page takes what the keys leave."""

_AROUND_THE_PAGE = 4  # rows of the frame and of the keys

RUNNING = {
    Verb.LOAD: "Loading",
    Verb.UNLOAD: "Unloading",
    Verb.RELOAD: "Reloading",
    Verb.INSERT: "Inserting",
    Verb.SET: "Changing",
    Verb.BLACKLIST: "Blacklisting",
    Verb.UNBLACKLIST: "Taking off the blacklist:",
}
"""What is going on, by verb, before the name of the module."""

KEY = {verb: verb.value for verb in Verb} | {Verb.SET: "change", Verb.UNBLACKLIST: "take off"}
"""The word behind the confirming key."""


class PlanDialog(ModalScreen[bool]):
    """Before, while and after: one dialog, so that the eye stays where it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("dialog"),
    ]

    def __init__(
        self,
        live: LiveSystem,
        plan: Plan,
        *,
        undoes: Done | None = None,
        once_free: Plan | None = None,
        checked: str = "",
    ) -> None:
        """Show a plan.

        Args:
            live: the system whose kernel it is for.
            plan: what is to be done.
            undoes: the change that it takes back, if it does that.
            once_free: what could be done if nothing held the modules, where something does.
            checked: SHA-256 of the file that was checked; it has to be the same one still.
        """
        super().__init__()
        self._undoes = undoes
        self._checked = checked
        self._digest = ""
        self._ownership: tuple[str, ...] = ()
        self._reading = False  # the file that would be inserted
        self._once_free = once_free
        self._wait = 0.0
        self._live = live
        self._machine = live.machine
        self._origin = -1  # of the change that this dialog makes; none yet
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
        self._too_small = TooSmall()

    def compose(self) -> ComposeResult:
        """Frame a page that scrolls, and the keys below it."""
        with Vertical(classes="dialog", id="plan-dialog") as frame:
            set_title(frame, self._title)
            with VerticalScroll(id="plan-scroll"):
                yield self._body
            yield self._keys
        yield self._too_small

    def on_resize(self, event: events.Resize) -> None:
        """Keep the keys in sight; where there is no room for the plan, none of it is done."""
        low = event.size.height < LOW
        self.set_class(low, "-low")
        room = event.size.height * 9 // 10 - _AROUND_THE_PAGE
        self.query_one("#plan-scroll").styles.max_height = max(1, room) if low else None
        self._too_small.measure(event.size)
        if self._too_small.display:
            self._seen = False
        elif not self._seen and not self._reading:
            self.call_after_refresh(self._now_seen)

    @property
    def _title(self) -> str:
        plan = self._plan
        if self._undoes is not None:
            return f"Undo the {self._undoes.words}"
        if plan.verb is Verb.SET:
            return f"Change {plan.subject}"
        words = "Take off the blacklist:" if plan.verb is Verb.UNBLACKLIST else plan.verb
        return f"{words.capitalize()} {plan.subject}"

    def on_mount(self) -> None:
        """Show the plan, and take a confirmation from when it has been painted."""
        subscribe(self._live.changed, self._take_change)
        self._reading = self._plan.verb is Verb.INSERT and self._can_be_done
        self._show_plan()
        if self._reading:
            self.run_worker(self._read_file(), group="digest", exit_on_error=False)
        else:
            self.call_after_refresh(self._now_seen)

    async def _read_file(self) -> None:
        """Find out which file it is that would be confirmed; refuse where that cannot be."""
        path = self._plan.commands[-1].names[0]
        try:
            self._digest = await digest_of(self._machine, path)
            self._ownership = await ownership_of(self._machine, path)
        except KmodtuiError as error:
            self._plan = replace(self._plan, refused=str(error), commands=())
        if self._digest and self._checked not in ("", self._digest):
            self._plan = replace(
                self._plan,
                refused="The file has changed since it was checked.",
                remedy="Choose it once more: it is checked anew.",
                commands=(),
            )
        self._reading = False
        self._show_plan()
        self.call_after_refresh(self._now_seen)

    @property
    def _can_be_done(self) -> bool:
        plan = self._plan
        return not plan.refused and not plan.does_nothing and bool(plan.commands)

    def _now_seen(self) -> None:
        if self._too_small.display or self._reading:
            return
        self._seen = True
        if self._can_be_done and self._work is None:
            self._show_keys(("y", KEY[self._plan.verb]), ("Esc", "cancel"))

    # What is shown

    def _style(self, name: str) -> str:
        return self.app.theme_variables.get(name, "")

    def _text(self, words: str, style: str = "") -> Text:
        return Text(clean(words), self._style(style) if style else "")

    def _page(self, *parts: RenderableType) -> None:
        self._body.update(Group(*parts))

    def _show_plan(self) -> None:
        page = PlanPage(self._plan, self._machine.release, self.app.size.width, self._style)
        digest = "being read…" if self._reading else self._digest
        self._page(*page.parts(self._machine.root_words, digest, self._ownership))
        if self._can_be_done:
            self._show_keys(("Esc", "cancel"))
        elif self._once_free is not None:
            self._show_keys(("w", "wait until it is free"), ("Esc", "close"))
        else:
            self._show_keys(("Esc", "close"))

    def _show_keys(self, *keys: tuple[str, str]) -> None:
        line = Text()
        for key, label in keys:
            line.append(f" {key} ", self._style("accent"))
            line.append(f"{label}  ")
        self._keys.update(line)
        # Whether it has to be scrolled is known once it has been laid out.
        self.call_after_refresh(self._show_scroll_keys, line)

    def _show_scroll_keys(self, line: Text) -> None:
        if self.query_one("#plan-scroll", VerticalScroll).max_scroll_y > 0:
            more = Text.assemble(line, (" j k ", self._style("accent")), "scroll")
            self._keys.update(more)

    def _show_running(self) -> None:
        verb = RUNNING[self._plan.verb]
        self._page(
            self._text(f"{verb} {self._plan.subject}… {self._elapsed:.1f} s", "accent"),
            *(self._text(record.text, "dim") for record in self._log[-LAST:]),
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
            parts += [Text(), *(self._line(line) for line in self._told_change(self._change))]
        log = [clean(record.text) for record in self._log]
        log += [line for line in told.evidence if line not in log]
        for heading, lines, telling in (
            ("kernel log of that moment", log, told.evidence),
            ("modprobe printed", told.output, told.output),
            ("the system shows", told.shown, told.shown),
            ("the file, as it was opened", told.file, ()),
        ):
            if lines:
                parts += [Text(), self._text(heading, "dim")]
                parts += [
                    self._text("  " + line, "warning" if line in telling else "dim")
                    for line in lines
                ]
        self._page(*parts)
        self._show_keys(("Enter", "close"))

    def _told_change(self, change: Change) -> list[Line]:
        """Return the summary without how long the reading took: the cause tells another time."""
        took = f" · {change.took_words}"
        return [
            tuple(part for part in line if part[0] != took) for line in summary(change, self._stays)
        ]

    def _line(self, line: Line) -> Text:
        names = {"good": "success", "bad": "error", "warn": "warning"}
        return Text.assemble(
            *((clean(text), self._style(names.get(style, style))) for text, style in line)
        )

    def _take_change(self, event: Event) -> None:
        """Tell what the kernel's symbols did, once the monitor has seen it; not what others did."""
        if event.change.origin == self._origin:
            self._change, self._stays = event.change, event.stays
            self._show_outcome()

    # What is done

    def action_confirm(self) -> None:
        """Do what the plan says, once; a key from before it could be read is not meant."""
        if not self._seen or self._work is not None or not self._can_be_done:
            return
        self._work = self.run_worker(
            self._perform(), group="action", exclusive=True, exit_on_error=False
        )

    def action_wait(self) -> None:
        """Plan to unload what is in use as soon as it is let go; it is confirmed like any plan."""
        if self._too_small.display:
            return
        if self._once_free is not None and not self._can_be_done and self._work is None:
            self._plan = replace(
                self._once_free,
                warnings=(
                    f"It is waited for {WAIT:.0f} seconds at the most; Esc stops that.",
                    *self._plan.warnings,
                ),
            )
            self._wait = WAIT
            self._seen = False
            self._show_plan()
            self.call_after_refresh(self._now_seen)

    async def _perform(self) -> None:
        self._show_running()
        ticking = self.set_interval(TICK, self._tick)
        try:
            with self._live.one_change("; ".join(self._plan.command_lines)) as self._origin:
                self._outcome = await perform(
                    self._machine,
                    self._plan,
                    desk(self).foreground,
                    self._take_log,
                    digest=self._digest,
                    undoes=self._undoes,
                    wait=self._wait,
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
        # Shown at the next tick: a module may tell thousands of lines in a moment.
        self._log.append(record)

    def action_accept(self) -> None:
        """Close once it is over; never confirm."""
        if self._outcome is not None:
            self.action_cancel()

    def action_cancel(self) -> None:
        """Close, or stop waiting: what the kernel has begun goes on, what has not is left."""
        told = self._outcome
        if told is None and self._work is not None:
            # The helper begins with nothing that it is still waiting for when it hears this.
            self.notify(
                f"{self._plan.subject} stays loaded, unless its unloading has begun just now."
                if self._wait
                else f"{RUNNING[self._plan.verb]} {self._plan.subject} goes on; the panes show "
                "what comes of it.",
                title="Not waited for",
                markup=False,
            )
        self.dismiss(told is not None and told.kind is not Kind.FAILURE)

    def action_scroll(self, lines: int) -> None:
        """Scroll a long plan."""
        self.query_one("#plan-scroll", VerticalScroll).scroll_relative(y=lines, animate=False)
