"""`kmodtui load NAME|FILE… [KEY=VALUE…]`: load modules, or insert module files."""

from __future__ import annotations

import argparse

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.words import named, split_words

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument(
        "words",
        nargs="+",
        metavar="NAME|FILE|KEY=VALUE",
        help="modules or .ko files, and parameters for one of them",
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Load modules; return the exit status."""
    words, parameters = split_words(options.words)
    if parameters and len(words) > 1:
        raise UsageError(
            "Parameters apply to one module, but several are named.",
            "Load the module with parameters by itself.",
        )
    modules = [named(host, word) for word in words]
    intents = [
        Intent(Verb.INSERT, (module.file,), parameters)
        if module.file
        else Intent(Verb.LOAD, (module.name,), parameters)
        for module in modules
    ]
    return change(host, options, intents, SCHEMA)
