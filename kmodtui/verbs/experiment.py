"""`kmodtui experiment`: load a module, show what changed, unload it, show what remains."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext, suppress

from kmodtui.errors import ElevationCancelledError, KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.experiment.pages import (
    as_json,
    as_markdown,
    as_text,
    pages,
    plan_page,
    text_of,
)
from kmodtui.model.experiment.report import Report, Stage
from kmodtui.privileged.elevation import LADDER
from kmodtui.services.config import config_path, read_config
from kmodtui.services.experiment import planned
from kmodtui.services.experiment import run as run_experiment
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot, read_only
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.root.local import chosen_root
from kmodtui.verbs.printing import print_error, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("-y", "--yes", action="store_true", help="run without confirmation")
    parser.add_argument("name", metavar="NAME", help="a module that is not loaded")
    parser.add_argument(
        "parameters", metavar="KEY=VALUE", nargs="*", help="parameters of the module"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Run the experiment and print the report; return the exit status."""
    bad = next((word for word in options.parameters if "=" not in word), None)
    if bad is not None:
        raise UsageError(f"“{bad}” is not a parameter.", "Write parameters as KEY=VALUE.")
    machine = _machine(host, options)
    try:
        report = asyncio.run(_experiment(machine, options))
    except KeyboardInterrupt:
        _warn_if_loaded(machine, options.name)
        raise
    if options.json:
        print_json(SCHEMA, as_json(report))
    elif options.markdown:
        print("\n".join(as_markdown(report)))
    return 0 if report.succeeded else 1


def _machine(host: Host, options: argparse.Namespace) -> Machine:
    """Return the machine, with the same access to root as the dashboard would have."""
    config = read_config(config_path(), LADDER)
    access = read_only(options.read_only, config) or _without_kernel(host, options)
    if access is None and getattr(options, "demo", False):
        from kmodtui.demo import open_demo

        demo = open_demo(pace=0)
        return Machine(demo.host, DemoRoot(demo))
    return Machine(host, access or chosen_root(options.elevate, config, once=True))


def _without_kernel(host: Host, options: argparse.Namespace) -> NoRoot | None:
    """Return the refusal where no running kernel could load the modules."""
    if hasattr(options, "root"):
        return NoRoot("--root is a captured tree: there is no kernel to load modules into.")
    release = getattr(options, "kernel", None) or ""
    if release not in ("", read_system(host).release):
        return NoRoot(
            f"{release} is not the running kernel: its modules cannot be loaded.",
            "Leave out --kernel.",
        )
    return None


async def _experiment(machine: Machine, options: argparse.Namespace) -> Report:
    try:
        parameters = tuple(options.parameters)
        if (denied := machine.root.denied) is not None:
            with suppress(KmodtuiError):  # why nothing can be changed is more to the point
                _show_plan(await planned(machine, options.name, parameters))
            raise denied
        report = await planned(machine, options.name, parameters)
        if not options.yes:
            _confirm(report, machine)
        printer = _Printer(quiet=options.json or options.markdown)
        return await run_experiment(machine, report, nullcontext, printer.update)
    finally:
        await machine.close()


def _confirm(report: Report, machine: Machine) -> None:
    """Show the plan and wait for a confirmation.

    Raises:
        UsageError: standard input is not a terminal.
        ElevationCancelledError: the answer was not yes.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise UsageError(
            "The plan cannot be confirmed: standard input is not a terminal.",
            "Use --yes to run it without confirmation.",
        )
    _show_plan(report, f"   {machine.root_words}")
    print("Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ElevationCancelledError("Cancelled. Nothing was changed.")


def _show_plan(report: Report, *more: str) -> None:
    """Print the plan to standard error: standard output may be redirected to a file."""
    for line in (*text_of(plan_page(report)), *more, ""):
        print(line, file=sys.stderr)


class _Printer:
    """Prints each stage of the report as soon as it is complete."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._printed = Stage.PLANNED

    def update(self, report: Report) -> None:
        """Print the stages that are complete and not printed yet."""
        if self._quiet or report.stage <= self._printed:
            return
        if self._printed is Stage.PLANNED:
            print(next(as_text(report)))
        # A stage is complete when the next one begins.
        for page in pages(report):
            complete = page.stage < report.stage or report.stage is Stage.OVER
            if page.stage >= max(self._printed, Stage.CHECK) and complete:
                print(f"\n{int(page.stage)}  {page.title}")
                for line in text_of(page.parts):
                    print(line)
        self._printed = report.stage
        sys.stdout.flush()


def _warn_if_loaded(machine: Machine, name: str) -> None:
    """After Ctrl+C, print a warning if the module is still loaded."""
    try:
        loaded = name.replace("-", "_") in read_modules(machine.host).by_name
    except KmodtuiError:
        return
    if loaded:
        print_error(
            KmodtuiError(
                f"The experiment was interrupted; {name} is still loaded.",
                f"To unload it: sudo modprobe -r {name}",
            )
        )
