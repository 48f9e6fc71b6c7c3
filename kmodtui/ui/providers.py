"""The command palette: the commands of the registry that work on the current screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.ui.command import EVERYWHERE, Command
from kmodtui.ui.commands import in_context
from kmodtui.ui.key_names import key_words
from kmodtui.ui.unavailable import why_unavailable

_CONTEXTS = {"DashboardScreen": "dashboard", "NoModulesScreen": "barren"}
# None for a dialog: the screen that the commands act on is behind it.


def relevance(command: Command, query: str) -> float:
    """Return how well a command matches a query, from 0 (not at all) to 1.

    The label and the terms count most, then the words of the help. Every word of
    the query has to occur: `rmmod` must not match the scattered letters of another
    command's help.
    """
    query = " ".join(query.casefold().split())
    names = [name.casefold() for name in (command.label, *command.terms)]
    if query in names:
        return 1.0
    if any(name.startswith(query) for name in names):
        return 0.8
    text = " ".join((*names, command.help.casefold()))
    if query in text:
        return 0.6 if f" {query}" in f" {text}" else 0.4
    return 0.2 if all(word in text for word in query.split()) else 0.0


class CommandsProvider(Provider):
    """The commands of the current screen, with their keys and help."""

    def _commands(self) -> tuple[Command, ...]:
        context = _CONTEXTS.get(type(self.screen).__name__, "")
        if not context:
            return ()
        commands = (*in_context(context), *in_context(EVERYWHERE))
        return tuple(c for c in commands if not c.id.endswith((".palette", ".back")))

    def _run(self, command: Command) -> Callable[[], Awaitable[object]]:
        holder = self.app if command.context == EVERYWHERE else self.screen
        return partial(self.app.run_action, command.action, holder)

    def _title(self, command: Command) -> str:
        return "  ".join((command.label, *map(key_words, command.keys[:1])))

    def _help(self, command: Command) -> str:
        """Return the command's help, with the reason if it cannot be used now."""
        machine = getattr(self.app, "machine", None)
        reason = why_unavailable(command, machine) if isinstance(machine, Machine) else ""
        return f"Unavailable: {clean(reason)}. {command.help}" if reason else command.help

    async def discover(self) -> Hits:
        """Yield every command, before anything is typed."""
        for command in self._commands():
            yield DiscoveryHit(
                self._title(command),
                self._run(command),
                help=self._help(command),
            )

    async def search(self, query: str) -> Hits:
        """Yield the commands that match what is typed, with their relevance."""
        for command in self._commands():
            score = relevance(command, query)
            if score > 0:
                yield Hit(
                    score,
                    self._title(command),
                    self._run(command),
                    help=self._help(command),
                )
