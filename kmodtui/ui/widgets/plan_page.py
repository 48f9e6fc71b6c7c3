"""A plan as a page of words: its steps in order, what to know before, and the command lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from kmodtui.model.plan import GIVEN, Action, Plan, Step, Verb
from kmodtui.model.text import clean, human_size

ROOMY = 100
"""Columns from which each step tells its file as well."""

_COMMANDS = 6
"""Command lines that are shown; a plan for many modules has as many."""

StyleOf = Callable[[str], str]
"""Given `dim`, `accent`, `strong`, `warning` or `error`, returns a style of rich."""


class PlanPage:
    """Turns a plan into what a dialog shows."""

    def __init__(self, plan: Plan, release: str, width: int, style: StyleOf) -> None:
        """Take a plan.

        Args:
            plan: to be shown.
            release: of the kernel; files are told below its folder.
            width: columns of the screen.
            style: gives the colours.
        """
        self._plan = plan
        self._release = release
        self._roomy = width >= ROOMY
        self._style = style

    def parts(
        self, privilege: str, digest: str = "", ownership: Sequence[str] = ()
    ) -> list[RenderableType]:
        """Return the page from the top.

        Args:
            privilege: how root is had.
            digest: SHA-256 of the file that would be inserted; empty if there is none.
            ownership: who besides root could change that file.
        """
        plan = self._plan
        parts: list[RenderableType] = []
        if plan.refused:
            parts += [self._text(plan.refused, "error"), self._text(plan.remedy), Text()]
        if digest:
            # First, so that what is confirmed can be seen on a small screen as well.
            parts += [self._file(digest, ownership), Text()]
        steps = self._steps()
        if steps.row_count:
            parts += [steps, Text()]
        for warning in plan.warnings:
            parts += [self._text(f"! {warning}", "warning"), Text()]
        if not plan.refused:
            parts.append(self._how(privilege))
        return parts

    def _text(self, words: str, style: str = "") -> Text:
        return Text(clean(words), self._style(style) if style else "")

    def _steps(self) -> Table:
        """Return a table without lines, whose last column breaks where it is too long."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for number, step in enumerate(self._plan.steps, 1):
            does = step.action.changes
            table.add_row(
                self._text(f"{number:>2}", "dim"),
                self._text(step.action, self._colour(step)),
                self._text(step.module, "strong" if does else "dim"),
                self._about(step),
            )
        for name, why in self._plan.stays.items():
            table.add_row(*(self._text(word, "dim") for word in (" =", "stays", name, why)))
        return table

    @staticmethod
    def _colour(step: Step) -> str:
        if step.action in (Action.INSTALL, Action.REMOVE):
            return "warning"
        return "accent" if step.action.changes else "dim"

    def _about(self, step: Step) -> Text:
        """Return why a step is taken, with which file, options and rule."""
        # The file below the release's folder: which one it is, not where all of them are.
        file = step.path.partition(f"/{self._release}/")[2] or step.path
        told = step.action in (Action.SET, Action.BLACKLIST, Action.UNBLACKLIST)
        shown = told or (self._roomy and step.action.changes)
        words = f"{step.reason}  {file if shown else ''}".rstrip()
        lines = [self._text(words, "dim")]
        if step.command:
            lines.append(
                Text.assemble(
                    ("a shell runs as root: ", self._style("warning")),
                    (clean(step.command), self._style("strong")),
                )
            )
        if step.source:
            lines.append(self._text(f"by {step.source}", "dim"))
        for option in step.options:
            if option.source != GIVEN:
                text = self._text(option.text, "accent")
                lines.append(text.append_text(self._text(f"  {option.source}", "dim")))
        given = " ".join(option.text for option in step.options if option.source == GIVEN)
        if given:
            lines.append(self._text(given, "accent"))
        return Text("\n").join(lines)

    @staticmethod
    def _rows() -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        return table

    def _file(self, digest: str, ownership: Sequence[str]) -> Table:
        table = self._rows()
        table.add_row(self._text("sha-256", "dim"), self._text(digest))
        for number, line in enumerate(ownership):
            table.add_row(self._text("" if number else "ownership", "dim"), self._text(line))
        return table

    def _how(self, privilege: str) -> Table:
        table = self._rows()
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
        table.add_row(self._text("privilege", "dim"), self._text(privilege))
        return table

    def _memory(self) -> str:
        plan = self._plan
        moves = any(step.action in (Action.INSMOD, Action.RMMOD) for step in plan.steps)
        if not moves or plan.memory is None or plan.verb is Verb.RELOAD:
            return ""
        words = "more" if plan.memory > 0 else "less"
        return f"about {human_size(abs(plan.memory))} {words}"
