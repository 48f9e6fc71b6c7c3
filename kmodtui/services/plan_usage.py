"""Who would notice an unload: what holds its modules beside other modules, and what goes away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.kernel.catalog import ModuleIndex
from kmodtui.kernel.host import Host
from kmodtui.kernel.usage import read_usage
from kmodtui.model.plan import Action, Plan
from kmodtui.model.usage import Usage, held_by, unload_warnings
from kmodtui.model.verb import Verb


def usage_here(host: Host, index: ModuleIndex | None, modules: Sequence[str]) -> Usage:
    """Return who uses modules beside other modules. Reads many files: not for the event loop."""
    # Only on this machine itself is one connected through an interface of the machine.
    here = host.live and not host.badge
    connection = os.environ.get("SSH_CONNECTION", "") if here else ""
    resolve = index.resolve if index else lambda _: ()
    return read_usage(host, modules, resolve, connection)


def with_usage(plan: Plan, host: Host, index: ModuleIndex | None) -> Plan:
    """Return a plan that unloads, with what holds its modules and what goes away with them."""
    if plan.verb not in (Verb.UNLOAD, Verb.RELOAD):
        return plan
    gone = [step.module for step in plan.steps if step.action is Action.RMMOD]
    modules = list(dict.fromkeys((*gone, *plan.targets, *plan.blocked_by)))
    usage = usage_here(host, index, modules)
    warnings = (*unload_warnings(usage, gone), *plan.warnings)
    refused = plan.refused
    if refused:
        held = (
            held_by(usage, name, 1) if usage.holders(name) else ""
            for name in (*plan.targets, *plan.blocked_by)
        )
        refused = " ".join((refused, *filter(None, held)))
    return replace(plan, warnings=warnings, refused=refused)
