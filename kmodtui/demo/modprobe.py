"""What modprobe makes of the two system calls: order, softdeps, what it says, how it exits.

After kmod's `tools/modprobe.c` and `libkmod/libkmod-module.c`, version 30. The
recorded system has no rules in modprobe.d, so options, install commands and
blacklists are not followed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kmodtui.demo.moments import Call, Moment
from kmodtui.kernel.catalog import ModuleIndex
from kmodtui.model.modules import ModuleState
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
        return "".join(f"insmod {self.index.path_of(name)} \n" for name in self._load_order(module))

    def _files(self, name: str) -> tuple[str, ...]:
        """Return the modules with a file that a name or alias stands for."""
        return tuple(module for module in self.index.resolve(name) if module in self.index)

    def _modules(self, names: Sequence[str]) -> list[str]:
        return [module for name in names for module in self._files(name)]

    def _load(self, name: str, parameters: Sequence[str], said: _Said) -> Call:
        modules = self._files(name)
        if not modules:
            if self.index.is_builtin(name):
                return 0
            raise _FatalError(
                errno.ENOENT, f"Module {name} not found in directory {self.index.folder}"
            )
        failure = 0
        for module in modules:
            failure = yield from self._load_with_needs(module, parameters, said)
            if failure == errno.ENOENT:
                reason = "Unknown symbol in module, or unknown parameter (see dmesg)"
                said.error(f"could not insert '{module}': {reason}")
            elif failure:
                said.error(f"could not insert '{module}': {os.strerror(failure)}")
        return failure

    def _load_with_needs(self, target: str, parameters: Sequence[str], said: _Said) -> Call:
        if self._is_live(target):
            return 0
        required = {target, *self.index.dependencies(target)}
        for module in self._load_order(target):
            if self._is_live(module):
                continue
            given = parameters if module == target else ()
            said.buffered.append(f"insmod {self.index.path_of(module)} {' '.join(given)}")
            failure = yield from self.kernel.insert(module, given)
            if failure and failure != errno.EEXIST and module in required:
                return failure
        return 0

    def _load_order(self, target: str) -> list[str]:
        """Return what is inserted for `target`, in order; a module can stand there twice."""
        order: list[str] = []
        visited: set[str] = set()

        def with_needs(module: str) -> None:
            if module in visited:
                return
            visited.add(module)
            for needed in self.index.dependencies(module):
                with_softdeps(needed)
            with_softdeps(module)

        def with_softdeps(module: str) -> None:
            before, after = map(self._modules, self.index.softdeps(module))
            for soft in before:
                with_needs(soft)
            order.append(module)
            for soft in after:
                with_needs(soft)

        with_needs(target)
        return order

    def _unload(self, name: str, said: _Said) -> Call:
        modules = self._files(name)
        if not modules:
            found = "is builtin" if self.index.is_builtin(name) else "not found"
            raise _FatalError(errno.ENOENT, f"Module {name} {found}.")
        for module in modules:
            if failure := (yield from self._remove(module, said)):
                return failure
        return 0

    def _remove(self, module: str, said: _Said) -> Call:
        if not self._is_there(module):
            return 0
        before, after = map(self._modules, self.index.softdeps(module))
        for soft in reversed(after):
            yield from self._remove(soft, said)
        if self.kernel.refcount(module) > 0:
            raise _FatalError(errno.EAGAIN, f"Module {module} is in use.")
        if failure := (yield from self._rmmod(module, said)):
            return failure
        for needed in self.index.dependencies(module):
            if self._is_there(needed) and self.kernel.refcount(needed) == 0:
                yield from self._rmmod(needed, said)
        for soft in reversed(before):
            yield from self._remove(soft, said)
        return 0

    def _rmmod(self, module: str, said: _Said) -> Call:
        said.lines.append(f"rmmod {module}")
        failure = yield from self.kernel.delete(module)
        if failure:
            where = "../libkmod/libkmod-module.c:856 kmod_module_remove_module()"
            said.error(f"{where} could not remove '{module}': {os.strerror(failure)}")
        return failure

    def _is_live(self, module: str) -> bool:
        return self.kernel.state(module) is ModuleState.LIVE

    def _is_there(self, module: str) -> bool:
        return self.kernel.state(module) is not None


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
