"""`kmodtui forget NAME…`: remove modules and their options from what kmodtui keeps."""

from __future__ import annotations

import argparse

from kmodtui.kernel.host import Host
from kmodtui.services.keeping import intents_to_forget, read_kept
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from kmodtui.verbs.block import module_names
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.printing import release_of

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a module that kmodtui keeps")


def run(host: Host, options: argparse.Namespace) -> int:
    """Forget modules; return the exit status."""
    names = module_names(options.names)
    machine = Machine(host, NoRoot(""), release=release_of(host, options))
    now = {name: read_kept(machine, name) for name in names}
    return change(host, options, intents_to_forget(names, now), SCHEMA)
