"""Gathers what pages about modules are made from: of the system once, of each module when asked.

Reads many files: not for the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.kernel.hwdata import read_hardware_names
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import index_or_empty
from kmodtui.kernel.initramfs import (
    UnreadableInitramfsError,
    find_initramfs,
    read_initramfs_modules,
)
from kmodtui.kernel.load_lists import read_listings
from kmodtui.kernel.loaders import read_loaders
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config
from kmodtui.kernel.modprobe.file import parse_softdep
from kmodtui.kernel.module_file.build import read_build
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.registered import read_running_kernel
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.kernel.system import read_system
from kmodtui.model.about.facts import (
    BusDevice,
    Listing,
    ModuleFacts,
    ObservedLoad,
    RunningKernel,
)
from kmodtui.model.build import BuildFacts
from kmodtui.model.category import category
from kmodtui.model.graph import direct
from kmodtui.model.hardware_names import HardwareNames
from kmodtui.model.log.query import names_module
from kmodtui.model.modprobe_rules import Rule, RuleKind
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, canonical
from kmodtui.model.origin import Origin
from kmodtui.model.text import clean
from kmodtui.model.usage import NO_USAGE, Usage
from kmodtui.services.origins import Origins
from kmodtui.services.usage import usage_of

_MOST_LOG_LINES = 5
_MOST_RECORDS = 100_000


class SystemFacts:
    """One reading of a system, for pages about any of its modules."""

    def __init__(
        self,
        host: Host,
        release: str,
        index: ModuleIndex | None,
        index_problem: str = "",
        *,
        names: HardwareNames | None = None,
        origins: Origins | None = None,
    ) -> None:
        """Prepare to read; everything is read when it is first needed.

        Args:
            host: the system.
            release: the kernel release of the modules.
            index: its index; None without one.
            index_problem: why there is none, in a sentence.
            names: names of hardware that have been read already.
            origins: the files of loaded modules that are not in the index, if they are known.
        """
        self.host = host
        self.release = release
        self.index = index
        self._index_problem = index_problem
        self._given_names = names
        self._origins = origins

    def know(self, name: str) -> bool:
        """Return whether a module is loaded, built in, or has a file."""
        index = self.index
        return name in self._table.by_name or (
            index is not None and (name in index or index.is_builtin(name))
        )

    def resolve(self, text: str) -> tuple[str, ...]:
        """Return the modules that a name or alias stands for.

        Raises:
            UnknownModuleError: there is none.
        """
        name = canonical(text)
        if self.know(name):
            return (name,)
        found = self.index.resolve(text) if self.index is not None else ()
        if not found and self._is_shown_as_builtin(name):
            return (name,)
        if not found and self.index is not None:
            raise self.index.unknown(text)
        if not found:
            raise UnknownModuleError(f"No module {clean(text)} is loaded.", self._index_problem)
        return found

    def _is_shown_as_builtin(self, name: str) -> bool:
        """Return whether /sys/module shows built-in code of this name, without any index."""
        return self.index is None and index_or_empty(self.host, self.release).is_builtin(name)

    # Of one module

    def about(self, name: str) -> ModuleFacts:
        """Return what the first page about a module is made from."""
        return replace(self._facts(name, {}), build=self._build(name))

    def why(self, name: str, observed: ObservedLoad | None = None) -> ModuleFacts:
        """Return what the second page is made from, which takes longer: it reads all of /etc.

        Args:
            name: the module.
            observed: its last load that kmodtui saw.
        """
        loaded = self._table.by_name.get(name)
        moving = loaded is not None and loaded.state is not ModuleState.LIVE
        return self._facts(
            name,
            {
                "listings": (*self._listings(name), *self._in_initramfs(name)),
                "initramfs_problem": self._initramfs[2],
                "observed": observed,
                "log": self._log(name) if moving else (),
                "loaders": read_loaders(self.host, name) if moving else (),
            },
        )

    def _facts(self, name: str, more: Mapping[str, object]) -> ModuleFacts:
        index, loaded = self.index, self._table.by_name.get(name)
        origin = self._origin(name)
        info, problem = self._info(name, origin)
        builtin = index.is_builtin(name) if index is not None else self._is_shown_as_builtin(name)
        place = index.place_of(name) if index is not None else ""
        config = self._config
        file = ""
        if index is not None and builtin:
            file = f"{index.folder}/modules.builtin.modinfo"
        elif index is not None:
            file = index.path_of(name) or ""
        if origin is not None:
            file = place = origin.path
        has_sysfs = self._is_running and (loaded is not None or builtin)
        return ModuleFacts(
            name=clean(name),
            release=self.release,
            loaded=loaded,
            builtin=builtin and loaded is None,
            place=place,
            file=clean(file),
            index=index.folder if index is not None else "",
            scanned=index is not None and index.scanned,
            problem=problem,
            category=category(place) if place else "",
            description=" ".join(info.description.split()) if info else "",
            intree=info.intree if info else False,
            aliases=info.aliases if info else (),
            firmware=info.firmware if info else (),
            parameters=info.parameters if info else (),
            values=read_parameters(self.host, name) if has_sysfs else (),
            options=config.options(name),
            dependencies=self._dependencies(name, loaded),
            dependents=self._dependents.get(name, ()),
            softdep_of=self._softdeps(name),
            blacklist=config.blacklisted(name),
            install=config.install(name),
            blocked=name in config.blocked,
            devices=self._devices_of.get(name, ()),
            rivals=self._modules_of,
            kernel=self._kernel if self._is_running else None,
            usage=self._usage_of(loaded),
            table_names=frozenset(self._table.by_name),
            names=self.names,
            **more,  # type: ignore[arg-type]
        )

    def _build(self, name: str) -> BuildFacts | None:
        origin = self._origin(name)
        path = origin.path if origin is not None else None
        if path is None and self.index is not None:
            path = self.index.path_of(name)
        try:
            return read_build(self.host, path) if path else None
        except KmodtuiError:
            return None  # the page says why its file cannot be read

    def _origin(self, name: str) -> Origin | None:
        if self._origins is None or not self._is_running or name not in self._table.by_name:
            return None
        return self._origins.of(name)

    def _info(self, name: str, origin: Origin | None) -> tuple[ModuleInfo | None, str]:
        try:
            if origin is not None and self._origins is not None:
                differs = self._origins.difference(name, origin)
                return read_module_file(self.host, origin.path), differs
            if self.index is None:
                return None, self._index_problem
            return self.index.read_info(name), ""
        except KmodtuiError as error:
            return None, str(error)

    def _dependencies(self, name: str, loaded: LoadedModule | None) -> tuple[str, ...]:
        if loaded is not None and loaded.refcount is not None:
            return tuple(other.name for other in self._table if name in other.users)
        return direct(self.index.dependencies, name) if self.index is not None else ()

    def _usage_of(self, loaded: LoadedModule | None) -> Usage:
        """Return what uses a module; the open files of processes only if something is missing."""
        if loaded is None:
            return NO_USAGE
        found = sum(use.references for use in self._usage.holders(loaded.name))
        if found >= loaded.other_references:
            return self._usage
        return self._usage_with_files

    def _softdeps(self, name: str) -> dict[str, Rule]:
        """Return the softdep rules that name a module, of loaded modules if it is loaded."""
        loaded = self._table.by_name
        return {
            rule.name: rule
            for rule in self._softdeps_on.get(name, ())
            if name not in loaded or rule.name in loaded
        }

    def _listings(self, name: str) -> tuple[Listing, ...]:
        commands = tuple(
            Listing(rule.source, f"a load of {rule.name} runs this command", str(rule), True)
            for rule in self._config.of(RuleKind.INSTALL)
            if name in map(canonical, rule.value.replace(";", " ").split())
        )
        return (*read_listings(self.host, name), *commands)

    def _in_initramfs(self, name: str) -> tuple[Listing, ...]:
        path, modules, _ = self._initramfs
        if name not in modules:
            return ()
        words = "in the initramfs, from which it may have been loaded"
        return (Listing(path, words, modules[name], possible=True),)

    def _log(self, name: str) -> tuple[str, ...]:
        """Return the last lines of the kernel log that mention a module, if it may be read."""
        try:
            log = self.host.kernel_log()
        except OSError:
            return ()
        try:
            texts = [clean(record.text) for record in log.read(_MOST_RECORDS)]
        except OSError:
            return ()
        finally:
            log.close()
        return tuple([text for text in texts if names_module(text, name)][-_MOST_LOG_LINES:])

    # Of the system

    @cached_property
    def _is_running(self) -> bool:
        return read_system(self.host).release in (None, self.release)

    @cached_property
    def _table(self) -> ModuleTable:
        if not self._is_running:
            return ModuleTable()
        try:
            return read_modules(self.host)
        except KmodtuiError:
            return ModuleTable()

    @cached_property
    def _config(self) -> ModprobeConfig:
        return read_modprobe_config(self.host, *(self.index.folders if self.index else ()))

    @cached_property
    def _kernel(self) -> RunningKernel:
        return read_running_kernel(self.host)

    @cached_property
    def names(self) -> HardwareNames:
        """Names of PCI and USB hardware."""
        return self._given_names or read_hardware_names(self.host)

    @cached_property
    def _usage(self) -> Usage:
        return usage_of(self.host, self.index, tuple(self._table.by_name), open_files=False)

    @cached_property
    def _usage_with_files(self) -> Usage:
        return usage_of(self.host, self.index, tuple(self._table.by_name))

    @cached_property
    def _dependents(self) -> dict[str, tuple[str, ...]]:
        """The installed modules that need each module, directly or not."""
        found: dict[str, list[str]] = {}
        if self.index is not None:
            for name in self.index.names:
                for needed in self.index.dependencies(name):
                    found.setdefault(needed, []).append(name)
        return {name: tuple(others) for name, others in found.items()}

    @cached_property
    def _modules_of(self) -> dict[str, tuple[str, ...]]:
        """The modules that match each device, by its path."""
        if not self._is_running or self.index is None:
            return {}
        known: dict[str, tuple[str, ...]] = {}
        for device in self._kernel.bus_devices:
            if device.modalias and device.modalias not in known:
                known[device.modalias] = self.index.resolve(device.modalias)
        return {d.path: known.get(d.modalias, ()) for d in self._kernel.bus_devices}

    @cached_property
    def _devices_of(self) -> dict[str, tuple[BusDevice, ...]]:
        """The devices that each module drives, and then those that it matches."""
        found: dict[str, list[BusDevice]] = {}
        if self._is_running:
            for device in self._kernel.bus_devices:
                for name in {device.module, *self._modules_of.get(device.path, ())} - {""}:
                    found.setdefault(name, []).append(device)
        return {
            name: tuple(sorted(devices, key=lambda device: device.module != name))
            for name, devices in found.items()
        }

    @cached_property
    def _softdeps_on(self) -> dict[str, tuple[Rule, ...]]:
        """The softdep rules in effect, by each module that they name."""
        found: dict[str, list[Rule]] = {}
        first: dict[str, Rule] = {}
        for rule in self._config.of(RuleKind.SOFTDEP):
            first.setdefault(rule.name, rule)
        for rule in first.values():
            softdep = parse_softdep(rule.value, rule.source)
            for text in (*softdep.pre, *softdep.post):
                names = {canonical(text), *(self.index.resolve(text) if self.index else ())}
                for name in names:
                    found.setdefault(name, []).append(rule)
        return {name: tuple(rules) for name, rules in found.items()}

    @cached_property
    def _initramfs(self) -> tuple[str, dict[str, str], str]:
        """The path of the initramfs, its modules, and why these cannot be read."""
        path = find_initramfs(self.host, self.release)
        try:
            return path, read_initramfs_modules(self.host, path) if path else {}, ""
        except PermissionError:
            return path, {}, f"{path} cannot be read without root privileges"
        except OSError as error:
            return path, {}, f"{path} cannot be read: {error.strerror}"
        except UnreadableInitramfsError as error:
            return path, {}, f"{path} cannot be read: {clean(str(error))}"
