"""`kmodtui set NAME KEY=VALUE…`: change parameters of a loaded module."""

from __future__ import annotations

import argparse

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.verbs.block import module_names
from kmodtui.verbs.change import add_change_arguments, change

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument("name", metavar="NAME", help="a loaded module")
    parser.add_argument("parameters", nargs="+", metavar="KEY=VALUE", help="new values")


def run(host: Host, options: argparse.Namespace) -> int:
    """Change parameters; return the exit status."""
    if bad := [word for word in options.parameters if "=" not in word]:
        raise UsageError(f"“{bad[0]}” is not a parameter.", "Write parameters as KEY=VALUE.")
    names = module_names([options.name])
    return change(host, options, [Intent(Verb.SET, names, tuple(options.parameters))], SCHEMA)
