"""The page with all rules of modprobe.d: which have an effect, and why others have none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from kmodtui.model.rules.effect import Effect, RuleEffect
from kmodtui.model.text import counted
from kmodtui.services.rules import RuleList, read_rules
from kmodtui.ui.screens.table_page import BlockingPage
from kmodtui.ui.widgets.lines.table import TableRow

_STYLES = {Effect.ACTIVE: "good", Effect.OVERRIDDEN: "warn", Effect.NONE: "warn"}


class RulesScreen(BlockingPage):
    """All rules of a system, with their files and lines."""

    title_words = "Rules of modprobe.d and the kernel command line"
    reading = "Reading the rules…"

    async def read(self) -> None:
        """Read the rules and show them."""
        machine = self.machine
        found = await asyncio.to_thread(read_rules, machine.host, machine.release)
        rows = [_row(each) for each in found.rules]
        self.lines.show([*rows, *_others(found)], *_summary(found), empty="There are no rules.")


def _summary(found: RuleList) -> tuple[str, ...]:
    if not found.rules:
        return ()
    active = sum(each.effect is Effect.ACTIVE for each in found.rules)
    return (f"{counted(len(found.rules), 'rule')}, {active} in effect.",)


def _row(each: RuleEffect) -> TableRow:
    rule = each.rule
    winner = f" ({each.winner})" if each.winner else ""
    text = f"{rule.kind} {rule.name} {rule.value.strip()}".rstrip()
    details = f"{rule.source}: {each.reason}{winner}"
    return TableRow(rule.name, (each.effect, _STYLES[each.effect]), text, details)


def _others(found: RuleList) -> Iterator[TableRow]:
    for name in found.kernel:
        words = "kernel command line: the kernel refuses it until reboot"
        yield TableRow(name, ("in effect", "good"), f"module_blacklist={name}", words)
    for problem in found.ignored:
        module = problem.modules[0] if len(problem.modules) == 1 else ""
        yield TableRow(module, ("ignored", "bad"), problem.source, problem.text)
