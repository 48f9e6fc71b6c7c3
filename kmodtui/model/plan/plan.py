"""A plan: what a change of the kernel's modules will do, step by step, before anything runs.

`plan_load`, `plan_unload` and others make plans by kmod's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from kmodtui.model.block.lines import BLOCK_FILE, BlockState, block_lines
from kmodtui.model.block.way import Way, summarized
from kmodtui.model.own_file import OwnFile, option_line
from kmodtui.model.plan.verb import Verb
from kmodtui.model.shell_command import ShellCommand, append_command, print_command
from kmodtui.model.text import listed

BLACKLIST_FILE = OwnFile.BLACKLIST.value
"""The file of modprobe.d with the modules that kmodtui blacklists."""

GIVEN = "given"
"""The source of an option that a person gave for this load."""

REQUESTED = "requested"
"""The reason of a step for a module that was named."""

KERNEL_COMMAND_LINE = "kernel command line"
"""The source of a rule in /proc/cmdline."""


_MANY = 8
"""Of more modules than this, ways and commands are summarized."""


class Action(StrEnum):
    """What a step does."""

    INSMOD = "insmod"
    INSTALL = "install"
    BUILTIN = "builtin"
    RMMOD = "rmmod"
    REMOVE = "remove"
    SKIP = "skip"
    SET = "set"
    BLACKLIST = "blacklist"
    UNBLACKLIST = "unblacklist"
    BLOCK = "block"
    LOG_LOADS = "log-loads"
    UNBLOCK = "unblock"
    KEEP = "keep"
    FORGET = "forget"
    KEEP_OPTIONS = "options"
    FORGET_OPTIONS = "no-options"

    @property
    def changes(self) -> bool:
        """Whether such a step does anything; `builtin` and `skip` only say why nothing is done."""
        return self not in (Action.BUILTIN, Action.SKIP)


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter of a load, or a parameter that is set.

    Attributes:
        text: as it is passed on: `name=value`, several with blanks between, or a bare word.
        source: where it comes from: `/etc/modprobe.d/a.conf:3`, `kernel command line` or
            `given`.
    """

    text: str
    source: str = GIVEN


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        action: what is done; `builtin` and `skip` do nothing and say why.
        module: the module it is done to.
        reason: why this module, in a few words.
        path: its file; empty where there is none.
        options: parameters that are passed or set, in order: of two values for one
            parameter the kernel keeps the last.
        command: of `install` and `remove`, the shell command that runs as root instead.
        source: where the rule is that causes this step, `/etc/modprobe.d/a.conf:3`; empty
            where there is no such rule.
        memory: bytes that it takes or frees, approximately; None if unknown.
        was: of a parameter that is set, the value before.
    """

    action: Action
    module: str
    reason: str
    path: str = ""
    options: tuple[Option, ...] = ()
    command: str = ""
    source: str = ""
    memory: int | None = None
    was: str = ""


@dataclass(frozen=True, slots=True)
class PlanCommand:
    """One command that runs as root, of the several that a plan may need.

    Attributes:
        verb: never `reload`, which is an unload and a load.
        names: the modules; the file's path for `insert`.
        parameters: `name=value`, for load, insert and set, and for options that are kept.
        indexed: of an unload, whether it is left to modprobe; otherwise the one module is
            unloaded by its exact name.
        replaces: of kept options, whether the file has others for the module already.
        module: of an insert, the name of the module in the file.
        sha256: of an insert, of the file that was planned with.
    """

    verb: Verb
    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    indexed: bool = True
    replaces: bool = False
    module: str = ""
    sha256: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """The names of the modules, also of an insert."""
        return (self.module,) if self.module else self.names

    @property
    def words(self) -> tuple[str, ...]:
        """The program that does it with its arguments, without a redirection."""
        return self.shell.words

    @property
    def line(self) -> str:
        """The command line that does it, quoted for a shell."""
        return self.shell.line

    @property
    def shell(self) -> ShellCommand:
        """The command that does it, as a person would type it as root."""
        match self.verb:
            case Verb.LOAD:
                return ShellCommand(("modprobe", "--", *self.names, *self.parameters))
            case Verb.UNLOAD if not self.indexed:
                # rmmod cuts a name at its first dot.
                program = "delete_module" if "." in self.names[0] else "rmmod"
                return ShellCommand((program, "--", *self.names))
            case Verb.UNLOAD:
                return ShellCommand(("modprobe", "-r", "--", *self.names))
            case Verb.INSERT:
                return ShellCommand(("insmod", *self.names, *self.parameters))
            case Verb.SET:
                key, _, value = self.parameters[0].partition("=")
                return print_command(value, f"/sys/module/{self.names[0]}/parameters/{key}")
            case Verb.BLACKLIST:
                words = ("echo", "blacklist", *self.names)
                return ShellCommand(words, BLACKLIST_FILE, appends=True)
            case Verb.UNBLACKLIST:
                return _edit(f"/^blacklist {self.names[0]}$/d", BLACKLIST_FILE)
            case Verb.BLOCK:
                return self._block(BlockState.BLOCKED)
            case Verb.LOG_LOADS:
                return self._block(BlockState.LOGGED)
            case Verb.UNBLOCK:
                pattern = f"/^(blacklist|install|softdep) {self.names[0]}( |$)/d"
                return ShellCommand(("sed", "-i", "-E", pattern, BLOCK_FILE))
            case Verb.KEEP:
                return append_command("".join(f"{name}\n" for name in self.names), OwnFile.BOOT)
            case Verb.FORGET:
                return _edit(f"/^{self.names[0]}$/d", OwnFile.BOOT)
            case Verb.KEEP_OPTIONS:
                line = option_line(self.names[0], " ".join(self.parameters))
                if self.replaces:
                    pattern = f"/^options {self.names[0]} /c\\{line.rstrip()}"
                    return _edit(pattern, OwnFile.OPTIONS)
                return append_command(line, OwnFile.OPTIONS)
            case Verb.FORGET_OPTIONS:
                return _edit(f"/^options {self.names[0]} /d", OwnFile.OPTIONS)
            case Verb.RELOAD:
                raise ValueError("a reload is two commands, an unload and a load")
            case _:
                assert_never(self.verb)

    def _block(self, state: BlockState) -> ShellCommand:
        return append_command(block_lines(dict.fromkeys(self.names, state)), BLOCK_FILE)


def _edit(script: str, file: str) -> ShellCommand:
    return ShellCommand(("sed", "-i", script, file))


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what a person should know before confirming them.

    Attributes:
        verb: what is requested.
        targets: the requested modules under their own names, in the order given.
        steps: in the order in which they will be taken.
        commands: what runs as root, in order; together they take the steps.
        still_loaded: modules that belong to a target and stay loaded afterwards, with the reason.
        warnings: sentences to read before confirming.
        refused: why it cannot work as things are; empty if it can.
        nothing_to_do: why nothing needs to be done, which is not a failure, as for a module
            that is built in; empty if something needs to be.
        remedy: what to do about a refusal, or where there is nothing to do.
        blocked_by: modules that prevent it, in an order in which they can be unloaded.
        parameters: the parameters given for the targets.
        danger: why it could cut off a person from the machine; empty if it cannot. Then the
            first target's name has to be typed.
        ways: of a block, the ways by which its modules can be loaded, and what it stops.
    """

    verb: Verb
    targets: tuple[str, ...]
    steps: tuple[Step, ...]
    commands: tuple[PlanCommand, ...] = ()
    still_loaded: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refused: str = ""
    nothing_to_do: str = ""
    remedy: str = ""
    blocked_by: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    danger: str = ""

    @property
    def target(self) -> str:
        """The first requested module."""
        return self.targets[0]

    @property
    def subject(self) -> str:
        """The requested modules, with commas between; not all of many."""
        return listed(self.targets)

    @property
    def command(self) -> tuple[str, ...]:
        """The first command line; empty if nothing needs to be done."""
        return self.commands[0].words if self.commands else ()

    @property
    def inserts(self) -> tuple[PlanCommand, ...]:
        """The commands that insert a file."""
        return tuple(command for command in self.commands if command.verb is Verb.INSERT)

    @property
    def command_lines(self) -> tuple[str, ...]:
        """All command lines, as a person would type them as root."""
        return tuple(command.line for command in self.commands)

    @property
    def shown_ways(self) -> tuple[Way, ...]:
        """The ways as they are shown: those of many modules are counted."""
        return self.ways if len(self.targets) <= _MANY else summarized(self.ways)

    @property
    def summary(self) -> str:
        """The command lines as one, for a log; not all of many."""
        lines = self.command_lines
        more = (f"and {len(lines) - _MANY} more",) if len(lines) > _MANY else ()
        return "; ".join((*lines[:_MANY], *more))

    @property
    def does_nothing(self) -> bool:
        """Whether no step changes the kernel, or its configuration."""
        return not any(step.action.changes for step in self.steps)

    @property
    def memory(self) -> int | None:
        """Bytes that the modules take in addition afterwards, negative if less, approximately.

        None if that is unknown for one of the modules.
        """
        total = 0
        for step in self.steps:
            if step.action in (Action.INSMOD, Action.RMMOD):
                if step.memory is None:
                    return None
                total += step.memory if step.action is Action.INSMOD else -step.memory
        return total


def with_memory(plan: Plan, size_of: Callable[[Step], int | None]) -> Plan:
    """Return a plan whose loads say how much memory they take, in bytes; None is unknown."""
    steps = (
        replace(step, memory=size_of(step)) if step.action is Action.INSMOD else step
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def merged(plans: Sequence[Plan]) -> Plan:
    """Return several plans of one verb as one, in their order.

    A step of an earlier plan is not repeated. If one plan is refused, all are, so that
    nothing is left half done.
    """
    first, *others = plans
    if not others:
        return first
    steps: dict[tuple[Action, str, tuple[str, ...]], Step] = {}
    changed: set[str] = set()
    for plan in plans:
        for step in plan.steps:
            if step.action is Action.SKIP and step.module in changed:
                continue
            key = (step.action, step.module, tuple(o.text for o in step.options))
            if step.action in (Action.INSMOD, Action.RMMOD):
                key = (step.action, step.module, ())
            steps.setdefault(key, step)
            if step.action.changes:
                changed.add(step.module)
    refused = _joined(plan.refused for plan in plans)
    works = any(plan.commands for plan in plans)
    unneeded = [plan.nothing_to_do for plan in plans if plan.nothing_to_do]
    warnings = unneeded if works else []
    return replace(
        first,
        targets=tuple(dict.fromkeys(name for plan in plans for name in plan.targets)),
        steps=tuple(steps.values()),
        commands=() if refused else tuple(c for plan in plans for c in plan.commands),
        still_loaded={
            name: why
            for plan in plans
            for name, why in plan.still_loaded.items()
            if name not in changed
        },
        warnings=tuple(
            dict.fromkeys((*warnings, *(words for plan in plans for words in plan.warnings)))
        ),
        refused=refused,
        nothing_to_do="" if works or refused else _joined(unneeded),
        remedy=_joined(plan.remedy for plan in plans),
        blocked_by=tuple(dict.fromkeys(name for plan in plans for name in plan.blocked_by)),
        parameters=tuple(word for plan in plans for word in plan.parameters),
        ways=tuple(way for plan in plans for way in plan.ways),
    )


def _joined(sentences: Iterable[str]) -> str:
    """Return sentences one after the other, each once."""
    return " ".join(dict.fromkeys(filter(None, sentences)))
