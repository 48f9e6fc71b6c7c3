"""What is known about one module and its system, read once, from which pages are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmodtui.model.build import BuildFacts
from kmodtui.model.hardware_names import HardwareNames
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.modprobe_rules import Rule
from kmodtui.model.module_info import Parameter
from kmodtui.model.modules import LoadedModule
from kmodtui.model.plan.plan import Option
from kmodtui.model.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class BusDevice:
    """A device on a bus.

    Attributes:
        bus: such as `pci`.
        address: its name on the bus, such as `0000:00:1f.2`.
        path: its directory in /sys/bus.
        modalias: the alias by which a module is requested for it; empty if it has none.
        driver: the driver that is bound to it; empty if none is.
        module: the module of that driver; empty if none is bound, or the driver has no module.
    """

    bus: str
    address: str
    path: str
    modalias: str = ""
    driver: str = ""
    module: str = ""

    def __str__(self) -> str:
        """Return bus and address for a sentence: `PCI device 0000:00:1f.2`."""
        return f"{self.bus} device {self.address}"


@dataclass(frozen=True, slots=True)
class ClassDevice:
    """A device as programs see it, such as a network interface or a disk.

    Attributes:
        kind: `network interface`, `block device`, `input device`…
        name: such as `eth0`.
        path: its entry in /sys/class.
        modules: the modules of the drivers below which it exists, the nearest first.
    """

    kind: str
    name: str
    path: str
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it for a sentence: `network interface eth0`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A place in the configuration that names a module to be loaded.

    Attributes:
        source: `FILE:LINE`, or the parameter of the kernel command line.
        words: what is loaded from it and when, such as `loaded at boot by
            systemd-modules-load`.
        line: the line.
        possible: whether it is only possible that the module was loaded because of it.
    """

    source: str
    words: str
    line: str
    possible: bool = False


@dataclass(frozen=True, slots=True)
class ObservedLoad:
    """A load that happened while kmodtui was running.

    Attributes:
        when: the time of day, such as `12:03:05`.
        command: the command of kmodtui that caused it; empty if another program did.
    """

    when: str
    command: str = ""


@dataclass(frozen=True)
class RunningKernel:
    """What the running kernel shows that modules have registered.

    Attributes:
        file_systems: names in /proc/filesystems.
        algorithms: the drivers in /proc/crypto of each module.
        protocols: the protocols in /proc/net/protocols of each module.
        sound_cards: the cards in /proc/asound/modules of each module.
        class_devices: network interfaces, disks and other devices.
        bus_devices: all devices on buses.
    """

    file_systems: frozenset[str] = frozenset()
    algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protocols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sound_cards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_devices: tuple[ClassDevice, ...] = ()
    bus_devices: tuple[BusDevice, ...] = ()


@dataclass(frozen=True)
class ModuleFacts:
    """Everything that is known about one module.

    Attributes:
        name: the module.
        release: the kernel release of its file.
        scanned: whether there is no index, so that dependencies are what the files declare.
        loaded: its line of /proc/modules; None if it is not loaded.
        builtin: whether it is built into the kernel.
        place: its file, relative to the release's directory; empty if unknown.
        file: the file that its modinfo is from.
        index: the directory of the index, such as `/lib/modules/6.1.0`; empty without one.
        problem: why file or index cannot be read, in a sentence; empty if they can.
        category: such as `file system`.
        description: MODULE_DESCRIPTION.
        intree: whether it was built from the kernel's own source tree.
        aliases: all its aliases.
        firmware: files that it may request.
        parameters: those that it declares.
        values: the current values that the kernel shows.
        options: what modprobe.d and the kernel command line set.
        dependencies: the modules that it needs, direct ones only.
        dependents: installed modules that need it, directly or not.
        softdep_of: the softdep rules of other modules that name it, by module.
        blacklist: the rule that keeps it from being loaded by alias; None without one.
        install: the rule whose command runs in its place; None without one.
        blocked: whether the kernel refuses it (`module_blacklist=`).
        devices: devices in this machine that match its aliases or that it drives.
        rivals: the modules that match each of these devices as well, by path.
        kernel: what the running kernel shows; None for a kernel that is not running.
        usage: what uses the loaded modules.
        table_names: names of the loaded modules.
        listings: places in the configuration that name it.
        initramfs_problem: why the initramfs cannot be read, without a full stop; empty if it
            can.
        observed: the last load that kmodtui saw; None if it saw none.
        log: lines of the kernel log that may explain its state.
        loaders: programs that are loading or unloading it now: command and process.
        names: names of PCI and USB hardware.
        build: how its file was built; None without a file.
    """

    name: str
    release: str = ""
    scanned: bool = False
    loaded: LoadedModule | None = None
    builtin: bool = False
    place: str = ""
    file: str = ""
    index: str = ""
    problem: str = ""
    category: str = ""
    description: str = ""
    intree: bool = False
    aliases: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    values: tuple[ParameterValue, ...] = ()
    options: tuple[Option, ...] = ()
    dependencies: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    softdep_of: Mapping[str, Rule] = field(default_factory=dict)
    blacklist: Rule | None = None
    install: Rule | None = None
    blocked: bool = False
    devices: tuple[BusDevice, ...] = ()
    rivals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kernel: RunningKernel | None = None
    usage: Usage = NO_USAGE
    table_names: frozenset[str] = frozenset()
    listings: tuple[Listing, ...] = ()
    initramfs_problem: str = ""
    observed: ObservedLoad | None = None
    log: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()
    names: HardwareNames = field(default_factory=HardwareNames)
    build: BuildFacts | None = None

    @property
    def dependency_list(self) -> str:
        """Where the dependencies of all modules are from."""
        return self.index if self.scanned else f"{self.index}/modules.dep"

    @property
    def status(self) -> str:
        """Whether it is loaded, in a word or two."""
        if self.loaded is not None:
            return "loaded" if self.loaded.state == "Live" else str(self.loaded.state).lower()
        return "built in" if self.builtin else "not loaded"
