"""`kmodtui block NAME…`: keep modules from being loaded by modprobe, and verify it."""

from __future__ import annotations

import argparse

from kmodtui.errors import UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.modules import canonical
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.verbs.change import add_change_arguments, change

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_change_arguments(parser)
    parser.add_argument(
        "--log",
        action="store_true",
        help="do not block: log each load with logger, then load the module",
    )
    parser.add_argument("--unload", action="store_true", help="also unload those that are loaded")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Block modules; return the exit status."""
    if options.log and options.unload:
        raise UsageError("--log and --unload cannot be combined.", "Leave one of them out.")
    names = module_names(options.names)
    intents = [Intent(Verb.LOG_LOADS if options.log else Verb.BLOCK, names)]
    if options.unload:
        table = read_modules(host).by_name
        if loaded := tuple(name for name in names if name in table):
            intents.append(Intent(Verb.UNLOAD, loaded))
    return change(host, options, intents, SCHEMA)


def module_names(words: list[str]) -> tuple[str, ...]:
    """Return the modules that were named, each once.

    Raises:
        UsageError: one of them is a file.
    """
    if paths := [word for word in words if "/" in word]:
        raise UsageError(f"{paths[0]} is a file.", "Give the name of a module.")
    return tuple(dict.fromkeys(canonical(word) for word in words))
