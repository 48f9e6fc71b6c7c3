"""What the doctor's checks are made from, read once by `services.doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.modules import ModuleTable
from kmodtui.model.symbols.address import Hiding
from kmodtui.model.system import ProcessFacts, SystemFacts


@dataclass(frozen=True)
class BuildConfig:
    """The configuration that a kernel was built with.

    Attributes:
        file: its path.
        options: the options that are set, by name without `CONFIG_`.
    """

    file: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Protection:
    """What can refuse modules besides signatures; None if the system does not show it.

    Attributes:
        efi: whether the system was booted by UEFI firmware.
        secure_boot: whether Secure Boot is on.
        loadpin: whether LoadPin refuses modules from other file systems.
        security_modules: the names in /sys/kernel/security/lsm.
    """

    efi: bool = False
    secure_boot: bool | None = None
    loadpin: bool | None = None
    security_modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaintTrace:
    """What is known about a taint flag of the kernel.

    Attributes:
        modules: the loaded modules that have it.
        line: the last line of the kernel log about it; empty if there is none, or the log
            cannot be read.
    """

    modules: tuple[str, ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class UnloadedTaint:
    """A module that tainted the kernel and has been unloaded since.

    Attributes:
        name: of the module.
        flags: its taint flags.
    """

    name: str
    flags: str


@dataclass(frozen=True, slots=True)
class DuplicateLoad:
    """A module that was loaded although it was loaded or loading already.

    Attributes:
        name: of the module.
        times: how often the kernel refused that.
    """

    name: str
    times: int


@dataclass(frozen=True)
class LoadStatistics:
    """What the kernel has counted since boot.

    Attributes:
        failed: failed loads by the step at which they failed: `kread`, `decompress`,
            `becoming` (checks before memory is allocated) and `load` (after that).
        duplicates: the modules among them that were there already, most frequent first.
    """

    failed: Mapping[str, int] = field(default_factory=dict)
    duplicates: tuple[DuplicateLoad, ...] = ()


@dataclass(frozen=True)
class DkmsModule:
    """A version of a package that DKMS builds for each kernel.

    Attributes:
        package: its name.
        version: its version.
        folder: its directory.
        built: the names of the built modules by kernel release.
        installed: the kernel releases that this version is installed for.
    """

    package: str
    version: str
    folder: str
    built: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    installed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that is run as modprobe.

    Attributes:
        kind: `kmod`, `BusyBox`, or empty if it is another one.
        path: of modprobe.
        program: what that is a link to; the same as `path` if it is not a link.
        version: of kmod; empty if unknown.
        features: what kmod was built with, such as `+ZSTD` and `-XZ`.
    """

    kind: str
    path: str
    program: str
    version: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """What this user may do on this machine.

    Attributes:
        name: the user's name.
        process: the privileges of this process.
        reads_log: whether it may read the kernel log.
        way_to_root: how it becomes root, in a sentence.
        can_become_root: whether a program for that is there.
    """

    name: str
    process: ProcessFacts
    reads_log: bool
    way_to_root: str
    can_become_root: bool


@dataclass(frozen=True)
class DoctorFacts:
    """One reading of a system. What is only about the running kernel is empty for others.

    Attributes:
        release: the kernel release that is examined.
        running: whether it is the running kernel.
        has_modules: whether /proc/modules exists.
        system: identity and settings of the running system.
        config: the configuration of the kernel; None if it cannot be read.
        unpacks: contents of /sys/module/compression; empty if the kernel unpacks no
            modules, None if unknown.
        packing: how the module files are compressed, such as `xz`; empty if they are not,
            None if unknown.
        modprobe: value of kernel.modprobe; None if unknown.
        modprobe_exists: whether there is such a program.
        namespaces: value of user.max_user_namespaces; None if unknown.
        why_no_namespaces: the setting that keeps users from making user namespaces.
        protection: Secure Boot and the like.
        hiding: what hides addresses.
        table: the loaded modules.
        taints: what is known about each taint flag that is set.
        unloaded: unloaded modules that tainted the kernel; None if unknown.
        statistics: failed loads; None if unknown.
        root_only: files that only root may read.
        index: directory of the index; empty without one.
        index_error: why there is no index: a sentence, and what to do.
        index_problems: missing and outdated files of the index.
        modules: number of modules that have a file.
        rule_problems: rules without effect, and files that are not read.
        rules: number of rules.
        releases: kernel releases whose modules are installed.
        dkms: what DKMS manages.
        tool: the program that is run as modprobe; None without one.
        user: the current user; None if kmodtui does not run on the examined system.
        badge: what the header shows for the system, such as DEMO; empty for this machine.
    """

    release: str
    running: bool = True
    has_modules: bool = True
    system: SystemFacts = field(default_factory=SystemFacts)
    config: BuildConfig | None = None
    unpacks: str | None = None
    packing: str | None = None
    modprobe: str | None = None
    modprobe_exists: bool = False
    namespaces: str | None = None
    why_no_namespaces: str = ""
    protection: Protection = field(default_factory=Protection)
    hiding: Hiding = field(default_factory=Hiding)
    table: ModuleTable = field(default_factory=ModuleTable)
    taints: Mapping[str, TaintTrace] = field(default_factory=dict)
    unloaded: tuple[UnloadedTaint, ...] | None = None
    statistics: LoadStatistics | None = None
    root_only: frozenset[str] = frozenset()
    index: str = ""
    index_error: tuple[str, str] = ("", "")
    index_problems: tuple[Problem, ...] = ()
    modules: int = 0
    rule_problems: tuple[Problem, ...] = ()
    rules: int = 0
    releases: tuple[str, ...] = ()
    dkms: tuple[DkmsModule, ...] = ()
    tool: Tool | None = None
    user: User | None = None
    badge: str = ""
