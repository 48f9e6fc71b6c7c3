"""A simulated modprobe: it makes the two system calls, prints messages and exits like the real one.

Follows kmod's `tools/modprobe.c`, version 30. Which modules it loads or unloads, and in
which order, is computed as for a plan, see `model.probe_list` and `model.removal`; the
tests compare that with the real modprobe. Commands of install and remove rules are not run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kmodtui.demo.moments import Call, Moment
from kmodtui.kernel.index.configured import ConfiguredIndex, configured
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.model.block.lines import only_logs
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modprobe_rules import Found, option_words
from kmodtui.model.modules import ModuleState
from kmodtui.model.plan.plan import Action
from kmodtui.model.plan.removal import InUseError, removal
from kmodtui.model.probe_list import probe_list, show_depends

PATH = "/sbin/modprobe"
RMMOD = "/sbin/rmmod"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of running modprobe.

    Attributes:
        command: the command line.
        exit: its exit status; 0 does not prove that anything was done.
        errno: the error of the system call that failed, or of an equivalent check of modprobe;
            None if there was none.
        output: what it printed.
        log: the kernel log records of that time.
    """

    command: tuple[str, ...] = ()
    exit: int = 0
    errno: int | None = None
    output: str = ""
    log: tuple[LogRecord, ...] = ()


Run = Generator[Moment, None, Outcome]
"""A running modprobe."""


class SystemCalls(Protocol):
    """The part of a kernel that modprobe uses."""

    log: list[LogRecord]

    def insert(self, name: str, parameters: Sequence[str]) -> Call:
        """Call `init_module(2)`."""
        ...

    def delete(self, name: str) -> Call:
        """Call `delete_module(2)`."""
        ...

    def state(self, name: str) -> ModuleState | None:
        """Return a module's state; None if it is not loaded."""
        ...

    def refcount(self, name: str) -> int:
        """Return the reference count of a loaded module."""
        ...


@dataclass
class Modprobe:
    """The modprobe of one simulated machine.

    Attributes:
        kernel: the kernel that it calls.
        index: depmod's index.
    """

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
        output = _Output()
        began = len(self.kernel.log)
        separator = command.index("--")
        words = command[separator + 1 :]
        failure = 0
        try:
            if command[0] == RMMOD:
                for name in words:
                    failure = (yield from self._rmmod(name, output)) or failure
            elif "-r" in command[:separator]:
                for name in words:
                    failure = (yield from self._unload(name, output)) or failure
            else:
                failure = yield from self._load(words[0], words[1:], output)
        except _FatalError as fatal:
            output.lines.append(f"modprobe: FATAL: {fatal}")
            failure = fatal.errno
        return Outcome(
            command=tuple(command),
            exit=1 if failure else 0,
            errno=failure or None,
            output="".join(f"{line}\n" for line in (*output.lines, *output.buffered)),
            log=tuple(self.kernel.log[began:]),
        )

    def show_depends(self, module: str) -> str:
        """Return what `modprobe --show-depends` prints: `insmod PATH` for each module, in order."""
        lines = show_depends(module, (), configured(self.index))
        return "".join(f"{line}\n" for line in lines)

    def _load(self, name: str, parameters: Sequence[str], output: _Output) -> Call:
        lookup = configured(self.index)
        found = lookup.find(name)
        if not found:
            raise _FatalError(
                errno.ENOENT, f"Module {name} not found in directory {self.index.folder}"
            )
        failure = 0
        for target in found:
            failure = yield from self._load_with_dependencies(target, parameters, lookup, output)
            if failure == errno.ENOENT:
                reason = "Unknown symbol in module, or unknown parameter (see dmesg)"
                output.error(f"could not insert '{target.name}': {reason}")
            elif failure:
                output.error(f"could not insert '{target.name}': {os.strerror(failure)}")
        return failure

    def _load_with_dependencies(
        self, target: Found, parameters: Sequence[str], lookup: ConfiguredIndex, output: _Output
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
                output.buffered.append(f"install {rule.value} {words}")
                if only_logs(rule.value):
                    failure = yield from self.kernel.insert(probe.name, option_words(words))
                else:
                    failure = self._command("install", probe.name, rule.value, output)
            elif path := lookup.path_of(probe.name):
                output.buffered.append(f"insmod {path} {words}")
                unquoted = [_unquoted(word) for word in option_words(words)]
                failure = yield from self.kernel.insert(probe.name, unquoted)
            else:
                failure = errno.ENOENT
            if failure and failure != errno.EEXIST and probe.required:
                return failure
        return 0

    def _unload(self, name: str, output: _Output) -> Call:
        lookup = configured(self.index)
        found = lookup.find(name)
        if not found:
            raise _FatalError(errno.ENOENT, f"Module {name} not found.")
        for target in found:
            if target.builtin or lookup.is_builtin(target.name):
                raise _FatalError(errno.ENOENT, f"Module {target.name} is builtin.")
            if failure := (yield from self._remove(target.name, lookup, output)):
                return failure
        return 0

    def _remove(self, module: str, lookup: ConfiguredIndex, output: _Output) -> Call:
        steps = removal(module, lookup, self)
        answer: int | None = None
        try:
            while True:
                step = next(steps) if answer is None else steps.send(answer)
                if step.action is Action.REMOVE:
                    output.lines.append(f"remove {step.command}")
                    answer = self._command("remove", step.module, step.command, output)
                else:
                    answer = yield from self._rmmod(step.module, output)
        except StopIteration as end:
            return int(end.value)
        except InUseError as error:
            raise _FatalError(errno.EAGAIN, f"Module {error.name} is in use.") from None

    def _command(self, kind: str, module: str, command: str, output: _Output) -> int:
        """Return the result of a rule's command: `false` fails, others succeed and do nothing."""
        if os.path.basename(command.split()[0]) != "false":
            return 0
        output.error(f"Error running {kind} command '{command}' for module {module}: retcode 1")
        return errno.EINVAL

    def _rmmod(self, module: str, output: _Output) -> Call:
        output.lines.append(f"rmmod {module}")
        failure = yield from self.kernel.delete(module)
        if failure:
            where = "../libkmod/libkmod-module.c:856 kmod_module_remove_module()"
            output.error(f"{where} could not remove '{module}': {os.strerror(failure)}")
        return failure

    def refcount(self, name: str) -> int | None:
        """Return a module's reference count; None if it is not loaded."""
        return None if self.kernel.state(name) is None else self.kernel.refcount(name)

    def _is_live(self, module: str) -> bool:
        return self.kernel.state(module) is ModuleState.LIVE


def _unquoted(word: str) -> str:
    """Return `name="a b"` or `"name=a b"` as the kernel parses it: `name=a b`; see `next_arg`."""
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return f"{name}{equals}{value}"


class _FatalError(Exception):
    """modprobe prints this message and exits at once.

    Attributes:
        errno: the error that the system call would have returned.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.errno = number


@dataclass
class _Output:
    """What modprobe has printed.

    Attributes:
        lines: what is printed immediately.
        buffered: standard output of a load: it is not a terminal, so it is flushed at exit.
    """

    lines: list[str] = field(default_factory=list)
    buffered: list[str] = field(default_factory=list)

    def error(self, text: str) -> None:
        self.lines.append(f"modprobe: ERROR: {text}")
