"""`kmodtui blacklist NAME…`: keep modules from being loaded by an alias, as udev does."""

from __future__ import annotations

import argparse

from kmodtui.kernel.host import Host
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.verbs.block import module_names
from kmodtui.verbs.change import add_change_arguments, change

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Blacklist modules; return the exit status."""
    intents = [Intent(Verb.BLACKLIST, (name,)) for name in module_names(options.names)]
    return change(host, options, intents, SCHEMA)
