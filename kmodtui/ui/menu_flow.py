"""From a line to its menu, and from the menu to the command that was chosen."""

from __future__ import annotations

from functools import partial
from typing import Protocol, runtime_checkable

from textual.binding import Binding
from textual.dom import DOMNode
from textual.widget import Widget

from kmodtui.ui.command import Command
from kmodtui.ui.commands import CONTEXTS
from kmodtui.ui.menu import menu_entries
from kmodtui.ui.subject import Subject, SubjectKind


@runtime_checkable
class SubjectView(Protocol):
    """A widget with a cursor."""

    def subject(self) -> Subject | None:
        """Return what the line under the cursor is about; None if it is about nothing."""
        ...


@runtime_checkable
class KnowsReasons(Protocol):
    """A screen, pane or view that knows why some commands cannot be used."""

    def why_not(self, command: Command, subject: Subject) -> str:
        """Return why a command cannot be used; empty if it can, as far as is known here."""
        ...


@runtime_checkable
class Aims(Protocol):
    """A screen whose commands act on a selection of its own."""

    def aim(self, subject: Subject) -> None:
        """Select what a command is about to act on."""
        ...


def contexts_around(view: DOMNode) -> tuple[str, ...]:
    """Return the contexts whose keys work in a view, the innermost first."""
    found = (
        binding.id.partition(".")[0]
        for node in view.ancestors_with_self
        for kind in type(node).__mro__
        for binding in vars(kind).get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id
    )
    return tuple(dict.fromkeys(context for context in found if context in CONTEXTS))


def open_menu(view: Widget, subject: Subject, first: str) -> None:
    """Open the menu of what a view has under its cursor; none if nothing can be done with it.

    Args:
        view: a `SubjectView`.
        subject: what is under its cursor.
        first: the id of the command that the menu begins with.
    """
    from kmodtui.ui.dialogs.menu import MenuDialog

    why_not = partial(_why_not, view, subject)
    entries = menu_entries(contexts_around(view), subject, first, why_not)
    if not entries:
        return
    is_module = subject.kind is SubjectKind.MODULE
    note = getattr(view.screen, "menu_note", "") if is_module else ""

    def closed(command: Command | None) -> None:
        if command is not None:
            view.call_next(_run, view, subject, command)

    view.app.push_screen(MenuDialog(subject, entries, note), closed)


def _why_not(view: Widget, subject: Subject, command: Command) -> str:
    reasons = (
        node.why_not(command, subject)
        for node in view.ancestors_with_self
        if isinstance(node, KnowsReasons)
    )
    return next(filter(None, reasons), "")


async def _run(view: Widget, subject: Subject, command: Command) -> None:
    """Run a command that was chosen, if the view still has the same thing under its cursor."""
    now = view.subject() if isinstance(view, SubjectView) else None
    if now != subject:
        view.notify(
            f"{subject.name} is no longer there.",
            title="Nothing was done",
            markup=False,
            timeout=4,
        )
        return
    for node in view.ancestors_with_self:
        if isinstance(node, Aims):
            node.aim(subject)
    await run_command(view, command)


async def run_command(view: DOMNode, command: Command) -> None:
    """Carry out a command where it is defined, as its key would with the focus on `view`."""
    name = command.action.partition("(")[0]
    for node in view.ancestors_with_self:
        if hasattr(node, f"action_{name}"):
            await view.app.run_action(command.action, node)
            return
