"""`kmodtui experiment`: a module loaded, looked at and unloaded again, and what that did."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext

from kmodtui.errors import ElevationCancelledError, KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.experiment import Report, Stage
from kmodtui.model.experiment_pages import (
    as_json,
    as_markdown,
    as_text,
    pages,
    plan_page,
    text_of,
)
from kmodtui.privileged.elevation import LADDER
from kmodtui.services.config import config_path, read_config
from kmodtui.services.experiment import planned
from kmodtui.services.experiment import run as carry_out
from kmodtui.services.machine import Machine
from kmodtui.services.root import DemoRoot, NoRoot, RootAccess, chosen_root
from kmodtui.verbs.printing import complain, print_json

SCHEMA = 1

_CHANGES = "and an experiment changes the kernel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a page to hand in")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before it begins")
    parser.add_argument("name", metavar="NAME", help="a module that is not loaded")
    parser.add_argument("parameters", metavar="KEY=VALUE", nargs="*", help="what it is given")


def run(host: Host, options: argparse.Namespace) -> int:
    """Carry it out and print the report; return the exit status."""
    bad = next((word for word in options.parameters if "=" not in word), None)
    if bad is not None:
        raise UsageError(f"“{bad}” is no parameter: they are written key=value.")
    machine = _machine(host, options)
    try:
        report = asyncio.run(_experiment(machine, options))
    except KeyboardInterrupt:
        _tell_what_is_left(machine, options.name)
        raise
    if options.json:
        print_json(SCHEMA, as_json(report))
    elif options.markdown:
        print("\n".join(as_markdown(report)))
    return 0 if report.succeeded else 1


def _machine(host: Host, options: argparse.Namespace) -> Machine:
    """Return the machine with the way to root that the dashboard would have."""
    config = read_config(config_path(), LADDER)
    release = getattr(options, "kernel", None) or ""
    access: RootAccess | None = None
    if options.read_only:
        access = NoRoot(f"kmodtui was started with --read-only, {_CHANGES}.")
    elif config.read_only and options.read_only is None:
        access = NoRoot(
            f"{config.path} says read_only = true, {_CHANGES}.",
            "kmodtui --no-read-only experiment NAME goes on all the same.",
        )
    elif hasattr(options, "root"):
        access = NoRoot("This is a captured tree: there is no kernel to try it on.")
    elif release not in ("", read_system(host).release):
        access = NoRoot(f"--kernel {release} is not the kernel that runs: it cannot be tried on.")
    if access is None and getattr(options, "demo", False):
        from kmodtui.demo import open_demo

        demo = open_demo(pace=0)
        return Machine(demo.host, DemoRoot(demo))
    return Machine(host, access or chosen_root(options.elevate, config, once=True))


async def _experiment(machine: Machine, options: argparse.Namespace) -> Report:
    try:
        if machine.root.denied is not None:
            raise machine.root.denied
        report = await planned(machine, options.name, tuple(options.parameters))
        if not options.yes:
            _confirm(report, machine)
        printer = _Printer(quiet=options.json or options.markdown)
        return await carry_out(machine, report, nullcontext, printer.tell)
    finally:
        await machine.close()


def _confirm(report: Report, machine: Machine) -> None:
    """Show the plan and wait for a yes.

    Raises:
        KmodtuiError: there was none, or there is nobody to say it.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise UsageError("There is no terminal to confirm the plan on.", "Say --yes to go on.")
    # What is asked does not belong to the report, which may go into a file.
    for line in (*text_of(plan_page(report)), f"   {machine.root_words}", ""):
        print(line, file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ElevationCancelledError("Nothing was done.")


class _Printer:
    """Prints each stage once it is known."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._told = Stage.PLANNED

    def tell(self, report: Report) -> None:
        """Print what is new in a report."""
        if self._quiet or report.stage <= self._told:
            return
        if self._told is Stage.PLANNED:
            print(next(as_text(report)))
        # A stage is whole when the next one begins.
        for page in pages(report):
            whole = page.stage < report.stage or report.stage is Stage.OVER
            if page.stage >= max(self._told, Stage.CHECK) and whole:
                print(f"\n{int(page.stage)}  {page.title}")
                for line in text_of(page.parts):
                    print(line)
        self._told = report.stage
        sys.stdout.flush()


def _tell_what_is_left(machine: Machine, name: str) -> None:
    """Say, after Ctrl+C, whether the module is still loaded."""
    try:
        there = name.replace("-", "_") in read_modules(machine.host).by_name
    except KmodtuiError:
        return
    if there:
        complain(
            KmodtuiError(
                f"The experiment was broken off, and {name} is loaded still.",
                f"sudo modprobe -r {name} takes it away.",
            )
        )
