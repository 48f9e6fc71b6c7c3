"""The command palette: the commands of the registry that hold on the present screen."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.ui.commands import Command, in_context, key_words

_CONTEXTS = {"DashboardScreen": "dashboard", "NoModulesScreen": "barren"}
# Over a dialog there is none: the screen that the commands act on is not in front.


def _hindrance(command: Command, machine: Machine) -> str:
    """Return why a command cannot be done now; empty where it can."""
    if command.needs_root and (denied := machine.root.denied) is not None:
        return denied.message
    if command.action == "drop_root" and machine.session.channel is None:
        return "no root is held."
    return ""


class CommandsProvider(Provider):
    """Every command of the dashboard, with its key and its sentence."""

    def _commands(self) -> tuple[Command, ...]:
        context = _CONTEXTS.get(type(self.screen).__name__, "")
        return tuple(c for c in in_context(context) if not c.id.endswith((".palette", ".back")))

    def _title(self, command: Command) -> str:
        return "  ".join((command.label, *map(key_words, command.keys[:1])))

    def _help(self, command: Command) -> str:
        """Return the command's sentence, and why it cannot be done where it cannot."""
        machine = getattr(self.app, "machine", None)
        hindrance = _hindrance(command, machine) if isinstance(machine, Machine) else ""
        return f"{command.help}. Not now: {clean(hindrance)}" if hindrance else command.help

    async def discover(self) -> Hits:
        """Every command, before anything is typed."""
        for command in self._commands():
            yield DiscoveryHit(
                self._title(command),
                partial(self.screen.run_action, command.action),
                help=self._help(command),
            )

    async def search(self, query: str) -> Hits:
        """Commands whose word or sentence fits what is typed."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = max(matcher.match(command.label), matcher.match(command.help))
            if score > 0:
                yield Hit(
                    score,
                    self._title(command),
                    partial(self.screen.run_action, command.action),
                    help=self._help(command),
                )
