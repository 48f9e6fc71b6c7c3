"""`kmodtui plan load|unload|reload NAME… [KEY=VALUE…]`: the steps, without taking them."""

from __future__ import annotations

import argparse
from typing import Any, assert_never

from kmodtui.errors import PlanError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.block.way import Way, WayKind
from kmodtui.model.plan.plan import Action, Plan, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean, human_size
from kmodtui.services.planning.plans import VERBS, read_plan
from kmodtui.verbs.printing import add_json, print_error, print_json, release_of

SCHEMA = 1

_COMMANDS = 8
"""Largest number of command lines that are printed; JSON has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    parser.add_argument(
        "what",
        choices=[str(verb) for verb in VERBS],
        metavar="load|unload|reload",
        help="the change to plan",
    )
    parser.add_argument(
        "words", nargs="+", metavar="NAME|KEY=VALUE", help="modules, and parameters for one module"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the plan; return the exit status: 1 if it would fail."""
    names = [word for word in options.words if "=" not in word]
    parameters = [word for word in options.words if "=" in word]
    if not names:
        raise UsageError("No module given.", f"Usage: kmodtui plan {options.what} NAME")
    if paths := [name for name in names if "/" in name]:
        raise UsageError(
            f"{paths[0]} is a file; a plan needs the name of a module.",
            f"To plan its insertion: kmodtui load --dry-run {paths[0]}",
        )
    if parameters and options.what == "unload":
        raise UsageError("An unload takes no parameters.", "Leave them out.")
    release = release_of(host, options)
    plan = read_plan(host, release, Verb(options.what), names, parameters)
    if options.json:
        print_json(SCHEMA, plan_json(plan))
    else:
        _print(plan)
    if plan.refused:
        print_error(PlanError(plan.refused, plan.remedy))
        return 1
    return 0


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan of steps as the fields of a JSON object."""
    return {
        "verb": plan.verb,
        "modules": plan.targets,
        "parameters": plan.parameters,
        "refused": plan.refused or None,
        "nothing_to_do": plan.nothing_to_do or None,
        "remedy": plan.remedy or None,
        "blocked_by": plan.blocked_by,
        "warnings": plan.warnings,
        "commands": plan.command_lines,
        "memory_change": plan.memory,
        "steps": [_step(step) for step in plan.steps],
        "still_loaded": [
            {"module": name, "reason": reason} for name, reason in plan.still_loaded.items()
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "action": step.action,
        "module": step.module,
        "reason": step.reason,
        "rule": step.source or None,
        "path": step.path or None,
        "options": [{"text": option.text, "source": option.source} for option in step.options],
        "command": _command(step),
        "memory": step.memory,
    }


def _command(step: Step) -> str | None:
    """Return what a step runs, as `modprobe --verbose` prints it; None if it changes nothing."""
    match step.action:
        case Action.INSMOD:
            return " ".join(("insmod", step.path, *(option.text for option in step.options)))
        case Action.RMMOD:
            # rmmod cuts a name at its first dot.
            program = "delete_module" if "." in step.module else "rmmod"
            return f"{program} {step.module}"
        case Action.INSTALL | Action.REMOVE:
            return step.command
        case Action.BUILTIN | Action.SKIP:
            return None
        case Action.SET | Action.BLACKLIST | Action.UNBLACKLIST:
            return None  # a file is written: the plan's commands show it
        case Action.BLOCK | Action.LOG_LOADS | Action.UNBLOCK:
            return None  # not in the plan of a load, an unload or a reload
        case Action.KEEP | Action.FORGET | Action.KEEP_OPTIONS | Action.FORGET_OPTIONS:
            return None  # not in the plan of a load, an unload or a reload
    assert_never(step.action)


def _print(plan: Plan) -> None:
    for line in plan_lines(plan):
        print(line)


def plan_lines(plan: Plan) -> list[str]:
    """Return a plan as text, without its refusal."""
    width = max((len(name) for name in (*_modules(plan), *plan.still_loaded)), default=0)
    lines = []
    for number, step in enumerate(plan.steps, 1):
        lines.append(f"{number:>3}  {step.action:<8} {clean(step.module):<{width}}  {_words(step)}")
        if step.action is not Action.BLOCK or plan.shown_ways is plan.ways:
            lines += [f"{'':{width + 16}}{clean(line)}" for line in _details(step)]
    for name, why in plan.still_loaded.items():
        lines.append(f"  =  {'stays':<8} {clean(name):<{width}}  {clean(why)}")
    if plan.memory and len(plan.steps) > 1:
        more = "more" if plan.memory > 0 else "less"
        lines.append(f"  =  about {human_size(abs(plan.memory))} {more} memory in total")
    lines += [f"  -  {clean(_way(way))}" for way in plan.shown_ways]
    lines += [f"  !  {clean(warning)}" for warning in (plan.danger, *plan.warnings) if warning]
    if plan.nothing_to_do:
        lines.append(f"  =  {clean(f'{plan.nothing_to_do} {plan.remedy}'.rstrip())}")
    commands = [*plan.command_lines[:_COMMANDS]]
    if (left := len(plan.command_lines) - _COMMANDS) > 0:
        commands.append(f"… and {left:,} more")
    return [*lines, *(f"  #  {clean(line)}" for line in commands)]


def _way(way: Way) -> str:
    """Return a way into the kernel, and what stops it, as a line."""
    names = ", ".join(way.subjects) if way.kind is not WayKind.NAME else ""
    source = f" ({way.source})" if way.source else ""
    how = f"{way.module} {way.kind} {names}".rstrip()
    return f"{how}: {way.barrier}, {way.reason}{source}"


def _modules(plan: Plan) -> tuple[str, ...]:
    return tuple(clean(step.module) for step in plan.steps)


def _words(step: Step) -> str:
    size = f", about {human_size(step.memory)}" if step.memory is not None else ""
    rule = f" ({step.source})" if step.source else ""
    return clean(f"{step.reason}{rule}{size}")


def _details(step: Step) -> list[str]:
    """Return the lines below a step: its file, its shell command, its options."""
    lines = [step.path] if step.path and step.action.changes and not step.command else []
    if step.command:
        lines.append(f"runs in a shell, as root: {step.command}")
    return [*lines, *(f"{option.text}  ({option.source})" for option in step.options)]
