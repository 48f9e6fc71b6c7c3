"""`kmodtui experiment`: load a module, show what changed, unload it, show what remains."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext, suppress

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import full_path, is_path
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.experiment.pages import (
    as_json,
    as_markdown,
    as_text,
    pages,
    plan_page,
)
from kmodtui.model.experiment.report import Report, Stage
from kmodtui.model.modules import canonical
from kmodtui.model.parts import text_of
from kmodtui.services.experiment import planned
from kmodtui.services.experiment import run as run_experiment
from kmodtui.services.machine import Machine
from kmodtui.verbs.change import confirm, machine_for
from kmodtui.verbs.printing import print_error, print_json

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("-y", "--yes", action="store_true", help="run without confirmation")
    parser.add_argument(
        "name", metavar="NAME|FILE", help="a module that is not loaded, or a .ko file"
    )
    parser.add_argument(
        "parameters", metavar="KEY=VALUE", nargs="*", help="parameters of the module"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Run the experiment and print the report; return the exit status."""
    bad = next((word for word in options.parameters if "=" not in word), None)
    if bad is not None:
        raise UsageError(f"“{bad}” is not a parameter.", "Write parameters as KEY=VALUE.")
    machine = machine_for(host, options, "load modules into")
    try:
        if is_path(options.name, host):
            options.name = full_path(options.name)
        report = asyncio.run(_experiment(machine, options))
    except KeyboardInterrupt:
        _warn_if_loaded(machine, options.name)
        raise
    if options.json:
        print_json(SCHEMA, as_json(report))
    elif options.markdown:
        print("\n".join(as_markdown(report)))
    return 0 if report.succeeded else 1


async def _experiment(machine: Machine, options: argparse.Namespace) -> Report:
    try:
        parameters = tuple(options.parameters)
        if (denied := machine.root.denied) is not None:
            with suppress(KmodtuiError):  # why nothing can be changed is more to the point
                for line in _plan_lines(await planned(machine, options.name, parameters)):
                    print(line, file=sys.stderr)
            raise denied
        report = await planned(machine, options.name, parameters)
        if not options.yes:
            confirm(_plan_lines(report, f"   {machine.root_words}"))
        printer = _Printer(quiet=options.json or options.markdown)
        return await run_experiment(machine, report, nullcontext, printer.update)
    finally:
        await machine.close()


def _plan_lines(report: Report, *more: str) -> tuple[str, ...]:
    return (*text_of(plan_page(report)), *more, "")


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
        name = canonical(name)
        loaded = name in read_modules(machine.host).by_name
    except KmodtuiError:
        return
    if loaded:
        print_error(
            KmodtuiError(
                f"The experiment was interrupted; {name} is still loaded.",
                f"To unload it: sudo rmmod {name}",
            )
        )
