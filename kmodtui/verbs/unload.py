"""`kmodtui unload NAME…`: unload modules, and wait until they are unused if that is wanted."""

from __future__ import annotations

import argparse

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.words import named, split_words

SCHEMA = 1

MAX_WAIT = 3600
"""Seconds that the helper waits at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument(
        "--wait",
        type=int,
        default=0,
        metavar="SECONDS",
        help="wait for modules that are in use, but not by other modules",
    )
    parser.add_argument("names", nargs="+", metavar="NAME|FILE", help="a loaded module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Unload modules; return the exit status."""
    if not 0 <= options.wait <= MAX_WAIT:
        raise UsageError(f"--wait takes 0 to {MAX_WAIT} seconds.", "Use another number.")
    words, parameters = split_words(options.names)
    if parameters:
        raise UsageError("An unload takes no parameters.", "Leave them out.")
    names = tuple(dict.fromkeys(named(host, word).name for word in words))
    return change(host, options, [Intent(Verb.UNLOAD, names)], SCHEMA, wait=options.wait)
