"""`kmodtui unblacklist NAME…`: remove modules from kmodtui's blacklist."""

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
    parser.add_argument("names", nargs="+", metavar="NAME", help="a module that kmodtui blacklists")


def run(host: Host, options: argparse.Namespace) -> int:
    """Remove modules from the blacklist; return the exit status."""
    intents = [Intent(Verb.UNBLACKLIST, (name,)) for name in module_names(options.names)]
    return change(host, options, intents, SCHEMA)
