"""`kmodtui reload NAME|FILE… [KEY=VALUE…]`: unload modules and load them again.

As with the key of the dashboard, the current values of parameters are kept.
"""

from __future__ import annotations

import argparse

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.content import resolved
from kmodtui.model.parameters import key_of
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import kept_now
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.words import named, split_words

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument(
        "--defaults",
        action="store_true",
        help="do not keep the current values of parameters (of one module)",
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="NAME|FILE|KEY=VALUE",
        help="loaded modules, or the .ko file to insert again, and parameters for one of them",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Reload modules; return the exit status."""
    words, parameters = split_words(options.words)
    modules = [named(host, word) for word in words]
    if len(modules) > 1 and (parameters or options.defaults):
        raise UsageError(
            "Parameters apply to one module, but several are named.",
            "Reload the module with parameters by itself.",
        )
    if len(modules) > 1 and any(module.file for module in modules):
        raise UsageError("A file is reloaded by itself.", "Name one file, or several modules.")
    names = tuple(module.name for module in modules)

    def intents(machine: Machine) -> list[Intent]:
        kept: tuple[str, ...] = ()
        if modules[0].file:
            machine.origins.note_typed(resolved(host, modules[0].file))
        if len(names) == 1 and not options.defaults:
            given = {key_of(word.partition("=")[0]) for word in parameters}
            words_kept = kept_now(machine, names[0])
            kept = tuple(w for w in words_kept if key_of(w.partition("=")[0]) not in given)
        return [Intent(Verb.RELOAD, names, (*kept, *parameters), file=modules[0].file)]

    return change(host, options, intents, SCHEMA)
