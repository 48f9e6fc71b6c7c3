"""`kmodtui keep NAME [KEY=VALUE…]`: have a module loaded at boot, with these options."""

from __future__ import annotations

import argparse

from kmodtui.errors import PlanError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.plan.intent import Intent
from kmodtui.services.keeping import intents_to_keep, read_kept
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from kmodtui.verbs.block import module_names
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.printing import release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument(
        "--current", action="store_true", help="also keep the current values of its parameters"
    )
    parser.add_argument("--options-only", action="store_true", help="do not have it loaded at boot")
    parser.add_argument(
        "words", nargs="+", metavar="NAME|KEY=VALUE", help="modules, and options for one module"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Keep modules; return the exit status."""
    names = module_names([word for word in options.words if "=" not in word])
    words = [word for word in options.words if "=" in word]
    if not names:
        raise UsageError("No module given.", "Usage: kmodtui keep NAME [KEY=VALUE…]")
    if len(names) > 1 and (words or options.current or options.options_only):
        raise UsageError("Options are for one module.", "Run kmodtui keep once for each module.")
    if options.options_only and not (words or options.current):
        raise UsageError("--options-only without options.", "Add KEY=VALUE, or --current.")
    machine = Machine(host, NoRoot(""), release=release_of(host, options))
    notes: tuple[str, ...] = ()
    intents: list[Intent] = []
    for name in names:
        now = read_kept(machine, name)
        if options.current:
            notes = now.notes
            words = [*now.current, *words]
        if options.options_only and not words:
            raise PlanError(
                f"{name} has no value to keep: all are the default or set already.", *notes[:1]
            )
        intents += intents_to_keep(name, words, now, at_boot=not options.options_only)
    return change(host, options, intents, SCHEMA, notes=notes)
