"""A simulated kernel: it loads and unloads modules in a directory the way Linux does.

It boots a recording: the files of a machine (/proc, /sys, /lib/modules), and what is
recorded of each module (see `recorded_module`). `insert` and `delete` implement
`init_module(2)` and `delete_module(2)` following `kernel/module/main.c`; `load` and
`unload` run the simulated modprobe. Where it differs from a real kernel, it is wrong.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kmodtui.demo.inserted_module import inserted_module, read_image
from kmodtui.demo.modprobe import Modprobe, Outcome
from kmodtui.demo.moments import Call, Moment, Point, at_once
from kmodtui.demo.parameters import KERN_ERR, KERN_WARNING, RefusedValueError, parsed_parameters
from kmodtui.demo.recorded_module import RecordedModule
from kmodtui.demo.recording import Recording, write_files
from kmodtui.demo.simulated_host import SimulatedHost
from kmodtui.demo.simulated_module import SimulatedModule
from kmodtui.demo.system_folder import SystemFolder
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.kernel.uevents import SEQUENCE, ModuleUevent
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import TAINTS, ModuleState
from kmodtui.model.text import decode

InitError = Callable[[Mapping[str, str]], int]
"""A module's init function: takes its parameters as shown in /sys, returns 0 or an errno."""

# How many times a second load of a module checks whether the first one has finished.
_RETRIES = 1500
# The kernel logs these messages only for the first tainting module since boot.
_LOGGED_ONCE = ("taints kernel", "tainting kernel")


def _nbd_init(parameters: Mapping[str, str]) -> int:
    # DISK_MAX_PARTS is 256, including the disk itself.
    return 0 if 0 <= int(parameters.get("max_part", "0")) <= 255 else errno.EINVAL


class SimulatedKernel:
    """The kernel of one simulated machine. Not thread-safe.

    Attributes:
        folder: the machine's files; tests may change them: `folder.write(PATH, DATA)`.
        host: the machine, for the readers in `kernel/`.
        release: its kernel release.
        index: modules.dep and depmod's other files.
        modprobe: the simulated modprobe, to run it step by step.
        log: the kernel log since the simulation was started.
        init_errors: init functions that can fail, by module; tests may add some.
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
            recording: the machine and its modules.
            folder: an empty directory; `root` in it becomes the machine's `/`.
            clock: returns seconds, for the timestamps of the kernel log.

        Raises:
            OSError: the files cannot be written.
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
        self._inserted: dict[str, RecordedModule] = {}
        uptime = decode(self.folder.read("/proc/uptime")).split()
        self._clock = clock
        self._booted = clock() - (float(uptime[0]) if uptime else 0.0)
        self._listeners: list[Callable[[ModuleUevent], None]] = []
        self._appended: dict[str, bytes] = {}
        self._uevents = 1000
        self.folder.write(SEQUENCE, f"{self._uevents}\n".encode())
        self._boot()

    # What another shell can do

    def load(self, name: str, *parameters: str) -> Outcome:
        """Run `modprobe NAME KEY=VALUE…`."""
        return at_once(self.modprobe.load(name, parameters))

    def unload(self, *names: str) -> Outcome:
        """Run `modprobe -r NAME…`."""
        return at_once(self.modprobe.unload(names))

    def hold(self, name: str, count: int = 1) -> None:
        """Take references to a module, as a mount or an open file does.

        Args:
            name: a loaded module.
            count: how many; a negative number releases them.

        Raises:
            KeyError: the module is not loaded.
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
        """Append `data` to /proc/modules or /proc/kallsyms, now and whenever it is rewritten.

        This is for tests of malformed lines, which no real kernel writes.
        """
        self._appended[path] = self._appended.get(path, b"") + data
        self._publish(symbols=path == "/proc/kallsyms")

    def on_uevent(self, listener: Callable[[ModuleUevent], None]) -> Callable[[], None]:
        """Call `listener` at each module uevent; return a function that removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # Its state

    @property
    def loaded(self) -> tuple[str, ...]:
        """The modules in /proc/modules, newest first."""
        return tuple(module.name for module in self._modules)

    @property
    def recorded(self) -> tuple[str, ...]:
        """The names of all recorded modules, sorted."""
        return tuple(sorted(self._recorded))

    def recording(self, name: str) -> RecordedModule | None:
        """Return the recording of a module; None if there is none.

        Of a module that was inserted from a file, it is what that file contains.
        """
        if name in self._inserted:
            return self._inserted[name]
        files = self._recorded.get(name)
        path = self.index.path_of(name)
        file = self.folder.locate(path) if path else None
        return RecordedModule(name, files, file) if files else None

    def state(self, name: str) -> ModuleState | None:
        """Return a module's state; None if it is not loaded."""
        module = self._find(name)
        return module.state if module else None

    def refcount(self, name: str) -> int:
        """Return the reference count of a module.

        Raises:
            KeyError: the module is not loaded.
        """
        return self._loaded(name).refcount

    # The two system calls

    def insert(self, name: str, parameters: Sequence[str] = ()) -> Call:
        """Load one module, without its dependencies: `init_module(2)`.

        Returns:
            0, or an errno: EEXIST (already loaded), EBUSY (another load of it failed
            meanwhile), ENOENT (unresolved symbol, or the module is not recorded), EINVAL,
            ERANGE or ENOSPC (invalid parameter), or the error of its init function.
        """
        if self.state(name) is not None:
            for _ in range(_RETRIES):
                if self.state(name) is not ModuleState.LOADING:
                    break
                yield Moment(name, Point.AWAITED)
            return errno.EEXIST if self.state(name) is ModuleState.LIVE else errno.EBUSY
        recorded = self.recording(name)
        if recorded is None:
            self.printk(KERN_ERR, f"{name}: this module is not in the demo's recording")
            return errno.ENOENT
        for dependency in recorded.depends:
            if self.state(dependency) is not ModuleState.LIVE:
                self.printk(
                    KERN_WARNING, f"{name}: Unknown symbol {self._symbol_of(dependency)} (err -2)"
                )
                return errno.ENOENT
        module = self._enter(recorded)
        yield Moment(name, Point.LOADING)
        try:
            values = parsed_parameters(name, recorded.parameter_types, parameters, self.printk)
        except RefusedValueError as refusal:
            yield from self._discard(module)
            return refusal.errno
        self._make_sysfs(module, recorded, values)
        yield Moment(name, Point.COMING)
        init_error = self.init_errors.get(name)
        if init_error is not None and (failure := init_error(values)):
            yield from self._discard(module)
            return failure
        module.holds = recorded.references
        self._add_references(module.holds, 1)
        for level, text in recorded.load_log:
            if not (self._is_tainted and any(words in text for words in _LOGGED_ONCE)):
                self.printk(level, text)
        self._taint(module.taints)
        module.state = ModuleState.LIVE
        self._show(module)
        self._announce("add", name)
        yield Moment(name, Point.LIVE)
        module.init_size = 0
        module.references -= 1  # the kernel holds one while init runs
        module.rows = recorded.rows
        self._show(module, symbols=True)
        yield Moment(name, Point.TRIMMED)
        return 0

    def insert_file(self, image: bytes, parameters: Sequence[str] = ()) -> Call:
        """Insert a module file that is not the index's: `init_module(2)` with its content.

        Returns:
            0, or an errno as `insert`; ENOEXEC for a file that is not a module, or is one of
            another kernel.
        """
        parsed = read_image(image)
        if parsed is None:
            return errno.ENOEXEC
        elf, info = parsed
        name = info.module_name
        if self.state(name) is not None:
            return (yield from self.insert(name, parameters))
        if info.vermagic not in ("", self._vermagic):
            self.printk(
                KERN_ERR,
                f"{name}: version magic '{info.vermagic}' should be '{self._vermagic}'",
            )
            return errno.ENOEXEC
        recorded = self.recording(name)
        if recorded is None or recorded.file is None or recorded.file.read_bytes() != image:
            file = f"/run/inserted/{name}.ko"
            self.folder.write(file, image)
            self._inserted[name] = inserted_module(elf, info, self.folder.locate(file), recorded)
        failure = yield from self.insert(name, parameters)
        if failure:
            self._inserted.pop(name, None)
        return failure

    def delete(self, name: str) -> Call:
        """Unload one module: `delete_module(2)` with O_NONBLOCK.

        Returns:
            0, or an errno: ENOENT (not loaded), EAGAIN (in use), EBUSY (permanent, or not
            Live).
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
        self._add_references(module.holds, -1)
        self._remove_sysfs(module)
        self._announce("remove", name)
        yield Moment(name, Point.TORN_DOWN)
        self._drop(module)
        self._inserted.pop(name, None)
        yield Moment(name, Point.GONE)
        return 0

    # Implementation

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
        for dependency in map(self._loaded, module.depends):
            dependency.users.insert(0, module.name)
            self._show_attributes(dependency)
        self._publish(symbols=True)
        return module

    def _drop(self, module: SimulatedModule) -> None:
        self._modules.remove(module)
        for dependency in map(self._loaded, module.depends):
            dependency.users.remove(module.name)
            self._show_attributes(dependency)
        self._publish(symbols=True)

    def _discard(self, module: SimulatedModule) -> Generator[Moment, None, None]:
        """Remove a module whose load has failed: without a uevent or freeing its init section."""
        module.state = ModuleState.UNLOADING
        self._show(module)
        yield Moment(module.name, Point.UNLOADING)
        self._remove_sysfs(module)
        self._drop(module)

    def _add_references(self, references: Mapping[str, int], sign: int) -> None:
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
            # A parameter with permissions 0 is accepted but has no file.
            if path in files:
                files[path] = files[path]._replace(data=data)
        self.folder.install(f"/sys/module/{module.name}", files, empty=("holders",))
        for name in module.depends:
            self.folder.link(f"/sys/module/{name}/holders/{module.name}", f"../../{module.name}")

    def _remove_sysfs(self, module: SimulatedModule) -> None:
        for name in module.depends:
            self.folder.remove(f"/sys/module/{name}/holders/{module.name}")
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
        """Rewrite /proc/modules, and /proc/kallsyms if `symbols` have changed."""
        if symbols:
            self.folder.write(
                "/proc/kallsyms",
                self._core,
                *(module.rows for module in self._modules),
                self._pseudo,
                self._appended.get("/proc/kallsyms", b""),
            )
        self.folder.write(
            "/proc/modules",
            *(module.proc_line.encode() for module in self._modules),
            self._appended.get("/proc/modules", b""),
        )

    def _announce(self, action: str, name: str) -> None:
        self._uevents += 1
        self.folder.write(SEQUENCE, f"{self._uevents}\n".encode())
        for listener in tuple(self._listeners):
            listener(ModuleUevent(action, name, self._uevents))

    @property
    def _vermagic(self) -> str:
        """The version magic of this kernel's own modules, which it compares with."""
        for name in self.index.names:
            with suppress(KmodtuiError):
                return self.index.read_info(name).vermagic
        return ""

    @property
    def _is_tainted(self) -> bool:
        return decode(self.folder.read("/proc/sys/kernel/tainted")).strip() not in ("", "0")

    def _taint(self, flags: str) -> None:
        """Add a module's taint flags to those of the kernel, where they stay until reboot."""
        bits = int(self.folder.read("/proc/sys/kernel/tainted").strip() or b"0")
        order = list(TAINTS)
        for flag in flags:
            if flag in order:
                bits |= 1 << order.index(flag)
        if flags:
            self.folder.write("/proc/sys/kernel/tainted", f"{bits}\n".encode())

    def _symbol_of(self, module: str) -> str:
        """Return the name of a symbol of `module`."""
        recorded = self.recording(module)
        rows = decode(recorded.rows).splitlines() if recorded else []
        names = (row.split("\t")[0].split(" ", 2)[2] for row in rows if row.count(" ") >= 2)
        return next(names, f"{module}_symbol")
