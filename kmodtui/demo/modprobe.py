"""What modprobe makes of the two system calls: what it says, and how it exits.

After kmod's `tools/modprobe.c`, version 30. What it goes through and in which order is
worked out as for a plan, see `model.probe_list` and `model.removal`: whether that is
right is shown against the real one. Commands of install and remove rules are not run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kmodtui.demo.moments import Call, Moment
from kmodtui.kernel.catalog import ModuleIndex
from kmodtui.kernel.configured_index import ConfiguredIndex, configured
from kmodtui.model.modprobe_rules import Found, option_words
from kmodtui.model.modules import ModuleState
from kmodtui.model.plan import Action
from kmodtui.model.probe_list import probe_list, show_depends
from kmodtui.model.removal import InUseError, removal
from kmodtui.privileged.protocol import LogRecord

PATH = "/sbin/modprobe"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of modprobe ended.

    Attributes:
        command: what was run.
        exit: its exit status; 0 does not prove that anything happened.
        errno: what the refused system call answered, or would have; None if none was refused.
        output: what it printed.
        log: what the kernel logged meanwhile.
    """

    command: tuple[str, ...] = ()
    exit: int = 0
    errno: int | None = None
    output: str = ""
    log: tuple[LogRecord, ...] = ()


Run = Generator[Moment, None, Outcome]
"""modprobe under way."""


class SystemCalls(Protocol):
    """What modprobe needs of a kernel."""

    log: list[LogRecord]

    def insert(self, name: str, parameters: Sequence[str]) -> Call:
        """Call `init_module(2)`."""
        ...

    def delete(self, name: str) -> Call:
        """Call `delete_module(2)`."""
        ...

    def state(self, name: str) -> ModuleState | None:
        """Return a module's state, None if it is not loaded."""
        ...

    def refcount(self, name: str) -> int:
        """Return how often a loaded module is referred to."""
        ...


@dataclass
class Modprobe:
    """modprobe on one simulated machine."""

    kernel: SystemCalls
    index: ModuleIndex

    def load(self, name: str, parameters: Sequence[str] = ()) -> Run:
        """Run `modprobe -v -- NAME KEY=VALUE…`."""
        return self.run((PATH, "-v", "--", name, *parameters))

    def unload(self, names: Sequence[str]) -> Run:
        """Run `modprobe -v -r -- NAME…`."""
        return self.run((PATH, "-v", "-r", "--", *names))

    def run(self, command: Sequence[str]) -> Run:
        """Run a command line: options, `--`, then a module and its parameters, or modules."""
        said = _Said()
        began = len(self.kernel.log)
        separator = command.index("--")
        words = command[separator + 1 :]
        failure = 0
        try:
            if "-r" in command[:separator]:
                for name in words:
                    failure = (yield from self._unload(name, said)) or failure
            else:
                failure = yield from self._load(words[0], words[1:], said)
        except _FatalError as fatal:
            said.lines.append(f"modprobe: FATAL: {fatal}")
            failure = fatal.errno
        return Outcome(
            command=tuple(command),
            exit=1 if failure else 0,
            errno=failure or None,
            output="".join(f"{line}\n" for line in (*said.lines, *said.buffered)),
            log=tuple(self.kernel.log[began:]),
        )

    def show_depends(self, module: str) -> str:
        """Return what `modprobe --show-depends` prints: `insmod PATH` for each module, in order."""
        lines = show_depends(module, (), configured(self.index))
        return "".join(f"{line}\n" for line in lines)

    def _load(self, name: str, parameters: Sequence[str], said: _Said) -> Call:
        lookup = configured(self.index)
        found = lookup.find(name)
        if not found:
            raise _FatalError(
                errno.ENOENT, f"Module {name} not found in directory {self.index.folder}"
            )
        failure = 0
        for target in found:
            failure = yield from self._load_with_needs(target, parameters, lookup, said)
            if failure == errno.ENOENT:
                reason = "Unknown symbol in module, or unknown parameter (see dmesg)"
                said.error(f"could not insert '{target.name}': {reason}")
            elif failure:
                said.error(f"could not insert '{target.name}': {os.strerror(failure)}")
        return failure

    def _load_with_needs(
        self, target: Found, parameters: Sequence[str], lookup: ConfiguredIndex, said: _Said
    ) -> Call:
        if self._is_live(target.name) or target.builtin or lookup.is_builtin(target.name):
            return 0
        if target.alias and lookup.blacklisted(target.name):
            return 0
        for probe in probe_list(target, lookup):
            if self._is_live(probe.name) or probe.is_builtin(lookup):
                continue
            words = probe.words(lookup, parameters if probe.found is target else ())
            if rule := probe.install(lookup):
                said.buffered.append(f"install {rule.value} {words}")
                failure = self._command("install", probe.name, rule.value, said)
            elif path := lookup.path_of(probe.name):
                said.buffered.append(f"insmod {path} {words}")
                taken = [_unquoted(word) for word in option_words(words)]
                failure = yield from self.kernel.insert(probe.name, taken)
            else:
                failure = errno.ENOENT
            if failure and failure != errno.EEXIST and probe.required:
                return failure
        return 0

    def _unload(self, name: str, said: _Said) -> Call:
        lookup = configured(self.index)
        found = lookup.find(name)
        if not found:
            raise _FatalError(errno.ENOENT, f"Module {name} not found.")
        for target in found:
            if target.builtin or lookup.is_builtin(target.name):
                raise _FatalError(errno.ENOENT, f"Module {target.name} is builtin.")
            if failure := (yield from self._remove(target.name, lookup, said)):
                return failure
        return 0

    def _remove(self, module: str, lookup: ConfiguredIndex, said: _Said) -> Call:
        steps = removal(module, lookup, self)
        answer: int | None = None
        try:
            while True:
                step = next(steps) if answer is None else steps.send(answer)
                if step.action is Action.REMOVE:
                    said.lines.append(f"remove {step.command}")
                    answer = self._command("remove", step.module, step.command, said)
                else:
                    answer = yield from self._rmmod(step.module, said)
        except StopIteration as end:
            return int(end.value)
        except InUseError as error:
            raise _FatalError(errno.EAGAIN, f"Module {error.name} is in use.") from None

    def _command(self, kind: str, module: str, command: str, said: _Said) -> int:
        """Return how a rule's command ends: `false` fails, the others are taken to do nothing."""
        if os.path.basename(command.split()[0]) != "false":
            return 0
        said.error(f"Error running {kind} command '{command}' for module {module}: retcode 1")
        return errno.EINVAL

    def _rmmod(self, module: str, said: _Said) -> Call:
        said.lines.append(f"rmmod {module}")
        failure = yield from self.kernel.delete(module)
        if failure:
            where = "../libkmod/libkmod-module.c:856 kmod_module_remove_module()"
            said.error(f"{where} could not remove '{module}': {os.strerror(failure)}")
        return failure

    def refcount(self, name: str) -> int | None:
        """Return how often a module is referred to; None if it is not loaded."""
        return None if self.kernel.state(name) is None else self.kernel.refcount(name)

    def _is_live(self, module: str) -> bool:
        return self.kernel.state(module) is ModuleState.LIVE


def _unquoted(word: str) -> str:
    """Return `name="a b"` or `"name=a b"` as the kernel takes it: `name=a b`; see `next_arg`."""
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return f"{name}{equals}{value}"


class _FatalError(Exception):
    """modprobe ends at once with this message, whatever it had still to do.

    Attributes:
        errno: what the system call would have answered.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.errno = number


@dataclass
class _Said:
    """What modprobe has printed.

    Attributes:
        lines: what appears at once.
        buffered: what appears when it ends: the standard output of a load, which is no terminal.
    """

    lines: list[str] = field(default_factory=list)
    buffered: list[str] = field(default_factory=list)

    def error(self, text: str) -> None:
        self.lines.append(f"modprobe: ERROR: {text}")
