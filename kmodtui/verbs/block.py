"""`kmodtui block NAME…`: keep modules from being loaded by modprobe, and verify it.

`--profile` chooses the modules instead of names.
"""

from __future__ import annotations

import argparse

from kmodtui.errors import PlanError, UnknownModuleError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.modules import canonical
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.profile.profile import ProfileKind
from kmodtui.model.text import clean
from kmodtui.services.profiles import read_profile
from kmodtui.verbs.change import add_change_arguments, change
from kmodtui.verbs.printing import release_of

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
    parser.add_argument(
        "--profile",
        choices=[str(kind) for kind in ProfileKind],
        help="block all modules that this machine does not use (unused), or rare protocols and "
        "file systems (rare); review them with --dry-run",
    )
    parser.add_argument(
        "--except",
        dest="leave_out",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="with --profile, leave out these modules and what they need",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a module")


def run(host: Host, options: argparse.Namespace) -> int:
    """Block modules; return the exit status."""
    if options.log and options.unload:
        raise UsageError("--log and --unload cannot be combined.", "Leave one of them out.")
    if options.profile:
        return _block_profile(host, options)
    if options.leave_out:
        raise UsageError("--except needs --profile.", "Leave out those names instead.")
    if not options.names:
        raise UsageError("No module given.", "Usage: kmodtui block NAME")
    names = module_names(options.names)
    intents = [Intent(Verb.LOG_LOADS if options.log else Verb.BLOCK, names)]
    if options.unload:
        table = read_modules(host).by_name
        if loaded := tuple(name for name in names if name in table):
            intents.append(Intent(Verb.UNLOAD, loaded))
    return change(host, options, intents, SCHEMA)


def _block_profile(host: Host, options: argparse.Namespace) -> int:
    """Block the modules of a profile; return the exit status."""
    if options.names or options.log or options.unload:
        raise UsageError(
            "--profile cannot be combined with names, --log or --unload.", "Leave them out."
        )
    kind = ProfileKind(options.profile)
    found = read_profile(host, release_of(host, options), kind)
    leave_out = module_names(options.leave_out)
    if unknown := [name for name in leave_out if name not in (*found.names, *found.kept)]:
        hint = did_you_mean(near(unknown[0], found.names))
        raise UnknownModuleError(f"--except: no module is named {clean(unknown[0])}.", hint)
    found = found.without(leave_out)
    if not found.candidates:
        raise PlanError(f"There is no module to block: {kind.words}.")
    return change(host, options, (), SCHEMA, profile=found)


def module_names(words: list[str]) -> tuple[str, ...]:
    """Return the modules that were named, each once.

    Raises:
        UsageError: one of them is a file.
    """
    if paths := [word for word in words if "/" in word]:
        raise UsageError(f"{paths[0]} is a file.", "Give the name of a module.")
    return tuple(dict.fromkeys(canonical(word) for word in words))
