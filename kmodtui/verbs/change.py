"""What the verbs that change the system share: access to root, confirmation, exit status."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from kmodtui.errors import (
    ElevationCancelledError,
    KmodtuiError,
    PlanError,
    UsageError,
)
from kmodtui.kernel.host import Host
from kmodtui.kernel.system import read_system
from kmodtui.model.block.way import Way
from kmodtui.model.explain.explanation import Explanation, Kind
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.own_change import KEEPING
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.profile.profile import Profile
from kmodtui.model.text import clean
from kmodtui.services.config import config_path, read_config
from kmodtui.services.machine import Machine
from kmodtui.services.planning.performed import Performed, perform_and_compare
from kmodtui.services.planning.planning import plan_for, plan_once_unused
from kmodtui.services.planning.profiles import plan_profile
from kmodtui.services.root.access import NoRoot, read_only
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.root.local import chosen_root
from kmodtui.verbs.change_json import change_json, moved_lines
from kmodtui.verbs.plan import plan_lines
from kmodtui.verbs.printing import print_error, print_json

FAILED = 1
NO_PRIVILEGES = 3
OUTCOME_UNKNOWN = 4


def add_change_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every such verb has."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show the plan, do nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do it without confirmation")
    parser.add_argument(
        "--confirm",
        metavar="NAME",
        help="with --yes, do it also if it could cut you off; the first module's name",
    )


def machine_for(host: Host, options: argparse.Namespace, what: str) -> Machine:
    """Return the machine, with the same access to root as the dashboard would have.

    Args:
        host: the observed system.
        options: of the command line.
        what: what cannot be done on a captured tree: `load modules into`.
    """
    config = read_config(config_path())
    access = read_only(options.read_only, config) or _without_kernel(host, options, what)
    if access is None and getattr(options, "demo", False):
        from kmodtui.demo import open_demo

        demo = open_demo(pace=0)
        return Machine(demo.host, DemoRoot(demo))
    return Machine(host, access or chosen_root(options.elevate, config, once=True))


def _without_kernel(host: Host, options: argparse.Namespace, what: str) -> NoRoot | None:
    """Return the refusal where no running kernel could be changed."""
    if hasattr(options, "root"):
        return NoRoot(f"--root is a captured tree: there is no kernel to {what}.")
    release = getattr(options, "kernel", None) or ""
    if release not in ("", read_system(host).release):
        return NoRoot(
            f"{release} is not the running kernel: its modules cannot be loaded.",
            "Leave out --kernel.",
        )
    return None


def confirm(lines: Sequence[str], word: str = "") -> None:
    """Show a plan on standard error and wait for a confirmation.

    Args:
        lines: the plan; standard output may be redirected to a file.
        word: what has to be typed; empty if `y` is enough.

    Raises:
        UsageError: standard input is not a terminal.
        ElevationCancelledError: it was not confirmed.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise UsageError(
            "The plan cannot be confirmed: standard input is not a terminal.",
            "Use --yes to run it without confirmation.",
        )
    for line in lines:
        print(line, file=sys.stderr)
    question = f"Type {word} to continue: " if word else "Continue? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    typed = sys.stdin.readline().strip()
    if typed != word if word else typed.lower() not in ("y", "yes"):
        raise ElevationCancelledError("Cancelled. Nothing was changed.")


def change(
    host: Host,
    options: argparse.Namespace,
    intents: Sequence[Intent] | Callable[[Machine], Sequence[Intent]],
    schema: int,
    profile: Profile | None = None,
    *,
    notes: Sequence[str] = (),
    wait: float = 0.0,
) -> int:
    """Plan, confirm and carry out a change; print the outcome and return the exit status.

    Args:
        host: the observed system.
        options: of the command line.
        intents: what to do, or a function that reads it from the machine; none for a profile.
        schema: of the JSON.
        profile: the modules to block instead.
        notes: sentences to read before confirming, beside the warnings of the plan.
        wait: seconds to wait for modules that are in use before they are unloaded.
    """
    release = getattr(options, "kernel", None) or ""
    machine = machine_for(host, options, "change")
    if release:
        machine.release = release
    return asyncio.run(_change(machine, options, intents, schema, profile, notes, wait))


async def _change(
    machine: Machine,
    options: argparse.Namespace,
    intents: Sequence[Intent] | Callable[[Machine], Sequence[Intent]],
    schema: int,
    profile: Profile | None,
    notes: Sequence[str],
    wait: float,
) -> int:
    try:
        if profile is None:
            if callable(intents):
                intents = await asyncio.to_thread(intents, machine)
            plan = await plan_for(machine, intents)
            if wait and plan.refused:
                plan = await plan_once_unused(machine, plan) or plan
        else:
            plan, profile = await plan_profile(machine, profile)
        plan = replace(plan, warnings=(*notes, *plan.warnings))
        idle = options.dry_run or plan.refused or not plan.commands
        if idle:
            return _report(options, schema, plan, None, FAILED if plan.refused else 0, profile)
        if machine.root.denied is not None:
            if options.json:
                _report(options, schema, plan, None, NO_PRIVILEGES, profile)
            else:
                _print(plan_lines(plan), sys.stderr)
            print_error(machine.root.denied)
            return NO_PRIVILEGES
        if not options.yes:
            word = plan.target if plan.danger else ""
            confirm((*plan_lines(plan), f"   {clean(machine.root_words)}"), word)
        elif plan.danger and options.confirm != plan.target:
            hint = f"Add --confirm {plan.target} to do it nevertheless."
            raise ElevationCancelledError(plan.danger, hint)
        try:
            await machine.channel(nullcontext)
        except KmodtuiError as error:
            print_error(error)
            return NO_PRIVILEGES
        done = await perform_and_compare(machine, plan, nullcontext, wait=wait)
        return _report(options, schema, plan, done, _status(done.outcome), profile)
    finally:
        await machine.close()


def _status(outcome: Explanation) -> int:
    if outcome.unknown:
        return OUTCOME_UNKNOWN
    return 0 if outcome.kind is Kind.DONE else FAILED


def _report(
    options: argparse.Namespace,
    schema: int,
    plan: Plan,
    done: Performed | None,
    status: int,
    profile: Profile | None,
) -> int:
    """Print a plan that was not carried out, or an outcome; return the status."""
    outcome = done.outcome if done is not None else None
    if options.json and plan.verb not in _STEPS:
        print_json(schema, {**_json(plan, outcome), **_profile(profile)})
    elif options.json:
        print_json(schema, change_json(plan, done))
    elif outcome is None:
        _print(plan_lines(plan), sys.stdout)
    if plan.refused:
        print_error(PlanError(plan.refused, plan.remedy))
    elif outcome is not None and not options.json:
        failed = outcome.kind is Kind.FAILURE
        lines = [outcome.title, outcome.cause, *(f"  {line}" for line in outcome.shown)]
        lines += [f"  {line}" for line in outcome.evidence]
        _print([*lines, outcome.remedy], sys.stderr if failed else sys.stdout)
    if done is not None and not options.json:
        moved = moved_lines(done.change) if done.change is not None else ()
        _print([f"  {line}" for line in moved], sys.stdout)
        log = [
            record.text for record in done.log if clean(record.text) not in done.outcome.evidence
        ]
        _print([f"  log: {text}" for text in log[-_MOST_LOG:]], sys.stdout)
    return status


_MOST_LOG = 20
"""Lines of the kernel log that are printed; JSON has all of them."""

_STEPS = (
    *(Verb.LOAD, Verb.INSERT, Verb.UNLOAD, Verb.RELOAD, Verb.SET),
    *(Verb.BLACKLIST, Verb.UNBLACKLIST),
)
"""Verbs whose JSON has the steps of the plan; that of the others has the rules and their proof."""


def _print(lines: Sequence[str], stream: Any) -> None:
    for line in filter(None, lines):
        print(clean(line), file=stream)


def _json(plan: Plan, outcome: Explanation | None) -> dict[str, Any]:
    return {
        "verb": plan.verb,
        "modules": plan.targets,
        "refused": plan.refused or None,
        "nothing_to_do": plan.nothing_to_do or None,
        "remedy": plan.remedy or None,
        "warnings": plan.warnings,
        "commands": plan.command_lines,
        **_details(plan),
        "outcome": None
        if outcome is None
        else {
            "result": "unknown" if outcome.unknown else outcome.kind,
            "title": outcome.title,
            "cause": outcome.cause,
            "remedy": outcome.remedy or None,
            "shown": outcome.shown,
        },
    }


def _profile(profile: Profile | None) -> dict[str, Any]:
    if profile is None:
        return {}
    chosen = [
        {"name": clean(each.name), "reason": clean(each.reason), "reach": each.reach}
        for each in profile.candidates
    ]
    kept = [{"name": clean(name), "reason": clean(why)} for name, why in profile.kept.items()]
    return {"profile": {"name": profile.kind, "modules": chosen, "kept": kept}}


def _details(plan: Plan) -> dict[str, Any]:
    """Return the fields that only some verbs have."""
    if plan.verb in (Verb.BLOCK, Verb.LOG_LOADS):
        return {"ways": [_way(way) for way in plan.ways]}
    if plan.verb in KEEPING:
        return {
            "options": [
                {"module": step.module, "text": option.text, "source": option.source}
                for step in plan.steps
                for option in step.options
            ]
        }
    return {}


def _way(way: Way) -> dict[str, Any]:
    return {
        "module": way.module,
        "way": way.kind,
        "result": way.barrier,
        "reason": way.reason,
        "rule": way.source or None,
        "subjects": way.subjects,
    }
