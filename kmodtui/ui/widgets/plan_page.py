"""A plan as text: the steps in order, warnings, and the equivalent command lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.block.way import Barrier, WayKind
from kmodtui.model.plan.plan import GIVEN, Action, Plan, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean, human_size

ROOMY = 100
"""Width of the screen from which every step shows its file."""

_COMMANDS = 6
"""Largest number of command lines that are shown."""

_IN_A_FILE = (
    Action.SET,
    Action.BLACKLIST,
    Action.UNBLACKLIST,
    Action.BLOCK,
    Action.LOG_LOADS,
    Action.UNBLOCK,
    Action.KEEP,
    Action.FORGET,
    Action.KEEP_OPTIONS,
    Action.FORGET_OPTIONS,
)
"""Steps that write to a file, which is always shown."""

_WAY_STYLES = {
    Barrier.STOPPED: "success",
    Barrier.LOGGED: "success",
    Barrier.OPEN: "warning",
    Barrier.UNKNOWN: "warning",
}

_STEPS = 100
"""Largest number of steps that are shown; a profile has them all before."""

_SUBJECTS = 4
"""Largest number of aliases or modules that are shown for a way."""

StyleOf = Callable[[str], str]
"""Returns the rich style for `dim`, `accent`, `strong`, `warning` or `error`."""


class PlanPage:
    """Turns a plan into the body of a dialog."""

    def __init__(self, plan: Plan, release: str, width: int, style: StyleOf) -> None:
        """Prepare the page.

        Args:
            plan: the plan.
            release: kernel release; paths are shown relative to /lib/modules/RELEASE.
            width: width of the screen in cells.
            style: returns the rich style for a name.
        """
        self._plan = plan
        self._release = release
        self._roomy = width >= ROOMY
        self._style = style

    def parts(
        self, privilege: str, digest: str = "", ownership: Sequence[str] = ()
    ) -> list[RenderableType]:
        """Return the parts of the page, from top to bottom.

        Args:
            privilege: how root privileges are obtained; empty if they cannot be.
            digest: SHA-256 of the file to insert; empty if there is none.
            ownership: who besides root can change that file, a line each.
        """
        plan = self._plan
        parts: list[RenderableType] = []
        if plan.refused:
            parts += [self._text(plan.refused, "error"), self._text(plan.remedy), Text()]
        if plan.nothing_to_do:
            sentences = f"{plan.nothing_to_do} {plan.remedy}".rstrip()
            parts += [self._text(sentences), Text()]
        if digest:
            # First, so that the file to confirm is visible on a small screen too.
            parts += [self._file(digest, ownership), Text()]
        if plan.danger:
            parts += [self._text(f"! {plan.danger}", "error"), Text()]
        steps = self._steps()
        if steps.row_count:
            parts += [steps, Text()]
        if plan.ways:
            parts += [self._ways(), Text()]
        for warning in plan.warnings:
            parts += [self._text(f"! {warning}", "warning"), Text()]
        if plan.commands:
            parts.append(self._execution(privilege))
        return parts

    def _text(self, text: str, style: str = "") -> Text:
        return Text(clean(text), self._style(style) if style else "")

    def _steps(self) -> Table:
        """Return a table without rules, whose last column wraps."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for number, step in enumerate(self._plan.steps[:_STEPS], 1):
            changes = step.action.changes
            table.add_row(
                self._text(f"{number:>2}", "dim"),
                self._text(step.action, self._colour(step)),
                self._text(step.module, "strong" if changes else "dim"),
                self._about(step),
            )
        if (more := len(self._plan.steps) - _STEPS) > 0:
            table.add_row("", "", "", self._text(f"… and {more:,} more", "dim"))
        for name, why in self._plan.still_loaded.items():
            table.add_row(*(self._text(word, "dim") for word in (" =", "stays", name, why)))
        return table

    @staticmethod
    def _colour(step: Step) -> str:
        if step.action in (Action.INSTALL, Action.REMOVE):
            return "warning"
        return "accent" if step.action.changes else "dim"

    def _about(self, step: Step) -> Text:
        """Return the reason for a step, with its file, command, rule and options."""
        # Relative to the directory of the release, which is the same for all modules.
        file = step.path.partition(f"/{self._release}/")[2] or step.path
        several = self._plan.shown_ways is not self._plan.ways
        always = step.action in _IN_A_FILE and not several
        # A file outside of that directory is not the one that the module's name stands for.
        always |= step.action is Action.INSMOD and file == step.path
        shown = always or (self._roomy and step.action.changes and not several)
        text = f"{step.reason}  {file if shown else ''}".rstrip()
        lines = [self._text(text, "dim")]
        if step.command:
            lines.append(
                Text.assemble(
                    ("runs in a shell as root: ", self._style("warning")),
                    (clean(step.command), self._style("strong")),
                )
            )
        if step.source:
            lines.append(self._text(f"rule: {step.source}", "dim"))
        for option in step.options:
            if option.source != GIVEN:
                line = self._text(option.text, "accent")
                lines.append(line.append_text(self._text(f"  {option.source}", "dim")))
        given = " ".join(option.text for option in step.options if option.source == GIVEN)
        if given:
            lines.append(self._text(given, "accent"))
        return Text("\n").join(lines)

    def _ways(self) -> Table:
        """Return a table of the ways into the kernel, and what the rules do about each."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        several = len(self._plan.targets) > 1
        for way in self._plan.shown_ways:
            names = [] if way.kind is WayKind.NAME else [*way.subjects[:_SUBJECTS]]
            if len(way.subjects) > _SUBJECTS:
                names.append(f"and {len(way.subjects) - _SUBJECTS} more")
            kind = f"{way.module} {way.kind}" if several else str(way.kind)
            # The step says which file kmodtui's own rules are in.
            other = way.source and not way.source.startswith(f"{BLOCK_FILE}:")
            about = f"{way.reason} ({way.source})" if other else way.reason
            table.add_row(
                self._text(way.barrier, _WAY_STYLES[way.barrier]),
                self._text(f"{kind}{': ' if names else ''}{', '.join(names)}"),
                self._text(about, "dim"),
            )
        return table

    @staticmethod
    def _labelled_rows() -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        return table

    def _file(self, digest: str, ownership: Sequence[str]) -> Table:
        table = self._labelled_rows()
        table.add_row(self._text("sha-256", "dim"), self._text(digest))
        for number, line in enumerate(ownership):
            table.add_row(self._text("" if number else "ownership", "dim"), self._text(line))
        return table

    def _execution(self, privilege: str) -> Table:
        table = self._labelled_rows()
        lines = self._plan.command_lines
        shown = [*lines[:_COMMANDS]]
        if len(lines) > _COMMANDS:
            shown.append(f"… and {len(lines) - _COMMANDS} more")
        for number, line in enumerate(shown):
            label = "" if number else "command" if len(lines) == 1 else "commands"
            table.add_row(self._text(label, "dim"), self._text(line))
        memory = self._memory()
        if memory:
            table.add_row(self._text("memory", "dim"), self._text(memory))
        if privilege:
            table.add_row(self._text("privilege", "dim"), self._text(privilege))
        return table

    def _memory(self) -> str:
        plan = self._plan
        moves = any(step.action in (Action.INSMOD, Action.RMMOD) for step in plan.steps)
        if not moves or plan.memory is None or plan.verb is Verb.RELOAD:
            return ""
        direction = "more" if plan.memory > 0 else "less"
        return f"about {human_size(abs(plan.memory))} {direction}"
