"""A simulated kernel: modules come and go in a folder the way they do in Linux.

It boots a recording: a folder that looks like the machine (/proc, /sys,
/lib/modules), and what each module is like (see `recorded_module`). `insert` and
`delete` are `init_module(2)` and `delete_module(2)` after
`kernel/module/main.c`; `load` and `unload` are what modprobe makes of them.
Where this and a real kernel differ, this is wrong.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from kmodtui.demo.modprobe import Modprobe, Outcome
from kmodtui.demo.moments import Call, Moment, Point, at_once
from kmodtui.demo.parameters import KERN_ERR, KERN_WARNING, RefusedValueError, taken_parameters
from kmodtui.demo.recorded_module import RecordedModule
from kmodtui.demo.recording import Recording, write_files
from kmodtui.demo.simulated_host import SimulatedHost
from kmodtui.demo.simulated_module import SimulatedModule
from kmodtui.demo.system_folder import SystemFolder
from kmodtui.kernel.catalog import read_index
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.kernel.uevents import SEQUENCE, ModuleUevent
from kmodtui.model.modules import TAINTS, ModuleState
from kmodtui.model.text import decode
from kmodtui.privileged.protocol import LogRecord

InitError = Callable[[Mapping[str, str]], int]
"""Given a module's parameters as they are shown, what its init returns: 0 or the errno."""

# How often a second load of a module looks whether the first has come to an end.
_PATIENCE = 1500
# The kernel says these once per boot, whichever module is the first.
_SAID_ONCE = ("taints kernel", "tainting kernel")


def _nbd_init(parameters: Mapping[str, str]) -> int:
    # DISK_MAX_PARTS is 256, the disk itself being one of them.
    return 0 if 0 <= int(parameters.get("max_part", "0")) <= 255 else errno.EINVAL


class SimulatedKernel:
    """The modules of one simulated machine. To be used from one thread.

    Attributes:
        folder: the machine's files, to be written at will: `folder.write(PATH, DATA)`.
        host: the machine as the readers see it.
        index: its modules.dep and what belongs to it.
        modprobe: the tool, for whoever wants its steps one by one.
        log: the kernel log since the simulation began.
        init_errors: by module, what decides whether its init fails; add your own.
    """

    def __init__(
        self,
        recording: Recording,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Boot a recorded machine.

        Args:
            recording: what the machine and its modules are like.
            folder: an empty one; the machine's `/` becomes `root` in it.
            clock: seconds, for the times of log records.

        Raises:
            OSError: the machine cannot be written there.
        """
        loaded = parse_modules(recording.root["proc/modules"].data)
        holders = [f"sys/module/{module.name}/holders" for module in loaded]
        write_files(folder / "root", recording.root, holders)
        self.folder = SystemFolder(folder / "root", folder / "scratch")
        self.host = SimulatedHost(self.folder.root, self.on_uevent)
        self.release = decode(self.folder.read("/proc/sys/kernel/osrelease")).strip()
        self.index = read_index(self.host, self.release)
        self.modprobe = Modprobe(self, self.index)
        self.log: list[LogRecord] = []
        self.init_errors: dict[str, InitError] = {"nbd": _nbd_init}
        self._recorded = recording.modules
        uptime = decode(self.folder.read("/proc/uptime")).split()
        self._clock = clock
        self._booted = clock() - (float(uptime[0]) if uptime else 0.0)
        self._listeners: list[Callable[[ModuleUevent], None]] = []
        self._strange: dict[str, bytes] = {}
        self._uevents = 1000
        self.folder.write(SEQUENCE, f"{self._uevents}\n".encode())
        self._boot()

    # As another shell would

    def load(self, name: str, *parameters: str) -> Outcome:
        """Run `modprobe NAME KEY=VALUE…` to its end."""
        return at_once(self.modprobe.load(name, parameters))

    def unload(self, *names: str) -> Outcome:
        """Run `modprobe -r NAME…` to its end."""
        return at_once(self.modprobe.unload(names))

    def hold(self, name: str, count: int = 1) -> None:
        """Take references that no module holds, as a mount or an open file does.

        Args:
            name: a loaded module; KeyError if it is not.
            count: how many; negative gives them back.
        """
        module = self._loaded(name)
        module.references = max(0, module.references + count)
        self._show(module)

    def printk(self, level: int, text: str) -> LogRecord:
        """Add a record to the kernel log and return it."""
        microseconds = int((self._clock() - self._booted) * 1_000_000)
        sequence = self.log[-1].seq + 1 if self.log else 1000
        self.log.append(LogRecord(sequence, microseconds, level, text))
        return self.log[-1]

    def append(self, path: str, data: bytes) -> None:
        """Let /proc/modules or /proc/kallsyms end with `data` from now on, whatever is loaded.

        For what no well-behaved kernel writes. Other files stay as they are written.
        """
        self._strange[path] = self._strange.get(path, b"") + data
        self._publish(symbols=path == "/proc/kallsyms")

    def on_uevent(self, listener: Callable[[ModuleUevent], None]) -> Callable[[], None]:
        """Call `listener` at each module uevent; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # What there is

    @property
    def loaded(self) -> tuple[str, ...]:
        """The modules in /proc/modules, newest first."""
        return tuple(module.name for module in self._modules)

    @property
    def recorded(self) -> tuple[str, ...]:
        """The modules that can be loaded or are, by name."""
        return tuple(sorted(self._recorded))

    def recording(self, name: str) -> RecordedModule | None:
        """Return what was recorded of a module, None if nothing was."""
        files = self._recorded.get(name)
        path = self.index.path_of(name)
        file = self.folder.locate(path) if path else None
        return RecordedModule(name, files, file) if files else None

    def state(self, name: str) -> ModuleState | None:
        """Return a module's state, None if it is not loaded."""
        module = self._find(name)
        return module.state if module else None

    def refcount(self, name: str) -> int:
        """Return how often a loaded module is referred to; KeyError if it is not loaded."""
        return self._loaded(name).refcount

    # The two system calls

    def insert(self, name: str, parameters: Sequence[str] = ()) -> Call:
        """Load one module whose dependencies are there: `init_module(2)`.

        Returns:
            0; EEXIST or EBUSY (it is there, or was loading and failed), ENOENT (a symbol is
            missing, or the recording does not hold the module), EINVAL, ERANGE or ENOSPC (a
            parameter), or what its init says.
        """
        if self.state(name) is not None:
            for _ in range(_PATIENCE):
                if self.state(name) is not ModuleState.LOADING:
                    break
                yield Moment(name, Point.AWAITED)
            return errno.EEXIST if self.state(name) is ModuleState.LIVE else errno.EBUSY
        recorded = self.recording(name)
        if recorded is None:
            self.printk(KERN_ERR, f"{name}: the recording of this demo does not hold this module")
            return errno.ENOENT
        for needed in recorded.depends:
            if self.state(needed) is not ModuleState.LIVE:
                self.printk(
                    KERN_WARNING, f"{name}: Unknown symbol {self._symbol_of(needed)} (err -2)"
                )
                return errno.ENOENT
        module = self._enter(recorded)
        yield Moment(name, Point.LOADING)
        try:
            values = taken_parameters(name, recorded.parameter_types, parameters, self.printk)
        except RefusedValueError as refusal:
            yield from self._give_up(module)
            return refusal.errno
        self._make_sysfs(module, recorded, values)
        yield Moment(name, Point.COMING)
        init_error = self.init_errors.get(name)
        if init_error is not None and (failure := init_error(values)):
            yield from self._give_up(module)
            return failure
        module.holds = recorded.references
        self._refer(module.holds, 1)
        for level, text in recorded.load_log:
            if not (self._is_tainted and any(words in text for words in _SAID_ONCE)):
                self.printk(level, text)
        self._taint(module.taints)
        module.state = ModuleState.LIVE
        self._show(module)
        self._announce("add", name)
        yield Moment(name, Point.LIVE)
        module.init_size = 0
        module.references -= 1  # the kernel's own, while init ran
        module.rows = recorded.rows
        self._show(module, symbols=True)
        yield Moment(name, Point.TRIMMED)
        return 0

    def delete(self, name: str) -> Call:
        """Unload one module: `delete_module(2)` with O_NONBLOCK.

        Returns:
            0; ENOENT (not loaded), EAGAIN (in use), EBUSY (permanent, or not Live).
        """
        module = self._find(name)
        if module is None:
            return errno.ENOENT
        if module.users:
            return errno.EAGAIN
        if module.state is not ModuleState.LIVE or module.permanent:
            return errno.EBUSY
        if module.references:
            return errno.EAGAIN
        module.state, module.references = ModuleState.UNLOADING, -1
        self._show(module)
        yield Moment(name, Point.UNLOADING)
        recorded = self.recording(name)
        for level, text in recorded.unload_log if recorded else ():
            self.printk(level, text)
        self._refer(module.holds, -1)
        self._remove_sysfs(module)
        self._announce("remove", name)
        yield Moment(name, Point.TORN_DOWN)
        self._drop(module)
        yield Moment(name, Point.GONE)
        return 0

    # How it is done

    def _boot(self) -> None:
        table = parse_modules(self.folder.read("/proc/modules"))
        symbols = parse_symbols(self.folder.read("/proc/kallsyms"))
        self._core = symbols.core.raw
        self._pseudo = b"".join(rows.raw for rows in symbols.pseudo.values())
        self._modules = [
            SimulatedModule(
                name=line.name,
                size=line.size,
                permanent=line.permanent,
                taints=line.taints,
                address=line.address,
                references=line.other_references,
                users=list(line.users),
                rows=symbols.of(line.name).raw,
            )
            for line in table
        ]
        for module in self._modules:
            for user in filter(None, map(self._find, module.users)):
                user.depends.append(module.name)
            if recorded := self.recording(module.name):
                module.holds = recorded.references

    def _find(self, name: str) -> SimulatedModule | None:
        return next((module for module in self._modules if module.name == name), None)

    def _loaded(self, name: str) -> SimulatedModule:
        module = self._find(name)
        if module is None:
            raise KeyError(name)
        return module

    def _enter(self, recorded: RecordedModule) -> SimulatedModule:
        line = recorded.settled
        module = SimulatedModule(
            name=recorded.name,
            size=line.size,
            permanent=line.permanent,
            taints=line.taints,
            address=line.address,
            state=ModuleState.LOADING,
            init_size=recorded.init_size,
            references=1,
            depends=list(recorded.depends),
            rows=recorded.loading_rows,
        )
        self._modules.insert(0, module)
        for needed in map(self._loaded, module.depends):
            needed.users.insert(0, module.name)
            self._show_attributes(needed)
        self._publish(symbols=True)
        return module

    def _drop(self, module: SimulatedModule) -> None:
        self._modules.remove(module)
        for needed in map(self._loaded, module.depends):
            needed.users.remove(module.name)
            self._show_attributes(needed)
        self._publish(symbols=True)

    def _give_up(self, module: SimulatedModule) -> Generator[Moment, None, None]:
        """Take a module away whose load has failed: no uevent, and its init memory to the end."""
        module.state = ModuleState.UNLOADING
        self._show(module)
        yield Moment(module.name, Point.UNLOADING)
        self._remove_sysfs(module)
        self._drop(module)

    def _refer(self, references: Mapping[str, int], sign: int) -> None:
        for name, count in references.items():
            if self.state(name) is not None:
                self.hold(name, sign * count)

    def _make_sysfs(
        self, module: SimulatedModule, recorded: RecordedModule, values: Mapping[str, str]
    ) -> None:
        files = {
            path: file for path, file in recorded.sysfs.items() if not path.startswith("holders/")
        }
        shown = module.attributes | {
            f"parameters/{name}": f"{value}\n".encode() for name, value in values.items()
        }
        for path, data in shown.items():
            # A parameter with permissions 0 is taken and never shown.
            if path in files:
                files[path] = files[path]._replace(data=data)
        self.folder.install(f"/sys/module/{module.name}", files, empty=("holders",))
        for needed in module.depends:
            self.folder.link(f"/sys/module/{needed}/holders/{module.name}", f"../../{module.name}")

    def _remove_sysfs(self, module: SimulatedModule) -> None:
        for needed in module.depends:
            self.folder.remove(f"/sys/module/{needed}/holders/{module.name}")
        self.folder.remove(f"/sys/module/{module.name}")

    def _show(self, module: SimulatedModule, *, symbols: bool = False) -> None:
        self._show_attributes(module)
        self._publish(symbols=symbols)

    def _show_attributes(self, module: SimulatedModule) -> None:
        for name, value in module.attributes.items():
            path = f"/sys/module/{module.name}/{name}"
            if self.folder.exists(path) and self.folder.read(path) != value:
                self.folder.write(path, value)

    def _publish(self, *, symbols: bool = False) -> None:
        """Rewrite /proc/kallsyms, if that changed, and /proc/modules."""
        if symbols:
            self.folder.write(
                "/proc/kallsyms",
                self._core,
                *(module.rows for module in self._modules),
                self._pseudo,
                self._strange.get("/proc/kallsyms", b""),
            )
        self.folder.write(
            "/proc/modules",
            *(module.proc_line.encode() for module in self._modules),
            self._strange.get("/proc/modules", b""),
        )

    def _announce(self, action: str, name: str) -> None:
        self._uevents += 1
        self.folder.write(SEQUENCE, f"{self._uevents}\n".encode())
        for listener in tuple(self._listeners):
            listener(ModuleUevent(action, name, self._uevents))

    @property
    def _is_tainted(self) -> bool:
        return decode(self.folder.read("/proc/sys/kernel/tainted")).strip() not in ("", "0")

    def _taint(self, letters: str) -> None:
        """Taint the kernel as its module is; it stays so when the module goes."""
        bits = int(self.folder.read("/proc/sys/kernel/tainted").strip() or b"0")
        order = list(TAINTS)
        for letter in letters:
            if letter in order:
                bits |= 1 << order.index(letter)
        if letters:
            self.folder.write("/proc/sys/kernel/tainted", f"{bits}\n".encode())

    def _symbol_of(self, module: str) -> str:
        """Return the name of a function that `module` would bring."""
        recorded = self.recording(module)
        rows = decode(recorded.rows).splitlines() if recorded else []
        names = (row.split("\t")[0].split(" ", 2)[2] for row in rows if row.count(" ") >= 2)
        return next(names, f"{module}_symbol")
