"""A plan: what a change of the kernel's modules will do, step by step, before anything runs.

What is in a plan is worked out elsewhere, by kmod's rules: see `plan_load` and
`plan_unload`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from kmodtui.model.verb import Verb

BLACKLIST_FILE = "/etc/modprobe.d/kmodtui-blacklist.conf"
"""The one file of modprobe.d that kmodtui writes to."""

GIVEN = "given"
"""The source of an option that a person gave for this load."""

BOOT_LINE = "boot line"
"""The source of a rule that stands in /proc/cmdline."""


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

    @property
    def changes(self) -> bool:
        """Whether such a step does anything; `builtin` and `skip` only say why they do not."""
        return self not in (Action.BUILTIN, Action.SKIP)


@dataclass(frozen=True, slots=True)
class Option:
    """What a module is given when it is loaded, or a parameter that is set.

    Attributes:
        text: as it is handed over: `name=value`, several with spaces between, or a bare word.
        source: where it comes from: `/etc/modprobe.d/a.conf:3`, `boot line` or `given`.
    """

    text: str
    source: str = GIVEN


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        action: what is done; `builtin` and `skip` do nothing and say why.
        module: to which module.
        reason: why this module, in a few words.
        path: its file; empty where there is none.
        options: parameters that it is given or that are set, in the order that counts:
            of two values for one parameter the kernel keeps the last.
        command: of `install` and `remove`, what a shell runs as root in place of the load.
        source: where the rule stands that makes this step, `/etc/modprobe.d/a.conf:3`;
            empty where there is no such rule.
        memory: bytes that it takes or gives back, about; None if that is not known.
        was: the value before, of a parameter that is set.
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
class Command:
    """One thing that root is asked to do, of the several that a plan may take.

    Attributes:
        verb: never `reload`, which is an unload and a load.
        names: the modules; the file's path for `insert`.
        parameters: `name=value`, for load, insert and set.
    """

    verb: Verb
    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The command line that does it, as a person would type it as root."""
        match self.verb:
            case Verb.LOAD:
                return ("modprobe", "--", *self.names, *self.parameters)
            case Verb.UNLOAD:
                return ("modprobe", "-r", "--", *self.names)
            case Verb.INSERT:
                return ("insmod", *self.names, *self.parameters)
            case Verb.SET:
                key, _, value = self.parameters[0].partition("=")
                return ("echo", value, ">", f"/sys/module/{self.names[0]}/parameters/{key}")
            case Verb.BLACKLIST:
                return ("echo", "blacklist", *self.names, ">>", BLACKLIST_FILE)
            case Verb.UNBLACKLIST:
                return ("sed", "-i", f"/^blacklist {self.names[0]}$/d", BLACKLIST_FILE)
            case Verb.RELOAD:
                raise ValueError("a reload is two commands, an unload and a load")
            case _:
                assert_never(self.verb)

    @property
    def line(self) -> str:
        """The same as one line of a shell."""
        return " ".join(word if word in (">", ">>") else shlex.quote(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what a person should know before they are taken.

    Attributes:
        verb: what is asked for.
        targets: the modules that were asked for, under their own names, in the order given.
        steps: in the order they will be taken.
        commands: what root is asked to do, in order; together they take the steps.
        stays: modules that belong to a target and stay loaded afterwards, with the reason.
        warnings: sentences to read first.
        refused: why it cannot work as things stand; empty if it can.
        remedy: what to do about a refusal.
        blocked_by: modules that are in the way, in an order in which they can be unloaded.
        parameters: what the targets are given.
    """

    verb: Verb
    targets: tuple[str, ...]
    steps: tuple[Step, ...]
    commands: tuple[Command, ...] = ()
    stays: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refused: str = ""
    remedy: str = ""
    blocked_by: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The first module that was asked for."""
        return self.targets[0]

    @property
    def subject(self) -> str:
        """All the modules that were asked for, with commas between."""
        return ", ".join(self.targets)

    @property
    def command(self) -> tuple[str, ...]:
        """The first command line; empty if nothing is to be done."""
        return self.commands[0].words if self.commands else ()

    @property
    def command_lines(self) -> tuple[str, ...]:
        """All command lines, as a person would type them as root."""
        return tuple(command.line for command in self.commands)

    @property
    def does_nothing(self) -> bool:
        """Whether no step changes the kernel, or its configuration."""
        return not any(step.action.changes for step in self.steps)

    @property
    def memory(self) -> int | None:
        """Bytes more that the modules hold afterwards, negative if less, about.

        None if that is not known of every module.
        """
        total = 0
        for step in self.steps:
            if step.action in (Action.INSMOD, Action.RMMOD):
                if step.memory is None:
                    return None
                total += step.memory if step.action is Action.INSMOD else -step.memory
        return total
